#!/usr/bin/env bash
# A bridge node is killed: what went over it goes over the other bridge.
. "$(dirname "$0")/lib.sh"

begin
target=$(id 5)
echo_at 5
within 10 "east asks west" asks 0 "$target"
docker kill --signal KILL "$(name_of 2)" >/dev/null
within 12 "east asks west over the other bridge" asks 0 "$target"
within 12 "the dead bridge is off the tables" all_reach 5 0 1 3 4 5
docker start "$(name_of 2)" >/dev/null
within 20 "all six are back" all_reach 6 0 1 2 3 4 5
say "holds: one bridge carries both networks"

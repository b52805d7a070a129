#!/usr/bin/env bash
# A node that is stopped says goodbye: nobody waits for its silence, nobody else is harmed.
. "$(dirname "$0")/lib.sh"

begin
target=$(id 5)
echo_at 5
docker stop --time 10 "$(name_of 0)" >/dev/null
within 4 "five are left" all_reach 5 1 2 3 4 5
within 5 "the others serve" asks 1 "$target"
docker start "$(name_of 0)" >/dev/null
within 20 "all six are back" all_reach 6 0 1 2 3 4 5
say "holds: gone at once, back at once"

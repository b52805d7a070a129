#!/usr/bin/env bash
# Both bridges lose the network `west`: two halves go on, and find together again.
. "$(dirname "$0")/lib.sh"

begin
target=$(id 5)
echo_at 5
for bridge in 2 3; do docker network disconnect "${project}_west" "$(name_of "$bridge")"; done
within 20 "east sees itself" all_reach 4 0 1 2 3
within 20 "west sees itself" all_reach 2 4 5
within 5 "west serves" asks 4 "$target"
for bridge in 2 3; do docker network connect --alias "node$bridge" "${project}_west" "$(name_of "$bridge")"; done
within 45 "all six reach all again" all_reach 6 0 1 2 3 4 5
within 10 "east asks west" asks 0 "$target"
say "holds: two halves, then one network"

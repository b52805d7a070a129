#!/usr/bin/env bash
# Five nodes fall into 3 and 2 for 20 s and find together again (F4).
. "$(dirname "$0")/lib.sh"

network 5
for node in 0 1 2 3 4; do configure "$node" 8 0; done
configure 0 8
start 0 1 2 3 4
within 20 "all reach all" all_reach 5 0 1 2 3 4
lab_partition "n0 n1 n2" "n3 n4"
within 10 "the larger part sees itself" all_reach 3 0 1 2
within 10 "the smaller part sees itself" all_reach 2 3 4
target=$(id 4)
echo_at 4
within 5 "the smaller part serves" on 3 send "$target" --data inside --timeout 2s
sleep 10
lab_heal
within 20 "all reach all again" all_reach 5 0 1 2 3 4
within 30 "one link for each pair" each_has 4 0 1 2 3 4
within 5 "both parts talk" on 0 send "$target" --data across --timeout 2s
say "holds: two halves served, one network after"

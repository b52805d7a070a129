#!/usr/bin/env bash
# A node stands still for 20 s: the others are not held up, and it serves again when it goes on (F3).
. "$(dirname "$0")/lib.sh"

network 4
for node in 0 1 2 3; do configure "$node" 8 $(((node + 1) % 4)); done
start 0 1 2 3
within 20 "a full mesh" each_has 3 0 1 2 3
target=$(id 1)
frozen=$(id 3)
echo_at 1
echo_at 3
within 5 "node0 asks node1" on 0 send "$target" --data hello --timeout 2s
lab_freeze "${pids[3]}"
within 10 "the frozen one is off the tables" all_reach 3 0 1 2
for ((turn = 0; turn < 10; turn++)); do
    on 0 send "$target" --data hello --timeout 1s >/dev/null 2>&1 || fail "a request between the others was lost"
    sleep 1
done
lab_thaw "${pids[3]}"
within 10 "it is back" all_reach 4 0 1 2 3
within 5 "it serves" on 0 send "$frozen" --data hello --timeout 2s
say "holds: one that stands still stands alone"

#!/usr/bin/env bash
# A node starts again and again, at once after a change: its peers see the newest state each time (F9).
. "$(dirname "$0")/lib.sh"

network 3
configure 0 0
configure 1 0 0
configure 2 0 1
start 0 1 2
within 20 "all reach all" all_reach 3 0 1 2
restarted=$(id 2)
seen_epoch() { on 0 nodes --json | grep "$restarted" | sed 's/.*"epoch":\([0-9]*\).*/\1/'; }
newer() { local epoch; epoch=$(seen_epoch) && [ "$epoch" -gt "$1" ] && all_reach 3 0 1; }
for ((turn = 1; turn <= 15; turn++)); do
    before=$(seen_epoch)
    if [ $((turn % 2)) -eq 0 ]; then kill "${pids[2]}"; else kill -KILL "${pids[2]}"; fi
    wait "${pids[2]}" 2>/dev/null || true
    start 2
    within 5 "start $turn is seen at the far end" newer "$before"
done
say "holds: the newest state is what is seen"

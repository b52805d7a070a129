#!/usr/bin/env bash
# Each of five nodes is killed in turn: requests between the others go on, and it is missed at once (F1).
. "$(dirname "$0")/lib.sh"

network 5
for node in 0 1 2 3 4; do configure "$node" 8 $(((node + 1) % 5)); done
start 0 1 2 3 4
within 20 "a full mesh" each_has 4 0 1 2 3 4
for victim in 0 1 2 3 4; do
    from=$(((victim + 1) % 5)) to=$(((victim + 2) % 5))
    target=$(id "$to")
    echo_at "$to"
    within 5 "node$from asks node$to" on "$from" send "$target" --data before --timeout 2s
    touch "$scratch/go"
    (
        while [ -e "$scratch/go" ]; do
            on "$from" send "$target" --data during --timeout 2s >/dev/null 2>&1 || echo lost
        done >"$scratch/lost"
    ) &
    load=$!
    kill -KILL "${pids[$victim]}"
    wait "${pids[$victim]}" 2>/dev/null || true
    within 1 "node$victim is missed" reaches "$from" 4
    start "$victim"
    within 15 "node$victim is back" each_has 4 0 1 2 3 4
    rm "$scratch/go"
    wait "$load"
    [ ! -s "$scratch/lost" ] || fail "$(wc -l <"$scratch/lost") requests between living nodes were lost"
    kill "${echoes[-1]}" 2>/dev/null || true
done
say "holds: nobody's death harms the rest"

#!/usr/bin/env bash
# Each of five nodes is killed in turn under 200 requests a second between the others: not one is lost, and the dead one
# is missed at once (F1).
. "$(dirname "$0")/lib.sh"

network 5
for node in 0 1 2 3 4; do configure "$node" 8 $(((node + 1) % 5)); done
start 0 1 2 3 4
within 20 "a full mesh" each_has 4 0 1 2 3 4
for node in 0 1 2 3 4; do echo_at "$node"; done
for victim in 0 1 2 3 4; do
    survivors=()
    pairs=()
    for node in 0 1 2 3 4; do [ "$node" = "$victim" ] || survivors+=("$node"); done
    for from in "${survivors[@]}"; do
        for to in "${survivors[@]}"; do [ "$from" = "$to" ] || pairs+=("$from-$to"); done
    done
    within 10 "the others answer each other" all_answer "${pairs[@]}"
    load_begins 200 "${pairs[@]}"
    sleep 5 # of load, before and after
    kill -KILL "${pids[$victim]}"
    wait "${pids[$victim]}" 2>/dev/null || true
    within 1 "node$victim is missed" all_reach 4 "${survivors[@]}"
    start "$victim"
    within 15 "node$victim is back" each_has 4 0 1 2 3 4
    sleep 5
    load_ends 150
    echo_at "$victim"
done
say "holds: nobody's death harms the rest"

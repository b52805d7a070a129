#!/usr/bin/env bash
# Five nodes that know one address each are one mesh within 10 s of the last start, in whatever order they start (F8).
. "$(dirname "$0")/lib.sh"

network 5
for node in 0 1 2 3 4; do configure "$node" 8 $(((node + 1) % 5)); done
# Ten orders, drawn once.
for order in "0 1 2 3 4" "4 3 2 1 0" "2 0 4 1 3" "3 1 4 0 2" "1 4 0 3 2" "4 1 2 0 3" "0 3 1 4 2" "2 4 3 0 1" "3 2 0 4 1" "1 0 3 2 4"; do
    for node in $order; do
        start "$node"
        sleep 0.4
    done
    within 10 "a full mesh, started as $order" each_has 4 0 1 2 3 4
    for node in $order; do kill "${pids[$node]}"; done
    for node in $order; do wait "${pids[$node]}" 2>/dev/null || true; done
done
say "holds: no order matters"

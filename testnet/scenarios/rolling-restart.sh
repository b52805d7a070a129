#!/usr/bin/env bash
# Every node is restarted, one after another, while east asks west: each request has an answer.
. "$(dirname "$0")/lib.sh"

begin
target=$(id 5)
echo_at 5
within 10 "east asks west" asks 0 "$target"
touch "$scratch/go"
(
    while [ -e "$scratch/go" ]; do
        if error=$(asks 0 "$target" 2>&1 >/dev/null); then echo ok; else echo "lost: $error"; fi
    done >"$scratch/answers"
) &
background+=("$!")
for node in 1 2 3 4; do
    docker restart --time 10 "$(name_of "$node")" >/dev/null
    within 20 "node$node is back" all_reach 6 0 5 "$node"
done
rm "$scratch/go"
wait "${background[-1]}" || true
asked=$(wc -l <"$scratch/answers")
lost=$(grep -c lost "$scratch/answers" || true)
[ "$asked" -gt 10 ] || fail "only $asked requests were made"
[ "$lost" -eq 0 ] || fail "$lost of $asked requests had no answer: $(grep lost "$scratch/answers")"
say "holds: $asked requests, all answered"

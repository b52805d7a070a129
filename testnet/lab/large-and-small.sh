#!/usr/bin/env bash
# 10 MiB cross a line of 2 Mbit/s while each small message is answered beside them within 3 s (F7).
. "$(dirname "$0")/lib.sh"

network 2
configure 0 0
configure 1 0 0
start 0 1
within 15 "linked" each_has 1 0 1
target=$(id 1)
on 1 listen --reply ok >/dev/null 2>&1 &
echoes+=("$!")
within 5 "an answer" on 0 send "$target" --data hello --timeout 2s
lab_link n1 rate=2000 queue=256
head -c $((10 * 1024 * 1024)) /dev/urandom >"$scratch/body"
on 0 send "$target" --file "$scratch/body" --timeout 60s >/dev/null 2>"$scratch/large.err" &
large=$!
answered=0
asked=0
while kill -0 "$large" 2>/dev/null; do
    asked=$((asked + 1))
    if on 0 send "$target" --data small --timeout 3s >/dev/null 2>&1; then answered=$((answered + 1)); fi
done
wait "$large" || fail "the large one did not arrive: $(cat "$scratch/large.err")"
[ "$asked" -ge 20 ] || fail "only $asked small ones were sent beside the large one"
[ "$answered" = "$asked" ] || fail "$answered of $asked small ones were answered within 3 s"
! grep -q "link down" "$scratch"/node*.log || fail "the link was called dead"
say "holds: the large one arrived, $answered of $asked small ones beside it"

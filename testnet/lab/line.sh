#!/usr/bin/env bash
# Six nodes in a line pass 10 MiB from end to end, and a broadcast and a multicast reach everybody.
. "$(dirname "$0")/lib.sh"

network 6
configure 0 0
for node in 1 2 3 4 5; do configure "$node" 0 $((node - 1)); done
start 0 1 2 3 4 5
within 25 "all reach all" all_reach 6 0 1 2 3 4 5
target=$(id 5)
on 0 route "$target" | tail -n 1 | grep -q "^ *5 " || fail "the way has not 5 hops: $(on 0 route "$target")"
echo_at 5
head -c $((10 * 1024 * 1024)) /dev/urandom >"$scratch/body"
within 30 "10 MiB there and back" on 0 send "$target" --file "$scratch/body" --save "$scratch/back" --timeout 30s
cmp "$scratch/body" "$scratch/back" || fail "the answer is not the body"
on 5 listen --topic prices --count 1 --json >"$scratch/heard" 2>/dev/null &
listener=$!
within 20 "a multicast over nodes that do not subscribe" eval 'on 0 publish prices --data 7 && sleep 0.3 && grep -q prices "$scratch/heard"'
wait "$listener" || true
on 5 listen --count 1 --json >"$scratch/heard-all" 2>/dev/null &
listener=$!
within 20 "a broadcast" eval 'on 0 broadcast --data all && sleep 0.3 && [ -s "$scratch/heard-all" ]'
wait "$listener" || true
say "holds: five hops carry everything"

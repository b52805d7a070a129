#!/usr/bin/env bash
# A request goes on over another way when the relay of its path falls silent (F2).
. "$(dirname "$0")/lib.sh"

# n0 – n1 – n4, and the longer n0 – n2 – n3 – n4.
network 5
configure 0 0
configure 1 0 0
configure 2 0 0
configure 3 0 2
configure 4 0 1 3
start 0 1 2 3 4
within 20 "all reach all" all_reach 5 0 1 2 3 4
target=$(id 4)
echo_at 4
within 10 "an answer over the short way" on 0 send "$target" --data hello --timeout 2s
on 0 route "$target" | grep -q " node1 " || fail "the first way is not over node1: $(on 0 route "$target")"
lab_partition n1 "n0 n2 n3 n4"
within 12 "an answer after the relay fell silent" on 0 send "$target" --data hello --timeout 10s
within 12 "the relay is off the tables" all_reach 4 0 4
on 0 route "$target" | grep -q " node3 " || fail "the way is not over node3: $(on 0 route "$target")"
say "holds: the bypass carries it"

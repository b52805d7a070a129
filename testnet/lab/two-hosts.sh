#!/usr/bin/env bash
# Two hosts with one key: their peers say so, the first keeps its link (F17).
. "$(dirname "$0")/lib.sh"

network 3
configure 0 0
configure 1 0 0
start 0 1
within 15 "the first is linked" has_links 0 1
cp -r "$(dir 1)" "$scratch/stolen"
rm -rf "$scratch/stolen/data" "$(dir 2)"
mv "$scratch/stolen" "$(dir 2)"
sed -i "s|$(address 1)|$(address 2)|" "$(dir 2)/nuncio.toml"
began=$(grep -c "link down" "$scratch/node0.log" || true)
start 2
within 5 "the peer says that there are two" grep -q "two hosts run with the key of one node" "$scratch/node0.log"
[ "$(grep -c "link down" "$scratch/node0.log" || true)" = "$began" ] || fail "the first lost its link"
has_links 1 1 || fail "the first has no link"
if lab_exec n1 "$nuncio" run --config "$(dir 1)/nuncio.toml" 2>"$scratch/second.err"; then fail "two processes with one data directory"; fi
grep -q "in use by process" "$scratch/second.err" || fail "the lock's holder is not named: $(cat "$scratch/second.err")"

# A copy with all that the node remembers, of a time when its clock was ahead: both go on from there, and are told apart all the same.
kill -KILL "${pids[1]}" "${pids[2]}"
wait "${pids[1]}" "${pids[2]}" 2>/dev/null || true
echo 9999999999999 >"$(dir 1)/data/epoch"
rm -rf "$(dir 2)"
cp -a "$(dir 1)" "$(dir 2)"
sed -i "s|$(address 1)|$(address 2)|" "$(dir 2)/nuncio.toml"
start 1
within 15 "the first is linked again" has_links 0 1
told=$(grep -c "two hosts run with the key of one node" "$scratch/node0.log")
start 2
told_again() { [ "$(grep -c "two hosts run with the key of one node" "$scratch/node0.log")" -gt "$told" ]; }
within 5 "the peer says so of a whole copy too" told_again
has_links 1 1 || fail "the first has no link beside its copy"
kill "${pids[2]}"
wait "${pids[2]}" 2>/dev/null || true
within 15 "the copy is stopped, and the node is in the network" all_reach 2 0 1
say "holds: one identity, one node"

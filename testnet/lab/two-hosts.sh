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
say "holds: one identity, one node"

#!/usr/bin/env bash
# A revocation list given to one node, while messages flow, puts the revoked node out everywhere within 5 s (F15).
. "$(dirname "$0")/lib.sh"

# n0 – n1 – n2 – n3; n3 is revoked, the list is given to n0.
network 4
configure 0 0
for node in 1 2 3; do configure "$node" 0 $((node - 1)); done
list=$scratch/list.crl
sed -i '1i [identity]\ncrl = ["conf/ca.crl"]\n' "$(dir 0)/nuncio.toml"
agency=$scratch/net/agencies/agencyB
# A first list, that names a node nobody runs.
spare=$scratch/spare
"$nuncio" cert issue --ca "$agency" --out "$spare" spare >/dev/null
"$nuncio" cert revoke --ca "$agency" "$spare/node.crt" >/dev/null
cp "$agency/ca.crl" "$(dir 0)/conf/ca.crl"
start 0 1 2 3
within 20 "all reach all" all_reach 4 0 1 2 3
revoked=$(id 3)
partner=$(id 2)
echo_at 2
within 5 "node0 asks node2" on 0 send "$partner" --data hello --timeout 2s
(while on 0 send "$partner" --data load --timeout 5s >/dev/null 2>>"$scratch/load.err"; do :; done) &
load=$!
"$nuncio" cert revoke --ca "$agency" "$(dir 3)/conf/node.crt" >/dev/null
cp "$agency/ca.crl" "$list"
mv "$list" "$(dir 0)/conf/ca.crl"
within 5 "out on the node that was given the list" gone 0 "$revoked"
within 5 "out on its neighbour" gone 1 "$revoked"
within 5 "out on the revoked node's own neighbour" gone 2 "$revoked"
kill -0 "$load" 2>/dev/null || fail "the load stopped: $(cat "$scratch/load.err")"
kill "$load" 2>/dev/null || true
wait "$load" 2>/dev/null || true
within 10 "the revoked node is told why" grep -q "is revoked" "$scratch/node3.log"
[ -s "$(dir 2)/data/revocations.pem" ] || fail "node2 did not keep the list"
say "holds: one list, everywhere, while messages flow"

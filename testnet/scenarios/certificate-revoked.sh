#!/usr/bin/env bash
# A node's certificate is revoked; the list is given to one node on the other network, and all put the revoked one out.
. "$(dirname "$0")/lib.sh"

begin
revoked=$(id 5)
issuer=$(sed -n 's/^# node5 of \(agency[A-Z]\),.*/\1/p' "$NUNCIO_NET/node5/nuncio.toml")
"$binary" cert revoke --ca "$NUNCIO_NET/agencies/$issuer" "$NUNCIO_NET/node5/conf/node.crt" >/dev/null 2>&1
cp "$NUNCIO_NET/agencies/$issuer/ca.crl" "$NUNCIO_NET/node0/conf/ca.crl"
sed -i '1i [identity]\ncrl = ["conf/ca.crl"]\n' "$NUNCIO_NET/node0/nuncio.toml"
gone() { local node; for node in 0 1 2 3 4; do ! inside "$node" nodes --json | grep "$revoked" | grep -q '"reachable":true' || return 1; done; }
within 8 "the revoked node is out everywhere" gone
within 20 "the others reach each other" all_reach 5 0 1 2 3 4
"${compose[@]}" logs --no-color node5 >"$scratch/node5.log" 2>/dev/null
grep -q "is revoked" "$scratch/node5.log" || fail "node5 was not told why"
say "holds: one list, everywhere"

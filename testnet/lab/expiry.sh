#!/usr/bin/env bash
# A certificate that ends closes the links within two seconds; one that is renewed in time loses no message; whoever
# renews late is let in again (F16).
. "$(dirname "$0")/lib.sh"
command -v openssl >/dev/null || skip "openssl is not here"

# n0 and n1 ask each other all the time; n2 and n1 have certificates that end soon.
network 3
configure 0 0
configure 1 0 0
configure 2 0 1
ends_in 35 1 agencyB
renewed_before=$end
ends_in 25 2 agencyA
ended=$end
start 0 1 2
within 15 "all reach all" all_reach 3 0 1 2
late=$(id 2)
echo_at 0
echo_at 1
within 5 "node0 and node1 answer each other" all_answer 0-1 1-0
load_begins 200 0-1 1-0
"$nuncio" cert renew "$(dir 1)/conf/node.crt" --ca "$scratch/net/agencies/agencyB" >/dev/null
renewed() { on 1 status --json | python3 -c 'import json, sys; sys.exit(json.load(sys.stdin)["certificate_not_after"] <= int(sys.argv[1]))' "$renewed_before"; }
within 10 "node1 has its new certificate" renewed
within $((ended + 2 - $(date +%s))) "node2 is out, at its neighbour" has_links 1 1
[ "$(date +%s)" -ge $((ended - 2)) ] || fail "it was out $((ended - $(date +%s))) s before its certificate ended"
within 2 "node2 is out, two links away" gone 0 "$late"
grep -q "expired" "$scratch/node1.log" || fail "node1 does not say why"
until [ "$(date +%s)" -gt $((renewed_before + 2)) ]; do sleep 0.2; done
has_links 1 1 || fail "node1 lost its link though it was renewed"
load_ends 150
"$nuncio" cert renew "$(dir 2)/conf/node.crt" --ca "$scratch/net/agencies/agencyA" >/dev/null
within 10 "node2 is back with another certificate" all_reach 3 0 1 2
say "holds: an end is an end, and a renewal is none"

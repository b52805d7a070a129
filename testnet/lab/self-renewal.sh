#!/usr/bin/env bash
# Ten nodes of two agencies whose certificates last a day of 20 s renew them by themselves, while 200 requests a second go
# around: nobody acts, no request is lost, no link drops. Then one node's certificate is revoked, and it gets no other.
#
#   testnet/lab/self-renewal.sh [DAYS]       6 unless it is said; 30 days take six and a half minutes
export LAB_MAX_S=${LAB_MAX_S:-$((${1:-6} * 25 + 300))}
. "$(dirname "$0")/lib.sh"
command -v openssl >/dev/null || skip "openssl is not here"

day=20 days=${1:-${DAYS:-6}} rate=${RATE:-200}
nodes=(0 1 2 3 4 5 6 7 8 9)
network 10
agency_of() { [ $(($1 % 2)) = 0 ] && echo agencyA || echo agencyB; }
for node in "${nodes[@]}"; do
    configure "$node" 9 $(((node + 1) % 10))
    # By another tool than ours, an hour old: due at once.
    ends_in 90 "$node" "$(agency_of "$node")"
done
# One issuer for each agency; all others know nothing of it but what the network says.
for node in 0 1; do
    printf '\n[issuer]\nca = "%s"\nlifetime = "%ss"\nper_hour = 1000\n' \
        "$scratch/net/agencies/$(agency_of "$node")" "$day" >>"$(dir "$node")/nuncio.toml"
done
start "${nodes[@]}"
within 40 "a full mesh" each_has 9 "${nodes[@]}"

renewals() { grep -c "shows another certificate" "$scratch/node$1.log" || true; }
# renewed TIMES NODE...: each has had so many certificates.
renewed() {
    local times=$1 node
    shift
    for node in "$@"; do [ "$(renewals "$node")" -ge "$times" ] || return 1; done
}
within 60 "each has a certificate for a day" renewed 1 "${nodes[@]}"
for node in "${nodes[@]}"; do echo_at "$node"; done
pairs=()
for node in "${nodes[@]}"; do pairs+=("$node-$(((node + 1) % 10))" "$node-$(((node + 4) % 10))"); done
within 20 "all answer each other" all_answer "${pairs[@]}"
downs() { cat "$scratch"/node?.log | grep -c "link down" || true; }
before=$(downs)
load_begins "$rate" "${pairs[@]}"

within $((day * days)) "$days days have passed, each with its certificate" renewed $((days + 1)) "${nodes[@]}"
[ "$(downs)" = "$before" ] || fail "links dropped: $(grep -h "link down" "$scratch"/node?.log | tail -n 3)"
if grep -h "was not renewed" "$scratch"/node?.log; then fail "a renewal failed"; fi
each_has 9 "${nodes[@]}" || fail "the mesh has gaps"
load_ends $((rate * 3 / 4))
left=$(on 5 certs --json | grep -c "\"name\":\"node")
[ "$left" -ge 10 ] || fail "node5 sees $left certificates"

# A revocation that only the agency's folder knows: no list spreads, and yet the key gets nothing more.
"$nuncio" cert revoke "$(dir 9)/conf/node.crt" --ca "$scratch/net/agencies/agencyB" >/dev/null 2>&1 || fail "not revoked"
told() { grep -q "did not renew a certificate.*revoked" "$scratch/node1.log" && on 9 status | grep -q "revoked"; }
within $((day + 5)) "node9 is told that it is revoked, and says so" told
within $((day + 5)) "it is out when its last certificate ends" has_links 0 8
say "holds: nobody acted, nobody noticed, and who is revoked stays out"

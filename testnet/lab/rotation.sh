#!/usr/bin/env bash
# The root of six nodes is replaced, then both agencies, then every node's certificate, while 200 requests a second go
# around: none is lost and no link drops. Steps are interrupted, a state is altered, two work at once, and a node that
# keeps its old certificates keeps the old authority in force until its operator acts.
. "$(dirname "$0")/lib.sh"

nodes=(0 1 2 3 4 5)
network 6
for node in "${nodes[@]}"; do configure "$node" 8 $(((node + 1) % 6)); done
start "${nodes[@]}"
within 30 "a full mesh" each_has 5 "${nodes[@]}"
for node in "${nodes[@]}"; do echo_at "$node"; done
pairs=()
for from in "${nodes[@]}"; do
    for to in "${nodes[@]}"; do [ "$from" = "$to" ] || pairs+=("$from-$to"); done
done
within 20 "all answer each other" all_answer "${pairs[@]}"

net=$scratch/net
socket=unix:$(dir 0)/data/admin.sock
rotate() { "$nuncio" ca rotate "$@"; }
# refused WORDS STEP...: the step says these words and does nothing.
refused() {
    local words=$1
    shift
    if rotate "$@" >"$scratch/refused" 2>&1; then fail "ca rotate $1 was not refused"; fi
    grep -q "$words" "$scratch/refused" || fail "ca rotate $1 says: $(cat "$scratch/refused")"
}
# shows KIND COUNT DIR: so many nodes show the old authority or the new one.
shows() { [ "$(rotate status --ca "$3" --admin "$socket" --json 2>/dev/null | grep -c "\"shows\":\"$1\"")" = "$2" ]; }
downs() { cat "$scratch"/node?.log | grep -c "link down" || true; }
# hand NODE NEW-CERTIFICATE ISSUED: what its operator does with the files that he was given.
hand() {
    local conf
    conf=$(dir "$1")/conf
    cat "$2" >>"$conf/ca.crt"
    cp "$3"/node"$1"-*.crt "$conf/new"
    mv "$conf/new" "$conf/node.crt"
}

before=$(downs)
began=$(date +%s)
load_begins 200 "${pairs[@]}"
sleep 3 # of load before

# The root. Node 5 is somebody else's: it is not at hand.
at=(--at "$net/agencies")
for node in 0 1 2 3 4; do at+=(--at "$(dir "$node")"); done
root=$net/ca
rotate plan --ca "$root" "${at[@]}" --admin "$socket" >/dev/null 2>&1 || fail "no plan"
refused "not its next step" issue --ca "$root" --admin "$socket"
(exec 9>>"$root/.rotation.lock" && flock 9 && refused "another nuncio ca rotate" prepare --ca "$root")
cp "$root/rotation/state.json" "$scratch/state"
sed -i 's/"planned"/"switched"/' "$root/rotation/state.json"
refused "signature" retire --ca "$root" --admin "$socket"
cp "$scratch/state" "$root/rotation/state.json"
# Each step is killed at some moment and run again.
for step in prepare issue switch; do
    view=()
    # Nodes below agencies at hand get their files; nothing is signed for them.
    [ "$step" != issue ] || view=(--admin "$socket")
    for ms in 2 10 30; do timeout -s KILL "0.0$ms" "$nuncio" ca rotate "$step" --ca "$root" "${view[@]}" >/dev/null 2>&1 || true; done
    rotate "$step" --ca "$root" "${view[@]}" >"$scratch/$step" 2>&1 || fail "$step: $(cat "$scratch/$step")"
done
within 30 "five nodes show the new root" shows new 5 "$root"
refused "node5" retire --ca "$root" --admin "$socket"
[ "$(grep -c BEGIN "$(dir 0)/conf/ca.crt")" = 2 ] || fail "retire was refused and ended trust all the same"
say "refused while node5 shows the old root: $(sed -n 's/^error: //p' "$scratch/refused")"
hand 5 "$root/rotation/new/ca.crt" "$root/rotation/issued"
within 30 "all show the new root" shows new 6 "$root"
rotate retire --ca "$root" --admin "$socket" >/dev/null 2>&1 || fail "the old root does not retire"
cp "$root/ca.crt" "$(dir 5)/conf/new" && mv "$(dir 5)/conf/new" "$(dir 5)/conf/ca.crt"

# The agencies: node5's folder is at hand now.
for letter in A B; do
    agency=$net/agencies/agency$letter
    members=$(for node in "${nodes[@]}"; do openssl x509 -in "$(dir "$node")/conf/node.crt" -noout -issuer; done | grep -c "agency$letter")
    rotate plan --ca "$agency" --at "$net" --admin "$socket" >/dev/null 2>&1 || fail "no plan for agency$letter"
    rotate prepare --ca "$agency" --root "$root" >/dev/null 2>&1 || fail "no new agency$letter"
    rotate issue --ca "$agency" --admin "$socket" >"$scratch/issue" 2>&1 || fail "agency$letter issues nothing"
    if grep "left out" "$scratch/issue"; then fail "agency$letter leaves out who is at hand"; fi
    rotate switch --ca "$agency" >/dev/null 2>&1 || fail "agency$letter does not switch"
    within 30 "the nodes of agency$letter show the new one" shows new "$members" "$agency"
    refused "only its revocation" retire --ca "$agency" --admin "$socket"
    rotate retire --ca "$agency" --admin "$socket" --unrevoked >/dev/null 2>&1 || fail "the old agency$letter does not retire"
done

# Every node's own certificate.
serial() { openssl x509 -in "$(dir "$1")/conf/node.crt" -noout -serial | sed 's/serial=//' | tr A-F a-f; }
for node in "${nodes[@]}"; do
    "$nuncio" cert renew "$(dir "$node")/conf" --ca "$net/agencies/agency$([ $((node % 2)) = 0 ] && echo A || echo B)" >/dev/null ||
        fail "node$node is not renewed"
done
all_renewed() {
    local node seen
    seen=$(on 0 certs --json)
    for node in "${nodes[@]}"; do grep -q "\"serial\":\"$(serial "$node")\"" <<<"$seen" || return 1; done
}
within 30 "all show their own renewed certificates" all_renewed

# The old root counts nowhere; a node that starts anew lets in, and is let in, by the new one alone.
for node in "${nodes[@]}"; do
    [ "$(grep -c BEGIN "$(dir "$node")/conf/ca.crt")" = 1 ] || fail "node$node trusts more than the new root"
    cmp -s "$root/ca.crt" "$(dir "$node")/conf/ca.crt" || fail "node$node trusts another root"
done
sleep 5 # of load after, with the old root gone from every file for longer than nodes take to see it
[ "$(downs)" = "$before" ] || fail "links dropped: $(grep -h "link down" "$scratch"/node?.log | tail -n 3)"
load_ends 150
each_has 5 "${nodes[@]}" || fail "the mesh has gaps"
age=$(on 0 peers --json | sed -n 's/.*"connected_for_s":\([0-9]*\).*/\1/p' | sort -n | head -n 1)
[ "$age" -ge $(($(date +%s) - began - 2)) ] || fail "a link is younger than the rotation"
kill "${pids[3]}"
wait "${pids[3]}" 2>/dev/null || true
start 3
within 20 "node3 is back by the new root alone" each_has 5 "${nodes[@]}"
say "holds: another root, other agencies and other certificates, and nobody noticed"

#!/usr/bin/env bash
# The root is replaced, and an agency, while east asks west: each request has an answer, and the old root counts nowhere.
. "$(dirname "$0")/lib.sh"

begin
target=$(id 5)
echo_at 5
within 10 "east asks west" asks 0 "$target"
downs() { "${compose[@]}" logs --no-color 2>/dev/null | grep -c "link down" || true; }
before=$(downs)
touch "$scratch/go"
# One shell in the container for all of them: to begin one takes longer than a request.
asking="while read -r _; do if error=\$(nuncio send $target --data hello --timeout 3s 2>&1 >/dev/null); then echo ok; else echo lost: \$error; fi; done"
(
    coproc ask { docker exec -i "$(name_of 0)" sh -c "$asking"; }
    while [ -e "$scratch/go" ]; do
        echo next >&"${ask[1]}" && read -r answer <&"${ask[0]}" || answer="lost: nobody asks any more"
        echo "$answer"
    done >"$scratch/answers"
) &
background+=("$!")

# The authorities' machine has no network: what is seen comes as a file.
see() { inside 0 certs --json >"$scratch/seen.json" && inside 0 certs --sdks --json >"$scratch/sdks.json"; }
rotate() { "$binary" ca rotate "$@" >"$scratch/step" 2>&1 || fail "ca rotate $1: $(cat "$scratch/step")"; }
shows_new() { see && [ "$("$binary" ca rotate status --ca "$1" --seen "$scratch/seen.json" --json 2>/dev/null | grep -c '"shows":"new"')" = "$2" ]; }
# replace DIR MEMBERS RETIRE-ARGUMENT ROOT-ARGUMENTS...
replace() {
    local ca=$1 members=$2 end=$3
    shift 3
    see
    rotate plan --ca "$ca" --at "$NUNCIO_NET" --seen "$scratch/seen.json"
    rotate prepare --ca "$ca" "$@"
    rotate issue --ca "$ca" --seen "$scratch/seen.json"
    if "$binary" ca rotate retire --ca "$ca" --seen "$scratch/seen.json" >/dev/null 2>&1; then fail "it retires too early"; fi
    rotate switch --ca "$ca"
    within 30 "the network shows the new $(basename "$ca")" shows_new "$ca" "$members"
    rotate retire --ca "$ca" --seen "$scratch/seen.json" --sdks "$scratch/sdks.json" ${end:+"$end"}
}
replace "$NUNCIO_NET/ca" 6 ""
agency=$(sed -n 's/^# node5 of \(agency[A-Z]\),.*/\1/p' "$NUNCIO_NET/node5/nuncio.toml")
members=$(grep -l "^# node[0-5] of $agency," "$NUNCIO_NET"/node[0-5]/nuncio.toml | wc -l)
replace "$NUNCIO_NET/agencies/$agency" "$members" --unrevoked --root "$NUNCIO_NET/ca"
for node in 0 1 2 3 4 5; do
    cmp -s "$NUNCIO_NET/ca/ca.crt" "$NUNCIO_NET/node$node/conf/ca.crt" || fail "node$node trusts another root"
done
sleep 5 # of requests with the new root alone
rm "$scratch/go"
wait "${background[-1]}" || true
asked=$(wc -l <"$scratch/answers")
lost=$(grep -c lost "$scratch/answers" || true)
[ "$asked" -gt 100 ] || fail "only $asked requests were made"
[ "$lost" -eq 0 ] || fail "$lost of $asked requests had no answer: $(grep lost "$scratch/answers")"
[ "$(downs)" = "$before" ] || fail "links dropped: $("${compose[@]}" logs --no-color 2>/dev/null | grep "link down" | tail -n 3)"
say "holds: $asked requests, all answered, and no link dropped"

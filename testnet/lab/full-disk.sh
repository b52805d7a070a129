#!/usr/bin/env bash
# A disk that is full: what cannot be kept is refused or told, nothing is torn, messages flow, and with space all comes back.
. "$(dirname "$0")/lib.sh"

disks=()
# disk DIRECTORY KIB: a small file system of its own there, with what was in the directory.
disk() {
    local kept=$scratch/kept
    mkdir -p "$1" "$kept"
    cp -a "$1/." "$kept"
    mount -t tmpfs -o "size=${2}k,mode=700" tmpfs "$1" || skip "this machine mounts nothing"
    disks+=("$1")
    cp -a "$kept/." "$1"
    rm -rf "$kept"
}
# fill DIRECTORY, empty DIRECTORY
fill() { cat /dev/zero >"$1/filler" 2>/dev/null || true; }
empty() { rm "$1/filler"; }
put_away() {
    local status=$?
    set +e
    umount -l "${disks[@]}"
    (exit "$status")
    finish
}
# refused WHAT COMMAND...: fails, and says that there is no space.
refused() {
    local what=$1
    shift
    if "$@" >"$scratch/said" 2>&1; then fail "$what was accepted on a full disk: $(cat "$scratch/said")"; fi
    grep -qiE "no space|free space" "$scratch/said" || fail "$what does not say why: $(cat "$scratch/said")"
}
# digest PLACE...: what there is, but for what fills the disk.
digest() { find "$@" -type f ! -name filler ! -name '*.lock' ! -path '*/audit/*' -exec sha256sum {} + | sort; }
unchanged() { diff <(echo "$before") <(digest "$@") >"$scratch/changes" || fail "changed or left behind: $(cat "$scratch/changes")"; }

network 3
trap put_away EXIT
configure 0 0
configure 1 0 0
configure 2 0 0
agency=$scratch/net/agencies/agencyB
for one in "$(dir 1)/data" "$(dir 1)/conf" "$agency" "$scratch/saved"; do disk "$one" 256; done
start 0 1 2
within 20 "all reach all" all_reach 3 0 1 2
echo_at 1
within 5 "node0 asks node1" on 0 send "$(id 1)" --data hello --timeout 2s
data=$(dir 1)/data

say "the data directory is full"
fill "$data"
before=$(digest "$data")
refused "a rule" on 1 access deny "$(id 2)"
refused "a peer" on 1 peers add 127.0.0.1:39999
refused "a token" "$nuncio" token make full --config "$(dir 1)/nuncio.toml"
unchanged "$data"
within 5 "a message comes through all the same" on 0 send "$(id 1)" --data hello --timeout 2s
on 1 peers --json | grep -q 39999 && fail "a peer that was refused is there"
all_reach 3 0 1 2 || fail "a rule that was refused is in force"
unwritten() { on 1 status --json | grep -q "audit log cannot be written"; }
# Each is a line that finds no place.
for _ in $(seq 40); do on 1 log-level info >/dev/null 2>&1 || true; done
within 20 "the status says that the audit log is not written" unwritten

say "a revocation comes"
spare=$scratch/spare
"$nuncio" cert issue --ca "$agency" --out "$spare" spare >/dev/null
"$nuncio" cert revoke --ca "$agency" "$spare/node.crt" >/dev/null
mkdir -p "$(dir 0)/conf" && cp "$agency/ca.crl" "$(dir 0)/conf/ca.crl"
sed -i '1i [identity]\ncrl = ["conf/ca.crl"]\n' "$(dir 0)/nuncio.toml"
kill -HUP "${pids[0]}"
within 20 "node1 has the list and says that it cannot keep it" grep -q "cannot be kept for the next start" "$scratch/node1.log"

say "there is space again"
empty "$data"
written() { ! unwritten && "$nuncio" audit verify --config "$(dir 1)/nuncio.toml" 2>&1 | grep -q "counted only"; }
within 30 "the audit log is written again" written
"$nuncio" audit show --config "$(dir 1)/nuncio.toml" --json 2>/dev/null | grep -q '"kind":"gap"' || fail "no gap is recorded"
within 90 "the list is kept after all" test -s "$data/revocations.pem"

say "a start on a full disk"
kill "${pids[1]}"
wait "${pids[1]}" 2>/dev/null || true
epoch=$(cat "$data/epoch")
fill "$data"
refused "a start" lab_exec n1 timeout 20 "$nuncio" run --config "$(dir 1)/nuncio.toml"
[ "$epoch" = "$(cat "$data/epoch")" ] || fail "the epoch was torn"
empty "$data"
start 1
within 20 "with space it starts" all_reach 3 0 1 2
[ "$(cat "$data/epoch")" -gt "$epoch" ] || fail "no later epoch"

say "an authority's disk is full"
fill "$agency"
fill "$(dir 1)/conf"
before=$(digest "$agency" "$(dir 1)/conf")
refused "a revocation" "$nuncio" cert revoke --ca "$agency" "$(dir 1)/conf/node.crt"
refused "a renewal" "$nuncio" cert renew --ca "$agency" "$(dir 1)/conf/node.crt"
refused "a request" "$nuncio" cert request again --out "$(dir 1)/conf"
refused "an invitation" "$nuncio" join-token make newcomer --at 127.0.0.1:1 --ca "$agency"
unchanged "$agency" "$(dir 1)/conf"
empty "$agency"
empty "$(dir 1)/conf"
"$nuncio" cert renew --ca "$agency" "$(dir 1)/conf/node.crt" >/dev/null || fail "with space nothing is renewed"

say "bodies are saved on a full disk"
saves() {
    timeout "$LAB_MAX_S" "$nuncio" listen --save "$scratch/saved" --admin "unix:$(dir 2)/data/admin.sock" >"$scratch/saving.log" 2>&1 &
    saving=$!
    echoes+=("$saving")
}
saves
within 5 "one is saved" on 0 send "$(id 2)" --data first --timeout 2s
fill "$scratch/saved"
head -c 100000 /dev/urandom >"$scratch/body"
if on 0 send "$(id 2)" --file "$scratch/body" --timeout 5s >/dev/null 2>&1; then fail "a body was confirmed that has no place"; fi
ended() { ! kill -0 "$saving" 2>/dev/null; }
within 5 "whoever saves ends" ended
grep -q "No space left" "$scratch/saving.log" || fail "and does not say why"
[ "$(find "$scratch/saved" -type f ! -name filler | wc -l)" = 1 ] || fail "a part of a body is left: $(ls -la "$scratch/saved")"
empty "$scratch/saved"
saves
within 10 "with space it is saved" on 0 send "$(id 2)" --file "$scratch/body" --timeout 3s
cmp -s "$scratch/saved/$(sha256sum "$scratch/body" | cut -d' ' -f1)" "$scratch/body" || fail "what was saved is not what was sent"
say "holds: nothing is torn, nothing is lost silently, and with space all comes back"

#!/usr/bin/env bash
# A network of two releases under load: six nodes in a ring run OLD, each is replaced by NEW, one after the other, and then
# back by OLD, while nodes that stay ask each other over those that are replaced. Not one answer may be lost.
#
#   testnet/upgrade.sh OLD NEW        two binaries; each must speak with the other's version of the wire
#
# Takes two minutes. Needs python3; as root it has a network of its own, else ports 30300 to 30305 of this machine.
# Exit: 0 no answer was lost · 1 one was
set -euo pipefail

if [ $# -ne 2 ] || ! [ -x "$1" ] || ! [ -x "$2" ]; then
    echo "usage: testnet/upgrade.sh OLD NEW (two nuncio binaries)" >&2
    exit 2
fi
old=$(realpath "$1") new=$(realpath "$2")
cd "$(dirname "$0")/.."
apart=(unshare --net --pid --fork --kill-child --mount-proc)
if [ -z "${NUNCIO_UPGRADE_APART:-}" ] && command -v ip >/dev/null && "${apart[@]}" true 2>/dev/null; then
    NUNCIO_UPGRADE_APART=1 exec "${apart[@]}" bash -c 'ip link set lo up && exec "$@"' _ "$PWD/testnet/upgrade.sh" "$old" "$new"
fi

readonly RATE=${RATE:-100} LIMIT_S=40
scratch=$(mktemp -d)
declare -A pids=()
listeners=() load=
clean_up() {
    status=$?
    trap - EXIT INT TERM
    for pid in "${pids[@]}" "${listeners[@]}" $load; do kill "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
    rm -rf "$scratch"
    exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT TERM
say() { printf 'upgrade: %3d s  %s\n' "$SECONDS" "$*"; }
fail() {
    echo "upgrade: FAILED: $*" >&2
    tail -n 8 "$scratch"/node*.log >&2
    exit 1
}

dir() { echo "$scratch/net/node$1"; }
socket() { echo "$(dir "$1")/data/admin.sock"; }
# start NODE BINARY
start() {
    "$2" run --config "$(dir "$1")/nuncio.toml" >>"$scratch/node$1.log" 2>&1 &
    pids[$1]=$!
}
stop() {
    kill "${pids[$1]}"
    wait "${pids[$1]}" || fail "node$1 did not stop well"
}
within() {
    local what=$1 until=$((SECONDS + LIMIT_S))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$until" ] || fail "not within $LIMIT_S s: $what"
        sleep 0.1
    done
}
reaches() { [ "$("$old" nodes --admin "unix:$(socket "$1")" --json | grep -c '"reachable":true')" = 6 ]; }
# The whole ring: with one link missing, the next node that stops would leave no way.
links() { "$old" status --admin "unix:$(socket "$1")" --json | grep -q '"peers":2[,}]'; }
ring_stands() {
    local node
    for node in 0 1 2 3 4 5; do links "$node" && reaches "$node" || return 1; done
}
runs() { [ "$(readlink "/proc/${pids[$1]}/exe")" = "$2" ]; }

# between NODE NODE: these two answer each other from now on.
between() {
    local node
    for node in "$1" "$2"; do
        "$old" listen --echo --admin "unix:$(socket "$node")" >/dev/null 2>&1 &
        listeners+=("$!")
    done
    within "node$1 and node$2 answer" asks "$1" "$2"
    within "node$2 and node$1 answer" asks "$2" "$1"
    # What a relay had when it stopped is asked for again after two seconds, so a request is given the ten that it has by default.
    TIMEOUT_MS=10000 python3 testnet/lab/load.py "$RATE" "$(socket "$1")=$(cat "$(dir "$2")/conf/node.nodeid")" \
        "$(socket "$2")=$(cat "$(dir "$1")/conf/node.nodeid")" >"$scratch/load" 2>&1 &
    load=$!
}
asks() { "$old" send "$(cat "$(dir "$2")/conf/node.nodeid")" --data x --timeout 2s --admin "unix:$(socket "$1")"; }

asked=0
# judged WHAT: the load ends, and every request of it was answered.
judged() {
    local pid
    kill "$load" 2>/dev/null || true
    wait "$load" || true
    load=
    for pid in "${listeners[@]}"; do kill "$pid" 2>/dev/null || true; done
    listeners=()
    python3 -c 'import json, sys
result = json.load(open(sys.argv[1]))
print(result["answered"])
sys.exit(result["faults"] != [] or result["asked"] != result["answered"] or result["asked"] < 30)' "$scratch/load" >"$scratch/verdict" ||
        fail "$1: $(cat "$scratch/load")"
    asked=$((asked + $(cat "$scratch/verdict")))
    say "$1: $(cat "$scratch/verdict") requests, all answered"
}

# replace BINARY WHAT NODE...: each node is stopped, started as this binary, and waited for.
replace() {
    local binary=$1 what=$2 node
    shift 2
    for node in "$@"; do
        stop "$node"
        start "$node" "$binary"
        within "node$node is back" ring_stands
        runs "$node" "$binary" || fail "node$node runs another binary"
    done
    judged "$what, nodes $*"
}

"$old" testnet create --out "$scratch/net" --nodes 6 --topology ring >/dev/null 2>&1
for node in 0 1 2 3 4 5; do start "$node" "$old"; done
within "the ring stands" ring_stands
say "six nodes run $("$old" --version); to be replaced by $("$new" --version)"
for way in new old; do
    binary=${!way}
    # Opposite nodes of the ring: each answer crosses two of those that are replaced, the one way or the other.
    between 0 3
    replace "$binary" "by $way" 1 2 4 5
    between 1 4
    replace "$binary" "by $way" 0 3
done
say "holds: $asked requests in a network of both, in both orders, and no answer was lost"

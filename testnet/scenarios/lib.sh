# shellcheck shell=bash
# What the scenarios share: the network of six, conditions to wait for, statements to check. Sourced by each scenario.
set -euo pipefail

. "$(dirname "${BASH_SOURCE[0]}")/../binary.sh"
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
scenario=$(basename "$0" .sh)
project=nuncio-$scenario-$$
scratch=$(mktemp -d)
NUNCIO_USER=$(command id -u):$(command id -g)
export NUNCIO_USER NUNCIO_IMAGE=$project:local NUNCIO_NET=$scratch/net
readonly LIMIT_S=60
background=()

say() { printf '%-20s %s\n' "$scenario" "$*"; }
fail() { echo "$scenario: FAILED: $*" >&2; exit 1; }
skip() { echo "$scenario: SKIPPED, $*" >&2; rm -rf "$scratch"; exit 77; }

timeout 20 docker info >/dev/null 2>&1 || skip "no Docker engine answers here"
if docker compose version >/dev/null 2>&1; then
    compose=(docker compose)
elif docker-compose version >/dev/null 2>&1; then
    compose=(docker-compose)
else
    skip "neither docker compose nor docker-compose is here"
fi
compose+=(--project-name "$project" --file testnet/scenarios/compose.yaml)

clean_up() {
    local status=$?
    trap - EXIT INT TERM
    if [ "$status" -ne 0 ]; then
        echo "$scenario: ends with $status; the last lines of the containers:" >&2
        timeout 30 "${compose[@]}" logs --no-color --tail 8 >&2 || true
    fi
    local pid
    for pid in "${background[@]}"; do kill "$pid" 2>/dev/null || true; done
    timeout 120 "${compose[@]}" down --volumes --remove-orphans --timeout 5 >/dev/null 2>&1 || true
    timeout 30 docker image rm --force "$NUNCIO_IMAGE" >/dev/null 2>&1 || true
    rm -rf "$scratch"
    exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

# shellcheck source=testnet/image.sh
. testnet/image.sh

name_of() { timeout 20 "${compose[@]}" ps -q "node$1"; }
inside() { timeout 60 docker exec "$(name_of "$1")" nuncio "${@:2}"; }
id() { inside "$1" status --json | grep -o '"node_id": *"[0-9a-f]*"' | grep -o '[0-9a-f]\{128\}'; }
reachable() { inside "$1" nodes --json 2>/dev/null | grep -c '"reachable":true' || true; }

all_reach() {
    local count=$1 node
    shift
    for node in "$@"; do [ "$(reachable "$node")" = "$count" ] || return 1; done
}

# within SECONDS WHAT COMMAND...
within() {
    local limit=$1 what=$2 began=$SECONDS
    shift 2
    until "$@" >/dev/null 2>&1; do
        [ $((SECONDS - began)) -le "$limit" ] || fail "not within $limit s: $what"
        sleep 0.3
    done
    say "$what: within $((SECONDS - began + 1)) s (limit $limit s)"
}

# echo_at NODE: answers unicasts until the end.
echo_at() {
    timeout 240 docker exec "$(name_of "$1")" nuncio listen --echo >/dev/null 2>&1 &
    background+=("$!")
}

# asks FROM ID: one request with its answer.
asks() { inside "$1" send "$2" --data hello --timeout 3s; }

# configure NODE PEER...
configure() {
    local node=$1 peer list=
    shift
    for peer in "$@"; do list+="\"node$peer:$((30300 + peer))\", "; done
    sed -i "s|^peers = .*|peers = [${list%, }]|" "$NUNCIO_NET/node$node/nuncio.toml"
}

# begin: six nodes that all reach each other.
begin() {
    "$binary" testnet create --out "$NUNCIO_NET" --nodes 7 --agencies 3 --bind 0.0.0.0 --host 'node{}' >/dev/null 2>&1
    configure 0 2
    configure 1 3
    configure 2 3
    configure 3 2
    configure 4 2
    configure 5 3
    configure 6 4
    image
    timeout 180 "${compose[@]}" up --detach --no-build node0 node1 node2 node3 node4 node5 >"$scratch/up.log" 2>&1 ||
        { cat "$scratch/up.log" >&2; fail "up"; }
    within "$LIMIT_S" "six nodes on two networks reach each other" all_reach 6 0 1 2 3 4 5
}

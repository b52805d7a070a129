#!/usr/bin/env bash
# The compose testnet, tried: up, a unicast and AMOP across containers and networks, one of the two bridges killed, everything
# again over the other, the killed one back, down. Pulls nothing: the image is the release binary and its libraries on `scratch`.
#
#   testnet/smoke.sh                       needs target/release/nuncio, else names another with NUNCIO_BINARY=…
#
# Exit: 0 all held · 1 something did not · 77 no Docker engine answers, so nothing was tried.
set -euo pipefail

. "$(dirname "$0")/binary.sh"
cd "$(dirname "$0")/.."
name=nuncio-smoke-$$
export NUNCIO_IMAGE=$name:smoke
readonly LIMIT_S=60

if ! timeout 20 docker info >/dev/null 2>&1; then
    echo "smoke: SKIPPED, no Docker engine answers here" >&2
    exit 77
fi
if docker compose version >/dev/null 2>&1; then
    compose=(docker compose)
elif docker-compose version >/dev/null 2>&1; then
    compose=(docker-compose)
else
    echo "smoke: SKIPPED, neither docker compose nor docker-compose is here" >&2
    exit 77
fi
compose+=(--project-name "$name" --file testnet/compose.yaml)

scratch=$(mktemp -d)
listeners=()
clean_up() {
    status=$?
    trap - EXIT INT TERM
    if [ "$status" -ne 0 ]; then
        echo "smoke: FAILED with $status; the last lines of the containers:" >&2
        timeout 30 "${compose[@]}" logs --no-color --tail 15 >&2 || true
    fi
    for pid in "${listeners[@]}"; do kill "$pid" 2>/dev/null || true; done
    timeout 120 "${compose[@]}" down --volumes --remove-orphans --timeout 10 >/dev/null 2>&1 || true
    timeout 30 docker image rm --force "$NUNCIO_IMAGE" >/dev/null 2>&1 || true
    rm -rf "$scratch"
    exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

started=$SECONDS
step() { printf '%4d s  %s\n' "$((SECONDS - started))" "$*"; }
fail() { echo "smoke: $*" >&2; exit 1; }

# Runs a command until it succeeds, at most LIMIT_S.
until_ok() {
    local what=$1 deadline=$((SECONDS + LIMIT_S))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$deadline" ] || fail "not within $LIMIT_S s: $what"
        sleep 0.3
    done
}

container() { timeout 20 "${compose[@]}" ps -q "$1"; }
inside() { timeout 30 docker exec "${ids[$1]}" nuncio "${@:2}"; }
healthy() { [ "$(docker inspect --format '{{.State.Health.Status}}' "${ids[$1]}")" = healthy ]; }
knows_topic() { inside "$1" topics --json 2>/dev/null | grep -q "\"$2\""; }
gateway() { echo "node$1:$((20200 + $1))"; }
agency() { case $(($1 % 3)) in 0) echo agencyA ;; 1) echo agencyB ;; *) echo agencyC ;; esac; }

# shellcheck source=testnet/image.sh
. testnet/image.sh

# A request from one container to another, answered by a listener there.
unicast() {
    local from=$1 to=$2 id answer
    id=$(inside "$to" status --json | grep -o '"node_id": *"[0-9a-f]*"' | grep -o '[0-9a-f]\{128\}')
    timeout 60 docker exec "${ids[$to]}" nuncio listen --reply "node$to heard it" --count 1 >/dev/null 2>&1 &
    local listener=$!
    listeners+=("$listener")
    send() { answer=$(inside "$from" send "$id" --data "hello from node$from" --timeout 2s --json 2>/dev/null); }
    until_ok "a unicast from node$from to node$to" send
    grep -q "node$to heard it" <<<"$answer" || fail "node$to answered something else: $answer"
    wait "$listener" || fail "the listener of node$to ended badly"
}

# A subscriber at one node's channel port, a publisher at another's.
amop() {
    local from=$1 to=$2 topic=smoke-$1-$2-$RANDOM answer
    timeout 60 docker exec "${ids[$to]}" nuncio amop subscribe "$topic" --gateway "$(gateway "$to")" \
        --certs "/testnet/net/sdk/$(agency "$to")" --reply "node$to got it" >/dev/null 2>&1 &
    # It stays; the container takes it along when it ends.
    listeners+=("$!")
    until_ok "topic $topic at node$from" knows_topic "$from" "$topic"
    answer=$(inside "$from" amop publish "$topic" --data "published at node$from" --gateway "$(gateway "$from")" \
        --certs "/testnet/net/sdk/$(agency "$from")" --json 2>"$scratch/publish.log") || fail "AMOP from node$from to node$to: $(cat "$scratch/publish.log")"
    grep -q "node$to got it" <<<"$answer" || fail "the subscriber at node$to answered something else: $answer"
}

step "building the image from $binary"
image
"${compose[@]}" config --quiet
step "starting six nodes"
timeout 180 "${compose[@]}" up --detach --no-build >"$scratch/up.log" 2>&1 || { cat "$scratch/up.log" >&2; fail "up"; }
declare -a ids
for index in 0 1 2 3 4 5; do ids[index]=$(container "node$index"); done
for index in 0 1 2 3 4 5; do until_ok "node$index is healthy" healthy "$index"; done
step "all six are healthy"

unicast 0 4
step "a unicast from node0, on east, to node4, on west, was answered"
amop 0 5
step "AMOP from a client of node0 to one of node5 was answered"

docker kill --signal KILL "${ids[3]}" >/dev/null
step "node3, one of two bridges, is killed"
for pair in "0 1" "1 4" "5 0"; do
    # shellcheck disable=SC2086 # two words are meant
    unicast $pair
    # shellcheck disable=SC2086
    amop $pair
done
step "the others did every flow without it, over the other bridge"

docker start "${ids[3]}" >/dev/null
until_ok "node3 is healthy again" healthy 3
unicast 3 4
amop 1 3
step "node3 is back and does both"
echo "smoke: all held"

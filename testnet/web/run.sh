#!/usr/bin/env bash
# Runs the clients of the web door: each asks an SDK and answers one, at two nodes of a network made for it on loopback; a page in
# a browser answers one, and curl, which has no WebSocket, asks one.
#
#   testnet/web/run.sh [python|javascript|java|go|browser|curl …]    all whose language is here, unless some are named
#
# Needs target/release/nuncio, else names another with NUNCIO_BINARY=…
# Exit: 0 all that were run held · 1 something did not · 77 none could be run. Those that were not run are named.
set -euo pipefail

. "$(dirname "$0")/../binary.sh"
cd "$(dirname "$0")/../.."
here=$PWD/testnet/web
python=${PYTHON:-python3}
# Where Debian puts the modules of its packages.
gocode=${GOCODE:-/usr/share/gocode}
if [ -d "$gocode/src/github.com/gorilla/websocket" ]; then export GO111MODULE=off GOPATH=$gocode; fi
readonly LIMIT_S=60 P2P_PORT=30410 ASKED_PORT=20411 ANSWERING_PORT=20412 BROWSER_PORT=20413 PAGE_PORT=20414

scratch=$(mktemp -d)
network=
helpers=()
clean_up() {
    status=$?
    trap - EXIT INT TERM
    for one in "${helpers[@]}"; do kill "$one" 2>/dev/null && wait "$one" 2>/dev/null || true; done
    if [ -n "$network" ]; then kill "$network" 2>/dev/null && wait "$network" 2>/dev/null || true; fi
    rm -rf "$scratch"
    exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

fail() { echo "web: $*" >&2; exit 1; }

# What a language needs; the rest of the line says how to get it.
missing() {
    case $1 in
        python) "$python" -c 'import websockets' 2>/dev/null || echo "python3 with websockets (Debian: python3-websockets)" ;;
        javascript) node -e 'require("ws")' 2>/dev/null || echo "node with ws (Debian: node-ws)" ;;
        java) command -v javac >/dev/null || echo "a JDK, 17 or later (Debian: openjdk-17-jdk-headless)" ;;
        go) (cd "$here/go" && go build -o "$scratch/go-client" .) 2>/dev/null \
            || echo "go with gorilla/websocket (Debian: golang-go golang-github-gorilla-websocket-dev)" ;;
        curl) command -v curl >/dev/null || echo "curl (Debian: curl)" ;;
        browser) command -v chromium >/dev/null || echo "chromium (Debian: chromium)" ;;
        *) fail "there is no client in $1" ;;
    esac
}

client() {
    local language=$1
    shift
    case $language in
        python) "$python" "$here/client.py" "$@" ;;
        javascript) node "$here/client.js" "$@" ;;
        java) java "$here/Client.java" "$@" ;;
        go) "$scratch/go-client" "$@" ;;
    esac
}

# Runs a command until it succeeds, at most LIMIT_S.
until_ok() {
    local what=$1 deadline=$((SECONDS + LIMIT_S))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$deadline" ] || fail "not within $LIMIT_S s: $what"
        sleep 0.3
    done
}

sdk() { "$binary" amop "$@" --certs "$net/sdk/agencyA-rsa"; }

# An SDK at node1 publishes to a web client at node0, and a web client at node0 to an SDK at node1.
try() {
    local language=$1 topic=of-$1 said=$scratch/$1.said heard=$scratch/$1.heard
    client "$language" answer "127.0.0.1:$ANSWERING_PORT" "$net/sdk/agencyA-rsa" "$topic" "answered in $language" >"$said" &
    local answering=$!
    until_ok "$language subscribes" grep -q subscribed "$said"
    asked() { sdk publish "$topic" --data "asked by an SDK" --gateway "$gateway1" 2>&1 | grep -q "answered in $language"; }
    until_ok "an SDK asks a client in $language" asked
    wait "$answering" || fail "the client in $language that answers ended with $?"
    grep -q "asked: asked by an SDK" "$said" || fail "$language heard: $(cat "$said")"

    sdk subscribe "sdk-of-$topic" --reply "answered by an SDK" --count 1 --gateway "$gateway1" >/dev/null 2>&1 &
    local sdk=$!
    asks() { client "$language" ask "127.0.0.1:$ASKED_PORT" "$net/sdk/agencyA-rsa" "sdk-of-$topic" "asked in $language" >"$heard" 2>&1; }
    until_ok "a client in $language asks an SDK" asks
    wait "$sdk" || fail "the SDK that answers ended with $?"
    grep -q "answered: answered by an SDK" "$heard" || fail "$language was told: $(cat "$heard")"
    echo "$language: an SDK asked it and was answered, it asked an SDK and was answered"
}

# A page of an origin that node2 names, with a token, answers an SDK at node1. Its browser speaks without TLS on loopback.
try_browser() {
    local token
    token=$("$binary" token make page --scope client --config "$net/node2/nuncio.toml")
    python3 -m http.server --bind 127.0.0.1 --directory "$here" "$PAGE_PORT" >/dev/null 2>&1 &
    helpers+=("$!")
    until_ok "the page is served" listens "$PAGE_PORT"
    local address="http://127.0.0.1:$PAGE_PORT/page.html#node=ws://127.0.0.1:$BROWSER_PORT&token=$token&answers=of-page"
    HOME=$scratch chromium --headless --no-sandbox --disable-gpu --user-data-dir="$scratch/chromium" \
        --remote-debugging-port=0 "$address" >"$scratch/chromium.log" 2>&1 &
    helpers+=("$!")
    page_asked() { sdk publish of-page --data "asked by an SDK" --gateway "$gateway1" 2>&1 | grep -q "answered by a page"; }
    until_ok "an SDK asks a page" page_asked
    echo "browser: an SDK asked a page and was answered"
}

# Without a WebSocket: it asks an SDK at node1 over node0, and says something to all.
try_curl() {
    local url="https://127.0.0.1:$ANSWERING_PORT/v1" certs=$net/sdk/agencyA-rsa heard=$scratch/curl.heard
    post() { curl --silent --show-error --fail --insecure --max-time 20 --cert "$certs/sdk.crt" --key "$certs/sdk.key" --data "$2" "$url/$1"; }
    sdk subscribe of-curl --reply "answered by an SDK" --count 2 --gateway "$gateway1" >"$heard" 2>&1 &
    local sdk=$!
    asked_by_curl() { [ "$(post publish/of-curl "asked by curl" 2>/dev/null)" = "answered by an SDK" ]; }
    until_ok "curl asks an SDK" asked_by_curl
    post multicast/of-curl "said by curl" | grep -q '"code":0' || fail "curl's multicast was not taken"
    wait "$sdk" || fail "the SDK that answers ended with $?"
    grep -q "asked by curl" "$heard" && grep -q "said by curl" "$heard" || fail "the SDK heard: $(cat "$heard")"
    echo "curl: it asked an SDK and was answered, and said something to all"
}

languages=("$@")
[ "$#" -gt 0 ] || languages=(python javascript java go browser curl)
run=() left_out=()
for language in "${languages[@]}"; do
    lacks=$(missing "$language")
    if [ -z "$lacks" ]; then run+=("$language"); else left_out+=("$language, which needs $lacks"); fi
done
for one in "${left_out[@]}"; do echo "web: NOT RUN: $one" >&2; done
[ "${#run[@]}" -gt 0 ] || exit 77

net=$scratch/net
"$binary" testnet create --out "$net" --nodes 3 --agencies 1 --base-port "$P2P_PORT" >/dev/null
gateway1=127.0.0.1:$((P2P_PORT - 10100 + 1))
for node in 0 1; do
    port=$((node == 0 ? ANSWERING_PORT : ASKED_PORT))
    printf '\n[web]\nenabled = true\nlisten = "127.0.0.1:%s"\n' "$port" >>"$net/node$node/nuncio.toml"
done
printf '\n[web]\nenabled = true\nlisten = "127.0.0.1:%s"\ntls = false\ntokens = true\norigins = ["http://127.0.0.1:%s"]\n' \
    "$BROWSER_PORT" "$PAGE_PORT" >>"$net/node2/nuncio.toml"
"$binary" testnet up "$net" >"$scratch/up.log" 2>&1 &
network=$!
listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
until_ok "node0 listens" listens "$ANSWERING_PORT"
until_ok "node1 listens" listens "$ASKED_PORT"
until_ok "node2 listens" listens "$BROWSER_PORT"
for language in "${run[@]}"; do
    case $language in
        browser) try_browser ;;
        curl) try_curl ;;
        *) try "$language" ;;
    esac
done

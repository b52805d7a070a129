#!/usr/bin/env bash
# The dashboard of running nodes in a headless Chromium of Debian: what it shows, by keyboard too, that nothing breaks its policy,
# that names of other nodes are text and nothing else, and pictures of it for somebody to look at.
#
#   testnet/dashboard/check.sh             needs target/release/nuncio, else names another with NUNCIO_BINARY=…
#   testnet/dashboard/check.sh DIR         keeps the pictures in DIR
#
# Exit: 0 all hold · 1 something does not · 77 chromium or its driver cannot be had, so nothing was tried.
set -euo pipefail

. "$(dirname "$0")/../binary.sh"
cd "$(dirname "$0")"
work=$(mktemp -d)
started=()
clean_up() {
    for one in "${started[@]}"; do kill "$one" 2>/dev/null || true; done
    wait
    rm -rf "$work"
}
trap clean_up EXIT
if ! command -v chromium >/dev/null || ! command -v chromedriver >/dev/null; then
    install() { apt-get update -q && apt-get install -qy --no-install-recommends chromium chromium-driver fonts-dejavu-core; }
    if ! (install) >"$work/log" 2>&1; then
        tail -n 3 "$work/log" >&2
        echo "dashboard: SKIPPED, chromium cannot be installed" >&2
        exit 77
    fi
fi
pictures=${1:-$work/pictures}
mkdir -p "$pictures"

read -r admin driver base < <(python3 -c '
import socket
held = [socket.socket() for _ in range(2)]
for one in held: one.bind(("127.0.0.1", 0))
ports = [one.getsockname()[1] for one in held]
print(*ports, min(max(ports) + 10, 60000))')
"$binary" testnet create --out "$work/net" --nodes 4 --base-port "$base" >/dev/null 2>&1
config=$work/net/node0/nuncio.toml
printf '\n[admin]\nlisten = "127.0.0.1:%s"\n' "$admin" >>"$config"
for node in 0 1 2 3; do
    "$binary" run --config "$work/net/node$node/nuncio.toml" 2>"$work/node$node.log" &
    started+=($!)
done
for node in 0 1 2 3; do "$binary" health --wait 30s --config "$work/net/node$node/nuncio.toml" >/dev/null; done
"$binary" token make page --scope read --config "$config" >"$work/token" 2>/dev/null
"$binary" token make hand --scope full --config "$config" >"$work/full" 2>/dev/null
"$binary" amop subscribe '<img src=x onerror=alert(1)>' orders --gateway "127.0.0.1:$((base - 30300 + 20203))" \
    --certs "$work/net/sdk/agencyB" >/dev/null 2>&1 &
started+=($!)
chromedriver --port="$driver" >"$work/driver.log" 2>&1 &
started+=($!)
# The fourth node is killed while the page is open.
python3 look.py "http://127.0.0.1:$admin" "http://127.0.0.1:$driver" "$(cat "$work/token")" "$(cat "$work/full")" "$pictures" "${started[3]}"

#!/usr/bin/env bash
# schemathesis, a package of PyPI, asks a running node what the API's document describes, also with what it forbids, and holds
# the answers against it: no 5xx that is not written there, no other status, content type or shape.
#
#   testnet/api/check.sh                   needs target/release/nuncio, else names another with NUNCIO_BINARY=…
#   testnet/api/check.sh --max-examples 200
#
# Exit: 0 all hold · 1 one does not · 77 the package cannot be installed, so nothing was tried.
set -euo pipefail

. "$(dirname "$0")/../binary.sh"
cd "$(dirname "$0")"
work=$(mktemp -d)
node=
clean_up() {
    if [ -n "$node" ]; then kill "$node" 2>/dev/null || true; wait "$node" 2>/dev/null || true; fi
    rm -rf "$work"
}
trap clean_up EXIT
if ! { python3 -m venv "$work/tools" && "$work/tools/bin/pip" install --quiet 'schemathesis>=4,<5'; } >"$work/log" 2>&1; then
    tail -n 3 "$work/log" >&2
    echo "api: SKIPPED, schemathesis cannot be installed" >&2
    exit 77
fi

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
"$binary" testnet create --out "$work/net" --nodes 1 --base-port "$((port > 60000 ? port - 2000 : port + 1))" >/dev/null 2>&1
config=$work/net/node0/nuncio.toml
printf '\n[admin]\nlisten = "127.0.0.1:%s"\n' "$port" >>"$config"
"$binary" run --config "$config" 2>"$work/node.log" &
node=$!
"$binary" health --wait 30s --config "$config" >/dev/null
token=$("$binary" token make api --scope full --config "$config" 2>/dev/null)

# What goes on without end is no answer to wait for; and what the document allows may still be refused: by a topic's rights, or for
# a node that does not exist.
cat >"$work/schemathesis.toml" <<'TOML'
# Peers that it adds cannot be linked: not ready is the right answer then.
[[operations]]
include-path = "/readyz"
checks.not_a_server_error.expected-statuses = ["2xx", "4xx", "503"]
TOML
status=0
(cd "$work" && NO_COLOR=1 ./tools/bin/schemathesis run "http://127.0.0.1:$port/v1/openapi.json" \
    --header "Authorization: Bearer $token" --checks all --exclude-checks positive_data_acceptance --max-examples 40 --workers 2 --request-timeout 10 \
    --exclude-path /v1/listen --exclude-path /v1/events --exclude-path /v1/watch "$@") || status=$?
kill -0 "$node" || { echo "api: FAILED, the node is gone" >&2; tail -n 20 "$work/node.log" >&2; exit 1; }
[ "$status" -eq 0 ] || exit 1

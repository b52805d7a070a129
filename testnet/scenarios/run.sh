#!/usr/bin/env bash
# Runs the scenarios: all, or those named.
#
#   testnet/scenarios/run.sh [NAME...]     needs Docker and target/release/nuncio, else another with NUNCIO_BINARY=…
#
# Exit: 0 all held · 1 something did not · 77 no Docker engine answers, so nothing was tried.
set -euo pipefail

. "$(dirname "$0")/../binary.sh"
export NUNCIO_BINARY=$binary
cd "$(dirname "$0")"
names=("$@")
[ "${#names[@]}" -gt 0 ] || names=(join leave crash partition rolling-restart certificate-revoked rotation)
failed=()
for name in "${names[@]}"; do
    outcome=0
    timeout 300 "./$name.sh" || outcome=$?
    [ "$outcome" -ne 77 ] || exit 77
    [ "$outcome" -eq 0 ] || failed+=("$name")
done
[ "${#failed[@]}" -eq 0 ] || { echo "scenarios: FAILED: ${failed[*]}" >&2; exit 1; }
echo "scenarios: ${#names[@]} held"

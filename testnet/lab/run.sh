#!/usr/bin/env bash
# Runs the lab's tests: all, or those named.
#
#   testnet/lab/run.sh [NAME...]           needs root and target/release/nuncio, else another with NUNCIO_BINARY=…
#
# Exit: 0 all held · 1 something did not · 77 this machine has no laboratory, so nothing was tried.
set -euo pipefail

. "$(dirname "$0")/../binary.sh"
export NUNCIO_BINARY=$binary
cd "$(dirname "$0")"
names=("$@")
if [ "${#names[@]}" -eq 0 ]; then
    for file in *.sh; do
        case $file in run.sh | lib.sh | netlab.sh) ;; *) names+=("${file%.sh}") ;; esac
    done
fi
failed=()
for name in "${names[@]}"; do
    outcome=0
    timeout 1200 "./$name.sh" || outcome=$?
    [ "$outcome" -ne 77 ] || exit 77
    [ "$outcome" -eq 0 ] || failed+=("$name")
done
[ "${#failed[@]}" -eq 0 ] || { echo "lab: FAILED: ${failed[*]}" >&2; exit 1; }
echo "lab: ${#names[@]} tests held"

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
failed=() skipped=()
for name in "${names[@]}"; do
    outcome=0
    timeout 1200 "./$name.sh" || outcome=$?
    case $outcome in 0) ;; 77) skipped+=("$name") ;; *) failed+=("$name") ;; esac
done
[ "${#failed[@]}" -eq 0 ] || { echo "lab: FAILED: ${failed[*]}" >&2; exit 1; }
[ "${#skipped[@]}" -lt "${#names[@]}" ] || exit 77
[ "${#skipped[@]}" -eq 0 ] || echo "lab: SKIPPED: ${skipped[*]}" >&2
echo "lab: $((${#names[@]} - ${#skipped[@]})) tests held"

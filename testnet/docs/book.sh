#!/usr/bin/env bash
# The book as pages in target/book, by mdBook, which is built in target/tools where it is not there (some minutes, from crates.io).
# A warning of it is a fault.
#
#   testnet/docs/book.sh
#
# Exit: 0 it is built · 1 mdBook finds fault · 77 mdBook cannot be had
set -euo pipefail

cd "$(dirname "$0")/../.."
export PATH=$PWD/target/tools/bin:$PATH
command -v mdbook >/dev/null || cargo install --quiet --locked --root target/tools mdbook || {
    echo "book: SKIPPED, mdBook cannot be built" >&2
    exit 77
}
mdbook --version
said=$(mdbook build docs 2>&1) || { echo "$said" >&2; exit 1; }
if grep -E 'WARN|ERROR' <<<"$said" >&2; then
    echo "book: FAILED" >&2
    exit 1
fi
echo "book: $(find target/book -name '*.html' | wc -l) pages in target/book"

#!/usr/bin/env bash
# Every command of the README and the book, executed: the blocks ```sh and ```console of each page, in their order, in a
# directory of its own, where `nuncio` is the binary under test. What is not run says why, and is listed at the end.
#
#   testnet/docs/run.sh                        all pages, two at a time
#   testnet/docs/run.sh README.md …            these
#
# Needs python3, openssl, curl and pgrep, and target/release/nuncio, or NUNCIO_BINARY=…. As root each page has a network and processes of its own;
# else pages run one after the other, on this machine's ports.
#
# Exit: 0 all held · 1 a command did not
set -euo pipefail

. "$(dirname "$0")/../binary.sh"
cd "$(dirname "$0")/../.."
for tool in python3 openssl curl pgrep; do
    command -v "$tool" >/dev/null || { echo "docs: $tool is not here (Debian: python3 openssl curl procps)" >&2; exit 1; }
done
exec python3 testnet/docs/run.py --binary "$binary" "$@"

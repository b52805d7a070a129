# shellcheck shell=bash
# The program that a script tries, as $binary: the release build of this repository, or what $NUNCIO_BINARY names as seen from
# where the script was called. Sourced before a script goes to another directory.

binary=${NUNCIO_BINARY:-$(dirname "${BASH_SOURCE[0]}")/../target/release/nuncio}
if ! [ -f "$binary" ] || ! [ -x "$binary" ]; then
    echo "$0: there is no program $binary; build it with: cargo build --release, or name another with NUNCIO_BINARY=…" >&2
    exit 1
fi
binary=$(realpath "$binary")

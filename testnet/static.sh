#!/usr/bin/env bash
# A static binary for any Linux of this processor: built for musl, proved to be static, tried by the demo.
#
#   testnet/static.sh [PROFILE]           release unless it is said; it is in target/ARCH-unknown-linux-musl/
#
# Needs musl-gcc (Debian: musl-tools) and the target's standard library (rustup), and gets both where it can.
# Exit: 0 it holds · 1 it does not · 77 one of the two cannot be had, so nothing was built.
set -euo pipefail

cd "$(dirname "$0")/.."
profile=${1:-release}
target=$(uname -m)-unknown-linux-musl
skip() {
    echo "static: SKIPPED, $*" >&2
    exit 77
}
fail() {
    echo "static: FAILED: $*" >&2
    exit 1
}
command -v musl-gcc >/dev/null || { apt-get update -q && apt-get install -qy musl-tools; } >/dev/null 2>&1 || skip "no musl-gcc"
libraries=$(rustc --print sysroot)/lib/rustlib/$target
[ -d "$libraries" ] || timeout 300 rustup target add "$target" >/dev/null 2>&1 || skip "no standard library for $target"

cargo build --locked --package nuncio --target "$target" --profile "$profile"
directory=$profile
[ "$profile" != dev ] || directory=debug
binary=target/$target/$directory/nuncio
# What a dynamic program has and a static one has not: an interpreter that loads its libraries.
if readelf --program-headers "$binary" | grep -q INTERP; then fail "$binary is not static"; fi
"$binary" --version
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
TMPDIR=$scratch "$binary" testnet demo >"$scratch/demo" 2>&1 || { cat "$scratch/demo" >&2; fail "the demo does not hold"; }
tail -n 1 "$scratch/demo"
echo "static: $binary, $(stat -c %s "$binary") bytes, holds"

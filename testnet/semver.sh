#!/usr/bin/env bash
# What changed in the interfaces of the crates since a commit, by cargo-semver-checks, which is built in target/tools where it
# is not there (some minutes, from crates.io). Below 1.0 what breaks users wants another minor version.
#
#   testnet/semver.sh [COMMIT [CRATE…]]     since COMMIT (default: the last release's tag, else the commit that set the version), the
#                                            crates given, else all that can be published
#
# Exit: 0 nothing that wants another version · 1 something does · 77 the tool cannot be had
set -euo pipefail

cd "$(dirname "$0")/.."
export PATH=$PWD/target/tools/bin:$PATH
command -v cargo-semver-checks >/dev/null || cargo install --quiet --locked --root target/tools cargo-semver-checks || {
    echo "semver: SKIPPED, cargo-semver-checks could not be installed, for the reason above: it comes from crates.io and wants Rust 1.93" >&2
    exit 77
}
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
since=${1:-$(git describe --tags --abbrev=0 2>/dev/null || git log --format=%H -S "version = \"$version\"" -- Cargo.toml | head -n 1)}
[ $# -eq 0 ] || shift
crates=()
for crate in "$@"; do crates+=(--package "$crate"); done
[ $# -gt 0 ] || crates=(--workspace --exclude xtask --exclude nuncio-hostile --exclude nuncio --exclude nuncio-testkit)
echo "semver: since $(git log -1 --format='%h of %cs: %s' "$since")"
cargo semver-checks --baseline-rev "$since" "${crates[@]}"

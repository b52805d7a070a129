#!/usr/bin/env bash
# One fuzz target for so many seconds, on the stable compiler and a C++ compiler: fuzz/run.sh TARGET SECONDS. Without arguments: the
# targets.
#
# New inputs go to fuzz/found/TARGET, an input that fails to fuzz/artifacts/TARGET; move one into fuzz/corpus/TARGET to
# have every run of the tests replay it. The build is made in $FUZZ_TARGET_DIR, else in fuzz/target.
set -euo pipefail

cd "$(dirname "$0")"
if [ $# -ne 2 ]; then
    echo "usage: fuzz/run.sh TARGET SECONDS, with TARGET one of:" >&2
    for target in fuzz_targets/*.rs; do basename "$target" .rs; done
    exit 2
fi
target=$1 seconds=$2
directory=${FUZZ_TARGET_DIR:-$PWD/target}
host=$(rustc -vV | sed -n 's/^host: //p')
# With --target the flags do not reach build scripts and procedural macros.
export RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1"
features=()
[ "$target" != config_toml ] || features=(--features nuncio-daemon)
cargo build --quiet --locked --release --target "$host" --target-dir "$directory" --bin "$target" "${features[@]}"
mkdir -p "found/$target" "artifacts/$target"
exec "$directory/$host/release/$target" -max_total_time="$seconds" -rss_limit_mb=512 -malloc_limit_mb=64 -timeout=5 \
    -max_len=65536 -print_final_stats=1 -artifact_prefix="artifacts/$target/" "found/$target" "corpus/$target"

#!/usr/bin/env bash
# A program that needs nothing of the system: nuncio for x86_64-unknown-linux-musl, and the demo with it.
#
#   testnet/static.sh
#
# Takes the target of rustup's toolchain where it is there (rustup target add x86_64-unknown-linux-musl). Otherwise, on Debian, a
# compiler and the sources of its standard library from Debian's packages (150 MB, unpacked below target/static, not installed), of which
# the standard library for musl is built first. Needs gcc and musl-tools. Takes ten minutes more than another release build.
#
# Exit: 0 it is built and the demo held · 1 it is not, or it did not · 77 neither the target nor such packages are here
set -euo pipefail

cd "$(dirname "$0")/.."
readonly TARGET=x86_64-unknown-linux-musl MUSL=/usr/lib/x86_64-linux-musl
minimum=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
place=$PWD/target/static
toolchain=$place/rust
say() { echo "static: $*"; }
fail() {
    echo "static: FAILED: $*" >&2
    exit 1
}
skip() {
    echo "static: SKIPPED, $*" >&2
    exit 77
}
command -v musl-gcc >/dev/null || { apt-get update -q && apt-get install -qy musl-tools; } >/dev/null 2>&1 ||
    skip "musl-tools cannot be installed"

# Debian's compiler, which may be newer than the project's: unpacked, so that nothing on the machine changes.
unpack() {
    local version packages debs=$place/debs
    version=$(apt-cache policy rustc-web 2>/dev/null | sed -n 's/ *Candidate: \([0-9.]*\).*/\1/p')
    [ -n "$version" ] || { apt-get update -q >/dev/null 2>&1 || true; }
    version=$(apt-cache policy rustc-web 2>/dev/null | sed -n 's/ *Candidate: \([0-9.]*\).*/\1/p')
    [ "$(printf '%s\n' "$minimum" "${version:-0}" | sort -V | head -n 1)" = "$minimum" ] ||
        skip "rustup has no $TARGET here, and Debian no compiler from $minimum on"
    llvm=$(apt-cache depends "libstd-rust-web-${version%.*}" | sed -n 's/.*Depends: libllvm\([0-9]*\)$/\1/p')
    packages=(rustc-web cargo-web rust-web-src "libunwind-$llvm-dev")
    rm -rf "$toolchain" && mkdir -p "$debs/partial" "$toolchain"
    apt-get install -qqy --no-install-recommends --download-only -o Dir::Cache::archives="$debs" "${packages[@]}" >/dev/null ||
        skip "Debian's packages cannot be had"
    for package in "$debs"/*.deb; do dpkg --extract "$package" "$toolchain"; done
    complete "$toolchain/usr/lib/rustlib/$TARGET/lib/self-contained"
    touch "$toolchain/whole"
    say "Debian's rustc $version is in $toolchain"
}

# complete DIR: what rustup's target brings besides the library: where a program begins, musl's C library, and an unwinder.
complete() {
    local file
    mkdir -p "$1"
    for file in crt1.o rcrt1.o Scrt1.o crti.o crtn.o libc.a; do cp "$MUSL/$file" "$1"; done
    for file in crtbegin.o crtbeginS.o crtbeginT.o crtend.o crtendS.o; do cp "$(gcc -print-file-name="$file")" "$1"; done
    cp "$toolchain/usr/lib/x86_64-linux-gnu/libunwind.a" "$1"
    # Debian's is built for glibc and calls this one function of it, to say that it gives up.
    cat >"$1/fortify.c" <<'END'
#include <stdarg.h>
#include <stdio.h>
int __fprintf_chk(FILE *file, int flag, const char *format, ...) {
    va_list rest;
    va_start(rest, format);
    int written = vfprintf(file, format, rest);
    va_end(rest);
    return written;
}
END
    musl-gcc -O2 -fPIC -c "$1/fortify.c" -o "$1/fortify.o"
    ar r "$1/libunwind.a" "$1/fortify.o" 2>/dev/null
}

export CC_x86_64_unknown_linux_musl=musl-gcc CARGO_TARGET_DIR=$place/build CARGO_INCREMENTAL=0
# Headers of the kernel, which musl has none of.
export CFLAGS_x86_64_unknown_linux_musl="-idirafter /usr/include -idirafter /usr/include/x86_64-linux-gnu"
build=(rustc --release --locked --target "$TARGET" --package nuncio --bin nuncio)
# The allocator, which gcc compiles, counts bits by a function of gcc's own.
link=(-- -C link-arg=-lgcc)
if [ -d "$(rustc --print sysroot)/lib/rustlib/$TARGET" ]; then
    cargo "${build[@]}" "${link[@]}"
else
    [ -e "$toolchain/whole" ] || unpack
    # Stable compilers build a standard library when they are told that they build themselves.
    env LD_LIBRARY_PATH="$toolchain/usr/lib/x86_64-linux-gnu:$toolchain/usr/lib" RUSTC="$toolchain/usr/bin/rustc" RUSTC_BOOTSTRAP=1 \
        "$toolchain/usr/bin/cargo" "${build[@]}" -Zbuild-std=std,panic_unwind "${link[@]}"
fi

program=$CARGO_TARGET_DIR/$TARGET/release/nuncio
if readelf --program-headers "$program" | grep -q INTERP; then fail "$program wants a loader"; fi
say "$("$program" --version), $(stat -c %s "$program") bytes: $program"
# Where there is nothing but the program itself.
if [ "$(id -u)" = 0 ]; then
    empty=$(mktemp -d)
    cp "$program" "$empty/nuncio"
    chroot "$empty" /nuncio --version >/dev/null || fail "it needs something that an empty root has not"
    chroot "$empty" /nuncio ca init --out /ca >/dev/null 2>&1 || fail "it makes no authority in an empty root"
    rm -rf "$empty"
    say "it runs where there is nothing but itself"
fi
"$program" testnet demo

# shellcheck shell=bash disable=SC2154
# Builds the image $NUNCIO_IMAGE of the program $binary on `scratch`, by way of the directory $scratch; pulls nothing.
# Sourced from the repository's root by scripts that have a function `fail`.

image() {
    local root=$scratch/rootfs library
    mkdir -p "$root/usr/local/bin" "$root/bin" "$root/empty"
    cp "$binary" "$root/usr/local/bin/nuncio"
    # The service that makes the certificates starts with a line of shell.
    cp -L /bin/dash "$root/bin/sh"
    for library in $(ldd "$binary" /bin/dash | grep -o '/[^ )]*lib[^ )]*' | sort -u); do
        mkdir -p "$root$(dirname "$library")"
        cp -L "$library" "$root$library"
    done
    timeout 300 docker build --quiet --file testnet/Dockerfile --target prebuilt --build-arg BASE=scratch \
        --tag "$NUNCIO_IMAGE" "$scratch" >"$scratch/build.log" 2>&1 || { cat "$scratch/build.log" >&2; fail "the image was not built"; }
}

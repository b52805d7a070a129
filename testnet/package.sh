#!/usr/bin/env bash
# The Debian package: built of the release binary, then installed, run, upgraded, removed and purged in a container of
# Debian that is made on the spot. Needs root, a Docker engine, and Debian's packages debootstrap and adduser.
#
#   testnet/package.sh                     needs target/release/nuncio and cargo-deb, which it installs in target/tools
#
# Exit: 0 all held · 1 something did not · 77 no Docker engine answers, or no Debian can be made, so nothing was tried.
set -euo pipefail

cd "$(dirname "$0")/.."
suite=${NUNCIO_DEBIAN:-$(. /etc/os-release && echo "$VERSION_CODENAME")}
image=nuncio-package-$$
scratch=$(mktemp -d)
clean_up() {
    status=$?
    trap - EXIT INT TERM
    docker rmi --force "$image" >/dev/null 2>&1 || true
    rm -rf "$scratch"
    exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT TERM
say() { echo "package: $*"; }
skip() {
    echo "package: SKIPPED, $*" >&2
    exit 77
}
fail() {
    echo "package: FAILED: $*" >&2
    exit 1
}

timeout 20 docker info >/dev/null 2>&1 || skip "no Docker engine answers here"
command -v debootstrap >/dev/null || { apt-get update -q && apt-get install -qy debootstrap; } >/dev/null 2>&1 ||
    skip "debootstrap cannot be installed"
[ -x target/release/nuncio ] || fail "target/release/nuncio is not there; build it with: cargo build --release"
export PATH=$PWD/target/tools/bin:$PATH
command -v cargo-deb >/dev/null || cargo install --quiet --locked --root target/tools cargo-deb
cargo xtask package

# Two releases of one content: the second is only called newer.
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
for next in 1 2; do
    cargo deb --quiet --fast --no-build --no-strip --package nuncio --deb-version "$version-$next" --output "$scratch/$next.deb" >/dev/null
done
say "built $(dpkg-deb --field "$scratch/1.deb" Package Version Depends | tr '\n' ' ')"

mirror=$(sed -n 's/^deb \(\[[^]]*\] \)\?\(http[^ ]*\) .*/\2/p; s/^URIs: \(http[^ ]*\).*/\1/p' \
    /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | head -n 1) || true
timeout 420 debootstrap --variant=minbase --include=adduser,procps,systemd "$suite" "$scratch/debian" "${mirror:-}" \
    >"$scratch/debootstrap.log" 2>&1 || { tail -n 5 "$scratch/debootstrap.log" >&2; skip "no Debian $suite can be made"; }
tar -C "$scratch/debian" -c . | docker import - "$image" >/dev/null

cat >"$scratch/inside.sh" <<'END'
set -euo pipefail
fail() { echo "package: FAILED: $*" >&2; exit 1; }
is() { [ "$1" = "$2" ] || fail "$3: $1, not $2"; }
owner() { stat -c '%U:%G %a' "$1"; }
config=/etc/nuncio/nuncio.toml
nuncio_runs() {
    setpriv --reuid nuncio --regid nuncio --clear-groups nuncio run --config "$config" 2>/tmp/log &
    node=$!
    for _ in $(seq 100); do nuncio status --config "$config" >/dev/null 2>&1 && return; sleep 0.1; done
    fail "the node does not answer: $(cat /tmp/log)"
}
nuncio_stops() { kill "$node" && wait "$node" || fail "it did not stop well"; }
epoch() { nuncio status --json --config "$config" | sed 's/.*"epoch":\([0-9]*\).*/\1/'; }

dpkg --install /deb/1.deb >/dev/null
is "$(owner /var/lib/nuncio)" "nuncio:nuncio 700" "the data directory"
is "$(owner /etc/nuncio/conf)" "nuncio:nuncio 700" "the directory of keys"
[ -e /etc/systemd/system/multi-user.target.wants/nuncio.service ] || fail "the service is not enabled"
[ -e /usr/share/man/man1/nuncio.1.gz ] || fail "no man page"
[ -e /usr/share/bash-completion/completions/nuncio ] || fail "no completion"
faults=$(systemd-analyze verify --man=no /usr/lib/systemd/system/nuncio.service 2>&1 | grep nuncio || true)
[ -z "$faults" ] || fail "systemd finds fault with the unit: $faults"
systemd-analyze security --offline=true --threshold=20 /usr/lib/systemd/system/nuncio.service >/tmp/security ||
    fail "the unit is exposed: $(tail -n 1 /tmp/security)"
echo "package: installed; $(tail -n 1 /tmp/security)"

nuncio testnet create --out /tmp/net --nodes 2 >/dev/null
find /tmp/net/node0/conf -maxdepth 1 -type f -exec install -o nuncio -g nuncio -m 0600 -t /etc/nuncio/conf {} +
echo '# mine' >>"$config"
nuncio_runs
before=$(epoch)
nuncio_stops
dpkg --force-confold --install /deb/2.deb >/dev/null
tail -n 1 "$config" | grep -q mine || fail "the upgrade took the configuration away"
nuncio_runs
[ "$(epoch)" -gt "$before" ] || fail "the upgrade took away what the node must remember"
nuncio_stops
echo "package: upgraded; configuration, keys and what the node remembers are still there"

dpkg --remove nuncio >/dev/null
[ ! -e /usr/bin/nuncio ] || fail "the program is still there"
[ -e "$config" ] && [ -e /var/lib/nuncio/epoch ] || [ -n "$(ls /var/lib/nuncio)" ] || fail "a removal took the data"
dpkg --purge nuncio >/dev/null 2>&1
[ ! -e /var/lib/nuncio ] && [ ! -e "$config" ] || fail "a purge left the data"
[ -e /etc/nuncio/conf/node.key ] || fail "a purge took the operator's key"
echo "package: removed and purged; the operator's key is still there"
END
timeout 300 docker run --rm --network none --volume "$scratch:/deb:ro" "$image" bash /deb/inside.sh
say "holds"

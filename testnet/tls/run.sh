#!/usr/bin/env bash
# One channel port against the TLS of the SDKs' platforms: OpenSSL as each of them uses it, and a JDK where one is there.
# Needs openssl and the binary ($NUNCIO_BINARY or target/release/nuncio). Loopback only. Status 77: nothing to try it with.
set -euo pipefail

. "$(dirname "$0")/../binary.sh"
cd "$(dirname "$0")/../.."
nuncio=$binary
command -v openssl >/dev/null || { echo "openssl is not there" >&2; exit 77; }
scratch=$(mktemp -d)
node=
clean_up() {
    if [ -n "$node" ]; then kill "$node" 2>/dev/null || true; wait "$node" 2>/dev/null || true; fi
    rm -rf "$scratch"
}
trap clean_up EXIT

"$nuncio" testnet create --out "$scratch/net" --nodes 1 --agencies 1 --base-port 38300 >/dev/null 2>&1
"$nuncio" run --config "$scratch/net/node0/nuncio.toml" 2>"$scratch/node.log" &
node=$!
port=28200
for _ in $(seq 100); do
    "$nuncio" health --config "$scratch/net/node0/nuncio.toml" >/dev/null 2>&1 && break
    kill -0 "$node" || { cat "$scratch/node.log" >&2; exit 1; }
    sleep 0.1
done
ec=$scratch/net/sdk/agencyA rsa=$scratch/net/sdk/agencyA-rsa

# A heartbeat of protocol version 1; its answer ends in 1.
heartbeat() { printf '\0\0\0\053\0\023aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\0\0\0\0000'; }

# openssl_as NAME DIRECTORY OPTION...: the port must answer a heartbeat.
openssl_as() {
    local name=$1 directory=$2 answer
    shift 2
    answer=$({ heartbeat; sleep 1; } | timeout 10 openssl s_client -connect "127.0.0.1:$port" -quiet -verify_quiet \
        -verify_return_error -CAfile "$directory/ca.crt" -cert "$directory/sdk.crt" -cert_chain "$directory/sdk.crt" \
        -key "$directory/sdk.key" "$@" 2>"$scratch/openssl.log" | tr -d '\0' | tail -c 1 || true)
    if [ "$answer" != 1 ]; then
        echo "FAILED: $name" >&2
        cat "$scratch/openssl.log" "$scratch/node.log" >&2
        exit 1
    fi
    echo "ok: $name"
}

openssl_as "python-sdk, EC: secp256k1 alone, TLS 1.2" "$ec" -tls1_2 -groups secp256k1
openssl_as "python-sdk, RSA: secp256k1 alone, TLS 1.2" "$rsa" -tls1_2 -groups secp256k1
openssl_as "go-sdk, EC: secp256k1 and P-256, TLS 1.3 offered" "$ec" -groups secp256k1:P-256
openssl_as "go-sdk, RSA" "$rsa" -groups secp256k1:P-256
openssl_as "rust-gears-sdk: an address as SNI" "$ec" -tls1_2 -groups secp256k1 -servername 127.0.0.1
openssl_as "java 11, EC: a signature with SHA-1 where SHA-256 is not to be had" "$ec" \
    -tls1_2 -groups secp256k1:P-256:X25519 -client_sigalgs ECDSA+SHA1 -cipher 'DEFAULT:@SECLEVEL=0'
openssl_as "java 11 and 17, RSA: no secp256k1" "$rsa" -tls1_2 -groups X25519:P-256
openssl_as "RSA with PSS" "$rsa" -tls1_2 -groups P-256 -client_sigalgs rsa_pss_rsae_sha256

if command -v javac >/dev/null; then
    said=$(timeout 60 java testnet/tls/Handshake.java 127.0.0.1 "$port" "$rsa")
    case $said in
        TLSv1.2*RSA) echo "ok: $(java -version 2>&1 | head -1), RSA: $said" ;;
        *) echo "FAILED: the JDK was not served: $said" >&2; cat "$scratch/node.log" >&2; exit 1 ;;
    esac
else
    echo "skipped: no JDK is there"
fi

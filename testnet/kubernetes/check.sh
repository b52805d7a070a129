#!/usr/bin/env bash
# The manifests against Kubernetes' own schemas, which a package of PyPI brings; a field that no schema knows is a fault. The
# node's configuration in them is read by the program.
#
#   testnet/kubernetes/check.sh            needs target/release/nuncio, else names another with NUNCIO_BINARY=…
#
# Exit: 0 all hold · 1 one does not · 77 the package cannot be installed, so nothing was tried.
set -euo pipefail

. "$(dirname "$0")/../binary.sh"
cd "$(dirname "$0")"
tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
if ! { python3 -m venv "$tools" && "$tools/bin/pip" install --quiet kubernetes-validate setuptools; } >"$tools/log" 2>&1; then
    tail -n 3 "$tools/log" >&2
    echo "kubernetes: SKIPPED, kubernetes-validate cannot be installed" >&2
    exit 77
fi
"$tools/bin/kubernetes-validate" --strict ./*.yaml
# Nothing is found wrong by a check that finds nothing: a misspelled field must be.
sed 's/readOnlyRootFilesystem/readOnlyRootFileSystem/' nuncio.yaml >"$tools/broken.yaml"
if "$tools/bin/kubernetes-validate" --strict "$tools/broken.yaml" >/dev/null 2>&1; then
    echo "kubernetes: FAILED, a misspelled field is not noticed" >&2
    exit 1
fi
"$tools/bin/python" - nuncio.yaml >"$tools/nuncio.toml" <<'END'
import sys, yaml
maps = [one["data"] for one in yaml.safe_load_all(open(sys.argv[1])) if one["kind"] == "ConfigMap"]
print(maps[0]["nuncio.toml"])
END
"$binary" config show --config "$tools/nuncio.toml" | grep -q '^external = \["nuncio.this-organisation.example:30300"\]' || {
    echo "kubernetes: FAILED, the program reads the configuration otherwise" >&2
    exit 1
}

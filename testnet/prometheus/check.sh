#!/usr/bin/env bash
# Checks the configuration and the alerts with promtool, and tries the alerts on made-up numbers. Where promtool is not here, it
# is taken out of Debian's package, which is not installed: that would start a server.
#
# Exit: 0 they hold · 1 they do not · 77 promtool cannot be had, so nothing was tried.
set -euo pipefail

cd "$(dirname "$0")"
tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
if ! command -v promtool >/dev/null; then
    fetch() { cd "$tools" && apt-get update -q && apt-get download prometheus && dpkg -x prometheus_*.deb .; }
    if ! (fetch) >"$tools/log" 2>&1; then
        tail -n 3 "$tools/log" >&2
        echo "prometheus: SKIPPED, promtool is not here" >&2
        exit 77
    fi
    export PATH=$tools/usr/bin:$PATH
fi
promtool check config --syntax-only prometheus.yml
promtool check rules rules.yml
promtool test rules rules.test.yml

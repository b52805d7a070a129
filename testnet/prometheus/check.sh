#!/usr/bin/env bash
# Checks the configuration and the alerts with promtool, and tries the alerts on made-up numbers.
# 0: they hold; 1: they do not; 77: promtool is not here (Debian: apt-get install prometheus).
set -euo pipefail
cd "$(dirname "$0")"
if ! command -v promtool >/dev/null; then
    echo "prometheus: SKIPPED, promtool is not here" >&2
    exit 77
fi
promtool check config --syntax-only prometheus.yml
promtool check rules rules.yml
promtool test rules rules.test.yml

#!/usr/bin/env bash
# Two nodes that dial each other at the same moment, 80 ms apart, end with one link that stays.
. "$(dirname "$0")/lib.sh"

network 2
lab_link n0 delay=40
configure 0 0 1
configure 1 0 0
start 0 1
within 15 "each has a link" each_has 1 0 1
downs() { cat "$scratch"/node*.log | grep -c "link down" || true; }
before=$(downs)
sleep 12
has_links 0 1 && has_links 1 1 || fail "the link did not stay: $(links 0) and $(links 1)"
[ "$before" = "$(downs)" ] || fail "the link went down and up again"
[ "$(on 0 peers --json | grep -c '"state":"linked"')" = 1 ] || fail "more than one link"
say "holds: one link, and it stays"

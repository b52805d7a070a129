#!/usr/bin/env bash
# A line that goes for a second and comes for a second, a minute long, costs few dials and no lasting loss (F5).
. "$(dirname "$0")/lib.sh"

network 3
configure 0 0
configure 1 0 0
configure 2 0 1 0
start 0 1 2
within 20 "all reach all" all_reach 3 0 1 2
for ((turn = 0; turn < 30; turn++)); do
    lab_partition n0 n2
    sleep 1
    lab_heal
    sleep 1
done
changes=$(grep -c "link up" "$scratch/node2.log")
[ "$changes" -le 42 ] || fail "$changes links came up in a minute"
within 20 "all reach all" all_reach 3 0 1 2
within 20 "both links are back" has_links 2 2
say "holds: $changes times a link came up, nothing is lost for good"

#!/usr/bin/env bash
# A line that carries one direction only is down on both ends within 8 s (F5).
. "$(dirname "$0")/lib.sh"

network 2
configure 0 0
configure 1 0 0
start 0 1
within 15 "each has a link" each_has 1 0 1
lab_cut1 n0 n1
within 9 "down on both ends" each_has 0 0 1
lab_heal
within 20 "linked again" each_has 1 0 1
say "holds: half a line is no line"

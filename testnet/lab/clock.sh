#!/usr/bin/env bash
# A node whose clock is 40 days fast works with all whose certificates last, says of the others whose clock says what, and
# is heard at once when its clock is set right (F16).
. "$(dirname "$0")/lib.sh"
command -v cc >/dev/null || skip "no C compiler is here"

# n2 is fast; n1's certificate ends in 30 days.
network 3
configure 0 0
configure 1 0 0
configure 2 0 0 1
ends_in $((30 * 86400)) 1 agencyB
cc -shared -fPIC -o "$scratch/clock.so" "$here/clock.c" -ldl
start 0 1
lab_bg n2 "$scratch/node2.log" env LD_PRELOAD="$scratch/clock.so" CLOCK_AHEAD=$((40 * 86400)) \
    "$nuncio" run --config "$(dir 2)/nuncio.toml"
pids[2]=$LAB_PID
within 15 "the fast one is linked" has_links 0 2
echo_at 2
fast=$(id 2)
within 5 "it answers" on 0 send "$fast" --data hello --timeout 2s
refused() { grep -q "expired" "$scratch/node2.log"; }
within 15 "it refuses the one whose certificate is over for it" refused
grep "expired" "$scratch/node2.log" | grep -q "clock" || fail "it does not name its clock: $(grep expired "$scratch/node2.log" | head -1)"
has_links 2 1 || fail "it is linked with another than node0"
epoch() { on 0 nodes --json | grep "$fast" | sed 's/.*"epoch":\([0-9]*\).*/\1/'; }
before=$(epoch)
kill "${pids[2]}"
wait "${pids[2]}" 2>/dev/null || true
start 2
is_newer() { [ "$(epoch)" -gt "$before" ]; }
within 5 "its status counts, though the time went back" is_newer
within 15 "all reach all" all_reach 3 0 1 2
each_has 2 0 1 2 || within 20 "all are linked" each_has 2 0 1 2
say "holds: a wrong clock is said, and nothing is stuck once it is right"

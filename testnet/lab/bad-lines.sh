#!/usr/bin/env bash
# From a good line to 300 ms, 5 % loss and 1.5 Mbit/s: links come up, requests are answered, none is called dead that
# lives at 3 % loss or less (F6).
. "$(dirname "$0")/lib.sh"

network 2
configure 0 0
configure 1 0 0
start 0 1
within 15 "linked" each_has 1 0 1
target=$(id 1)
echo_at 1
rung() {
    local rtt=$1 loss=$2 rate=$3 downs turn answered=0
    lab_link n1 "delay=$((rtt / 2))" "loss=$loss" "rate=$rate"
    downs=$(cat "$scratch"/node*.log | grep -c "link down" || true)
    for ((turn = 0; turn < 10; turn++)); do
        if on 0 send "$target" --data hello --timeout 5s >/dev/null 2>&1; then answered=$((answered + 1)); fi
    done
    say "$rtt ms, $loss %, $rate kbit/s: $answered of 10 answered"
    [ "$answered" -ge 9 ] || fail "too few answers"
    if [ "${loss%.*}" -le 3 ]; then
        [ "$downs" = "$(cat "$scratch"/node*.log | grep -c "link down" || true)" ] || fail "a living link was called dead"
    fi
}
rung 20 0.1 100000
rung 40 0.1 50000
rung 90 1 20000
rung 200 2 5000
rung 300 3 3000
rung 300 5 1500
lab_link n1 none
say "holds: a bad line is a line"

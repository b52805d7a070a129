#!/usr/bin/env bash
# 500 connections a second from 50 addresses begin handshakes at a node's port and abandon them, after the ClientHello and
# after the node's certificate: requests between honest nodes are all answered, with a p99 of three times that without,
# and afterwards the node has the files and the memory it had before (T4).
. "$(dirname "$0")/lib.sh"

network 3
configure 0 8 1
configure 1 8 0
strangers=()
for ((i = 101; i <= 150; i++)); do
    strangers+=("$LAB_NET.$i")
    ip -n "$LAB-n2" addr add "$LAB_NET.$i/24" dev e0
done

ulimit -n 8192
start 0 1
within 20 "a link" each_has 1 0 1
echo_at 0
echo_at 1
within 10 "they answer" all_answer 0-1 1-0
load_begins 200 0-1 1-0
sleep 10 # of load
load_ends 150
limit_ms=$(p99_limit "$(figure p99)")
base_files=$(files 0)
base_memory=$(memory 0)
lab_bg n2 "$scratch/churn.out" nice -n 10 "$LAB_PY" "$here/churn.py" "$(lab_ip n0)" 30300 500 "${strangers[@]}"
load_begins 200 0-1 1-0
sleep "${CHURN_S:-30}" # of churn
say "under attack: $(files 0) files, $(($(memory 0) / 1024)) MiB; before: $base_files files, $((base_memory / 1024)) MiB"
load_ends 150
kill "$LAB_PID"
within 10 "files and memory are as before" at_base 0 "$base_files" "$base_memory"
lab_wait "$scratch/churn.out" connections 10 || fail "the strangers fell over: $(cat "$scratch/churn.out")"
say "strangers: $(cat "$scratch/churn.out")"
at_most "$(figure p99)" "$limit_ms" || fail "p99 is $(figure p99) ms, the limit $limit_ms ms"
lines=$(python3 "$here/causes.py" "$scratch/node0.log" 0)
[ "${lines%% *}" -le $((${CHURN_S:-30} + 16)) ] || fail "the log is flooded: $lines"
say "holds: abandoned handshakes keep nobody waiting"

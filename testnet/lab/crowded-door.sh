#!/usr/bin/env bash
# 2,000 silent or dripping connections from 50 addresses at each port of a node: a node joins within 3 s, an SDK within
# 2 s, and after the attack the node has the files and the memory it had before (T3).
. "$(dirname "$0")/lib.sh"

network 3
configure 0 8
configure 1 8 0
sed -i '/\[gateway\]/,$d' "$(dir 0)/nuncio.toml"
printf '[gateway]\nlisten = "0.0.0.0:20200"\n' >>"$(dir 0)/nuncio.toml"
strangers=()
for ((i = 101; i <= 150; i++)); do
    strangers+=("$LAB_NET.$i")
    ip -n "$LAB-n2" addr add "$LAB_NET.$i/24" dev e0
done

publishes() {
    lab_exec n1 timeout 2 "$nuncio" amop publish prices --data 42 --broadcast --gateway "$(lab_ip n0):20200" \
        --certs "$scratch/net/sdk"
}
# gather PORT OPENING: the process is in $LAB_PID.
gather() {
    # Strangers have processors of their own.
    lab_bg n2 "$scratch/crowd$1.log" nice -n 19 "$LAB_PY" "$here/crowd.py" "$(lab_ip n0)" "$1" 2000 "$2" \
        "${strangers[@]}"
    crowds+=("$LAB_PID")
    lab_wait "$scratch/crowd$1.log" gathered 30 || fail "the crowd did not gather at port $1"
}

crowds=()
ulimit -n 8192
start 0
within 10 "the node serves" reaches 0 1
publishes >/dev/null || fail "an SDK without an attack"
base_files=$(files 0)
base_memory=$(memory 0)
gather 30300 7f
gather 20200 16030102000100
say "under attack: $(files 0) files, $(($(memory 0) / 1024)) MiB; before: $base_files files, $((base_memory / 1024)) MiB"
start 1
within 3 "a node joins" has_links 1 1
for turn in 1 2 3; do within 2 "an SDK publishes, turn $turn" publishes; done
[ "$(grep -c "closed a connection before its handshake" "$scratch/node0.log")" -le 120 ] || fail "the log is flooded"
kill "${crowds[@]}"
within 10 "files and memory are as before" at_base 0 "$base_files" "$base_memory"
say "after: $(files 0) files, $(($(memory 0) / 1024)) MiB; $(wc -l <"$scratch/node0.log") lines in the log"
say "holds: strangers keep nobody out"

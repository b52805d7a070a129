#!/usr/bin/env bash
# A peer that moves to another address is found again by its node ID, though nobody's configuration names the new one.
. "$(dirname "$0")/lib.sh"

network 3
configure 0 8
configure 1 8 0
configure 2 8 0
start 0 1 2
within 20 "all reach all" all_reach 3 0 1 2
within 20 "a full mesh" each_has 2 0 1 2
moved=$(id 2)
kill "${pids[2]}"
wait "${pids[2]}" || true
within 3 "the mover said goodbye" each_has 1 0 1
lab_exec n2 ip address del "$(lab_ip n2)/24" dev e0
lab_exec n2 ip address add "$LAB_NET.77/24" dev e0
sed -i "s|^external = .*|external = [\"$LAB_NET.77:30300\"]|; s|^peers = .*|peers = [\"$(address 1)\"]|" "$(dir 2)/nuncio.toml"
start 2
within 20 "all reach all" all_reach 3 0 1 2
within 30 "a full mesh" each_has 2 0 1 2
on 0 nodes --json | grep "$moved" | grep -q "$LAB_NET.77:30300" || fail "node0 does not know the new address"
say "holds: the node is where its record says"

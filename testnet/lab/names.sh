#!/usr/bin/env bash
# A node that starts before its network is configured finds its peers' names as soon as the hosts file knows them, or
# resolv.conf a name server that does.
. "$(dirname "$0")/lib.sh"

network 3
for node in 0 1 2; do configure "$node" 8; done
sed -i 's|^peers = .*|peers = ["one.example:30300", "two.example:30300"]|' "$(dir 0)/nuncio.toml"
known_hosts=$(etc_of n0 hosts) servers=$(etc_of n0 resolv.conf)
echo "127.0.0.1 localhost" >"$known_hosts"
start 0 1 2
within 10 "nobody knows the names" grep -q "the host name has no address" "$scratch/node0.log"
has_links 0 0 || fail "it has links"
echo "$(lab_ip n1) one.example" >>"$known_hosts"
within 60 "a name that the hosts file knows" has_links 0 1
lab_bg n1 "$scratch/names.log" python3 "$here/name_server.py" "$(lab_ip n1)" "$(lab_ip n2)"
echo "nameserver $(lab_ip n1)" >"$servers"
within 60 "a name that a new name server knows" has_links 0 2
say "holds: names are looked up by the files as they are"

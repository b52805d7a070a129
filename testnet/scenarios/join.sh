#!/usr/bin/env bash
# A seventh node that is told one address joins the whole network.
. "$(dirname "$0")/lib.sh"

begin
"${compose[@]}" up --detach --no-build node6 >/dev/null 2>&1
within 20 "all seven reach all" all_reach 7 0 1 2 3 4 5 6
joined=$(id 6)
echo_at 6
within 10 "the far side asks the newcomer" asks 0 "$joined"
inside 0 route "$joined" | tail -n 1 | grep -q "^ *2 " || fail "the way has not two hops: $(inside 0 route "$joined")"
say "holds: one address is enough"

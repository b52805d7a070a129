#!/usr/bin/env python3
"""What a node says of a peer while it is attacked, as JSON: how long after its link it was banned, or cut off, and why.

    watch.py SOCKET NODEID SECONDS

SOCKET is the node's admin socket. Ends when the peer is banned, and the metrics say so, or after so many seconds.
"""
import json
import re
import sys
import time

from load import Admin

EVERY = 0.05
STRIKE = re.compile(r'^nuncio_strikes_total{kind="(.*)"} (\d+)', re.M)
BANNED = re.compile(r"^nuncio_peers_banned (\d+)", re.M)


def get(connection, path):
    connection.request("GET", path)
    return connection.getresponse().read().decode()


def main(path, node, seconds):
    connection, linked, cut, banned = Admin(path), None, None, None
    before = metrics = get(connection, "/metrics")
    until = time.monotonic() + seconds
    while time.monotonic() < until and banned is None:
        peers = [peer for peer in json.loads(get(connection, "/v1/peers")) if peer["node_id"] == node]
        now, states = time.monotonic(), {peer["state"]: peer["last_error"] for peer in peers}
        if linked is None and states:
            linked = now
        if linked and cut is None and "linked" not in states:
            cut = now
        metrics = get(connection, "/metrics")
        if "banned" in states and int(BANNED.search(metrics)[1]) > 0:
            banned = now
        time.sleep(EVERY)
    after = lambda when: None if when is None or linked is None else round(when - linked, 1)
    earlier = dict(STRIKE.findall(before))
    strikes = {kind: int(count) - int(earlier.get(kind, 0)) for kind, count in STRIKE.findall(metrics)}
    strikes = {kind: count for kind, count in strikes.items() if count}
    main = max(strikes, key=strikes.get, default=None)
    report = {"linked": linked is not None, "cut": after(cut), "banned": after(banned), "strikes": strikes, "main": main}
    print(json.dumps(report | {"reason": states.get("banned")}))


main(sys.argv[1], sys.argv[2], float(sys.argv[3]))

#!/usr/bin/env python3
"""Requests between nodes at a steady rate until it is told to stop (SIGTERM), then what became of them, as JSON.

    load.py RATE SOCKET=NODEID [SOCKET=NODEID ...]

Each pair is a node's admin socket and whom it asks, or "all:BYTES" for broadcasts; RATE is requests or broadcasts a second
of all pairs together. A request counts as answered when its body comes back; the latencies are those of
answered requests, in milliseconds.
"""
import http.client
import json
import os
import signal
import socket
import sys
import threading
import time

TIMEOUT_MS = int(os.environ.get("TIMEOUT_MS", "2000"))


class Admin(http.client.HTTPConnection):
    """The admin API on a Unix socket."""

    def __init__(self, path):
        super().__init__("localhost", timeout=10 + TIMEOUT_MS / 1000)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def ask(connection, target, body):
    """What went wrong, if anything."""
    try:
        connection.request("POST", f"/v1/unicast/{target}?timeout_ms={TIMEOUT_MS}", body=body)
        response = connection.getresponse()
        answer = response.read()
    except (OSError, http.client.HTTPException) as error:
        connection.close()
        return repr(error)
    if response.status != 200:
        return f"{response.status} {answer[:200]!r}"
    return None if body in answer else f"another body: {answer[:80]!r}"


def broadcast(connection, body):
    """A network that is busy takes it later; that is no fault."""
    try:
        connection.request("POST", "/v1/broadcast", body=body)
        connection.getresponse().read()
    except (OSError, http.client.HTTPException):
        connection.close()


def pair(name, pause, stop, result):
    path, target = name.split("=")
    connection, due, number = Admin(path), time.monotonic(), 0
    while not stop.is_set():
        number += 1
        began = time.monotonic()
        if target.startswith("all:"):
            broadcast(connection, f"{number:{target[4:]}}".encode())
            stop.wait(max(0.0, began + pause - time.monotonic()))
            continue
        result["asked"] += 1
        fault = ask(connection, target, f"request {number}".encode())
        if fault is None:
            result["answered"] += 1
            result["latencies"].append(time.monotonic() - began)
        else:
            result["faults"].append(f"{target[:8]}: {fault}")
        due = max(due + pause, time.monotonic() - 1)
        stop.wait(max(0.0, due - time.monotonic()))


def main():
    rate, names = float(sys.argv[1]), sys.argv[2:]
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    results = [{"asked": 0, "answered": 0, "faults": [], "latencies": []} for _ in names]
    began = time.monotonic()
    threads = [
        threading.Thread(target=pair, args=(name, len(names) / rate, stop, result))
        for name, result in zip(names, results)
    ]
    for thread in threads:
        thread.start()
    stop.wait()
    for thread in threads:
        thread.join()
    faults = [fault for result in results for fault in result["faults"]]
    asked, answered = (sum(result[key] for result in results) for key in ("asked", "answered"))
    latencies = sorted(latency for result in results for latency in result["latencies"])
    seconds = time.monotonic() - began
    report = {"asked": asked, "answered": answered, "per_second": round(asked / seconds, 1)}
    for name, share in (("p50", 0.5), ("p99", 0.99)):
        report[name] = round(1e3 * latencies[int(share * len(latencies))], 2) if latencies else 1e9
    print(json.dumps(report | {"faults": faults[:5]}))


if __name__ == "__main__":
    main()

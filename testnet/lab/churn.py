#!/usr/bin/env python3
"""Strangers at a node's port that begin handshakes and abandon them, until it is told to stop (SIGTERM).

    churn.py HOST PORT RATE ADDRESS [ADDRESS ...]

RATE is connections a second; the addresses are this machine's own, and the connections are spread over them. Every second
connection ends when its ClientHello is sent, the others when the node's certificate is here. At the end it prints as JSON
how many connections began, and how many certificates came.
"""
import asyncio
import itertools
import json
import signal
import ssl
import sys

PATIENCE = 3.0


def framed(name):
    return bytes([len(name) + 1]) + name + b"\n"


# What both sides agree on before TLS.
AGREED = framed(b"/multistream/1.0.0") + framed(b"/nuncio/tls/1")

CONTEXT = ssl.create_default_context()
CONTEXT.check_hostname = False
CONTEXT.verify_mode = ssl.CERT_NONE
CONTEXT.minimum_version = ssl.TLSVersion.TLSv1_3
CONTEXT.set_alpn_protocols(["nuncio/1"])


def client_hello():
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    try:
        CONTEXT.wrap_bio(incoming, outgoing).do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


async def abandon(host, port, address, awaits_certificate, counts):
    reader, writer = await asyncio.open_connection(host, port, local_addr=(address, 0))
    try:
        writer.write(AGREED)
        await reader.readexactly(len(AGREED))
        writer.write(client_hello())
        await writer.drain()
        if awaits_certificate:
            # A record's type, version and length: the ServerHello, and the certificate behind it.
            for _ in range(3):
                header = await reader.readexactly(5)
                await reader.readexactly(int.from_bytes(header[3:], "big"))
            counts["certificates"] += 1
    finally:
        writer.close()


async def stranger(*arguments):
    try:
        await asyncio.wait_for(abandon(*arguments), PATIENCE)
    except (OSError, asyncio.IncompleteReadError, asyncio.TimeoutError):
        pass


async def main(host, port, rate, addresses):
    stopped, loop = asyncio.Event(), asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stopped.set)
    counts, under_way, due = {"connections": 0, "certificates": 0}, set(), loop.time()
    for address in itertools.cycle(addresses):
        if stopped.is_set():
            break
        counts["connections"] += 1
        arguments = (host, port, address, counts["connections"] % 2 == 0, counts)
        task = loop.create_task(stranger(*arguments))
        under_way.add(task)
        task.add_done_callback(under_way.discard)
        due = max(due + 1 / rate, loop.time() - 1)
        await asyncio.sleep(max(0.0, due - loop.time()))
    for task in under_way:
        task.cancel()
    print(json.dumps(counts), flush=True)


asyncio.run(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), sys.argv[4:]))

#!/usr/bin/env python3
"""Strangers at a port: connections that never make an end, until it is told to stop (SIGTERM).

    crowd.py HOST PORT CONNECTIONS ADDRESS [ADDRESS ...]

The addresses are this machine's own, and the connections are spread over them. Every second one stays silent; the
others say the first byte of a long message and then one more every half second. Who is cut comes again two seconds later.
Prints "gathered" when each has been open once.
"""
import asyncio
import itertools
import signal
import sys

DRIP = 0.5
PAUSE = 2.0


async def stand(reader, writer, drips):
    """Until the port cuts the connection."""
    ended = asyncio.ensure_future(reader.read())
    while not ended.done():
        if drips:
            writer.write(b"\x7f")
        await asyncio.wait([ended], timeout=DRIP if drips else None)
    await ended


async def come_again(host, port, address, drips, opened):
    while True:
        try:
            reader, writer = await asyncio.open_connection(host, port, local_addr=(address, 0))
            opened.set()
            try:
                await stand(reader, writer, drips)
            finally:
                writer.close()
        except OSError:
            pass
        await asyncio.sleep(PAUSE)


async def main(host, port, connections, addresses):
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    opened = [asyncio.Event() for _ in range(connections)]
    strangers = [
        asyncio.ensure_future(come_again(host, port, address, number % 2 == 1, event))
        for number, (address, event) in enumerate(zip(itertools.cycle(addresses), opened))
    ]
    for event in opened:
        await event.wait()
    print("gathered", flush=True)
    await stopped.wait()
    for stranger in strangers:
        stranger.cancel()


asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:]))

#!/usr/bin/env python3
"""Strangers at a port: connections that never make an end, until it is told to stop (SIGTERM).

    crowd.py HOST PORT CONNECTIONS OPENING ADDRESS [ADDRESS ...]

The addresses are this machine's own, and the connections are spread over them. Every second one stays silent; the
others say the opening, given as hexadecimal digits, and then one byte more every half second. Who is cut comes again two seconds later.
Prints "gathered" when each has been open once.
"""
import asyncio
import itertools
import signal
import sys

DRIP = 0.5
PAUSE = 2.0


async def stand(reader, writer, opening):
    """Until the port cuts the connection."""
    ended = asyncio.ensure_future(reader.read())
    writer.write(opening)
    while not ended.done():
        await asyncio.wait([ended], timeout=DRIP if opening else None)
        writer.write(opening[:1])
    await ended


async def come_again(host, port, address, opening, opened):
    while True:
        try:
            reader, writer = await asyncio.open_connection(host, port, local_addr=(address, 0))
            opened.set()
            try:
                await stand(reader, writer, opening)
            finally:
                writer.close()
        except OSError:
            pass
        await asyncio.sleep(PAUSE)


async def main(host, port, connections, opening, addresses):
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    opened = [asyncio.Event() for _ in range(connections)]
    strangers = [
        asyncio.ensure_future(come_again(host, port, address, opening if number % 2 else b"", event))
        for number, (address, event) in enumerate(zip(itertools.cycle(addresses), opened))
    ]
    for event in opened:
        await event.wait()
    print("gathered", flush=True)
    await stopped.wait()
    for stranger in strangers:
        stranger.cancel()


asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), bytes.fromhex(sys.argv[4]), sys.argv[5:]))

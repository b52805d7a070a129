#!/usr/bin/env python3
"""A client of the web door. Needs the package websockets (Debian: python3-websockets).

client.py answer HOST:PORT CERTS TOPIC REPLY    answers one request
client.py ask    HOST:PORT CERTS TOPIC DATA     publishes to one subscriber and prints its answer

CERTS is a directory with ca.crt, sdk.crt and sdk.key.
"""

import asyncio
import json
import ssl
import sys

import websockets


def tls(certs):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # Certificates of nodes hold no host name; the chain is checked all the same.
    context.check_hostname = False
    context.load_verify_locations(f"{certs}/ca.crt")
    context.load_cert_chain(f"{certs}/sdk.crt", f"{certs}/sdk.key")
    return context


async def answer(socket, topic, reply):
    await socket.send(json.dumps({"type": "subscribe", "id": 1, "topics": [topic]}))
    async for text in socket:
        said = json.loads(text)
        if said["type"] == "request":
            print("asked:", said["data"], flush=True)
            await socket.send(json.dumps({"type": "respond", "id": 2, "request": said["request"], "data": reply}))
        elif said["code"] != 0:
            sys.exit(f"{said['word']}: {said['message']}")
        elif said["id"] == 1:
            print("subscribed", flush=True)
        else:
            return


async def ask(socket, topic, data):
    await socket.send(json.dumps({"type": "publish", "id": 1, "topic": topic, "data": data}))
    result = json.loads(await socket.recv())
    if result["code"] != 0:
        sys.exit(f"{result['word']}: {result.get('message', result['data'])}")
    print("answered:", result["data"])


async def main(what, node, certs, topic, text):
    async with websockets.connect(f"wss://{node}/v1/socket", ssl=tls(certs), max_size=16 << 20) as socket:
        await {"answer": answer, "ask": ask}[what](socket, topic, text)


if len(sys.argv) != 6:
    sys.exit(__doc__)
asyncio.run(main(*sys.argv[1:]))

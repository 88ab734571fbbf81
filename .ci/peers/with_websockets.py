"""Python's `websockets` against the example `website`: ws and wss."""

import asyncio
import random
import ssl

import websockets
from harness import Failed, check, holds, same
from site_files import MEBIBYTE
from website import website

CLIENTS = 50


async def talk(url, seed, **options):
    """Everything that one client does; each message has to come back."""
    data = random.Random(seed).randbytes(MEBIBYTE)
    async with websockets.connect(url, max_size=None, compression=None, **options) as socket:
        for message in ("hello", "", "ünïcödé 🦀", b"", bytes(range(256)), data):
            await socket.send(message)
            holds(await socket.recv() == message, f"another {len(message)} bytes came back")
        # In fragments: one message for whoever reads.
        await socket.send(["three ", "parts ", "of one"])
        same(await socket.recv(), "three parts of one", "a message in fragments")
        # Several under way at once come back in order.
        for number in range(100):
            await socket.send(f"{number}")
        same([await socket.recv() for _ in range(100)], [f"{n}" for n in range(100)], "the order")
        await asyncio.wait_for(await socket.ping(), 10)
        await socket.close(1000, "done")
        same(socket.close_code, 1000, "the code of the close")


async def many(url, **options):
    await asyncio.gather(*(talk(url, seed, **options) for seed in range(CLIENTS)))


async def refused(url):
    try:
        async with websockets.connect(url):
            raise Failed("a certificate that nobody trusts was accepted")
    except ssl.SSLCertVerificationError:
        pass


@check("websockets: texts, bytes, fragments, pings and closes over ws and wss")
def clients(world):
    with website(world) as (plain, secured, _, cert):
        asyncio.run(many(plain.replace("http", "ws", 1) + "/echo"))
        trust = ssl.create_default_context(cafile=cert)
        wss = secured.replace("https", "wss", 1) + "/echo"
        asyncio.run(many(wss, ssl=trust))
        asyncio.run(refused(wss))
    return f"{CLIENTS} clients at once on each; wss refused without trust"

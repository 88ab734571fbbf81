"""aiohttp against `dipole serve` and the bench server."""

import asyncio
import hashlib
import time

import aiohttp

from harness import check, holds, same
from site_files import MEBIBYTE

AT_ONCE = 256


def session(limit):
    connector = aiohttp.TCPConnector(limit=limit)
    timeout = aiohttp.ClientTimeout(total=60)
    return aiohttp.ClientSession(connector=connector, timeout=timeout)


@check("aiohttp: 256 connections at once each get their file")
def many_files(world):
    wanted = hashlib.sha256(world.site.data).digest()

    async def all_of_them():
        async with session(AT_ONCE) as client:
            # All have their head, and so a connection, before the first body is read.
            answers = await asyncio.gather(
                *[client.get(f"{world.serve}/1m") for _ in range(AT_ONCE)]
            )
            open_now = world.server.descriptors()

            async def digest(answer):
                hashed = hashlib.sha256()
                async for piece in answer.content.iter_chunked(65536):
                    hashed.update(piece)
                return hashed.digest()

            return open_now, await asyncio.gather(*map(digest, answers))

    open_now, found = asyncio.run(all_of_them())
    same(found.count(wanted), AT_ONCE, "whole files")
    holds(open_now >= AT_ONCE, f"the server had {open_now} descriptors open")
    return f"{AT_ONCE} times 1 MiB, {open_now} descriptors open at the server"


@check("aiohttp: 256 slow handlers run at the same time")
def many_handlers(world):
    async def all_of_them():
        async with session(AT_ONCE) as client:

            async def one():
                async with client.get(f"{world.bench}/slow?ms=500") as answer:
                    return answer.status, await answer.read()

            return await asyncio.gather(*[one() for _ in range(AT_ONCE)])

    started = time.monotonic()
    found = asyncio.run(all_of_them())
    seconds = time.monotonic() - started
    same(found.count((200, b"late")), AT_ONCE, "answers")
    holds(seconds < 10, f"it took {seconds:.1f} s")
    return f"{AT_ONCE} times 500 ms in {seconds:.1f} s on one worker"


@check("aiohttp: four connections are kept alive for 2000 requests")
def keep_alive(world):
    async def all_of_them():
        made = 0
        trace = aiohttp.TraceConfig()

        async def count(*_):
            nonlocal made
            made += 1

        trace.on_connection_create_end.append(count)
        connector = aiohttp.TCPConnector(limit=4)
        async with aiohttp.ClientSession(connector=connector, trace_configs=[trace]) as client:

            async def one(number):
                async with client.get(f"{world.serve}/n/{number}.txt") as answer:
                    return await answer.read() == world.site.numbered(number)

            right = await asyncio.gather(*[one(number % 100) for number in range(2000)])
        return made, sum(right)

    made, right = asyncio.run(all_of_them())
    same(right, 2000, "right answers")
    same(made, 4, "connections")
    return "2000 files over 4 connections"


@check("aiohttp: an upload is streamed, with and without 100 Continue")
def upload(world):
    data = world.site.random.randbytes(4 * MEBIBYTE)

    async def pieces():
        for at in range(0, len(data), 100_000):
            yield data[at : at + 100_000]
            await asyncio.sleep(0)

    async def both():
        async with session(1) as client:
            for expect in (False, True):
                url = f"{world.bench}/echo"
                async with client.post(url, data=pieces(), expect100=expect) as answer:
                    same(answer.status, 200, "status")
                    holds(await answer.read() == data, "the echo is another")

    asyncio.run(both())
    return "2 times 4 MiB echoed"


@check("aiohttp: clients that leave in the middle harm nobody")
def leavers(world):
    async def all_of_them():
        async def leave():
            async with session(1) as client:
                answer = await client.get(f"{world.serve}/1g")
                await answer.content.readexactly(100_000)
                answer.close()

        await asyncio.gather(*[leave() for _ in range(64)])
        async with session(1) as client, client.get(f"{world.serve}/hello.txt") as answer:
            return await answer.read()

    same(asyncio.run(all_of_them()), b"Hello, World!", "the next answer")
    return "64 left, the next one was served"

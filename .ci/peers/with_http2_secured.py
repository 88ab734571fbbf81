"""nghttp, httpx, h2load and openssl on ALPN and HTTP/2 under TLS against `dipole serve`."""

import asyncio
import re
import ssl

import httpx
from harness import check, holds, run, same
from with_tls import REQUEST, certificate, served

CONNECTIONS, STREAMS, REQUESTS = 100, 100, 50_000


@check("nghttp: by ALPN over TLS, many requests, and nothing is reset")
def nghttp(world):
    cert, key = certificate(world.folder, "nghttp")
    with served(world, "--cert", cert, "--key", key) as (url, _, _):
        result = run("nghttp", "-v", "-n", "-m", "50", f"{url}/hello.txt")
    text = result.output.decode("utf-8", "replace")
    same(result.status, 0, f"exit status ({result.errors.strip()})")
    holds("The negotiated protocol: h2" in text, f"no h2: {text[:500]}")
    same(text.count(":status: 200"), 50, "answers of 200")
    holds("recv RST_STREAM" not in text, "a stream was reset")
    return "50 answers"


@check("httpx: many requests at once over TLS, on one connection of HTTP/2")
def with_httpx(world):
    cert, key = certificate(world.folder, "httpx")
    trust = ssl.create_default_context(cafile=cert)

    async def requests(url):
        one = httpx.Limits(max_connections=1)
        async with httpx.AsyncClient(http2=True, verify=trust, limits=one) as client:
            asked = [client.get(f"{url}/n/{number}.txt") for number in range(100)]
            return await asyncio.gather(*asked, client.get(f"{url}/1m"))

    with served(world, "--cert", cert, "--key", key) as (url, _, _):
        *answers, big = asyncio.run(requests(url))
    same({answer.http_version for answer in [*answers, big]}, {"HTTP/2"}, "versions")
    for number, answer in enumerate(answers):
        same(answer.content, world.site.numbered(number), f"number {number}")
    holds(big.content == world.site.data, "1 MiB is another")
    return f"{len(answers) + 1} answers, trusted by a given certificate"


@check("h2load: 100 connections of 100 streams over TLS, and no request fails", limit=180)
def h2load(world):
    cert, key = certificate(world.folder, "h2load")
    load = ["-n", f"{REQUESTS}", "-c", f"{CONNECTIONS}", "-m", f"{STREAMS}"]
    with served(world, "--cert", cert, "--key", key) as (url, _, _):
        result = run("h2load", *load, f"{url}/hello.txt", limit=150)
    text = result.output.decode()
    same(result.status, 0, f"exit status ({result.errors.strip()})")
    holds("Application protocol: h2" in text, text)
    found = re.search(r"requests: (\d+) total.* (\d+) succeeded, (\d+) failed, (\d+) errored", text)
    holds(found, text)
    wanted = (f"{REQUESTS}", f"{REQUESTS}", "0", "0")
    same(found.groups(), wanted, "total, succeeded, failed, errored")
    version = re.search(r"TLS Protocol: (\S+)", text)[1]
    return f"{version}, " + re.search(r"finished in .*", text)[0]


@check("openssl s_client: ALPN chooses h2 or http/1.1, none is HTTP/1.1, an unknown one is refused")
def alpn(world):
    cert, key = certificate(world.folder, "alpn-by-openssl")
    with served(world, "--cert", cert, "--key", key) as (url, _, _):
        for version in ("-tls1_2", "-tls1_3"):
            connect = ["openssl", "s_client", "-connect", url.removeprefix("https://"), version]
            for offered, told in (
                ("h2", "ALPN protocol: h2"),
                ("spdy/3,http/1.1", "ALPN protocol: http/1.1"),
                ("spdy/3,http/1.1,h2", "ALPN protocol: h2"),
                ("spdy/3", "SSL alert number 120"),
            ):
                result = run(*connect, "-alpn", offered, limit=20)
                text = result.output.decode("latin-1") + result.errors
                holds(told in text, f"no {told!r} for {offered} in {text}")
        result = run(*connect, "-ign_eof", input=REQUEST, limit=20)
        text = result.output.decode("latin-1")
        holds("No ALPN negotiated" in text and "HTTP/1.1 200 OK" in text, text)
    return "by TLS 1.2 and 1.3; the refusal is no_application_protocol"

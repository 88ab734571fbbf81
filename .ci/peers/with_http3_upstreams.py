"""`dipole get` over HTTP/3 against aioquic and hypercorn, and `Alt-Svc` that is followed."""

import contextlib
import os
import select
import socket
import sys
import time

from harness import Failed, Process, check, holds, run, same
from site_files import MEBIBYTE
from with_secured_upstreams import certificates, free_ports, nginx, trusting
from with_upstreams import get, head_and_body

LIBRARIES = ["quinn", "s2n"]

APP = """
async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    body = b""
    while True:
        event = await receive()
        body += event.get("body", b"")
        if not event.get("more_body"):
            break
    text = scope["http_version"].encode() + b" " + body
    await send({"type": "http.response.start", "status": 200, "headers": [(b"x-kind", b"asgi")]})
    await send({"type": "http.response.body", "body": text})
"""


@contextlib.contextmanager
def aioquic(world):
    """aioquic's server, which asks each client to prove its address. Gives its URL."""
    place = certificates(world.folder)
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "http3_upstream.py")
    command = [sys.executable, script, f"{place}/chain.pem", f"{place}/key.pem", world.site.folder]
    with open(f"{world.folder}/aioquic.log", "ab") as log:
        with Process(command, stdin=-3, stdout=-1, stderr=log) as process:
            if not select.select([process.stdout], [], [], 20)[0]:
                raise Failed("aioquic does not say where it listens")
            yield f"https://localhost:{int(process.stdout.readline())}"


@contextlib.contextmanager
def hypercorn(world):
    """hypercorn with every version of HTTP on one port. Gives its URL."""
    place = certificates(world.folder)
    with open(f"{world.folder}/asgi_app.py", "w") as file:
        file.write(APP)
    [port] = free_ports(1)
    bind = f"127.0.0.1:{port}"
    command = [sys.executable, "-m", "hypercorn", "--bind", bind, "--quic-bind", bind]
    command += ["--certfile", f"{place}/chain.pem", "--keyfile", f"{place}/key.pem", "asgi_app:app"]
    log = f"{world.folder}/hypercorn.log"
    with open(log, "wb") as output:
        with Process(command, stdin=-3, stdout=output, stderr=output, cwd=world.folder) as process:
            deadline = time.monotonic() + 20
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                except OSError:
                    if process.poll() is not None or time.monotonic() > deadline:
                        raise Failed(f"hypercorn does not start: {open(log).read()}")
                    time.sleep(0.05)
            yield f"https://localhost:{port}"


@check("get over HTTP/3 from aioquic: files, heads, statuses")
def files(world):
    with aioquic(world) as url:
        for library in LIBRARIES:
            for way in ("--http3", "--http3-only"):
                options = [way, "--network", library]
                result = trusting(world, *options, "-i", "-v", f"{url}/hello.txt")
                same(result.output.partition(b"\r\n")[0], b"HTTP/3.0 200 OK", f"status line, {way}")
                same(head_and_body(result)[2], b"Hello, World!", "body")
                for told in (f"by {library}", "ALPN chose h3", "TLSv1.3", "> GET /hello.txt HTTP/3"):
                    holds(told in result.errors, f"no {told!r} in {result.errors!r}")
            options = ["--http3-only", "--network", library]
            status, headers, body = head_and_body(
                trusting(world, *options, "-i", "-X", "HEAD", f"{url}/1m")
            )
            same((status, headers["content-length"], body), (200, str(MEBIBYTE), b""), "HEAD")
            holds(trusting(world, *options, f"{url}/1m").output == world.site.data, "1 MiB")
            long = trusting(world, *options, f"{url}/unsaid/long.txt").output
            holds(long == world.site.text, "a body without a length is another")
            trusting(world, *options, "--fail", f"{url}/nothing", status=1)
    return f"by {', '.join(LIBRARIES)}"


@check("get over HTTP/3 from aioquic: tens of MiB down, and up and down before trailers")
def much(world):
    with aioquic(world) as url:
        data = world.site.random.randbytes(24 * MEBIBYTE)
        with open(world.site.path("24m"), "wb") as file:
            file.write(data)
        rates = []
        for library in LIBRARIES:
            options = ["--http3-only", "--network", library]
            started = time.monotonic()
            holds(trusting(world, *options, f"{url}/24m").output == data, "24 MiB are others")
            echoed = trusting(world, *options, "-d", "@-", f"{url}/echo", input=data[: 12 * MEBIBYTE])
            holds(echoed.output == data[: 12 * MEBIBYTE], "12 MiB come back as others")
            rates.append(f"{library} {time.monotonic() - started:.1f} s")
        os.remove(world.site.path("24m"))
    return f"24 MiB down, 12 MiB up and down: {', '.join(rates)}"


@check("get over HTTP/3 from aioquic: requests that are rejected, broken off, answered early")
def faults(world):
    with aioquic(world) as url:
        for library in LIBRARIES:
            options = ["--http3-only", "--network", library]
            same(trusting(world, *options, f"{url}/rejected").output, b"/rejected", "the second try")
            trusting(world, *options, f"{url}/reset", status=1)
            result = trusting(world, *options, f"{url}/half", status=1)
            holds(result.output in (b"", b"half"), f"{result.output!r} of half a body")
            data = bytes(4 * MEBIBYTE)
            early = trusting(world, *options, "-d", "@-", f"{url}/early", input=data)
            same(early.output, b"/early", "an early answer")
    return "one sent again, two that fail, one early"


@check("get over HTTP/3: certificates, and where there is none")
def advice(world):
    with aioquic(world) as url:
        for library in LIBRARIES:
            options = ["--http3-only", "--network", library]
            errors = get(world, *options, f"{url}/hello.txt", status=1).errors
            holds("--cacert" in errors and "--insecure" in errors, f"no advice in {errors!r}")
            same(get(world, *options, "-k", f"{url}/hello.txt").output, b"Hello, World!", "-k")
            other = url.replace("localhost", "127.0.0.1")
            errors = trusting(world, *options, f"{other}/hello.txt", status=1).errors
            # s2n-quic keeps why its TLS refuses a certificate to itself.
            wanted = {"quinn": "name", "s2n": "the certificate is not acceptable"}[library]
            holds(wanted in errors, f"another name: {errors!r}")
    with nginx(world) as (_, http2, _):
        started = time.monotonic()
        result = trusting(world, "--http3", "-i", f"{http2}/hello.txt")
        same(result.output.partition(b"\r\n")[0], b"HTTP/2.0 200 OK", "where there is no HTTP/3")
        seconds = time.monotonic() - started
        holds(seconds < 3, f"the fall back took {seconds:.1f} s")
        trusting(world, "--http3-only", "--max-time", "1", f"{http2}/hello.txt", status=1)
    return f"advice; HTTP/2 after {seconds:.2f} s where nobody has HTTP/3"


@check("the client follows hypercorn's Alt-Svc from HTTP/2 to HTTP/3")
def alternatives(world):
    with hypercorn(world) as url:
        same(trusting(world, "--http3-only", "-d", "body", url).output, b"3 body", "over HTTP/3")
        same(trusting(world, "-d", "body", url).output, b"2 body", "over HTTP/2")
        same(trusting(world, "--http1.1", "-d", "body", url).output, b"1.1 body", "over HTTP/1.1")
        ca = f"{world.folder}/tls/ca.pem"
        for library in LIBRARIES:
            result = run(os.path.join(world.examples, "follow"), url, ca, "4", library)
            same(result.status, 0, f"exit status ({result.errors})")
            versions = [line.split()[0] for line in result.output.decode().splitlines()]
            same(versions, ["HTTP/2.0", "HTTP/3.0", "HTTP/3.0", "HTTP/3.0"], f"versions, {library}")
    return "one answer over HTTP/2, three over HTTP/3"

"""Clients of HTTP/3 against `dipole serve --http3`: aioquic, libcurl by pycurl, and qh3 by niquests."""

import asyncio
import contextlib
import hashlib
import io
import os
import time

from harness import Server, check, holds, run, same
from with_tls import certificate, port_of

LIMIT = 30  # seconds

# Each library for QUIC that the build has; the checks run on all of them.
LIBRARIES = ["quinn", "s2n"]


@contextlib.contextmanager
def served(world, library, *options):
    """`dipole serve --http3`: its port, its certificate, its process."""
    cert, key = certificate(world.folder, f"http3-{library}")
    args = [world.dipole, "serve", world.site.folder, "--listen", "127.0.0.1:0"]
    args += ["--cert", cert, "--key", key, "--http3", "--network", library, *options]
    with Server(args, os.path.join(world.folder, "http3.log")) as server:
        tcp, udp = server.listening(2)
        same(tcp, udp, "the two URLs")
        yield port_of(udp), cert, server


def each_library(function):
    """The check on each library for QUIC, and what was seen on each."""

    def on_all(world):
        saw = [f"{library}: {function(world, library)}" for library in LIBRARIES]
        return "; ".join(saw)

    return on_all


def large(world):
    """A file of 64 MiB, and its checksum."""
    path, checksum = os.path.join(world.site.folder, "http3.bin"), hashlib.sha256()
    with open(path, "wb") as file:
        for number in range(64):
            piece = hashlib.sha512(str(number).encode()).digest() * (1 << 14)
            file.write(piece)
            checksum.update(piece)
    return "http3.bin", checksum.hexdigest()


async def with_aioquic(port, cert, use):
    from aioquic.asyncio.client import connect
    from aioquic.asyncio.protocol import QuicConnectionProtocol
    from aioquic.h3.connection import H3_ALPN, H3Connection
    from aioquic.h3.events import DataReceived, HeadersReceived
    from aioquic.quic.configuration import QuicConfiguration
    from aioquic.quic.events import StreamReset

    class Client(QuicConnectionProtocol):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            self.http = H3Connection(self._quic)
            self.asked = {}

        def quic_event_received(self, event):
            if isinstance(event, StreamReset) and event.stream_id in self.asked:
                self.asked[event.stream_id]["done"].set_exception(Exception(event.error_code))
            for happened in self.http.handle_event(event):
                asked = self.asked.get(happened.stream_id)
                if asked is None:
                    continue
                if isinstance(happened, HeadersReceived):
                    asked["heads"].append({k.decode(): v.decode() for k, v in happened.headers})
                elif isinstance(happened, DataReceived):
                    asked["length"] += len(happened.data)
                    asked["checksum"].update(happened.data)
                if happened.stream_ended and not asked["done"].done():
                    asked["done"].set_result(None)

        async def ask(self, method, path, body=None):
            stream = self._quic.get_next_available_stream_id()
            done = asyncio.get_running_loop().create_future()
            asked = {"heads": [], "length": 0, "checksum": hashlib.sha256(), "done": done}
            self.asked[stream] = asked
            head = {":method": method, ":scheme": "https", ":authority": "localhost", ":path": path}
            fields = [(name.encode(), value.encode()) for name, value in head.items()]
            self.http.send_headers(stream, fields, end_stream=body is None)
            if body is not None:
                self.http.send_data(stream, body, end_stream=True)
            self.transmit()
            await asyncio.wait_for(done, LIMIT)
            return asked

    configuration = QuicConfiguration(is_client=True, alpn_protocols=H3_ALPN, server_name="localhost")
    configuration.load_verify_locations(cert)
    async with connect(
        "127.0.0.1", port, configuration=configuration, create_protocol=Client
    ) as client:
        return await use(client)


@check("aioquic: files, 404, a body that nobody reads, 200 requests at once, over HTTP/3")
@each_library
def aioquic(world, library):
    name, checksum = large(world)

    async def use(client):
        whole = await client.ask("GET", f"/{name}")
        same((whole["heads"][0][":status"], whole["length"]), ("200", 64 << 20), "the file")
        same(whole["checksum"].hexdigest(), checksum, "its checksum")
        missing = await client.ask("GET", "/missing")
        same(missing["heads"][0][":status"], "404", "a missing file")
        unread = await client.ask("POST", "/hello.txt", b"x" * 200_000)
        same(unread["heads"][0][":status"], "405", "a body that nobody reads")
        asked = [client.ask("GET", "/hello.txt") for _ in range(200)]
        lengths = {answer["length"] for answer in await asyncio.gather(*asked)}
        same(lengths, {len("Hello, World!")}, "the lengths of 200 answers")
        return "a file of 64 MiB whole, 404, 405, 200 answers"

    with served(world, library) as (port, cert, _):
        return asyncio.run(with_aioquic(port, cert, use))


@check("aioquic: the server drains under load, and no request that it took fails")
@each_library
def aioquic_drain(world, library):
    with served(world, library) as (port, cert, server):

        async def use(client):
            rejected, answered = 0, 0
            loop = asyncio.get_running_loop()
            for round_ in range(1000):
                asked = [client.ask("GET", "/hello.txt") for _ in range(20)]
                if round_ == 20:
                    server.terminate()
                for answer in await asyncio.gather(*asked, return_exceptions=True):
                    if isinstance(answer, Exception):
                        # H3_REQUEST_REJECTED: may be sent again.
                        same(str(answer), str(0x10B), "a request's fault")
                        rejected += 1
                    else:
                        answered += 1
                if rejected:
                    break
            holds(rejected, "the server has not ended")
            await loop.run_in_executor(None, server.wait, 15)
            return f"{answered} answered, {rejected} rejected, none lost"

        saw = asyncio.run(with_aioquic(port, cert, use))
        same(server.returncode, 0, "the server's exit status")
        return saw


HTTP3_ONLY = 31  # CURL_HTTP_VERSION_3ONLY


def with_pycurl(url, cert, version, **options):
    import pycurl

    body, fields, handle = hashlib.sha256(), [], pycurl.Curl()
    handle.setopt(pycurl.URL, url)
    handle.setopt(pycurl.CAINFO, cert)
    handle.setopt(pycurl.HTTP_VERSION, version)
    handle.setopt(pycurl.TIMEOUT, LIMIT)
    handle.setopt(pycurl.WRITEFUNCTION, body.update)
    handle.setopt(pycurl.HEADERFUNCTION, lambda line: fields.append(line.decode()))
    for option, value in options.items():
        handle.setopt(getattr(pycurl, option), value)
    handle.perform()
    seen = handle.getinfo(pycurl.RESPONSE_CODE), handle.getinfo(pycurl.INFO_HTTP_VERSION)
    handle.close()
    return *seen, body.hexdigest(), "".join(fields).lower()


@check("libcurl: files, HEAD, an upload that nobody reads, over HTTP/3 alone, and what TCP says of it")
@each_library
def curl(world, library):
    import pycurl

    name, checksum = large(world)
    with served(world, library) as (port, cert, _):
        url, get, only = f"https://localhost:{port}", with_pycurl, HTTP3_ONLY
        got = get(f"{url}/{name}", cert, only)
        same(got[:3], (200, 30, checksum), "the file over HTTP/3")
        unread = io.BytesIO(b"x" * 5_000_000)
        got = get(f"{url}/hello.txt", cert, only, POST=1, POSTFIELDSIZE=5_000_000, READDATA=unread)
        same(got[:2], (405, 30), "an upload that nobody reads")
        # aioquic takes the length that an answer to HEAD says for that of its body.
        head = get(f"{url}/{name}", cert, only, NOBODY=1)
        same((head[:2], "content-length: 67108864" in head[3]), ((200, 30), True), "HEAD")
        for version in (pycurl.CURL_HTTP_VERSION_1_1, pycurl.CURL_HTTP_VERSION_2_0):
            got = get(f"{url}/hello.txt", cert, version)
            same(got[1], version, "the version over TCP")
            holds(f'alt-svc: h3=":{port}"; ma=' in got[3], f"no Alt-Svc in {got[3]}")
    return "a file of 64 MiB, HEAD, 405 for an upload of 5 MB, Alt-Svc over HTTP/1.1 and HTTP/2"


@check("libcurl: 1 GiB over HTTP/3 with the right checksum", limit=240)
@each_library
def gibibyte(world, library):
    with served(world, library) as (port, cert, _):
        started = time.monotonic()
        url = f"https://localhost:{port}/1g"
        got = with_pycurl(url, cert, HTTP3_ONLY, TIMEOUT=100)
        seconds = time.monotonic() - started
    same(got[:3], (200, 30, world.site.big_digest), "1 GiB over HTTP/3")
    return f"1 GiB in {seconds:.1f} s"


# niquests replaces urllib3 for its whole interpreter, so it has one of its own.
NIQUESTS = """
import sys, niquests
url, cert = sys.argv[1:]
with niquests.Session() as session:
    versions = [session.get(url, verify=cert, timeout=20).http_version for _ in range(3)]
print(versions[0], versions[-1])
"""


@check("niquests: follows Alt-Svc to HTTP/3 by qh3")
@each_library
def niquests(world, library):
    with served(world, library) as (port, cert, _):
        url = f"https://localhost:{port}/hello.txt"
        got = run(world.niquests, "-c", NIQUESTS, url, cert, limit=LIMIT)
    same(got.status, 0, f"its exit status: {got.errors[-2000:]}")
    first, last = got.output.decode().split()
    same(last, "30", f"the last version, after {first}")
    return f"HTTP version {first}, then {last}"

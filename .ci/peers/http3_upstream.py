"""An HTTP/3 server on aioquic, for clients that are to be tried.

    python http3_upstream.py CHAIN KEY SITE

Prints its port. GET and HEAD give the files of SITE, under `/unsaid/` without their length; POST to
`/echo` gives back what came, with a trailer. `/reset` breaks every request off, `/rejected` the
first time, `/half` in the middle. `/early` answers without reading.
"""

import asyncio
import os
import sys

from aioquic.asyncio import QuicConnectionProtocol, serve
from aioquic.h3.connection import H3_ALPN, ErrorCode, H3Connection
from aioquic.h3.events import DataReceived, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import ProtocolNegotiated

PIECE = 64 * 1024
REJECTED = set()


class Server(QuicConnectionProtocol):
    """One connection."""

    def __init__(self, *args, **more):
        super().__init__(*args, **more)
        self.http = None
        self.requests = {}

    def quic_event_received(self, event):
        if isinstance(event, ProtocolNegotiated):
            self.http = H3Connection(self._quic)
        if self.http is None:
            return
        for http_event in self.http.handle_event(event):
            stream = http_event.stream_id
            if isinstance(http_event, HeadersReceived):
                if stream in self.requests:
                    self.requests[stream]["trailers"] = http_event.headers
                else:
                    request = {"headers": dict(http_event.headers), "body": [], "trailers": None}
                    self.requests[stream] = request
                    if request["headers"][b":path"] == b"/early":
                        self.answer(stream, request)
            elif isinstance(http_event, DataReceived):
                self.requests[stream]["body"].append(http_event.data)
            if http_event.stream_ended:
                request = self.requests.pop(stream)
                if request["headers"][b":path"] != b"/early":
                    self.answer(stream, request)
        self.transmit()

    def answer(self, stream, request):
        method, path = request["headers"][b":method"], request["headers"][b":path"].decode()
        if path == "/reset" or (path == "/rejected" and path not in REJECTED):
            REJECTED.add(path)
            code = ErrorCode.H3_INTERNAL_ERROR if path == "/reset" else ErrorCode.H3_REQUEST_REJECTED
            return self._quic.reset_stream(stream, code)
        if path == "/half":
            self.head(stream, 200, [(b"content-length", b"100")])
            self.http.send_data(stream, b"half", False)
            return self.loop_later(lambda: self._quic.reset_stream(stream, 0x102))
        if path == "/echo":
            body = b"".join(request["body"])
            self.head(stream, 200, [(b"x-method", method)])
            self.send(stream, body, False)
            trailers = [(b"x-sum", str(len(body)).encode())]
            trailers += [(b"x-" + name, value) for name, value in request["trailers"] or []]
            return self.http.send_headers(stream, trailers, True)
        if path in ("/early", "/rejected"):
            self.head(stream, 200, [])
            return self.send(stream, path.encode(), True)
        name = os.path.join(sys.argv[3], path.removeprefix("/unsaid").lstrip("/"))
        if not os.path.isfile(name):
            self.head(stream, 404, [(b"content-length", b"0")])
            return self.http.send_data(stream, b"", True)
        with open(name, "rb") as file:
            body = file.read()
        length = [] if path.startswith("/unsaid/") else [(b"content-length", str(len(body)).encode())]
        self.head(stream, 200, length)
        self.send(stream, b"" if method == b"HEAD" else body, True)

    def head(self, stream, status, fields):
        fields = [(b":status", str(status).encode()), (b"server", b"aioquic"), *fields]
        self.http.send_headers(stream, fields)

    def send(self, stream, body, is_end):
        for at in range(0, len(body), PIECE):
            self.http.send_data(stream, body[at : at + PIECE], False)
        if is_end:
            self.http.send_data(stream, b"", True)

    def loop_later(self, act):
        def later():
            act()
            self.transmit()

        asyncio.get_running_loop().call_later(0.05, later)


async def main():
    configuration = QuicConfiguration(
        is_client=False, alpn_protocols=H3_ALPN, max_data=1 << 24, max_stream_data=1 << 24
    )
    configuration.load_cert_chain(sys.argv[1], sys.argv[2])
    server = await serve(
        "127.0.0.1", 0, configuration=configuration, create_protocol=Server, retry=True
    )
    print(server._transport.get_extra_info("sockname")[1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())

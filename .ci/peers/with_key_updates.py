"""openssl changes its keys in the midst of a connection (RFC 8446 section 4.6.3), at either end."""

import fcntl
import os
import select
import struct
import subprocess
import termios
import time

from harness import Failed, Process, check, holds, same
from with_secured_upstreams import free_ports
from with_tls import certificate, port_of, served

LIMIT = 20  # seconds
UPDATE = "TLS 1.3, Handshake [length 0005], KeyUpdate"


class Talk(Process):
    """A process that is talked with over its pipes; what it writes to either is `said`."""

    def __init__(self, *args):
        pipe = subprocess.PIPE
        super().__init__(args, stdin=pipe, stdout=pipe, stderr=pipe)
        self.said = b""
        self.pipes = [self.stdout, self.stderr]
        self.deadline = time.monotonic() + LIMIT

    def tell(self, text):
        """Writes, and waits until it was read: so it is read apart from what comes next."""
        os.write(self.stdin.fileno(), text)
        while struct.unpack("i", fcntl.ioctl(self.stdin, termios.FIONREAD, b"\0" * 4))[0]:
            self.hear(0.01)

    def hear(self, seconds):
        """Takes in what it says within this time."""
        if time.monotonic() > self.deadline:
            raise Failed(f"nothing more of {self.args[:2]}, which said {self.said!r}")
        for pipe in select.select(self.pipes, [], [], seconds)[0]:
            piece = os.read(pipe.fileno(), 1 << 16)
            if not piece:
                self.pipes.remove(pipe)
            self.said += piece

    def expect(self, text, count=1):
        """Waits until it has said this so many times."""
        while self.said.count(text) < count:
            holds(self.pipes, f"{self.args[:2]} has ended and said {self.said!r}")
            self.hear(0.1)

    def status(self):
        """Its exit status, once it has ended by itself."""
        while self.pipes:
            self.hear(0.1)
        return self.wait(LIMIT)


def updates(messages):
    """How many changes of keys openssl has sent and received."""
    text = open(messages).read()
    return text.count(f">>> {UPDATE}"), text.count(f"<<< {UPDATE}")


@check("openssl s_client: keys change in the midst of a connection to `serve`")
def of_clients(world):
    cert, key = certificate(world.folder, "updated")
    messages = os.path.join(world.folder, "updated.txt")
    request = b"GET /hello.txt HTTP/1.1\r\nhost: localhost\r\n"
    with served(world, "--cert", cert, "--key", key) as (url, _, _):
        address = f"127.0.0.1:{port_of(url)}"
        options = ["-connect", address, "-CAfile", cert, "-tls1_3", "-msg", "-msgfile", messages]
        with Talk("openssl", "s_client", *options) as client:
            client.tell(request + b"\r\n")
            client.expect(b"Hello, World!")
            # `K` asks for new keys of the server's, `k` does not.
            for number, command in enumerate([b"K\n", b"k\n", b"K\n"], 1):
                client.tell(command)
                client.expect(b"KEYUPDATE", number)
                if number == 3:
                    client.tell(request + b"connection: close\r\n\r\n")
                else:
                    client.tell(request + b"\r\n")
                client.expect(b"Hello, World!", number + 1)
            same(client.status(), 0, f"the exit status of s_client, which said {client.said!r}")
    same(updates(messages), (3, 2), "changes of keys sent and answered")
    return "3 changes, 2 of which ask for the server's; 4 answers"


@check("openssl s_server: keys change in the midst of an upload and a download by `get`")
def of_servers(world):
    cert, key = certificate(world.folder, "updating")
    messages = os.path.join(world.folder, "updating.txt")
    [port] = free_ports(1)
    address = f"127.0.0.1:{port}"
    options = ["-accept", address, "-cert", cert, "-key", key, "-tls1_3", "-naccept", "1"]
    with Talk("openssl", "s_server", *options, "-msg", "-msgfile", messages) as server:
        server.expect(b"ACCEPT")
        options = ["--cacert", cert, "--http1.1", "-X", "POST", "-d", "@-"]
        with Talk(world.dipole, "get", *options, f"https://{address}/") as client:
            client.tell(b"first of the upload")
            server.expect(b"first of the upload")
            server.tell(b"K\n")
            server.tell(b"HTTP/1.1 200 OK\r\ncontent-length: 39\r\n\r\nfirst of the answer\n")
            client.expect(b"first of the answer\n")
            # So it has seen the change, and answers it before this.
            client.tell(b"second of the upload")
            server.expect(b"second of the upload")
            client.stdin.close()
            server.expect(b"\r\n0\r\n\r\n")
            server.tell(b"k\n")
            server.tell(b"K\n")
            server.tell(b"last of the answer\n")
            client.expect(b"last of the answer\n")
            same(client.status(), 0, f"the exit status of get, which said {client.said!r}")
        same(server.status(), 0, f"the exit status of s_server, which said {server.said!r}")
    # The second answer goes before the end of the connection.
    same(updates(messages), (3, 2), "changes of keys sent and answered")
    holds("close_notify" in open(messages).read(), "the client has not said that it ends")
    return "3 changes, 2 of which ask for the client's; both pieces each way"

"""The example `website`: a page, a download and a WebSocket, over HTTP, HTTPS and HTTP/3."""

import contextlib
import os

from harness import Server


@contextlib.contextmanager
def website(world):
    """The URLs without and with TLS, that of HTTP/3, and the file of the certificate."""
    folder = os.path.join(world.folder, "website")
    args = [world.website, "127.0.0.1:0", "127.0.0.1:0", folder]
    with Server(args, os.path.join(world.folder, "website.log")) as server:
        plain, secured, streams = server.listening(3)
        yield plain, secured, streams, os.path.join(folder, "localhost.crt")

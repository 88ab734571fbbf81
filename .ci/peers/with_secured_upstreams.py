"""`dipole get` over TLS and HTTP/2 against nginx and Node's http2."""

import contextlib
import os
import select
import socket
import time

from harness import Failed, Process, check, holds, run, same
from site_files import MEBIBYTE
from with_upstreams import get, head_and_body

NGINX = """
daemon off;
user root;
worker_processes 1;
pid {folder}/secured.pid;
error_log {folder}/secured.log;
events {{ worker_connections 512; }}
http {{
    access_log {folder}/secured-access.log;
    client_body_temp_path {folder}/secured-body;
    proxy_temp_path {folder}/secured-proxy;
    fastcgi_temp_path {folder}/secured-fastcgi;
    uwsgi_temp_path {folder}/secured-uwsgi;
    scgi_temp_path {folder}/secured-scgi;
    client_max_body_size 0;
    default_type text/plain;
    ssl_certificate {folder}/tls/chain.pem;
    ssl_certificate_key {folder}/tls/key.pem;
    root {site};
    server {{ listen 127.0.0.1:{http1} ssl; ssl_protocols TLSv1.2; }}
    server {{
        listen 127.0.0.1:{http2} ssl http2;
        ssl_protocols TLSv1.2 TLSv1.3;
        listen 127.0.0.1:{plain} http2;
        location /uploads/ {{ root {folder}; dav_methods PUT; create_full_put_path on; }}
        location /trailers/ {{ alias {site}/; ssi on; ssi_types *; add_trailer x-sum 42 always; }}
    }}
}}
"""

NODE = """
const http2 = require("http2"), fs = require("fs"), folder = process.argv[1];
const options = { key: fs.readFileSync(folder + "/key.pem"), cert: fs.readFileSync(folder + "/chain.pem") };
const server = http2.createSecureServer({ ...options, settings: { maxConcurrentStreams: 3 } });
server.on("stream", (stream, headers) => {
    stream.on("error", () => {});
    const path = headers[":path"];
    if (path === "/reset") return stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR);
    if (path === "/half") {
        stream.respond({ ":status": 200, "content-length": 100 });
        stream.write("half", () => stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR));
        return;
    }
    stream.respond({ ":status": 200, "x-method": headers[":method"] }, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers({ "x-sum": "42" }));
    stream.pipe(stream);
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
"""


def certificates(folder):
    """A chain for `localhost` and its authority, by openssl. Gives the folder."""
    place = f"{folder}/tls"
    if os.path.exists(f"{place}/chain.pem"):
        return place
    os.makedirs(place, exist_ok=True)
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    authority = ["-keyout", f"{place}/ca.key", "-out", f"{place}/ca.pem"]
    leaf = ["-keyout", f"{place}/key.pem", "-out", f"{place}/chain.pem"]
    issuer = ["-CA", f"{place}/ca.pem", "-CAkey", f"{place}/ca.key"]
    names = ["-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=CA:FALSE"]
    for command in (
        ["openssl", "req", "-x509", *curve, *authority, "-subj", "/CN=authority of the peers"],
        ["openssl", "req", "-x509", *curve, *leaf, *issuer, *names, "-subj", "/CN=localhost"],
    ):
        result = run(*command)
        same(result.status, 0, f"exit status of openssl ({result.errors})")
    return place


def free_ports(count):
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [one.getsockname()[1] for one in sockets]


@contextlib.contextmanager
def nginx(world):
    """nginx with TLS. Gives URLs: HTTP/1.1 by TLS 1.2, HTTP/2 by TLS, HTTP/2 without TLS."""
    certificates(world.folder)
    http1, http2, plain = free_ports(3)
    config = f"{world.folder}/secured.conf"
    with open(config, "w") as file:
        text = NGINX.format(
            folder=world.folder, site=world.site.folder, http1=http1, http2=http2, plain=plain
        )
        file.write(text)
    log = f"{world.folder}/secured.log"
    command = ["nginx", "-p", world.folder, "-c", config, "-e", log]
    with Process(command, stdin=-3, stdout=-3, stderr=-3) as process:
        deadline = time.monotonic() + 15
        while True:
            try:
                socket.create_connection(("127.0.0.1", plain), 1).close()
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise Failed(f"nginx does not start: {open(log).read()}")
                time.sleep(0.05)
        yield (
            f"https://localhost:{http1}",
            f"https://localhost:{http2}",
            f"http://localhost:{plain}",
        )


@contextlib.contextmanager
def node(world):
    """An HTTP/2 server of Node's that echoes. Gives its URL."""
    place = certificates(world.folder)
    with Process(["node", "-e", NODE, "--", place], stdin=-3, stdout=-1) as process:
        if not select.select([process.stdout], [], [], 15)[0]:
            raise Failed("node does not say where it listens")
        yield f"https://localhost:{int(process.stdout.readline())}"


def trusting(world, *args, **more):
    return get(world, "--cacert", f"{world.folder}/tls/ca.pem", *args, **more)


@check("get from nginx by TLS: HTTP/1.1, HTTP/2, forced and chosen")
def versions(world):
    with nginx(world) as (http1, http2, plain):
        for url, options, status_line, told in (
            (http1, [], b"HTTP/1.1 200 OK", "TLSv1.2"),
            (http2, [], b"HTTP/2.0 200 OK", "ALPN chose h2"),
            (http2, ["--http2"], b"HTTP/2.0 200 OK", "TLSv1.3"),
            (http2, ["--http1.1"], b"HTTP/1.1 200 OK", "ALPN chose http/1.1"),
            (plain, ["--http2"], b"HTTP/2.0 200 OK", "connected to"),
        ):
            result = trusting(world, "-i", "-v", *options, f"{url}/hello.txt")
            same(result.output.partition(b"\r\n")[0], status_line, f"status line of {options}")
            same(head_and_body(result)[2], b"Hello, World!", "body")
            holds(told in result.errors, f"no {told!r} in {result.errors!r}")
        trusting(world, "--http2", f"{http1}/hello.txt", status=1)
    return "5 ways; no HTTP/2 where there is none"


@check("get from nginx by HTTP/2: 1 MiB, HEAD, an upload, errors")
def over_http2(world):
    with nginx(world) as (_, http2, plain):
        for url, options in ((http2, []), (plain, ["--http2"])):
            holds(trusting(world, *options, f"{url}/1m").output == world.site.data, "1 MiB")
            _, headers, body = head_and_body(
                trusting(world, *options, "-i", "-X", "HEAD", f"{url}/1m")
            )
            same((headers["content-length"], body), (str(MEBIBYTE), b""), "HEAD")
            holds(
                trusting(world, *options, f"{url}/trailers/long.txt").output == world.site.text,
                "a body with trailers is another",
            )
            data = world.site.random.randbytes(8 * MEBIBYTE)
            upload = ["--fail", "-X", "PUT", "-d", "@-", f"{url}/uploads/secured"]
            trusting(world, *options, *upload, input=data)
            with open(f"{world.folder}/uploads/secured", "rb") as file:
                holds(file.read() == data, "the upload is another")
            trusting(world, *options, "--fail", f"{url}/nothing", status=1)
    return "2 times, with TLS and without"


@check("get by TLS: a certificate that nobody trusts, or for another name")
def certificate_faults(world):
    with nginx(world) as (http1, http2, _):
        for url in (http1, http2):
            errors = get(world, f"{url}/hello.txt", status=1).errors
            holds("--cacert" in errors and "--insecure" in errors, f"no advice in {errors!r}")
            same(get(world, "-k", f"{url}/hello.txt").output, b"Hello, World!", "--insecure")
            other = url.replace("localhost", "127.0.0.1")
            holds("name" in trusting(world, f"{other}/hello.txt", status=1).errors, "another name")
    return "exit status 1 with advice; --insecure gets it"


@check("get from Node's http2: an echo with trailers, and streams that are reset")
def node_http2(world):
    with node(world) as url:
        data = world.site.random.randbytes(3 * MEBIBYTE)
        holds(trusting(world, "-d", "@-", f"{url}/echo", input=data).output == data, "echo")
        head = head_and_body(trusting(world, "-i", "-d", "x", f"{url}/echo"))
        same((head[0], head[1]["x-method"], head[2]), (200, "post", b"x"), "a small echo")
        trusting(world, f"{url}/reset", status=1)
        result = trusting(world, f"{url}/half", status=1)
        holds(result.output in (b"", b"half"), f"{result.output!r} of half a body")
        same(trusting(world, "-d", "y", f"{url}/echo").output, b"y", "an echo after the resets")
    return "3 MiB the same; 2 resets"

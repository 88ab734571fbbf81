"""`dipole get` against nginx, Python's http.server, and servers that break off."""

import contextlib
import functools
import gzip
import hashlib
import http.client
import http.server
import os
import socket
import tempfile
import threading
import time

from harness import Failed, Process, check, holds, run, same
from site_files import GIBIBYTE, MEBIBYTE

CONFIG = """
daemon off;
user root;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 512; }}
http {{
    access_log {folder}/access.log;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    client_max_body_size 0;
    default_type text/plain;
    keepalive_timeout 30;
    upstream dipole {{ server {dipole}; keepalive 4; keepalive_timeout 1s; }}
    server {{
        listen 127.0.0.1:{port};
        listen unix:{folder}/nginx.sock;
        root {site};
        location /zipped/ {{ alias {site}/; gzip on; gzip_types text/plain; gzip_min_length 1; }}
        location /chunked/ {{ alias {site}/; ssi on; ssi_types *; }}
        location /trailers/ {{ alias {site}/; ssi on; ssi_types *; add_trailer x-sum 42 always; }}
        location /until-end/ {{ alias {site}/; ssi on; ssi_types *; chunked_transfer_encoding off; }}
        location /uploads/ {{ root {folder}; dav_methods PUT; create_full_put_path on; }}
        location /small/ {{ root {folder}; dav_methods PUT; client_max_body_size 1k; }}
        location /broken {{ return 503 "out of order\\n"; }}
        location /none {{ return 204; }}
        location /moved {{ return 301 /hello.txt; }}
        location /proxied/ {{
            proxy_pass http://dipole/;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_buffering off;
        }}
    }}
}}
"""


@contextlib.contextmanager
def nginx(folder, site, dipole):
    """nginx on a free port. Gives its URL and its Unix socket."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with open(f"{folder}/nginx.conf", "w") as file:
        file.write(CONFIG.format(folder=folder, site=site.folder, port=port, dipole=dipole))
    command = ["nginx", "-p", folder, "-c", f"{folder}/nginx.conf", "-e", f"{folder}/error.log"]
    with Process(command, stdin=-3, stdout=-3, stderr=-3) as process:
        deadline = time.monotonic() + 15
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise Failed(f"nginx does not start: {open(f'{folder}/error.log').read()}")
                time.sleep(0.05)
        yield f"http://127.0.0.1:{port}", f"{folder}/nginx.sock"


def get(world, *args, status=0, **more):
    """`dipole get`, which has to end with that status."""
    result = run(world.dipole, "get", *args, **more)
    same(result.status, status, f"exit status of `get {' '.join(args)}` ({result.errors.strip()})")
    if status != 0:
        same(len(result.errors.strip().splitlines()), 1, f"lines on stderr ({result.errors!r})")
    return result


def head_and_body(result):
    head, _, body = result.output.replace(b"\r\n", b"\n").partition(b"\n\n")
    status, *fields = head.decode("latin-1").splitlines()
    headers = dict(field.lower().split(": ", 1) for field in fields)
    return int(status.split()[1]), headers, body


@check("get from nginx: a file, its head, and both")
def file(world):
    same(get(world, f"{world.nginx}/hello.txt").output, b"Hello, World!", "body")
    status, headers, body = head_and_body(get(world, "-i", f"{world.nginx}/hello.txt"))
    same((status, body), (200, b"Hello, World!"), "with -i")
    holds(headers["server"].startswith("nginx"), f"the server is {headers['server']}")
    status, headers, body = head_and_body(get(world, "-i", "-X", "HEAD", f"{world.nginx}/1m"))
    same((status, headers["content-length"], body), (200, str(MEBIBYTE), b""), "HEAD")
    same(get(world, f"{world.nginx}/empty").output, b"", "an empty file")
    holds(get(world, f"{world.nginx}/1m").output == world.site.data, "1 MiB is another")
    return f"200, {headers['server']}"


@check("get from nginx: chunked, with trailers, gzipped, until the end")
def framings(world):
    text = world.site.text
    for place in ("chunked", "trailers", "until-end"):
        headers = head_and_body(get(world, "-i", f"{world.nginx}/{place}/long.txt"))[1]
        wanted = None if place == "until-end" else "chunked"
        same(headers.get("transfer-encoding"), wanted, f"transfer-encoding of {place}")
        holds("content-length" not in headers, f"{place} has a content-length")
        holds(get(world, f"{world.nginx}/{place}/long.txt").output == text, f"{place} is another")
    zipped = get(world, "-H", "accept-encoding: gzip", f"{world.nginx}/zipped/long.txt").output
    holds(len(zipped) < len(text) and gzip.decompress(zipped) == text, "gzip is another")
    return f"4 times {len(text)} bytes, {len(zipped)} of them gzipped"


@check("get from nginx: ranges, 204, 304, 301")
def statuses(world):
    url = f"{world.nginx}/1m"
    status, headers, body = head_and_body(get(world, "-i", "-H", "range: bytes=10-12", url))
    same(status, 206, "status of a range")
    same(headers["content-range"], f"bytes 10-12/{MEBIBYTE}", "content-range")
    holds(get(world, "-H", "range: bytes=10-1009", url).output == world.site.data[10:1010], "range")
    same(head_and_body(get(world, "-i", f"{world.nginx}/none"))[0], 204, "status")
    tag = head_and_body(get(world, "-i", "-X", "HEAD", url))[1]["etag"]
    again = head_and_body(get(world, "-i", "-H", f"if-none-match: {tag}", url))
    same((again[0], again[2]), (304, b""), "the same version")
    same(head_and_body(get(world, "-i", f"{world.nginx}/moved"))[0], 301, "status")
    return "206, 204, 304, 301"


@check("get from nginx: 1 GiB into a file, in bounded memory")
def big(world):
    path = os.path.join(world.folder, "fetched")
    result = get(world, "-o", path, f"{world.nginx}/1g", limit=110)
    same(result.output, b"", "stdout")
    same(os.path.getsize(path), GIBIBYTE, "length")
    with open(path, "rb") as fetched:
        found = hashlib.file_digest(fetched, "sha256").hexdigest()
    os.remove(path)
    same(found, world.site.big_digest, "SHA-256")
    holds(result.peak < 64 * MEBIBYTE, f"{result.peak // MEBIBYTE} MiB were resident")
    holds(result.peak > 0, "nothing was measured")
    return f"SHA-256 the same, peak {result.peak // MEBIBYTE} MiB"


@check("get from nginx: an error's status fails with --fail alone")
def errors(world):
    same(get(world, f"{world.nginx}/broken").output, b"out of order\n", "body")
    result = get(world, "--fail", f"{world.nginx}/broken", status=1)
    same(result.output, b"", "body with --fail")
    holds("503" in result.errors, f"no status in {result.errors!r}")
    get(world, "--fail", f"{world.nginx}/nothing", status=1)
    path = os.path.join(world.folder, "none")
    get(world, "--fail", "-o", path, f"{world.nginx}/nothing", status=1)
    holds(not os.path.exists(path), "a file was made")
    return "exit status 1, no body"


@check("get from nginx: uploads from a file and from stdin")
def uploads(world):
    big, url = os.path.join(world.folder, "big"), f"{world.nginx}/uploads"
    data = world.site.random.randbytes(32 * MEBIBYTE)
    with open(big, "wb") as file:
        file.write(data)
    ways = {
        "file": (["-d", f"@{big}"], b""),
        "expecting": (["-d", f"@{big}", "-H", "expect: 100-continue"], b""),
        "stdin": (["-d", "@-"], data),
    }
    for name, (options, given) in ways.items():
        get(world, "--fail", "-X", "PUT", *options, f"{url}/{name}", input=given)
        with open(f"{world.folder}/uploads/{name}", "rb") as file:
            holds(file.read() == data, f"the upload by {name} is another")
    get(world, "--fail", "-X", "PUT", "-d", "as it stands", f"{url}/text")
    same(open(f"{world.folder}/uploads/text").read(), "as it stands", "text")
    return f"{len(ways)} times 32 MiB, 12 bytes"


@check("get from nginx: an upload that is refused before its end")
def refused_upload(world):
    data = bytes(32 * MEBIBYTE)
    for _ in range(10):
        result = get(world, "-i", "-X", "PUT", "-d", "@-", f"{world.nginx}/small/x", input=data)
        same(head_and_body(result)[0], 413, "status")
    return "10 times 413"


@check("get from nginx: through a Unix socket")
def unix_socket(world):
    result = get(world, "--unix-socket", world.nginx_unix, "http://localhost/hello.txt")
    same(result.output, b"Hello, World!", "body")
    return "13 bytes"


@check("get from http.server: HTTP/1.0, with a length and until the end")
def http_server(world):
    class Files(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def send_header(self, name, value):
            if not (self.path.endswith("?until-end") and name.lower() == "content-length"):
                super().send_header(name, value)

    handler = functools.partial(Files, directory=world.site.folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        try:
            for query in ("", "?until-end"):
                holds(get(world, f"{url}/1m{query}").output == world.site.data, f"1m{query}")
            _, headers, _ = head_and_body(get(world, "-i", f"{url}/1m?until-end"))
            holds("content-length" not in headers, "there is a content-length")
            get(world, "--fail", f"{url}/nothing", status=1)
        finally:
            server.shutdown()
    return "2 times 1 MiB"


@contextlib.contextmanager
def saying(answer, and_waits=False):
    """A server that says the same to everybody, and then breaks off or waits."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        held = []

        def serve():
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                connection.recv(65536)
                connection.sendall(answer)
                if and_waits:
                    held.append(connection)
                else:
                    connection.close()

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        # Wakes `accept`, which closing alone does not.
        listener.shutdown(socket.SHUT_RDWR)
        for connection in held:
            connection.close()


@check("get: an answer that breaks off, or is none, is a failure")
def broken(world):
    answers = {
        "no answer": b"",
        "half a head": b"HTTP/1.1 200 OK\r\ncontent-",
        "half a body": b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf",
        "half a chunk": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n64\r\nhalf",
        "no last chunk": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        "a bad chunk": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\nhalf\r\n",
        "two lengths": b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\ncontent-length: 5\r\n\r\nhalf",
        "another protocol": b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n",
    }
    whole = {
        "by length": b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nhalf",
        "by chunks": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\n\r\n",
        "by the end": b"HTTP/1.1 200 OK\r\n\r\nhalf",
        "after 103": b"HTTP/1.1 103 Early Hints\r\nlink: <x>\r\n\r\nHTTP/1.1 200 OK\r\n\r\nhalf",
    }
    for name, answer in whole.items():
        with saying(answer) as url:
            same(get(world, url).output, b"half", f"a whole answer, {name}")
    for name, answer in answers.items():
        with saying(answer) as url:
            try:
                get(world, url, status=1)
            except Failed as failure:
                raise Failed(f"{name}: {failure}")
    return f"exit status 1 for {', '.join(answers)}"


@check("get: the time limit ends a wait")
def max_time(world):
    for answer in (b"", b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf"):
        with saying(answer, and_waits=True) as url:
            started = time.monotonic()
            get(world, "--max-time", "1", url, status=1)
            seconds = time.monotonic() - started
            holds(0.9 < seconds < 3, f"it took {seconds:.1f} s")
    return "1 s, before and within the answer"


@check("get: refused, unknown and wrong targets each have their exit status")
def wrong_targets(world):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    get(world, f"http://127.0.0.1:{port}/", status=1)
    get(world, "--unix-socket", f"{world.folder}/nobody.sock", "http://localhost/", status=1)
    get(world, "http://host.invalid/", status=1)
    same(run(world.dipole, "get").status, 2, "exit status without a URL")
    same(run(world.dipole, "get", "--no-such-option", "x").status, 2, "exit status of an option")
    return "1, 1, 1, 2, 2"


@check("get from `dipole serve`: TCP, Unix socket, 1 GiB")
def ourselves(world):
    same(get(world, f"{world.serve}/hello.txt").output, b"Hello, World!", "body")
    result = get(world, "--unix-socket", world.unix, "http://localhost/hello.txt")
    same(result.output, b"Hello, World!", "body by the Unix socket")
    digest = hashlib.sha256()
    get(world, f"{world.serve}/1g", limit=110, into=digest.update)
    same(digest.hexdigest(), world.site.big_digest, "SHA-256")
    data = world.site.random.randbytes(3 * MEBIBYTE)
    holds(get(world, "-d", "@-", f"{world.bench}/echo", input=data).output == data, "echo")
    return "all the same"


@check("nginx as a proxy before `dipole serve`, connections kept alive")
def proxied(world):
    port = int(world.nginx.rpartition(":")[2])
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    for number in range(100):
        client.request("GET", f"/proxied/n/{number}.txt")
        answer = client.getresponse()
        same((answer.status, answer.read()), (200, world.site.numbered(number)), f"file {number}")
    client.request("GET", "/proxied/1m")
    holds(client.getresponse().read() == world.site.data, "1 MiB is another")
    client.request("POST", "/proxied/hello.txt", body=b"x" * 1000)
    answer = client.getresponse()
    answer.read()
    same(answer.status, 405, "POST")
    client.close()
    return "102 requests"

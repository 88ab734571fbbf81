"""Python's http.client, and bytes by hand, against `dipole serve` and the bench server."""

import http.client
import socket
from urllib.parse import urlsplit

from harness import check, holds, run, same
from site_files import MEBIBYTE


def connect(url):
    parts = urlsplit(url)
    return http.client.HTTPConnection(parts.hostname, parts.port, timeout=30)


def ask(connection, method, path, **more):
    connection.request(method, path, **more)
    answer = connection.getresponse()
    return answer, answer.read()


@check("http.client: a hundred requests on one connection")
def keep_alive(world):
    connection = connect(world.serve)
    sockets = set()
    for number in range(100):
        answer, body = ask(connection, "GET", f"/n/{number}.txt")
        same((answer.status, body), (200, world.site.numbered(number)), f"answer {number}")
        sockets.add(id(connection.sock))
    same(len(sockets), 1, "connections")
    connection.close()
    return "100 files over 1 connection"


@check("http.client: HEAD, 304 and 404 leave the connection in step")
def absent_bodies(world):
    connection = connect(world.serve)
    answer, body = ask(connection, "HEAD", "/1m")
    same((answer.status, body), (200, b""), "HEAD")
    tag = answer.headers["etag"]
    answer, body = ask(connection, "GET", "/1m", headers={"If-None-Match": tag})
    same((answer.status, body), (304, b""), "If-None-Match")
    answer, _ = ask(connection, "GET", "/nothing")
    same(answer.status, 404, "status")
    answer, body = ask(connection, "GET", "/hello.txt")
    same((answer.status, body), (200, b"Hello, World!"), "the next one")
    connection.close()
    return "200, 304, 404, 200"


@check("http.client: an upload that nobody reads leaves the connection in step")
def unread_upload(world):
    connection = connect(world.serve)
    answer, _ = ask(connection, "POST", "/hello.txt", body=bytes(64 * 1024))
    same(answer.status, 405, "status")
    answer, body = ask(connection, "GET", "/hello.txt")
    same((answer.status, body), (200, b"Hello, World!"), "the next one")
    connection.close()
    return "405, then 200"


@check("http.client: chunked uploads of every size are echoed")
def chunked(world):
    connection = connect(world.bench)
    sizes = [0, 1, 100, 4095, 4096, 4097, 65536, MEBIBYTE]
    for size in sizes:
        data = world.site.random.randbytes(size)
        pieces = [data[at : at + 5000] for at in range(0, size, 5000)]
        answer, body = ask(connection, "POST", "/echo", body=iter(pieces), encode_chunked=True,
                           headers={"Transfer-Encoding": "chunked"})
        same(answer.status, 200, f"status of {size}")
        holds(body == data, f"the echo of {size} bytes is another")
    connection.close()
    return f"{len(sizes)} uploads over 1 connection"


@check("http.client: an answer is read piece by piece")
def piecewise(world):
    connection = connect(world.serve)
    connection.request("GET", "/1m")
    answer, found = connection.getresponse(), b""
    while piece := answer.read(1000):
        found += piece
    holds(found == world.site.data, "the file is another")
    connection.close()
    return "1 MiB by 1000 bytes"


@check("by hand: sixteen requests in one segment are answered in order")
def pipelined(world):
    parts = urlsplit(world.serve)
    request = "GET /n/{}.txt HTTP/1.1\r\nHost: x\r\n{}\r\n"
    ends = ["", *[""] * 14, "Connection: close\r\n"]
    text = "".join(request.format(number, end) for number, end in enumerate(ends))
    with socket.create_connection((parts.hostname, parts.port), 30) as connection:
        connection.sendall(text.encode())
        with connection.makefile("rb") as answers:
            found = answers.read()
    at = 0
    for number in range(16):
        body = world.site.numbered(number)
        at = found.find(b"\r\n\r\n" + body, at)
        holds(at >= 0, f"answer {number} is not there, or not in its place")
    same(found.count(b"HTTP/1.1 200 OK\r\n"), 16, "answers")
    return "16 answers in order, then the end"


@check("nc: who has sent everything and closed that side gets the file")
def half_close(world):
    parts = urlsplit(world.serve)
    for version in ("1.0", "1.1"):
        request = f"GET /1m HTTP/{version}\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
        result = run("nc", "-N", "-w", "20", parts.hostname, str(parts.port), input=request)
        same(result.status, 0, "exit status")
        holds(result.output.endswith(b"\r\n\r\n" + world.site.data), "the file is another")
    return "1 MiB, by HTTP/1.0 and HTTP/1.1"

"""curl against `dipole serve` and the bench server."""

import hashlib
import os
import re
import signal
import tempfile
import time

from harness import Failed, Server, check, holds, run, same
from site_files import GIBIBYTE, MEBIBYTE


class Answer:
    def __init__(self, status, headers, body, connections):
        self.status, self.headers, self.body = status, headers, body
        self.connections = connections


def curl(*args, input=b""):
    """The last answer that curl got."""
    with tempfile.TemporaryDirectory() as folder:
        head, body = f"{folder}/head", f"{folder}/body"
        form = "%{http_code} %{num_connects}"
        options = ["-sS", "--max-time", "50", "-D", head, "-o", body, "-w", form]
        result = run("curl", *options, *args, input=input)
        if result.status != 0:
            raise Failed(f"curl ends with {result.status}: {result.errors.strip()}")
        status, connections = result.output.split()
        with open(head, encoding="latin-1") as file:
            last = file.read().removesuffix("\n\n").rpartition("\n\n")[2]
        fields = (line.split(":", 1) for line in last.splitlines()[1:] if ":" in line)
        headers = {name.lower(): value.strip() for name, value in fields}
        content = open(body, "rb").read() if os.path.exists(body) else b""
        return Answer(int(status), headers, content, int(connections))


@check("curl: GET gives the file, its type and its length")
def get(world):
    answer = curl(f"{world.serve}/hello.txt")
    same(answer.status, 200, "status")
    same(answer.body, b"Hello, World!", "body")
    same(answer.headers["content-length"], "13", "content-length")
    same(answer.headers["content-type"], "text/plain; charset=utf-8", "content-type")
    holds("GMT" in answer.headers["date"], "a date is missing")
    same(curl(f"{world.serve}/empty").body, b"", "an empty file")
    spaces = curl(f"{world.serve}/sub/a%20name%20with%20spaces%20%26%20more.txt")
    same(spaces.body, b"spaces", "a name with spaces")
    return "200, 13 bytes, text/plain"


@check("curl: HEAD has the headers of GET and no body")
def head(world):
    answer, get = curl("-I", f"{world.serve}/1m"), curl(f"{world.serve}/1m")
    same(answer.status, 200, "status")
    same(answer.headers["content-length"], str(MEBIBYTE), "content-length")
    for name in ("etag", "last-modified", "content-type", "accept-ranges"):
        same(answer.headers.get(name), get.headers.get(name), name)
    return "200, content-length 1048576"


@check("curl: one range at a time is answered by 206")
def ranges(world):
    data = world.site.data
    cases = {
        "0-0": (0, 1),
        "0-99": (0, 100),
        "1000-": (1000, MEBIBYTE),
        "-10": (MEBIBYTE - 10, MEBIBYTE),
        "524288-9999999": (MEBIBYTE // 2, MEBIBYTE),
    }
    for text, (first, end) in cases.items():
        answer = curl("-r", text, f"{world.serve}/1m")
        same(answer.status, 206, f"status of {text}")
        same(answer.body, data[first:end], f"body of {text}")
        wanted = f"bytes {first}-{end - 1}/{MEBIBYTE}"
        same(answer.headers["content-range"], wanted, f"content-range of {text}")
    beyond = curl("-r", "2000000-", f"{world.serve}/1m")
    same(beyond.status, 416, "status beyond the end")
    same(beyond.headers["content-range"], f"bytes */{MEBIBYTE}", "content-range beyond the end")
    return f"{len(cases)} times 206, once 416"


@check("curl: several ranges are answered by parts or by the whole")
def several_ranges(world):
    answer = curl("-r", "0-1,5-6", f"{world.serve}/hello.txt")
    if answer.status == 200:
        same(answer.body, b"Hello, World!", "body")
    else:
        # RFC 9110 14.6.
        same(answer.status, 206, "status")
        media_type = answer.headers["content-type"]
        holds(media_type.startswith("multipart/byteranges"), f"the type is {media_type}")
        holds(b"He" in answer.body and b", " in answer.body, "the parts are not there")
    return f"{answer.status}"


@check("curl: a download that broke off goes on where it was")
def resume(world):
    with tempfile.TemporaryDirectory() as folder:
        part = f"{folder}/part"
        with open(part, "wb") as file:
            file.write(world.site.data[:300_000])
        result = run("curl", "-sS", "-C", "-", "-o", part, f"{world.serve}/1m")
        same(result.status, 0, "exit status")
        holds(open(part, "rb").read() == world.site.data, "the file is another")
    return "the whole file"


@check("curl: what has not changed is answered by 304")
def not_modified(world):
    url = f"{world.serve}/hello.txt"
    first = curl(url)
    tag, date = first.headers["etag"], first.headers["last-modified"]
    for field in (f"If-None-Match: {tag}", f'If-None-Match: "x", {tag}', f"If-Modified-Since: {date}"):
        answer = curl("-H", field, url)
        same((answer.status, answer.body), (304, b""), field)
    for field in ('If-None-Match: "x"', "If-Modified-Since: Sat, 01 Jan 2000 00:00:00 GMT"):
        same(curl("-H", field, url).status, 200, field)
    same(curl("-H", 'If-Match: "x"', url).status, 412, "If-Match of another version")
    with tempfile.NamedTemporaryFile() as saved:
        same(curl("--etag-save", saved.name, url).status, 200, "--etag-save")
        same(curl("--etag-compare", saved.name, url).status, 304, "--etag-compare")
    return "304 by tag and by date, 412 by another tag"


@check("curl: a range of another version gives the whole")
def if_range(world):
    url = f"{world.serve}/hello.txt"
    tag = curl(url).headers["etag"]
    same(curl("-r", "0-1", "-H", f"If-Range: {tag}", url).status, 206, "the same version")
    same(curl("-r", "0-1", "-H", 'If-Range: "x"', url).body, b"Hello, World!", "another version")
    return "206, else 200"


@check("curl: HTTP/1.0 gets the file, then the end of the connection")
def http_1_0(world):
    answer = curl("--http1.0", f"{world.serve}/1m")
    same(answer.status, 200, "status")
    holds(answer.body == world.site.data, "the body is another")
    holds("transfer-encoding" not in answer.headers, "chunked for HTTP/1.0")
    kept = curl("--http1.0", "-H", "Connection: keep-alive", *[f"{world.serve}/hello.txt"])
    same(kept.body, b"Hello, World!", "body with keep-alive")
    return f"200, connection: {answer.headers.get('connection')}"


@check("curl: one connection serves many requests")
def keep_alive(world):
    urls = [f"{world.serve}/n/{number}.txt" for number in range(50)]
    with tempfile.TemporaryDirectory() as folder:
        arguments = []
        for number, url in enumerate(urls):
            arguments += ["-o", f"{folder}/{number}", url]
        result = run("curl", "-sS", "-w", "%{num_connects}\\n", *arguments)
        same(result.status, 0, "exit status")
        same(sum(map(int, result.output.split())), 1, "connections")
        for number in range(len(urls)):
            found = open(f"{folder}/{number}", "rb").read()
            same(found, world.site.numbered(number), f"file {number}")
    return "50 files over 1 connection"


@check("curl: a Unix socket serves as well")
def unix_socket(world):
    answer = curl("--unix-socket", world.unix, "http://localhost/hello.txt")
    same((answer.status, answer.body), (200, b"Hello, World!"), "answer")
    return "200, 13 bytes"


@check("curl: 1 GiB arrives whole, in bounded memory")
def big(world):
    digest, length = hashlib.sha256(), 0

    def take(piece):
        nonlocal length
        length += len(piece)
        digest.update(piece)

    started = time.monotonic()
    result = run("curl", "-sS", f"{world.serve}/1g", limit=110, into=take)
    same(result.status, 0, f"exit status ({result.errors.strip()})")
    same(length, GIBIBYTE, "length")
    same(digest.hexdigest(), world.site.big_digest, "SHA-256")
    peak = world.server.peak() // MEBIBYTE
    holds(peak < 128, f"the server had {peak} MiB resident")
    speed = GIBIBYTE / MEBIBYTE / (time.monotonic() - started)
    return f"SHA-256 the same, {speed:.0f} MiB/s, the server's peak {peak} MiB"


@check("curl: a slow reader gets everything")
def limit_rate(world):
    # curl begins with a burst of whatever its socket holds; the rest shows its rate.
    length = 32 * MEBIBYTE
    started = time.monotonic()
    answer = curl("--limit-rate", "4M", "-r", f"0-{length - 1}", f"{world.serve}/1g")
    seconds = time.monotonic() - started
    with open(world.site.path("1g"), "rb") as file:
        holds(answer.body == file.read(length), "the body is another")
    holds(seconds > 4, f"it was not slow: {seconds:.1f} s")
    return f"16 MiB in {seconds:.1f} s"


@check("curl: a download that runs is not cut short by the server's end")
def drain(world):
    log = f"{world.folder}/drain.log"
    with Server([world.dipole, "serve", world.site.folder, "--listen", "127.0.0.1:0"], log) as server:
        [url] = server.listening(1)
        digest = hashlib.sha256()
        asked_to_end = False

        def take(piece):
            nonlocal asked_to_end
            digest.update(piece)
            if not asked_to_end:
                asked_to_end = True
                server.send_signal(signal.SIGTERM)

        length = 16 * MEBIBYTE
        arguments = ["-sS", "--limit-rate", "4M", "-r", f"0-{length - 1}", f"{url}/1g"]
        result = run("curl", *arguments, into=take)
        same(result.status, 0, f"exit status ({result.errors.strip()})")
        same(server.wait(5), 0, "the server's exit status")
    with open(world.site.path("1g"), "rb") as file:
        same(digest.digest(), hashlib.sha256(file.read(length)).digest(), "SHA-256")
    with open(log, encoding="utf-8") as lines:
        holds("draining, 1 connection" in lines.read(), "it had ended before the drain")
    refused = run("curl", "-sS", f"{url}/hello.txt")
    same(refused.status, 7, "curl's exit status afterwards")
    return "16 MiB whole, then refused"


@check("curl: a folder is listed, and redirected to with its slash")
def listing(world):
    root = curl(f"{world.serve}/")
    same(root.status, 200, "status")
    holds(root.headers["content-type"].startswith("text/html"), "the listing is not HTML")
    page = root.body.decode()
    for name in ("hello.txt", "sub/", "n/"):
        holds(f'href="{name}"' in page or f'href="./{name}"' in page, f"no link to {name}")
    sub = curl(f"{world.serve}/sub/").body.decode()
    holds("a name with spaces &amp; more.txt" in sub, "a name is not escaped")
    moved = curl(f"{world.serve}/sub")
    holds(moved.status in (301, 307, 308), f"status {moved.status} without the slash")
    same(moved.headers["location"], "/sub/", "location")
    followed = curl("-L", f"{world.serve}/sub/folder")
    holds("deep.txt" in followed.body.decode(), "the redirect leads elsewhere")
    return f"200, and {moved.status} to /sub/"


@check("curl: what is not there is 404, what is not allowed is 405")
def absent(world):
    same(curl(f"{world.serve}/nothing").status, 404, "status")
    same(curl(f"{world.serve}/hello.txt/").status, 404, "a file with a slash")
    refused = curl("-X", "DELETE", f"{world.serve}/hello.txt")
    same(refused.status, 405, "DELETE")
    holds("GET" in refused.headers["allow"], "405 without `allow`")
    posted = curl("-d", "x=1", f"{world.serve}/hello.txt")
    same(posted.status, 405, "POST")
    return "404, 405"


@check("curl: no path leads out of the folder")
def traversal(world):
    paths = [
        "/../secret.txt",
        "/sub/../../secret.txt",
        "/%2e%2e/secret.txt",
        "/..%2fsecret.txt",
        "/sub/..%2f..%2fsecret.txt",
        "/%2e%2e%2fsecret.txt",
        "//../secret.txt",
        "/..%5csecret.txt",
        "/....//secret.txt",
        "/../../../../../../../../etc/passwd",
        "/%2fetc%2fpasswd",
        "//etc/passwd",
    ]
    seen = set()
    for path in paths:
        answer = curl("--path-as-is", f"{world.serve}{path}")
        holds(400 <= answer.status < 500, f"{path} is answered by {answer.status}")
        holds(b"secret\n" not in answer.body and b"root:" not in answer.body, f"{path} leads out")
        seen.add(answer.status)
    return f"{len(paths)} paths: {', '.join(map(str, sorted(seen)))}"


@check("curl: an upload waits for 100 Continue")
def expect(world):
    data = world.site.random.randbytes(2 * MEBIBYTE)
    with tempfile.NamedTemporaryFile() as file, tempfile.NamedTemporaryFile() as echo:
        file.write(data)
        file.flush()
        started = time.monotonic()
        result = run(
            *("curl", "-sS", "-v", "-H", "Expect: 100-continue", "--expect100-timeout", "20"),
            *("-o", echo.name, "--data-binary", f"@{file.name}", f"{world.bench}/echo"),
        )
        seconds = time.monotonic() - started
        same(result.status, 0, f"exit status ({result.errors.strip()[-200:]})")
        holds(re.search(r"^< HTTP/1.1 100", result.errors, re.MULTILINE), "no 100 Continue")
        holds(open(echo.name, "rb").read() == data, "the echo is another")
    holds(seconds < 10, f"it took {seconds:.1f} s")
    return f"100, then 2 MiB echoed in {seconds:.1f} s"


@check("curl: an upload that is refused is not sent")
def expect_refused(world):
    with tempfile.NamedTemporaryFile() as file:
        file.write(bytes(8 * MEBIBYTE))
        file.flush()
        result = run(
            *("curl", "-sS", "-v", "-H", "Expect: 100-continue", "--expect100-timeout", "20"),
            *("-o", os.devnull, "-w", "%{http_code} %{size_upload}"),
            *("-T", file.name, f"{world.serve}/hello.txt"),
        )
    same(result.status, 0, f"exit status ({result.errors.strip()[-200:]})")
    status, sent = map(int, result.output.split())
    same(status, 405, "status")
    holds(not re.search(r"^< HTTP/1.1 100", result.errors, re.MULTILINE), "100 before 405")
    same(sent, 0, "bytes sent")
    return "405, 0 bytes sent"


@check("curl: a chunked upload arrives")
def chunked(world):
    data = world.site.random.randbytes(3 * MEBIBYTE + 1)
    answer = curl("-T", "-", "-X", "POST", f"{world.bench}/echo", input=data)
    same(answer.status, 200, "status")
    holds(answer.body == data, f"the echo is another, {len(answer.body)} bytes")
    return f"{len(data)} bytes echoed"

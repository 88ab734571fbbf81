"""curl, nghttp, h2load and httpx over HTTP/2 without TLS against `dipole serve`."""

import re

import httpx
from harness import check, holds, run, same
from with_curl import curl


@check("curl: HTTP/2 by prior knowledge gives a file and ranges of it")
def curl_prior_knowledge(world):
    whole = curl("--http2-prior-knowledge", f"{world.serve}/hello.txt")
    same(whole.status, 200, "status")
    part = curl("--http2-prior-knowledge", "-r", "0-3", f"{world.serve}/hello.txt")
    same((part.status, part.body), (206, whole.body[:4]), "a range")
    version = run("curl", "-sS", "--http2-prior-knowledge", "-o", "/dev/null",
                  "-w", "%{http_version}", f"{world.serve}/hello.txt")  # fmt: skip
    same(version.output, b"2", "version")
    return f"{len(whole.body)} bytes over HTTP/2"


@check("curl: an upgrade to h2c is answered as HTTP/1.1")
def curl_upgrade(world):
    result = run("curl", "-sS", "--http2", "-o", "/dev/null", "-w", "%{http_version} %{http_code}",
                 f"{world.serve}/hello.txt")  # fmt: skip
    same(result.output, b"1.1 200", "version and status")
    return "HTTP/1.1, 200"


@check("curl: an upload over HTTP/2 is echoed")
def curl_upload(world):
    sent = bytes(range(256)) * 4000
    answer = curl("--http2-prior-knowledge", "--data-binary", "@-", f"{world.bench}/echo", input=sent)
    same((answer.status, answer.body == sent), (200, True), "the echo")
    return f"{len(sent)} bytes there and back"


@check("nghttp: requests of one connection are answered, and nothing is reset")
def nghttp(world):
    result = run("nghttp", "-v", "-n", "-m", "20", f"{world.serve}/hello.txt")
    text = result.output.decode("utf-8", "replace")
    same(result.status, 0, f"exit status ({result.errors.strip()})")
    same(text.count(":status: 200"), 20, "answers of 200")
    holds("recv RST_STREAM" not in text, "a stream was reset")
    return "20 answers"


@check("httpx: many requests at once on one connection of HTTP/2")
def with_httpx(world):
    with httpx.Client(http1=False, http2=True) as client:
        answers = [client.get(f"{world.serve}/hello.txt") for _ in range(50)]
        answers.append(client.post(f"{world.bench}/echo", content=b"x" * 300_000))
    same({answer.http_version for answer in answers}, {"HTTP/2"}, "versions")
    same({answer.status_code for answer in answers}, {200}, "statuses")
    same(len(answers[-1].content), 300_000, "the echo's length")
    return f"{len(answers)} answers"


@check("h2load: 100 connections of 100 streams, and no request fails")
def h2load(world):
    result = run("h2load", "-n", "50000", "-c", "100", "-m", "100", f"{world.serve}/hello.txt",
                 limit=100)  # fmt: skip
    text = result.output.decode()
    same(result.status, 0, f"exit status ({result.errors.strip()})")
    found = re.search(r"requests: (\d+) total.* (\d+) succeeded, (\d+) failed, (\d+) errored", text)
    holds(found, text)
    same(found.groups(), ("50000", "50000", "0", "0"), "total, succeeded, failed, errored")
    return re.search(r"finished in .*", text)[0]

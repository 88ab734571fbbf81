"""undici with pipelining, wrk, slowhttptest: load of each kind."""

import http.client
import os
import re
import threading
import time
from urllib.parse import urlsplit

from harness import Failed, check, holds, run, same
from site_files import MEBIBYTE

HERE = os.path.dirname(os.path.abspath(__file__))


@check("undici: pipelined requests are answered in order")
def undici(world):
    script = os.path.join(HERE, "with_undici.mjs")
    result = run("node", script, world.npm, world.serve, world.bench)
    same(result.status, 0, f"exit status ({result.errors.strip()[-1500:]})")
    return result.output.decode().strip()


def wrk(url):
    result = run("wrk", "-t", "1", "-c", "256", "-d", "5s", "--timeout", "5s", url)
    text = result.output.decode()
    same(result.status, 0, f"exit status ({result.errors.strip()})")
    for trouble in ("Socket errors", "Non-2xx"):
        holds(trouble not in text, next((l for l in text.splitlines() if trouble in l), ""))
    found = re.search(r"Requests/sec:\s+([\d.]+)", text)
    if not found or float(found[1]) < 100:
        raise Failed(text)
    return f"{float(found[1]):.0f} requests/s"


@check("wrk: 256 connections load files without an error")
def wrk_files(world):
    return wrk(f"{world.serve}/hello.txt")


@check("wrk: 256 connections load a handler without an error")
def wrk_handler(world):
    return wrk(f"{world.bench}/")


@check("slowhttptest: slow heads, slow bodies and slow readers keep nobody waiting", limit=150)
def slow(world):
    """The three at once, and everyday clients meanwhile."""
    common = ["-c", "200", "-r", "100", "-p", "3"]
    attacks = {
        # A piece every 4 s: over the 15 s that a head may take.
        "heads": ["-H", "-i", "4", "-x", "8", "-l", "30", "-u", f"{world.serve}/hello.txt"],
        # A piece every 40 s: over the 30 s that a body may pause.
        "bodies": ["-B", "-i", "40", "-s", "100000", "-x", "10", "-l", "45", "-u", f"{world.bench}/echo"],
        # They do read, so they stay; what counts is what the server holds for them.
        "readers": ["-X", "-n", "2", "-z", "64", "-w", "512", "-y", "1024", "-l", "30", "-u", f"{world.serve}/1g"],
    }
    results, slowest, served, errors = {}, 0.0, 0, []

    def attack(name, options):
        try:
            results[name] = run("slowhttptest", *common, *options, limit=90).output.decode()
        except Exception as error:
            errors.append(f"{name}: {error}")

    threads = [threading.Thread(target=attack, args=item) for item in attacks.items()]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        for url, path in ((world.serve, "/hello.txt"), (world.bench, "/")):
            parts, started = urlsplit(url), time.monotonic()
            try:
                client = http.client.HTTPConnection(parts.hostname, parts.port, timeout=10)
                client.request("GET", path)
                body = client.getresponse().read()
                client.close()
                if body != b"Hello, World!":
                    errors.append(f"a client got {body!r}")
            except OSError as error:
                errors.append(f"a client met {error!r}")
            served, slowest = served + 1, max(slowest, time.monotonic() - started)
        time.sleep(0.25)
    for thread in threads:
        thread.join()
    same(errors, [], "errors")
    for name, text in results.items():
        states = re.findall(r"service available:\s*\x1b?[^A-Z]*([A-Z]+)", text)
        holds(states and set(states) == {"YES"}, f"slow {name}: available {states or text[-500:]}")
    ends = {}
    for name, text in results.items():
        ended = re.search(r"Test ended on (\d+)th second", text)
        ends[name] = (int(ended[1]), "No open connections left" in text) if ended else (0, False)
    for name, deadline in (("heads", 15), ("bodies", 30)):
        second, is_closed = ends[name]
        holds(is_closed, f"slow {name}: connections are open after {second} s")
        holds(deadline <= second <= deadline + 8, f"slow {name}: closed after {second} s")
    holds(slowest < 2, f"a client waited {slowest:.1f} s")
    peaks = [server.peak() // MEBIBYTE for server in (world.server, world.bench_server)]
    holds(max(peaks) < 256, f"the servers had {peaks} MiB resident")
    return (
        f"slow heads closed after {ends['heads'][0]} s, slow bodies after {ends['bodies'][0]} s, "
        f"slow readers served for {ends['readers'][0]} s; {served} other requests meanwhile, "
        f"the slowest in {slowest * 1000:.0f} ms, peaks {peaks[0]} and {peaks[1]} MiB"
    )

"""The network library and the process under a live listener change, while wrk loads it."""

import contextlib
import os
import re
import signal
import subprocess
import time

from harness import Failed, Process, Server, check, holds, run, same

TIMES = 10


INSECURE = ("--tls", "self-signed")


@contextlib.contextmanager
def load(url):
    """wrk with 256 connections for as long as the block takes; fails on any error of its."""
    args = ["wrk", "-t", "1", "-c", "256", "-d", "300s", "--timeout", "5s", url]
    with Process(args, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as wrk:
        # It reports at its end, which an interrupt brings about.
        saw = []
        time.sleep(1)
        yield saw
        time.sleep(1)
        wrk.send_signal(signal.SIGINT)
        text, _ = wrk.communicate(timeout=30)
    for trouble in ("Socket errors", "Non-2xx"):
        holds(trouble not in text, next((l for l in text.splitlines() if trouble in l), ""))
    found = re.search(r"(\d+) requests in", text)
    if not found or int(found[1]) < 100:
        raise Failed(text)
    saw.append(int(found[1]))


def serving(world, name, *options):
    args = [world.dipole, "serve", world.site.folder, "--quiet", "--workers", "2"]
    args += ["--network", world.network]
    return Server([*args, "--listen", "127.0.0.1:0", *options], f"{world.folder}/{name}.log")


@check("swap: the library of a listener changes ten times under wrk, and no request fails")
def swaps(world):
    """From the library that is judged to tokio and back; tokio itself changes to another handle."""
    name, networks = "swap", ["tokio", world.network]
    admin = f"unix:{world.folder}/{name}.sock"
    with serving(world, name, "--admin", admin) as server:
        [url] = server.listening(1)
        with load(f"{url}/hello.txt") as saw:
            for turn in range(TIMES):
                network = networks[turn % len(networks)]
                done = run(world.dipole, "swap", "--network", network, "--admin", admin)
                same((done.status, done.errors), (0, ""), f"swap to {network}")
                time.sleep(0.3)
        same(server.stop(), 0, "exit status")
    return f"{saw[0]} requests during {TIMES} swaps, none failed"


@check("swap: the library of a listener under TLS changes under wrk, and no request fails")
def swaps_secured(world):
    name, networks = "swap-tls", ["tokio", world.network]
    admin = f"unix:{world.folder}/{name}.sock"
    with serving(world, name, "--admin", admin, *INSECURE) as server:
        [url] = server.listening(1)
        same(url.split(":")[0], "https", "scheme")
        with load(f"{url}/hello.txt") as saw:
            # Every connection shakes hands anew after a swap, so they have some time.
            for turn in range(4):
                network = networks[turn % len(networks)]
                done = run(world.dipole, "swap", "--network", network, "--admin", admin)
                same((done.status, done.errors), (0, ""), f"swap to {network}")
                time.sleep(1.5)
        same(server.stop(), 0, "exit status")
    return f"{saw[0]} requests during 4 swaps under TLS, none failed"


@check("hand-over: five processes follow each other under wrk, and no request fails")
def hand_over(world):
    processes = []
    with serving(world, "hand-over") as server:
        [url] = server.listening(1)
        processes.append(server.pid)
        try:
            with load(f"{url}/hello.txt") as saw:
                for _ in range(5):
                    os.kill(processes[-1], signal.SIGUSR2)
                    processes.append(heir(server.log, len(processes)))
                same(server.wait(15), 0, "exit status of the first process")
        finally:
            for process in processes[1:]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGTERM)
    return f"{saw[0]} requests, none failed"


def heir(log, number):
    """The process that got the sockets at hand-over NUMBER, as the log says."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with open(log, encoding="utf-8") as lines:
            found = re.findall(r"^handed over to process (\d+)$", lines.read(), re.MULTILINE)
        if len(found) >= number:
            return int(found[number - 1])
        time.sleep(0.05)
    raise Failed(f"no hand-over: {open(log).read()}")

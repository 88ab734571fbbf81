"""What ./run and ./idle share: building the servers, starting, observing and stopping them."""

import json
import os
import re
import resource
import select
import signal
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
SERVERS = ["bare", "bare_http", "bare_axum", "bare_tokio", "conn_tokio"]
SERVERS += ["dipole", "dipole_axum", "hyper", "axum", "actix", "ntex"]
# Those on io_uring, and what they are compared with; `conn_` is a network library without HTTP.
URING_SERVERS = ["bare_uring", "bare_uring_http", "conn_uring", "dipole_uring", "conn_tokio"]
URING_SERVERS += ["dipole", "ntex_uring", "xitca", "monoio"]
# Those that speak TLS; they are compared with each other.
TLS_SERVERS = ["dipole_tls", "hyper_tls"]
# Clients that are built beside the servers, with their programs.
CLIENTS = {}
START_SECONDS = 10
# Valgrind reads first what debuggers need.
START_SECONDS_UNDER = 60


class Failure(Exception):
    """Something that ends the script with one line on stderr and exit status 1."""


def chosen(text, known):
    """The comma-separated names in `text`, each of which has to be one of `known`."""
    names = [name for name in text.split(",") if name]
    for name in names:
        if name not in known:
            raise Failure(f"unknown name {name!r}; known are {', '.join(known)}")
    if not names:
        raise Failure(f"nothing chosen; known are {', '.join(known)}")
    return names


# What a server needs to be built with; the others need nothing.
FEATURES = {
    "bare_uring": "uring",
    "bare_uring_http": "uring",
    "ntex": "ntex-tokio",
    "ntex_uring": "ntex-uring",
    "monoio": "monoio",
    "xitca": "xitca",
}


def features_of(server):
    features = {FEATURES[server]} if server in FEATURES else set()
    if server.startswith(("dipole", "conn")):
        features.add("dipole")
    if server.endswith("_tls") or server == "handshakes":
        features.add("tls")
    return features


def build(servers):
    """Builds the servers in release mode. Answers with the path of each program."""
    # ntex has one event source a build, so its two servers cannot be built together.
    alone = [server for server in servers if server == "ntex_uring"]
    together = [server for server in servers if server not in alone]
    built = {}
    for group in filter(None, [together, alone]):
        built |= build_together(group)
    return {server: built[server] for server in servers}


def build_together(servers):
    command = ["cargo", "build", "--release", "--message-format=json-render-diagnostics"]
    for server in servers:
        command += ["--bin", server]
    features = set().union(*map(features_of, servers))
    command += ["--no-default-features", "--features", ",".join(sorted(features))]
    # Cargo's own progress goes to stderr, as it is.
    done = subprocess.run(command, cwd=FOLDER, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise Failure("the servers do not build")
    messages = [json.loads(line) for line in done.stdout.splitlines()]
    return {m["target"]["name"]: m["executable"] for m in messages if m.get("executable")}


def raise_descriptor_limit():
    """Allows as many open files as the hard limit does, here and in the servers: that many."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


class Server:
    """One running server: use it in a `with` block."""

    def __init__(self, name, program, core, under=()):
        """`under` is a command that the program is run under."""
        self.name = name
        self.start_seconds = START_SECONDS_UNDER if under else START_SECONDS
        self.process = subprocess.Popen(
            [*under, program, "--listen", "127.0.0.1:0"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            preexec_fn=lambda: os.sched_setaffinity(0, {core}),
        )
        try:
            self.port = self._port()
        except BaseException:
            self.stop()
            raise

    def _port(self):
        ready, _, _ = select.select([self.process.stdout], [], [], self.start_seconds)
        line = self.process.stdout.readline().decode() if ready else ""
        found = re.match(r"listening on http://127\.0\.0\.1:(\d+) ", line)
        if not found:
            raise Failure(f"{self.name}: not listening in time (it said {line!r})")
        return int(found[1])

    def cpu(self):
        """Nanoseconds that all threads have run, and that they have waited for their core."""
        ran = waited = 0
        for account in Path(f"/proc/{self.process.pid}/task").glob("*/schedstat"):
            fields = account.read_text().split()
            ran += int(fields[0])
            waited += int(fields[1])
        return ran, waited

    def sleeps(self):
        """How often the threads have gone to sleep by themselves."""
        accounts = Path(f"/proc/{self.process.pid}/task").glob("*/status")
        texts = [account.read_text() for account in accounts]
        return sum(int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", t, re.M)[1]) for t in texts)

    def resident(self):
        """Resident memory in bytes. Exact, while VmRSS may lag behind by some pages."""
        text = Path(f"/proc/{self.process.pid}/smaps_rollup").read_text()
        return int(re.search(r"^Rss:\s+(\d+) kB", text, re.MULTILINE)[1]) * 1024

    def check_alive(self):
        if self.process.poll() is not None:
            raise Failure(f"{self.name}: ended by itself with status {self.process.returncode}")

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def progress(text):
    """One line that is overwritten by the next, on a terminal only."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{text}")
        sys.stderr.flush()


def print_table(header, rows):
    """The first column to the left, the numbers to the right."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    for row in [header, *rows]:
        cells = [cell.rjust(width) for cell, width in zip(row, widths)]
        print("  ".join([row[0].ljust(widths[0]), *cells[1:]]).rstrip())


def main(job):
    """Runs `job`, with failures and Ctrl-C reported in one line."""
    try:
        job()
    except Failure as failure:
        progress("")
        sys.exit(f"{Path(sys.argv[0]).name}: {failure}")
    except KeyboardInterrupt:
        progress("")
        sys.exit(130)

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
SERVERS = ["bare", "dipole", "dipole_axum", "hyper", "axum", "actix", "ntex"]
# Those that speak TLS; they are compared with each other.
TLS_SERVERS = ["dipole_tls", "hyper_tls"]
START_SECONDS = 10


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


def build(servers):
    """Builds the servers in release mode. Answers with the path of each program."""
    command = ["cargo", "build", "--release", "--message-format=json-render-diagnostics"]
    for server in servers:
        command += ["--bin", server]
    features = {"dipole"} if any(server.startswith("dipole") for server in servers) else set()
    if any(server.endswith("_tls") for server in servers):
        features.add("tls")
    if features:
        command += ["--features", ",".join(sorted(features))]
    # Cargo's own progress goes to stderr, as it is.
    done = subprocess.run(command, cwd=FOLDER, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise Failure("the servers do not build")
    messages = [json.loads(line) for line in done.stdout.splitlines()]
    built = {m["target"]["name"]: m["executable"] for m in messages if m.get("executable")}
    return {server: built[server] for server in servers}


def raise_descriptor_limit():
    """Allows as many open files as the hard limit does, here and in the servers: that many."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


class Server:
    """One running server: use it in a `with` block."""

    def __init__(self, name, program, core):
        self.name = name
        self.process = subprocess.Popen(
            [program, "--listen", "127.0.0.1:0"],
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
        ready, _, _ = select.select([self.process.stdout], [], [], START_SECONDS)
        line = self.process.stdout.readline().decode() if ready else ""
        found = re.match(r"listening on http://127\.0\.0\.1:(\d+) ", line)
        if not found:
            raise Failure(f"{self.name}: not listening after {START_SECONDS} s (it said {line!r})")
        return int(found[1])

    def cpu(self):
        """Nanoseconds that all threads have run, and that they have waited for their core."""
        ran = waited = 0
        for account in Path(f"/proc/{self.process.pid}/task").glob("*/schedstat"):
            fields = account.read_text().split()
            ran += int(fields[0])
            waited += int(fields[1])
        return ran, waited

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

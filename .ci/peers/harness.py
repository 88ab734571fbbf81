"""Checks, the processes they need, and a report. Python's standard library alone."""

import os
import re
import select
import signal
import subprocess
import sys
import time
import traceback

CHECK_LIMIT = 120  # seconds, unless a check says more
COMMAND_LIMIT = 60
STOP_LIMIT = 15


class Failed(Exception):
    """What a check found is not what it wanted."""


def same(found, wanted, what):
    """Fails unless the two are the same."""
    if found != wanted:
        raise Failed(f"{what}: {short(found)}, not {short(wanted)}")


def holds(condition, what):
    """Fails unless the condition holds."""
    if not condition:
        raise Failed(what)


def short(value):
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}... ({len(value)} long)"


CHECKS = []


def check(sentence, limit=CHECK_LIMIT):
    """Makes a function a check. It gets the world, and returns what it saw in a few words."""

    def register(function):
        CHECKS.append((sentence, limit, function))
        return function

    return register


def run_checks(world, only):
    """Runs the checks in turn, a line each. Returns how many passed and how many failed."""
    passed = failed = 0

    def too_long(*_):
        raise Failed("its time is up")

    signal.signal(signal.SIGALRM, too_long)
    for sentence, limit, function in CHECKS:
        if only and not re.search(only, sentence):
            continue
        started = time.monotonic()
        signal.alarm(limit)
        try:
            saw = function(world)
            verdict, passed = "ok    ", passed + 1
        except Failed as failure:
            verdict, saw, failed = "FAILED", str(failure), failed + 1
        except Exception:
            verdict, saw, failed = "FAILED", traceback.format_exc(), failed + 1
        finally:
            signal.alarm(0)
        seconds = time.monotonic() - started
        print(f"{verdict} {sentence}: {saw} ({seconds:.1f} s)", flush=True)
    return passed, failed


class Result:
    """How a command ended, and what it wrote."""

    def __init__(self, status, output, errors, peak):
        self.status = status
        self.output = output
        self.errors = errors
        # The most memory that was resident, in bytes.
        self.peak = peak


def run(*args, input=b"", limit=COMMAND_LIMIT, into=None):
    """Runs a command to its end. `into` takes the output piece by piece, in place of the result."""
    with Process(args, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as p:
        output, errors, peak = bytearray(), bytearray(), 0
        pipes = {p.stdout.fileno(): output, p.stderr.fileno(): errors}
        waiting, ready_to_write = memoryview(input), [p.stdin.fileno()]
        if not input:
            p.stdin.close()
            ready_to_write = []
        deadline = time.monotonic() + limit
        while pipes:
            if time.monotonic() > deadline:
                raise Failed(f"{args[0]} has not ended after {limit} s")
            peak = max(peak, p.peak())
            readable, writable, _ = select.select(list(pipes), ready_to_write, [], 0.1)
            for pipe in readable:
                piece = os.read(pipe, 1 << 18)
                if not piece:
                    del pipes[pipe]
                elif into and pipe == p.stdout.fileno():
                    into(piece)
                else:
                    pipes[pipe] += piece
            for pipe in writable:
                try:
                    waiting = waiting[os.write(pipe, waiting[: 1 << 16]) :]
                except BrokenPipeError:
                    waiting = waiting[:0]
                if not waiting:
                    p.stdin.close()
                    ready_to_write = []
        try:
            p.wait(max(deadline - time.monotonic(), 1))
        except subprocess.TimeoutExpired:
            raise Failed(f"{args[0]} has closed its output, but has not ended") from None
        return Result(p.returncode, bytes(output), bytes(errors).decode("utf-8", "replace"), peak)


class Process(subprocess.Popen):
    """A process that does not outlive its `with`."""

    def __exit__(self, kind, value, trace):
        self.stop()
        return super().__exit__(kind, value, trace)

    def stop(self):
        """Asks it to end, and makes it end. Returns its exit status."""
        if self.poll() is None:
            self.send_signal(signal.SIGTERM)
            try:
                self.wait(STOP_LIMIT)
            except subprocess.TimeoutExpired:
                self.kill()
                self.wait()
        return self.returncode

    def peak(self):
        """The most memory that it had resident, in bytes. 0 when it has ended."""
        # Not the kernel's `ru_maxrss`: that counts this process too, from before the `exec`.
        try:
            with open(f"/proc/{self.pid}/status") as status:
                found = re.search(r"^VmHWM:\s+(\d+) kB$", status.read(), re.MULTILINE)
        except OSError:
            found = None
        return int(found[1]) * 1024 if found else 0


class Server(Process):
    """A Dipole server: `listening on URL (NETWORK)` on stdout, everything else in a log."""

    def __init__(self, args, log):
        self.log = log
        with open(log, "wb") as errors:
            super().__init__(
                args, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors
            )

    def listening(self, count, limit=15):
        """The URLs of its listeners, once it has named all of them."""
        text, deadline = b"", time.monotonic() + limit
        while text.count(b"\n") < count:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.stdout], [], [], left)[0]:
                raise Failed(f"{self.args[0]} does not say where it listens: {text!r}")
            piece = os.read(self.stdout.fileno(), 4096)
            if not piece:
                raise Failed(f"{self.args[0]} has ended: {open(self.log).read()}")
            text += piece
        return re.findall(r"^listening on (\S+) \(\w+\)$", text.decode(), re.MULTILINE)

    def descriptors(self):
        """How many descriptors it has open."""
        return len(os.listdir(f"/proc/{self.pid}/fd"))


def end_on_signal():
    """Lets a signal end this process as an exception does, so that each `with` cleans up."""

    def end(number, _):
        sys.exit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)

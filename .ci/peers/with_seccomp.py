"""Where a container's seccomp filter forbids io_uring, the command says so, and `auto` is tokio.

Run as a program it sets such a filter on itself and becomes the command after it."""

import ctypes
import json
import os
import struct
import sys

PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, MODE_FILTER = 22, 38, 2
IO_URING_SETUP = 425  # the same number on every architecture
LOAD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, FAIL_EPERM = 0x7FFF0000, 0x00050001


def forbid_io_uring():
    """What container runtimes do by default: `io_uring_setup` fails with EPERM."""
    steps = [
        (LOAD, 0, 0, 0),  # the number of the system call
        (JUMP_IF_EQUAL, 0, 1, IO_URING_SETUP),
        (RETURN, 0, 0, FAIL_EPERM),
        (RETURN, 0, 0, ALLOW),
    ]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))

    class Program(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]

    program = Program(len(steps), ctypes.cast(code, ctypes.c_void_p))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "no_new_privs")
    if libc.prctl(PR_SET_SECCOMP, MODE_FILTER, ctypes.byref(program), 0, 0):
        raise OSError(ctypes.get_errno(), "seccomp")


if __name__ == "__main__":
    forbid_io_uring()
    os.execvp(sys.argv[1], sys.argv[1:])

from harness import Server, check, holds, run, same  # noqa: E402


def confined(world, *args):
    return [sys.executable, os.path.abspath(__file__), world.dipole, *args]


@check("seccomp: `doctor` says that io_uring is forbidden, by what, and what `auto` is then")
def doctor(world):
    done = run(*confined(world, "doctor", "--json"))
    same(done.status, 0, "exit status")
    found = json.loads(done.output)
    ring = found["io_uring"][0]
    same((ring["there"], found["auto"]["name"]), (False, "tokio"), "a ring, and auto")
    for text in (ring["reason"], found["auto"]["reason"]):
        holds("seccomp" in text, text)
    return ring["reason"]


@check("seccomp: `--network uring` is a clear error")
def asked_for(world):
    done = run(*confined(world, "serve", world.site.folder, "--network", "uring"))
    same(done.status, 1, "exit status")
    holds("io_uring cannot be used here" in done.errors, done.errors)
    holds("seccomp" in done.errors and len(done.errors.splitlines()) == 1, done.errors)
    return done.errors.strip()


@check("seccomp: `--network auto` serves on tokio, and says why")
def auto(world):
    args = ["serve", world.site.folder, "--quiet", "--network", "auto", "--listen", "127.0.0.1:0"]
    log = f"{world.folder}/seccomp.log"
    with Server(confined(world, *args), log) as server:
        [url] = server.listening(1)
        holds("tokio" in open(log, encoding="utf-8").read(), "the log does not say so")
        same(run("curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", url).output, b"200", url)
        same(server.stop(), 0, "exit status")
    return "it serves"

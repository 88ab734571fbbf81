"""Servers that register with a real etcd, and a client over all of them: the example of dipole-balance."""

import os
import time
import urllib.error
import urllib.request

from harness import Failed, Process, check, holds, run, same
from with_secured_upstreams import free_ports

START_LIMIT = 30  # seconds


def wait_for(etcd, url):
    deadline = time.monotonic() + START_LIMIT
    while time.monotonic() < deadline:
        if etcd.poll() is not None:
            raise Failed(f"etcd has ended with {etcd.returncode}")
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=1) as answer:
                if b"true" in answer.read():
                    return
        except (urllib.error.URLError, OSError):
            pass
        time.sleep(0.1)
    raise Failed("etcd is not healthy")


@check("servers come, leave and die in etcd, and their client loses no request")
def etcd(world):
    clients, peers = free_ports(2)
    url, among = f"http://127.0.0.1:{clients}", f"http://127.0.0.1:{peers}"
    command = [
        "etcd", "--data-dir", os.path.join(world.folder, "etcd"),
        "--listen-client-urls", url, "--advertise-client-urls", url,
        "--listen-peer-urls", among, "--initial-advertise-peer-urls", among,
        "--initial-cluster", f"default={among}",
    ]
    example = os.path.join(os.path.dirname(world.website), "etcd")
    with Process(command, stdin=-3, stdout=-3, stderr=-3) as process:
        wait_for(process, url)
        ended = run(example, url, limit=90)
    text = ended.output.decode()
    same(ended.status, 0, f"exit status; it said {text} {ended.errors}")
    holds("no request was lost" in text, text)
    [answers] = [line for line in text.splitlines() if line.startswith("answers: ")]
    return answers

"""A client's pool while nginx ends connections under it: after some requests, idle, reloaded, restarted."""

import collections
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import time

from harness import Failed, Process, check, holds, same
from with_secured_upstreams import certificates, free_ports

NGINX = """
daemon off;
user root;
worker_processes 1;
pid {folder}/closing.pid;
error_log {folder}/closing-error.log;
events {{ worker_connections 512; }}
http {{
    log_format lines "$connection $request_method $arg_n $status";
    access_log {folder}/closing.log lines;
    client_body_temp_path {folder}/closing-body;
    proxy_temp_path {folder}/closing-proxy;
    fastcgi_temp_path {folder}/closing-fastcgi;
    uwsgi_temp_path {folder}/closing-uwsgi;
    scgi_temp_path {folder}/closing-scgi;
    ssl_certificate {folder}/tls/chain.pem;
    ssl_certificate_key {folder}/tls/key.pem;
    keepalive_requests {requests};
    keepalive_timeout {timeout};
    server {{
        listen 127.0.0.1:{plain};
        listen 127.0.0.1:{secured} ssl http2;
        location / {{ return 200 "hello"; }}
    }}
}}
"""


class Nginx:
    """An nginx that ends connections, and what its log says."""

    def __init__(self, world, requests, timeout):
        self.folder, self.ports = world.folder, free_ports(2)
        certificates(world.folder)
        self.config, self.log = f"{world.folder}/closing.conf", f"{world.folder}/closing.log"
        self.read = 0
        plain, secured = self.ports
        with contextlib.suppress(FileNotFoundError):
            os.remove(self.log)
        with open(self.config, "w") as file:
            file.write(
                NGINX.format(
                    folder=self.folder,
                    requests=requests,
                    timeout=timeout,
                    plain=plain,
                    secured=secured,
                )
            )

    @contextlib.contextmanager
    def running(self):
        error_log = f"{self.folder}/closing-error.log"
        command = ["nginx", "-p", self.folder, "-c", self.config, "-e", error_log]
        with Process(command, stdin=-3, stdout=-3, stderr=-3) as process:
            deadline = time.monotonic() + 15
            while True:
                try:
                    socket.create_connection(("127.0.0.1", self.ports[0]), 1).close()
                    break
                except OSError:
                    if process.poll() is not None or time.monotonic() > deadline:
                        raise Failed(f"nginx does not start: {open(error_log).read()}")
                    time.sleep(0.05)
            yield process

    def ways(self):
        """URL and options for each version that it speaks."""
        plain, secured = self.ports
        trust = ["--cacert", f"{self.folder}/tls/ca.pem"]
        return {
            "HTTP/1.1": [f"http://localhost:{plain}/"],
            "HTTP/1.1 over TLS": [f"https://localhost:{secured}/", "--http1", *trust],
            "HTTP/2": [f"https://localhost:{secured}/", *trust],
        }

    def lines(self):
        """Of each request since it was last asked: the connection, the method, the number, the status."""
        with open(self.log) as file:
            file.seek(self.read)
            text = file.read()
        # The last line may not be whole yet.
        whole = text[: text.rfind("\n") + 1]
        self.read += len(whole)
        return re.findall(r"^(\d+) (\w+) (\d+) (\d+)$", whole, re.MULTILINE)


@contextlib.contextmanager
def asking(world, nginx, way, seconds, *options):
    """Requests for so long. The block's end waits for them; then the tally is in what it got."""
    command = [f"{world.examples}/steady", *way, "--seconds", str(seconds), *options]
    command += ["--network", world.network]
    tally = {}
    with Process(command, stdout=subprocess.PIPE, text=True) as process:
        yield tally
        output, _ = process.communicate(timeout=60)
        same(process.returncode, 0, "exit status of the client")
    tally.update(json.loads(output))
    # nginx logs a request after its answer.
    lines, deadline = [], time.monotonic() + 10
    while len(lines) < tally["asked"] - len(tally["failures"]) and time.monotonic() < deadline:
        lines += nginx.lines()
        time.sleep(0.1)
    tally["connections"] = len({line[0] for line in lines})
    posts = collections.Counter(number for _, method, number, _ in lines if method == "POST")
    twice = [number for number, times in posts.items() if times > 1]
    same(twice[:5], [], "POSTs that came more than once")
    served = sum(1 for number in range(1, tally["asked"], 2) if posts[str(number)])
    lost = [one for one in tally["failures"] if one["method"] == "POST"]
    holds(served + len(lost) >= tally["asked"] // 2, "POSTs that were answered came to nobody")


def none_failed(tally):
    same(tally["failures"][:3], [], f"of {tally['asked']} requests, {len(tally['failures'])} failed")
    holds(tally["asked"] > 50, f"only {tally['asked']} requests, slowest {tally['slowest']}")


@check("pool: nginx ends each connection after a few requests, and no request fails")
def a_few_requests(world):
    nginx, saw = Nginx(world, requests=7, timeout=30), []
    with nginx.running():
        for name, way in nginx.ways().items():
            with asking(world, nginx, way, 1, "--tasks", "8") as tally:
                pass
            none_failed(tally)
            least = tally["asked"] // 7
            holds(tally["connections"] >= least, f"{tally['connections']} connections, {name}")
            saw.append(f"{name}: {tally['asked']} on {tally['connections']} connections")
    return "; ".join(saw)


@check("pool: nginx ends idle connections, and no request fails")
def idle(world):
    nginx, saw = Nginx(world, requests=1000, timeout=1), []
    with nginx.running():
        for name, way in nginx.ways().items():
            with asking(world, nginx, way, 3, "--tasks", "24", "--rest", "1100") as tally:
                pass
            none_failed(tally)
            saw.append(f"{name}: {tally['asked']} on {tally['connections']} connections")
    return "; ".join(saw)


@check("pool: nginx is reloaded under load, no GET fails, and no POST comes twice")
def reloaded(world):
    """A POST may meet the end of its kept connection on the way: then its caller is told, for nobody
    else knows whether it was acted on."""
    nginx, saw = Nginx(world, requests=1000, timeout=30), []
    with nginx.running() as process:
        for name, way in nginx.ways().items():
            with asking(world, nginx, way, 2.5, "--rest", "1") as tally:
                for _ in range(4):
                    time.sleep(0.5)
                    process.send_signal(signal.SIGHUP)
            lost = [one for one in tally["failures"] if one["method"] == "POST"]
            same(len(tally["failures"]) - len(lost), 0, f"GETs that failed, {tally['failures'][:3]}")
            holds(len(lost) <= 16 * 4, f"{len(lost)} POSTs failed: {lost[:3]}")
            for one in lost:
                holds("ended before its response" in one["why"], one["why"])
            few = f"only {tally['asked']} requests by {name}, slowest {tally['slowest']}"
            holds(tally["asked"] > 500, few)
            saw.append(f"{name}: {tally['asked']}, {len(lost)} POSTs told to have been cut off")
    return "; ".join(saw)


@check("pool: nginx ends and starts anew, and what is sent again where that does no harm succeeds")
def restarted(world):
    nginx, saw = Nginx(world, requests=1000, timeout=30), []
    for name, way in nginx.ways().items():
        with contextlib.ExitStack() as stack:
            first = stack.enter_context(nginx.running())
            with asking(world, nginx, way, 2.5, "--rest", "20", "--retry") as tally:
                time.sleep(0.7)
                first.send_signal(signal.SIGQUIT)
                same(first.wait(15), 0, "exit status of nginx")
                time.sleep(0.3)
                stack.enter_context(nginx.running())
        lost = [one for one in tally["failures"] if one["method"] == "POST"]
        same(len(tally["failures"]) - len(lost), 0, f"GETs that failed, {tally['failures'][:3]}")
        holds(len(lost) <= 16, f"{len(lost)} POSTs failed: {lost[:3]}")
        saw.append(f"{name}: {tally['asked']}, {len(lost)} POSTs told to have been cut off")
    return "; ".join(saw)

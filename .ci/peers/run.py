"""Third-party clients and servers against Dipole, on real files.

    python run.py --dipole FILE --examples DIR --website FILE --npm DIR [--network NAME] [--only REGEX]

`--dipole` is the command, `--examples` the folder with its examples `bench_server`, `follow` and `steady`,
`--website` the example of that name, `--npm` the folder that `npm install --prefix` was given, with
undici and playwright-core. Python needs aiohttp, aioquic, httpx with h2, hypercorn with h3, pycurl with HTTP/3 and
websockets; `--niquests` is a Python with niquests, which replaces a part of what the others need. Also
needed: apache2, chromium, curl, h2load, microsocks, nc, nghttp, nginx, node, openssl, slowhttptest,
tinyproxy, wrk. Ends with status 0 when every check has passed.
"""

import argparse
import os
import re
import sys
import tempfile
import time

import with_curl  # noqa: F401: each of these brings its checks
import with_http_client  # noqa: F401
import with_etcd  # noqa: F401
import with_aiohttp  # noqa: F401
import with_closing_upstreams  # noqa: F401
import with_http2  # noqa: F401
import with_http2_secured  # noqa: F401
import with_http3  # noqa: F401
import with_http3_upstreams  # noqa: F401
import with_key_updates  # noqa: F401
import with_load  # noqa: F401
import with_proxies  # noqa: F401
import with_seccomp  # noqa: F401
import with_secured_upstreams  # noqa: F401
import with_servers  # noqa: F401
import with_swaps  # noqa: F401
import with_tls  # noqa: F401
import with_websockets  # noqa: F401
import with_chromium  # noqa: F401
import with_chromium_http3  # noqa: F401
from harness import Server, check, end_on_signal, holds, run_checks, same
from site_files import Site
from with_upstreams import nginx

DRAIN_LIMIT = 10  # seconds


class World:
    """What the checks work with."""

    def __init__(self, options, folder):
        self.folder = folder
        self.site = Site(os.path.join(folder, "site"))
        self.dipole = options.dipole
        self.website = options.website
        self.examples = options.examples
        self.npm = options.npm
        self.niquests = options.niquests
        self.network = options.network
        self.unix = os.path.join(folder, "serve.sock")


@check("at the end no connection is left at the servers")
def nothing_left(world):
    left = {}
    deadline = time.monotonic() + 40
    while time.monotonic() < deadline:
        left = {
            "serve": world.server.descriptors() - world.descriptors,
            "bench_server": world.bench_server.descriptors() - world.bench_descriptors,
        }
        if not any(more > 0 for more in left.values()):
            return "as many descriptors as at the beginning"
        time.sleep(0.2)
    return holds(False, f"more descriptors than at the beginning: {left}")


@check("at the end the servers drain, and have met no fault")
def drained(world):
    started = time.monotonic()
    same(world.server.stop(), 0, "exit status of `dipole serve`")
    seconds = time.monotonic() - started
    holds(seconds < DRAIN_LIMIT + 2, f"the drain took {seconds:.1f} s")
    holds(not os.path.exists(world.unix), "the Unix socket is still there")
    with open(world.server.log, encoding="utf-8", errors="replace") as log:
        lines = log.read().splitlines()
    faults = [line for line in lines if re.search(r'panicked|" 5\d\d ', line)]
    same(faults[:3], [], "faults in the log")
    statuses = {match[1] for line in lines if (match := re.search(r'" (\d{3}) ', line))}
    return f"{seconds:.1f} s; {len(lines)} lines of log with {', '.join(sorted(statuses))}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--dipole", required=True)
    parser.add_argument("--examples", required=True)
    parser.add_argument("--website", required=True)
    parser.add_argument("--npm", required=True)
    parser.add_argument("--niquests", default="python3", help="a Python with niquests and qh3")
    parser.add_argument("--network", default="tokio", help="what the Dipole servers listen with")
    parser.add_argument("--only", help="a regular expression: run the checks that it is found in")
    options = parser.parse_args()
    end_on_signal()
    with tempfile.TemporaryDirectory(prefix="dipole-peers-") as folder:
        # nginx's workers and the log need no more than to get in.
        os.chmod(folder, 0o755)
        world = World(options, folder)
        serve = [world.dipole, "serve", world.site.folder, "--workers", "2"]
        serve += ["--network", options.network]
        serve += ["--listen", "127.0.0.1:0", "--listen", f"unix:{world.unix}"]
        bench = [os.path.join(world.examples, "bench_server")]
        bench += ["--listen", "127.0.0.1:0", "--network", options.network, "--workers", "1"]
        with (
            Server(serve, f"{folder}/serve.log") as world.server,
            Server(bench, f"{folder}/bench.log") as world.bench_server,
        ):
            world.serve, _ = world.server.listening(2)
            [world.bench] = world.bench_server.listening(1)
            world.descriptors = world.server.descriptors()
            world.bench_descriptors = world.bench_server.descriptors()
            dipole = world.serve.removeprefix("http://")
            with nginx(folder, world.site, dipole) as (world.nginx, world.nginx_unix):
                passed, failed = run_checks(world, options.only)
    print(f"{passed} passed, {failed} failed")
    return 0 if passed and not failed else 1


if __name__ == "__main__":
    sys.exit(main())

"""`dipole get` through proxies: tinyproxy (HTTP), microsocks (SOCKS5), and TLS before tinyproxy."""

import contextlib
import os
import socket
import ssl
import threading
import time

from harness import Failed, Process, check, holds, same
from with_secured_upstreams import certificates, free_ports, nginx
from with_upstreams import get, head_and_body

TINYPROXY = """
Port {port}
Listen 127.0.0.1
Timeout 60
MaxClients 20
Allow 127.0.0.1
LogLevel Info
LogFile "{folder}/tinyproxy-{port}.log"
BasicAuth {user} {password}
"""

# tinyproxy's passwords have letters and digits alone.
USER, PASSWORD = "Aladdin", "opensesame"
IN_A_URL = f"{USER}:{PASSWORD}"


@contextlib.contextmanager
def started(command, port):
    """A process, once it listens."""
    with Process(command, stdin=-3, stdout=-3, stderr=-3) as process:
        deadline = time.monotonic() + 15
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise Failed(f"{command[0]} does not start")
                time.sleep(0.05)
        yield


@contextlib.contextmanager
def tinyproxy(world):
    """tinyproxy that wants a password. Gives its port, and what it has logged."""
    [port] = free_ports(1)
    config = f"{world.folder}/tinyproxy-{port}.conf"
    with open(config, "w") as file:
        file.write(
            TINYPROXY.format(port=port, folder=world.folder, user=USER, password=PASSWORD)
        )

    def log():
        with open(f"{world.folder}/tinyproxy-{port}.log") as file:
            return file.read()

    # It gives its rights away to nobody, who may write where all may.
    open(f"{world.folder}/tinyproxy-{port}.log", "w").close()
    os.chmod(f"{world.folder}/tinyproxy-{port}.log", 0o666)
    with started(["tinyproxy", "-d", "-c", config], port):
        yield port, log


@contextlib.contextmanager
def microsocks(*options):
    """microsocks. Gives its port."""
    [port] = free_ports(1)
    with started(["microsocks", "-i", "127.0.0.1", "-p", str(port), *options], port):
        yield port


@contextlib.contextmanager
def tls_before(world, port):
    """Takes TLS as `localhost` and passes plain bytes on to a port. Gives its own."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    place = certificates(world.folder)
    context.load_cert_chain(f"{place}/chain.pem", f"{place}/key.pem")

    def copy(source, target):
        with contextlib.suppress(OSError):
            while piece := source.recv(65536):
                target.sendall(piece)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def serve(plain):
        with contextlib.suppress(OSError, ssl.SSLError):
            with context.wrap_socket(plain, server_side=True) as near:
                with socket.create_connection(("127.0.0.1", port)) as far:
                    back = threading.Thread(target=copy, args=(far, near), daemon=True)
                    back.start()
                    copy(near, far)
                    back.join(30)

    def accept(listener):
        with contextlib.suppress(OSError):
            while True:
                plain, _ = listener.accept()
                threading.Thread(target=serve, args=(plain,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, args=(listener,), daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


@check("get through tinyproxy: plain HTTP is forwarded, TLS is tunnelled")
def by_http(world):
    with tinyproxy(world) as (port, log), nginx(world) as (_, secured, _):
        proxy = ["--proxy", f"http://{IN_A_URL}@127.0.0.1:{port}"]
        status, headers, body = head_and_body(get(world, "-i", *proxy, f"{world.nginx}/hello.txt"))
        same((status, body), (200, b"Hello, World!"), "plain HTTP")
        holds("tinyproxy" in headers.get("via", ""), f"no trace of the proxy in {headers}")
        trust = ["--cacert", f"{world.folder}/tls/ca.pem"]
        result = get(world, *proxy, *trust, f"{secured}/1m")
        holds(result.output == world.site.data, "1 MiB through the tunnel is another")
        text = log()
        holds("CONNECT localhost:" in text, f"no tunnel in its log: {text[-500:]}")
        holds(f"GET {world.nginx}/hello.txt" in text, f"nothing forwarded in its log: {text[-500:]}")
        direct = get(world, *proxy, "--noproxy", "127.0.0.0/8", f"{world.nginx}/hello.txt")
        same(direct.output, b"Hello, World!", "without the proxy")
        same(log().count("hello.txt"), text.count("hello.txt"), "requests in its log")
    return "forwarded, tunnelled with HTTP/2 inside, passed by"


@check("get through tinyproxy: without a password, and where it cannot connect")
def refusals(world):
    with tinyproxy(world) as (port, _), nginx(world) as (_, secured, _):
        proxy = ["--proxy", f"127.0.0.1:{port}"]
        trust = ["--cacert", f"{world.folder}/tls/ca.pem"]
        status = head_and_body(get(world, "-i", *proxy, f"{world.nginx}/hello.txt"))[0]
        same(status, 407, "status of what is to be forwarded")
        denied = get(world, *proxy, *trust, f"{secured}/1m", status=1)
        holds("password" in denied.errors, f"no word of it in {denied.errors!r}")
        [free] = free_ports(1)
        allowed = ["--proxy", f"http://{IN_A_URL}@127.0.0.1:{port}"]
        get(world, *allowed, *trust, f"https://localhost:{free}/", status=1)
        get(world, "--proxy", f"127.0.0.1:{free}", *trust, f"{secured}/1m", status=1)
    return "407, exit status 1 three times"


@check("get through tinyproxy behind TLS, whose certificate is for its own name")
def by_https(world):
    with tinyproxy(world) as (port, _), nginx(world) as (_, secured, _), tls_before(world, port) as tls:
        trust = ["--cacert", f"{world.folder}/tls/ca.pem"]
        proxy = ["--proxy", f"https://{IN_A_URL}@localhost:{tls}"]
        result = get(world, *proxy, *trust, f"{secured}/1m")
        holds(result.output == world.site.data, "TLS in TLS is another")
        plain = get(world, *proxy, *trust, f"{world.nginx}/hello.txt")
        same(plain.output, b"Hello, World!", "plain HTTP")
        other = ["--proxy", f"https://{IN_A_URL}@127.0.0.1:{tls}"]
        get(world, *other, *trust, f"{secured}/1m", status=1)
    return "TLS in TLS, plain HTTP in TLS; another name is refused"


@check("get through microsocks: with and without a password, names looked up here and there")
def by_socks(world):
    with nginx(world) as (_, secured, _):
        trust = ["--cacert", f"{world.folder}/tls/ca.pem"]
        with microsocks() as port:
            for scheme in ("socks5", "socks5h"):
                proxy = ["--proxy", f"{scheme}://127.0.0.1:{port}"]
                same(get(world, *proxy, f"{world.nginx}/hello.txt").output, b"Hello, World!", scheme)
                result = get(world, *proxy, *trust, f"{secured}/1m")
                holds(result.output == world.site.data, f"1 MiB by {scheme} is another")
            [free] = free_ports(1)
            refused = get(world, *proxy, f"http://127.0.0.1:{free}/", status=1)
            holds("refused" in refused.errors, f"the reason is missing in {refused.errors!r}")
        with microsocks("-u", USER, "-P", "open@sesame") as port:
            url = f"{world.nginx}/hello.txt"
            proxy = f"socks5h://{USER}:open%40sesame@127.0.0.1:{port}"
            same(get(world, "--proxy", proxy, url).output, b"Hello, World!", "with a password")
            wrong = proxy.replace("sesame", "barley")
            denied = get(world, "--proxy", wrong, url, status=1)
            holds("password" in denied.errors, f"no word of it in {denied.errors!r}")
            get(world, "--proxy", f"socks5h://127.0.0.1:{port}", url, status=1)
    return "4 ways, and 3 refusals"

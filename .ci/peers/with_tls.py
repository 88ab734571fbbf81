"""openssl and curl against `dipole serve` under TLS."""

import contextlib
import os
import signal
import socket
import ssl
import time

from harness import Server, check, holds, run, same

REQUEST = b"GET /hello.txt HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"


@contextlib.contextmanager
def served(world, *options):
    """`dipole serve` under TLS: its URL, its process, its log."""
    log = os.path.join(world.folder, "tls.log")
    args = [world.dipole, "serve", world.site.folder, "--listen", "127.0.0.1:0", *options]
    with Server(args, log) as server:
        (url,) = server.listening(1)
        holds(url.startswith("https://127.0.0.1:"), f"the URL is {url}")
        yield url, server, log


def certificate(folder, name, host="localhost"):
    """A self-signed certificate and its key, made by openssl."""
    cert, key = os.path.join(folder, f"{name}.crt"), os.path.join(folder, f"{name}.key")
    made = run(
        "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
        "-nodes", "-days", "2", "-keyout", key, "-out", cert, "-subj", f"/CN={name}",
        "-addext", f"subjectAltName=DNS:{host},IP:127.0.0.1",
        "-addext", "basicConstraints=critical,CA:FALSE",
    )
    same(made.status, 0, f"openssl req: {made.errors}")
    return cert, key


def port_of(url):
    return int(url.rpartition(":")[2])


def s_client(port, cert, *options):
    """What `openssl s_client` says of one request; it ends when the server does."""
    result = run(
        "openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-CAfile", cert,
        "-verify_return_error", "-ign_eof", *options, input=REQUEST, limit=20,
    )
    text = result.output.decode("latin-1")
    holds(result.status == 0, f"s_client ends with {result.status}: {result.errors} {text}")
    holds("HTTP/1.1 200 OK" in text and "Hello, World!" in text, f"the answer is {text}")
    return text


@check("openssl s_client: TLS 1.2 and 1.3, verified, and resumed")
def versions(world):
    cert, key = certificate(world.folder, "versions")
    with served(world, "--cert", cert, "--key", key) as (url, _, _):
        for option, version in (("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")):
            session = os.path.join(world.folder, f"session{option}")
            first = s_client(port_of(url), cert, option, "-sess_out", session)
            holds(f"New, {version}" in first, f"not new, or not {version}: {first}")
            again = s_client(port_of(url), cert, option, "-sess_in", session)
            holds(f"Reused, {version}" in again, f"not resumed, or not {version}: {again}")
        old = run(
            "openssl", "s_client", "-connect", f"127.0.0.1:{port_of(url)}", "-tls1_1",
            "-cipher", "DEFAULT@SECLEVEL=0",
        )
        holds(old.status != 0, "TLS 1.1 was accepted")
    return "both new, then reused; 1.1 refused"


@check("curl: HTTPS with the certificate made for this machine")
def self_signed(world):
    data = os.path.join(world.folder, "data")
    os.environ["XDG_DATA_HOME"] = data
    try:
        seen = []
        for _ in range(2):
            with served(world, "--tls", "self-signed") as (url, _, _):
                trusted = os.path.join(data, "dipole", "localhost.crt")
                seen.append(open(trusted, "rb").read())
                for host in ("127.0.0.1", "localhost"):
                    there = url.replace("127.0.0.1", host)
                    got = run("curl", "-sS", "--cacert", trusted, f"{there}/hello.txt")
                    same((got.status, got.output), (0, b"Hello, World!"), f"curl: {got.errors}")
                refused = run("curl", "-sS", f"{url}/hello.txt")
                same(refused.status, 60, "curl's status without trust")
        same(seen[0], seen[1], "the certificate of a second start")
        mode = os.stat(os.path.join(data, "dipole", "localhost.pem")).st_mode & 0o777
        same(oct(mode), "0o600", "the key's permissions")
    finally:
        del os.environ["XDG_DATA_HOME"]
    return "trusted by two names, kept, refused without"


@check("curl: ALPN chooses HTTP/2 or HTTP/1.1")
def alpn(world):
    cert, key = certificate(world.folder, "alpn")
    with served(world, "--cert", cert, "--key", key) as (url, _, _):
        for option, version in (("--http1.1", b"1.1"), ("--http2", b"2")):
            form = "%{http_version}"
            got = run("curl", "-sS", option, "--cacert", cert, "-o", "/dev/null", "-w", form, url)
            same((got.status, got.output), (0, version), f"curl {option}: {got.errors}")
    return "1.1 and 2"


@check("curl: plain HTTP on the TLS port is answered with 400")
def plain_http(world):
    cert, key = certificate(world.folder, "plain")
    with served(world, "--cert", cert, "--key", key) as (url, _, _):
        got = run("curl", "-sS", "-w", "%{http_code}", url.replace("https:", "http:"))
        same(got.status, 0, f"curl's status: {got.errors}")
        holds(got.output.endswith(b"400") and b"HTTPS" in got.output, f"got {got.output!r}")
    return "400, which says why"


@check("openssl: SIGHUP reads the certificate again, and connections go on")
def reload(world):
    cert, key = certificate(world.folder, "reloaded")
    with served(world, "--cert", cert, "--key", key) as (url, server, log):
        context = ssl.create_default_context(cafile=cert)
        plain = socket.create_connection(("127.0.0.1", port_of(url)))
        with context.wrap_socket(plain, server_hostname="localhost") as kept:
            shown = kept.getpeercert(binary_form=True)
            certificate(world.folder, "reloaded")
            server.send_signal(signal.SIGHUP)
            deadline = time.monotonic() + 10
            while "read again" not in open(log).read():
                holds(time.monotonic() < deadline, "SIGHUP is not heeded")
                time.sleep(0.02)
            now = ssl.get_server_certificate(("127.0.0.1", port_of(url)))
            holds(ssl.PEM_cert_to_DER_cert(now) != shown, "the old certificate is still shown")
            kept.sendall(REQUEST)
            answer = b""
            while piece := kept.recv(4096):
                answer += piece
            holds(answer.endswith(b"Hello, World!"), f"the kept connection gave {answer!r}")
        with open(key, "w") as broken:
            broken.write("no key")
        server.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + 10
        while "stays as it was" not in open(log).read():
            holds(time.monotonic() < deadline, "a broken key is not reported")
            time.sleep(0.02)
        same(ssl.get_server_certificate(("127.0.0.1", port_of(url))), now, "the certificate")
    return "a new one, the old connection served; a broken one leaves it"


@check("openssl: a certificate or key that does not do is said at once")
def mistakes(world):
    cert, key = certificate(world.folder, "one")
    _, other = certificate(world.folder, "other")
    for options, status, words in (
        (["--cert", cert, "--key", other], 1, "does not belong to the certificate"),
        (["--cert", f"{cert}.none", "--key", key], 1, "cannot read"),
        (["--cert", key, "--key", key], 1, "no certificate"),
        (["--cert", cert, "--key", cert], 1, "no private key"),
        (["--cert", cert], 2, "--key"),
        (["--tls", "self-signed", "--cert", cert, "--key", key], 2, "cannot be used with"),
    ):
        got = run(world.dipole, "serve", world.site.folder, "--listen", "127.0.0.1:0", *options)
        same(got.status, status, f"exit status with {options}: {got.errors}")
        holds(words in got.errors, f"{options}: {got.errors}")
        holds(status == 2 or got.errors.count("\n") == 1, f"more than one line: {got.errors}")
    return "exit status 1 or 2, one line"


@check("openssl s_client: garbage and a silent client delay nobody")
def rude_clients(world):
    cert, key = certificate(world.folder, "rude")
    with served(world, "--cert", cert, "--key", key) as (url, _, _):
        silent = [socket.create_connection(("127.0.0.1", port_of(url))) for _ in range(50)]
        for number, client in enumerate(silent):
            if number % 2:
                client.sendall(os.urandom(number))
        started = time.monotonic()
        s_client(port_of(url), cert)
        seconds = time.monotonic() - started
        for client in silent:
            client.close()
        holds(seconds < 5, f"a request took {seconds:.1f} s")
    return f"{seconds:.2f} s beside 50 of them"

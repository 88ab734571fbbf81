"""`dipole get` against Apache (HTTP/2, compression, passwords) and aiohttp (redirects, cookies)."""

import contextlib
import sys

from harness import check, holds, run, same
from with_proxies import started
from with_secured_upstreams import certificates, free_ports
from with_upstreams import get, head_and_body

APACHE = """
ServerRoot {folder}
ServerName localhost
PidFile {folder}/apache.pid
ErrorLog {folder}/apache.log
Mutex file:{folder}
User nobody
Group nogroup
{modules}
Protocols h2 h2c http/1.1
Listen 127.0.0.1:{plain}
Listen 127.0.0.1:{secured}
DocumentRoot {site}
TypesConfig /dev/null
AddType text/plain .txt
KeepAlive On
<Directory "{site}">
    Require all granted
</Directory>
<Location "/zipped">
    SetOutputFilter DEFLATE
</Location>
<Location "/brotli">
    SetOutputFilter BROTLI_COMPRESS
</Location>
<Location "/secret">
    AuthType Basic
    AuthName "secret"
    AuthUserFile {folder}/users
    Require valid-user
</Location>
Alias "/zipped" "{site}"
Alias "/brotli" "{site}"
Alias "/secret" "{site}"
Redirect 301 "/moved" "/hello.txt"
Redirect 302 "/away" "http://127.0.0.1:{plain}/hello.txt"
<VirtualHost 127.0.0.1:{secured}>
    SSLEngine on
    SSLCertificateFile {folder}/tls/chain.pem
    SSLCertificateKeyFile {folder}/tls/key.pem
</VirtualHost>
"""

MODULES = [
    "mpm_event", "authz_core", "authz_user", "authn_core", "authn_file", "auth_basic", "filter",
    "deflate", "brotli", "ssl", "http2", "alias", "mime",
]

AIOHTTP = """
import asyncio, sys
from aiohttp import web

failures = {}

async def busy(request):
    name = request.match_info["name"]
    failures[name] = failures.get(name, 0) + 1
    if failures[name] < 3:
        return web.Response(status=503, headers={"retry-after": "0"}, text="busy")
    return web.Response(text=f"after {failures[name]}")

async def login(request):
    response = web.Response(status=303, headers={"location": "/home"})
    response.set_cookie("session", "12345", httponly=True)
    return response

async def home(request):
    return web.Response(text=f"{request.method} {request.cookies.get('session')}")

async def again(request):
    raise web.HTTPTemporaryRedirect("/echo")

async def echo(request):
    return web.Response(body=await request.read(), headers={"x-method": request.method})

async def around(request):
    raise web.HTTPFound(f"/around/{int(request.match_info['n']) + 1}")

async def stream(request):
    response = web.StreamResponse()
    response.enable_compression()
    await response.prepare(request)
    for n in range(100):
        await response.write(b"%d\\n" % n)
        await asyncio.sleep(0.001)
    await response.write_eof()
    return response

app = web.Application(client_max_size=64 << 20)
app.router.add_route("*", "/busy/{name}", busy)
app.router.add_post("/login", login)
app.router.add_route("*", "/home", home)
app.router.add_post("/again", again)
app.router.add_route("*", "/echo", echo)
app.router.add_get("/around/{n}", around)
app.router.add_get("/stream", stream)

async def main():
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", int(sys.argv[1]))
    await site.start()
    await asyncio.Event().wait()

asyncio.run(main())
"""


@contextlib.contextmanager
def apache(world):
    """Apache with HTTP/2 and TLS. Gives its two URLs."""
    certificates(world.folder)
    plain, secured = free_ports(2)
    place = "/usr/lib/apache2/modules"
    modules = "\n".join(f"LoadModule {name}_module {place}/mod_{name}.so" for name in MODULES)
    digest = run("openssl", "passwd", "-apr1", "-stdin", input=b"open sesame\n")
    with open(f"{world.folder}/users", "w") as file:
        file.write(f"Aladdin:{digest.output.decode().strip()}\n")
    with open(f"{world.folder}/apache.conf", "w") as file:
        file.write(
            APACHE.format(
                folder=world.folder, site=world.site.folder, modules=modules, plain=plain,
                secured=secured,
            )
        )
    command = ["apache2", "-f", f"{world.folder}/apache.conf", "-D", "FOREGROUND"]
    with started(command, plain):
        yield f"http://127.0.0.1:{plain}", f"https://localhost:{secured}"


@contextlib.contextmanager
def aiohttp(world):
    """aiohttp's server. Gives its URL."""
    [port] = free_ports(1)
    script = f"{world.folder}/with_aiohttp_server.py"
    with open(script, "w") as file:
        file.write(AIOHTTP)
    with started([sys.executable, script, str(port)], port):
        yield f"http://127.0.0.1:{port}"


@check("get from Apache: HTTP/1.1 and HTTP/2, redirects, passwords, compressed")
def from_apache(world):
    with apache(world) as (plain, secured):
        trust = ["--cacert", f"{world.folder}/tls/ca.pem"]
        for url, options in ((plain, []), (plain, ["--http2"]), (secured, trust)):
            holds(get(world, *options, f"{url}/1m").output == world.site.data, f"1 MiB of {url}")
            same(get(world, "-L", *options, f"{url}/moved").output, b"Hello, World!", "moved")
            who = ["-u", "Aladdin:open sesame"]
            secret = get(world, *who, *options, f"{url}/secret/hello.txt")
            same(secret.output, b"Hello, World!", "secret")
            same(get(world, "-L", *options, f"{url}/away").output, b"Hello, World!", "away")
            for place, encoding in (("zipped", "gzip"), ("brotli", "br")):
                result = get(world, "--compressed", "-i", *options, f"{url}/{place}/long.txt")
                holds(result.output.endswith(world.site.text), f"{place} of {url} is another")
                asked = ["-H", f"accept-encoding: {encoding}", "-i", *options]
                _, headers, _ = head_and_body(get(world, *asked, f"{url}/{place}/long.txt"))
                holds("content-encoding" in headers, f"{place} came as it is: {headers}")
        get(world, "--fail", f"{plain}/secret/hello.txt", status=1)
        get(world, "--fail", "-u", "Aladdin:closed", f"{plain}/secret/hello.txt", status=1)
        version = get(world, "-v", *trust, f"{secured}/hello.txt").errors
        holds("HTTP/2" in version, f"no HTTP/2 in {version}")
    return "3 ways, each with 5 things"


@check("get from aiohttp: retries, cookies over a redirect, a body sent again, a stream")
def from_aiohttp(world):
    with aiohttp(world) as url:
        same(get(world, "--retry", "3", f"{url}/busy/a").output, b"after 3", "the third try")
        status, _, body = head_and_body(get(world, "-i", "--retry", "1", f"{url}/busy/b"))
        same((status, body), (503, b"busy"), "the last try")
        status, _, _ = head_and_body(get(world, "-i", "--retry", "3", "-d", "x", f"{url}/busy/c"))
        same(status, 503, "a POST is not sent again")
        home = get(world, "-L", "-d", "user=me", f"{url}/login")
        same(home.output, b"GET 12345", "after the login")
        data = "hello " * 1000
        same(get(world, "-L", "-d", data, f"{url}/again").output, data.encode(), "sent again")
        tried = get(world, "-L", "--max-redirs", "3", f"{url}/around/0", status=1)
        holds("redirect" in tried.errors, f"no word of it in {tried.errors!r}")
        lines = b"".join(b"%d\n" % n for n in range(100))
        same(get(world, "--compressed", f"{url}/stream").output, lines, "a compressed stream")
    return "as curl would"

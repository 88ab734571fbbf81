"""Chromium against `dipole serve --http3`, driven by playwright-core."""

import os
import shutil

from harness import check, holds, run, same
from with_chromium import HERE, hash_of_key
from website import website
from with_http3 import each_library, served
from with_tls import port_of

PICTURES = 50
LARGE = 8 << 20

PICTURE = '<svg xmlns="http://www.w3.org/2000/svg" width="24" height="24"><!-- {} --></svg>'
PAGE = """<!doctype html>
<title>A page</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="style.css">
<script src="script.js"></script>
<body>
{}
"""


def write_page(site):
    """A folder with a page, its style, its script, its pictures and a large file."""
    pictures = "\n".join(f'<img src="{number}.svg">' for number in range(PICTURES))
    site.write("browser/index.html", PAGE.format(pictures).encode())
    site.write("browser/style.css", b"body { color: rgb(1, 2, 3) }")
    site.write("browser/script.js", b"window.ran = true;")
    for number in range(PICTURES):
        site.write(f"browser/{number}.svg", PICTURE.format(number).encode())
    site.write("browser/large", site.random.randbytes(LARGE))


@check("Chromium: a page of 52 resources, 8 MiB, a body that nobody reads, over HTTP/3", limit=180)
@each_library
def browser(world, library):
    script = os.path.join(HERE, "with_chromium_http3.mjs")
    chromium = shutil.which("chromium")
    holds(chromium, "chromium is not installed")
    write_page(world.site)
    with served(world, library) as (port, cert, _):
        about = [str(port), "/browser/", str(PICTURES + 2), str(LARGE), hash_of_key(cert)]
        result = run("node", script, world.npm, chromium, *about, limit=80)
    same(result.status, 0, f"exit status ({result.errors.strip()[-3000:]})")
    return result.output.decode().strip()


@check("Chromium: a WebSocket over HTTP/3 (RFC 9220)", limit=120)
def web_socket(world):
    script = os.path.join(HERE, "with_chromium_http3_socket.mjs")
    chromium = shutil.which("chromium")
    holds(chromium, "chromium is not installed")
    with website(world) as (_, _, streams, cert):
        about = [str(port_of(streams)), hash_of_key(cert)]
        result = run("node", script, world.npm, chromium, *about, limit=80)
    same(result.status, 0, f"exit status ({result.errors.strip()[-3000:]})")
    return result.output.decode().strip()

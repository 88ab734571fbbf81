"""Chromium against the example `website`, driven by playwright-core."""

import base64
import hashlib
import os
import shutil

from harness import check, holds, run, same
from website import website

HERE = os.path.dirname(os.path.abspath(__file__))


def hash_of_key(cert):
    """What Chromium calls a certificate's key by: its public key's SHA-256."""
    text = run("openssl", "x509", "-in", cert, "-noout", "-pubkey").output
    key = run("openssl", "pkey", "-pubin", "-outform", "DER", input=text).output
    holds(key, f"openssl finds no key in {cert}")
    return base64.b64encode(hashlib.sha256(key).digest()).decode()


@check("Chromium: a page of 50 resources over HTTP/2, a download, a WebSocket over TLS", limit=180)
def browser(world):
    script = os.path.join(HERE, "with_chromium.mjs")
    chromium = shutil.which("chromium")
    holds(chromium, "chromium is not installed")
    with website(world) as (plain, secured, _, cert):
        arguments = [world.npm, chromium, plain, secured, hash_of_key(cert)]
        result = run("node", script, *arguments, limit=150)
    same(result.status, 0, f"exit status ({result.errors.strip()[-3000:]})")
    return result.output.decode().strip()

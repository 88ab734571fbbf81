// Chromium on a folder that is served over HTTP/3: a page and its resources, a large file, a body
// that nobody reads.
//
//     node with_chromium_http3.mjs PLAYWRIGHT_FOLDER CHROMIUM PORT PATH RESOURCES LENGTH HASH_OF_THE_PUBLIC_KEY
//
// PATH is the page's, RESOURCES how many it has, LENGTH how long the file `large` beside it is.
// Ends with status 0 and a line of what was seen, or says what is wrong.

import assert from "node:assert/strict";
import { createRequire } from "node:module";

const [folder, executablePath, port, path, resources, length, hash] = process.argv.slice(2);
const { chromium } = createRequire(`${folder}/`)("playwright-core");

const LIMIT = 30_000; // milliseconds

const options = [
    // The one certificate, for this process alone.
    `--ignore-certificate-errors-spki-list=${hash}`,
    // QUIC from the first request on; Chromium follows Alt-Svc only to a certificate that it knows
    // an authority of.
    `--origin-to-force-quic-on=localhost:${port}`,
    // Nothing but this machine, and there IPv4: the server listens on nothing else.
    "--host-resolver-rules=MAP localhost 127.0.0.1, MAP * ~NOTFOUND",
];
const browser = await chromium.launch({ executablePath, args: options, timeout: LIMIT });
try {
    const page = await browser.newPage();
    page.setDefaultTimeout(LIMIT);
    const troubles = [];
    page.on("requestfailed", (request) => troubles.push(`${request.url()}: ${request.failure().errorText}`));
    page.on("pageerror", (error) => troubles.push(`${error}`));

    await page.goto(`https://localhost:${port}${path}`, { waitUntil: "load" });
    const seen = await page.evaluate(() => ({
        ran: window.ran,
        color: getComputedStyle(document.body).color,
        widths: [...document.images].map((image) => image.naturalWidth),
    }));
    const pictures = resources - 2;
    assert.equal(seen.ran, true, "the page's script");
    assert.equal(seen.color, "rgb(1, 2, 3)", "the page's style");
    assert.deepEqual(seen.widths, Array(pictures).fill(24), "the pictures' widths");

    const bytes = await page.evaluate(async () => {
        const answer = await fetch("large");
        return (await answer.arrayBuffer()).byteLength;
    });
    assert.equal(bytes, Number(length), "the large file's length");
    // The server answers at once and takes no body.
    const status = await page.evaluate(async () => {
        const answer = await fetch("large", { method: "POST", body: new Uint8Array(3_000_000) });
        await answer.arrayBuffer();
        return answer.status;
    });
    assert.equal(status, 405, "the status for a body that nobody reads");

    const protocols = await page.evaluate(() => ({
        page: performance.getEntriesByType("navigation").map((entry) => entry.nextHopProtocol),
        resources: performance
            .getEntriesByType("resource")
            .filter((entry) => entry.initiatorType !== "fetch")
            .map((entry) => entry.nextHopProtocol),
        fetched: performance
            .getEntriesByType("resource")
            .filter((entry) => entry.initiatorType === "fetch")
            .map((entry) => entry.nextHopProtocol),
    }));
    assert.deepEqual(protocols.page, ["h3"]);
    assert.deepEqual(protocols.resources, Array(Number(resources)).fill("h3"));
    assert.deepEqual(protocols.fetched, ["h3", "h3"]);
    assert.deepEqual(troubles, []);
    console.log(`Chromium ${browser.version()}: over h3 a page, ${resources} resources, ${bytes} bytes, a 405`);
} finally {
    await browser.close();
}

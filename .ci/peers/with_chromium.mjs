// Chromium on the example `website`: the page and its resources, a download, a WebSocket.
//
//     node with_chromium.mjs PLAYWRIGHT_FOLDER CHROMIUM PLAIN_URL SECURED_URL HASH_OF_THE_PUBLIC_KEY
//
// Ends with status 0 and a line of what was seen, or says what is wrong.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";

const [folder, executablePath, plain, secured, hash] = process.argv.slice(2);
const { chromium } = createRequire(`${folder}/`)("playwright-core");

const LIMIT = 60_000; // milliseconds
const PICTURES = 50;
const NUMBERS = Array.from({ length: 200_000 }, (_, number) => `${number}\n`).join("");

const options = [
    // The one certificate, for this process alone.
    `--ignore-certificate-errors-spki-list=${hash}`,
    // Nothing but this machine.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
];
const browser = await chromium.launch({ executablePath, args: options, timeout: LIMIT });
try {
    // A WebSocket's handshake is answered by 200 on HTTP/2 (RFC 8441), by 101 on HTTP/1.1.
    const saw = [await everything(secured, "h2", 200), await everything(plain, "http/1.1", 101)];
    console.log(`Chromium ${browser.version()}: ${saw.join("; ")}`);
} finally {
    await browser.close();
}

async function everything(url, protocol, status) {
    const page = await browser.newPage();
    page.setDefaultTimeout(LIMIT);
    const troubles = [];
    page.on("requestfailed", (request) => isDownload(request) || troubles.push(`${request.url()} failed`));
    page.on("response", (response) => response.ok() || troubles.push(`${response.url()}: ${response.status()}`));
    page.on("pageerror", (error) => troubles.push(`${error}`));
    const handshakes = await handshakesOf(page);

    const pictures = await visit(page, url, protocol);
    const bytes = await download(page);
    const messages = await echo(page);
    assert.deepEqual(troubles, []);
    assert.deepEqual(handshakes, [status, status]);
    await page.close();
    return `over ${protocol} a page and ${pictures} pictures, ${bytes} bytes downloaded, ${messages} messages echoed`;
}

// The statuses by which the page's WebSockets have been opened, so far.
async function handshakesOf(page) {
    const statuses = [];
    const devTools = await page.context().newCDPSession(page);
    devTools.on("Network.webSocketHandshakeResponseReceived", ({ response }) => statuses.push(response.status));
    await devTools.send("Network.enable");
    return statuses;
}

// Chromium gives up a navigation that turns out to be a download, and goes on with the download.
function isDownload(request) {
    return request.isNavigationRequest() && request.failure().errorText === "net::ERR_ABORTED";
}

// The page, and each of its pictures, came by the protocol and can be seen.
async function visit(page, url, protocol) {
    await page.goto(url, { waitUntil: "load" });
    const seen = await page.evaluate(() => ({
        isSecure: isSecureContext,
        page: performance.getEntriesByType("navigation").map((entry) => entry.nextHopProtocol),
        pictures: performance
            .getEntriesByType("resource")
            .filter((entry) => entry.initiatorType === "img")
            .map((entry) => entry.nextHopProtocol),
        widths: [...document.images].map((image) => image.naturalWidth),
    }));
    assert.equal(seen.isSecure, true);
    assert.deepEqual(seen.page, [protocol]);
    assert.deepEqual(seen.pictures, Array(PICTURES).fill(protocol));
    assert.deepEqual(seen.widths, Array(PICTURES).fill(24));
    return seen.pictures.length;
}

// The link's file is on the disk, whole.
async function download(page) {
    const [started] = await Promise.all([
        page.waitForEvent("download"),
        page.getByRole("link", { name: "A download" }).click(),
    ]);
    assert.equal(started.suggestedFilename(), "numbers.csv");
    const digest = (data) => createHash("sha256").update(data).digest("hex");
    const file = await readFile(await started.path());
    assert.equal(digest(file), digest(NUMBERS));
    return file.length;
}

// What the page's own form sends comes back, and so do texts and bytes of all sizes.
async function echo(page) {
    await page.getByPlaceholder("Say something").fill("hello from a form");
    await page.getByRole("button", { name: "Echo" }).click();
    await page.getByText("hello from a form\n").waitFor();
    const result = await page.evaluate(async () => {
        const socket = new WebSocket(location.href.replace("http", "ws") + "echo");
        socket.binaryType = "arraybuffer";
        const next = (kind) =>
            new Promise((resolve, reject) => {
                socket.addEventListener(kind, resolve, { once: true });
                socket.addEventListener("error", () => reject(new Error("the socket failed")), { once: true });
            });
        await next("open");
        const texts = ["", "ünïcödé 🦀", "x".repeat(100_000)];
        const blocks = [0, 1, 125, 126, 65_536, 1 << 20].map((length) =>
            Uint8Array.from({ length }, (_, index) => index % 251),
        );
        let same = 0;
        for (const sent of [...texts, ...blocks]) {
            const answer = next("message");
            socket.send(sent);
            const { data } = await answer;
            if (typeof sent === "string" ? data === sent : isSame(new Uint8Array(data), sent)) same++;
        }
        const closed = next("close");
        socket.close(1000, "done");
        const { code, wasClean } = await closed;
        return { same, of: texts.length + blocks.length, code, wasClean };

        function isSame(left, right) {
            return left.length === right.length && left.every((byte, index) => byte === right[index]);
        }
    });
    assert.deepEqual(result, { same: result.of, of: result.of, code: 1000, wasClean: true });
    return result.of + 1;
}

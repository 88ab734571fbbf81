// Chromium on the example `website` over HTTP/3: its page, and a WebSocket by extended CONNECT.
//
//     node with_chromium_http3_socket.mjs PLAYWRIGHT_FOLDER CHROMIUM PORT HASH_OF_THE_PUBLIC_KEY
//
// PORT is that of UDP; nobody listens on it by TCP, so what works has gone over HTTP/3. Ends with
// status 0 and a line of what was seen, or says what is wrong.

import assert from "node:assert/strict";
import { createRequire } from "node:module";

const [folder, executablePath, port, hash] = process.argv.slice(2);
const { chromium } = createRequire(`${folder}/`)("playwright-core");

const LIMIT = 30_000; // milliseconds

const options = [
    // The one certificate, for this process alone.
    `--ignore-certificate-errors-spki-list=${hash}`,
    `--origin-to-force-quic-on=localhost:${port}`,
    // Without it Chromium opens WebSockets over TCP, whatever a server says over HTTP/3.
    "--enable-features=EnableWebsocketsOverHttp3",
    // Nothing but this machine, and there IPv4: the server listens on nothing else.
    "--host-resolver-rules=MAP localhost 127.0.0.1, MAP * ~NOTFOUND",
];
const browser = await chromium.launch({ executablePath, args: options, timeout: LIMIT });
try {
    const page = await browser.newPage();
    page.setDefaultTimeout(LIMIT);
    const statuses = [];
    const devTools = await page.context().newCDPSession(page);
    devTools.on("Network.webSocketHandshakeResponseReceived", ({ response }) => statuses.push(response.status));
    await devTools.send("Network.enable");
    await page.goto(`https://localhost:${port}/`, { waitUntil: "load" });
    const protocol = await page.evaluate(() => performance.getEntriesByType("navigation")[0].nextHopProtocol);
    assert.equal(protocol, "h3");
    const result = await page.evaluate(async () => {
        const socket = new WebSocket(location.href.replace("https", "wss") + "echo");
        const next = (kind) =>
            new Promise((resolve, reject) => {
                socket.addEventListener(kind, resolve, { once: true });
                socket.addEventListener("error", () => reject(new Error("the socket failed")), { once: true });
            });
        await next("open");
        let same = 0;
        const texts = ["", "ünïcödé 🦀", "x".repeat(100_000), "y".repeat(1 << 20)];
        for (const sent of texts) {
            const answer = next("message");
            socket.send(sent);
            if ((await answer).data === sent) same++;
        }
        const closed = next("close");
        socket.close(1000, "done");
        const { code, wasClean } = await closed;
        return { same, of: texts.length, code, wasClean };
    });
    assert.deepEqual(result, { same: result.of, of: result.of, code: 1000, wasClean: true });
    // The page has one of its own. On HTTP/1.1 it would be 101.
    assert.deepEqual(statuses, [200, 200], "the statuses by which the WebSockets were opened");
    console.log(`Chromium ${browser.version()}: over h3 a page and ${result.of} messages echoed`);
} finally {
    await browser.close();
}

// undici with pipelining. Arguments: the folder of undici, the URL of `dipole serve`, the URL of
// the bench server. Prints one line; any other end is a failure.

import assert from "node:assert/strict";
import { createRequire } from "node:module";

const [folder, serve, bench] = process.argv.slice(2);
const { Client, request } = createRequire(`${folder}/`)("undici");

// Without this undici waits for each GET's answer before it sends the next request.
const blocking = false;

async function pipelined(origin, paths, check) {
  const client = new Client(origin, { pipelining: 10 });
  let connections = 0;
  client.on("connect", () => (connections += 1));
  const order = [];
  let mostAtOnce = 0;
  await Promise.all(
    paths.map(async (path, number) => {
      const { statusCode, body } = await client.request({ method: "GET", path, blocking });
      mostAtOnce = Math.max(mostAtOnce, client.stats.running);
      assert.equal(statusCode, 200);
      check(number, await body.text());
      order.push(number);
    }),
  );
  await client.close();
  assert.deepEqual(order, [...paths.keys()], "the answers are not in the order of the requests");
  assert.equal(connections, 1, "connections");
  return mostAtOnce;
}

function numbered(number) {
  return `number ${number}\n`.repeat(1 + ((number * number) % 50));
}

const files = Array.from({ length: 500 }, (_, number) => number % 100);
const atOnce = await pipelined(
  serve,
  files.map((number) => `/n/${number}.txt`),
  (index, text) => assert.equal(text, numbered(files[index])),
);
assert.ok(atOnce > 5, `no more than ${atOnce} requests were on their way at once`);

await pipelined(bench, Array(1000).fill("/"), (_, text) => assert.equal(text, "Hello, World!"));

// HEAD between GETs, on one connection.
const mixed = new Client(serve, { pipelining: 10 });
const answers = await Promise.all(
  ["GET", "HEAD", "GET", "HEAD", "GET"].map(async (method) => {
    const { headers, body } = await mixed.request({ method, path: "/hello.txt", blocking });
    return [headers["content-length"], await body.text()];
  }),
);
const [whole, none] = [["13", "Hello, World!"], ["13", ""]];
assert.deepEqual(answers, [whole, none, whole, none, whole]);
await mixed.close();

// A body that streams in, and out again.
const sent = Buffer.alloc(2_000_000, "0123456789");
async function* pieces() {
  for (let at = 0; at < sent.length; at += 70_000) yield sent.subarray(at, at + 70_000);
}
const echo = await request(`${bench}/echo`, { method: "POST", body: pieces() });
assert.ok(Buffer.from(await echo.body.arrayBuffer()).equals(sent), "the echo is another");

console.log(`1500 pipelined in order, up to ${atOnce} at once; HEAD among them; 2 MB echoed`);
process.exit(0);

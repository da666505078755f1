// The dashboard without a browser: what it knows, what it says, and what it plans.

import assert from "node:assert/strict";
import { test } from "node:test";

import { PAUSE_MS, SILENT_MS, Stream, parser } from "../../gcounterd/page/dashboard-events.js";
import { Load, TICK_MS, describe, size, zipf } from "../../gcounterd/page/dashboard-load.js";
import * as view from "../../gcounterd/page/dashboard-view.js";
import * as words from "../../gcounterd/page/dashboard-words.js";
import { World } from "./world.mjs";

const settle = () => new Promise(setImmediate);

const pulse = (total, sums, at = 0) => ({ at, total: String(total), sums, behind: {}, former: [] });

function counted(...totals) {
  const known = view.fresh();
  totals.forEach((total, second) => {
    view.take(known, "pulse", pulse(total, { a: String(total) }), 0);
    view.sample(known, second * 1000);
  });
  return known;
}

test("rates are what was counted over the last seconds, and fall to nothing", () => {
  const known = counted(0, 10, 20, 30, 40, 50, 60);
  assert.equal(view.rate(known), 10);
  assert.equal(view.rate(known, "a"), 10);
  assert.equal(view.rate(known, "nobody"), 0);
  assert.deepEqual(view.rates(known), [10, 10, 10, 10, 10, 10]);
  for (let second = 7; second < 13; second += 1) view.sample(known, second * 1000);
  assert.equal(view.rate(known), 0);
  assert.equal(view.rate(counted(5)), null);
});

test("a rate is exact however large the numbers are, and never below nothing", () => {
  const large = 2n ** 80n;
  assert.equal(view.rate(counted(large, large + 7n)), 7);
  assert.equal(view.rate(counted(10, 3)), 0);
  assert.equal(words.whole(2n ** 60n), "1,152,921,504,606,846,976");
});

test("samples are bounded", () => {
  const known = counted(...Array(200).keys());
  assert.equal(known.samples.length, view.SAMPLES_MAX);
  assert.equal(view.spark(view.rates(known), 240, 32).points.split(" ").length, view.SAMPLES_MAX - 1);
});

const told = (counters, nodes = { a: "n1", b: "n2" }) => ({ cluster: "demo", nodes, counters });

test("counters are shown largest first, by node, exact", () => {
  const known = view.fresh();
  known.cluster = { nodes: [{ id: "b" }, { id: "a" }] };
  view.take(known, "state", told({ x: { a: "3" }, y: { a: "1", b: String(2n ** 60n) } }), 0);
  view.take(known, "change", { counters: { x: { b: "4" } } }, 0);
  const { columns, rows } = view.matrix(known);
  assert.deepEqual(columns, ["n1", "n2"]);
  assert.deepEqual(rows, [["y", 2n ** 60n + 1n, [1n, 2n ** 60n]], ["x", 7n, [3n, 4n]]]);
});

test("another state has other counters, and a count never falls in a change", () => {
  const known = view.fresh();
  view.take(known, "state", told({ x: { a: "5" } }), 0);
  view.take(known, "change", { counters: { x: { a: "4" } } }, 0);
  assert.equal(view.matrix(known).rows[0][1], 5n);
  view.take(known, "state", told({ z: { a: "1" } }), 0);
  assert.deepEqual(view.matrix(known).rows.map(([key]) => key), ["z"]);
});

test("nodes that are too many for columns are one, and members come first", () => {
  const known = view.fresh();
  const counts = Object.fromEntries(Array.from({ length: 12 }, (_, n) => [`id${n}`, String(n + 1)]));
  known.cluster = { nodes: [{ id: "id11" }] };
  view.take(known, "state", told({ x: counts }, {}), 0);
  const { columns, rows } = view.matrix(known);
  assert.equal(columns.length, view.COLUMNS_MAX);
  assert.equal(columns[0], "id11");
  assert.equal(columns.at(-1), "others");
  assert.equal(rows[0][2].reduce((a, b) => a + b), rows[0][1]);
});

test("a key that is a name of the language is a key", () => {
  const known = view.fresh();
  const state = JSON.parse('{"cluster":"c","nodes":{},"counters":{"__proto__":{"a":"2"}}}');
  view.take(known, "state", state, 0);
  assert.equal(view.matrix(known).rows[0][1], 2n);
});

test("events are told once, newest first, and another life begins anew", () => {
  const known = view.fresh();
  const events = (life, ...numbers) => ({ life, events: numbers.map((number) => ({ number })) });
  view.take(known, "events", events("one", 1, 2), 0);
  view.take(known, "events", events("one", 1, 2, 3), 0);
  assert.deepEqual(known.events.map(({ number }) => number), [3, 2, 1]);
  view.take(known, "events", events("two", 1), 0);
  assert.deepEqual(known.events.map(({ number }) => number), [1]);
});

test("views can be sent to this node and to others that are known and alive", () => {
  const known = view.fresh();
  assert.deepEqual(view.targets(known), []);
  const node = (id, page, liveness = "alive") => ({ id, name: id, page, liveness });
  known.cluster = { id: "n1", nodes: [node("n3", "http://x:3", "dead"), node("n2", "http://x:2"), node("n1", null), node("n4", null)] };
  assert.deepEqual(view.targets(known), [{ name: "n1", url: "" }, { name: "n2", url: "http://x:2" }]);
  assert.deepEqual(view.targets(known, "token"), [{ name: "n1", url: "" }]);
});

test("durations, rates and nodes are said as people say them", () => {
  assert.deepEqual([0.04, 9.94, 12.4, 180, 7300, 2e5].map(words.lasting), ["0.0 s", "9.9 s", "12 s", "3 min", "2 h", "2 d"]);
  assert.deepEqual([0, 0.25, 12.6, 12345].map(words.rate), ["0", "0.3", "13", "12,345"]);
  assert.equal(words.liveness({ dead: 1, alive: 2, left: 0 }), "2 alive, 1 dead");
  assert.equal(words.since(null, 5), "");
});

test("an event that this page has never heard of is said by its name", () => {
  const time = "2026-01-01T12:34:56.000Z";
  assert.equal(words.event({ event: "moon_landed", time, member: "n2" }, "n1").what, "moon landed");
  const lost = words.event({ event: "suspect", time, member: "n2", why: "silent", by: "n3" }, "n1");
  assert.deepEqual(lost, { time: "12:34:56", who: "n2", what: "does not answer (silent, says n3)", bad: true });
});

test("a removal is said by phases, with who is waited for", () => {
  const removal = { phase: "saving", live: true, waiting_for: [{ node: "n3", since_at: 0, why: "asked" }] };
  assert.deepEqual(words.phases(removal).map(({ state }) => state), ["done", "now", "next", "next"]);
  assert.deepEqual(words.phases({ ...removal, live: false }).map(({ state }) => state), ["now", "next", "next"]);
  assert.ok(words.phases({ phase: "done", live: true }).every(({ state }) => state === "done"));
  assert.equal(words.waiting(removal, 2000), "waits for n3 for 2.0 s (asked)");
  const plan = { targets: [{ id: "x", node: "n2", roster: "active", liveness: "alive" }], into: { node: "n1" }, alive: 3, of: 3, warnings: ["it is late"] };
  const lines = words.plan(plan, "x");
  assert.match(lines[0], /n2 \(alive\) is removed for good.*ends with it/);
  assert.deepEqual(lines.slice(1), ["What it counted stays, and is shown as counted by n1.", "3 of 3 members that decide on it are alive.", "Mind: it is late."]);
});

test("what came of a removal is said, and of one under way what will", () => {
  const done = { phase: "done", into: "n1", saved_from: ["n1", "n2"], not_asked: ["n4"], late: 1234, refused: 2, forced: true };
  assert.equal(
    words.outcome(done),
    "shown as counted by n1; saved from n1, n2; could not be asked: n4; 1,234 late views taken in since; " +
      "2 versions came too late to be counted; removed without a majority",
  );
  assert.equal(words.outcome({ phase: "saving", into: "n1" }), "to be shown as counted by n1");
  assert.equal(words.outcome({ phase: "saving", into: null }), "");
});

test("events are read from whatever pieces they come in", () => {
  const text = 'retry: 2000\n\nid: 7\nevent: state\ndata: {"a":1}\n\nevent: beat\ndata: {}\n\n';
  for (let size = 1; size < text.length; size += 1) {
    const heard = [];
    const feed = parser((...event) => heard.push(event));
    for (let at = 0; at < text.length; at += size) feed(text.slice(at, at + size));
    assert.deepEqual(heard, [["state", '{"a":1}', "7"], ["beat", "{}", null]]);
  }
});

/** A server by hand: each request waits for `answer`. */
function server() {
  const world = new World();
  const asked = [];
  world.fetch = (url, { headers, signal }) =>
    new Promise((resolve, reject) => {
      signal.addEventListener("abort", () => reject(new Error("aborted")));
      asked.push({ url, headers, resolve, reject, signal });
    });
  const heard = [];
  const states = [];
  const stream = new Stream("u", world, (kind, data) => heard.push([kind, data]), (state, why) => states.push(state + why));
  const answer = (status) => {
    let send;
    let end;
    const body = new ReadableStream({
      start(controller) {
        send = (text) => controller.enqueue(new TextEncoder().encode(text));
        end = () => controller.close();
      },
    });
    const json = async () => ({ error: { message: "no token" } });
    asked.at(-1).resolve({ ok: status === 200, status, body, json });
    return { send: (text) => send(text), end: () => end() };
  };
  return { world, asked, heard, states, stream, answer };
}

test("a stream that ends is opened again, with what was seen last", async () => {
  const { world, asked, heard, states, stream, answer } = server();
  stream.start();
  const first = answer(200);
  await settle();
  first.send('id: 5\nevent: state\ndata: {"x":1}\n\nevent: leave\ndata: {"reasons":["stopping"]}\n\n');
  first.end();
  for (let turn = 0; turn < 5; turn += 1) await settle();
  assert.deepEqual(heard, [["state", { x: 1 }]]);
  assert.deepEqual(states, ["live", "loststopping"]);
  world.pass(PAUSE_MS);
  assert.equal(asked.length, 2);
  assert.equal(asked[1].headers["Last-Event-ID"], "5");
  stream.stop();
});

test("a server that says nothing for long is asked again", async () => {
  const { world, asked, states, stream, answer } = server();
  stream.start();
  answer(200);
  await settle();
  world.pass(SILENT_MS + PAUSE_MS);
  assert.equal(asked.length, 2);
  assert.ok(asked[0].signal.aborted);
  assert.deepEqual(states, ["live", "lostit is silent"]);
  stream.stop();
});

test("where a token is wanted it is waited for, and sent", async () => {
  const { world, asked, states, stream, answer } = server();
  stream.start();
  assert.equal(asked[0].headers.Authorization, undefined);
  answer(401);
  await settle();
  await settle();
  world.pass(100_000);
  assert.equal(asked.length, 1);
  assert.deepEqual(states, ["lockedno token"]);
  stream.token = "secret";
  stream.start();
  assert.equal(asked[1].headers.Authorization, "Bearer secret");
  stream.stop();
});

test("chances add up, and skew prefers the first", () => {
  for (const skew of [0, 0.5, 1, 3]) {
    const chances = zipf(100, skew);
    assert.equal(chances.at(-1), 1);
    assert.ok(chances.every((upto, at) => at === 0 || upto >= chances[at - 1]));
  }
  assert.equal(zipf(4, 0)[0], 0.25);
  assert.ok(zipf(4, 2)[0] > 0.6);
});

test("a load plans what was asked for, spread over nodes, and not more after a pause", () => {
  let seed = 1;
  const random = () => (seed = (seed * 16807) % 2147483647) / 2147483647;
  const load = new Load({ rate: 100, keys: 5, skew: 1, seconds: 10 }, random);
  const found = {};
  for (let ms = TICK_MS; ms <= 12_000; ms += TICK_MS) {
    for (const [node, counts] of load.plan(ms, ["n1", "n2"])) found[node] = (found[node] ?? 0) + size(counts);
  }
  assert.equal(found.n1 + found.n2, 1000);
  assert.ok(Math.abs(found.n1 - 500) < 100);
  assert.ok(load.over(10_000) && !load.over(9_999));
  const late = new Load({ rate: 100, keys: 5, skew: 1, seconds: 600 }, random);
  assert.equal([...late.plan(300_000, ["n1"]).values()].reduce((sum, counts) => sum + size(counts), 0), 100);
  assert.equal(late.plan(400_000, []).size, 0);
});

test("a load says what was counted, what was not, and what nobody knows", () => {
  const tally = { sent: 9, counted: 5, refused: 1, unknown: 2, skipped: 1 };
  assert.equal(describe(tally, true), "Done: 5 counted; 1 refused, not counted; 2 unanswered, perhaps counted; 1 not sent, since nodes were busy.");
});

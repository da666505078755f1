// One stream for all tabs, and another leader when the first is closed.

import assert from "node:assert/strict";
import test from "node:test";

import { Bundle, KEYS_MAX, STREAMS_MAX } from "../../gcounterd/page/bundle.js";
import { Replica } from "../../gcounterd/page/replica.js";
import { Tabs } from "../../gcounterd/page/tabs.js";
import { Browser, World } from "./world.mjs";

const NODES = { a: "n1" };
const STATE = { cluster: "local", nodes: NODES, counters: { x: { a: "1" }, y: { a: "5" } } };

/** Open a tab that wants keys; `browser` is null where there are neither locks nor channels. */
function open(browser, keys, id) {
  const world = new World();
  world.id = id;
  const given = browser?.tab();
  if (given) Object.assign(world, { locks: given.locks, BroadcastChannel: given.BroadcastChannel });
  const items = new Map();
  const store = { getItem: (at) => items.get(at) ?? null, setItem: (at, text) => items.set(at, text) };
  const replica = new Replica(store);
  const tab = { world, replica, live: null, left: null, crash: given?.crash };
  tab.tabs = new Tabs("name", world, new Bundle(["http://s"], world), replica, (live, left) => {
    Object.assign(tab, { live, left });
  });
  tab.tabs.start();
  tab.tabs.want(keys);
  return tab;
}

test("one tab reads for all, and asks for what any of them wants", async () => {
  const browser = new Browser();
  const one = open(browser, ["x"], "1");
  await browser.deliver();
  const other = open(browser, ["y"], "2");
  await browser.deliver();
  assert.equal(one.world.source.url, "http://s/v1/stream?key=x&key=y");
  assert.equal(other.world.sources.length, 0);
  one.world.source.say("state", STATE);
  await browser.deliver();
  assert.deepEqual([other.replica.value("x"), other.replica.value("y"), other.live], [1n, 5n, true]);
  one.world.source.say("change", { counters: { y: { a: "6" } } });
  await browser.deliver();
  assert.equal(other.replica.value("y"), 6n);
});

test("a tab that wants nothing new is told at once, and the stream goes on", async () => {
  const browser = new Browser();
  const one = open(browser, ["x", "y"], "1");
  await browser.deliver();
  one.world.source.say("state", STATE);
  await browser.deliver();
  const other = open(browser, ["y"], "2");
  await browser.deliver();
  assert.equal(one.world.sources.length, 1);
  assert.deepEqual([other.replica.value("y"), other.live], [5n, true]);
});

test("when the tab that reads is closed another one does, and nothing falls", async () => {
  const browser = new Browser();
  const one = open(browser, ["x"], "1");
  await browser.deliver();
  const [two, three] = [open(browser, ["y"], "2"), open(browser, ["x", "z"], "3")];
  await browser.deliver();
  one.world.source.say("state", STATE);
  await browser.deliver();
  one.tabs.stop();
  await browser.deliver();
  assert.equal(one.world.source, undefined);
  assert.equal(two.world.source.url, "http://s/v1/stream?key=x&key=y&key=z");
  assert.equal(three.world.sources.length, 0);
  two.world.source.say("state", { ...STATE, counters: { x: {}, y: { a: "2" } } });
  await browser.deliver();
  assert.deepEqual([three.replica.value("x"), two.replica.value("y")], [1n, 5n]);
});

test("what a tab wanted that crashed is read no more", async () => {
  const browser = new Browser();
  const one = open(browser, ["x"], "1");
  await browser.deliver();
  const many = Array.from({ length: 100 }, (_, number) => `k${number}`);
  const crashed = open(browser, many, "2");
  await browser.deliver();
  assert.equal(one.world.source.url.split("key=").length - 1, 101);
  crashed.crash();
  await browser.deliver();
  assert.equal(one.world.source.url, "http://s/v1/stream?key=x");
});

test("when the tab that reads crashes another one does", async () => {
  const browser = new Browser();
  const one = open(browser, ["x"], "1");
  await browser.deliver();
  const other = open(browser, ["y"], "2");
  await browser.deliver();
  one.crash();
  await browser.deliver();
  assert.equal(other.world.source.url, "http://s/v1/stream?key=y");
});

test("a tab that ends without having led takes no stream from the others", async () => {
  const browser = new Browser();
  const [one, other] = [open(browser, ["x"], "1"), open(browser, ["y"], "2")];
  await browser.deliver();
  one.world.source.say("state", STATE);
  await browser.deliver();
  other.tabs.stop();
  await browser.deliver();
  assert.equal(one.live, true);
});

test("tabs that want more than one stream tells have several, and keep what they had", async () => {
  const browser = new Browser();
  const keys = (letter) => Array.from({ length: KEYS_MAX }, (_, number) => `${letter}${number}`);
  const one = open(browser, keys("a"), "1");
  await browser.deliver();
  const first = one.world.source;
  first.say("state", { ...STATE, counters: { a7: { a: "7" } } });
  const other = open(browser, keys("b"), "2");
  await browser.deliver();
  const [, second] = one.world.open;
  assert.equal(one.world.open.length, 2);
  assert.ok(first.open);
  assert.equal(one.live, false); // not all of it
  second.say("state", { ...STATE, counters: { b9: { a: "9" } } });
  await browser.deliver();
  assert.deepEqual([other.replica.value("b9"), one.replica.value("a7")], [9n, 7n]);
  assert.deepEqual([one.live, other.live, other.left], [true, true, []]);
});

test("beyond the streams of a browser some counters are left, until there is room", async () => {
  const browser = new Browser();
  const keys = (letter, count) => Array.from({ length: count }, (_, number) => `${letter}${number}`);
  const one = open(browser, keys("a", KEYS_MAX), "1");
  await browser.deliver();
  const big = open(browser, keys("b", (STREAMS_MAX - 1) * KEYS_MAX), "2");
  await browser.deliver();
  const late = open(browser, ["z"], "3");
  await browser.deliver();
  assert.equal(one.world.open.length, STREAMS_MAX);
  assert.deepEqual([late.left, one.left], [["z"], ["z"]]);
  big.tabs.stop();
  await browser.deliver();
  assert.deepEqual(late.left, []);
  assert.match(one.world.open.at(-1).url, /key=z$/);
});

test("a tab that comes back takes part again", async () => {
  const browser = new Browser();
  const one = open(browser, ["x"], "1");
  await browser.deliver();
  one.tabs.stop();
  await browser.deliver();
  one.tabs.start();
  one.tabs.want(["x"]);
  await browser.deliver();
  assert.ok(one.world.source);
});

test("where there are no locks each tab reads for itself", () => {
  const [one, other] = [open(null, ["x"], "1"), open(null, ["x"], "2")];
  assert.ok(one.world.source);
  assert.ok(other.world.source);
  one.world.source.say("state", STATE);
  assert.deepEqual([one.replica.value("x"), other.replica.value("x")], [1n, null]);
});

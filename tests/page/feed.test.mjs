// One stream from whichever server answers.

import assert from "node:assert/strict";
import test from "node:test";

import { Feed, PAUSE_MAX_MS, SILENT_MS } from "../../gcounterd/page/feed.js";
import { World } from "./world.mjs";

const SERVERS = ["http://a", "http://b", "http://c"];

function begin(servers = SERVERS) {
  const world = new World();
  const told = [];
  const feed = new Feed(servers, world, (kind, what) => told.push([kind, what]));
  feed.standing = (live) => told.push(live);
  feed.want(["x", "a/b", "x"]);
  return { world, feed, told };
}

test("it asks for each key once, escaped, and passes on what it hears", () => {
  const { world, told } = begin();
  assert.equal(world.source.url, "http://a/v1/stream?key=a%2Fb&key=x");
  world.source.say("state", { cluster: "c" });
  world.source.say("beat");
  world.source.say("change", { counters: {} });
  assert.deepEqual(told, [["state", { cluster: "c" }], true, ["change", { counters: {} }], true]);
});

test("a server that leaves, fails or refuses is left for the next at once", () => {
  const { world, told } = begin();
  world.source.say("state");
  world.source.say("leave", { reasons: ["stopping"] });
  assert.equal(told.at(-1), false);
  world.pass(0);
  assert.match(world.source.url, /^http:\/\/b/);
  world.source.say("error");
  world.pass(0);
  assert.match(world.source.url, /^http:\/\/c/);
});

test("when none answers the pauses grow, and end where one does", () => {
  const { world } = begin();
  const pauses = [];
  for (let number = 0; number < 30; number++) {
    world.source.say("error");
    assert.equal(world.source, undefined);
    const before = world.now;
    while (world.source === undefined) world.pass(250);
    pauses.push(world.now - before);
  }
  assert.deepEqual(pauses.slice(0, 3), [250, 250, 1000]);
  assert.ok(pauses.every((pause) => pause <= PAUSE_MAX_MS));
  assert.equal(pauses.at(-1), PAUSE_MAX_MS);
  world.source.say("state");
  world.source.say("error");
  world.pass(0);
  assert.ok(world.source);
});

test("a single server is not asked again without a pause", () => {
  const { world } = begin(["http://a"]);
  world.source.say("state");
  world.source.say("leave");
  world.pass(400);
  assert.equal(world.source, undefined);
  world.pass(1000);
  assert.match(world.source.url, /^http:\/\/a/);
});

test("a server that falls silent is left, one that beats is not", () => {
  const { world } = begin();
  for (let number = 0; number < 20; number++) {
    world.pass(15_000);
    world.source.say("beat");
  }
  assert.match(world.source.url, /^http:\/\/a/);
  world.pass(SILENT_MS + 1);
  assert.match(world.source.url, /^http:\/\/b/);
});

test("what a stream that was left still says is not heard", () => {
  const { world, feed, told } = begin();
  const old = world.source;
  feed.want(["y"]);
  old.say("state", {});
  old.say("error");
  assert.deepEqual(told, []);
  assert.match(world.source.url, /key=y$/);
  feed.stop();
  assert.equal(world.source, undefined);
  world.pass(10 * SILENT_MS);
  assert.equal(world.source, undefined);
});

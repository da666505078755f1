// Counters spread over streams that a server takes, whatever is wanted.

import assert from "node:assert/strict";
import test from "node:test";

import { Bundle, KEYS_MAX, QUERY_CHARS_MAX, STREAMS_MAX } from "../../gcounterd/page/bundle.js";
import { World } from "./world.mjs";

const STATE = { cluster: "local", nodes: {}, counters: {} };

function begin() {
  const world = new World();
  const bundle = new Bundle(["http://a"], world);
  const told = [];
  bundle.heard = (kind) => told.push(kind);
  bundle.standing = (live, left) => told.push([live, left.length]);
  return { world, bundle, told };
}

const keysOf = (source) => new URL(source.url).searchParams.getAll("key");
const many = (count, letters = "k") => Array.from({ length: count }, (_, at) => letters + at);

test("what one server takes is one stream, and ends with the last want", () => {
  const { world, bundle, told } = begin();
  bundle.want(["b", "a", "b"]);
  assert.equal(world.source.url, "http://a/v1/stream?key=a&key=b");
  world.source.say("state", STATE);
  world.source.say("change", STATE);
  assert.deepEqual(told, [[false, 0], "state", [true, 0], "change", [true, 0]]);
  bundle.want([]);
  assert.equal(world.source, undefined);
  assert.deepEqual(told.at(-1), [false, 0]);
});

for (const [name, keys] of [
  ["many", many(3 * KEYS_MAX + 5)],
  ["long", many(40, "/".repeat(1000))],
  ["as many as fit, and long ones", [...many(KEYS_MAX), ...many(9, "é".repeat(400))]],
]) {
  test(`no stream is more than a server takes, and all that can be read is: ${name}`, () => {
    const { world, bundle } = begin();
    bundle.want(keys);
    const read = world.open.map(keysOf);
    assert.ok(read.length <= STREAMS_MAX);
    for (const source of world.open) {
      assert.ok(keysOf(source).length <= KEYS_MAX);
      assert.ok(source.url.length <= QUERY_CHARS_MAX + 100);
    }
    assert.equal(new Set(read.flat()).size, read.flat().length);
    assert.deepEqual([...read.flat(), ...bundle.left].sort(), [...keys].sort());
    assert.ok(bundle.left.length === 0 || read.length === STREAMS_MAX);
    assert.deepEqual(read.flat().sort(), keys.slice(0, read.flat().length).sort());
  });
}

test("a key that no server takes costs the others nothing", () => {
  const { world, bundle } = begin();
  const bad = ["", "k".repeat(1025), "\ud800"];
  bundle.want([...bad, "k".repeat(1024), "good"]);
  assert.deepEqual(keysOf(world.source).sort(), ["good", "k".repeat(1024)]);
  assert.deepEqual(bundle.left, bad);
});

test("it is live when every stream is", () => {
  const { world, bundle, told } = begin();
  bundle.want(many(KEYS_MAX + 1));
  const [one, other] = world.open;
  one.say("state", STATE);
  assert.deepEqual(told.at(-1), [false, 0]);
  other.say("state", STATE);
  assert.deepEqual(told.at(-1), [true, 0]);
  one.say("error");
  assert.deepEqual(told.at(-1), [false, 0]);
});

// The laws of the join, and the sums that the daemon's own code makes of the same counts.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";

import { akin, covers, merge, parse, total, write } from "../../gcounterd/page/merge.js";

// Others may be given: stories drawn by chance, with what the daemon's code made of them.
const place = process.env.VECTORS ?? new URL("vectors.json", import.meta.url);
const vectors = JSON.parse(readFileSync(place));

/** A small generator, so that a seed is a bug report. */
function dice(seed) {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

function draw(roll) {
  const state = {};
  for (let number = roll(5); number > 0; number--) {
    state["n" + roll(4)] = BigInt(roll(2 ** 31)) * BigInt(roll(2 ** 31));
  }
  return parse(write(state));
}

const same = (a, b) => assert.deepEqual(write(a), write(b));

for (let seed = 1; seed <= 200; seed++) {
  const roll = dice(seed);
  const [a, b, c] = [draw(roll), draw(roll), draw(roll)];
  test(`laws of the join, seed ${seed}`, () => {
    same(merge(a, b), merge(b, a));
    same(merge(merge(a, b), c), merge(a, merge(b, c)));
    same(merge(a, a), a);
    same(merge(a, {}), a);
    assert.ok(covers(merge(a, b), a) && covers(merge(a, b), b));
    assert.equal(covers(a, b), write(merge(a, b)) === write(a) || equal(merge(a, b), a));
    assert.ok(total(merge(a, b)) >= total(a) && total(merge(a, b)) >= total(b));
  });
}

function equal(a, b) {
  return JSON.stringify(write(a)) === JSON.stringify(write(b));
}

test("a join changes neither side", () => {
  const [a, b] = [parse({ x: "1" }), parse({ x: "2", y: "3" })];
  merge(a, b);
  assert.deepEqual([write(a), write(b)], [{ x: "1" }, { x: "2", y: "3" }]);
});

for (const { name, told, truth } of vectors) {
  test(`vector: ${name}`, () => {
    let shown = parse({});
    let before = 0n;
    for (const counts of told) {
      shown = merge(shown, parse(counts));
      assert.ok(total(shown) >= before, "the number fell");
      assert.ok(total(shown) <= BigInt(truth.total), "more than was counted");
      before = total(shown);
    }
    assert.equal(String(total(shown)), truth.total);
    assert.deepEqual(write(shown), truth.by_node);
    const backwards = [...told].reverse().reduce((a, b) => merge(a, parse(b)), {});
    same(backwards, shown);
  });
}

test("numbers above 2^53 are exact", () => {
  const state = parse({ a: "9007199254740993", b: "9007199254740993" });
  assert.equal(String(total(state)), "18014398509481986");
});

test("what is no count is left out, and no name is special", () => {
  for (const bad of ["", "-1", "1.5", "1e3", "0x1", " 1", "01", 5, null, "9".repeat(20)]) {
    assert.deepEqual(write(parse({ a: bad, b: "2" })), { b: "2" });
  }
  for (const bad of [null, undefined, 3, "text"]) assert.deepEqual(write(parse(bad)), {});
  const odd = parse(JSON.parse('{"__proto__": "3", "constructor": "4"}'));
  assert.equal(total(odd), 7n);
  assert.equal(total(merge({}, odd)), 7n);
});

test("states are of one cluster if they share a node, or have none", () => {
  const state = parse({ a: "1" });
  assert.ok(akin(state, { a: "n1", b: "n2" }));
  assert.ok(!akin(state, { b: "n2" }));
  assert.ok(akin(parse({}), { b: "n2" }));
});

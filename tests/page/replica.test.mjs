// A page's replica: what it shows never falls, whoever tells it and whatever the store does.

import assert from "node:assert/strict";
import test from "node:test";

import { Replica } from "../../gcounterd/page/replica.js";

class Store {
  constructor() {
    this.items = new Map();
  }
  getItem(place) {
    return this.items.get(place) ?? null;
  }
  setItem(place, text) {
    this.items.set(place, text);
  }
}

const NODES = { a: "n1", b: "n2" };
const state = (counters, cluster = "local", nodes = NODES) => ({ cluster, nodes, counters });

test("closing a column, a repeat and a stale server change nothing", () => {
  const seen = [];
  const replica = new Replica(new Store(), (key) => seen.push([key, replica.value(key)]));
  replica.begin(state({ x: { a: "5", b: "7" } }));
  replica.take({ counters: { x: { a: "6" } } });
  replica.take({ counters: { x: { a: "6" } } });
  replica.begin(state({ x: { a: "2", b: "7" } })); // a server that is behind
  assert.deepEqual(seen.map(([, value]) => value), [12n, 13n, 13n, 13n]);
});

test("a reload shows what was shown, before any server and with one that is behind", () => {
  const store = new Store();
  new Replica(store).begin(state({ x: { a: "5", b: "7" }, y: {} }));
  const reloaded = new Replica(store);
  assert.equal(reloaded.value("x"), 12n);
  assert.equal(reloaded.value("y"), 0n);
  assert.equal(reloaded.value("z"), null);
  reloaded.begin(state({ x: { b: "1" } }));
  assert.equal(reloaded.value("x"), 12n);
});

test("what was kept of a cluster that is no more is dropped", () => {
  const store = new Store();
  new Replica(store).begin(state({ x: { a: "500" } }));
  const reloaded = new Replica(store);
  reloaded.begin(state({ x: { c: "1" } }, "local", { c: "n1" }));
  assert.equal(reloaded.value("x"), 1n);
  assert.equal(new Replica(store).value("x"), 1n);
});

test("a node that others have not heard of keeps its counts in the page", () => {
  const store = new Store();
  new Replica(store).begin(state({ x: { a: "3" } }));
  const reloaded = new Replica(store);
  reloaded.begin(state({ x: { b: "4" } })); // it knows a as a member, and none of its counts
  assert.equal(reloaded.value("x"), 7n);
  assert.equal(new Replica(store).value("x"), 7n);
});

test("each cluster has its own, whatever the names", () => {
  const store = new Store();
  new Replica(store).begin(state({ x: { a: "3" } }, "one"));
  const replica = new Replica(store);
  assert.equal(replica.value("x"), 3n);
  replica.begin(state({ x: { c: "1" } }, "one:x", { c: "n" }));
  assert.equal(replica.value("x"), 1n);
  replica.begin(state({ x: {} }, "one"));
  assert.equal(replica.value("x"), 3n);
});

test("two tabs that write in turn lose nothing of each other", () => {
  const store = new Store();
  const [one, other] = [new Replica(store), new Replica(store)];
  one.begin(state({ x: { a: "5" } }));
  other.begin(state({ x: { b: "5" } }));
  one.take({ counters: { x: { a: "6" } } });
  assert.equal(new Replica(store).value("x"), 11n);
});

test("a store that refuses, or holds rubbish, is no store", () => {
  const refusing = {
    getItem() {
      throw new Error("off");
    },
    setItem() {
      throw new Error("full");
    },
  };
  const replica = new Replica(refusing);
  replica.begin(state({ x: { a: "3" } }));
  assert.equal(replica.value("x"), 3n);
  const rubbish = new Store();
  rubbish.setItem("gcounter:last:", "local");
  rubbish.setItem("gcounter:counts:local:x", "{");
  rubbish.setItem("gcounter:counts:local:y", '{"a": 5, "b": "-3"}');
  const other = new Replica(rubbish);
  assert.deepEqual([other.value("x"), other.value("y")], [0n, 0n]);
  other.begin(state({ x: { a: "3" } }));
  assert.equal(other.value("x"), 3n);
});

test("what it tells others is what a server would tell", () => {
  const replica = new Replica(new Store());
  replica.begin(state({ x: { a: "5" }, y: { b: "1" } }));
  const told = replica.told(["x", "none"]);
  assert.deepEqual(told, state({ x: { a: "5" } }));
});

test("a server that has not heard of the node that counted takes nothing away", () => {
  const store = new Store();
  new Replica(store).begin(state({ x: { c: "10" } }, "local", { a: "n1", b: "n2", c: "n3" }));
  const replica = new Replica(store);
  replica.begin(state({ x: {} }, "local", { a: "n1", b: "n2" }));
  assert.equal(replica.value("x"), 10n);
  assert.equal(new Replica(store).value("x"), 10n);
});

test("what was kept of a cluster that was built anew is dropped for good", () => {
  const store = new Store();
  new Replica(store).begin(state({ x: { a: "10" } }, "local", { a: "n1" }));
  const replica = new Replica(store);
  replica.begin(state({ x: { d: "1" } }, "local", { d: "n1" }));
  assert.equal(replica.value("x"), 1n);
  assert.equal(new Replica(store).value("x"), 1n);
});

test("servers of two clusters on one page do not show each other's numbers", () => {
  const store = new Store();
  new Replica(store, () => {}, "http://one").begin(state({ x: { a: "3" } }, "one"));
  new Replica(store, () => {}, "http://two").begin(state({ x: { c: "8" } }, "two", { c: "n" }));
  const shown = (home) => new Replica(store, () => {}, home).value("x");
  assert.deepEqual([shown("http://one"), shown("http://two"), shown("http://new")], [3n, 8n, null]);
});

test("no name of a cluster or of a counter is special", () => {
  const store = new Store();
  for (const [cluster, key] of [["last", "x"], ["nodes", "local"], ["counts", "local:x"], ["local", "x"]]) {
    new Replica(store, () => {}, cluster).begin(state({ [key]: { a: "3" } }, cluster));
  }
  for (const [cluster, key] of [["last", "x"], ["nodes", "local"], ["counts", "local:x"], ["local", "x"]]) {
    assert.equal(new Replica(store, () => {}, cluster).value(key), 3n);
  }
});

// The element on a page, with as much of a document as it asks for.

import assert from "node:assert/strict";
import test from "node:test";

import { World } from "./world.mjs";

const world = new World();
const items = new Map();
const settled = () => new Promise(setImmediate);
const defined = new Map();
const left = {};

class Element {
  constructor() {
    this.attributes = new Map();
    this.dataset = {};
    this.textContent = "";
    this.isConnected = false;
    this.events = [];
  }
  getAttribute(name) {
    return this.attributes.get(name) ?? null;
  }
  hasAttribute(name) {
    return this.attributes.has(name);
  }
  setAttribute(name, value) {
    this.attributes.set(name, value);
    if (this.constructor.observedAttributes?.includes(name)) this.attributeChangedCallback(name);
  }
  get title() {
    return this.getAttribute("title");
  }
  set title(text) {
    this.attributes.set("title", text);
  }
  closest() {
    return { lang: "en" };
  }
  dispatchEvent(event) {
    this.events.push(event.detail);
  }
}

Object.assign(globalThis, {
  HTMLElement: Element,
  customElements: { get: (name) => defined.get(name), define: (name, kind) => defined.set(name, kind) },
  EventSource: world.EventSource,
  BroadcastChannel: undefined, // without it every page reads for itself
  localStorage: {
    getItem: (place) => items.get(place) ?? null,
    setItem: (place, text) => items.set(place, text),
  },
  addEventListener: (kind, act) => (left[kind] = act),
});
Object.defineProperty(globalThis, "navigator", { value: {}, configurable: true });

await import("../../gcounterd/page/element.js");
const Value = defined.get("gcounter-value");

/** Put an element on the page. */
async function place(attributes, text = "") {
  const element = new Value();
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.textContent = text;
  element.isConnected = true;
  element.connectedCallback();
  await settled();
  return element;
}

const told = (counters) => ({ cluster: "local", nodes: { a: "n1" }, counters });

test("what the page says stands until a number is known, and is live then", async () => {
  const element = await place({ ns: "site", key: "home", servers: "http://one/" }, "1,000");
  assert.equal(element.textContent, "1,000");
  assert.equal(element.getAttribute("aria-live"), "polite");
  assert.equal(world.sources.at(-1).url, "http://one/v1/stream?key=site%2Fhome");
  world.sources.at(-1).say("state", told({ "site/home": { a: "1234567" } }));
  assert.equal(element.textContent, "1,234,567");
  assert.equal(element.title, "site/home: 1,234,567");
  assert.equal(element.dataset.state, "live");
  assert.deepEqual(element.events, [{ key: "site/home", value: 1234567n }]);
  world.sources.at(-1).say("leave");
  assert.equal(element.textContent, "1,234,567");
  assert.equal(element.dataset.state, "kept");
  assert.equal(element.title, "site/home: 1,234,567 (last known)");
  element.disconnectedCallback();
  await settled();
});

test("elements of one page share a stream, and beyond 2^53 no digit is lost", async () => {
  const before = world.sources.length;
  const one = new Value();
  const servers = "http://two";
  const [x, y] = [
    await place({ key: "x", servers, plain: "" }),
    await place({ key: "y", servers, title: "mine", "aria-live": "off" }),
  ];
  assert.equal(one.value, null);
  assert.ok(world.sources.length <= before + 2);
  assert.match(world.sources.at(-1).url, /key=x&key=y$/);
  world.sources.at(-1).say("state", told({ x: { a: "9007199254740993" }, y: { a: "2" } }));
  assert.equal(x.textContent, "9007199254740993");
  assert.equal(y.textContent, "2");
  assert.equal(y.title, "mine");
  assert.equal(y.getAttribute("aria-live"), "off");
  y.setAttribute("key", "x");
  await settled();
  assert.equal(y.textContent, "9,007,199,254,740,993");
  for (const element of [x, y]) element.disconnectedCallback();
  await settled();
});

test("a page that is left lets go of its stream, and takes it again when it is back", async () => {
  const element = await place({ key: "z", servers: "http://three" });
  const source = world.sources.at(-1);
  assert.ok(source.open);
  left.pagehide();
  assert.ok(!source.open);
  left.pageshow({ persisted: true });
  assert.ok(world.sources.at(-1).open);
  assert.match(world.sources.at(-1).url, /^http:\/\/three/);
  element.disconnectedCallback();
  await settled();
  assert.ok(!world.sources.at(-1).open);
});

test("by default it hears the server that the script came from", async () => {
  const element = await place({ key: "w" });
  assert.ok(world.sources.at(-1).url.endsWith("/gcounterd/v1/stream?key=w"));
  element.disconnectedCallback();
  await settled();
});

test("a key that no server takes shows what the page says, and costs others nothing", async () => {
  const servers = "http://four";
  const bad = await place({ key: "k".repeat(1025), servers }, "none");
  const good = await place({ key: "g", servers }, "some");
  world.sources.at(-1).say("state", told({ g: { a: "5" } }));
  assert.deepEqual([bad.textContent, good.textContent], ["none", "5"]);
  for (const element of [bad, good]) element.disconnectedCallback();
  await settled();
});

test("what is beyond the streams of a browser is marked as kept", async () => {
  const servers = "http://five";
  const keys = Array.from({ length: 800 }, (_, number) => `m${number}`);
  const elements = await Promise.all(keys.map((key) => place({ key, servers })));
  const open = world.open.filter((source) => source.url.startsWith(servers));
  assert.equal(open.length, 3);
  const counters = Object.fromEntries(elements.map((element) => [element.counter, { a: "1" }]));
  for (const source of open) source.say("state", told(counters));
  assert.equal(elements[0].dataset.state, "live");
  assert.equal(elements.at(-1).dataset.state, "kept");
  for (const element of elements) element.disconnectedCallback();
  await settled();
});

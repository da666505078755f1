// <gcounter-value ns="site" key="home">1234</gcounter-value>: a live number on any page.
//
// What stands in the element is shown until a number is known, so the page is whole without this
// script. Attributes:
//   ns, key   the counter is ns/key, or key alone without ns
//   servers   base URLs, separated by spaces; by default where this script came from
//   plain     digits only, without separators
// It says `gcounter-change` with { key, value } (a BigInt) when its value changes, and is marked
// data-state="live", or "kept" while no server is heard, or too many counters are shown at a time.

import { Bundle } from "./bundle.js";
import { Replica } from "./replica.js";
import { Tabs } from "./tabs.js";

const HOME = new URL("..", import.meta.url).href;
const sessions = new Map(); // servers -> Session

/** The elements of a page that show counters of the same servers. */
class Session {
  constructor(servers) {
    const world = {
      EventSource,
      setTimeout: (act, ms) => setTimeout(act, ms),
      clearTimeout: (timer) => clearTimeout(timer),
      random: Math.random,
      locks: navigator.locks,
      BroadcastChannel: globalThis.BroadcastChannel,
      id: `${Date.now()}-${Math.random()}`,
    };
    this.elements = new Set();
    this.live = false;
    this.left = new Set(); // keys that are not read
    this.planned = false;
    const home = servers.join(" ");
    const tell = (keep) => this.elements.forEach((element) => keep(element) && element.show());
    const changed = (key) => tell((element) => element.counter === key);
    this.replica = new Replica(storage(), changed, home);
    const standing = (live, left) => {
      this.live = live;
      this.left = new Set(left);
      tell(() => true);
    };
    const bundle = new Bundle(servers, world);
    this.tabs = new Tabs(`gcounter:${home}`, world, bundle, this.replica, standing);
    this.tabs.start();
    // A page that goes into the browser's store of left pages must hold neither lock nor stream.
    addEventListener("pagehide", () => this.tabs.stop());
    addEventListener("pageshow", (event) => {
      if (!event.persisted) return;
      this.tabs.start();
      this.tabs.want(this.keys());
    });
  }

  keys() {
    return [...new Set([...this.elements].map((element) => element.counter))];
  }

  /** Want what the elements show, once for all that change in this turn. */
  plan() {
    if (this.planned) return;
    this.planned = true;
    queueMicrotask(() => {
      this.planned = false;
      this.tabs.want(this.keys());
    });
  }
}

function storage() {
  try {
    return localStorage;
  } catch {
    return { getItem: () => null, setItem: () => {} };
  }
}

function sessionOf(servers) {
  const name = servers.join(" ");
  if (!sessions.has(name)) sessions.set(name, new Session(servers));
  return sessions.get(name);
}

class GcounterValue extends HTMLElement {
  static observedAttributes = ["ns", "key", "servers", "plain"];

  /** The name of the counter; "" if there is none. */
  get counter() {
    const ns = this.getAttribute("ns");
    const key = this.getAttribute("key") ?? "";
    return ns && key ? `${ns}/${key}` : key;
  }

  /** Its value as a BigInt, or null while nothing is known. */
  get value() {
    return this.session ? this.session.replica.value(this.counter) : null;
  }

  connectedCallback() {
    // A number that changes is read out when the reader has time for it, as the whole it is.
    if (!this.hasAttribute("aria-live")) this.setAttribute("aria-live", "polite");
    if (!this.hasAttribute("aria-atomic")) this.setAttribute("aria-atomic", "true");
    this.titled ??= this.hasAttribute("title");
    this.join();
  }

  disconnectedCallback() {
    this.part();
  }

  attributeChangedCallback() {
    if (this.isConnected && this.session) {
      this.part();
      this.join();
    }
  }

  join() {
    if (this.counter === "") return;
    const named = (this.getAttribute("servers") ?? "").split(/\s+/).filter(Boolean);
    const servers = (named.length > 0 ? named : [HOME]).map((server) => server.replace(/\/+$/, ""));
    this.session = sessionOf(servers);
    this.session.elements.add(this);
    this.session.plan();
    this.show();
  }

  part() {
    this.session?.elements.delete(this);
    this.session?.plan();
    this.session = null;
  }

  /** Show what is known. */
  show() {
    const value = this.value;
    if (value === null) return; // the page's own content stands
    const text = this.hasAttribute("plain") ? String(value) : this.format(value);
    const { live, left } = this.session;
    const state = live && !left.has(this.counter) ? "live" : "kept";
    if (this.dataset.state !== state) this.dataset.state = state;
    if (!this.titled) {
      this.title = `${this.counter}: ${text}${state === "live" ? "" : " (last known)"}`;
    }
    if (this.textContent === text) return;
    this.textContent = text;
    const detail = { key: this.counter, value };
    this.dispatchEvent(new CustomEvent("gcounter-change", { bubbles: true, detail }));
  }

  format(value) {
    const lang = this.closest("[lang]")?.lang || undefined;
    try {
      return new Intl.NumberFormat(lang).format(value);
    } catch {
      return String(value); // a language that is none
    }
  }
}

if (!customElements.get("gcounter-value")) customElements.define("gcounter-value", GcounterValue);

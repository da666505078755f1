// A page's replica of the counters that it shows: what servers told, joined with what it kept.
//
// Theory. Kept by cluster name and key, so that a reload through a balancer to a server that is
// behind shows what was shown before. Before a server has spoken nobody knows the cluster, so what
// was kept under the name that was heard last from there is shown until then. If the server's cluster
// shares no node id with those that were ever told of under its name, that was another cluster: what
// was kept is dropped. A server that is behind may not know the node that counted, but some other.
//
// No DOM and no network. `store` is what localStorage is, and may refuse anything at any time.

import { akin, covers, merge, parse, total, write } from "./merge.js";

const LAST = "gcounter:last:";
const NODES = "gcounter:nodes:";
const COUNTS = "gcounter:counts:";

export class Replica {
  /**
   * `changed(key)` is told of each key whose value may have changed; `home` says where servers are,
   * since one page may show counters of several clusters.
   */
  constructor(store, changed = () => {}, home = "") {
    this.store = store;
    this.changed = changed;
    this.home = home;
    this.cluster = this.#read(LAST + home);
    this.nodes = {}; // id -> label, as the last server told
    this.known = {}; // id -> 1, of all nodes of this cluster that any server told of
    this.states = new Map(); // key -> state, or null if nothing was ever told of it
  }

  /** Return the value of a key: a BigInt, or null if nothing was ever told of it. */
  value(key) {
    const state = this.#state(key);
    return state === null ? null : total(state);
  }

  /** Return what a server would tell of these keys: { cluster, nodes, counters }. */
  told(keys) {
    const counters = {};
    for (const key of keys) {
      const state = this.#state(key);
      if (state !== null) counters[key] = write(state);
    }
    return { cluster: this.cluster, nodes: this.nodes, counters };
  }

  /** Take the state event of a server: { cluster, nodes, counters }. */
  begin(told) {
    if (this.cluster !== told.cluster) this.#move(told.cluster);
    this.nodes = told.nodes ?? {};
    this.#meet(told);
    for (const [key, counts] of Object.entries(told.counters ?? {})) {
      const kept = this.#state(key);
      if (kept !== null && !akin(kept, this.known)) this.states.set(key, null);
      this.#join(key, parse(counts));
    }
  }

  /** Take a change event of the server whose state came before: { nodes?, counters }. */
  take(told) {
    this.nodes = told.nodes ?? this.nodes;
    this.#meet(told);
    for (const [key, counts] of Object.entries(told.counters ?? {})) this.#join(key, parse(counts));
  }

  /** Add the nodes of an event to those of the cluster, unless it is another cluster. */
  #meet(told) {
    const met = Object.keys(this.nodes);
    for (const counts of Object.values(told.counters ?? {})) met.push(...Object.keys(parse(counts)));
    const place = NODES + encodeURIComponent(this.cluster);
    const stored = safely(this.#read(place));
    const before = Array.isArray(stored) ? stored : [];
    const same = before.length === 0 || met.some((node) => before.includes(node));
    const all = [...new Set([...(same ? before : []), ...met])];
    this.known = Object.fromEntries(all.map((node) => [node, 1]));
    if (!same || all.length > before.length) this.#write(place, JSON.stringify(all));
  }

  #join(key, fresh) {
    const kept = this.#state(key);
    if (kept === null || !covers(kept, fresh)) {
      const joined = merge(kept ?? {}, fresh);
      this.states.set(key, joined);
      this.#keep(key, joined);
    }
    this.changed(key);
  }

  /** Write a state; another tab may have written more, which is not lost. */
  #keep(key, state) {
    const stored = parse(safely(this.#read(this.#place(key))));
    const both = akin(stored, this.known) ? merge(stored, state) : state;
    this.#write(this.#place(key), JSON.stringify(write(both)));
  }

  #state(key) {
    if (!this.states.has(key)) {
      const text = this.cluster === null ? null : this.#read(this.#place(key));
      this.states.set(key, text === null ? null : parse(safely(text)));
    }
    return this.states.get(key);
  }

  #move(cluster) {
    this.cluster = cluster;
    this.#write(LAST + this.home, cluster);
    this.states.clear();
  }

  #place(key) {
    return `${COUNTS}${encodeURIComponent(this.cluster)}:${key}`;
  }

  #read(place) {
    try {
      return this.store.getItem(place);
    } catch {
      return null; // storage is off: the page knows what it was told, until it is left
    }
  }

  #write(place, text) {
    try {
      this.store.setItem(place, text);
    } catch {
      // It is full or off.
    }
  }
}

function safely(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

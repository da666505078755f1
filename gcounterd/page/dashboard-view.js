// What the dashboard knows, and what follows from it. No DOM, no clock: time is an argument.
//
// Theory. The stream tells states; what was told last of a kind is what holds. Counts of counters
// are joined as everywhere (`merge.js`). Rates are differences of what was seen each second, so
// what is shown is what arrived at this node: after a split, the counts of the others come at once.

import { merge, parse, total } from "./merge.js";

export const SAMPLES_MAX = 120; // of a second each
export const RATE_S = 5;
export const EVENTS_MAX = 100;
export const COLUMNS_MAX = 8;

export function fresh() {
  return {
    cluster: null,
    pulse: null,
    ahead: 0, // the server's clock before ours, ms
    life: "",
    events: [], // the newest first
    names: {}, // node id -> name, of all that counted
    counters: new Map(), // key -> { node id: BigInt }
    samples: [], // { at, total, sums }
  };
}

/** Take an event of the stream; `now` is the page's clock in ms. */
export function take(view, kind, told, now) {
  if (kind === "cluster" || kind === "pulse") {
    view[kind] = told;
    view.ahead = told.at - now;
  } else if (kind === "events") {
    if (view.life !== told.life) view.events = [];
    view.life = told.life;
    const last = view.events[0]?.number ?? 0;
    const news = told.events.filter((event) => event.number > last);
    view.events = [...news.reverse(), ...view.events].slice(0, EVENTS_MAX);
  } else if (kind === "state" || kind === "change") {
    if (told.nodes) view.names = kind === "state" ? told.nodes : { ...view.names, ...told.nodes };
    const counters = kind === "state" ? new Map() : view.counters;
    for (const [key, counts] of Object.entries(told.counters)) {
      counters.set(key, merge(view.counters.get(key) ?? {}, parse(counts)));
    }
    view.counters = counters;
  }
}

/** Note what is counted by now: once a second; `at` is in ms. */
export function sample(view, at) {
  if (view.pulse === null) return;
  const sums = Object.fromEntries(Object.entries(view.pulse.sums).map(([id, sum]) => [id, BigInt(sum)]));
  view.samples.push({ at, total: BigInt(view.pulse.total), sums });
  if (view.samples.length > SAMPLES_MAX) view.samples.shift();
}

const of = (sample, id) => (id === null ? sample.total : (sample.sums[id] ?? 0n));

/** Return increments per second over the last seconds: of a node, or of all if `id` is null. */
export function rate(view, id = null, seconds = RATE_S) {
  const last = view.samples.at(-1);
  const first = view.samples.at(-1 - seconds) ?? view.samples[0];
  if (!last || last.at === first.at) return null;
  return Math.max(0, (Number(of(last, id) - of(first, id)) * 1000) / (last.at - first.at));
}

/** Return increments per second, second by second. */
export function rates(view, id = null) {
  return view.samples.slice(1).map((sample, place) => {
    const before = view.samples[place];
    const rise = Number(of(sample, id) - of(before, id));
    return Math.max(0, (rise * 1000) / Math.max(1, sample.at - before.at));
  });
}

/**
 * Return the table of counters: { columns: [name], rows: [[key, value, [count]]] }, largest first;
 * members that counted nothing of these are no columns, and what is too many is one.
 */
export function matrix(view) {
  const rows = [...view.counters].map(([key, counts]) => [key, total(counts), counts]);
  rows.sort(([k, a], [l, b]) => (a < b ? 1 : a > b ? -1 : k < l ? -1 : 1));
  const members = new Set((view.cluster?.nodes ?? []).map((node) => node.id));
  const name = (id) => view.names[id] ?? id.slice(0, 8);
  let ids = [...new Set(rows.flatMap(([, , counts]) => Object.keys(counts)))];
  ids = ids.filter((id) => rows.some(([, , counts]) => counts[id] > 0n));
  ids.sort((a, b) => members.has(b) - members.has(a) || (name(a) < name(b) ? -1 : 1));
  const shown = ids.length > COLUMNS_MAX ? ids.slice(0, COLUMNS_MAX - 1) : ids;
  const isCut = shown.length < ids.length;
  return {
    columns: [...shown.map(name), ...(isCut ? ["others"] : [])],
    rows: rows.map(([key, value, counts]) => {
      const cells = shown.map((id) => counts[id] ?? 0n);
      if (isCut) cells.push(value - cells.reduce((a, b) => a + b, 0n));
      return [key, value, cells];
    }),
  };
}

/** Return the points of a sparkline in a box, as the text of `points`, and the largest value. */
export function spark(values, width, height) {
  const most = Math.max(0, ...values);
  const step = width / Math.max(1, SAMPLES_MAX - 2);
  const start = width - step * (values.length - 1);
  const y = (value) => height - 1 - (most ? (value / most) * (height - 2) : 0);
  const points = values.map((v, i) => `${(start + i * step).toFixed(1)},${y(v).toFixed(1)}`);
  return { points: points.join(" "), most };
}

/**
 * Return the nodes at which this page may count: [{ name, url }], "" is where it came from. A token
 * is sent there alone, so with one there are no others.
 */
export function targets(view, token = "") {
  if (view.cluster === null) return [];
  const { nodes, id } = view.cluster;
  const own = nodes.filter((node) => node.id === id).map((node) => ({ name: node.name, url: "" }));
  if (token) return own;
  const others = nodes.filter((node) => node.id !== id && node.page && node.liveness === "alive");
  return [...own, ...others.map((node) => ({ name: node.name, url: node.page }))];
}

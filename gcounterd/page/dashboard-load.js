// Random load: which counters are counted at which node, tick by tick. No DOM, no clock, no network.
//
// Theory. Each tick has its share of the views per second, each view draws a node (all alike) and a
// counter (Zipf: the k-th counter has the weight 1/k^skew), and the views of a node are one request,
// counted whole or not at all. One request of a node is under way at a time: a node that is slower
// than the load gets less of it, and that is said, not queued.

export const TICK_MS = 200;
export const RATE_MAX = 5000;
export const KEYS_MAX = 100;
export const SECONDS_MAX = 600;
export const SKEW_MAX = 3;

/** Return the cumulated chances of `keys` counters under a skew; the last is 1. */
export function zipf(keys, skew) {
  const weights = Array.from({ length: keys }, (_, place) => (place + 1) ** -skew);
  const sum = weights.reduce((a, b) => a + b, 0);
  let reached = 0;
  const chances = weights.map((weight) => (reached += weight / sum));
  chances[keys - 1] = 1;
  return chances;
}

const draw = (chances, chance) => chances.findIndex((upto) => chance < upto);

export class Load {
  /** `wish` is { rate, keys, skew, seconds }; `random` returns 0 to 1. */
  constructor(wish, random) {
    this.wish = wish;
    this.random = random;
    this.chances = zipf(wish.keys, wish.skew);
    this.due = 0; // views planned so far
    this.tally = { sent: 0, counted: 0, refused: 0, unknown: 0, skipped: 0 };
  }

  /** Return whether nothing more is planned after `ms`. */
  over(ms) {
    return ms >= this.wish.seconds * 1000;
  }

  /** Return what to count until `ms` have passed: a Map of node -> { key: number }. */
  plan(ms, nodes) {
    const until = Math.floor((Math.min(ms, this.wish.seconds * 1000) * this.wish.rate) / 1000);
    const most = Math.ceil((this.wish.rate * 5 * TICK_MS) / 1000); // after a pause, no flood
    const number = Math.min(until - this.due, most);
    this.due = until;
    const plans = new Map();
    for (let view = 0; view < number && nodes.length > 0; view += 1) {
      const node = nodes[Math.floor(this.random() * nodes.length)];
      const key = `load/${draw(this.chances, this.random()) + 1}`;
      const counts = plans.get(node) ?? plans.set(node, {}).get(node);
      counts[key] = (counts[key] ?? 0) + 1;
    }
    return plans;
  }
}

export const size = (counts) => Object.values(counts).reduce((a, b) => a + b, 0);

/** Say how a load goes. */
export function describe(tally, over) {
  const parts = [`${tally.counted} counted`];
  if (tally.refused) parts.push(`${tally.refused} refused, not counted`);
  if (tally.unknown) parts.push(`${tally.unknown} unanswered, perhaps counted`);
  if (tally.skipped) parts.push(`${tally.skipped} not sent, since nodes were busy`);
  return `${over ? "Done: " : ""}${parts.join("; ")}.`;
}

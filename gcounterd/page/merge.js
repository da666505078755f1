// The lattice of a counter in a browser: counts by original node, and their join.
//
// Theory. A count of a node at one server is a lower bound of what that node counted, and so is the
// largest of several such counts. So a page keeps, for each node id, the largest count that it ever
// saw, from whatever server, and shows their sum: never more than was counted, never less than it
// has shown before. Joining is commutative, associative, idempotent and monotone, so events may be
// lost, repeated and reordered. It is by *original* node, so a column that is closed, or a node
// whose share goes to an heir, is not counted twice.
//
// A state is a plain object { node id: BigInt }. No DOM, no clock, no network, no storage.

const DECIMAL = /^(0|[1-9][0-9]{0,18})$/;

/** Read { id: "123" } as a server or a store wrote it; what is no count is left out. */
export function parse(counts) {
  const state = Object.create(null);
  if (counts === null || typeof counts !== "object") return state;
  for (const [node, text] of Object.entries(counts)) {
    if (typeof text === "string" && DECIMAL.test(text)) state[node] = BigInt(text);
  }
  return state;
}

/** Write a state as { id: "123" }, ids in order. */
export function write(state) {
  const counts = {};
  for (const node of Object.keys(state).sort()) counts[node] = String(state[node]);
  return counts;
}

/** Return the join of two states: the larger count of each node. Neither is changed. */
export function merge(a, b) {
  const joined = Object.assign(Object.create(null), a);
  for (const node of Object.keys(b)) {
    if (!(node in joined) || joined[node] < b[node]) joined[node] = b[node];
  }
  return joined;
}

/** Return the value of a state, exact whatever its size. */
export function total(state) {
  let sum = 0n;
  for (const node of Object.keys(state)) sum += state[node];
  return sum;
}

/** Say whether `b` holds nothing that `a` lacks. */
export function covers(a, b) {
  return Object.keys(b).every((node) => node in a && a[node] >= b[node]);
}

/**
 * Say whether a stored state may be of the cluster that a server belongs to: they share a node id,
 * or there is nothing to be wrong about. A cluster that was wiped and built anew under its old name
 * has other ids, and its old counts would be a ghost.
 */
export function akin(state, nodes) {
  const known = Object.keys(state);
  return known.length === 0 || known.some((node) => node in nodes);
}

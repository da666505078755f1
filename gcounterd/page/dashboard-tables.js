// The tables, figures and lists of the dashboard, written from what is known.

import { drawSpark, keep, make, place, say } from "./dashboard-dom.js";
import { matrix, rate, rates, spark } from "./dashboard-view.js";
import * as words from "./dashboard-words.js";

const cells = (row, texts) => texts.forEach((text, at) => say(row.children[at], text));

export function showState(view, now) {
  const { cluster, pulse } = view;
  if (cluster === null || pulse === null) return;
  document.title = `${cluster.cluster} · gcounterd`;
  say(place("cluster"), cluster.cluster);
  say(place("self"), cluster.self);
  say(place("convergence"), pulse.words);
  // The words change each second while somebody is not heard: read out is what is another matter.
  const quality = { equal: "well", moving: "well" }[pulse.level] ?? pulse.level;
  if (place("announce").dataset.quality !== quality) say(place("announce"), pulse.words);
  place("announce").dataset.quality = quality;
  place("convergence").dataset.level = pulse.level;
  say(place("total"), words.whole(pulse.total));
  say(place("counters"), words.whole(pulse.counters));
  const perSecond = rate(view);
  say(place("rate"), perSecond === null ? "–" : words.rate(perSecond));
  const line = spark(rates(view), 240, 32);
  const seconds = view.samples.length;
  drawSpark(place("rate-spark"), line, `views per second over the last ${seconds} s, at most ${words.rate(line.most)}`, 240, 32);
  say(place("liveness"), words.liveness(cluster.liveness));
  say(place("ready"), cluster.ready ? "this node is ready" : `this node is not ready: ${cluster.reasons.join("; ")}`);
  keep(place("warnings"), cluster.warnings, (text) => text, () => make("li"), say);
  place("warnings").hidden = cluster.warnings.length === 0;
}

function nodeRow(node, act) {
  const row = make("tr");
  const numbers = [4, 5];
  for (let at = 0; at < 9; at += 1) {
    row.append(at === 0 ? make("th", { scope: "row" }) : make("td", numbers.includes(at) ? { class: "n" } : {}));
  }
  row.children[2].append(make("span"), " ", make("span", { class: "faint" }));
  row.children[5].append(make("span"), make("span", { class: "spark" }));
  const remove = make("button", { type: "button", class: "small" }, "Remove…");
  remove.setAttribute("aria-label", `Remove ${node.name}`);
  remove.addEventListener("click", () => act(row.told));
  row.children[8].append(remove);
  return row;
}

function writeNode(row, node, view, now) {
  const { cluster, pulse } = view;
  const isOwn = node.id === cluster.id;
  row.told = node;
  const name = isOwn ? `${node.name} (this node)` : node.name;
  const head = row.children[0];
  if (node.page && !isOwn) {
    if (!head.firstElementChild) head.replaceChildren(make("a", { href: node.page }, name));
  } else say(head, name);
  const live = row.children[2].firstChild;
  live.className = `live ${node.liveness}`;
  say(live, node.liveness);
  const lasts = words.since(node.since_at, now);
  say(row.children[2].lastChild, lasts && `for ${lasts}`);
  const behind = pulse.behind[node.id];
  const lag = isOwn ? "-" : behind === undefined ? "unknown" : behind ? words.lasting(behind) : "none";
  say(row.children[1], node.roster);
  say(row.children[3], lag);
  say(row.children[4], words.whole(pulse.sums[node.id] ?? "0"));
  const perSecond = rate(view, node.id);
  say(row.children[5].firstChild, perSecond === null ? "–" : words.rate(perSecond));
  const line = spark(rates(view, node.id), 64, 18);
  drawSpark(row.children[5].lastChild, line, `${node.name}: at most ${words.rate(line.most)} per second`, 64, 18);
  say(row.children[6], node.address);
  say(row.children[7], node.epoch.slice(0, 12));
  row.children[7].title = node.epoch;
}

export function showNodes(view, now, act) {
  if (view.cluster === null || view.pulse === null) return;
  const { nodes, liveness } = view.cluster;
  const write = (row, node) => writeNode(row, node, view, now);
  keep(place("node-rows"), nodes, (node) => node.id, (node) => nodeRow(node, act), write);
  const all = Object.values(liveness).reduce((a, b) => a + b, 0);
  const former = view.pulse.former.map(({ name, sum }) => `${name} ${words.whole(sum)}`).join(", ");
  const parts = [];
  if (all > nodes.length) parts.push(`${all - nodes.length} more members are not shown.`);
  if (former) parts.push(`Counted by nodes that were removed, or imported: ${former}.`);
  say(place("nodes-more"), parts.join(" "));
}

export function showTop(view) {
  const { columns, rows } = matrix(view);
  const head = ["Counter", "Value", ...columns];
  keep(place("top-head"), head, (name) => name, () => make("th", { scope: "col" }), (cell, name) => {
    say(cell, name);
    cell.className = name === "Counter" ? "" : "n";
  });
  say(place("top-none"), rows.length === 0 ? "Nothing is counted yet." : "");
  const makeRow = () => make("tr", {}, make("th", { scope: "row" }));
  keep(place("top-rows"), rows, ([key]) => key, makeRow, (row, [key, value, counts]) => {
    while (row.children.length < counts.length + 2) row.append(make("td", { class: "n" }));
    while (row.children.length > counts.length + 2) row.lastChild.remove();
    cells(row, [key, ...[value, ...counts].map(words.whole)]);
  });
}

export function showRemovals(view, now) {
  const removals = view.cluster?.removals ?? [];
  keep(place("removals"), removals, (each) => each.id, () => make("li"), (item, each) => {
    writeRemoval(item, each, now);
  });
  place("removals-section").hidden = removals.length === 0;
}

/** Write a removal: its phases, whom it waits for, what came of it. */
export function writeRemoval(item, removal, now) {
  if (item.firstChild === null || item.dataset.live !== String(removal.live)) {
    item.dataset.live = removal.live;
    item.replaceChildren(make("p", {}, make("strong")), make("ol", { class: "phases" }), make("p"), make("p", { class: "faint" }));
  }
  const [title, list, waits, came] = item.children;
  const ago = words.since(removal.since_at, now);
  say(title.firstChild, removal.phase === "done" ? `${removal.node} is removed` : `Removing ${removal.node}`);
  if (title.childNodes.length < 2) title.append("");
  const since = ago && removal.phase !== "done" ? ` for ${ago}` : "";
  if (title.lastChild.data !== since) title.lastChild.data = since;
  keep(list, words.phases(removal), (each) => each.phase, () => make("li"), (line, { phase, words: text, state }) => {
    line.className = state;
    if (state === "now") line.setAttribute("aria-current", "step");
    else line.removeAttribute("aria-current");
    say(line, state === "now" || (state === "done" && phase === "done") ? `${phase}: ${text}` : phase);
  });
  say(waits, words.waiting(removal, now));
  say(came, words.outcome(removal));
}

export function showEvents(view) {
  place("events-section").hidden = false;
  const self = view.cluster?.self ?? "";
  const items = view.events.map((told) => ({ ...words.event(told, self), number: `${view.life}${told.number}` }));
  keep(place("events"), items, (item) => item.number, () => make("li", {}, make("time"), " ", make("strong"), " ", make("span")), (line, item) => {
    const [time, who, what] = line.children;
    say(time, item.time);
    say(who, item.who);
    say(what, item.what);
    line.className = item.bad ? "bad" : "";
  });
  if (items.length === 0) place("events").replaceChildren(make("li", { class: "faint" }, "Nothing has happened since this node started."));
}

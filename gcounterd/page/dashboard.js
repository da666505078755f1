// The dashboard, kept up to date. The server writes the page; one stream of events tells the rest.

import { setUpDraining, setUpSending, showDraining, showTargets } from "./dashboard-actions.js";
import { place, say } from "./dashboard-dom.js";
import { Stream } from "./dashboard-events.js";
import { showEvents, showNodes, showRemovals, showState, showTop } from "./dashboard-tables.js";
import { fresh, sample, take } from "./dashboard-view.js";

const TOKEN = "gcounter:token";
const SECOND_MS = 1000;

const world = {
  fetch: (...all) => fetch(...all),
  setTimeout: (act, ms) => setTimeout(act, ms),
  clearTimeout: (timer) => clearTimeout(timer),
  random: Math.random,
};

function kept(name, value) {
  try {
    if (value !== undefined) sessionStorage.setItem(name, value);
    return sessionStorage.getItem(name) ?? "";
  } catch {
    return value ?? "";
  }
}

/** What all parts of the page share. `watchers` are told of what is shown: (view, now). */
const page = {
  view: fresh(),
  token: kept(TOKEN),
  watchers: new Set(),
  stop: () => {}, // ends a random load
  planned: false,
  lock: () => {
    place("token-form").hidden = false;
  },
  show() {
    if (page.planned) return;
    page.planned = true;
    requestAnimationFrame(() => {
      page.planned = false;
      render();
    });
  },
};

function render() {
  const { view } = page;
  if (view.cluster === null || view.pulse === null) return;
  const now = Date.now() + view.ahead;
  showState(view, now);
  showNodes(view, now, async (node) => (await import("./dashboard-removal.js")).remove(page, node));
  showTop(view);
  showRemovals(view, now);
  showEvents(view);
  showTargets(view, page.token);
  showDraining(view);
  for (const watcher of page.watchers) watcher(view, now);
}

const STANDING = {
  live: () => "live",
  lost: (why) => `not live: ${why}; what stands here is what it said last`,
  locked: (why) => `not live: ${why}`,
};

const stream = new Stream(
  "v1/cluster/stream",
  world,
  (kind, told) => {
    take(page.view, kind, told, Date.now());
    if (page.view.samples.length === 0) sample(page.view, performance.now());
    page.show();
  },
  (state, why) => {
    say(place("live"), STANDING[state](why));
    place("live").dataset.state = state;
    place("token-form").hidden = state !== "locked";
    place("main").hidden = state === "locked" && page.view.cluster === null;
    if (state === "locked") place("token").focus();
    if (state === "live") place("actions").hidden = false;
  },
);

place("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  page.token = kept(TOKEN, place("token").value);
  stream.token = page.token;
  place("token").value = "";
  stream.start();
});

setUpSending(page);
place("load").addEventListener("submit", async (event) => {
  event.preventDefault();
  (await import("./dashboard-running.js")).start(page);
});
place("load-stop").addEventListener("click", () => page.stop());
setUpDraining(page);
stream.token = page.token;
stream.start();
setInterval(() => {
  if (place("live").dataset.state === "live") sample(page.view, performance.now());
  page.show();
}, SECOND_MS);
addEventListener("pagehide", () => stream.stop());
addEventListener("pageshow", (event) => event.persisted && stream.start());

// Running a random load from the page: loaded when it is first wanted.

import { ask } from "./dashboard-actions.js";
import { confirm, make, place, say } from "./dashboard-dom.js";
import { KEYS_MAX, Load, RATE_MAX, SECONDS_MAX, SKEW_MAX, TICK_MS, describe, size } from "./dashboard-load.js";
import { targets } from "./dashboard-view.js";
import { whole } from "./dashboard-words.js";

/** Ask whether a load is to be started, and start it. `page.stop` ends it. */
export async function start(page) {
  const number = (id, most) => Math.min(most, Number(place(id).value));
  const wish = {
    rate: number("load-rate", RATE_MAX),
    keys: number("load-keys", KEYS_MAX),
    skew: number("load-skew", SKEW_MAX),
    seconds: number("load-seconds", SECONDS_MAX),
  };
  const nodes = targets(page.view, page.token);
  const names = nodes.map(({ name }) => name).join(", ");
  const only = nodes.length === 1 ? " It is the only node whose HTTP address this one knows." : "";
  const text = `${whole(wish.rate)} views a second for ${whole(wish.seconds)} s, at ${names}, in counters load/1 to load/${wish.keys}.${only} Counts cannot be taken back.`;
  if (!(await confirm({ title: "Start a random load?", body: [make("p", {}, text)], yes: "Start" }))) return;
  page.stop = run(page, new Load(wish, Math.random));
}

function run(page, load) {
  const began = performance.now();
  const busy = new Map();
  place("load-start").hidden = true;
  place("load-stop").hidden = false;
  place("load-stop").focus();
  let ended = false;
  const show = () => say(place("load-said"), describe(load.tally, ended && busy.size === 0));
  const end = () => {
    if (ended) return;
    ended = true;
    clearInterval(timer);
    const had = document.activeElement === place("load-stop");
    place("load-start").hidden = false;
    place("load-stop").hidden = true;
    if (had) place("load-start").focus();
    show();
  };
  const timer = setInterval(() => {
    const ms = performance.now() - began;
    const nodes = targets(page.view, page.token);
    const urls = new Map(nodes.map(({ name, url }) => [name, url]));
    for (const [name, counts] of load.plan(ms, [...urls.keys()])) {
      if (busy.has(name)) load.tally.skipped += size(counts);
      else {
        const sent = count(page, load.tally, urls.get(name), counts).then(() => {
          busy.delete(name);
          show();
        });
        busy.set(name, sent);
      }
    }
    if (load.over(ms)) end();
  }, TICK_MS);
  return end;
}

async function count(page, tally, url, counts) {
  const number = size(counts);
  tally.sent += number;
  const answer = await ask(page, "POST", "v1/counters", { counts }, url);
  const definite = answer.status !== 0 && answer.body.error?.definite !== false;
  tally[answer.ok ? "counted" : definite ? "refused" : "unknown"] += number;
}

// A page without a browser: shows counters of real servers, one line of JSON for each change.
//   node watch.mjs STORE SERVER… -- KEY…      STORE is a file that stands for localStorage.

import { existsSync, readFileSync, writeFileSync } from "node:fs";

import { Feed } from "../../gcounterd/page/feed.js";
import { Replica } from "../../gcounterd/page/replica.js";
import { EventSource } from "./events.mjs";

const [place, ...words] = process.argv.slice(2);
const servers = words.slice(0, words.indexOf("--"));
const keys = words.slice(words.indexOf("--") + 1);

const items = existsSync(place) ? JSON.parse(readFileSync(place)) : {};
const store = {
  getItem: (name) => items[name] ?? null,
  setItem(name, text) {
    items[name] = text;
    writeFileSync(place, JSON.stringify(items));
  },
};
const say = (line) => console.log(JSON.stringify(line));
const replica = new Replica(store, (key) => say({ key, value: String(replica.value(key)) }));
for (const key of keys) say({ key, value: String(replica.value(key) ?? 0) });
const feed = new Feed(
  servers,
  { EventSource, setTimeout, clearTimeout, random: Math.random },
  (kind, told) => (kind === "state" ? replica.begin(told) : replica.take(told)),
  (live) => say({ live, server: servers[feed.at] }),
);
feed.want(keys);

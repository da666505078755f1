// The dashboard, kept up to date. The server writes the page; this fetches it anew each two seconds
// and puts what changed in its place. The largest counters come by a stream.

import { Replica } from "./replica.js";

const EVERY_MS = 2000;
const PARTS = ["agreement", "ready", "node-rows", "removals"];
const place = (id) => document.getElementById(id);
const number = new Intl.NumberFormat("en");

/** Write a text only where it is another one, so that nobody is read the same thing again. */
function say(id, text) {
  if (place(id).textContent !== text) place(id).textContent = text;
}

async function look() {
  try {
    const answer = await fetch("?top=0");
    if (!answer.ok) throw new Error(String(answer.status));
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const id of PARTS) {
      const fresh = page.getElementById(id);
      if (!fresh.isEqualNode(place(id))) place(id).replaceChildren(...fresh.childNodes);
    }
    say("freshness", "It is live.");
  } catch {
    say("freshness", "This node does not answer: what stands here is what it said last.");
  }
  setTimeout(look, EVERY_MS);
}

function row(key, value) {
  const line = document.createElement("tr");
  const name = document.createElement("th");
  const count = document.createElement("td");
  name.scope = "row";
  name.textContent = key;
  count.className = "number";
  count.textContent = number.format(value);
  line.append(name, count);
  return line;
}

function watch() {
  const replica = new Replica({ getItem: () => null, setItem: () => {} });
  let keys = [];
  const show = () => {
    const values = keys.map((key) => [key, replica.value(key) ?? 0n]);
    values.sort(([, a], [, b]) => (a < b ? 1 : a > b ? -1 : 0));
    place("top-rows").replaceChildren(...values.map(([key, value]) => row(key, value)));
  };
  const stream = new EventSource("v1/stream?top=10");
  stream.addEventListener("state", (event) => {
    const told = JSON.parse(event.data);
    replica.begin(told);
    keys = Object.keys(told.counters);
    show();
  });
  stream.addEventListener("change", (event) => {
    replica.take(JSON.parse(event.data));
    show();
  });
}

look();
watch();

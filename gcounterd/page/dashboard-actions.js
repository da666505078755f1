// What can be done on the dashboard: sending views, draining, and how nodes are asked.

import { confirm, make, place, say } from "./dashboard-dom.js";
import { targets } from "./dashboard-view.js";
import { whole } from "./dashboard-words.js";

/** Ask a node; return { ok, status, node, body }, status 0 where nobody knows what came of it. */
export async function ask(page, method, path, body, base = "") {
  const headers = {};
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (page.token && base === "") headers.Authorization = `Bearer ${page.token}`;
  const url = base === "" ? path : `${base}/${path}`;
  const text = body === undefined ? undefined : JSON.stringify(body);
  try {
    const answer = await fetch(url, { method, headers, body: text, cache: "no-store" });
    if (answer.status === 401 && base === "") page.lock();
    const node = answer.headers.get("Gcounter-Node");
    return { ok: answer.ok, status: answer.status, node, body: await answer.json().catch(() => ({})) };
  } catch {
    return { ok: false, status: 0, body: {} };
  }
}

/** Say why something was not done. */
export function failure({ status, body }) {
  if (status === 0) return "No answer: it may have been done or not.";
  const { message = `status ${status}`, definite } = body.error ?? {};
  return `Refused: ${message}${definite === false ? " (it may have been done all the same)" : ""}`;
}

export function showTargets(view, token) {
  const select = place("send-node");
  const found = targets(view, token);
  const same = [...select.options].map((option) => option.text).join() === found.map(({ name }) => name).join();
  if (same) return;
  const chosen = select.selectedOptions[0]?.text;
  select.replaceChildren(...found.map(({ name, url }) => make("option", { value: url }, name)));
  [...select.options].forEach((option) => (option.selected = option.text === chosen));
}

export function setUpSending(page) {
  place("send").addEventListener("submit", async (event) => {
    event.preventDefault();
    const [number, key] = [Number(place("send-count").value), place("send-key").value];
    const { text: node, value: url } = place("send-node").selectedOptions[0] ?? {};
    if (node === undefined) return;
    const body = [make("p", {}, `${whole(number)} views are counted in ${key} at ${node}. A count cannot be taken back.`)];
    if (!(await confirm({ title: "Send views?", body, yes: "Send" }))) return;
    say(place("send-said"), "sending…");
    const answer = await ask(page, "POST", `v1/counters/${encodeURIComponent(key)}?as=string`, { by: number }, url);
    say(place("send-said"), answer.ok ? `${key} is ${whole(answer.body.value)} at ${answer.node ?? node}` : failure(answer));
  });
}

export function showDraining(view) {
  const reasons = view.cluster?.reasons ?? [];
  const draining = reasons.some((text) => text.startsWith("draining"));
  const self = view.cluster?.self ?? "this node";
  const button = place("drain");
  say(button, draining ? "Undrain…" : "Drain…");
  button.dataset.draining = draining;
  say(place("drain-said"), draining ? `${self} takes no views, and stays a member.` : `${self} takes views.`);
}

export function setUpDraining(page) {
  place("drain").addEventListener("click", async () => {
    const draining = place("drain").dataset.draining === "true";
    const verb = draining ? "Undrain" : "Drain";
    const self = page.view.cluster?.self ?? "this node";
    const text = draining
      ? `${self} takes views again.`
      : `${self} takes no views until it is undrained or started anew. It stays a member, and is read as before.`;
    if (!(await confirm({ title: `${verb} ${self}?`, body: [make("p", {}, text)], yes: verb }))) return;
    // Named, since a balancer may send it to another one, which refuses then.
    const query = `node=${encodeURIComponent(page.view.cluster?.self ?? "")}`;
    const answer = await ask(page, "POST", `v1/${verb.toLowerCase()}?${query}`);
    if (!answer.ok) say(place("drain-said"), failure(answer));
  });
}

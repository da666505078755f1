// Removing a node from the dashboard: its plan first, then, after a yes, its progress to the end.

import { ask, failure } from "./dashboard-actions.js";
import { confirm, keep, make, place, say } from "./dashboard-dom.js";
import { writeRemoval } from "./dashboard-tables.js";
import { plan as planWords } from "./dashboard-words.js";

const PLAN_AGAIN_MS = 1000; // where it is still to be seen whether a node is dead

/** The form of a removal: heir, and whether the node is dead; `wanted()` is the query. */
function form(page, node) {
  const { nodes, id } = page.view.cluster;
  const heirs = nodes.filter((each) => each.id !== node.id && each.roster === "active");
  const into = make("select", { id: "remove-into" }, make("option", { value: "" }, "chosen by the cluster"));
  into.append(...heirs.map((each) => make("option", { value: each.id }, each.name)));
  const box = (name) => make("input", { type: "checkbox", id: name });
  const dead = box("remove-dead");
  const alone = box("remove-forced");
  dead.checked = node.liveness !== "alive" && node.id !== id;
  const forced = make("p", { hidden: "" }, alone, " ", make("label", { for: "remove-forced" }, "Remove it without a majority; counts that are cut off may be lost"));
  const lines = make("ul", { id: "remove-plan", "aria-live": "polite" });
  const body = [
    make("p", {}, make("label", { for: "remove-into" }, "Show its counts as those of"), " ", into),
    make("p", {}, dead, " ", make("label", { for: "remove-dead" }, "It does not answer, and will not come back")),
    forced,
    lines,
  ];
  const wanted = () => {
    const query = new URLSearchParams();
    if (into.value) query.set("into", into.value);
    if (dead.checked) query.set("dead", "true");
    if (alone.checked) query.set("without_majority", "true");
    return query;
  };
  return { body, lines, wanted, forced, fields: [into, dead, alone] };
}

const path = (id, query) => `v1/cluster/nodes/${encodeURIComponent(id)}?${query}`;

/** Show the plan of a removal, ask for a yes, begin it, and show it to the end. */
export async function remove(page, node) {
  const parts = form(page, node);
  let timer = null;
  let round = 0;
  const look = async (button) => {
    clearTimeout(timer);
    const mine = ++round;
    button.disabled = true;
    const query = parts.wanted();
    query.set("dry_run", "true");
    const answer = await ask(page, "DELETE", path(node.id, query));
    if (mine !== round || !place("dialog").open) return;
    const code = answer.body.error?.code ?? "";
    if (code.includes("majority")) parts.forced.hidden = false;
    const lines = answer.ok ? planWords(answer.body.plan, page.view.cluster.id) : [failure(answer)];
    keep(parts.lines, lines, (line) => line, () => make("li"), say);
    button.disabled = !answer.ok;
    if (code === "removal_suspect") timer = setTimeout(() => look(button), PLAN_AGAIN_MS);
  };
  const question = { title: `Remove ${node.name}?`, body: parts.body, yes: `Remove ${node.name} for good`, danger: true };
  const yes = await confirm(question, (button) => {
    for (const field of parts.fields) field.addEventListener("change", () => look(button));
    look(button);
  });
  clearTimeout(timer);
  round += 1;
  if (!yes) return;
  const answer = await ask(page, "DELETE", path(node.id, parts.wanted()));
  watch(page, node, answer.ok ? null : failure(answer));
}

/** Show the progress of a removal in the dialog until it is closed. */
function watch(page, node, refused) {
  const dialog = place("dialog");
  say(place("dialog-title"), refused ? `${node.name} is not removed` : `Removing ${node.name}`);
  say(place("dialog-no"), "Close");
  place("dialog-yes").hidden = true;
  const item = make("div", { id: "remove-progress", "aria-live": "polite" });
  const last = make("p", { class: "faint" }, refused ?? "It goes on when this is closed, and is shown in the page.");
  place("dialog-body").replaceChildren(item, last);
  dialog.returnValue = "no";
  dialog.showModal();
  place("dialog-no").focus();
  const show = (view, now) => {
    const found = view.cluster.removals.find((each) => each.id === node.id);
    if (found === undefined) return;
    writeRemoval(item, found, now);
    const isOwn = node.id === view.cluster.id;
    const isGone = isOwn && place("live").dataset.state === "lost";
    if (found.phase === "done" || (isGone && found.phase === "closing")) {
      say(place("dialog-title"), `${node.name} is removed`);
      say(last, isOwn ? "It served this page, and stops now. Go on at another node." : "It is done.");
    } else if (isGone) {
      say(last, "It served this page and does not answer any more. Another node tells what becomes of it.");
    }
  };
  if (refused) return;
  page.watchers.add(show);
  page.show();
  dialog.addEventListener("close", () => page.watchers.delete(show), { once: true });
}

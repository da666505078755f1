// What the dashboard says: numbers, durations, events and removals in words. No DOM, no clock.

const DIGITS = new Intl.NumberFormat("en");

/** Write a whole number with separators, exact whatever its size: a BigInt or its digits. */
export const whole = (number) => DIGITS.format(BigInt(number));

/** Write a rate: one digit behind the point below ten. */
export function rate(perSecond) {
  if (!(perSecond > 0)) return "0";
  return perSecond < 9.95 ? perSecond.toFixed(1) : DIGITS.format(Math.round(perSecond));
}

/** Write a duration as people say it: 1.8 s, 12 s, 3 min, 2 h, 4 d. */
export function lasting(seconds) {
  const s = Math.max(0, seconds);
  if (s < 9.95) return `${s.toFixed(1)} s`;
  for (const [most, unit, name] of [[120, 1, "s"], [7200, 60, "min"], [172800, 3600, "h"]]) {
    if (s < most) return `${Math.round(s / unit)} ${name}`;
  }
  return `${Math.round(s / 86400)} d`;
}

/** Say how many nodes there are of each kind. */
export function liveness(numbers) {
  const kinds = ["alive", "suspect", "dead", "left"].filter((kind) => numbers[kind]);
  return kinds.map((kind) => `${numbers[kind]} ${kind}`).join(", ");
}

/** Say since when, for a moment in ms by the server's clock. */
export const since = (at, now) => (at === null || at === undefined ? "" : lasting((now - at) / 1000));

const EVENTS = {
  member: (e) => `is ${e.state} now`,
  joined: () => "answers for the first time",
  suspect: (e) => `does not answer (${e.why}, says ${e.by})`,
  refuted: () => "is alive after all",
  dead: (e) => `is taken for dead (${e.why}, says ${e.by})`,
  back: () => "is back",
  left: () => "has stopped, and belongs as before",
  alone: () => "hears no other member",
  company: () => "hears another member again",
  slow: (e) => `stood still for ${lasting(Number(e.seconds))}`,
  twin: () => "runs twice; one of the two gives way",
  gives_way: () => "gives way to its twin",
  removal_started: (e) => `is being removed into ${e.into}`,
  removed: (e) => `is removed; its counts are shown as those of ${e.into}`,
  removing: () => "is being removed, and hands over what it holds",
  left_for_good: () => "has handed over what it held, and ends",
};
const TROUBLE = ["suspect", "dead", "alone", "twin", "gives_way", "slow"];

/** Say an event that `node` saw: { time, who, what, bad }. */
export function event(told, node) {
  const say = EVENTS[told.event];
  return {
    time: told.time.slice(11, 19),
    who: told.member ?? node,
    what: say ? say(told) : told.event.replaceAll("_", " "),
    bad: TROUBLE.includes(told.event),
  };
}

const PHASES = {
  draining: "takes no more views, and hands over what it holds",
  saving: "the members bring their copies of its counts to one level",
  closing: "it is removed; not every member has shown that yet",
  done: "it is removed",
};
const KEPT = { true: "every count of it is kept", false: "the members hold what they had of it" };

/** Return the phases of a removal: [{ phase, words, state: "done" | "now" | "next" }]. */
export function phases(removal) {
  const names = removal.live ? ["draining", "saving", "closing", "done"] : ["saving", "closing", "done"];
  const at = names.indexOf(removal.phase);
  return names.map((phase, place) => ({
    phase,
    words: phase === "done" ? `${PHASES.done}, and ${KEPT[Boolean(removal.live)]}` : PHASES[phase],
    state: place < at || removal.phase === "done" ? "done" : place === at ? "now" : "next",
  }));
}

/** Say whom a removal waits for. */
export function waiting(removal, now) {
  const all = removal.waiting_for ?? [];
  const named = all.slice(0, 4).map(({ node, since_at: at, why }) => {
    const lasts = since(at, now);
    return `${node}${lasts && ` for ${lasts}`}${why ? ` (${why})` : ""}`;
  });
  if (all.length > 4) named.push(`${all.length - 4} more`);
  return named.length === 0 ? "" : `waits for ${named.join(", ")}`;
}

/** Say what came of a removal. */
export function outcome(removal) {
  const parts = [];
  const shown = removal.phase === "done" ? "shown" : "to be shown";
  if (removal.into) parts.push(`${shown} as counted by ${removal.into}`);
  if (removal.saved_from?.length) parts.push(`saved from ${removal.saved_from.join(", ")}`);
  if (removal.not_asked?.length) parts.push(`could not be asked: ${removal.not_asked.join(", ")}`);
  if (removal.late) parts.push(`${whole(removal.late)} late views taken in since`);
  if (removal.refused) parts.push(`${removal.refused} versions came too late to be counted`);
  if (removal.forced) parts.push("removed without a majority");
  return parts.join("; ");
}

/** Say a plan as the lines that somebody should read before saying yes. */
export function plan(told, self) {
  const lines = told.targets.map((target) => {
    const done = { removing: "goes on being removed", removed: "is removed already" };
    const what = done[target.roster] ?? "is removed for good";
    const own = target.id === self ? " This page is served by it, and ends with it." : "";
    return `${target.node} (${target.liveness}) ${what}.${own}`;
  });
  if (told.into) lines.push(`What it counted stays, and is shown as counted by ${told.into.node}.`);
  lines.push(`${told.alive} of ${told.of} members that decide on it are alive.`);
  return [...lines, ...told.warnings.map((text) => `Mind: ${text}.`)];
}

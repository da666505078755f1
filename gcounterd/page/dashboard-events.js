// Server-sent events read from a fetch, which can carry a token where EventSource cannot.
//
// Theory. The newest state of each kind is all there is to know, so nothing is lost by beginning
// again. A stream that ends, is refused or falls silent is opened anew after a pause that grows,
// with chance in it. No DOM; `world` brings fetch, setTimeout, clearTimeout and random.

export const SILENT_MS = 40_000; // the server says something every 15 s
export const PAUSE_MS = 500;
export const PAUSE_MAX_MS = 15_000;

/** Return a function that takes pieces of text and tells each whole event: (kind, data, id). */
export function parser(tell) {
  let rest = "";
  return (piece) => {
    rest += piece;
    for (let end = rest.indexOf("\n\n"); end >= 0; end = rest.indexOf("\n\n")) {
      const event = { event: "message", data: "", id: null };
      for (const line of rest.slice(0, end).split("\n")) {
        const colon = line.indexOf(": ");
        if (colon > 0) event[line.slice(0, colon)] = line.slice(colon + 2);
      }
      rest = rest.slice(end + 2);
      if (event.data !== "") tell(event.event, event.data, event.id);
    }
  };
}

export class Stream {
  /** `heard(kind, told)` takes events, `standing(state, why)` is "live", "lost" or "locked". */
  constructor(url, world, heard, standing) {
    Object.assign(this, { url, world, heard, standing });
    this.token = "";
    this.seen = null;
    this.failed = 0;
    this.timer = null;
    this.abort = null;
  }

  /** Open the stream, anew if it is open. */
  start() {
    this.stop();
    const abort = (this.abort = new AbortController());
    this.#read(abort.signal).then(
      (why) => this.#again(abort, why),
      () => this.#again(abort, "it does not answer"),
    );
  }

  stop() {
    this.world.clearTimeout(this.timer);
    this.abort?.abort();
    this.abort = null;
  }

  #again(abort, why) {
    if (this.abort !== abort) return; // ended by us
    this.abort.abort();
    this.abort = null;
    this.world.clearTimeout(this.timer);
    if (why.locked) return this.standing("locked", why.locked);
    this.standing("lost", why);
    const most = Math.min(PAUSE_MAX_MS, PAUSE_MS * 2 ** this.failed++);
    this.timer = this.world.setTimeout(() => this.start(), most / 2 + (this.world.random() * most) / 2);
  }

  #watch(abort) {
    this.world.clearTimeout(this.timer);
    this.timer = this.world.setTimeout(() => this.#again(abort, "it is silent"), SILENT_MS);
  }

  async #read(signal) {
    const abort = this.abort;
    this.#watch(abort);
    const headers = { Accept: "text/event-stream" };
    if (this.token) headers.Authorization = `Bearer ${this.token}`;
    if (this.seen) headers["Last-Event-ID"] = this.seen;
    const answer = await this.world.fetch(this.url, { headers, signal, cache: "no-store" });
    if (answer.status === 401 || answer.status === 403) {
      const { error } = await answer.json().catch(() => ({}));
      return { locked: error?.message ?? "this needs a token" };
    }
    if (!answer.ok) return `it answers ${answer.status}`;
    let why = "the connection ended";
    const take = parser((kind, data, id) => {
      if (this.abort !== abort) return;
      if (id !== null) this.seen = id;
      this.#watch(abort);
      if (kind === "beat") return;
      const told = JSON.parse(data);
      if (kind === "leave") why = told.reasons.join("; ");
      else this.heard(kind, told);
    });
    this.failed = 0;
    this.standing("live", "");
    const text = new TextDecoder();
    const reader = answer.body.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return why;
      take(text.decode(value, { stream: true }));
    }
  }
}

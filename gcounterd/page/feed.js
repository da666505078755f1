// One stream of events, from whichever server answers.
//
// Theory. Every server tells the same kind of state, and states are joined, so it does not matter
// which one is heard, or that two were heard in turn. A server that ends the stream, refuses it or
// falls silent is left for the next one on the list; if none answers, the pauses grow, with chance
// in them, so that pages do not come back all at once.
//
// No DOM and no storage. `world` brings EventSource, setTimeout, clearTimeout and random.

export const SILENT_MS = 40_000; // servers say something every 15 s
export const PAUSE_MS = 500;
export const PAUSE_MAX_MS = 30_000;

export class Feed {
  /**
   * `servers` are base URLs, `heard(kind, told)` takes "state" and "change" events, and
   * `standing(live)` whether a server is being heard.
   */
  constructor(servers, world, heard, standing = () => {}) {
    this.servers = servers;
    this.world = world;
    this.heard = heard;
    this.standing = standing;
    this.keys = [];
    this.at = 0;
    this.failed = 0; // attempts since a server was heard
    this.source = null;
    this.timer = null;
  }

  /** Be told of these keys from now on; of none, the stream ends. */
  want(keys) {
    this.keys = [...new Set(keys)].sort();
    this.#leave();
    if (this.keys.length > 0) this.#open();
  }

  /** End the stream. */
  stop() {
    this.keys = [];
    this.#leave();
    this.standing(false);
  }

  #open() {
    const query = this.keys.map((key) => `key=${encodeURIComponent(key)}`).join("&");
    const source = new this.world.EventSource(`${this.servers[this.at]}/v1/stream?${query}`);
    this.source = source;
    const hear = (kind) => (event) => {
      if (this.source !== source) return;
      this.failed = 0;
      this.#watch();
      if (kind === "beat") return;
      this.heard(kind, JSON.parse(event.data));
      this.standing(true);
    };
    for (const kind of ["state", "change", "beat"]) source.addEventListener(kind, hear(kind));
    source.addEventListener("leave", () => this.#next(source));
    source.addEventListener("error", () => this.#next(source));
    this.#watch();
  }

  /** Go to the next server: at once if there is one that did not just fail, else after a pause. */
  #next(source) {
    if (this.source !== source) return;
    this.#leave();
    this.standing(false);
    this.at = (this.at + 1) % this.servers.length;
    this.failed += 1;
    const round = Math.floor(this.failed / this.servers.length);
    const most = round === 0 ? 0 : Math.min(PAUSE_MAX_MS, PAUSE_MS * 2 ** round);
    const pause = most / 2 + (this.world.random() * most) / 2;
    this.timer = this.world.setTimeout(() => this.#open(), pause);
  }

  /** Take a server that says nothing for long for one that is gone. */
  #watch() {
    const source = this.source;
    this.world.clearTimeout(this.timer);
    this.timer = this.world.setTimeout(() => this.#next(source), SILENT_MS);
  }

  #leave() {
    this.world.clearTimeout(this.timer);
    this.timer = null;
    this.source?.close();
    this.source = null;
  }
}

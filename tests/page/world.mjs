// A browser's surroundings for tests: event sources, a clock, locks and channels, all by hand.

export class World {
  constructor() {
    this.sources = [];
    this.timers = new Map();
    this.now = 0;
    this.number = 0;
    const world = this;
    this.EventSource = class {
      constructor(url) {
        this.url = url;
        this.heard = new Map();
        this.open = true;
        world.sources.push(this);
      }
      addEventListener(kind, act) {
        this.heard.set(kind, act);
      }
      close() {
        this.open = false;
      }
      say(kind, data = {}) {
        this.heard.get(kind)?.({ data: JSON.stringify(data) });
      }
    };
  }

  random = () => 1;

  setTimeout = (act, ms) => {
    this.timers.set(++this.number, [this.now + ms, act]);
    return this.number;
  };

  clearTimeout = (timer) => this.timers.delete(timer);

  /** Let time pass. */
  pass(ms) {
    const until = this.now + ms;
    for (;;) {
      const due = [...this.timers].filter(([, [at]]) => at <= until);
      if (due.length === 0) break;
      const [timer, [at, act]] = due.sort(([, [a]], [, [b]]) => a - b)[0];
      this.timers.delete(timer);
      this.now = at;
      act();
    }
    this.now = until;
  }

  /** The stream that is open now. */
  get source() {
    const open = this.sources.filter((source) => source.open);
    if (open.length > 1) throw new Error(`${open.length} streams are open`);
    return open[0];
  }
}

/** Locks and channels that tabs of one browser share; messages wait for `deliver`. */
export class Browser {
  constructor() {
    this.queue = [];
    this.channels = new Set();
    this.waiting = [];
    this.held = false;
    const browser = this;
    this.BroadcastChannel = class {
      constructor() {
        browser.channels.add(this);
      }
      postMessage(data) {
        const others = [...browser.channels].filter((channel) => channel !== this);
        for (const other of others) browser.queue.push([other, structuredClone(data)]);
      }
      close() {
        browser.channels.delete(this);
      }
    };
  }

  locks = {
    request: (name, { signal }, act) =>
      new Promise((resolve, reject) => {
        signal.addEventListener("abort", () => reject(new Error("aborted")));
        this.waiting.push({ act, signal, resolve });
        this.#grant();
      }),
  };

  async #grant() {
    if (this.held) return;
    const next = this.waiting.shift();
    if (next === undefined) return;
    if (next.signal.aborted) return this.#grant();
    this.held = true;
    await next.act();
    this.held = false;
    next.resolve();
    this.#grant();
  }

  async deliver() {
    do {
      const [channel, data] = this.queue.shift() ?? [];
      if (this.channels.has(channel)) channel.onmessage?.({ data });
      await new Promise(setImmediate);
    } while (this.queue.length > 0);
  }
}

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

  /** The streams that are open now. */
  get open() {
    return this.sources.filter((source) => source.open);
  }

  /** The one stream that is open now. */
  get source() {
    const { open } = this;
    if (open.length > 1) throw new Error(`${open.length} streams are open`);
    return open[0];
  }
}

/** Locks and channels that tabs of one browser share; messages wait for `deliver`. */
export class Browser {
  constructor() {
    this.queue = [];
    this.channels = new Set();
    this.locks = new Map(); // name -> requests, the first of which holds it
  }

  /** What a tab is given; `crash` ends it as a kill of its process does: without a word. */
  tab() {
    const browser = this;
    const [requests, channels] = [new Set(), new Set()];
    const locks = {
      request: (name, { signal }, act) =>
        new Promise((resolve, reject) => {
          const request = { name, act, resolve, held: false };
          requests.add(request);
          signal.addEventListener("abort", () => {
            if (request.held) return;
            browser.#leave(request);
            reject(new Error("aborted"));
          });
          if (!browser.locks.has(name)) browser.locks.set(name, []);
          browser.locks.get(name).push(request);
          queueMicrotask(() => browser.#grant(name));
        }),
    };
    class BroadcastChannel {
      constructor() {
        channels.add(this);
        browser.channels.add(this);
      }
      postMessage(data) {
        const others = [...browser.channels].filter((channel) => channel !== this);
        for (const other of others) browser.queue.push([other, structuredClone(data)]);
      }
      close() {
        browser.channels.delete(this);
      }
    }
    const crash = () => {
      for (const channel of channels) browser.channels.delete(channel);
      for (const request of requests) browser.#leave(request);
    };
    return { locks, BroadcastChannel, crash };
  }

  async #grant(name) {
    const request = this.locks.get(name)[0];
    if (request === undefined || request.held) return;
    request.held = true;
    request.resolve(await request.act());
    this.#leave(request);
  }

  #leave(request) {
    const queue = this.locks.get(request.name);
    this.locks.set(request.name, queue.filter((other) => other !== request));
    queueMicrotask(() => this.#grant(request.name));
  }

  async deliver() {
    await new Promise(setImmediate);
    do {
      const [channel, data] = this.queue.shift() ?? [];
      if (this.channels.has(channel)) channel.onmessage?.({ data });
      await new Promise(setImmediate);
    } while (this.queue.length > 0);
  }
}

// One stream for all tabs of an origin: one of them leads, the others are told.
//
// Theory. Browsers open six connections to a server at most, and a stream is one of them. So tabs
// ask for a lock; whoever holds it reads the stream for all and passes on what it hears. When it is
// closed the lock goes to another tab, which begins a stream of its own. Each tab joins what it is
// told by itself, so nothing depends on who led when, and a message that is lost is told again.
//
// Where the browser has no locks or no channel (pages without https), every tab leads itself.
// No DOM. `world` brings locks and BroadcastChannel, which may be missing, and a random id.

export class Tabs {
  /**
   * `feed` is the stream, to be used by the one that leads; `replica` joins what is told;
   * `standing(live)` takes whether a server is being heard.
   */
  constructor(name, world, feed, replica, standing = () => {}) {
    this.name = name;
    this.world = world;
    this.feed = feed;
    this.replica = replica;
    this.standing = standing;
    this.keys = [];
    this.wants = new Map(); // of those that lead: tab id -> keys
    this.leads = false;
    this.live = false;
    this.channel = null;
    this.end = null;
    feed.heard = (kind, told) => this.#pass({ kind, told });
    feed.standing = (live) => this.#pass({ kind: "standing", live });
  }

  /** Take part: lead, or be told by whoever does. */
  start() {
    const { locks, BroadcastChannel } = this.world;
    if (!locks || !BroadcastChannel) {
      this.#lead();
      return;
    }
    this.channel = new BroadcastChannel(this.name);
    this.channel.onmessage = (event) => this.#hear(event.data);
    this.#say();
    const held = new Promise((resolve) => (this.end = resolve));
    const aborted = new AbortController();
    this.aborted = aborted;
    locks
      .request(this.name, { signal: aborted.signal }, () => {
        this.#lead();
        return held;
      })
      .catch(() => {}); // it was stopped while it waited
  }

  /** Want these keys. */
  want(keys) {
    this.keys = [...keys];
    if (this.leads) this.#gather(this.world.id, this.keys);
    else this.#say();
  }

  /** Take part no more; another tab may lead. */
  stop() {
    this.channel?.postMessage({ kind: "bye", from: this.world.id });
    this.leads = false;
    this.feed.stop();
    this.aborted?.abort();
    this.end?.();
    this.channel?.close();
    this.channel = null;
    this.wants.clear();
  }

  #lead() {
    this.leads = true;
    this.channel?.postMessage({ kind: "who" });
    this.#gather(this.world.id, this.keys);
  }

  #say() {
    this.channel?.postMessage({ kind: "want", from: this.world.id, keys: this.keys });
  }

  /** Note what a tab wants; begin the stream anew if that is more than it tells. */
  #gather(from, keys) {
    this.wants.set(from, keys);
    const all = [...new Set([...this.wants.values()].flat())].sort();
    if (all.length === 0 || all.some((key) => !this.feed.keys.includes(key))) this.feed.want(all);
    else if (from !== this.world.id && this.replica.cluster !== null) {
      this.channel.postMessage({ kind: "state", told: this.replica.told(keys) });
      this.channel.postMessage({ kind: "standing", live: this.live });
    }
  }

  #hear(message) {
    if (message.kind === "who") this.#say();
    else if (message.kind === "want") this.leads && this.#gather(message.from, message.keys);
    else if (message.kind === "bye") this.wants.delete(message.from);
    else this.#take(message);
  }

  #pass(message) {
    this.channel?.postMessage(message);
    this.#take(message);
  }

  #take({ kind, told, live }) {
    if (kind === "state") this.replica.begin(told);
    else if (kind === "change") this.replica.take(told);
    else if (kind === "standing") this.standing((this.live = live));
  }
}

// The streams of one tab for all tabs of an origin: one of them leads, the others are told.
//
// Theory. Browsers open six connections to a server at most, and a stream is one of them. So tabs
// ask for a lock; whoever holds it reads for all and passes on what it hears. When it is closed the
// lock goes to another tab, which begins streams of its own. Each tab joins what it is told by
// itself, so nothing depends on who led when, and a message that is lost is told again.
//
// A tab may end without a word. So each holds a lock of its own as long as it is there, and who leads
// waits for the locks of all others: it is given one when that tab is gone, however that came.
//
// Where the browser has no locks or no channel (pages without https), every tab leads itself.
// No DOM. `world` brings locks and BroadcastChannel, which may be missing, and a random id.

export class Tabs {
  /**
   * `feed` is the streams (a `Bundle`), to be used by the one that leads; `replica` joins what is told;
   * `standing(live, left)` takes whether servers are being heard, and the keys that are not read.
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
    this.present = false; // others may wait for our end
    this.live = false;
    this.channel = null;
    this.end = () => {};
    this.aborted = null;
    feed.heard = (kind, told) => this.#pass({ kind, told });
    feed.standing = (live, left) => this.#pass({ kind: "standing", live, left });
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
    this.aborted = new AbortController();
    const taken = new Promise((resolve) => (this.end = resolve));
    this.#lock(this.#own(this.world.id), () => {
      this.present = true;
      this.#say();
      return taken;
    });
    this.#lock(this.name, () => {
      this.#lead();
      return taken;
    });
  }

  /** Want these keys. */
  want(keys) {
    this.keys = [...keys];
    if (this.leads) this.#gather(this.world.id, this.keys);
    else this.#say();
  }

  /** Take part no more; another tab may lead. */
  stop() {
    if (this.leads) this.feed.stop();
    this.leads = this.present = false;
    this.aborted?.abort();
    this.end();
    this.channel?.close();
    this.channel = null;
    this.wants.clear();
  }

  /** Do something when a lock is ours, and hold it until that is done; not after `stop`. */
  #lock(name, act) {
    const { signal } = this.aborted;
    const unless = () => (signal.aborted ? undefined : act());
    this.world.locks.request(name, { signal }, unless).catch(() => {}); // it was stopped
  }

  #own(id) {
    return `${this.name} ${id}`;
  }

  #lead() {
    this.leads = true;
    this.channel?.postMessage({ kind: "who" });
    this.#gather(this.world.id, this.keys);
  }

  #say() {
    if (this.present) this.channel.postMessage({ kind: "want", from: this.world.id, keys: this.keys });
  }

  /** Note what a tab wants, and tell it what is known of that. */
  #gather(from, keys) {
    const other = from !== this.world.id;
    if (other && !this.wants.has(from)) this.#lock(this.#own(from), () => this.#forget(from));
    this.wants.set(from, keys);
    this.#plan();
    if (!other || this.replica.cluster === null) return;
    this.channel.postMessage({ kind: "state", told: this.replica.told(keys) });
    this.channel.postMessage({ kind: "standing", live: this.live, left: this.feed.left });
  }

  #forget(from) {
    this.wants.delete(from);
    this.#plan();
  }

  /** Read what is wanted; what is wanted no more is read on while it is the smaller part. */
  #plan() {
    const all = [...new Set([...this.wants.values()].flat())];
    const read = new Set(this.feed.keys);
    const lacking = all.some((key) => !read.has(key));
    if (lacking || 2 * all.length < read.size || all.length === 0) this.feed.want(all);
  }

  #hear(message) {
    if (message.kind === "who") this.#say();
    else if (message.kind === "want") this.leads && this.#gather(message.from, message.keys);
    else this.#take(message);
  }

  #pass(message) {
    this.channel?.postMessage(message);
    this.#take(message);
  }

  #take({ kind, told, live, left = [] }) {
    if (kind === "state") this.replica.begin(told);
    else if (kind === "change") this.replica.take(told);
    else if (kind === "standing") this.standing((this.live = live), left);
  }
}

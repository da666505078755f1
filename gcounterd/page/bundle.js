// The streams of a browser: what its pages show, spread over a few feeds.
//
// Theory. A stream names its counters in its address, and servers bound both: how many, and how long
// an address is. So what is wanted is cut into pieces that any server takes, each a stream of its
// own. Browsers open six connections to a server at most, and pages need some themselves, so there are
// few streams: counters beyond them, in the order in which they are wanted, are *left*; they show
// what was kept, and are read as soon as there is room. What no server would take is left as well,
// since it would cost all others their stream.
//
// No DOM and no storage. It has the face of a `Feed`, and what is said of `world` there holds here.

import { Feed } from "./feed.js";

export const KEYS_MAX = 256; // of one stream, as servers have it
export const QUERY_CHARS_MAX = 7000; // servers and proxies take addresses of 8 KiB
export const STREAMS_MAX = 3;
const KEY_BYTES_MAX = 1024;

export class Bundle {
  /** `servers` are base URLs. Who uses it sets `heard` and `standing`, as those of a `Feed`. */
  constructor(servers, world) {
    this.heard = () => {};
    this.standing = () => {};
    this.keys = []; // that are read
    this.left = []; // that are wanted and not read
    this.feeds = [];
    this.lively = new Set(); // the feeds that hear a server
    this.begin = () => {
      const heard = (kind, told) => this.heard(kind, told);
      const feed = new Feed(servers, world, heard, (live) => this.#note(feed, live));
      return feed;
    };
  }

  /** Be told of these keys from now on, the first ones first; streams that tell the same go on. */
  want(keys) {
    const pieces = cut(keys);
    const read = new Set(pieces.flat());
    this.keys = [...read];
    this.left = [...new Set(keys)].filter((key) => !read.has(key));
    while (this.feeds.length > pieces.length) this.#drop(this.feeds.pop());
    while (this.feeds.length < pieces.length) this.feeds.push(this.begin());
    pieces.forEach((piece, at) => {
      const feed = this.feeds[at];
      if (JSON.stringify(piece) === JSON.stringify(feed.keys)) return;
      this.lively.delete(feed);
      feed.want(piece);
    });
    this.#tell();
  }

  /** End all streams. */
  stop() {
    this.want([]);
  }

  #drop(feed) {
    this.lively.delete(feed);
    feed.standing = () => {};
    feed.stop();
  }

  #note(feed, live) {
    if (live) this.lively.add(feed);
    else this.lively.delete(feed);
    this.#tell();
  }

  #tell() {
    const live = this.feeds.length > 0 && this.lively.size === this.feeds.length;
    this.standing(live, this.left);
  }
}

/** Cut keys into at most STREAMS_MAX pieces that a server takes; each is in order. */
function cut(keys) {
  const pieces = [];
  let [piece, chars] = [[], 0];
  const finish = () => piece.length > 0 && pieces.push(piece.sort());
  for (const key of new Set(keys)) {
    if (!sound(key)) continue;
    const more = `&key=${encodeURIComponent(key)}`.length;
    if (piece.length === KEYS_MAX || chars + more > QUERY_CHARS_MAX) {
      finish();
      [piece, chars] = [[], 0];
    }
    piece.push(key);
    chars += more;
  }
  finish();
  return pieces.slice(0, STREAMS_MAX);
}

/** Say whether a server takes a key: 1 to 1,024 bytes of UTF-8, no half of a character. */
function sound(key) {
  try {
    encodeURIComponent(key); // refuses half characters
  } catch {
    return false;
  }
  const size = new TextEncoder().encode(key).length;
  return size >= 1 && size <= KEY_BYTES_MAX;
}

// As much of a browser's EventSource as the scripts use, over fetch: node 20 has none.

export class EventSource {
  constructor(url) {
    this.heard = new Map();
    this.aborted = new AbortController();
    this.#read(url)
      .catch(() => {})
      .finally(() => this.#say("error", ""));
  }

  addEventListener(kind, act) {
    this.heard.set(kind, act);
  }

  close() {
    this.heard.clear();
    this.aborted.abort();
  }

  #say(kind, data) {
    this.heard.get(kind)?.({ data });
  }

  async #read(url) {
    const answer = await fetch(url, { signal: this.aborted.signal });
    if (answer.status !== 200) return;
    let rest = "";
    for await (const piece of answer.body.pipeThrough(new TextDecoderStream())) {
      const events = (rest + piece).split("\n\n");
      rest = events.pop();
      for (const event of events) {
        const fields = Object.fromEntries(event.split("\n").map((line) => line.split(/: (.*)/s)));
        if (fields.data !== undefined) this.#say(fields.event ?? "message", fields.data);
      }
    }
  }
}

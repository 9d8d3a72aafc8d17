// How far a client has received the events of the server.

// This event also has a key `seq`, which is the number of the frame.
const FRAME = "live_view_frame";

/** The last received event, so that the server can send the missed ones after a lost connection. */
export class Position {
  /** @type {string | null} of the server's log */ #epoch = null;
  #seq = 0;
  /** @type {Map<string, number>} by name: the last received event, at first that of the subscription */ #received = new Map();

  /** The place after the last received event; null before a subscription. */
  get since() {
    return this.#epoch === null ? null : { epoch: this.#epoch, seq: this.#seq };
  }

  /**
   * Called with the reply to each change of the subscriptions, before the events that follow it.
   * @param {any} reply @param {import("./index.js").Place | null} [since] the place from which the server repeats events, if it does
   */
  subscribed(reply, since) {
    const start = since && reply.recovered ? since.seq : reply.seq;
    if (reply.epoch !== this.#epoch) {
      this.#seq = start;
      this.#epoch = reply.epoch;
      this.#received = new Map();
    } else if (this.#received.size === 0) {
      this.#seq = Math.max(this.#seq, start);
    }
    this.#received = new Map(reply.events.map((/** @type {string} */ name) => [name, this.#received.get(name) ?? start]));
  }

  /** Called with each event. Returns false if it was received before, or is older than the subscription. @param {any} event */
  take(event) {
    if (typeof event.seq !== "number" || event.event === FRAME) return true; // an event of this connection only
    this.#seq = Math.max(this.#seq, event.seq);
    if (event.seq <= (this.#received.get(event.event) ?? 0)) return false;
    this.#received.set(event.event, event.seq);
    return true;
  }
}

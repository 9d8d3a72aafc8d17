// Events of the cameras, as asynchronous iterators. The subscriptions are restored after a reconnect.

import { Signal } from "./connection.js";
import { Position } from "./position.js";

/**
 * @typedef {import("./link.js").Json} Json
 * @typedef {import("./index.js").Place} Place
 * @typedef {import("./errors.js").CameraError} CameraError
 */

// Of each iterator. If more events wait, the oldest are dropped.
const MOST_WAITING = 1000;
export const RECONNECTED = "reconnected";
const ALL = "*";

/** @implements {AsyncIterableIterator<any>} */
export class Events {
  missed = 0;
  /** @type {Promise<void>} */ ready;
  names;
  #hub;
  #waiting = /** @type {Json[]} */ ([]);
  #news = new Signal();
  #stopped = false;
  /** @type {unknown} */ #failure;

  /** @param {EventHub} hub @param {readonly string[]} names @param {Place} [since] */
  constructor(hub, names, since) {
    this.#hub = hub;
    this.names = new Set(names);
    this.ready = hub.enter(this, since);
    this.ready.catch((error) => this.over(error));
  }

  [Symbol.asyncIterator]() {
    return this;
  }

  async next() {
    for (;;) {
      const value = this.#waiting.shift();
      if (value) return { value, done: /** @type {const} */ (false) };
      if (this.#stopped) return { value: undefined, done: /** @type {const} */ (true) };
      const failure = this.#failure ?? this.#hub.error;
      if (failure) throw failure;
      await this.#news.wait();
    }
  }

  async return() {
    this.stop();
    return { value: undefined, done: /** @type {const} */ (true) };
  }

  stop() {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#waiting = [];
    this.#news.emit();
    this.#hub.leave(this);
  }

  /** @param {Json} event */
  take(event) {
    if (!this.names.has(ALL) && !this.names.has(event.event)) return;
    this.#waiting.push(event);
    if (this.#waiting.length > MOST_WAITING) {
      this.#waiting.shift();
      this.missed += 1;
    }
    this.#news.emit();
  }

  /** End the iteration with this error. @param {unknown} error */
  over(error) {
    this.#failure = error;
    this.#news.emit();
  }
}

/** All iterators of a client, and what it has subscribed to. */
export class EventHub {
  position = new Position();
  #connection;
  /** @type {Set<Events>} */ #listeners = new Set();
  /** @type {Set<string>} */ #subscribed = new Set();
  /** @type {Promise<unknown>} changes of the subscriptions run one after the other */ #changing = Promise.resolve();

  /** @param {import("./connection.js").Connection} connection */
  constructor(connection) {
    this.#connection = connection;
  }

  get error() {
    return this.#connection.error;
  }

  /** Subscribe to the events of a new iterator. @param {Events} events @param {Place} [since] @returns {Promise<void>} */
  enter(events, since) {
    this.#listeners.add(events);
    const entered = this.#changing.then(async () => {
      const names = [...events.names].filter((name) => name !== RECONNECTED && !this.#isSubscribed(name));
      if (names.length) await this.#change("subscribe", { events: names, ...(since && { since }) }, since);
    });
    this.#changing = entered.catch(() => this.#listeners.delete(events));
    return entered;
  }

  /** @param {Events} events */
  leave(events) {
    this.#listeners.delete(events);
    this.#changing = this.#changing.then(async () => {
      const wanted = new Set([...this.#listeners].flatMap((listener) => [...listener.names]));
      const unwanted = wanted.has(ALL) ? [] : [...this.#subscribed].filter((name) => !wanted.has(name));
      for (const name of unwanted) this.#subscribed.delete(name); // a reconnect does not restore them
      if (!unwanted.length || this.#connection.state !== "connected") return;
      // If it fails, the events still come, and nobody gets them.
      await this.#change("unsubscribe", { events: unwanted }).catch(() => {});
    });
  }

  /** @param {Json} event */
  take(event) {
    if (!this.position.take(event)) return;
    for (const listener of this.#listeners) listener.take(event);
  }

  /** Restore the subscriptions on a new link. @param {import("./link.js").Link} link */
  async restore(link) {
    const since = this.position.since;
    if (!this.#subscribed.size) return this.take({ event: RECONNECTED, recovered: false });
    const payload = { events: [...this.#subscribed], ...(since && { since }) };
    await link.request("subscribe", payload, this.#connection.replyTimeoutMs, (_, reply) => {
      this.position.subscribed(reply, since);
      this.take({ event: RECONNECTED, recovered: reply.recovered === true });
    });
  }

  /** Called after each change of the connection's state. */
  wake() {
    if (this.error) for (const listener of this.#listeners) listener.over(this.error);
  }

  /** @param {string} name */
  #isSubscribed(name) {
    return name !== ALL && this.#subscribed.has(name);
  }

  /** @param {string} command @param {Json} payload @param {Place} [since] */
  async #change(command, payload, since) {
    await this.#connection.call(command, payload, (_, reply) => {
      this.#subscribed = new Set(reply.events);
      this.position.subscribed(reply, since);
    });
  }
}

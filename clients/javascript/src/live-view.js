// Live view as an asynchronous iterator over the newest frames. It continues after a loss of the connection.

import { Signal } from "./connection.js";
import { CameraError } from "./errors.js";

/**
 * @typedef {import("./index.js").Frame} Frame
 * @typedef {import("./link.js").Link} Link
 * @typedef {import("./link.js").Json} Json
 */

const FIRST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 2_000;
const MAX_IN_FLIGHT = 2;
const STOP_MS = 5_000;
// Errors after which the start is tried again, because a restarted server may not have found its cameras yet.
const NOT_YET = ["camera_not_found", "no_camera_selected"];

/** @implements {AsyncIterableIterator<Frame>} */
export class LiveView {
  /** @type {Promise<any>} */ ready;
  #connection;
  #payload;
  /** @type {Link | undefined} */ #link;
  #number = 0;
  /** @type {Frame | undefined} the newest frame, if it was not returned yet */ #frame;
  #skipped = false;
  #withheld = false;
  #stopped = false;
  /** @type {unknown} */ #failure;
  #news = new Signal();
  #isReady = false;
  /** @type {Promise<unknown> | undefined} */ #restart;

  /** @param {import("./connection.js").Connection} connection @param {Json} options */
  constructor(connection, options) {
    this.#connection = connection;
    this.#payload = { max_in_flight: MAX_IN_FLIGHT, ...options, format: "binary" };
    this.ready = this.#start();
    this.ready.catch((error) => this.#fail(error));
  }

  [Symbol.asyncIterator]() {
    return this;
  }

  async next() {
    while (!this.#stopped) {
      if (this.#frame) return { value: this.#take(this.#frame), done: /** @type {const} */ (false) };
      const failure = this.#failure ?? this.#connection.error;
      if (failure) throw failure;
      if (this.#isReady && !this.#link) await (this.#restart ??= this.#startAgain().finally(() => (this.#restart = undefined)));
      else await this.#news.wait();
    }
    return { value: undefined, done: /** @type {const} */ (true) };
  }

  async return() {
    await this.stop();
    return { value: undefined, done: /** @type {const} */ (true) };
  }

  async stop() {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#frame = undefined;
    this.#news.emit();
    if (this.#link) await this.#stopStream(this.#link, this.#number);
  }

  /** @param {Link} link @param {number} stream */
  async #stopStream(link, stream) {
    if (!link.streams.delete(stream)) return; // the server has ended it
    await link.request("stop_live_view", { stream }, STOP_MS).catch(() => {});
  }

  /** @param {Frame} frame */
  #take(frame) {
    const dropped = frame.dropped || this.#skipped;
    this.#frame = undefined;
    this.#skipped = false;
    if (this.#withheld) this.#link?.acknowledge(frame.stream, frame.seq);
    this.#withheld = false;
    return { ...frame, dropped };
  }

  async #start() {
    const reply = await this.#connection.call("start_live_view", this.#payload, (link, { stream }) => {
      this.#link = link;
      this.#number = stream;
      this.#withheld = false;
      link.streams.set(stream, this.#sink);
      if (this.#stopped) this.#stopStream(link, stream);
    });
    this.#isReady = true;
    this.#news.emit();
    return reply;
  }

  async #startAgain() {
    const giveUpAt = Date.now() + this.#connection.reconnectForMs;
    let pauseMs = FIRST_PAUSE_MS;
    while (!this.#stopped) {
      try {
        return await this.#start();
      } catch (error) {
        const mayRetry = error instanceof CameraError && (error.retryable || NOT_YET.includes(error.code));
        if (this.#connection.error || !mayRetry || Date.now() > giveUpAt) throw error;
      }
      await this.#news.wait(pauseMs);
      pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
    }
  }

  /** @param {unknown} error */
  #fail(error) {
    this.#failure = error;
    this.#news.emit();
  }

  #sink = {
    /** A program that does not read gets `max_in_flight` frames more, and then no frames until it reads. @param {Frame} frame */
    frame: (frame) => {
      const unread = this.#frame;
      this.#skipped ||= unread !== undefined;
      this.#frame = frame;
      this.#withheld = unread !== undefined;
      this.#news.emit();
      return !this.#withheld;
    },
    /** @param {string} reason */
    ended: (reason) => {
      const words = String(reason).replaceAll("_", " ");
      this.#fail(new CameraError({ code: reason, message: `Live view ended: ${words}.` }));
    },
    lost: () => {
      this.#link = undefined;
      this.#skipped = true;
      this.#news.emit();
    },
  };
}

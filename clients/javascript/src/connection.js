// Reconnects after a loss. Commands wait for the reconnect; a repeated capture has the same key.

import { CameraError, FINAL_CLOSE_CODES, NotSent, connectionFailed } from "./errors.js";
import { Link } from "./link.js";
import { FIRING, KEYED, REPEATED, WITHOUT_CAMERA, lastsMs, makeKey, mayHaveFired } from "./rules.js";

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5_000;
const FLOODED = 4429;
const PAUSE_AFTER_FLOOD_MS = 10_000;
// A connection that lasts longer than this counts as stable.
const STEADY_MS = 2_000;
const TRIES = 3;
// How often the connection may be lost before a command is sent.
const TRIES_TO_SEND = 5;

/**
 * @typedef {import("./link.js").Json} Json
 * @typedef {{ onEvent(event: Json): void, restore(link: Link): Promise<void>, onState(): void }} Owner
 *   `restore` is called with each new link before commands are sent on it; `onState` after each change of `state`
 */

export class Connection {
  /** @type {"connected" | "reconnecting" | "closed"} */ state = "reconnecting";
  /** @type {CameraError | null} why the connection is closed */ error = null;
  reconnectForMs;
  replyTimeoutMs;
  #address;
  #owner;
  /** @type {Link | undefined} */ #link;
  /** @type {string | undefined} the port of the selected camera */ #selected;
  #changed = new Signal();
  #pause = new Signal();

  /**
   * @param {import("./link.js").Address} address
   * @param {{ reconnectForMs: number, replyTimeoutMs: number }} times
   * @param {Owner} owner
   */
  constructor(address, { reconnectForMs, replyTimeoutMs }, owner) {
    this.#address = address;
    this.reconnectForMs = reconnectForMs;
    this.replyTimeoutMs = replyTimeoutMs;
    this.#owner = owner;
  }

  /** Connect once. */
  async open() {
    this.#link = await Link.open(this.#address, (event) => this.#owner.onEvent(event));
    this.#become("connected");
    this.#keepConnected(this.#link);
  }

  close() {
    this.#end(connectionFailed("The client was closed.", false));
    this.#link?.close();
    this.#pause.emit();
  }

  /** Try to connect now, if the client waits for its next attempt. */
  tryNow() {
    this.#pause.emit();
  }

  /**
   * Send a command and wait for its reply. Throws CameraError.
   * @param {string} command @param {Json} given @param {import("./link.js").Claim} [claim]
   */
  async call(command, given, claim) {
    const payload = { ...given };
    if (KEYED.has(command)) payload.key ??= makeKey();
    const attempts = { lost: 0, notSent: 0 };
    try {
      return await this.#repeat(command, payload, attempts, (link, reply) => {
        if (command === "select_camera") this.#selected = link.selected = payload.port;
        claim?.(link, reply);
      });
    } catch (error) {
      if (!FIRING.has(command) || !(error instanceof CameraError) || !mayHaveFired(error, attempts.lost)) throw error;
      const message =
        `${error.message.replace(/\.$/, "")} (while a picture was being taken): the shutter may have fired. ` +
        "Look at the card before you take another picture.";
      throw Object.assign(new CameraError({ code: "capture_unknown", message }), { cause: error });
    }
  }

  /** @param {string} command @param {Json} payload @param {{ lost: number, notSent: number }} attempts @param {import("./link.js").Claim} claim */
  async #repeat(command, payload, attempts, claim) {
    const timeoutMs = this.replyTimeoutMs + lastsMs(command, payload);
    for (;;) {
      const link = await this.link();
      try {
        if (!WITHOUT_CAMERA.has(command) && payload.port === undefined) await this.#select(link);
        return await link.request(command, payload, timeoutMs, claim);
      } catch (error) {
        if (!(error instanceof CameraError) || error.code !== "connection_lost") throw error;
        if (error instanceof NotSent) {
          if (++attempts.notSent >= TRIES_TO_SEND) throw error;
          await link.lost;
        } else {
          attempts.lost += 1;
          if (!REPEATED.has(command) || !error.retryable || attempts.lost >= TRIES) throw error;
        }
      }
    }
  }

  /** Select the camera again on a new link. The server's selection stays with the camera, also on another port. @param {Link} link */
  async #select(link) {
    if (link.selected === this.#selected) return;
    const port = this.#selected;
    try {
      await link.request("select_camera", { port }, this.replyTimeoutMs);
    } catch (error) {
      throw error instanceof CameraError && error.code === "connection_lost" ? new NotSent() : error;
    }
    link.selected = port;
  }

  /** The current link. If there is none now, waits for a reconnect, at most as long as for a reply. @returns {Promise<Link>} */
  async link() {
    const giveUpAt = Date.now() + this.replyTimeoutMs;
    for (;;) {
      if (this.error) throw this.error;
      if (this.state === "connected" && this.#link && !this.#link.ended) return this.#link;
      const restMs = giveUpAt - Date.now();
      if (restMs <= 0) throw connectionFailed("There is no connection to the server.");
      await this.#changed.wait(restMs);
    }
  }

  /** @param {Link} link */
  async #keepConnected(link) {
    let pauseMs = FIRST_PAUSE_MS;
    while (!this.error) {
      const since = Date.now();
      const lost = await link.lost;
      if (this.error) return;
      this.#become("reconnecting");
      // The pauses become longer if the server accepts connections but closes them soon.
      pauseMs = Date.now() - since > STEADY_MS ? FIRST_PAUSE_MS : Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
      try {
        link = await this.#reconnect(lost, pauseMs);
      } catch (error) {
        return this.#end(/** @type {CameraError} */ (error));
      }
      if (this.error) return link.close();
      this.#link = link;
      this.#become("connected");
    }
  }

  /** @param {CameraError} lost @param {number} pauseMs @returns {Promise<Link>} */
  async #reconnect(lost, pauseMs) {
    const giveUpAt = Date.now() + this.reconnectForMs;
    if (lost.details.close === FLOODED) pauseMs = PAUSE_AFTER_FLOOD_MS;
    let error = lost;
    let mayRetry = !FINAL_CLOSE_CODES.has(lost.details.close);
    while (mayRetry && Date.now() < giveUpAt) {
      // The pause is random, so that not all clients of a restarted server connect at the same moment.
      await this.#pause.wait(Math.min(giveUpAt - Date.now(), pauseMs * (0.7 + 0.6 * Math.random())));
      if (this.error) break;
      pauseMs = Math.min(pauseMs * 2, Math.max(pauseMs, LONGEST_PAUSE_MS));
      try {
        return await this.#openAgain();
      } catch (failure) {
        error = /** @type {CameraError} */ (failure);
        mayRetry = error.retryable;
      }
    }
    throw error;
  }

  async #openAgain() {
    const link = await Link.open(this.#address, (event) => this.#owner.onEvent(event));
    try {
      await this.#owner.restore(link);
    } catch (error) {
      link.close();
      throw error;
    }
    return link;
  }

  /** @param {"connected" | "reconnecting" | "closed"} state */
  #become(state) {
    this.state = state;
    this.#changed.emit();
    this.#owner.onState();
  }

  /** @param {CameraError} error */
  #end(error) {
    if (this.error) return;
    this.error = error;
    this.#become("closed");
  }
}

/** Wakes those who wait. */
export class Signal {
  /** @type {Set<() => void>} */ #waiting = new Set();

  emit() {
    for (const wake of this.#waiting) wake();
  }

  /** Wait for `emit`, at most for this time. @param {number} [timeoutMs] @returns {Promise<void>} */
  wait(timeoutMs) {
    return new Promise((resolve) => {
      /** @type {any} */ let timer;
      const wake = () => {
        clearTimeout(timer);
        this.#waiting.delete(wake);
        resolve();
      };
      this.#waiting.add(wake);
      if (timeoutMs !== undefined && timeoutMs < 2 ** 31) timer = setTimeout(wake, timeoutMs);
    });
  }
}

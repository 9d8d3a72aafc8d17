// The client: commands, live view, events and downloads over one connection that reconnects automatically.

import { Connection } from "./connection.js";
import { download } from "./download.js";
import { CameraError } from "./errors.js";
import { EventHub, Events } from "./events.js";
import { LiveView } from "./live-view.js";
import { METHODS } from "./rules.js";

export { CameraError };

const DEFAULT_URL = "ws://localhost:8765";
const RECONNECT_FOR_MS = 60_000;
const REPLY_TIMEOUT_MS = 120_000;
const OPEN_TIMEOUT_MS = 10_000;

/** @type {typeof import("./index.js").connect} */
export async function connect({ url = DEFAULT_URL, createSocket = defaultSocket, openTimeoutMs = OPEN_TIMEOUT_MS, ...options }) {
  const { token, reconnectForMs = RECONNECT_FOR_MS, replyTimeoutMs = REPLY_TIMEOUT_MS } = options;
  const client = new Client({ url, token, createSocket, openTimeoutMs }, { reconnectForMs, replyTimeoutMs });
  await client.open();
  return client;
}

/** @param {string} url */
function defaultSocket(url) {
  if (typeof WebSocket === "undefined") {
    throw new TypeError('There is no WebSocket here. With Node.js before 22, use the package "ws": createSocket: (url) => new WebSocket(url)');
  }
  return new WebSocket(url);
}

/** @typedef {import("./index.js").Client} PublicClient */

/** @implements {PublicClient} */
class Client extends EventTarget {
  /** @type {Connection} */ #connection;
  /** @type {EventHub} */ #hub;
  #tryNow = () => {
    if (!globalThis.document?.hidden) this.#connection.tryNow();
  };

  /** @param {import("./link.js").Address} address @param {{ reconnectForMs: number, replyTimeoutMs: number }} times */
  constructor(address, times) {
    super();
    this.#connection = new Connection(address, times, {
      onEvent: (event) => this.#hub.take(event),
      restore: (link) => this.#hub.restore(link),
      onState: () => this.#onState(),
    });
    this.#hub = new EventHub(this.#connection);
  }

  async open() {
    await this.#connection.open();
    // A page may have a network again, or is shown again; its timers were slow meanwhile.
    globalThis.addEventListener?.("online", this.#tryNow);
    globalThis.document?.addEventListener("visibilitychange", this.#tryNow);
  }

  get state() {
    return this.#connection.state;
  }

  get error() {
    return this.#connection.error;
  }

  get place() {
    return this.#hub.position.since;
  }

  /** @param {any} command @param {any} [payload] @returns {Promise<any>} */
  async call(command, payload = {}) {
    const method = METHODS.get(command);
    if (method) throw new TypeError(`Use client.${method}() instead of ${command}.`);
    return this.#connection.call(command, payload);
  }

  /** @param {import("./index.js").LiveViewOptions} [options] @returns {any} */
  liveView(options = {}) {
    return new LiveView(this.#connection, options);
  }

  /** @param {readonly any[]} [names] @param {{ since?: import("./index.js").Place }} [options] @returns {any} */
  events(names = ["*"], { since } = {}) {
    return new Events(this.#hub, names, since);
  }

  /** @param {import("./index.js").DownloadOptions} [options] */
  download(options = {}) {
    return download(this.#connection, options);
  }

  close() {
    this.#connection.close();
  }

  #onState() {
    if (this.state === "closed") {
      globalThis.removeEventListener?.("online", this.#tryNow);
      globalThis.document?.removeEventListener("visibilitychange", this.#tryNow);
    }
    this.#hub.wake();
    this.dispatchEvent(new Event("state"));
  }
}

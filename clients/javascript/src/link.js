// One connection after login: replies by id, frames, pieces of files, events.

import { CameraError, NotSent, connectionFailed, connectionLost, fromReply } from "./errors.js";

/**
 * @typedef {Record<string, any>} Json
 * @typedef {{ url: string, token: string, createSocket: (url: string) => any, openTimeoutMs: number }} Address
 * @typedef {{ frame(frame: import("./index.js").Frame): boolean, ended(reason: string): void, lost(): void }} Stream
 *   `frame` returns whether the frame can be acknowledged now
 * @typedef {{ piece(offset: number, data: Uint8Array): void, complete(sha256: string): void, lost(error: CameraError): void }} Transfer
 * @typedef {(link: Link, reply: Json) => void} Claim called with the reply before the next message is read
 * @typedef {{ resolve(reply: Json): void, reject(error: CameraError): void, claim?: Claim, isLarge: boolean }} Waiting
 */

const PROTOCOL = 1;
const OPEN = 1;
const HEADER_BYTES = 16;
const FRAME = 1;
const PIECE = 2;
const DROPPED = 2;
const PING_MS = 4_000;
const SILENCE_MS = 12_000;
const NO_CLOSE_CODE = 1006;
// A browser does not say why a connection failed.
const ORIGIN_HINT = globalThis.location ? ` And is ${globalThis.location.origin} allowed in its WS_ORIGINS?` : "";

export class Link {
  /** @type {Map<number, Stream>} */ streams = new Map();
  /** @type {Map<number, Transfer>} */ transfers = new Map();
  /** @type {Promise<CameraError>} completes with the reason when the connection has ended */ lost;
  /** @type {CameraError | null} */ ended = null;
  /** @type {string | undefined} the port that was selected on this connection */ selected;
  /** @type {any} */ #socket;
  /** @type {Map<number, Waiting>} */ #waiting = new Map();
  /** @type {(event: Json) => void} */ #onEvent;
  /** @type {(error: CameraError) => void} */ #resolveLost = () => {};
  #number = 0;
  #lastWords = "";
  #heardAt = Date.now();
  #pingedAt = 0;
  /** @type {any} */ #heartbeat;

  /** @param {any} socket @param {(event: Json) => void} onEvent */
  constructor(socket, onEvent) {
    this.#socket = socket;
    this.#onEvent = onEvent;
    this.lost = new Promise((resolve) => (this.#resolveLost = resolve));
    socket.onmessage = (/** @type {any} */ { data }) => this.#receive(data);
    socket.onclose = (/** @type {any} */ { code, reason }) => this.#end(code, reason);
    this.#heartbeat = setInterval(() => this.#beat(), PING_MS);
  }

  /**
   * Connect and log in.
   * @param {Address} address @param {(event: Json) => void} onEvent @returns {Promise<Link>}
   */
  static open({ url, token, createSocket, openTimeoutMs }, onEvent) {
    return new Promise((resolve, reject) => {
      const socket = createSocket(url);
      socket.binaryType = "arraybuffer";
      const fail = (/** @type {CameraError} */ error) => {
        clearTimeout(timer);
        socket.onopen = socket.onmessage = socket.onclose = null;
        socket.close();
        reject(error);
      };
      const timer = setTimeout(() => fail(connectionFailed(`${url} does not answer.`)), openTimeoutMs);
      let isOpen = false;
      socket.onopen = () => {
        isOpen = true;
        socket.send(JSON.stringify({ token, protocol: PROTOCOL }));
      };
      socket.onerror = () => {}; // `onclose` follows. Without this function, the package ws would throw the error.
      socket.onclose = (/** @type {any} */ { code, reason }) =>
        fail(isOpen ? connectionLost(code, reason) : connectionFailed(`Cannot connect to ${url}. Is the server running?${ORIGIN_HINT}`));
      socket.onmessage = (/** @type {any} */ { data }) => {
        const reply = parse(data);
        if (reply?.status === "ok") {
          clearTimeout(timer);
          resolve(new Link(socket, onEvent));
        } else if (reply?.status === "error") {
          const error = fromReply(reply);
          error.retryable = error.code === "rate_limited";
          fail(error);
        } else {
          fail(connectionFailed(`${url} does not answer as gphoto-ws-server does.`, false));
        }
      };
    });
  }

  /**
   * Send a command and return its reply.
   * @param {string} command @param {Json} payload @param {number} timeoutMs @param {Claim} [claim] @returns {Promise<Json>}
   */
  async request(command, payload, timeoutMs, claim) {
    if (this.#socket.readyState !== OPEN || this.ended) throw new NotSent();
    const id = ++this.#number;
    /** @type {any} */ let timer;
    try {
      return await new Promise((resolve, reject) => {
        const noReply = { code: "no_reply", message: `No reply to ${command} came in time.` };
        timer = setTimeout(() => reject(new CameraError(noReply)), timeoutMs);
        this.#waiting.set(id, { resolve, reject, claim, isLarge: payload.download === "full" });
        this.#send({ command, payload, id });
      });
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(id);
    }
  }

  /** Return the credit of this frame and of all earlier frames to the server. @param {number} stream @param {number} seq */
  acknowledge(stream, seq) {
    this.#send({ ack: { stream, seq } });
  }

  close() {
    this.#end(NO_CLOSE_CODE, "");
  }

  /** While the socket is closing, nothing is sent, and `onclose` follows. @param {Json} message */
  #send(message) {
    if (this.#socket.readyState === OPEN) this.#socket.send(JSON.stringify(message));
  }

  /** Notice a network that is gone; browsers alone would wait for minutes. Their timers are slow on hidden pages. */
  #beat() {
    const now = Date.now();
    if (this.#pingedAt > this.#heardAt) {
      // A full picture as base64 is one message, which can take longer.
      const isLarge = [...this.#waiting.values()].some((waiting) => waiting.isLarge);
      if (now - this.#pingedAt >= SILENCE_MS && !isLarge) this.#end(NO_CLOSE_CODE, "the server does not answer");
    } else if (now - this.#heardAt >= PING_MS) {
      this.#pingedAt = now;
      this.#send({ command: "ping", id: 0 });
    }
  }

  /** @param {number} code @param {string} reason */
  #end(code, reason) {
    if (this.ended) return;
    clearInterval(this.#heartbeat);
    this.#socket.onmessage = this.#socket.onclose = null;
    this.#socket.close();
    const error = (this.ended = connectionLost(code, this.#lastWords || reason));
    for (const { reject } of this.#waiting.values()) reject(error);
    for (const stream of this.streams.values()) stream.lost();
    for (const transfer of this.transfers.values()) transfer.lost(error);
    this.#resolveLost(error);
  }

  /** @param {string | ArrayBuffer} data */
  #receive(data) {
    this.#heardAt = Date.now();
    if (typeof data !== "string") return this.#receiveBinary(data);
    const message = parse(data);
    if (message?.event) this.#receiveEvent(message);
    else if (message) this.#receiveReply(message);
  }

  /** @param {Json} message */
  #receiveReply(message) {
    const waiting = this.#waiting.get(message.id);
    if (!waiting) {
      if (message.status === "error") this.#lastWords = fromReply(message).message;
      // Nobody waits for this reply any more, so nobody would use the stream.
      else if (message.command === "start_live_view") this.#stop(message.stream);
    } else if (message.status === "ok") {
      try {
        waiting.claim?.(this, message);
        waiting.resolve(message);
      } catch (error) {
        waiting.reject(/** @type {CameraError} */ (error));
      }
    } else {
      waiting.reject(fromReply(message));
    }
  }

  /** @param {number} stream */
  #stop(stream) {
    this.#send({ command: "stop_live_view", payload: { stream }, id: 0 });
  }

  /** @param {Json} event */
  #receiveEvent(event) {
    if (event.event === "transfer_complete") {
      this.transfers.get(event.transfer)?.complete(event.sha256);
      this.transfers.delete(event.transfer);
      return;
    }
    if (event.event === "live_view_stopped") {
      this.streams.get(event.stream)?.ended(event.reason);
      this.streams.delete(event.stream);
    }
    this.#onEvent(event);
  }

  /** @param {ArrayBuffer} buffer */
  #receiveBinary(buffer) {
    if (buffer.byteLength < HEADER_BYTES) return;
    const header = new DataView(buffer);
    const [kind, flags, number, seq] = [header.getUint8(0), header.getUint8(1), header.getUint16(2), header.getUint32(4)];
    const place = Number(header.getBigUint64(8));
    const data = new Uint8Array(buffer, HEADER_BYTES);
    if (kind === PIECE) {
      this.transfers.get(number)?.piece(place, data);
    } else if (kind === FRAME) {
      const frame = { jpeg: data, seq, time: new Date(place / 1000), dropped: (flags & DROPPED) !== 0, stream: number };
      if (this.streams.get(number)?.frame(frame) ?? true) this.acknowledge(number, seq);
    }
  }
}

/** @param {string} text @returns {Json | undefined} undefined if the message is not a JSON object */
function parse(text) {
  try {
    const message = JSON.parse(text);
    return message && typeof message === "object" ? message : undefined;
  } catch {
    return undefined;
  }
}

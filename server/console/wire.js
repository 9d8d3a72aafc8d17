// The connection to the server: login, commands and replies, events, frames, files. Reconnects automatically.

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 8_000;
const LATER_MS = 20_000;
const PING_MS = 4_000;
const SILENCE_MS = 12_000;
const HEADER_BYTES = 16;
const KIND_FRAME = 1;
const KIND_PIECE = 2;

// Close codes after which a retry cannot succeed.
const FINAL_CODES = new Set([4400, 4401, 4406]);
const TOO_MUCH = 4429;
const CLOSE_WORDS = {
  1001: "The server was stopped.",
  1012: "The server is starting again.",
  1013: "The server has too many connections.",
  4408: "The login took too long.",
  4413: "This page was too slow for the server.",
  4429: "The server rejects more requests for now.",
};

/** An error reply of the server. The message can be shown to people. */
class CommandError extends Error {
  constructor({ message, code, retryable = false, details = {} }) {
    super(message);
    Object.assign(this, { code, retryable, details });
  }
}

const lostConnection = () =>
  new CommandError({ message: "The connection was lost before the reply came.", code: "connection_lost", retryable: true });

/**
 * Emits "state" ({state, words, retryMs}), "event" (an event of the server) and "frame" ({stream, seq, takenMs, jpeg}).
 * States: connecting, open, waiting (for the next attempt), refused (no further attempts), off.
 */
class Wire extends EventTarget {
  #url;
  #token = null;
  #socket = null;
  #open = false;
  #number = 0;
  #pending = new Map();
  #transfers = new Map();
  #waitMs = FIRST_WAIT_MS;
  #retry;
  #heartbeat;
  #askedAt = 0;
  #receivedAt = 0;
  #refusal = null;
  #clocks = [];
  #place = null; // in the server's log of events: after the last received one
  #newest = 0; // number of the last event on this connection

  constructor(url) {
    super();
    this.#url = url;
    addEventListener("online", () => this.tryNow());
    document.addEventListener("visibilitychange", () => document.hidden || this.tryNow());
  }

  get open() {
    return this.#open;
  }

  /** Connect, and stay connected until `leave`. */
  connect(token) {
    this.leave();
    this.#token = token;
    this.#waitMs = FIRST_WAIT_MS;
    this.#openSocket();
  }

  leave() {
    this.#token = null;
    this.#place = null;
    clearTimeout(this.#retry);
    this.#drop();
    this.#emitState("off", "Not connected");
  }

  /** Try to connect now. */
  tryNow() {
    if (this.#token !== null && this.#socket === null) this.#openSocket();
  }

  /** Send a command; resolves to its reply. Throws CommandError. */
  command(name, payload = {}) {
    if (!this.#open) {
      return Promise.reject(new CommandError({ message: "There is no connection to the server at the moment.", code: "connection_lost", retryable: true }));
    }
    const id = ++this.#number;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject });
      this.#send({ command: name, payload, id });
    });
  }

  /** Subscribe to all events. After a lost connection, the missed ones come first. Returns whether the server still has them. */
  async subscribe() {
    const since = this.#place ? { since: this.#place } : {};
    const { epoch, seq, recovered = false } = await this.command("subscribe", { events: ["*"], ...since });
    if (!recovered) this.#place = { epoch, seq: Math.max(seq, this.#newest) };
    return recovered;
  }

  /** Download a file of the camera as a blob. Calls `progress` with the received part, 0 to 1. */
  async download(payload, progress = () => {}) {
    const reply = await this.command("download_last_image", { ...payload, transfer: "binary" });
    const transfer = this.#transfer(reply.transfer);
    transfer.progress = (bytes) => progress(reply.size ? bytes / reply.size : 1);
    await transfer.done;
    return { blob: new Blob(transfer.pieces, { type: reply.mimetype }), filename: reply.filename };
  }

  /** Acknowledge a frame. */
  acknowledge(stream, seq) {
    if (this.#open) this.#send({ ack: { stream, seq } });
  }

  /** Send a message. While the connection is closing, nothing is sent; commands that wait for a reply fail when it is closed. */
  #send(message) {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  /** The server's clock in milliseconds since 1970, estimated from the fastest of the last pings. */
  serverNow() {
    const best = this.#clocks.reduce((a, b) => (b.tripMs < a.tripMs ? b : a), { tripMs: Infinity, aheadMs: 0 });
    return Date.now() + best.aheadMs;
  }

  #openSocket() {
    clearTimeout(this.#retry);
    this.#emitState("connecting", "Connecting…");
    this.#refusal = null;
    this.#newest = 0;
    const socket = new WebSocket(this.#url);
    this.#socket = socket;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => socket.send(JSON.stringify({ token: this.#token, protocol: 1 }));
    socket.onmessage = ({ data }) => this.#receive(data);
    socket.onclose = ({ code }) => this.#closed(code);
    // Start the heartbeat before the connection is open, to detect a network that drops the first packet. The browser alone would wait
    // for minutes.
    this.#askedAt = performance.now();
    this.#heartbeat = setInterval(() => this.#beat(), PING_MS);
  }

  /** The time without a reply is measured from the last request, because browsers slow down the timers of hidden pages. */
  #beat() {
    const now = performance.now();
    const answered = this.#receivedAt >= this.#askedAt;
    if (!answered && now - this.#askedAt > SILENCE_MS) this.#closed(1006);
    if (!answered || !this.#open) return;
    this.#askedAt = now;
    this.#readClock();
  }

  async #readClock() {
    const sentMs = Date.now();
    try {
      const { time } = await this.command("server_info");
      const tripMs = Date.now() - sentMs;
      this.#clocks.push({ tripMs, aheadMs: Date.parse(time) - sentMs - tripMs / 2 });
      this.#clocks = this.#clocks.slice(-15);
    } catch {
      // The close event that follows contains the reason.
    }
  }

  #drop() {
    clearInterval(this.#heartbeat);
    if (this.#socket) {
      this.#socket.onopen = this.#socket.onmessage = this.#socket.onclose = null;
      this.#socket.close();
      this.#socket = null;
    }
    this.#open = false;
    for (const { reject } of this.#pending.values()) reject(lostConnection());
    this.#pending.clear();
    for (const { reject } of this.#transfers.values()) reject(lostConnection());
    this.#transfers.clear();
  }

  #closed(code) {
    const loggedIn = this.#open;
    this.#drop();
    if (FINAL_CODES.has(code) || (code === TOO_MUCH && !loggedIn)) {
      this.#token = null;
      this.#emitState("refused", this.#refusalWords(code));
      return;
    }
    const retryMs = code === TOO_MUCH ? LATER_MS : this.#waitMs;
    this.#waitMs = Math.min(this.#waitMs * 2, LONGEST_WAIT_MS);
    this.#retry = setTimeout(() => this.tryNow(), retryMs);
    this.#emitState("waiting", CLOSE_WORDS[code] ?? "The server does not answer.", retryMs);
  }

  #refusalWords(code) {
    if (code === 4401) return "This token is wrong. The correct one is in the server's log or in its setting API_TOKEN.";
    return this.#refusal ?? `The server closed the connection (${code}).`;
  }

  #receive(data) {
    this.#receivedAt = performance.now();
    if (data instanceof ArrayBuffer) this.#receiveBinary(data);
    else this.#receiveText(JSON.parse(data));
  }

  #receiveText(message) {
    if (message.event === "transfer_complete") this.#complete(message);
    else if (message.event) this.#happened(message);
    else if (message.id !== undefined) this.#answered(message);
    else if (message.status === "ok") this.#loggedIn();
    else this.#refusal = message.message;
  }

  #happened(event) {
    if (event.seq) this.#newest = event.seq;
    if (this.#place && event.seq) this.#place.seq = event.seq;
    this.dispatchEvent(new CustomEvent("event", { detail: event }));
  }

  #loggedIn() {
    this.#open = true;
    this.#waitMs = FIRST_WAIT_MS;
    this.#clocks = [];
    this.#readClock();
    this.#emitState("open", "Connected");
  }

  #answered(reply) {
    const waiting = this.#pending.get(reply.id);
    this.#pending.delete(reply.id);
    if (reply.status === "ok") waiting?.resolve(reply);
    else waiting?.reject(new CommandError(reply));
  }

  #receiveBinary(buffer) {
    const header = new DataView(buffer, 0, HEADER_BYTES);
    const [kind, number, big] = [header.getUint8(0), header.getUint16(2), Number(header.getBigUint64(8))];
    const bytes = new Uint8Array(buffer, HEADER_BYTES);
    if (kind === KIND_FRAME) {
      const detail = { stream: number, seq: header.getUint32(4), takenMs: big / 1000, jpeg: bytes };
      this.dispatchEvent(new CustomEvent("frame", { detail }));
    } else if (kind === KIND_PIECE) {
      const transfer = this.#transfer(number);
      transfer.pieces.push(bytes);
      transfer.bytes += bytes.length;
      transfer.progress(transfer.bytes);
    }
  }

  #transfer(number) {
    if (!this.#transfers.has(number)) {
      const transfer = { pieces: [], bytes: 0, progress: () => {} };
      transfer.done = new Promise((resolve, reject) => Object.assign(transfer, { resolve, reject }));
      transfer.done.catch(() => {}); // `download` awaits `done` and handles the error
      this.#transfers.set(number, transfer);
    }
    return this.#transfers.get(number);
  }

  #complete({ transfer: number, size }) {
    const transfer = this.#transfer(number);
    this.#transfers.delete(number);
    if (transfer.bytes === size) transfer.resolve();
    else transfer.reject(new CommandError({ message: "The file is incomplete. Try again.", code: "incomplete" }));
  }

  #emitState(state, words, retryMs = null) {
    this.dispatchEvent(new CustomEvent("state", { detail: { state, words, retryMs } }));
  }
}

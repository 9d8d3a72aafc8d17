// Downloads a file of a camera in pieces. Each piece is checked with the server's SHA-256.

import { CameraError, unexpectedReply } from "./errors.js";
import { sha256 } from "./sha256.js";

/**
 * @typedef {import("./link.js").Json} Json
 * @typedef {import("./connection.js").Connection} Connection
 * @typedef {(received: number, size: number) => void} Progress
 */

const PIECE_BYTES = 2 * 2 ** 20;
const TRIES = 3;
// The server waits at most 15 s for data from the camera, and then sends an error.
const SILENCE_MS = 30_000;

/**
 * Download a file. After a loss of the connection, the download goes on with the piece that was interrupted.
 * @param {Connection} connection @param {import("./index.js").DownloadOptions} options
 * @returns {Promise<import("./index.js").DownloadedFile>}
 */
export async function download(connection, { onProgress = () => {}, ...wanted }) {
  const pieces = [];
  let received = 0;
  /** @type {Json | undefined} */ let file;
  for (;;) {
    const { reply, data } = await fetchPiece(connection, { ...wanted, ...file?.place, offset: received, length: PIECE_BYTES }, onProgress);
    // The size changes if another card was inserted while the connection was lost.
    if (file && file.size !== reply.size) throw unexpectedReply(`${reply.camera_filepath} is a different file than before.`);
    file = { ...reply, place: { camera_filepath: reply.camera_filepath } };
    pieces.push(data);
    received += data.length;
    if (reply.eof || !data.length) break;
  }
  if (received !== file.size) throw unexpectedReply(`The file ended after ${received} of ${file.size} bytes.`);
  const { filename, mimetype, camera_filepath, size } = file;
  return { blob: new Blob(pieces, { type: mimetype }), filename, mimetype, camera_filepath, size };
}

/** @param {Connection} connection @param {Json} payload @param {Progress} onProgress */
async function fetchPiece(connection, payload, onProgress) {
  for (let tries = 1; ; tries++) {
    const piece = new Piece(onProgress);
    try {
      await connection.call("download_last_image", { ...payload, transfer: "binary" }, (link, reply) => piece.begin(link, reply));
      return { reply: piece.reply, data: await piece.complete() };
    } catch (error) {
      const again = error instanceof CameraError && ["connection_lost", "unexpected_reply"].includes(error.code);
      if (tries >= TRIES || !again || !error.retryable) throw error;
    } finally {
      piece.release();
    }
  }
}

/** The bytes that follow one reply of download_last_image. */
class Piece {
  /** @type {Json} */ reply = {};
  #data = new Uint8Array(0);
  #received = 0;
  #onProgress;
  /** @type {import("./link.js").Link | undefined} */ #link;
  /** @type {any} */ #timer;
  /** @type {(sha256: string) => void} */ #resolve = () => {};
  /** @type {(error: unknown) => void} */ #reject = () => {};
  /** @type {Promise<string>} */ #digest;

  /** @param {Progress} onProgress */
  constructor(onProgress) {
    this.#onProgress = onProgress;
    this.#digest = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.#digest.catch(() => {}); // `complete` passes it on
  }

  /** @param {import("./link.js").Link} link @param {Json} reply */
  begin(link, reply) {
    if (!(reply.length <= PIECE_BYTES)) throw unexpectedReply("The server sends another part of the file than the client asked for.");
    this.reply = reply;
    this.#link = link;
    this.#data = new Uint8Array(reply.length);
    link.transfers.set(reply.transfer, this.#sink);
    this.#wait();
  }

  /** All bytes, when they are here and correct. */
  async complete() {
    const expected = await this.#digest;
    if (this.#received !== this.#data.length || (await sha256(this.#data)) !== expected) throw unexpectedReply("The file arrived damaged.");
    return this.#data;
  }

  /** Ignore further bytes. */
  release() {
    clearTimeout(this.#timer);
    if (this.#link?.transfers.get(this.reply.transfer) === this.#sink) this.#link.transfers.delete(this.reply.transfer);
  }

  #wait() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#reject(unexpectedReply("The transfer stopped before the file was complete.")), SILENCE_MS);
  }

  #sink = {
    /** @param {number} offset @param {Uint8Array} bytes */
    piece: (offset, bytes) => {
      const start = this.reply.offset ?? 0;
      if (offset !== start + this.#received || this.#received + bytes.length > this.#data.length) {
        this.#reject(unexpectedReply("A part of the file is missing."));
        return;
      }
      this.#wait();
      this.#data.set(bytes, this.#received);
      this.#received += bytes.length;
      try {
        this.#onProgress(start + this.#received, this.reply.size);
      } catch (error) {
        this.#reject(error);
      }
    },
    complete: (/** @type {string} */ digest) => this.#resolve(digest),
    lost: (/** @type {CameraError} */ error) => this.#reject(error),
  };
}

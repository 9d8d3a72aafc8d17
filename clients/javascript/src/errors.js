// Errors: those of the server, and those of this package.

/** Close codes after which a new connection fails again: no login, wrong token, unsupported protocol. */
export const FINAL_CLOSE_CODES = new Set([4400, 4401, 4406]);
const TOO_BIG = 1009;

export class CameraError extends Error {
  /** @param {{ code: string, message: string, retryable?: boolean, details?: Record<string, any> }} reply */
  constructor({ code, message, retryable = false, details = {} }) {
    super(message);
    this.name = "CameraError";
    this.code = /** @type {import("./index.js").AnyErrorCode} */ (code);
    this.retryable = retryable;
    this.details = details;
  }
}

/** The connection was lost before the command was sent, so the command can be sent on a new connection. */
export class NotSent extends CameraError {
  constructor() {
    super({ code: "connection_lost", message: "The connection to the server was lost.", retryable: true });
  }
}

/** @param {any} reply an error reply */
export function fromReply({ code, message, retryable, details }) {
  return new CameraError({
    code: String(code ?? "error"),
    message: String(message ?? `The server answered with an error: ${code}.`),
    retryable: retryable === true,
    details: details ?? {},
  });
}

/** @param {number} close @param {string} reason */
export function connectionLost(close, reason) {
  const retryable = close !== TOO_BIG && !FINAL_CLOSE_CODES.has(close);
  const message = `The connection to the server was lost${reason ? `: ${reason.replace(/\.$/, "")}` : ""}.`;
  return new CameraError({ code: "connection_lost", message, retryable, details: { close } });
}

/** @param {string} message */
export const unexpectedReply = (message) => new CameraError({ code: "unexpected_reply", message, retryable: true });

/** @param {string} message */
export const connectionFailed = (message, retryable = true) =>
  new CameraError({ code: "connection_failed", message, retryable });

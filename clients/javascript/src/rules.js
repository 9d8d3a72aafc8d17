// What the client does with each command. A test compares these lists with the server's declarations and the Python client.

/** @param {string} words */
const set = (words) => new Set(words.split(" "));

/** Commands of which each call gets a key, so that the server carries out the same request only once. */
export const KEYED = set("capture_image capture_burst fire start_job");

/** Commands that release the shutter. */
export const FIRING = set("capture_image capture_burst fire");

/** Commands that are sent again after a lost connection: those that only read, or set a state, or have a key. */
export const REPEATED = set(
  "list_cameras select_camera capture_image capture_burst download_last_image get_config start_live_view capture_preview " +
    "zoom_live_view fire get_camera_info sync_clock set_job_info list_files get_thumbnail start_job list_jobs get_job pause_job " +
    "resume_job stop_job list_shots get_shot subscribe unsubscribe create_ticket server_info list_commands ping",
);

/** Commands that do not use the selected camera. */
export const WITHOUT_CAMERA = set(
  "list_cameras select_camera fire set_job_info list_jobs get_job pause_job resume_job stop_job list_shots get_shot subscribe " +
    "unsubscribe create_ticket server_info list_commands ping",
);

/** Commands that `call` does not send, because their results are more than a reply, and the method that sends them. */
export const METHODS = new Map([
  ["start_live_view", "liveView"],
  ["stop_live_view", "liveView"],
  ["subscribe", "events"],
  ["unsubscribe", "events"],
  ["download_last_image", "download"],
]);

const MOVIE_S = new Map([["start_movie", 30], ["stop_movie", 60]]);

/**
 * How much longer than usual a reply may take, in milliseconds.
 * @param {string} command @param {Record<string, any>} payload
 */
export function lastsMs(command, payload) {
  // A camera may need as long again as the exposure, for noise reduction.
  const exposureS = 2 * (payload.bulb_s ?? 0);
  const burstS = 30 * (payload.frames ?? 0) + (60 * (payload.hold_ms ?? 0)) / 1000;
  return 1000 * (exposureS + burstS + (MOVIE_S.get(command) ?? 0));
}

// After a lost connection, the command was sent again. These errors say nothing about the first request.
const ABOUT_THE_REPETITION = set(
  "shutting_down not_recorded internal_error camera_not_found no_camera_selected rate_limited too_many_pending camera_disconnected",
);

/**
 * Whether the shutter may have opened although the command failed.
 * @param {import("./errors.js").CameraError} error @param {number} lost how often the connection was lost after the command was sent
 */
export function mayHaveFired(error, lost) {
  if (error.code === "no_reply") return true;
  return lost > 0 && (ABOUT_THE_REPETITION.has(error.code) || OF_THIS_PACKAGE.has(error.code));
}
const OF_THIS_PACKAGE = set("connection_failed connection_lost unexpected_reply unauthorized unsupported_protocol");

/** A random text for a request. It must be unique, not secret; pages without TLS and Node 18 have no `crypto.randomUUID`. */
export function makeKey() {
  const random = () => Math.random().toString(36).slice(2);
  return `${Date.now().toString(36)}-${random()}-${random()}`;
}

// Messages: notices that disappear, problems that stay until they are solved or closed, and the log.

const NOTICE_MS = 5_000;
const LOG_LINES = 200;

let noticeTimer;
let focusedBefore = null; // the focused element when a problem was shown

/** Show a notice for a few seconds. */
function showNotice(words) {
  clearTimeout(noticeTimer);
  withFocusInView(() => { byId("notice").textContent = words; });
  noticeTimer = setTimeout(() => { byId("notice").textContent = ""; }, NOTICE_MS);
}

/** Show a problem with a topic ("shot", "delete" …). It stays until it is closed, until an action on that topic succeeds, or until the next problem. */
function showProblem(error, topic) {
  if (!(error instanceof CommandError)) console.error(error);
  const box = byId("problem-box");
  if (!box.contains(document.activeElement)) focusedBefore = document.activeElement;
  withFocusInView(() => {
    byId("notice").textContent = "";
    byId("problem").textContent = error.message;
    Object.assign(box.dataset, { topic, code: error.code ?? "" });
    box.hidden = false;
  });
  log(error.message);
}

/** Run `change`, which shows a message. The message takes space from the page, so scroll if a focused element that was visible would
 * otherwise be hidden. */
function withFocusInView(change) {
  const [used, page] = [document.activeElement, byId("page")];
  const [part, whole] = [used.getBoundingClientRect(), page.getBoundingClientRect()];
  change();
  if (page.contains(used) && part.top >= whole.top && part.bottom <= whole.bottom) used.scrollIntoView({ block: "nearest" });
}

/** Hide the problem. If the focus was inside the problem, return the focus to the element that had it when the problem was shown. */
function hideProblemBox() {
  const focused = byId("problem-box").contains(document.activeElement);
  byId("problem-box").hidden = true;
  if (focused) (focusedBefore?.isConnected ? focusedBefore : byId("shutter")).focus();
}

/** Called after an action succeeded. Closes the problem if it has one of these topics. */
function closeProblem(...topics) {
  if (topics.includes(byId("problem-box").dataset.topic)) hideProblemBox();
}

/** Called after the cause of a problem is solved. Closes the problem if it has one of these error codes. */
function closeProblemWithCode(...codes) {
  if (codes.includes(byId("problem-box").dataset.code)) hideProblemBox();
}

/** Add a line to the log. */
function log(words, when = new Date()) {
  const time = make("time", { dateTime: when.toISOString(), textContent: when.toLocaleTimeString([], { hour12: false }) });
  byId("events").prepend(make("li", {}, time, make("span", { textContent: words })));
  while (byId("events").childElementCount > LOG_LINES) byId("events").lastElementChild.remove();
}

/** The text for an event; null if it is not shown. */
function eventWords(event, cameras, settings) {
  const camera = cameras.nameOf(event.port);
  switch (event.event) {
    case "camera_connected": return `${camera} is connected.`;
    case "camera_disconnected": return `${camera} was disconnected.`;
    case "camera_state": return `${camera}: ${STATE_WORDS[event.state] ?? event.state}.`;
    case "camera_warning": return event.warnings.length ? `${camera}: ${event.warnings.join(" ")}` : null;
    case "file_added": return `New on the camera: ${event.camera_filepath.split("/").at(-1)}.`;
    case "capture_saved": return `Saved on the server as ${event.saved_path}.`;
    case "capture_checked": return event.message ?? `${camera}: the card was checked after a shot with an unknown outcome.`;
    case "live_view_stopped": return `Live view of ${camera} stopped: ${event.reason.replaceAll("_", " ")}.`;
    case "config_changed": return configWords(event, cameras, settings);
    default: return event.event.replaceAll("_", " ");
  }
}

/** The text for a changed setting. Null if the value equals the value on the page, because an opened camera emits all its settings again. */
function configWords(event, cameras, settings) {
  const shown = cameras.isSelected(event) ? settings.shown(event.config_name) : undefined;
  if (!shown || event.value === null || String(event.value) === String(shown.value)) return null;
  return `${shown.label}: ${plainWords({ ...shown, value: event.value })}.`;
}

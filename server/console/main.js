// Creates the parts of the page and connects their events.

const socketUrl = new URL("ws", location.href);
socketUrl.protocol = location.protocol.replace("http", "ws");
socketUrl.search = socketUrl.hash = "";

const wire = new Wire(socketUrl);
const cameras = new Cameras(wire);
const live = new LiveView(wire, cameras);
const picture = new LastPicture(cameras);
const shots = new Shots(cameras, picture);
const settings = new Settings(cameras);
const storage = new Storage(cameras);
const login = new Login(wire);
let wasLost = false;
// Settings whose values are shown with the camera at the top of the page.
const FACTS = new Set(["batterylevel", "lensname"]);

async function connected() {
  const returned = wasLost;
  if (returned) log("The server is back.");
  wasLost = false;
  closeProblemWithCode("connection_lost");
  try {
    const recovered = await wire.subscribe();
    if (returned && !recovered) log("What happened in the meantime is not listed here.");
    const { server, version, libgphoto2 } = await wire.command("server_info");
    byId("about-server").textContent = `${server} ${version}${libgphoto2 ? ` · libgphoto2 ${libgphoto2}` : ""}`;
    closeProblem("connection");
    await cameras.refresh();
  } catch (error) {
    if (error.code !== "connection_lost") showProblem(error, "connection");
  }
}

function disconnected({ state, words }) {
  live.lost();
  cameras.lost();
  if (state === "waiting" && !wasLost && !byId("panel").hidden) {
    wasLost = true;
    log(words);
  }
}

function onEvent(event) {
  const words = eventWords(event, cameras, settings);
  if (words) log(words, new Date(event.time));
  if (event.event.startsWith("camera_")) cameras.refreshSoon();
  if (event.event === "live_view_stopped") live.stopped(event);
  if (!cameras.isSelected(event)) return;
  if (event.event === "config_changed") settings.changed(event);
  if (event.event === "file_added") {
    storage.refreshSoon();
    picture.added(event.camera_filepath);
  }
  if (["file_added", "camera_warning"].includes(event.event) || FACTS.has(event.config_name)) cameras.readInfoSoon();
}

wire.addEventListener("state", ({ detail }) => {
  if (detail.state === "open") connected();
  else if (detail.state !== "connecting") disconnected(detail);
});
wire.addEventListener("event", ({ detail }) => onEvent(detail));
cameras.addEventListener("selected", () => {
  settings.clear();
  storage.clear();
  picture.clear();
  closeProblem("shot", "live", "download", "delete", "restart"); // these problems were about the previous camera
});
cameras.addEventListener("back", () => {
  closeProblemWithCode("camera_disconnected", "camera_not_found");
  closeProblem("restart");
  settings.read();
  storage.begin();
});
cameras.addEventListener("changed", () => {
  live.settle();
  shots.settle();
  settings.settle();
});
document.addEventListener("keydown", ({ key }) => {
  if (key !== "Escape" || document.querySelector("dialog[open]")) return;
  if (!shots.cancel()) hideProblemBox();
});
byId("problem-close").addEventListener("click", hideProblemBox);
byId("events-clear").addEventListener("click", () => byId("events").replaceChildren());
login.begin();

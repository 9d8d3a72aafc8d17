// The parts of the page, and who tells whom.

const socketUrl = new URL("ws", location.href);
socketUrl.protocol = location.protocol.replace("http", "ws");
socketUrl.search = socketUrl.hash = "";

const wire = new Wire(socketUrl);
const cameras = new Cameras(wire);
const live = new LiveView(wire, cameras);
const shots = new Shots(cameras);
const settings = new Settings(cameras);
const storage = new Storage(cameras);
const login = new Login(wire);
let wasLost = false;

async function connected() {
  if (wasLost) log("The server is back.");
  wasLost = false;
  forgive("connection_lost");
  try {
    await wire.command("subscribe", { events: ["*"] });
    const { server, version, libgphoto2 } = await wire.command("server_info");
    byId("about-server").textContent = `${server} ${version}${libgphoto2 ? ` · libgphoto2 ${libgphoto2}` : ""}`;
    await cameras.refresh();
  } catch (error) {
    if (error.code !== "connection_lost") complain(error);
  }
}

function disconnected({ state, words }) {
  live.lost();
  cameras.lost();
  if (state === "waiting" && !wasLost && !byId("desk").hidden) {
    wasLost = true;
    log(words);
  }
}

function heard(event) {
  const words = eventWords(event, cameras, settings);
  if (words) log(words, new Date(event.time));
  if (event.event.startsWith("camera_")) cameras.refreshSoon();
  if (event.event === "live_view_stopped") live.stopped(event);
  if (!cameras.concerns(event)) return;
  if (event.event === "config_changed") settings.changed(event);
  if (event.event === "file_added") storage.refreshSoon();
  if (["file_added", "camera_warning"].includes(event.event)) cameras.askAboutSoon();
}

wire.addEventListener("state", ({ detail }) => {
  if (detail.state === "open") connected();
  else if (detail.state !== "connecting") disconnected(detail);
});
wire.addEventListener("event", ({ detail }) => heard(detail));
cameras.addEventListener("selected", () => {
  settings.clear();
  storage.clear();
});
cameras.addEventListener("back", () => {
  forgive("camera_disconnected", "camera_not_found");
  settings.read();
  storage.begin();
});
cameras.addEventListener("changed", () => live.settle());
byId("problem-close").addEventListener("click", () => { byId("problem-box").hidden = true; });
byId("events-clear").addEventListener("click", () => byId("events").replaceChildren());
login.begin();

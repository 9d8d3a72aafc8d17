// The list of cameras, the selected camera, and its state.

const STATE_WORDS = {
  opening: "Opening…", ready: "Ready", live: "Live view", capturing: "Taking a picture", recording: "Recording a movie", recovering: "Disconnected, reconnecting",
  needs_attention: "Needs attention", absent: "Disconnected",
};

const POLL_MS = 60_000; // how often battery, lens and card are read; the server checks them at the same interval

// libgphoto2 caches the values of a camera for 2 s, rounded up to whole seconds. Shortly after the event of a new battery level,
// a read can therefore return the old level.
const DRIVER_CACHE_MS = 3_200;

/** The name of a camera to show to people: the model that the camera reports, otherwise the name in the driver. */
const modelOf = (camera) => camera.model || camera.name;

/** Identifies a camera, even if its port changes. */
const keyOf = (camera) => camera.serial ?? camera.port;

/** Emits "selected" (another camera was selected), "back" (the selected camera can be used again) and "changed" (its state changed). */
class Cameras extends EventTarget {
  #wire;
  #list = [];
  #key = null;
  #last = null;
  #wasThere = false;
  #shownFor = null;
  #askedAbout = "";

  constructor(wire) {
    super();
    this.#wire = wire;
    this.refreshSoon = debounced(() => this.refresh(), 150);
    this.readInfoSoon = debounced(() => this.#readInfo(), DRIVER_CACHE_MS);
    byId("cameras").addEventListener("change", ({ target }) => this.#select(target.value));
    byId("restart-camera").addEventListener("click", () => this.#restart());
    setInterval(() => this.#poll(), POLL_MS);
  }

  /** The selected camera in the last list; undefined if it is disconnected. */
  get selected() {
    return this.#list.find((camera) => keyOf(camera) === this.#key);
  }

  /** The key of the selected camera, even if it is disconnected; null if no camera was ever selected. */
  get key() {
    return this.#key;
  }

  /** Whether the selected camera can be used now. */
  get there() {
    return this.#wire.open && this.selected?.connected === true;
  }

  /** Why the selected camera cannot be used now, as text; empty if it can be used. */
  get unavailable() {
    const camera = this.selected;
    if (!this.#wire.open) return "There is no connection to the server.";
    if (!camera) return this.#last ? `${modelOf(this.#last)} is not connected.` : "No camera is connected.";
    if (camera.connected) return "";
    return `${modelOf(camera)} ${camera.state === "opening" ? "is being opened" : "does not answer"}.`;
  }

  /** Send a command for the selected camera. */
  command(name, payload = {}) {
    return this.#wire.command(name, this.#addressed(payload));
  }

  /** Download a file of the selected camera. */
  download(path, progress) {
    return this.#wire.download(this.#addressed({ camera_filepath: path }), progress);
  }

  /** Whether an event is about the selected camera. */
  isSelected(event) {
    return event.port === this.selected?.port;
  }

  /** The name of the camera on a port, for people. */
  nameOf(port) {
    const camera = this.#list.find((one) => one.port === port);
    return camera ? modelOf(camera) : `The camera on ${port}`;
  }

  async refresh() {
    if (!this.#wire.open) return;
    try {
      this.#list = (await this.#wire.command("list_cameras")).cameras;
      closeProblem("cameras");
    } catch (error) {
      if (error.code !== "connection_lost") showProblem(error, "cameras");
      return;
    }
    if (!this.selected && this.#last && !this.#last.serial) {
      // The camera was selected before it reported its serial number, so search for it by its port.
      const known = this.#list.find((camera) => camera.port === this.#last.port);
      if (known) this.#key = keyOf(known);
    }
    this.#last = this.selected ?? this.#last;
    this.#render();
    if (this.#key === null && this.#list.length) {
      const real = this.#list.filter((camera) => !camera.port.startsWith("disk:"));
      const choices = real.length ? real : this.#list;
      this.#select(keyOf(choices.find((camera) => camera.connected) ?? choices[0]));
    } else {
      this.#emitChanges();
    }
  }

  /** Called after the connection to the server was lost. */
  lost() {
    this.#wasThere = false;
    this.#askedAbout = "";
    this.#showTrouble("");
    this.dispatchEvent(new Event("changed"));
  }

  #addressed(payload) {
    const port = this.selected?.port ?? this.#last?.port;
    return port ? { ...payload, port } : payload;
  }

  #select(key) {
    this.#key = key;
    this.#last = this.selected;
    this.#wasThere = false;
    this.#render();
    this.dispatchEvent(new Event("selected"));
    this.#emitChanges();
  }

  #emitChanges() {
    const there = this.there;
    if (there && !this.#wasThere) {
      this.dispatchEvent(new Event("back"));
    }
    this.#wasThere = there;
    this.dispatchEvent(new Event("changed"));
    // Reading the data takes the camera some time, so do not read them at every shot and every start of live view.
    const about = JSON.stringify([this.#key, there, there ? null : this.selected?.state]);
    if (about !== this.#askedAbout) this.#readInfo();
    this.#askedAbout = about;
  }

  /** Read the camera's data again, because some cameras send no event when the battery gets low. Not done by pages in the background. */
  #poll() {
    if (this.there && !document.hidden && !["capturing", "recording"].includes(this.selected.state)) this.#readInfo();
  }

  async #readInfo() {
    const camera = this.selected;
    if (!camera) {
      byId("camera-facts").replaceChildren();
      const name = this.#last && modelOf(this.#last);
      this.#showTrouble(name ? `${name} is disconnected. Plug it in and switch it on, or choose another; this page then continues automatically.` : "");
      return;
    }
    if (!camera.connected && this.#shownFor !== camera.port) this.#showTrouble(this.#unavailableText(camera, null));
    try {
      const info = await this.command("get_camera_info");
      if (camera.port !== this.selected?.port) return;
      this.#showFacts(info);
      if (!info.connected) this.#showTrouble(this.#unavailableText({ ...camera, state: info.state }, info.last_error));
      else this.#showTrouble((info.warnings ?? []).join(" "));
    } catch (error) {
      this.#showTrouble(camera.connected || error.code === "connection_lost" ? "" : this.#unavailableText(camera, error.message));
    }
  }

  #unavailableText(camera, reason) {
    if (camera.state === "opening") return `${modelOf(camera)} is being opened.`;
    const why = reason ? ` (${reason})` : "";
    return `${modelOf(camera)} does not answer. Switch it on and plug it in; this page then continues automatically.${why}`;
  }

  #showTrouble(words) {
    this.#shownFor = words ? this.selected?.port : null;
    if (byId("camera-trouble").textContent !== words) byId("camera-trouble").textContent = words;
  }

  #showFacts(info) {
    const cards = (info.storage ?? []).filter((card) => card.capacity);
    const facts = [
      ["Battery", info.battery],
      ["Lens", info.lens],
      ["Card", cards.map((card) => `${sizeWords(card.free)} of ${sizeWords(card.capacity)} free`).join(", ")],
      ["Port", info.port],
    ];
    const rows = facts.filter(([, value]) => value).map(([name, value]) =>
      make("div", { "data-fact": name }, make("dt", { textContent: name }), make("dd", { textContent: value })));
    byId("camera-facts").replaceChildren(...rows);
  }

  #render() {
    const focused = document.activeElement?.name === "camera";
    for (const old of byId("cameras").querySelectorAll("label")) old.remove();
    byId("cameras").append(...this.#list.map((camera) => this.#choice(camera)));
    byId("no-cameras").hidden = this.#list.length > 0;
    byId("restart-camera").hidden = this.selected === undefined;
    if (focused) byId("cameras").querySelector(":checked")?.focus();
  }

  #choice(camera) {
    const input = make("input", { type: "radio", name: "camera", value: keyOf(camera), checked: keyOf(camera) === this.#key });
    const state = make("span", { className: "state", textContent: STATE_WORDS[camera.state] ?? camera.state });
    const words = make("span", {}, make("strong", { textContent: modelOf(camera) }),
      make("span", { className: "muted" }, state, ` · ${camera.serial ?? camera.port}`));
    return make("label", { className: "camera", "data-state": camera.state }, input, words);
  }

  async #restart() {
    if (!this.selected) return;
    const name = modelOf(this.selected);
    showNotice(`${name} is being restarted…`);
    try {
      await this.command("restart_camera");
      closeProblem("restart");
      showNotice(`${name} was restarted.`);
    } catch (error) {
      showProblem(error, "restart");
    }
  }
}

// Live view: shows frames, their rate and age. Restarts automatically after any interruption.

const IN_FLIGHT = 2;
const RATE_WINDOW_MS = 2_000;
const STALE_MS = 1_500;
const AGAIN_MS = 2_000;

class LiveView {
  #wire;
  #cameras;
  #canvas = byId("live");
  #wanted = false;
  #running = null; // {stream, options} of the running stream
  #settling = false;
  #again;
  #arrivals = [];
  #ageMs = 0;
  #shownCount = 0;
  #unacknowledged = null;

  constructor(wire, cameras) {
    this.#wire = wire;
    this.#cameras = cameras;
    wire.addEventListener("frame", ({ detail }) => this.#receiveFrame(detail));
    byId("live-toggle").addEventListener("click", () => this.#toggle());
    for (const id of ["rotation", "fps", "flip"]) {
      byId(id).addEventListener("change", ({ target }) => {
        target.dataset.chosen = "yes";
        this.settle();
      });
    }
    document.addEventListener("visibilitychange", () => this.#release());
    setInterval(() => this.#showFigures(), 500);
  }

  /** Called after the connection to the server was lost. This also ends all streams. */
  lost() {
    this.#running = null;
    this.#unacknowledged = null;
    this.#showFigures();
  }

  /** Called after the server ended a stream. */
  stopped({ stream }) {
    if (this.#running?.stream !== stream) return;
    this.#running = null;
    this.settle();
  }

  /** Start, change or stop the stream, so that it matches the wanted options. */
  async settle() {
    if (this.#settling) return;
    this.#settling = true;
    clearTimeout(this.#again);
    try {
      while (this.#running?.options !== this.#wantedOptions()) {
        if (this.#running) await this.#end();
        else await this.#start(this.#wantedOptions());
      }
    } catch (error) {
      this.#failed(error);
    } finally {
      this.#settling = false;
      this.#showFigures();
    }
  }

  #toggle() {
    this.#wanted = !this.#wanted;
    byId("live-toggle").textContent = this.#wanted ? "Stop live view" : "Start live view";
    this.settle();
  }

  /** The options for the server as text, so that they can be compared; undefined if no stream is wanted. */
  #wantedOptions() {
    if (!this.#wanted || !this.#wire.open || !this.#cameras.selected) return undefined;
    // A running stream continues after an interruption of its camera, but a new stream cannot start during the interruption.
    if (!this.#running && !this.#cameras.there) return undefined;
    const options = { format: "binary", max_in_flight: IN_FLIGHT, port: this.#cameras.selected.port };
    if (byId("rotation").value) options.rotation = Number(byId("rotation").value);
    if (byId("fps").value) options.fps = Number(byId("fps").value);
    if (byId("flip").dataset.chosen) options.flip = byId("flip").checked;
    return JSON.stringify(options);
  }

  async #start(options) {
    const reply = await this.#wire.command("start_live_view", JSON.parse(options));
    this.#running = { stream: reply.stream, options };
    closeProblem("live");
    if (!byId("flip").dataset.chosen) byId("flip").checked = reply.flip;
    byId("rotation").options[0].textContent = `default${byId("rotation").value ? "" : ` (${reply.rotation}°)`}`;
  }

  async #end() {
    const { stream } = this.#running;
    this.#running = null;
    try {
      await this.#wire.command("stop_live_view", { stream });
    } catch (error) {
      if (error.code !== "live_view_not_running") throw error;
    }
  }

  #failed(error) {
    if (error.code === "connection_lost") return;
    if (error.retryable) {
      this.#again = setTimeout(() => this.settle(), AGAIN_MS);
    } else {
      this.#wanted = false;
      byId("live-toggle").textContent = "Start live view";
      showProblem(error, "live");
    }
  }

  async #receiveFrame({ stream, seq, takenMs, jpeg }) {
    if (this.#running?.stream === stream) {
      try {
        this.#draw(await createImageBitmap(new Blob([jpeg], { type: "image/jpeg" })));
        this.#recordFrame(takenMs);
      } catch {
        // A damaged frame is skipped. The next frame follows soon.
      }
    }
    if (document.hidden) this.#unacknowledged = { stream, seq };
    else this.#wire.acknowledge(stream, seq);
  }

  /** Acknowledge the last frame when the page is visible again. A page in the background acknowledges no frames, so that the server
   * sends no more frames to it. */
  #release() {
    if (document.hidden || !this.#unacknowledged) return;
    this.#wire.acknowledge(this.#unacknowledged.stream, this.#unacknowledged.seq);
    this.#unacknowledged = null;
  }

  #draw(picture) {
    const canvas = this.#canvas;
    if (canvas.width !== picture.width || canvas.height !== picture.height) {
      canvas.width = picture.width;
      canvas.height = picture.height;
    }
    canvas.getContext("2d", { alpha: false }).drawImage(picture, 0, 0);
    picture.close();
  }

  #recordFrame(takenMs) {
    const now = performance.now();
    this.#arrivals.push(now);
    this.#ageMs = Math.max(0, this.#wire.serverNow() - takenMs);
    this.#shownCount += 1;
    if (this.#arrivals.length < 3) this.#showFigures();
  }

  #showFigures() {
    const now = performance.now();
    const newest = this.#arrivals.at(-1);
    this.#arrivals = this.#arrivals.filter((at) => now - at < RATE_WINDOW_MS);
    const fresh = this.#wanted && newest !== undefined && now - newest < STALE_MS;
    const span = Math.max(500, now - (this.#arrivals[0] ?? now));
    byId("live-rate").textContent = fresh ? `${(this.#arrivals.length * 1000 / span).toFixed(1)} frames/s` : "";
    byId("live-age").textContent = fresh ? `${Math.round(this.#ageMs)} ms old` : "";
    byId("live-count").textContent = this.#shownCount ? `${this.#shownCount} shown` : "";
    byId("screen").classList.toggle("inactive", !fresh);
    const words = fresh ? "" : this.#noFramesText();
    if (byId("live-words").textContent !== words) byId("live-words").textContent = words;
    if (newest !== undefined && this.#arrivals.length === 0) this.#arrivals = [newest];
  }

  #noFramesText() {
    if (!this.#wanted) return "Live view is off.";
    if (!this.#wire.open) return "No server. Live view continues when the server is back.";
    if (!this.#cameras.there) return "No camera. Live view continues when the camera is back.";
    return "Waiting for the camera…";
  }
}

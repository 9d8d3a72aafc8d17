// The shutter: a countdown, the shot, its picture and its files.

class Shots {
  #cameras;
  #counting = null;
  #busy = false;
  #url = null;

  constructor(cameras) {
    this.#cameras = cameras;
    byId("shutter").addEventListener("click", () => this.#press());
    byId("shutter").addEventListener("keydown", ({ key }) => key === "Escape" && this.#cancel());
  }

  #press() {
    if (this.#busy) return;
    if (this.#counting) this.#cancel();
    else this.#countDown(Number(byId("delay").value));
  }

  #countDown(seconds) {
    if (seconds === 0) {
      this.#counting = null;
      byId("countdown").textContent = "";
      this.#take();
      return;
    }
    byId("countdown").textContent = seconds;
    byId("shutter").textContent = "Cancel";
    this.#counting = setTimeout(() => this.#countDown(seconds - 1), 1000);
  }

  #cancel() {
    if (!this.#counting) return;
    clearTimeout(this.#counting);
    this.#counting = null;
    byId("countdown").textContent = "";
    byId("shutter").textContent = "Take picture";
    say("Countdown cancelled.");
  }

  async #take() {
    this.#setBusy(true);
    try {
      const shot = await this.#cameras.command("capture_image", { save: byId("save").checked });
      this.#tell(shot);
      await this.#show(shot);
    } catch (error) {
      complain(error);
    } finally {
      this.#setBusy(false);
    }
  }

  #setBusy(busy) {
    this.#busy = busy;
    byId("shutter").setAttribute("aria-disabled", String(busy));
    byId("shutter").textContent = busy ? "Taking picture…" : "Take picture";
  }

  #tell({ files, timing, warnings }) {
    const names = files.map((file) => file.filename).join(" and ");
    const saved = files.filter((file) => file.saved_path).map((file) => file.saved_path);
    const words = [`${names}, on the camera after ${(timing.file_known_ms / 1000).toFixed(2)} s.`];
    if (saved.length) words.push(`Saved on the server as ${saved.join(" and ")}.`);
    byId("shot").hidden = false;
    byId("shot-words").textContent = [...words, ...(warnings ?? [])].join(" ");
    say(`${names} taken.`);
    byId("shot-files").replaceChildren(...files.map((file) => this.#row(file)));
  }

  #row(file) {
    const name = make("span", { className: "name", textContent: `${file.filename} · ${sizeWords(file.size)}` });
    const button = make("button", { type: "button", textContent: "Download", "aria-label": `Download ${file.filename}` });
    button.addEventListener("click", () => fetchAndSave(this.#cameras, file, byId("shot-progress")));
    return make("li", {}, name, button);
  }

  /** The first file is the JPEG where there is one; a raw one is shown by its thumbnail. */
  async #show({ files: [first] }) {
    const image = byId("shot-image");
    if (first.mimetype !== "image/jpeg") {
      const { image_b64, mimetype } = await this.#cameras.command("get_thumbnail", { camera_filepath: first.camera_filepath });
      this.#present(image, blobOf(image_b64, mimetype), first.filename);
      return;
    }
    const { blob } = await withProgress(byId("shot-progress"), (tell) => this.#cameras.download(first.camera_filepath, tell));
    this.#present(image, blob, first.filename);
    const link = make("a", { className: "button primary", href: this.#url, download: first.filename, textContent: "Download",
      "aria-label": `Download ${first.filename}` });
    byId("shot-files").firstElementChild?.querySelector("button")?.replaceWith(link);
  }

  #present(image, blob, filename) {
    if (this.#url) URL.revokeObjectURL(this.#url);
    this.#url = URL.createObjectURL(blob);
    image.src = this.#url;
    image.alt = filename;
    image.hidden = false;
  }
}

/** Run `work` with a progress bar; `work` is given what to tell the part done to, 0 to 1. */
async function withProgress(bar, work) {
  bar.value = 0;
  bar.hidden = false;
  try {
    return await work((part) => { bar.value = part; });
  } finally {
    bar.hidden = true;
  }
}

/** Download a file of the camera to this machine. */
async function fetchAndSave(cameras, file, bar) {
  try {
    say(`Downloading ${file.filename}…`);
    const { blob } = await withProgress(bar, (tell) => cameras.download(file.camera_filepath, tell));
    saveAs(blob, file.filename);
    say(`${file.filename} downloaded.`);
  } catch (error) {
    complain(error);
  }
}

// The last picture with its files: taken by this page, by another client, or with the camera's own button.

const SETTLED_MS = 300; // the files of a shot arrive one after the other

// Files that cameras store with pictures, such as catalogues and sound notes.
const NO_PICTURE = /\.(ctg|dat|log|thm|txt|wav|xml)$/i;

const stemOf = (path) => path.replace(/\.[^./]*$/, "");
const isJpeg = ({ filename }) => /\.jpe?g$/i.test(filename);

class LastPicture {
  #cameras;
  #files = []; // the files of the shown picture
  #added = []; // paths of new files that were not taken by this page and are not shown yet
  #shotsInProgress = 0; // number of shots of this page
  #showing = 0; // number of the newest picture; an older picture that arrives later is not shown
  #url = null;
  #addedSoon = debounced(() => this.#showAdded(), SETTLED_MS);

  constructor(cameras) {
    this.#cameras = cameras;
    document.addEventListener("visibilitychange", () => this.#showAdded());
  }

  /** Called after another camera was selected. */
  clear() {
    this.#showing += 1;
    this.#files = [];
    this.#added = [];
    this.#present(null);
    byId("shot-words").textContent = "No picture yet.";
    byId("shot-files").replaceChildren();
  }

  /** Called when the selected camera has a new file. */
  added(path) {
    if (NO_PICTURE.test(path) || this.#files.some((file) => file.camera_filepath === path)) return;
    this.#added.push(path);
    this.#addedSoon();
  }

  /** Show the picture that `shoot` takes. `shoot` resolves to the reply of capture_image. */
  async showShot(shoot) {
    const camera = this.#cameras.key;
    this.#shotsInProgress += 1;
    try {
      const shot = await shoot();
      closeProblem("shot");
      showNotice(`${shot.files.map((file) => file.filename).join(" and ")} taken.`);
      if (camera !== this.#cameras.key) return;
      this.#added = this.#added.filter((path) => !shot.files.some((file) => file.camera_filepath === path));
      await this.#show(shot.files, this.#wordsOf(shot));
    } finally {
      this.#shotsInProgress -= 1;
      this.#addedSoon();
    }
  }

  #wordsOf({ files, timing, warnings }) {
    const names = files.map((file) => file.filename).join(" and ");
    const saved = files.map((file) => file.saved_path).filter(Boolean);
    const words = [`${names}, on the camera after ${(timing.file_known_ms / 1000).toFixed(2)} s.`];
    if (saved.length) words.push(`Saved on the server as ${saved.join(" and ")}.`);
    return [...words, ...(warnings ?? [])].join(" ");
  }

  /** Show the newest picture that was not taken by this page. Pages in the background load no pictures. */
  async #showAdded() {
    const newest = this.#added.at(-1);
    if (newest === undefined || this.#shotsInProgress || document.hidden || !this.#cameras.there) return;
    const paths = this.#added.filter((path) => stemOf(path) === stemOf(newest));
    this.#added = [];
    const known = this.#files.filter((file) => stemOf(file.camera_filepath) === stemOf(newest));
    const fresh = paths.map((path) => ({ camera_filepath: path, filename: path.split("/").at(-1) }));
    const files = [...known, ...fresh].sort((a, b) => isJpeg(b) - isJpeg(a));
    closeProblem("shot");
    try {
      await this.#show(files, `${files.map((file) => file.filename).join(" and ")}, new on the camera.`);
    } catch (error) {
      if (error.code !== "connection_lost") byId("shot-words").textContent += ` ${error.message}`;
    }
  }

  /** Show the first of these files: a JPEG as it is, any other file by its thumbnail. If there is a JPEG, it must be the first file. */
  async #show(files, words) {
    const mine = ++this.#showing;
    const [first] = files;
    this.#files = files;
    byId("shot-words").textContent = words;
    byId("shot-files").replaceChildren(...files.map((file) => this.#row(file)));
    let blob;
    try {
      blob = isJpeg(first) ? await this.#load(first) : await this.#thumbnail(first);
    } catch (error) {
      if (mine === this.#showing) this.#present(null); // hides the previous picture, which does not belong to the new text
      throw error;
    }
    if (mine !== this.#showing) return;
    this.#present(blob, first.filename);
    if (!isJpeg(first)) return;
    const link = make("a", { className: "button primary", href: this.#url, download: first.filename, textContent: "Download",
      "aria-label": `Download ${first.filename}` });
    byId("shot-files").firstElementChild.querySelector("button").replaceWith(link);
  }

  async #load({ camera_filepath: path }) {
    return (await withProgress(byId("shot-progress"), (onProgress) => this.#cameras.download(path, onProgress))).blob;
  }

  async #thumbnail({ camera_filepath }) {
    const { image_b64, mimetype } = await this.#cameras.command("get_thumbnail", { camera_filepath });
    return blobOf(image_b64, mimetype);
  }

  #row(file) {
    const size = file.size === undefined ? "" : ` · ${sizeWords(file.size)}`;
    const name = make("span", { className: "name", textContent: file.filename + size });
    const button = make("button", { type: "button", textContent: "Download", "aria-label": `Download ${file.filename}` });
    button.addEventListener("click", () => fetchAndSave(this.#cameras, file, byId("shot-progress")));
    return make("li", {}, name, button);
  }

  #present(blob, filename = "") {
    const image = byId("shot-image");
    if (this.#url) URL.revokeObjectURL(this.#url);
    this.#url = blob && URL.createObjectURL(blob);
    if (blob) image.src = this.#url;
    else image.removeAttribute("src");
    image.alt = filename;
    image.hidden = blob === null;
  }
}

/** Run `work` with a progress bar. `work` gets a function that sets the progress, 0 to 1. */
async function withProgress(bar, work) {
  bar.value = 0;
  bar.hidden = false;
  try {
    return await work((part) => { bar.value = part; });
  } finally {
    bar.hidden = true;
  }
}

/** Download a file of the camera to this computer. */
async function fetchAndSave(cameras, file, bar) {
  try {
    showNotice(`Downloading ${file.filename}…`);
    const { blob } = await withProgress(bar, (onProgress) => cameras.download(file.camera_filepath, onProgress));
    closeProblem("download");
    saveAs(blob, file.filename);
    showNotice(`${file.filename} downloaded.`);
  } catch (error) {
    showProblem(error, "download");
  }
}

// The files on the camera: folders, pages of thumbnails (newest first), open, download, delete.

const PAGE = 24;

const joined = (folder, name) => `${folder === "/" ? "" : folder}/${name}`;
const endingOf = (filename) => filename.split(".").at(-1).toUpperCase();

class Storage {
  #cameras;
  #folder = null; // null: not read yet
  #page = 0;
  #visit = 0;
  #viewer;
  #thumbnails = new Map(); // from the path of a file to the URL of its thumbnail

  constructor(cameras) {
    this.#cameras = cameras;
    this.#viewer = new Viewer(cameras, (file) => this.#delete(file));
    this.refreshSoon = debounced(() => this.refresh(), 400);
    byId("storage-refresh").addEventListener("click", () => this.refresh());
    byId("newer").addEventListener("click", () => this.#turn(-1));
    byId("older").addEventListener("click", () => this.#turn(1));
  }

  /** Called after another camera was selected. */
  clear() {
    this.#visit += 1;
    this.#folder = null;
    this.#page = 0;
    for (const id of ["crumbs", "folders", "tiles", "storage-words"]) byId(id).replaceChildren();
    byId("pager").hidden = true;
  }

  /** Called when the camera can be used. Shows the previous folder, otherwise the folder of `#firstWithFiles`. */
  async begin() {
    for (const url of this.#thumbnails.values()) URL.revokeObjectURL(url);
    this.#thumbnails.clear();
    await this.refresh();
  }

  /** Read the folder again. */
  async refresh() {
    const visit = ++this.#visit;
    try {
      this.#folder ??= await this.#firstWithFiles();
      const { files, folders, total } = await this.#read();
      if (visit !== this.#visit) return;
      this.#render(files, folders, total);
      await this.#fillThumbnails(files, visit);
    } catch (error) {
      if (visit === this.#visit) this.#words(error);
    }
  }

  #list(folder, offset, limit) {
    return this.#cameras.command("list_files", { folder, offset, limit });
  }

  /** Start at "/" and open a subfolder as long as it is the only entry. Resolves to the folder that is reached. */
  async #firstWithFiles() {
    let folder = "/";
    for (;;) {
      const { folders, total } = await this.#list(folder, 0, 1);
      if (folders.length !== 1 || total > 0) return folder;
      folder = joined(folder, folders[0]);
    }
  }

  /** Read one page of files, with the newest file first. Cameras list the oldest file first. */
  async #read() {
    let reply = await this.#list(this.#folder, 0, PAGE);
    const { total } = reply;
    this.#page = Math.min(this.#page, Math.max(0, Math.ceil(total / PAGE) - 1));
    const end = total - this.#page * PAGE;
    const start = Math.max(0, end - PAGE);
    if (start > 0) reply = await this.#list(this.#folder, start, end - start);
    return { ...reply, files: reply.files.slice(0, end - start).reverse(), total };
  }

  #turn(by) {
    this.#page += by;
    this.refresh();
  }

  #go(folder) {
    this.#folder = folder;
    this.#page = 0;
    this.refresh();
  }

  #words(error) {
    // Perhaps the camera has another card now. The next refresh starts at the root folder.
    if (["file_not_found", "invalid_path"].includes(error.code)) this.#folder = null;
    byId("storage-words").textContent = error.code === "connection_lost" ? "" : error.message;
  }

  #render(files, folders, total) {
    const focused = document.activeElement?.closest?.(".tile")?.dataset.path;
    byId("crumbs").replaceChildren(...this.#crumbs());
    byId("folders").replaceChildren(...folders.map((name) => this.#folderItem(name)));
    byId("tiles").replaceChildren(...files.map((file) => this.#tile(file)));
    const pages = Math.max(1, Math.ceil(total / PAGE));
    byId("pager").hidden = pages === 1;
    byId("newer").disabled = this.#page === 0;
    byId("older").disabled = this.#page === pages - 1;
    byId("page-words").textContent = `Page ${this.#page + 1} of ${pages}`;
    const what = total === 1 ? "1 file" : `${total} files`;
    byId("storage-words").textContent = total || !folders.length ? `${total ? what : "Nothing"} in ${this.#folder}` : "";
    if (focused) this.#tileOf(focused)?.querySelector(".open").focus();
  }

  #crumbs() {
    const names = this.#folder === "/" ? [] : this.#folder.slice(1).split("/");
    const links = ["Camera", ...names].map((name, depth) => {
      const button = make("button", { type: "button", className: "quiet", textContent: name });
      if (depth === names.length) button.setAttribute("aria-current", "page");
      button.addEventListener("click", () => this.#go(`/${names.slice(0, depth).join("/")}`));
      return button;
    });
    return links.flatMap((link, index) => (index ? [make("span", { textContent: "›", "aria-hidden": "true" }), link] : [link]));
  }

  #folderItem(name) {
    const button = make("button", { type: "button", textContent: name });
    button.addEventListener("click", () => this.#go(joined(this.#folder, name)));
    return make("li", {}, button);
  }

  #tile(file) {
    const open = make("button", { type: "button", className: "open", "aria-label": `Open ${file.filename}` },
      make("span", { textContent: endingOf(file.filename), "aria-hidden": "true" }));
    const download = make("button", { type: "button", className: "quiet", textContent: "Download", "aria-label": `Download ${file.filename}` });
    const remove = make("button", { type: "button", className: "quiet danger", textContent: "Delete", "aria-label": `Delete ${file.filename}` });
    const bar = make("progress", { max: 1, value: 0, hidden: true, "aria-label": `Download of ${file.filename}` });
    open.addEventListener("click", () => this.#viewer.open(file));
    download.addEventListener("click", () => fetchAndSave(this.#cameras, file, bar));
    remove.addEventListener("click", () => this.#delete(file));
    const tile = make("li", { className: "tile", "data-path": file.camera_filepath }, open,
      make("span", { className: "name", textContent: file.filename }), make("span", { className: "muted", textContent: sizeWords(file.size) }),
      make("div", { className: "actions" }, download, remove), bar);
    this.#putThumbnail(file, tile);
    return tile;
  }

  #tileOf(path) {
    return [...byId("tiles").children].find((tile) => tile.dataset.path === path);
  }

  #putThumbnail(file, tile) {
    const url = this.#thumbnails.get(file.camera_filepath);
    if (url) tile?.querySelector(".open").replaceChildren(make("img", { src: url, alt: "" }));
  }

  /** Load one thumbnail after the other, so that a shot does not wait for a whole page of thumbnails. */
  async #fillThumbnails(files, visit) {
    for (const file of files.filter(({ camera_filepath: path }) => !this.#thumbnails.has(path))) {
      if (visit !== this.#visit) return;
      try {
        const { image_b64, mimetype } = await this.#cameras.command("get_thumbnail", { camera_filepath: file.camera_filepath });
        this.#thumbnails.set(file.camera_filepath, URL.createObjectURL(blobOf(image_b64, mimetype)));
        this.#putThumbnail(file, this.#tileOf(file.camera_filepath));
      } catch (error) {
        if (error.code === "connection_lost" || error.retryable) return;
      }
    }
  }

  /** Delete a file; resolves to whether it was deleted. */
  async #delete(file) {
    if (!(await confirmed(`${file.filename} will be deleted from the camera's card. This cannot be undone.`))) return false;
    try {
      await this.#cameras.command("delete_file", { camera_filepath: file.camera_filepath });
      closeProblem("delete");
    } catch (error) {
      showProblem(error, "delete");
      return false;
    }
    showNotice(`${file.filename} deleted.`);
    await this.refresh();
    return true;
  }
}

/** The large view of a file on the card. */
class Viewer {
  #cameras;
  #remove;
  #file;
  #url = null;

  constructor(cameras, remove) {
    this.#cameras = cameras;
    this.#remove = remove;
    byId("viewer-close").addEventListener("click", () => byId("viewer").close());
    byId("viewer-delete").addEventListener("click", () => this.#delete());
    byId("viewer").addEventListener("close", () => this.#forget());
  }

  async open(file) {
    this.#file = file;
    byId("viewer-title").textContent = file.filename;
    byId("viewer-words").textContent = `${sizeWords(file.size)} · ${file.mimetype}`;
    byId("viewer-image").hidden = byId("viewer-download").hidden = true;
    byId("viewer").showModal();
    try {
      const { blob } = await withProgress(byId("viewer-progress"), (onProgress) => this.#cameras.download(file.camera_filepath, onProgress));
      if (this.#file === file) this.#show(file, blob);
    } catch (error) {
      if (this.#file === file) byId("viewer-words").textContent = error.message;
    }
  }

  #show(file, blob) {
    this.#url = URL.createObjectURL(blob);
    Object.assign(byId("viewer-download"), { href: this.#url, download: file.filename, hidden: false });
    if (file.mimetype === "image/jpeg") Object.assign(byId("viewer-image"), { src: this.#url, alt: file.filename, hidden: false });
    else byId("viewer-words").textContent += " · browsers cannot show this file type; download it.";
  }

  async #delete() {
    if (await this.#remove(this.#file)) byId("viewer").close();
  }

  #forget() {
    this.#file = null;
    if (this.#url) URL.revokeObjectURL(this.#url);
    this.#url = null;
    byId("viewer-image").removeAttribute("src");
  }
}

/** Ask the user before an action that cannot be undone. */
function confirmed(words) {
  const dialog = byId("confirm");
  byId("confirm-words").textContent = words;
  dialog.returnValue = "";
  dialog.showModal();
  byId("confirm-no").onclick = () => dialog.close("no");
  byId("confirm-yes").onclick = () => dialog.close("yes");
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}

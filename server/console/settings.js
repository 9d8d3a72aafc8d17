// The camera's settings, grouped by section, each with a control for its type.

const SECTION_WORDS = {
  imgsettings: "Picture", capturesettings: "Capture", settings: "Camera", actions: "Actions", status: "Status", other: "Other",
};
const SECTION_ORDER = Object.keys(SECTION_WORDS);
const QUICK = ["iso", "aperture", "f-number", "shutterspeed", "exposurecompensation", "whitebalance", "imageformat", "imagequality"];
const MANY_AT_ONCE = 4;

class Settings {
  #cameras;
  #rows = new Map(); // from the name of a setting to its rows (in its section and among the quick settings)
  #stale = new Set();
  #interrupted = null; // the focused element when the camera was disconnected
  #refreshSoon = debounced(() => this.#refreshStale(), 120);

  constructor(cameras) {
    this.#cameras = cameras;
    byId("settings-refresh").addEventListener("click", () => this.read());
    byId("settings-filter").addEventListener("input", () => this.#filter());
  }

  /** Read all settings of the selected camera. */
  async read() {
    const camera = this.#cameras.selected;
    byId("settings-words").textContent = this.#rows.size ? "" : "Reading the settings…";
    try {
      const { configs } = await this.#cameras.command("get_config");
      if (camera?.port !== this.#cameras.selected?.port) return;
      this.#build(configs);
      for (const row of [...this.#rows.values()].flat()) row.clearRetryable();
      byId("settings-words").textContent = "";
    } catch (error) {
      byId("settings-words").textContent = error.code === "connection_lost" ? "" : error.message;
    }
  }

  /** Enable or disable the controls. A control that was being used keeps the focus. */
  settle() {
    const fields = [byId("quick"), byId("sections")];
    const why = this.#cameras.unavailable;
    const used = document.activeElement;
    if (why && fields.some((one) => one.contains(used))) this.#interrupted = used;
    for (const one of fields) one.disabled = why !== "";
    byId("settings-refresh").disabled = why !== "";
    for (const id of ["exposure-why", "settings-why"]) showReason(id, why);
    if (why) return;
    if (this.#interrupted?.isConnected && [null, document.body].includes(document.activeElement)) this.#interrupted.focus();
    this.#interrupted = null;
  }

  clear() {
    this.#rows.clear();
    byId("sections").replaceChildren();
    byId("quick").replaceChildren();
  }

  /** The shown setting; undefined if it is not shown. */
  shown(name) {
    return this.#rows.get(name)?.[0].item;
  }

  /** Called when a setting has changed. The event may not contain all data of the setting, so the setting is read. */
  changed({ config_name: name }) {
    if (!this.#rows.has(name)) return;
    this.#stale.add(name);
    this.#refreshSoon();
  }

  async #refreshStale() {
    const names = [...this.#stale];
    this.#stale.clear();
    if (names.length > MANY_AT_ONCE) {
      await this.read();
      return;
    }
    for (const name of names) {
      try {
        this.#update(await this.#cameras.command("get_config", { name }));
      } catch {
        return; // the camera is disconnected; all settings are read after it is connected again
      }
    }
  }

  async #change(item, value) {
    const reply = await this.#cameras.command("set_config", { name: item.config_name, value });
    this.#update(reply);
    showNotice(`${reply.label}: ${plainWords(reply)}.`);
  }

  #update(item) {
    const rows = this.#rows.get(item.config_name) ?? [];
    if (rows.some((row) => row.differsInKind(item))) this.read();
    else rows.forEach((row) => row.show(item));
  }

  #row(item) {
    const row = new SettingRow(item, (setting, value) => this.#change(setting, value));
    this.#rows.set(item.config_name, [...(this.#rows.get(item.config_name) ?? []), row]);
    return row.element;
  }

  /** Show these settings. If only values changed, the rows are not replaced, so that the focus and typed text stay. */
  #build(items) {
    const same = items.every((item) => this.#rows.has(item.config_name) && !this.#rows.get(item.config_name)[0].differsInKind(item));
    const names = new Set(items.map((item) => item.config_name));
    if (same && names.size === this.#rows.size) {
      items.forEach((item) => this.#update(item));
      return;
    }
    const opened = new Set([...byId("sections").querySelectorAll("details[open]")].map((section) => section.dataset.section));
    const first = this.#rows.size === 0;
    this.clear();
    const sections = Map.groupBy ? Map.groupBy(items, sectionOf) : grouped(items, sectionOf);
    const place = (name) => (SECTION_ORDER.indexOf(name) + 1 || SECTION_ORDER.length + 1);
    const ordered = [...sections].sort(([a], [b]) => place(a) - place(b));
    byId("sections").append(...ordered.map(([name, members], index) => this.#section(name, members, first ? index === 0 : opened.has(name))));
    const quick = QUICK.map((name) => items.find((item) => item.config_name === name && !item.readonly)).filter(Boolean);
    byId("quick").append(...quick.map((item) => this.#row(item)));
    this.#filter();
  }

  #section(name, items, open) {
    const summary = make("summary", {}, SECTION_WORDS[name] ?? name, " ", make("small", { textContent: items.length }));
    return make("details", { open, "data-section": name }, summary, ...items.map((item) => this.#row(item)));
  }

  #filter() {
    const wanted = byId("settings-filter").value.trim().toLowerCase();
    for (const section of byId("sections").children) {
      section.dataset.before ??= section.open ? "open" : "closed";
      let hits = 0;
      for (const row of section.querySelectorAll(".setting")) {
        const fits = `${row.textContent} ${row.dataset.name}`.toLowerCase().includes(wanted);
        row.hidden = !fits;
        hits += fits;
      }
      section.hidden = hits === 0;
      section.open = wanted ? hits > 0 : section.dataset.before === "open";
      if (!wanted) delete section.dataset.before;
    }
  }
}

/** The section of a setting: the part of its path after "/main/". */
const sectionOf = (item) => item.path?.split("/")[2] ?? "other";

function grouped(items, keyOf) {
  const groups = new Map();
  for (const item of items) groups.set(keyOf(item), [...(groups.get(keyOf(item)) ?? []), item]);
  return groups;
}

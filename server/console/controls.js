// A control for each type of setting, and a row of the page for one setting.

const UNKNOWN_TOGGLE = 2;

/** The function that creates the control for each type. A control has `parts` (the elements of the row), `main` (the element for the
 * label) and `show` (a function that shows a setting). */
const CONTROLS = { text: textControl, range: rangeControl, toggle: toggleControl, radio: choiceControl, menu: choiceControl,
  date: dateControl, button: buttonControl };

const plainWords = (item) => {
  if (item.value === null) return "unknown";
  if (item.type === "date") return new Date(item.value * 1000).toLocaleString();
  if (item.type === "toggle") return { 0: "off", 1: "on" }[item.value] ?? "unknown";
  return String(item.value) === "" ? "empty" : String(item.value);
};

function readonlyControl(id) {
  const output = make("output", { id });
  const tag = make("span", { className: "tag", textContent: "read only" });
  return { parts: [output, tag], main: output, show: (item) => { output.textContent = plainWords(item); } };
}

function textControl(id, set) {
  const input = make("input", { id, type: "text", autocomplete: "off", spellcheck: false });
  let shown = "";
  input.addEventListener("change", () => set(input.value));
  input.addEventListener("keydown", ({ key }) => { if (key === "Escape") input.value = shown; });
  const show = (item) => {
    const typing = document.activeElement === input && input.value !== shown;
    shown = String(item.value ?? "");
    if (!typing) input.value = shown;
  };
  return { parts: [input], main: input, show, wide: true };
}

function rangeControl(id, set, { label }) {
  const slider = make("input", { id, type: "range" });
  const number = make("input", { type: "number", "aria-label": `${label}, as a number` });
  slider.addEventListener("input", () => { number.value = slider.value; });
  slider.addEventListener("change", () => set(Number(slider.value)));
  number.addEventListener("change", () => number.value !== "" && set(Number(number.value)));
  const show = ({ range, value }) => {
    const { min, max, step } = range ?? { min: 0, max: 100, step: 1 };
    Object.assign(slider, { min, max, step: step || "any" });
    number.step = step || "any";
    slider.value = number.value = value;
  };
  return { parts: [slider, number], main: slider, show, wide: true };
}

function toggleControl(id, set) {
  const box = make("input", { id, type: "checkbox" });
  const words = make("span", { className: "muted" });
  box.addEventListener("change", () => set(box.checked));
  const show = (item) => {
    box.checked = item.value === 1;
    box.indeterminate = item.value === UNKNOWN_TOGGLE;
    words.textContent = plainWords(item);
  };
  return { parts: [box, words], main: box, show };
}

function choiceControl(id, set) {
  const select = make("select", { id });
  select.addEventListener("change", () => set(select.value));
  const show = ({ choices, value }) => {
    const all = choices.includes(value) || value === null ? choices : [value, ...choices];
    if (all.length !== select.length || all.some((choice, index) => select.options[index].value !== choice)) {
      select.replaceChildren(...all.map((choice) => make("option", { value: choice, textContent: choice || "(empty)" })));
    }
    if (value === null) select.selectedIndex = -1;
    else select.value = value;
  };
  return { parts: [select], main: select, show };
}

function dateControl(id, set) {
  const input = make("input", { id, type: "datetime-local", step: 1 });
  const ok = make("button", { type: "button", textContent: "Set" });
  const now = make("button", { type: "button", textContent: "Set to now" });
  ok.addEventListener("click", () => input.value && set(Math.floor(new Date(input.value).getTime() / 1000)));
  now.addEventListener("click", () => set(Math.floor(Date.now() / 1000)));
  const show = ({ value }) => {
    if (value === null || document.activeElement === input) return;
    const local = new Date(value * 1000);
    local.setMinutes(local.getMinutes() - local.getTimezoneOffset());
    input.value = local.toISOString().slice(0, 19);
  };
  return { parts: [input, ok, now], main: input, show, wide: true };
}

function buttonControl(id, set) {
  const button = make("button", { id, type: "button" });
  button.addEventListener("click", () => set(true));
  return { parts: [button], main: button, show: ({ label }) => { button.textContent = label; } };
}

/** One setting on the page. `change` sends a value to the camera and resolves to the setting as read back. */
class SettingRow {
  static #ids = 0;
  #control;
  #problem;
  #item;
  #change;
  #next;
  #busy = false;
  #retryable = false;

  constructor(item, change) {
    const id = `setting-${++SettingRow.#ids}`;
    const control = item.readonly ? readonlyControl : CONTROLS[item.type] ?? readonlyControl;
    this.#change = change;
    this.#control = control(id, (value) => this.#set(value), item);
    this.#problem = make("p", { id: `${id}-problem`, className: "problem", role: "alert" });
    this.#control.main.setAttribute("aria-describedby", `${id}-problem`);
    this.label = make("label", { className: "label", htmlFor: id, textContent: item.label, title: item.config_name });
    const field = make("div", { className: "field" }, ...this.#control.parts);
    this.element = make("div", { className: `setting ${this.#control.wide ? "wide" : ""}`, "data-name": item.config_name },
      this.label, field, this.#problem);
    this.show(item);
  }

  get item() {
    return this.#item;
  }

  /** Whether a setting needs another kind of control. */
  differsInKind(item) {
    return item.readonly !== this.#item.readonly || item.type !== this.#item.type;
  }

  show(item) {
    this.#item = item;
    this.#control.show(item);
  }

  /** Called when the camera responds again. Clears the message of a failed change if its error was retryable. */
  clearRetryable() {
    if (this.#retryable) this.#fail("");
  }

  /** Send a value. Of the values that are set while another value is being sent, only the last is sent. */
  async #set(value) {
    this.#next = { value };
    if (this.#busy) return;
    this.#busy = true;
    this.element.setAttribute("aria-busy", "true");
    this.#fail("");
    while (this.#next) {
      const { value: wanted } = this.#next;
      this.#next = null;
      try {
        await this.#change(this.#item, wanted);
      } catch (error) {
        this.#fail(error.message, error.retryable);
        // Text that the user typed stays, so that the user can correct it.
        if (this.#control.main.type !== "text") this.#control.show(this.#item);
      }
    }
    this.#busy = false;
    this.element.removeAttribute("aria-busy");
  }

  #fail(words, retryable = false) {
    this.#retryable = retryable;
    this.#problem.textContent = words;
    this.#control.main.setAttribute("aria-invalid", String(words !== ""));
  }
}

// The shutter button and its countdown.

class Shots {
  #cameras;
  #picture;
  #counting = null;
  #busy = false;

  constructor(cameras, picture) {
    this.#cameras = cameras;
    this.#picture = picture;
    byId("shutter").addEventListener("click", ({ detail }) => this.#press(detail));
    // A key that is held down counts as one press.
    byId("shutter").addEventListener("keydown", (press) => press.repeat && press.preventDefault());
  }

  /** Update the button, because the state of the camera has changed. */
  settle() {
    const why = this.#cameras.unavailable;
    if (why) this.cancel(why);
    showReason("shutter-why", why);
    this.#label();
  }

  /** Cancel the countdown; returns false if there is none. */
  cancel(why = "") {
    if (!this.#counting) return false;
    clearTimeout(this.#counting);
    this.#counting = null;
    byId("countdown").textContent = "";
    this.#label();
    const words = why ? `Countdown cancelled: ${why}` : "Countdown cancelled.";
    showNotice(words);
    if (why) log(words);
    return true;
  }

  /** `clicks` is 2 for the second click of a double click. This click does not cancel the countdown that the first click started. */
  #press(clicks) {
    if (this.#busy) return;
    if (this.#counting) {
      if (clicks < 2) this.cancel();
    } else if (this.#cameras.unavailable) {
      showNotice(this.#cameras.unavailable);
    } else {
      this.#countDown(Number(byId("delay").value));
    }
  }

  #countDown(seconds) {
    this.#counting = seconds ? setTimeout(() => this.#countDown(seconds - 1), 1000) : null;
    byId("countdown").textContent = seconds || "";
    this.#label();
    if (!seconds) this.#take();
  }

  async #take() {
    this.#busy = true;
    this.#label();
    try {
      await this.#picture.showShot(() => this.#cameras.command("capture_image", { save: byId("save").checked }));
    } catch (error) {
      showProblem(error, "shot");
    } finally {
      this.#busy = false;
      this.#label();
    }
  }

  /** Update the button. The attribute `disabled` is not used, so that the button keeps the focus and can show the reason when it is pressed. */
  #label() {
    const shutter = byId("shutter");
    shutter.textContent = this.#busy ? "Taking picture…" : this.#counting ? "Cancel" : "Take picture";
    shutter.setAttribute("aria-busy", String(this.#busy));
    shutter.setAttribute("aria-disabled", String(this.#busy || this.#cameras.unavailable !== ""));
  }
}

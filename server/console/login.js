// The login form with the token, and the state of the connection.

const TOKEN_KEY = "gphoto-ws-token";

class Login {
  #wire;
  #wait;

  constructor(wire) {
    this.#wire = wire;
    wire.addEventListener("state", ({ detail }) => this.#show(detail));
    byId("login").addEventListener("submit", (submit) => this.#submit(submit));
    byId("log-out").addEventListener("click", () => this.#logOut());
    byId("try-now").addEventListener("click", () => wire.tryNow());
  }

  /** Connect with the token that is stored for this tab. If no token is stored, show the login form. */
  begin() {
    const token = sessionStorage.getItem(TOKEN_KEY);
    if (token) this.#wire.connect(token);
    else this.#ask("");
  }

  #submit(submit) {
    submit.preventDefault();
    byId("login-error").textContent = "";
    const token = byId("token").value.trim();
    sessionStorage.setItem(TOKEN_KEY, token);
    this.#wire.connect(token);
  }

  #logOut() {
    sessionStorage.removeItem(TOKEN_KEY);
    this.#wire.leave();
    this.#ask("");
  }

  #ask(words) {
    byId("login").hidden = false;
    byId("panel").hidden = byId("log-out").hidden = true;
    byId("login-error").textContent = words;
    byId("token").setAttribute("aria-invalid", String(words !== ""));
    byId("token").focus();
    byId("token").select();
  }

  #enter() {
    const asked = !byId("login").hidden;
    byId("login").hidden = true;
    byId("token").value = "";
    byId("panel").hidden = byId("log-out").hidden = false;
    if (asked) byId("live-toggle").focus();
  }

  #show({ state, words, retryMs }) {
    byId("connection").dataset.state = state;
    byId("connection-words").textContent = state === "refused" ? "Not connected" : words;
    byId("try-now").hidden = state !== "waiting";
    this.#countDown(retryMs);
    if (state === "open") this.#enter();
    if (state === "refused") {
      sessionStorage.removeItem(TOKEN_KEY);
      this.#ask(words);
    }
    if (state === "waiting" && !byId("login").hidden) byId("login-error").textContent = `${words} This page tries again automatically.`;
  }

  #countDown(retryMs) {
    clearInterval(this.#wait);
    const until = performance.now() + (retryMs ?? 0);
    const show = () => {
      const seconds = Math.ceil((until - performance.now()) / 1000);
      byId("connection-wait").textContent = retryMs === null ? "" : `Next try in ${Math.max(0, seconds)} s.`;
    };
    show();
    if (retryMs !== null) this.#wait = setInterval(show, 500);
  }
}

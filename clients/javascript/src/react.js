// Hooks for React: a camera, its live view, and its new photos.

import { useMemo, useSyncExternalStore } from "react";
import { connect } from "./index.js";

/**
 * @typedef {import("./index.js").Client} Client
 * @typedef {import("./react.js").UseCamera} UseCamera
 * @typedef {import("./react.js").Photo} Photo
 * @typedef {import("./index.js").ClientEvents[keyof import("./index.js").ClientEvents]} CameraEvent
 */

const PAUSE_MS = 2_000;
const MOST_PHOTOS = 20;
// Errors after which live view is started again although they are not retryable: the camera may come back.
const PASSING = ["camera_disconnected", "camera_not_found", "no_camera_selected", "camera_error"];

/** @type {typeof import("./react.js").useCamera} */
export function useCamera(options) {
  const { url, token, port } = options;
  return useStore(() => new CameraStore(options), [url, token, port]);
}

/** @type {typeof import("./react.js").useLiveView} */
export function useLiveView(camera, options = {}) {
  const { client } = camera;
  return useStore(() => new LiveViewStore(client, options), [client, JSON.stringify(options)]);
}

/** @type {typeof import("./react.js").usePhotos} */
export function usePhotos(camera, { limit = MOST_PHOTOS } = {}) {
  const { client, port } = camera;
  return useStore(() => new PhotoStore(client, port, limit), [client, port, limit]);
}

/** @template T @param {() => Store<T>} make @param {unknown[]} keys @returns {T} */
function useStore(make, keys) {
  const store = useMemo(make, keys);
  return useSyncExternalStore(store.subscribe, store.get, store.get);
}

/** A value that changes while somebody subscribes to it. @template T */
class Store {
  /** @type {Set<() => void>} */ #listeners = new Set();
  /** @type {AbortController | undefined} */ #running;
  /** @type {T} */ #value;

  /** @param {T} value */
  constructor(value) {
    this.#value = value;
  }

  get = () => this.#value;

  /** @param {() => void} listener */
  subscribe = (listener) => {
    this.#listeners.add(listener);
    if (!this.#running) {
      this.#running = new AbortController();
      this.run(this.#running.signal);
    }
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size) return;
      this.#running?.abort();
      this.#running = undefined;
    };
  };

  /** @param {T} value @param {AbortSignal} signal of the run that sets it */
  set(value, signal) {
    if (signal.aborted) return;
    this.#value = value;
    for (const listener of this.#listeners) listener();
  }

  /** Called with the first subscription; `signal` is aborted with the end of the last one. @param {AbortSignal} signal */
  async run(signal) {
    void signal;
  }
}

/** @extends {Store<UseCamera>} */
class CameraStore extends Store {
  #options;

  /** @param {import("./react.js").UseCameraOptions} options */
  constructor(options) {
    super({ state: "connecting", client: null, error: null, info: null, port: options.port });
    this.#options = options;
  }

  /** @param {AbortSignal} signal */
  async run(signal) {
    this.#change({ state: "connecting", client: null, error: null, info: null }, signal);
    const client = await this.#connect(signal);
    if (!client) return;
    onAbort(signal, () => client.close());
    const follow = () => this.#change({ client, state: client.state, error: client.error }, signal);
    client.addEventListener("state", follow);
    follow();
    await this.#followCamera(client, signal);
  }

  /** A server may start later than the page. @param {AbortSignal} signal */
  async #connect(signal) {
    const { port, ...options } = this.#options;
    while (!signal.aborted) {
      try {
        return await connect({ reconnectForMs: Infinity, ...options });
      } catch (caught) {
        const error = /** @type {import("./index.js").CameraError} */ (caught);
        this.#change({ error, state: error.retryable ? "connecting" : "closed" }, signal);
        if (!error.retryable) return;
        await pause(signal);
      }
    }
  }

  /** @param {Client} client @param {AbortSignal} signal */
  async #followCamera(client, signal) {
    const events = client.events(["camera_connected", "camera_disconnected", "camera_state", "reconnected"]);
    /** @type {CameraEvent | undefined} */ let event;
    let isSelected = false;
    while (!signal.aborted) {
      try {
        await events.ready;
        const { info, port } = this.get();
        if (event?.event === "camera_state" && info) {
          if (event.port === info.port) this.#change({ info: { ...info, state: event.state } }, signal);
        } else {
          const { cameras } = await client.call("list_cameras");
          const found = port === undefined && cameras.length === 1 ? cameras[0] : cameras.find((camera) => camera.port === port);
          if (found && port !== undefined && !isSelected) {
            await client.call("select_camera", { port });
            isSelected = true;
          }
          this.#change({ info: found ?? null }, signal);
        }
        event = (await events.next()).value;
      } catch {
        if (client.state === "closed") return; // `error` says why
        event = undefined;
        await pause(signal);
      }
    }
  }

  /** @param {Partial<UseCamera>} changes @param {AbortSignal} signal */
  #change(changes, signal) {
    this.set({ ...this.get(), ...changes }, signal);
  }
}

/** @extends {Store<import("./react.js").UseLiveView>} */
class LiveViewStore extends Store {
  #client;
  #options;
  /** @type {HTMLImageElement | null} */ #image = null;

  /** @param {Client | null} client @param {import("./index.js").LiveViewOptions} options */
  constructor(client, options) {
    super({ ref: (image) => this.#attach(image), running: false, error: null });
    this.#client = client;
    this.#options = options;
  }

  /** @param {AbortSignal} signal */
  async run(signal) {
    const client = this.#client;
    this.#say(false, null, signal);
    while (client && !signal.aborted && client.state !== "closed") {
      try {
        const view = client.liveView(this.#options);
        onAbort(signal, () => view.stop());
        for await (const frame of view) {
          await this.#show(new Blob([frame.jpeg], { type: "image/jpeg" }));
          if (!this.get().running) this.#say(true, null, signal);
        }
      } catch (caught) {
        const error = /** @type {import("./index.js").CameraError} */ (caught);
        this.#say(false, error, signal);
        if (!error.retryable && !PASSING.includes(error.code)) return;
      }
      await pause(signal);
    }
  }

  /** @param {boolean} running @param {import("./index.js").CameraError | null} error @param {AbortSignal} signal */
  #say(running, error, signal) {
    this.set({ ...this.get(), running, error }, signal);
  }

  /** @param {HTMLImageElement | null} image */
  #attach(image) {
    if (!image && this.#image) URL.revokeObjectURL(this.#image.src);
    this.#image = image;
  }

  /** @param {Blob} picture */
  async #show(picture) {
    const image = this.#image;
    if (!image) return;
    const old = image.src;
    image.src = URL.createObjectURL(picture);
    await image.decode().catch(() => {}); // a damaged frame
    if (old) URL.revokeObjectURL(old);
  }
}

/** @extends {Store<readonly Photo[]>} */
class PhotoStore extends Store {
  #client;
  #port;
  #limit;

  /** @param {Client | null} client @param {string | undefined} port @param {number} limit */
  constructor(client, port, limit) {
    super([]);
    this.#client = client;
    this.#port = port;
    this.#limit = limit;
  }

  /** @param {AbortSignal} signal */
  async run(signal) {
    if (!this.#client) return;
    const events = this.#client.events(["file_added"]);
    onAbort(signal, () => events.stop());
    try {
      for await (const { port, camera_filepath } of events) {
        // A RAW file and its JPEG are one photo.
        const isOther = this.#port !== undefined && port !== this.#port;
        if (isOther || this.get().some((photo) => stem(photo.camera_filepath) === stem(camera_filepath))) continue;
        const filename = camera_filepath.slice(camera_filepath.lastIndexOf("/") + 1);
        this.set([{ camera_filepath, filename, thumbnail: null }, ...this.get()].slice(0, this.#limit), signal);
        this.#load(this.#client, port, camera_filepath, signal);
      }
    } catch {
      // The connection is closed for good; useCamera says why.
    }
  }

  /** @param {Client} client @param {string} port @param {string} camera_filepath @param {AbortSignal} signal */
  async #load(client, port, camera_filepath, signal) {
    try {
      const { mimetype, image_b64 } = await client.call("get_thumbnail", { camera_filepath, port });
      const thumbnail = `data:${mimetype};base64,${image_b64}`;
      this.set(this.get().map((photo) => (photo.camera_filepath === camera_filepath ? { ...photo, thumbnail } : photo)), signal);
    } catch {
      // Some files, such as movies, have no thumbnail.
    }
  }
}

/** A path without its extension. @param {string} path */
const stem = (path) => path.replace(/\.[^./]*$/, "");

/** @param {AbortSignal} signal @param {() => unknown} call */
function onAbort(signal, call) {
  if (signal.aborted) call();
  else signal.addEventListener("abort", call);
}

/** Wait for a while, or until the end. @param {AbortSignal} signal @returns {Promise<void>} */
function pause(signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, PAUSE_MS);
    onAbort(signal, () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

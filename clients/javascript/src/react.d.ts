import type { CameraError, Client, ConnectOptions, ListedCamera, LiveViewOptions } from "./index.js";

export interface UseCameraOptions extends ConnectOptions {
  /** The port of the camera. Needed only if the server has several cameras. */
  port?: string;
}

export interface UseCamera {
  /** The connection. "connecting": the first attempts. "closed": the client cannot connect any more; see `error`. */
  state: "connecting" | "connected" | "reconnecting" | "closed";
  /** The client; null before the first connection. */
  client: Client | null;
  /** Why there is no connection. */
  error: CameraError | null;
  /** The option `port`. */
  port: string | undefined;
  /** The camera as in list_cameras, kept up to date; null if it is not there. */
  info: ListedCamera | null;
}

/**
 * A connection to the server, and the state of one camera. While the component is mounted, the client connects again after each loss.
 * The client also connects again if `url`, `token` or `port` changes.
 */
export function useCamera(options: UseCameraOptions): UseCamera;

export interface UseLiveView {
  /** For an image: `<img ref={ref}>`. Frames are shown without rendering the component. */
  ref: (image: HTMLImageElement | null) => void;
  /** Whether frames come. */
  running: boolean;
  /** Why no frames come. If the error can pass, the hook tries again every 2 s. */
  error: CameraError | null;
}

/** Live view of the camera, while the component is mounted. */
export function useLiveView(camera: UseCamera, options?: LiveViewOptions): UseLiveView;

export interface Photo {
  camera_filepath: string;
  /** The last part of the path. */
  filename: string;
  /** An address for `<img src>`; null until it is loaded, and for files without a thumbnail. */
  thumbnail: string | null;
}

/** The photos that were taken since the component was mounted, also with the camera's own button. The newest is the first. */
export function usePhotos(camera: UseCamera, options?: { /** By default 20. */ limit?: number }): readonly Photo[];

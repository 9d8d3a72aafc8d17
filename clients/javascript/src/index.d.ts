import type {
  AllConfigsReply,
  Commands,
  ErrorCode,
  EventName,
  Events,
  OneConfigReply,
  Since,
  StartLiveViewReply,
} from "./protocol.js";

export type * from "./protocol.js";

/** The codes of `CameraError`: those of the server, and those of this package. */
export type AnyErrorCode = ErrorCode | "connection_failed" | "connection_lost" | "no_reply" | "unexpected_reply";

/** An error reply of the server, or a problem with the connection. The message can be shown to people. */
export class CameraError extends Error {
  constructor(reply: { code: string; message: string; retryable?: boolean; details?: Record<string, any> });
  readonly code: AnyErrorCode;
  /** Whether the same request may succeed later without any change. */
  readonly retryable: boolean;
  /** Data for programs, for example `choices` for a rejected value. */
  readonly details: Record<string, any>;
}

/** The part of a WebSocket that the client uses. The WebSocket of browsers and that of the package ws have it. */
export interface Socket {
  binaryType: any;
  readonly readyState: number;
  onopen: any;
  onmessage: any;
  onclose: any;
  onerror: any;
  send(text: string): void;
  close(): void;
}

export interface ConnectOptions {
  /** ws:// or wss:// address of the server. By default ws://localhost:8765. */
  url?: string;
  /** The server's API_TOKEN. */
  token: string;
  /** Makes the socket. Needed with Node.js before 22, and for certificates or headers of your own. */
  createSocket?: (url: string) => Socket;
  /** How long to try to reconnect after a loss, in milliseconds. By default 60000; `Infinity`: until `close`; 0: not at all. */
  reconnectForMs?: number;
  /** How long to wait for a connection and for a reply, in milliseconds. By default 120000. Long exposures, bursts and movies get more. */
  replyTimeoutMs?: number;
  /** How long one attempt to connect and log in may take, in milliseconds. By default 10000. */
  openTimeoutMs?: number;
}

/**
 * Connect and log in, once. After that, the client reconnects by itself.
 *
 * Throws CameraError: `unauthorized` for a wrong token, `connection_failed` if no server answers.
 */
export function connect(options: ConnectOptions): Promise<Client>;

/** Commands that have a method of their own. */
type WithMethod = "start_live_view" | "stop_live_view" | "subscribe" | "unsubscribe" | "download_last_image";

/** The commands of `Client.call`. */
export type CommandName = Exclude<keyof Commands, WithMethod>;

/** The payload of a command. */
export type PayloadOf<N extends CommandName> = Commands[N]["payload"];

/** The reply to a command. */
export type ReplyOf<N extends CommandName> = Commands[N]["reply"];

export interface Client extends EventTarget {
  /** The connection. The client dispatches the DOM event "state" after each change. "closed" is final. */
  readonly state: "connected" | "reconnecting" | "closed";
  /** Why the state is "closed"; null otherwise. */
  readonly error: CameraError | null;
  /** The place after the last received event, from which another client can go on; null before the first subscription. */
  readonly place: Place | null;

  /**
   * Send a command and return its reply. Throws CameraError.
   *
   * Without a connection, the command waits for one. If the connection is lost before the reply, commands that only read are sent again, and so
   * are shots and `start_job`: their `key` prevents a second shot or job. If a shot cannot be sent again, it throws `capture_unknown`. Other
   * commands that change something throw `connection_lost`. `select_camera` also holds after a reconnect.
   */
  call<N extends Exclude<CommandName, "get_config">>(
    command: N,
    ...payload: {} extends PayloadOf<N> ? [payload?: PayloadOf<N>] : [payload: PayloadOf<N>]
  ): Promise<ReplyOf<N>>;
  call(command: "get_config", payload: { name: string; port?: string }): Promise<OneConfigReply>;
  call(command: "get_config", payload?: { port?: string }): Promise<AllConfigsReply>;

  /** Start live view. The iterator returns the newest frame; it ends with `stop()`, or with the loop that reads it. */
  liveView(options?: LiveViewOptions): LiveView;

  /**
   * Subscribe to events of the cameras, by default to all. "reconnected" comes from the client itself: if its `recovered` is true, the events
   * that happened meanwhile follow.
   */
  events<N extends keyof ClientEvents = keyof ClientEvents>(
    names?: readonly N[],
    options?: { /** The events that happened after this place come first. */ since?: Place },
  ): EventIterator<ClientEvents[N]>;

  /** Download a file of the camera, by default its last picture. Each part is checked with the server's SHA-256. */
  download(options?: DownloadOptions): Promise<DownloadedFile>;

  /** Close the connection. Waiting commands and iterators throw. */
  close(): void;
}

/** A place in the server's log of events. */
export type Place = Since;

/** The events of `Client.events`, by their name. */
export type ClientEvents = Pick<Events, EventName> & { reconnected: ReconnectedEvent };

/** The connection was lost and is restored. */
export interface ReconnectedEvent {
  event: "reconnected";
  /** Whether the events that were missed meanwhile follow. If not, they are lost: read the state anew. */
  recovered: boolean;
}

export interface EventIterator<E> extends AsyncIterableIterator<E> {
  /** Resolves when the server has subscribed this client to the events. */
  readonly ready: Promise<void>;
  /** How many events were dropped because this program did not read them. 1000 events can wait. */
  readonly missed: number;
  /** End the iteration. */
  stop(): void;
}

export type LiveViewOptions = Omit<Commands["start_live_view"]["payload"], "format">;

export interface LiveView extends AsyncIterableIterator<Frame> {
  /** The server's reply to the start. */
  readonly ready: Promise<StartLiveViewReply>;
  /** Stop the stream, and end the iteration. */
  stop(): Promise<void>;
}

/** One live-view frame. */
export interface Frame {
  /** The picture. To show it: `new Blob([frame.jpeg], { type: "image/jpeg" })`. */
  jpeg: Uint8Array<ArrayBuffer>;
  /** Number of the frame, counted for each camera since the server started. */
  seq: number;
  /** When the server received the frame from the camera, by the clock of the server. */
  time: Date;
  /** Whether frames were skipped directly before this one, because the network or this program was too slow. */
  dropped: boolean;
  /** Number of the stream on this connection. */
  stream: number;
}

export interface DownloadOptions {
  /** Path on the camera. By default that of the last picture. */
  camera_filepath?: string;
  /** The port of the camera. By default the selected camera. */
  port?: string;
  /** Called with the number of bytes received so far, and the size of the file. */
  onProgress?: (received: number, size: number) => void;
}

export interface DownloadedFile {
  blob: Blob;
  /** The last part of the path. */
  filename: string;
  mimetype: string;
  camera_filepath: string;
  /** In bytes. */
  size: number;
}

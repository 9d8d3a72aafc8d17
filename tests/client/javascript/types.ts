import { CameraError, connect, type CaptureImageReply, type Client, type Frame } from "gphoto-ws-client";
import { useCamera, useLiveView, usePhotos, type Photo } from "gphoto-ws-client/react";

export function Booth(): readonly [string | undefined, boolean, Photo | undefined] {
  const camera = useCamera({ token: "mysecrettoken", port: "usb:001,003" });
  // @ts-expect-error a key that the command does not know
  useLiveView(camera, { frames: 15 });
  return [camera.info?.serial ?? camera.error?.code, useLiveView(camera, { fps: 15 }).running, usePhotos(camera)[0]];
}

export async function use(client: Client): Promise<void> {
  const shot: CaptureImageReply = await client.call("capture_image", { settings: { iso: "200" }, download: "thumbnail" });
  const path: string = shot.files[0].camera_filepath;
  await client.call("capture_image");
  const state: "opening" | "ready" | string = (await client.call("get_camera_info")).state;
  const choices: string[] = (await client.call("get_config", { name: "iso" })).choices;
  const names: string[] = (await client.call("get_config")).configs.map((config) => config.config_name);
  await client.call("set_config", { name: "iso", value: 200 });

  // @ts-expect-error a key that the command does not know
  await client.call("capture_image", { iso: "200" });
  // @ts-expect-error a required key is missing
  await client.call("set_config", { name: "iso" });
  // @ts-expect-error the payload is required
  await client.call("set_config");
  // @ts-expect-error there is no such command
  await client.call("take_picture");
  // @ts-expect-error liveView is for this
  await client.call("start_live_view");

  for await (const frame of client.liveView({ fps: 15, rotation: 90 })) {
    const same: Frame = frame;
    const picture = new Blob([same.jpeg], { type: "image/jpeg" });
    if (picture.size > 0) break;
  }
  for await (const event of client.events(["file_added", "reconnected"], { since: client.place ?? undefined })) {
    if (event.event === "file_added") path.startsWith(event.camera_filepath);
    else if (!event.recovered) break;
    // @ts-expect-error the iterator has no such event
    if (event.event === "job_shot") break;
  }
  const { blob, filename } = await client.download({ onProgress: (received, size) => received / size });
  const all: [Blob, string, string, string[], string[]] = [blob, filename, state, choices, names];
  client.addEventListener("state", () => all.length === 5 && client.state === "closed");
}

export async function open(): Promise<Client | undefined> {
  try {
    return await connect({ url: "ws://localhost:8765", token: "mysecrettoken", createSocket: (url) => new WebSocket(url) });
  } catch (error) {
    if (error instanceof CameraError && error.code === "unauthorized") return undefined;
    // @ts-expect-error no such code
    if (error instanceof CameraError && error.code === "wrong_token") return undefined;
    throw error;
  }
}

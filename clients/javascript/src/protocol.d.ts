// Written by `make docs` from the declarations in protocol/; do not edit.

/**
 * Chosen by the client; the reply has the same.
 */
export type RequestId = (string | number)
/**
 * What the camera does now.
 */
export type CameraState = ("opening" | "ready" | "live" | "capturing" | "recording" | "recovering" | "needs_attention" | "absent")
/**
 * Whether the reply contains no picture, its thumbnail or the full picture.
 */
export type PictureInReply = ("none" | "thumbnail" | "full")
/**
 * Bytes as base64 in the reply, or in binary messages after it.
 */
export type FileTransfer = ("base64" | "binary")
export type GetConfigReply = (OneConfigReply | AllConfigsReply)
/**
 * Type of the setting.
 */
export type WidgetType = ("window" | "section" | "text" | "range" | "toggle" | "radio" | "menu" | "button" | "date")
/**
 * base64 in JSON, binary with a header, only the jpeg, or frames of the Photonic dialect.
 */
export type StreamFormat = ("base64" | "binary" | "jpeg" | "photonic")
export type Rotation = (0 | 90 | 180 | 270)
/**
 * Size of a step. Its distance depends on the camera and the lens.
 */
export type FocusSize = ("small" | "medium" | "large")
/**
 * half_press: half press the shutter buttons until the deadline, so that the cameras focus and meter before it. Without it, the cameras do not focus.
 */
export type Preparation = ("none" | "half_press")
/**
 * If a camera is not ready: skip fires the others at the deadline; stop fires none.
 */
export type MissingCamera = ("skip" | "stop")
/**
 * Whether there is a picture.
 */
export type FireStatus = ("ok" | "error")
/**
 * timelapse: one picture every interval_s seconds; bracket: the same picture with several exposures; focus_stack: pictures with the focus from near to far.
 */
export type JobKind = ("timelapse" | "bracket" | "focus_stack")
export type RampSetting = ("shutterspeed" | "iso")
/**
 * bracket: the setting that changes; native: the camera's own bracketing, with one held release. ev is then symmetric, such as [-1, 0, 1].
 */
export type BracketBy = ("shutterspeed" | "iso" | "native")
/**
 * What the job does now.
 */
export type JobState = ("scheduled" | "running" | "waiting" | "paused" | "done" | "stopped" | "failed")
/**
 * asked: nothing was changed yet; changed: its settings may be set; released: the shutter may have opened; told: the outcome is known, and settings still have to be restored; closed: finished.
 */
export type ShotState = ("asked" | "changed" | "released" | "told" | "closed")
export type ShotOutcome = ("done" | "failed" | "unknown")
export type EventChoice = ("camera_connected" | "camera_disconnected" | "camera_state" | "file_added" | "config_changed" | "capture_saved" | "capture_checked" | "camera_warning" | "live_view_stopped" | "exposure_started" | "exposure_ended" | "job_state" | "job_shot" | "movie_started" | "movie_ended" | "*")
export type EventName = ("camera_connected" | "camera_disconnected" | "camera_state" | "file_added" | "config_changed" | "capture_saved" | "capture_checked" | "camera_warning" | "live_view_stopped" | "exposure_started" | "exposure_ended" | "job_state" | "job_shot" | "movie_started" | "movie_ended")
/**
 * retrying: the last attempt failed. disabled: the receiver wants no more events (HTTP 410).
 */
export type WebhookState = ("ok" | "retrying" | "disabled")
/**
 * stopped: stop_movie; max_s: its limit; card_full: the card is full; camera: the camera ended it for another reason, such as its own button or limit; interrupted: the camera or its process was lost.
 */
export type MovieEndReason = ("stopped" | "max_s" | "card_full" | "camera" | "interrupted")
/**
 * skipped: the slot was missed, and nothing was done.
 */
export type SlotStatus = ("ok" | "error" | "skipped")
/**
 * Why the stream ended.
 */
export type LiveViewEndReason = ("camera_disconnected" | "camera_error")
/**
 * bad_request: The message is not a command. Correct it. invalid_json: The message is not valid JSON. Correct it. unauthorized: The token is missing or wrong. unsupported_protocol: The server does not support that protocol number; `details.supported` lists those that it supports. unknown_command: There is no such command; `details.similar` lists similar commands, `details.commands` all. invalid_payload: The payload does not fit the command; `details.errors` lists the errors, `details.allowed` the allowed keys. rate_limited: Too many commands in a second, or too many wrong tokens in a minute. Send fewer. too_many_pending: Too many commands or streams are in progress. Wait for replies first. shutting_down: The server is shutting down, and nothing was done. Connect again later. internal_error: The server has an internal error; its log has the details. key_reused: Another request had the same key. Use a new key for each shot. not_recorded: The records of the shots cannot be read or written now, and nothing was done. See the server's log. clock_wrong: The clock of the server is wrong, so the camera's clock was not set. Set the clock of the server first. no_camera_selected: There are several cameras, or none; `details.ports` lists them. Select one. camera_not_found: There is no camera on that port. Use list_cameras. camera_disconnected: The camera is disconnected or does not answer. Plug it in or switch it on. camera_claimed: Another program uses the camera. End that program. camera_busy: The camera is busy, and nothing was done. Wait a moment. camera_timeout: The camera did not answer in time. The server opens it again. camera_io: The data transfer with the camera failed. Check the cable and the permissions. camera_error: The camera refused for another reason; see `message`. not_supported: This camera or its driver cannot do that. Do not try again. cancelled: The operation was cancelled on the camera. capture_unknown: The shutter may have fired, but no file was found. Look at the card before the next capture. shot_not_found: There is no record of this shot. list_shots has the last ones. config_not_found: The camera has no setting with that name. get_config without a name lists all settings. config_readonly: The camera does not allow a change of this setting now. Change its mode first. invalid_value: The setting does not accept that value; `details.choices` or `details.range` has the allowed values. file_not_found: The camera has no such file or folder. invalid_path: The path is not absolute, or a name in it is not allowed. card_full: The card is full. Delete files or change the card. disk_full: The server's disk is full. folder_not_writable: The server cannot write to its photo folder; `details.fix` is a command that solves this. live_view_not_running: There is no such stream to stop. bulb_unavailable: The camera cannot make bulb exposures, or not now; `details.how` says what to do. no_exposure: No bulb exposure is in progress. movie_unavailable: The camera cannot record movies now, and none was started; `details.how` says what to do. no_movie: No movie is in progress. live_view_needed: The camera does this only while live view runs, and nothing was done. Send start_live_view first. not_ready: The camera was not ready at the deadline of fire, and was not released. Use a longer in_ms. job_not_found: There is no such job, or it has ended. list_jobs has the last ones. camera_in_use_by_job: A job uses the camera, or its next picture would be late; nothing was done. `details.job` is its number.
 */
export type ErrorCode = ("bad_request" | "invalid_json" | "unauthorized" | "unsupported_protocol" | "unknown_command" | "invalid_payload" | "rate_limited" | "too_many_pending" | "shutting_down" | "internal_error" | "key_reused" | "not_recorded" | "clock_wrong" | "no_camera_selected" | "camera_not_found" | "camera_disconnected" | "camera_claimed" | "camera_busy" | "camera_timeout" | "camera_io" | "camera_error" | "not_supported" | "cancelled" | "capture_unknown" | "shot_not_found" | "config_not_found" | "config_readonly" | "invalid_value" | "file_not_found" | "invalid_path" | "card_full" | "disk_full" | "folder_not_writable" | "live_view_not_running" | "bulb_unavailable" | "no_exposure" | "live_view_needed" | "not_ready" | "job_not_found" | "camera_in_use_by_job" | "movie_unavailable" | "no_movie")

export interface Protocol {
commands: Commands
events: Events
codes: ErrorCode
names: EventName
}
export interface Commands {
list_cameras: {
payload: ListCamerasPayload
reply: ListCamerasReply
}
select_camera: {
payload: SelectCameraPayload
reply: SelectCameraReply
}
capture_image: {
payload: CaptureImagePayload
reply: CaptureImageReply
}
download_last_image: {
payload: DownloadLastImagePayload
reply: DownloadLastImageReply
}
get_config: {
payload: GetConfigPayload
reply: GetConfigReply
}
set_config: {
payload: SetConfigPayload
reply: SetConfigReply
}
capture_burst: {
payload: CaptureBurstPayload
reply: CaptureBurstReply
}
stop_exposure: {
payload: StopExposurePayload
reply: StopExposureReply
}
start_movie: {
payload: StartMoviePayload
reply: StartMovieReply
}
stop_movie: {
payload: StopMoviePayload
reply: StopMovieReply
}
start_live_view: {
payload: StartLiveViewPayload
reply: StartLiveViewReply
}
stop_live_view: {
payload: StopLiveViewPayload
reply: StopLiveViewReply
}
capture_preview: {
payload: CapturePreviewPayload
reply: CapturePreviewReply
}
drive_focus: {
payload: DriveFocusPayload
reply: DriveFocusReply
}
autofocus: {
payload: AutofocusPayload
reply: AutofocusReply
}
half_press: {
payload: HalfPressPayload
reply: HalfPressReply
}
zoom_live_view: {
payload: ZoomLiveViewPayload
reply: ZoomLiveViewReply
}
fire: {
payload: FirePayload
reply: FireReply
}
get_camera_info: {
payload: GetCameraInfoPayload
reply: GetCameraInfoReply
}
restart_camera: {
payload: RestartCameraPayload
reply: RestartCameraReply
}
sync_clock: {
payload: SyncClockPayload
reply: SyncClockReply
}
set_job_info: {
payload: SetJobInfoPayload
reply: SetJobInfoReply
}
list_files: {
payload: ListFilesPayload
reply: ListFilesReply
}
get_thumbnail: {
payload: GetThumbnailPayload
reply: GetThumbnailReply
}
delete_file: {
payload: DeleteFilePayload
reply: DeleteFileReply
}
start_job: {
payload: StartJobPayload
reply: StartJobReply
}
list_jobs: {
payload: ListJobsPayload
reply: ListJobsReply
}
get_job: {
payload: GetJobPayload
reply: GetJobReply
}
pause_job: {
payload: PauseJobPayload
reply: PauseJobReply
}
resume_job: {
payload: ResumeJobPayload
reply: ResumeJobReply
}
stop_job: {
payload: StopJobPayload
reply: StopJobReply
}
list_shots: {
payload: ListShotsPayload
reply: ListShotsReply
}
get_shot: {
payload: GetShotPayload
reply: GetShotReply
}
subscribe: {
payload: SubscribePayload
reply: SubscribeReply
}
unsubscribe: {
payload: UnsubscribePayload
reply: UnsubscribeReply
}
create_ticket: {
payload: CreateTicketPayload
reply: CreateTicketReply
}
server_info: {
payload: ServerInfoPayload
reply: ServerInfoReply
}
list_commands: {
payload: ListCommandsPayload
reply: ListCommandsReply
}
ping: {
payload: PingPayload
reply: PingReply
}
}
export interface ListCamerasPayload {

}
export interface ListCamerasReply {
status: "ok"
id?: RequestId
/**
 * The command that this is the reply to; only if the request had an id.
 */
command?: string
/**
 * All cameras that are present, always in the same order.
 */
cameras: ListedCamera[]
}
export interface ListedCamera {
/**
 * The model as libgphoto2 names it; never changes.
 */
name: string
/**
 * The model as the camera itself reports it; null before it was opened.
 */
model: (string | null)
/**
 * Where the camera is now; the value for select_camera.
 */
port: string
/**
 * Position in this list, from 0.
 */
index: number
/**
 * The serial number; null if the camera reports none.
 */
serial: (string | null)
state: CameraState
/**
 * Whether the camera is open and answers.
 */
connected: boolean
/**
 * What the camera can do, as far as known: capture, live_view, config, delete, events (it reports its own button and dials).
 */
can: string[]
}
export interface SelectCameraPayload {
/**
 * A port from list_cameras.
 */
port: string
}
export interface SelectCameraReply {
status: "ok"
id?: RequestId
/**
 * The command that this is the reply to; only if the request had an id.
 */
command?: string
/**
 * What was done, in words for people.
 */
message: string
}
export interface CaptureImagePayload {
/**
 * Port of the camera; by default the selected camera.
 */
port?: (string | null)
/**
 * Use the camera also if the next picture of a job is late then; else: camera_in_use_by_job.
 */
force?: boolean
/**
 * Settings for this shot; their previous values are restored afterwards.
 */
settings?: {
[k: string]: string | number | boolean
}
download?: PictureInReply
/**
 * Save every file of the shot to the photo folder.
 */
save?: boolean
/**
 * Name for the saved files, instead of PHOTO_NAME; only with save.
 */
filename?: (string | null)
/**
 * If false, the files on the camera are deleted after they were saved.
 */
keep_on_camera?: boolean
/**
 * A text that is unique for this shot. If the same request with the same key comes again within 24 hours, no second picture is taken. The reply is that of the first request, with `repeated`.
 */
key?: (string | null)
/**
 * Length of the exposure in seconds. The camera's process opens and closes the shutter (bulb). Without bulb_s, the camera uses its own shutter speed.
 */
bulb_s?: (number | null)
}
export interface CaptureImageReply {
status: "ok"
id?: RequestId
/**
 * The command that this is the reply to; only if the request had an id.
 */
command?: string
/**
 * What was done, in words for people.
 */
message: string
/**
 * The first of `files`.
 */
camera_filepath: string
/**
 * Name of the picture in this reply (download).
 */
filename?: string
/**
 * Type of the picture in this reply.
 */
mimetype?: string
/**
 * The picture or its thumbnail, as base64.
 */
image_b64?: string
/**
 * Every file of the shot (RAW and JPEG), the JPEG first.
 */
files: ImageFile[]
timing?: Timing
/**
 * Problems that did not prevent the picture.
 */
warnings?: string[]
/**
 * Length of a bulb exposure in seconds.
 */
exposed_s?: number
/**
 * Number of the shot, for get_shot.
 */
shot?: number
/**
 * True if an earlier request with this key took the picture.
 */
repeated?: boolean
}
export interface ImageFile {
/**
 * Absolute path on the camera.
 */
camera_filepath: string
/**
 * The last part of the path.
 */
filename: string
/**
 * Media type, from the file extension, for example image/jpeg.
 */
mimetype: string
/**
 * Bytes; missing if the camera does not report it.
 */
size?: number
/**
 * Path of the saved file on the server.
 */
saved_path?: string
}
/**
 * How long it took; missing if the picture was found after an interruption.
 */
export interface Timing {
/**
 * Milliseconds from the request to the shutter.
 */
shutter_ms: number
/**
 * Milliseconds from the request until the file on the camera is known.
 */
file_known_ms: number
/**
 * Milliseconds from the request until the file is on the server, if it was fetched.
 */
file_here_ms?: number
}
export interface DownloadLastImagePayload {
/**
 * Port of the camera; by default the selected camera.
 */
port?: (string | null)
/**
 * If missing: the last picture that was captured.
 */
camera_filepath?: (string | null)
/**
 * Position of the first byte of the piece in the file.
 */
offset?: (number | null)
/**
 * Length of the piece in bytes.
 */
length?: (number | null)
transfer?: FileTransfer
}
export interface DownloadLastImageReply {
status: "ok"
id?: RequestId
/**
 * The command that this is the reply to; only if the request had an id.
 */
command?: string
/**
 * What was done, in words for people.
 */
message: string
/**
 * The last part of the path.
 */
filename: string
/**
 * For example image/jpeg.
 */
mimetype: string
/**
 * Absolute path on the camera.
 */
camera_filepath: string
/**
 * Size of the whole file in bytes.
 */
size: number
/**
 * Position of the first byte of this piece in the file.
 */
offset?: number
/**
 * Length of this piece in bytes.
 */
length?: number
/**
 * Whether this piece is the last.
 */
eof?: boolean
/**
 * Number of the transfer, repeated in the binary messages that follow (transfer binary).
 */
transfer?: number
/**
 * Bytes of the file in each binary message except the last.
 */
chunk_bytes?: number
/**
 * The bytes as base64 (unless transfer is binary).
 */
image_b64?: string
}
export interface GetConfigPayload {
/**
 * Port of the camera; by default the selected camera.
 */
port?: (string | null)
/**
 * If missing: all settings.
 */
name?: (string | null)
}
export interface OneConfigReply {
status: "ok"
id?: RequestId
/**
 * The command that this is the reply to; only if the request had an id.
 */
command?: string
/**
 * Name of the setting, for get_config and set_config.
 */
config_name: string
/**
 * Name of the setting for people, from the driver.
 */
label: string
type: WidgetType
/**
 * A string for text, radio and menu; 0, 1 or 2 (unknown) for toggle; a number for range; Unix time in seconds for date.
 */
value: (string | number | null)
/**
 * True if the camera does not allow a change now.
 */
readonly: boolean
/**
 * The allowed values; empty if the type has no choices.
 */
choices: string[]
range?: Range
/**
 * Path in the tree of settings; only in the list of all settings.
 */
path?: string
/**
 * What was done, in words for people (set_config).
 */
message?: string
}
/**
 * Only for the type range.
 */
export interface Range {
/**
 * Lowest value, in the setting's own unit.
 */
min: number
/**
 * Highest value.
 */
max: number
/**
 * Distance from one value to the next.
 */
step: number
}
export interface AllConfigsReply {
status: "ok"
id?: RequestId
/**
 * The command that this is the reply to; only if the request had an id.
 */
command?: string
/**
 * Every setting.
 */
configs: Config[]
}
export interface Config {
/**
 * Name of the setting, for get_config and set_config.
 */
config_name: string
/**
 * Name of the setting for people, from the driver.
 */
label: string
type: WidgetType
/**
 * A string for text, radio and menu; 0, 1 or 2 (unknown) for toggle; a number for range; Unix time in seconds for date.
 */
value: (string | number | null)
/**
 * True if the camera does not allow a change now.
 */
readonly: boolean
/**
 * The allowed values; empty if the type has no choices.
 */
choices: string[]
range?: Range
/**
 * Path in the tree of settings; only in the list of all settings.
 */
path?: string
}
export interface SetConfigPayload {
/**
 * Port of the camera; by default the selected camera.
 */
port?: (string | null)
/**
 * Name or path of a setting, for example "iso".
 */
name: string
/**
 * Converted to the type of the setting, then checked.
 */
value: (string | number | boolean)
}
export interface SetConfigReply {
status: "ok"
id?: RequestId
/**
 * The command that this is the reply to; only if the request had an id.
 */
command?: string
/**
 * Name of the setting, for get_config and set_config.
 */
config_name: string
/**
 * Name of the setting for people, from the driver.
 */
label: string
type: WidgetType
/**
 * A string for text, radio and menu; 0, 1 or 2 (unknown) for toggle; a number for range; Unix time in seconds for date.
 */
value: (string | number | null)
/**
 * True if the camera does not allow a change now.
 */
readonly: boolean
/**
 * The allowed values; empty if the type has no choices.
 */
choices: string[]
range?: Range
/**
 * Path in the tree of settings; only in the list of all settings.
 */
path?: string
/**
 * What was done, in words for people (set_config).
 */
message?: string
}
export interface CaptureBurstPayload {
/**
 * Port of the camera; by default the selected camera.
 */
port?: (string | null)
/**
 * Use the camera also if the next picture of a job is late then; else: camera_in_use_by_job.
 */
force?: boolean
/**
 * Number of pictures. The camera may take more until its button is released.
 */
frames?: (number | null)
/**
 * How long the shutter button is held, in milliseconds. Either frames or hold_ms.
 */
hold_ms?: (number | null)
/**
 * Settings for this burst; their previous values are restored afterwards.
 */
settings?: {
[k: string]: string | number | boolean
}
/**
 * Save every file of all pictures to the photo folder.
 */
save?: boolean
/**
 * A text that is unique for this burst. If the same request with the same key comes again within 24 hours, no second burst is taken. The reply is that of the first request, with `repeated`.
 */
key?: (string | null)
}
export interface CaptureBurstReply {
status: "ok"
id?: RequestId
/**
 * The command that this is the reply to; only if the request had an id.
 */
command?: string
/**
 * What was done, in words for people.
 */
message: string
/**
 * How many pictures the camera has taken, by its own counter if it has one, otherwise by their files.
 */
frames: number
/**
 * Every file of all pictures, picture by picture, the JPEG of a picture first.
 */
files: ImageFile[]
/**
 * Problems, for example fewer pictures than ordered.
 */
warnings?: string[]
/**
 * Number of the burst in the records of shots, for get_shot.
 */
shot?: number
/**
 * True if the burst was taken for an earlier request with the same key.
 */
repeated?: boolean
}
export interface StopExposurePayload {
/**
 * Port of the camera; by default the selected camera.
 */
port?: (string | null)
/**
 * If false, the picture is deleted from the camera.
 */
keep?: boolean
}
export interface StopExposureReply {
status: "ok"
id?: RequestId
/**
 * The command that this is the reply to; only if the request had an id.
 */
command?: string
/**
 * What was done, in words for people.
 */
message: string
/**
 * Length of the exposure in seconds.
 */
exposed_s: number
}
export interface StartMoviePayload {
/**
 * Port of the camera; by default the selected camera.
 */
port?: (string | null)
/**
 * Use the camera also if the next picture of a job is late then; else: camera_in_use_by_job.
 */
force?: boolean
/**
 * Longest time in seconds. After that, the camera's process stops the movie, also if no client is connected.
 */
max_s?: number
}
export interface StartMovieReply {
status: "ok"
id?: RequestId
/**
 * The command that this is the reply to; only if the request had an id.
 */
command?: string
/**
 * What was done, in words for people.
 */
message: string
/**
 * Longest time of the movie in seconds.
 */
max_s: number
/**
 * Time when it started, ISO 8601 in UTC.
 */
started_at: string
/**
 * Time when it ends at the latest, ISO 8601 in UTC.
 */
ends_at: string
/**
 * Number of the movie, for get_shot.
 */
shot?: number
}
export interface StopMoviePayload {
/**
 * Port of the camera; by default the selected camera.
 */
port?: (string | null)
}
export interface StopMovieReply {
status: "ok"
id?: RequestId
/**
 * The command that this is the reply to; only if the request had an id.
 */
command?: string
/**
 * What was done, in words for people.
 */
message: string
/**
 * The files of the movie; several if it is long. Empty if the camera has not written them in time: then file_added follows.
 */
files: ImageFile[]
/**
 * Length of the movie in seconds.
 */
recorded_s: number
/**
 * Number of the movie, for get_shot.
 */
shot?: number
/**
 * Why there is no file yet.
 */
warnings?: string[]
}
export interface StartLiveViewPayload {
/**
 * Port of the camera; by default the selected camera.
 */
port?: (string | null)
/**
 * Highest frame rate, in frames per second. If missing: PREVIEW_FPS.
 */
fps?: (number | null)
format?: StreamFormat
/**
 * Degrees clockwise. If missing: PREVIEW_ROTATION.
 */
rotation?: (Rotation | null)
/**
 * Mirror left and right. If missing: PREVIEW_FLIP.
 */
flip?: (boolean | null)
/**
 * Highest number of sent frames that the client has not yet acknowledged with an ack message.
 */
max_in_flight?: (number | null)
}
export interface StartLiveViewReply {
status: "ok"
id?: RequestId
/**
 * The command that this is the reply to; only if the request had an id.
 */
command?: string
/**
 * What was done, in words for people.
 */
message: string
/**
 * Number of the stream on this connection.
 */
stream: number
/**
 * Highest frame rate, in frames per second.
 */
fps: number
format: StreamFormat
/**
 * Degrees clockwise.
 */
rotation: number
/**
 * Whether left and right are mirrored.
 */
flip: boolean
/**
 * The camera's port.
 */
port: string
}
export interface StopLiveViewPayload {
/**
 * Port of the camera; by default the selected camera.
 */
port?: (string | null)
/**
 * If missing: all streams of the camera on this connection.
 */
stream?: (number | null)
}
export interface StopLiveViewReply {
status: "ok"
id?: RequestId
/**
 * The command that this is the reply to; only if the request had an id.
 */
command?: string
/**
 * What was done, in words for people.
 */
message: string
/**
 * Number of frames that were sent.
 */
sent: number
/**
 * Number of frames that were skipped because the client was not ready.
 */
dropped: number
}
export interface CapturePreviewPayload {
/**
 * Port of the camera; by default the selected camera.
 */
port?: (string | null)
}
export interface CapturePreviewReply {
status: "ok"
id?: RequestId
/**
 * The command that this is the reply to; only if the request had an id.
 */
command?: string
/**
 * What was done, in words for people.
 */
message: string
/**
 * Type of the frame.
 */
mimetype: string
/**
 * The frame, a JPEG as base64.
 */
image_b64: string
}
export interface DriveFocusPayload {
/**
 * Port of the camera; by default the selected camera.
 */
port?: (string | null)
/**
 * Number of steps, not 0: positive towards far, negative towards near.
 */
steps: number
size?: FocusSize
}
export interface DriveFocusReply {
status: "ok"
id?: RequestId
/**
 * The command that this is the reply to; only if the request had an id.
 */
command?: string
/**
 * What was done, in words for people.
 */
message: string
/**
 * Number of steps that the camera has carried out, negative towards near.
 */
moved: number
/**
 * True if the lens is at its limit, or the step is too small for it; null if the camera does not report that.
 */
at_limit: (boolean | null)
}
export interface AutofocusPayload {
/**
 * Port of the camera; by default the selected camera.
 */
port?: (string | null)
/**
 * Where to focus, from the left of the picture as the viewer sees it, 0 to 1; rotation and flip of the stream on this connection, or else those of the settings, are taken into account. If missing, the camera uses its own focus point.
 */
x?: (number | null)
/**
 * Where to focus, from the top of the picture, 0 to 1.
 */
y?: (number | null)
}
export interface AutofocusReply {
status: "ok"
id?: RequestId
/**
 * The command that this is the reply to; only if the request had an id.
 */
command?: string
/**
 * What was done, in words for people.
 */
message: string
/**
 * Whether the camera is in focus; null if it does not report that.
 */
focused: (boolean | null)
}
export interface HalfPressPayload {
/**
 * Port of the camera; by default the selected camera.
 */
port?: (string | null)
/**
 * Use the camera also if the next picture of a job is late then; else: camera_in_use_by_job.
 */
force?: boolean
/**
 * How long the button is held, in milliseconds. It is released in every case.
 */
hold_ms: number
}
export interface HalfPressReply {
status: "ok"
id?: RequestId
/**
 * The command that this is the reply to; only if the request had an id.
 */
command?: string
/**
 * What was done, in words for people.
 */
message: string
}
export interface ZoomLiveViewPayload {
/**
 * Port of the camera; by default the selected camera.
 */
port?: (string | null)
/**
 * Centre of the magnified part, from the left of the whole picture as the viewer sees it, 0 to 1.
 */
x?: (number | null)
/**
 * Centre of the magnified part, from the top of the whole picture, 0 to 1.
 */
y?: (number | null)
/**
 * Magnification. The camera takes its next higher one, or else its highest; 1 shows the whole picture.
 */
factor: number
}
export interface ZoomLiveViewReply {
status: "ok"
id?: RequestId
/**
 * The command that this is the reply to; only if the request had an id.
 */
command?: string
/**
 * What was done, in words for people.
 */
message: string
/**
 * The magnification that is set.
 */
factor: number
/**
 * The centre that is set, from the left of the whole picture; missing if it is not known.
 */
x?: number
/**
 * The centre that is set, from the top of the whole picture.
 */
y?: number
}
export interface FirePayload {
/**
 * Ports of the cameras; by default all cameras.
 */
ports?: ([string, ...(string)[]] | null)
/**
 * Milliseconds from the request to the deadline at which the cameras are released. A camera that is not ready then is not released: one with mirror lock-up, for example, which raises its mirror first, needs 1500 ms. 0: as soon as all cameras are ready.
 */
in_ms?: number
/**
 * By port: milliseconds after the deadline (negative: before it) at which this camera is released, at most in_ms.
 */
offsets_ms?: {
[k: string]: number
}
prepare?: Preparation
missing?: MissingCamera
/**
 * Settings of all these cameras for this shot; their previous values are restored afterwards.
 */
settings?: {
[k: string]: string | number | boolean
}
/**
 * Save every file to the photo folder.
 */
save?: boolean
/**
 * Use the camera also if the next picture of a job is late then; else: camera_in_use_by_job.
 */
force?: boolean
/**
 * A text that is unique for this request. If the same request with the same key comes again within 24 hours, no camera is released again. The reply has the recorded shots, and `repeated`.
 */
key?: (string | null)
}
export interface FireReply {
status: "ok"
id?: RequestId
/**
 * The command that this is the reply to; only if the request had an id.
 */
command?: string
/**
 * What was done, in words for people.
 */
message: string
/**
 * Milliseconds between the earliest and the latest command to a camera, after subtracting the offsets; null if no camera was released. When the shutters opened is not measured: each body adds its own delay.
 */
skew_ms: (number | null)
/**
 * One entry for each camera, in the order of `ports`.
 */
cameras: FiredCamera[]
/**
 * True if an earlier request with this key released the cameras.
 */
repeated?: boolean
}
export interface FiredCamera {
/**
 * Where the camera was at the time of the request.
 */
port: string
status: FireStatus
/**
 * For an error: its code, as in error replies.
 */
code?: string
/**
 * For an error: what happened and what to do.
 */
message?: string
/**
 * When the driver got the order to release the shutter, in milliseconds after the deadline.
 */
commanded_ms?: number
/**
 * When the camera had accepted the release, in milliseconds after the deadline; missing if its driver does not report that.
 */
accepted_ms?: number
/**
 * Every file of the shot, the JPEG first.
 */
files: ImageFile[]
/**
 * Number of the shot, for get_shot.
 */
shot?: number
/**
 * Problems that did not prevent the picture.
 */
warnings?: string[]
}
export interface GetCameraInfoPayload {
/**
 * Port of the camera; by default the selected camera.
 */
port?: (string | null)
}
export interface GetCameraInfoReply {
status: "ok"
id?: RequestId
/**
 * The command that this is the reply to; only if the request had an id.
 */
command?: string
/**
 * The model as libgphoto2 names it; never changes.
 */
name: string
/**
 * The model as the camera itself reports it; null before it was opened.
 */
model: (string | null)
/**
 * As the camera reports it.
 */
manufacturer: (string | null)
/**
 * Version of the firmware, as the camera reports it.
 */
version: (string | null)
/**
 * The serial number; null if the camera reports none.
 */
serial: (string | null)
/**
 * Where the camera is now.
 */
port: string
state: CameraState
/**
 * Whether the camera is open and answers.
 */
connected: boolean
/**
 * What the camera can do, as far as known: capture, live_view, config, delete, events (it reports its own button and dials).
 */
can: string[]
/**
 * Number of live-view streams, of all clients.
 */
viewers: number
/**
 * Charge, as the camera reports it, for example 50%.
 */
battery?: string
/**
 * Name of the lens, if the camera reports it.
 */
lens?: string
/**
 * The cards and other storage of the camera.
 */
storage?: StoredMemory[]
/**
 * Number of files on the camera, after they were counted.
 */
file_count?: number
/**
 * Failed attempts to open the camera since it was last open.
 */
attempts?: number
/**
 * Why the camera is not open.
 */
last_error?: string
/**
 * Time of the last successful operation, ISO 8601 in UTC.
 */
last_io?: string
/**
 * What will soon stop the camera: battery, card.
 */
warnings?: string[]
last_unknown_capture?: CheckedCapture
}
export interface StoredMemory {
/**
 * Its folder, for list_files.
 */
path: string
/**
 * The camera's name for it.
 */
label: string
/**
 * Bytes; null if the camera does not report it.
 */
capacity: (number | null)
/**
 * Bytes; null if the camera does not report it.
 */
free: (number | null)
}
/**
 * The last shot with an unknown outcome, after its card was checked.
 */
export interface CheckedCapture {
/**
 * Time of the request, ISO 8601 in UTC.
 */
at: string
/**
 * New files on the card; null if that is unknown.
 */
files: (string[] | null)
/**
 * The result in words, for people.
 */
message: string
}
export interface RestartCameraPayload {
/**
 * Port of the camera; by default the selected camera.
 */
port?: (string | null)
}
export interface RestartCameraReply {
status: "ok"
id?: RequestId
/**
 * The command that this is the reply to; only if the request had an id.
 */
command?: string
/**
 * What was done, in words for people.
 */
message: string
}
export interface SyncClockPayload {
/**
 * Port of the camera; by default the selected camera.
 */
port?: (string | null)
}
export interface SyncClockReply {
status: "ok"
id?: RequestId
/**
 * The command that this is the reply to; only if the request had an id.
 */
command?: string
/**
 * What was done, in words for people.
 */
message: string
/**
 * How far the camera's clock was ahead of the server's, in whole seconds; negative if it was behind. It can be wrong by a second, or by two with some cameras.
 */
was_off_s: number
/**
 * The time that it was set to, ISO 8601 in UTC.
 */
set_to: string
/**
 * The setting that was set: datetimeutc, from which the camera calculates its local time with its own time zone; or datetime, the local time in the server's time zone.
 */
config_name: string
/**
 * Why the time may be wrong.
 */
warnings?: string[]
}
export interface SetJobInfoPayload {
/**
 * Port of the camera; by default all cameras, also those that are connected later.
 */
port?: (string | null)
/**
 * Name of the job, for {job} in PHOTO_NAME; "" for none.
 */
job?: (string | null)
/**
 * Label of the camera on `port`, for {label}; "" for the label in CAMERA_LABELS.
 */
label?: (string | null)
/**
 * Photographer, written to the cameras; "" for none.
 */
artist?: (string | null)
/**
 * Copyright, written to the cameras; "" for none.
 */
copyright?: (string | null)
/**
 * Owner of the camera, written to the cameras; "" for none.
 */
owner?: (string | null)
}
export interface SetJobInfoReply {
status: "ok"
id?: RequestId
/**
 * The command that this is the reply to; only if the request had an id.
 */
command?: string
/**
 * What was done, in words for people.
 */
message: string
/**
 * The job of all cameras that have none of their own; "" if there is none.
 */
job: string
/**
 * The open cameras; with `port`, only this one.
 */
cameras: CameraWords[]
/**
 * Why it will not survive a restart of the server.
 */
warnings?: string[]
}
export interface CameraWords {
/**
 * Where the camera is.
 */
port: string
/**
 * Its serial number; null if it reports none.
 */
serial: (string | null)
/**
 * The job of its pictures; "" if there is none.
 */
job: string
/**
 * Its label; "" if it has none.
 */
label: string
/**
 * What was written to the camera now: artist, copyright, owner.
 */
set: string[]
/**
 * What the camera has no setting for.
 */
missing: string[]
/**
 * Why something was not written.
 */
warnings?: string[]
}
export interface ListFilesPayload {
/**
 * Port of the camera; by default the selected camera.
 */
port?: (string | null)
/**
 * Absolute folder path.
 */
folder?: string
/**
 * Position of the first file of the page, from 0.
 */
offset?: number
/**
 * Highest number of files on the page.
 */
limit?: number
}
export interface ListFilesReply {
status: "ok"
id?: RequestId
/**
 * The command that this is the reply to; only if the request had an id.
 */
command?: string
/**
 * The listed folder.
 */
folder: string
/**
 * Names of the folders in this folder.
 */
folders: string[]
/**
 * The files of the page.
 */
files: ImageFile[]
/**
 * Number of files in the folder.
 */
total: number
}
export interface GetThumbnailPayload {
/**
 * Port of the camera; by default the selected camera.
 */
port?: (string | null)
/**
 * Absolute path on the camera, from a reply of capture_image or list_files.
 */
camera_filepath: string
}
export interface GetThumbnailReply {
status: "ok"
id?: RequestId
/**
 * The command that this is the reply to; only if the request had an id.
 */
command?: string
/**
 * Name of the picture.
 */
filename: string
/**
 * Type of the thumbnail.
 */
mimetype: string
/**
 * The thumbnail as base64.
 */
image_b64: string
}
export interface DeleteFilePayload {
/**
 * Port of the camera; by default the selected camera.
 */
port?: (string | null)
/**
 * Absolute path on the camera, from a reply of capture_image or list_files.
 */
camera_filepath: string
}
export interface DeleteFileReply {
status: "ok"
id?: RequestId
/**
 * The command that this is the reply to; only if the request had an id.
 */
command?: string
/**
 * What was done, in words for people.
 */
message: string
}
export interface StartJobPayload {
/**
 * Port of the camera; by default the selected camera.
 */
port?: (string | null)
kind: JobKind
/**
 * timelapse: seconds from one slot to the next.
 */
interval_s?: (number | null)
/**
 * timelapse: number of slots. Use count or until.
 */
count?: (number | null)
/**
 * timelapse: time of the last slot or a little later, ISO 8601 with Z or an offset.
 */
until?: (string | null)
/**
 * timelapse: time of the first slot, ISO 8601 with Z or an offset; by default now.
 */
start_at?: (string | null)
/**
 * timelapse: length of each exposure in seconds, timed by the server; shorter than interval_s.
 */
bulb_s?: (number | null)
/**
 * timelapse: the exposure follows the light, by the thumbnail of each picture, in steps of a third of an EV.
 */
ramp?: (RampOptions | null)
/**
 * bracket: the exposure of each picture in EV, relative to the current one; positive is brighter.
 * 
 * @minItems 2
 * @maxItems 15
 */
ev?: [number, number]|[number, number, number]|[number, number, number, number]|[number, number, number, number, number]|[number, number, number, number, number, number]|[number, number, number, number, number, number, number]|[number, number, number, number, number, number, number, number]|[number, number, number, number, number, number, number, number, number]|[number, number, number, number, number, number, number, number, number, number]|[number, number, number, number, number, number, number, number, number, number, number]|[number, number, number, number, number, number, number, number, number, number, number, number]|[number, number, number, number, number, number, number, number, number, number, number, number, number]|[number, number, number, number, number, number, number, number, number, number, number, number, number, number]|[number, number, number, number, number, number, number, number, number, number, number, number, number, number, number]
by?: BracketBy
/**
 * focus_stack: number of pictures.
 */
frames?: (number | null)
/**
 * focus_stack: how many steps the focus moves towards far before each further picture.
 */
steps?: (number | null)
size?: FocusSize
/**
 * focus_stack: milliseconds from a step to the picture, until nothing vibrates any more.
 */
settle_ms?: number
/**
 * focus_stack: move the focus back at the end.
 */
back?: boolean
/**
 * Settings for each shot; their previous values are restored after it.
 */
settings?: {
[k: string]: string | number | boolean
}
/**
 * Save every file to the photo folder.
 */
save?: boolean
/**
 * Name of the saved files, to which the number of the slot is added; by default PHOTO_NAME.
 */
filename?: (string | null)
/**
 * A text that is unique for this job. If the same request comes again with the same key, no second job is started.
 */
key?: (string | null)
}
export interface RampOptions {
/**
 * Which setting is changed first, until its bound.
 * 
 * @minItems 2
 * @maxItems 2
 */
order?: [RampSetting, RampSetting]
/**
 * Shortest exposure in seconds.
 */
min_s?: number
/**
 * Longest exposure in seconds, at most half of interval_s.
 */
max_s?: number
/**
 * Highest ISO. The lowest is the one at the start.
 */
max_iso?: number
/**
 * Brightness that is kept, in EV relative to middle grey; by default that of the first picture.
 */
target_ev?: (number | null)
/**
 * Limit for changes of the exposure, in EV per hour. A sunset has up to 20.
 */
ev_per_hour?: number
}
export interface StartJobReply {
status: "ok"
id?: RequestId
/**
 * The command that this is the reply to; only if the request had an id.
 */
command?: string
/**
 * What was done, in words for people.
 */
message: string
job: JobStatus
/**
 * True if the job was started by an earlier request with the same key.
 */
repeated?: boolean
/**
 * What may end the job early, for example too little space.
 */
warnings?: string[]
}
/**
 * The job.
 */
export interface JobStatus {
/**
 * Number of the job.
 */
job: number
kind: JobKind
/**
 * Port of its camera.
 */
port: string
state: JobState
/**
 * Number of slots with a picture.
 */
shots: number
/**
 * Number of slots that were missed. They are never caught up.
 */
skipped: number
/**
 * Number of slots whose shot failed, or has an unknown outcome.
 */
failed: number
/**
 * First and last number of each series of skipped slots.
 */
skipped_slots: number[][]
/**
 * Time of the next slot, ISO 8601 in UTC; null if the job has ended.
 */
next_at: (string | null)
/**
 * Time of slot 0, ISO 8601 in UTC.
 */
started_at: string
/**
 * The reason for the state, for people; often empty.
 */
message: string
/**
 * Part of the slots that have passed, 0 to 1.
 */
progress: number
/**
 * Free bytes on the disk of the photo folder; null if unknown.
 */
disk_free?: number
/**
 * Free bytes on the card; null if unknown.
 */
card_free?: number
}
export interface ListJobsPayload {
/**
 * Highest number of jobs in the reply.
 */
limit?: number
}
export interface ListJobsReply {
status: "ok"
id?: RequestId
/**
 * The command that this is the reply to; only if the request had an id.
 */
command?: string
/**
 * The newest jobs, newest first.
 */
jobs: JobStatus[]
}
export interface GetJobPayload {
/**
 * Number of the job.
 */
job: number
}
export interface GetJobReply {
status: "ok"
id?: RequestId
/**
 * The command that this is the reply to; only if the request had an id.
 */
command?: string
/**
 * What was done, in words for people.
 */
message: string
job: JobStatus
/**
 * True if the job was started by an earlier request with the same key.
 */
repeated?: boolean
/**
 * What may end the job early, for example too little space.
 */
warnings?: string[]
}
export interface PauseJobPayload {
/**
 * Number of the job.
 */
job: number
}
export interface PauseJobReply {
status: "ok"
id?: RequestId
/**
 * The command that this is the reply to; only if the request had an id.
 */
command?: string
/**
 * What was done, in words for people.
 */
message: string
job: JobStatus
/**
 * True if the job was started by an earlier request with the same key.
 */
repeated?: boolean
/**
 * What may end the job early, for example too little space.
 */
warnings?: string[]
}
export interface ResumeJobPayload {
/**
 * Number of the job.
 */
job: number
}
export interface ResumeJobReply {
status: "ok"
id?: RequestId
/**
 * The command that this is the reply to; only if the request had an id.
 */
command?: string
/**
 * What was done, in words for people.
 */
message: string
job: JobStatus
/**
 * True if the job was started by an earlier request with the same key.
 */
repeated?: boolean
/**
 * What may end the job early, for example too little space.
 */
warnings?: string[]
}
export interface StopJobPayload {
/**
 * Number of the job.
 */
job: number
}
export interface StopJobReply {
status: "ok"
id?: RequestId
/**
 * The command that this is the reply to; only if the request had an id.
 */
command?: string
/**
 * What was done, in words for people.
 */
message: string
job: JobStatus
/**
 * True if the job was started by an earlier request with the same key.
 */
repeated?: boolean
/**
 * What may end the job early, for example too little space.
 */
warnings?: string[]
}
export interface ListShotsPayload {
/**
 * Highest number of shots in the reply.
 */
limit?: number
/**
 * Only shots that were requested at this time or later, ISO 8601 with Z or an offset.
 */
since?: (string | null)
}
export interface ListShotsReply {
status: "ok"
id?: RequestId
/**
 * The command that this is the reply to; only if the request had an id.
 */
command?: string
/**
 * The shots, the newest first.
 */
shots: ShotInfo[]
}
export interface ShotInfo {
/**
 * Number of the shot.
 */
shot: number
/**
 * The key of the request.
 */
key: (string | null)
/**
 * Where the camera was.
 */
port: string
/**
 * Time of the request, ISO 8601 in UTC.
 */
asked_at: string
state: ShotState
/**
 * done: there are files; failed: the shutter did not fire; unknown: see `message`; null if it is not known yet.
 */
outcome: (ShotOutcome | null)
/**
 * The files of the shot.
 */
files: ShotFileInfo[]
/**
 * The settings in the request.
 */
settings: {
[k: string]: string | number | boolean
}
/**
 * What happened, in words for people.
 */
message: string
}
export interface ShotFileInfo {
/**
 * Path on the camera.
 */
camera_filepath: string
/**
 * Bytes; null if the camera does not report it.
 */
size?: number
/**
 * Where the file was saved on the server.
 */
saved_path?: string
}
export interface GetShotPayload {
/**
 * Number of the shot, from the reply to capture_image.
 */
shot: number
}
export interface GetShotReply {
status: "ok"
id?: RequestId
/**
 * The command that this is the reply to; only if the request had an id.
 */
command?: string
/**
 * Number of the shot.
 */
shot: number
/**
 * The key of the request.
 */
key: (string | null)
/**
 * Where the camera was.
 */
port: string
/**
 * Time of the request, ISO 8601 in UTC.
 */
asked_at: string
state: ShotState
/**
 * done: there are files; failed: the shutter did not fire; unknown: see `message`; null if it is not known yet.
 */
outcome: (ShotOutcome | null)
/**
 * The files of the shot.
 */
files: ShotFileInfo[]
/**
 * The settings in the request.
 */
settings: {
[k: string]: string | number | boolean
}
/**
 * What happened, in words for people.
 */
message: string
}
export interface SubscribePayload {
/**
 * Names of events, or ["*"].
 * 
 * @minItems 1
 */
events: [EventChoice, ...(EventChoice)[]]
/**
 * Send first, after the reply, all subscribed events that happened after this one.
 */
since?: (Since | null)
}
export interface Since {
/**
 * From the login, server_info or the reply to subscribe.
 */
epoch: string
/**
 * Number of the last event that the client has received.
 */
seq: number
}
export interface SubscribeReply {
status: "ok"
id?: RequestId
/**
 * The command that this is the reply to; only if the request had an id.
 */
command?: string
/**
 * Identifies this life of the log of events. It changes if events may have been lost.
 */
epoch: string
/**
 * Number of the newest event.
 */
seq: number
/**
 * All events that this connection is subscribed to now.
 */
events: EventName[]
/**
 * Only with since: whether all missed events follow. If not, none of them follow: read the state anew.
 */
recovered?: boolean
/**
 * Only with since: how many missed events follow.
 */
missed?: number
}
export interface UnsubscribePayload {
/**
 * Names of events, or ["*"].
 * 
 * @minItems 1
 */
events: [EventChoice, ...(EventChoice)[]]
}
export interface UnsubscribeReply {
status: "ok"
id?: RequestId
/**
 * The command that this is the reply to; only if the request had an id.
 */
command?: string
/**
 * Identifies this life of the log of events. It changes if events may have been lost.
 */
epoch: string
/**
 * Number of the newest event.
 */
seq: number
/**
 * All events that this connection is subscribed to now.
 */
events: EventName[]
/**
 * Only with since: whether all missed events follow. If not, none of them follow: read the state anew.
 */
recovered?: boolean
/**
 * Only with since: how many missed events follow.
 */
missed?: number
}
export interface CreateTicketPayload {
/**
 * The path of the page, without a query: /stream.mjpg, /snapshot.jpg or /camera/capture.
 */
path: string
/**
 * For how many seconds the ticket is valid.
 */
ttl_s?: number
}
export interface CreateTicketReply {
status: "ok"
id?: RequestId
/**
 * The command that this is the reply to; only if the request had an id.
 */
command?: string
/**
 * The ticket.
 */
ticket: string
/**
 * The path with the ticket; the client puts the address of the server before it.
 */
url: string
/**
 * When the ticket expires (ISO 8601).
 */
expires_at: string
}
export interface ServerInfoPayload {

}
export interface ServerInfoReply {
status: "ok"
id?: RequestId
/**
 * The command that this is the reply to; only if the request had an id.
 */
command?: string
/**
 * Identifies this life of the log of events. It changes if events may have been lost.
 */
epoch: string
/**
 * Number of the newest event.
 */
seq: number
/**
 * Always gphoto-ws-server.
 */
server: string
/**
 * Version of the server.
 */
version: string
/**
 * Number of this protocol.
 */
protocol: number
/**
 * Version of libgphoto2; null if it is unknown.
 */
libgphoto2: (string | null)
/**
 * Seconds since the server started.
 */
uptime: number
/**
 * The server's clock, ISO 8601 in UTC. A client needs it to calculate the age of a frame.
 */
time: string
/**
 * Every limit, by its name.
 */
limits: {
[k: string]: number
}
hook?: HookInfo
/**
 * The state of each webhook, in the order of the file; missing if WEBHOOKS is not set.
 */
webhooks?: WebhookInfo[]
}
/**
 * What HOOK_COMMAND has done; missing if it is not set.
 */
export interface HookInfo {
/**
 * Number of saved files for which the command waits to run, or runs.
 */
waiting: number
/**
 * Number of runs that have succeeded since the server started.
 */
succeeded: number
/**
 * Number of runs that have failed.
 */
failed: number
/**
 * Number of files for which it was not run, because too many were waiting.
 */
dropped: number
/**
 * Why the last run failed; null if it has succeeded.
 */
last_error?: string
}
export interface WebhookInfo {
/**
 * Its address without the path, which can be secret.
 */
origin: string
state: WebhookState
/**
 * Number of events that are not delivered yet; null if that is unknown.
 */
waiting: (number | null)
/**
 * Number of events that were delivered since the server started.
 */
delivered: number
/**
 * Number of failed attempts.
 */
failed: number
/**
 * Number of events that were given up, because the webhook failed for 24 h.
 */
given_up: number
/**
 * Why the last attempt failed; null if it has succeeded.
 */
last_error?: string
/**
 * Seconds until the next attempt; null if none is planned.
 */
retry_in_s?: number
}
export interface ListCommandsPayload {

}
export interface ListCommandsReply {
status: "ok"
id?: RequestId
/**
 * The command that this is the reply to; only if the request had an id.
 */
command?: string
/**
 * Every command.
 */
commands: CommandDescription[]
}
export interface CommandDescription {
/**
 * Name of the command.
 */
command: string
/**
 * What the command does.
 */
summary: string
/**
 * JSON Schema of its payload.
 */
payload: {
[k: string]: unknown
}
/**
 * JSON Schema of its reply, without status, id and command.
 */
reply: {
[k: string]: unknown
}
/**
 * The command as a client sends it.
 */
example: {
[k: string]: unknown
}
}
export interface PingPayload {

}
export interface PingReply {
status: "ok"
id?: RequestId
/**
 * The command that this is the reply to; only if the request had an id.
 */
command?: string
/**
 * What was done, in words for people.
 */
message: string
}
export interface Events {
camera_connected: CameraConnectedEvent
camera_disconnected: CameraDisconnectedEvent
camera_state: CameraStateEvent
camera_warning: CameraWarningEvent
file_added: FileAddedEvent
capture_saved: CaptureSavedEvent
capture_checked: CaptureCheckedEvent
config_changed: ConfigChangedEvent
exposure_started: ExposureStartedEvent
exposure_ended: ExposureEndedEvent
movie_started: MovieStartedEvent
movie_ended: MovieEndedEvent
job_state: JobStateEvent
job_shot: JobShotEvent
live_view_frame: LiveViewFrameEvent
live_view_stopped: LiveViewStoppedEvent
transfer_complete: TransferCompleteEvent
}
export interface CameraConnectedEvent {
event: "camera_connected"
/**
 * Time when the event was sent, ISO 8601 in UTC.
 */
time: string
/**
 * Number of the event, for since in subscribe.
 */
seq: number
/**
 * The camera's port.
 */
port: string
/**
 * The model as libgphoto2 names it.
 */
name: string
/**
 * The model as the camera itself reports it, after it was opened.
 */
model?: string
}
export interface CameraDisconnectedEvent {
event: "camera_disconnected"
/**
 * Time when the event was sent, ISO 8601 in UTC.
 */
time: string
/**
 * Number of the event, for since in subscribe.
 */
seq: number
/**
 * The camera's port.
 */
port: string
}
export interface CameraStateEvent {
event: "camera_state"
/**
 * Time when the event was sent, ISO 8601 in UTC.
 */
time: string
/**
 * Number of the event, for since in subscribe.
 */
seq: number
/**
 * The camera's port.
 */
port: string
state: CameraState
/**
 * Failed attempts to open the camera; only while it is not open.
 */
attempts?: number
/**
 * Why the camera is not open, in words for people; only while it is not open.
 */
last_error?: string
}
export interface CameraWarningEvent {
event: "camera_warning"
/**
 * Time when the event was sent, ISO 8601 in UTC.
 */
time: string
/**
 * Number of the event, for since in subscribe.
 */
seq: number
/**
 * The camera's port.
 */
port: string
/**
 * Everything that will soon stop the camera (battery, card); empty when there is no problem any more.
 */
warnings: string[]
}
export interface FileAddedEvent {
event: "file_added"
/**
 * Time when the event was sent, ISO 8601 in UTC.
 */
time: string
/**
 * Number of the event, for since in subscribe.
 */
seq: number
/**
 * The camera's port.
 */
port: string
/**
 * Absolute path on the camera, for download_last_image.
 */
camera_filepath: string
}
export interface CaptureSavedEvent {
event: "capture_saved"
/**
 * Time when the event was sent, ISO 8601 in UTC.
 */
time: string
/**
 * Number of the event, for since in subscribe.
 */
seq: number
/**
 * The camera's port.
 */
port: string
/**
 * Absolute path on the camera.
 */
camera_filepath: string
/**
 * Path of the saved file on the server.
 */
saved_path: string
/**
 * Number of the shot, for get_shot; null if it could not be recorded.
 */
shot: (number | null)
/**
 * Name of the job, from set_job_info; null if there is none.
 */
job: (string | null)
}
export interface CaptureCheckedEvent {
event: "capture_checked"
/**
 * Time when the event was sent, ISO 8601 in UTC.
 */
time: string
/**
 * Number of the event, for since in subscribe.
 */
seq: number
/**
 * The camera's port.
 */
port: string
/**
 * Time when the shot was requested, ISO 8601 in UTC.
 */
at: string
/**
 * New files on the card, and files of the shot that were saved before an interruption; null if that is unknown.
 */
files: (string[] | null)
/**
 * The result in words, for people.
 */
message: string
/**
 * Number of the shot, for get_shot; null if it could not be recorded.
 */
shot: (number | null)
}
export interface ConfigChangedEvent {
event: "config_changed"
/**
 * Time when the event was sent, ISO 8601 in UTC.
 */
time: string
/**
 * Number of the event, for since in subscribe.
 */
seq: number
/**
 * The camera's port.
 */
port: string
/**
 * Name of the setting, or its number in the camera if the driver does not know it.
 */
config_name: string
/**
 * The new value; null if the camera did not report it.
 */
value: (string | number | null)
}
export interface ExposureStartedEvent {
event: "exposure_started"
/**
 * Time when the event was sent, ISO 8601 in UTC.
 */
time: string
/**
 * Number of the event, for since in subscribe.
 */
seq: number
/**
 * The camera's port.
 */
port: string
/**
 * Planned length of the exposure in seconds.
 */
bulb_s: number
/**
 * Time when the shutter closes, ISO 8601 in UTC.
 */
ends_at: string
}
export interface ExposureEndedEvent {
event: "exposure_ended"
/**
 * Time when the event was sent, ISO 8601 in UTC.
 */
time: string
/**
 * Number of the event, for since in subscribe.
 */
seq: number
/**
 * The camera's port.
 */
port: string
/**
 * Length of the exposure in seconds. If the camera was lost, until the server closed its shutter.
 */
exposed_s: number
/**
 * Whether the exposure ended earlier than planned, or by a loss of the camera.
 */
aborted: boolean
}
export interface MovieStartedEvent {
event: "movie_started"
/**
 * Time when the event was sent, ISO 8601 in UTC.
 */
time: string
/**
 * Number of the event, for since in subscribe.
 */
seq: number
/**
 * The camera's port.
 */
port: string
/**
 * Longest time of the movie in seconds.
 */
max_s: number
/**
 * Time when it started, ISO 8601 in UTC.
 */
started_at: string
/**
 * Time when it ends at the latest, ISO 8601 in UTC.
 */
ends_at: string
}
export interface MovieEndedEvent {
event: "movie_ended"
/**
 * Time when the event was sent, ISO 8601 in UTC.
 */
time: string
/**
 * Number of the event, for since in subscribe.
 */
seq: number
/**
 * The camera's port.
 */
port: string
/**
 * Length of the movie in seconds. If the camera was lost, until the server stopped the movie.
 */
recorded_s: number
reason: MovieEndReason
}
export interface JobStateEvent {
event: "job_state"
/**
 * Time when the event was sent, ISO 8601 in UTC.
 */
time: string
/**
 * Number of the event, for since in subscribe.
 */
seq: number
/**
 * The camera's port.
 */
port: string
/**
 * Number of the job.
 */
job: number
state: JobState
/**
 * The reason, in words for people; often empty.
 */
message: string
}
export interface JobShotEvent {
event: "job_shot"
/**
 * Time when the event was sent, ISO 8601 in UTC.
 */
time: string
/**
 * Number of the event, for since in subscribe.
 */
seq: number
/**
 * The camera's port.
 */
port: string
/**
 * Number of the job.
 */
job: number
/**
 * Number of the slot, from 0.
 */
n: number
/**
 * Number of the last slot, if several slots were skipped together.
 */
last: (number | null)
/**
 * Time at which the slot was due, ISO 8601 in UTC.
 */
due: string
/**
 * How much later the release was commanded, in milliseconds; null if unknown.
 */
late_ms: (number | null)
status: SlotStatus
/**
 * Error code; null if status is ok.
 */
code: (string | null)
/**
 * The error in words, for people.
 */
message: (string | null)
/**
 * The files of the shot.
 */
files: ImageFile[]
}
export interface LiveViewFrameEvent {
event: "live_view_frame"
/**
 * Time when the event was sent, ISO 8601 in UTC.
 */
time: string
/**
 * Number of the stream on this connection.
 */
stream: number
/**
 * Number of the frame, counted since the server started; a gap means that frames were skipped.
 */
seq: number
/**
 * Type of the frame.
 */
mimetype: "image/jpeg"
/**
 * The frame, a JPEG as base64.
 */
image_b64: string
}
export interface LiveViewStoppedEvent {
event: "live_view_stopped"
/**
 * Time when the event was sent, ISO 8601 in UTC.
 */
time: string
/**
 * The camera's port.
 */
port: string
/**
 * Number of the stream on this connection.
 */
stream: number
reason: LiveViewEndReason
}
export interface TransferCompleteEvent {
event: "transfer_complete"
/**
 * Time when the event was sent, ISO 8601 in UTC.
 */
time: string
/**
 * Number of the transfer, as in the reply to download_last_image.
 */
transfer: number
/**
 * Number of bytes that were sent.
 */
size: number
/**
 * SHA-256 of those bytes, in hexadecimal.
 */
sha256: string
}

"""The options of a client and of a capture, as types that a program can also use for its own dictionaries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, TypedDict

from gphoto_ws_client.replies import Value
from gphoto_ws_client.tls import Tls


class ClientOptions(TypedDict, total=False):
    """The options of `Client`.

    Attributes:
        reconnect_for: how many seconds to try to reconnect after a loss of the connection, by default 60. 0 disables
            reconnecting, math.inf sets no limit. After a wrong token or an unsupported protocol there is no retry.
        reply_timeout: seconds to wait for a reply, by default 120; for a bulb exposure, twice its length is added. A
            shot that waits for other shots needs more time.
        open_timeout: seconds for one attempt to connect and log in, by default 10.
        max_message: the longest accepted message in bytes, at least 65536, by default 128 MiB; a longer message ends
            the connection. capture_image with download="full" needs 4/3 of the size of the file (base64). Live view and
            downloads use small messages.
        tls: which certificates to trust for a wss:// address. None: those of the authorities that this machine trusts.
            A path: only the certificates in that PEM file, for example the server's own self-signed certificate. An
            ssl.SSLContext: the certificates that this context trusts. False: any certificate; then an attacker in the
            network can read everything, including the token.
    """

    reconnect_for: float
    reply_timeout: float
    open_timeout: float
    max_message: int
    tls: Tls


class CaptureOptions(TypedDict, total=False):
    """The options of `Client.capture_image`. For an option that is missing or None, the server uses its default.

    Attributes:
        settings: settings for this shot only. The previous values are restored afterwards.
        download: whether `image` contains nothing, the thumbnail or the full picture. For large files use
            `Client.download`.
        save: save every file of the shot to the server's photo folder.
        filename: name for the saved files; needs `save`.
        keep_on_camera: if False, the files on the camera are deleted after they were saved.
        bulb_s: length of a bulb exposure in seconds, 0.1 to 36000. `Client.stop_exposure` ends it early.
        force: take the picture also if the next picture of a job is late then.
        key: identifies the shot, up to 64 characters; by default a random key. The same call with the same key
            within 24 hours takes no second picture.
        port: the port of the camera; None for the selected camera.
    """

    settings: Mapping[str, Value] | None
    download: Literal["none", "thumbnail", "full"] | None
    save: bool | None
    filename: str | None
    keep_on_camera: bool | None
    bulb_s: float | None
    force: bool | None
    key: str | None
    port: str | None


class FireOptions(TypedDict, total=False):
    """The options of `Client.fire`. For an option that is missing or None, the server uses its default.

    Attributes:
        ports: the ports of the cameras; None for all cameras.
        in_ms: milliseconds from the request to the deadline, 0 to 10000; 0: as soon as all cameras are ready.
        offsets_ms: by port: milliseconds from the deadline to the release of this camera.
        prepare: "half_press" half presses the shutter buttons until the deadline.
        missing: whether the other cameras are released if one is not ready: "skip" (yes) or "stop" (no).
        settings: settings of all these cameras for this shot only. The previous values are restored afterwards.
        save: save every file to the server's photo folder.
        force: release the cameras also if the next picture of a job is late then.
        key: identifies the request, up to 64 characters; by default a random key. The same call with the same key
            within 24 hours releases no camera again.
    """

    ports: Sequence[str] | None
    in_ms: int | None
    offsets_ms: Mapping[str, float] | None
    prepare: Literal["none", "half_press"] | None
    missing: Literal["skip", "stop"] | None
    settings: Mapping[str, Value] | None
    save: bool | None
    force: bool | None
    key: str | None


class JobInfoOptions(TypedDict, total=False):
    """The arguments of `Client.set_job_info`. None or missing: the word stays as it is. "" removes it.

    Attributes:
        job: name of the job, for the names of saved files.
        label: label of the camera on `port`.
        artist, copyright, owner: written to the camera on `port`, or to all open cameras.
        port: the port of the camera; None for all cameras.
    """

    job: str | None
    label: str | None
    artist: str | None
    copyright: str | None
    owner: str | None
    port: str | None


def check_names(function: str, given: Mapping[str, object], allowed: frozenset[str]) -> None:
    """Raise the same TypeError as Python for an unknown keyword argument, if `given` contains an unknown option."""
    for name in given:
        if name not in allowed:
            raise TypeError(f"{function}() got an unexpected keyword argument {name!r}")


class RampOptions(TypedDict, total=False):
    """How the exposure of a time-lapse follows the light. For a missing option, the server uses its default.

    Attributes:
        order: the setting that is changed first, "shutterspeed" or "iso", and the other one.
        min_s, max_s: the shortest and the longest exposure in seconds; `max_s` is at most half of the interval.
        max_iso: the highest ISO. The lowest is the one at the start.
        target_ev: the brightness that is kept, in EV relative to middle grey; None for that of the first picture.
        ev_per_hour: the limit for changes of the exposure.
    """

    order: Sequence[Literal["shutterspeed", "iso"]]
    min_s: float
    max_s: float
    max_iso: int
    target_ev: float | None
    ev_per_hour: float


class JobOptions(TypedDict, total=False):
    """The arguments of `Client.start_job`, besides `kind`.

    Attributes:
        interval_s: timelapse: seconds from one slot to the next.
        count: timelapse: number of slots; use `count` or `until`.
        until, start_at: timelapse: times in ISO 8601 with Z or an offset.
        bulb_s: timelapse: length of each exposure in seconds, timed by the server.
        ramp: timelapse: the exposure follows the light; see `RampOptions`. An empty dictionary uses the defaults.
        ev: bracket: the exposure of each picture in EV, relative to the current one; by default -2, 0 and 2.
        by: bracket: the setting that changes, or "native" for the camera's own bracketing.
        frames: focus_stack: number of pictures.
        steps, size: focus_stack: how far the focus moves before each further picture; `size` is the size of a step.
        settle_ms: focus_stack: milliseconds from a step to the picture.
        back: focus_stack: whether the focus is moved back at the end; true by default.
        settings: settings for each shot, which are restored after it.
        save: whether every file is saved to the photo folder; true by default.
        filename: name of the saved files, to which the number of the slot is added.
        key: unique for this job; by default a random one, so that a lost connection starts no second job.
        port: the port of the camera; None for the selected camera.
    """

    interval_s: float | None
    count: int | None
    until: str | None
    start_at: str | None
    bulb_s: float | None
    ramp: RampOptions | None
    ev: Sequence[float] | None
    by: Literal["shutterspeed", "iso", "native"] | None
    frames: int | None
    steps: int | None
    size: Literal["small", "medium", "large"] | None
    settle_ms: int | None
    back: bool | None
    settings: Mapping[str, str | int | float | bool]
    save: bool
    filename: str | None
    key: str | None
    port: str | None

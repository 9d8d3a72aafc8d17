"""The commands of the control port: one function for each command, and a table of the commands."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass

from .arguments import Arguments
from .body import CardFull, CardProtected, Exposing, OutOfFocus, ReleaseRejected
from .camera import Camera
from .dialect import InvalidRequest
from .faults import AT_ENDPOINT, BEFORE_OPERATION, ENDPOINTS, IN_DATA, ON_REPLY, ON_USB, VARIETIES, Fault, Kind
from .mutation import WAYS, Mutator
from .usb.device import UsbDevice

Result = dict[str, object]

_REJECTIONS: Mapping[type[ReleaseRejected], str] = {
    Exposing: "the previous shot is not finished; allowed when `state` has exposing false",
    CardFull: "the card is full; allowed after `card` with full false, or `delete`",
    CardProtected: "the card is write-protected; allowed after `write_protect` with on false",
    OutOfFocus: "the autofocus failed; allowed when the fault focus_failed has ended",
}
_OPERATIONAL = BEFORE_OPERATION | IN_DATA | ON_REPLY | AT_ENDPOINT
"""Faults that can be limited to one operation."""


@dataclass(frozen=True)
class Command:
    """One command of the control port."""

    run: Callable[[Camera, Arguments], Awaitable[Result]]
    arguments: Mapping[str, str]
    """The meaning of each argument, by its name."""
    summary: str


async def _state(camera: Camera, arguments: Arguments) -> Result:
    body, dialect = camera.body, camera.dialect
    with_digest = arguments.flag("sha256", default=False)
    files: list[Result] = []
    for stored in body.card.files():
        entry: Result = {"path": body.card.path(stored), "size": len(stored.content), "shot": stored.shot}
        files.append(entry | {"sha256": stored.sha256} if with_digest else entry)
    exposure = dialect.next_exposure()
    return {
        "serial": body.identity.serial,
        "model": body.identity.model,
        "address": camera.link.address,
        "power": camera.link.on,
        "connected": camera.link.sessions,
        "live_view": body.live_view,
        "viewfinder": body.live_view,
        "focus": dialect.lens.describe(),
        "exposing": body.exposing,
        "mirror_up": body.mirror_up,
        "shutter_held": body.shutter_held,
        "button_held": body.button_held,
        "recording": body.recorder.recording,
        "movies": [asdict(take) for take in body.recorder.takes],
        "shots": body.shots,
        "frames": body.frames,
        "battery": body.battery,
        "files": files,
        "deleted": [asdict(one) for one in body.card.deleted],
        "ram_files": len(body.ram),
        "card_free_shots": body.free_shots(exposure),
        "write_protected": body.card.write_protected,
        "capture_destination": "host" if exposure.to_host else "card",
        "operations": {f"0x{code:04x}": count for code, count in sorted(camera.session.operations.items())},
        "properties": dialect.properties(),
        "vetoed": list(dialect.vetoed()),
        "faults": camera.faults.describe(),
        "usb": _usb_state(camera.usb) if camera.usb else None,
    }


def _usb_state(usb: UsbDevice) -> Result:
    return {
        "busid": usb.port,
        "bus": usb.bus.number,
        "device": usb.number,
        "serial": usb.usb_serial,
        "resets": usb.requests.resets,
        "clear_halts": usb.requests.clear_halts,
    }


async def _releases(camera: Camera, arguments: Arguments) -> Result:
    return {"releases": [asdict(one) for one in camera.body.releases]}


async def _shutter(camera: Camera, arguments: Arguments) -> Result:
    if not camera.link.on:
        raise InvalidRequest("the camera is off; allowed after `power` with on true")
    try:
        stored = await camera.dialect.press_shutter()
    except ReleaseRejected as error:
        raise InvalidRequest(_REJECTIONS[type(error)]) from error
    return {"files": [camera.body.card.path(one) for one in stored]}


async def _set(camera: Camera, arguments: Arguments) -> Result:
    camera.dialect.change(arguments.text("property"), arguments.any("value"))
    return {}


async def _veto(camera: Camera, arguments: Arguments) -> Result:
    camera.dialect.veto(arguments.text("property"), arguments.flag("on", default=True))
    return {}


async def _battery(camera: Camera, arguments: Arguments) -> Result:
    level = arguments.whole("level")
    if level not in (100, 75, 50, 25, 0):
        raise InvalidRequest(f"level cannot be {level}; allowed: 100, 75, 50, 25, 0")
    camera.body.battery = level
    camera.dialect.battery_changed()
    return {}


async def _light(camera: Camera, arguments: Arguments) -> Result:
    curve = arguments.any("curve")
    points = [tuple(point) for point in curve] if isinstance(curve, list) else []
    if not points or not all(
        len(point) == 2 and all(isinstance(one, int | float) for one in point) for point in points
    ):
        raise InvalidRequest("curve must be a list of [seconds from now, EV]; allowed: [[0, 12]]")
    camera.body.light.set(points)
    return {}


async def _power(camera: Camera, arguments: Arguments) -> Result:
    on, after = arguments.flag("on"), arguments.seconds("after", default=0.0)
    if after:
        camera.power_after(on, after)
    else:
        try:
            await camera.power(on)
        except OSError as error:
            raise InvalidRequest(f"cannot listen again: {error.strerror}") from error
    return {}


def _usb(camera: Camera) -> UsbDevice:
    if not camera.usb:
        raise InvalidRequest("the camera is not on USB; allowed with the option --usbip")
    return camera.usb


async def _plug(camera: Camera, arguments: Arguments) -> Result:
    usb = _usb(camera)
    if usb.on:
        raise InvalidRequest("the camera is plugged; allowed after `unplug`")
    port = usb.port
    if "busid" in arguments or port not in usb.bus.free:
        port = arguments.choice("busid", list(usb.bus.free))
    if "serial" in arguments:
        usb.usb_serial = arguments.text("serial")
    usb.plug(port)
    return {"address": usb.address}


async def _unplug(camera: Camera, arguments: Arguments) -> Result:
    _usb(camera).unplug()
    return {}


async def _card(camera: Camera, arguments: Arguments) -> Result:
    if "prefix" in arguments:
        camera.body.file_prefix = arguments.text("prefix")
        return {}
    if "free_shots" in arguments:
        camera.body.card.free_shots_limit = arguments.whole("free_shots")
    else:
        camera.body.card.free_shots_limit = 0 if arguments.flag("full") else None
    if camera.body.card.free_bytes(1) < 1:
        camera.body.recorder.end("card full")
    camera.dialect.card_changed()
    return {}


async def _movie(camera: Camera, arguments: Arguments) -> Result:
    if "prohibit" in arguments:
        camera.body.recorder.prohibited = arguments.whole("prohibit")
    else:
        camera.dialect.press_movie_button()
    return {}


async def _write_protect(camera: Camera, arguments: Arguments) -> Result:
    camera.body.card.write_protected = arguments.flag("on", default=True)
    return {}


async def _delete(camera: Camera, arguments: Arguments) -> Result:
    path = arguments.text("path")
    stored = camera.body.card.find(path)
    if not stored:
        raise InvalidRequest(f"file not found on the card: {path!r}; allowed: a path that `state` lists")
    camera.body.card.remove(stored.handle)
    camera.dialect.file_removed(stored)
    return {}


def _operation(camera: Camera, arguments: Arguments) -> int | None:
    text = arguments.text_or_none("operation")
    if text is None:
        return None
    by_name = {name.lower(): code for code, name in camera.dialect.names.items()}
    if text.lower() in by_name:
        return by_name[text.lower()]
    try:
        return int(text, 16)
    except ValueError:
        names = ", ".join(sorted(camera.dialect.names.values()))
        raise InvalidRequest(f"unknown operation {text!r}; allowed: a code such as 0x9153, or one of {names}") from None


async def _fault(camera: Camera, arguments: Arguments) -> Result:
    kind = Kind(arguments.choice("kind", [str(kind) for kind in Kind]))
    operation = _operation(camera, arguments)
    if operation is not None and kind not in _OPERATIONAL:
        raise InvalidRequest(f"{kind} takes no operation; allowed: {', '.join(sorted(_OPERATIONAL))}")
    fault = Fault(
        kind=kind,
        operation=operation,
        after=arguments.whole("after", default=0),
        times=arguments.count_or_none("times", default=1),
        seconds=arguments.seconds("seconds", default=3.0),
        variety=arguments.choice("variety", VARIETIES, default=VARIETIES[0]),
        execute=arguments.flag("execute", default=False),
    )
    if kind is Kind.CODE:
        fault.code = arguments.code("code")
    if kind is Kind.MUTATE:
        way = arguments.choice("way", ("any", *WAYS), default="any")
        share = arguments.share("share", default=0.1)
        fault.mutator = Mutator(arguments.whole("seed", default=0), share, None if way == "any" else way)
    if kind in AT_ENDPOINT:
        fault.endpoint = arguments.choice("endpoint", ENDPOINTS, default=ENDPOINTS[0])
    if kind in ON_USB:
        _usb(camera)
    camera.faults.add(fault)
    if camera.usb and fault.endpoint:
        camera.usb.fault_armed(fault.endpoint)
    return {}


async def _clear(camera: Camera, arguments: Arguments) -> Result:
    camera.clear_faults()
    return {}


async def _reset(camera: Camera, arguments: Arguments) -> Result:
    camera.reset()
    return {}


async def _help(camera: Camera, arguments: Arguments) -> Result:
    commands = {name: {"what": command.summary, "arguments": command.arguments} for name, command in COMMANDS.items()}
    return {
        "commands": commands,
        "fault_kinds": [str(kind) for kind in Kind],
        "varieties": list(VARIETIES),
        "mutations": list(WAYS),
    }


COMMANDS: Mapping[str, Command] = {
    "state": Command(_state, {"sha256": "true: digests of the files too"}, "everything about the camera"),
    "shutter": Command(_shutter, {}, "press the camera's own shutter button and wait for its files"),
    "releases": Command(
        _releases,
        {},
        "each opening of the shutter: shot, monotonic time, whether by the own button, settings at that time, files written",
    ),
    "set": Command(_set, {"property": "name or 0x code", "value": "label or number"}, "change a property on the body"),
    "veto": Command(
        _veto,
        {"property": "name or 0x code", "on": "false: stop keeping it"},
        "keep the old value when the driver sets the property",
    ),
    "battery": Command(_battery, {"level": "100, 75, 50, 25 or 0"}, "charge or drain the battery"),
    "light": Command(
        _light,
        {"curve": "[[seconds from now, EV at ISO 100], ...]; one point: constant light"},
        "the light of the scene, which thumbnails show from now on, with the exposure of the settings",
    ),
    "power": Command(_power, {"on": "true or false", "after": "seconds from now"}, "the power switch"),
    "plug": Command(
        _plug,
        {
            "busid": "the port (where the camera was last)",
            "serial": "the serial number in the USB descriptors from now on; empty: none",
        },
        "plug the camera into USB; it gets a new device number",
    ),
    "unplug": Command(_unplug, {}, "unplug the camera from USB"),
    "card": Command(
        _card,
        {
            "full": "true or false",
            "free_shots": "a count",
            "prefix": "what the names of later files begin with, before their number; \\udc80 to \\udcff are bytes that are not UTF-8",
        },
        "the free space of the card, the names of its files",
    ),
    "movie": Command(
        _movie,
        {"prohibit": "Nikon: further bits of 0xD0A4, which prohibit movies; the button is not pressed"},
        "press the camera's own movie button: start a movie, or end it",
    ),
    "write_protect": Command(_write_protect, {"on": "true or false"}, "the card's lock switch"),
    "delete": Command(_delete, {"path": "as `state` lists it"}, "delete a file on the body"),
    "fault": Command(
        _fault,
        {
            "kind": "see fault_kinds",
            "operation": "name or 0x code; null: any",
            "after": "matching operations that succeed first (0)",
            "times": "number of times that it occurs (1); null: no limit",
            "seconds": "late, late_file, late_picture, late_movie: the delay in seconds (3)",
            "code": "code: the PTP response, such as 0x2019",
            "variety": "malformed_live_view: see varieties",
            "execute": "silent, code, busy: true: run the operation nevertheless (false)",
            "endpoint": "no_answer, halt: bulk_in, bulk_out, interrupt or control (bulk_in)",
            "seed": "mutate: the same seed changes the same replies in the same way (0)",
            "share": "mutate: the share of the replies that is changed, 0 to 1 (0.1)",
            "way": "mutate: see mutations (any)",
        },
        "arm a fault",
    ),
    "clear": Command(_clear, {}, "disarm all faults"),
    "reset": Command(_reset, {}, "factory state: files, settings, counters, faults"),
    "help": Command(_help, {}, "list the commands"),
}

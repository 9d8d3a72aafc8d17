"""The checks of the installed service in a running guest: each one adds its figures to the report."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial

from gphoto_ws_client import Client, GphotoWsError

from lab.camera import MODEL, VENDOR, Camera
from lab.figures import Report, spread
from lab.product import UNIT, Product, gone, ready
from lab.system import USER
from tests.support.waiting import until_answers

REPLUG_S, REPLUGS = 5.0, 20
UNPLUGGED_S, RESTARTED_S, WATCHDOG_S, BOOT_S, EXPOSURE, STOP_S, GAP_S = 5.0, 20.0, 60.0, 60.0, 2.0, 10.0, 2.0
_DEVICE = f"$(lsusb -d {VENDOR}:{MODEL} | sed -n 's/^Bus \\(...\\) Device \\(...\\).*/\\/dev\\/bus\\/usb\\/\\1\\/\\2/p' | head -1)"
# Another program that has the camera: it opens the device and claims its interface (USBDEVFS_CLAIMINTERFACE).
_CLAIM = """import fcntl, struct, sys, time
device = open(sys.argv[1], "r+b", buffering=0)
fcntl.ioctl(device, 0x8004550F, struct.pack("I", 0))
time.sleep(3600)
"""
_DAY_S = 86400


@dataclass(frozen=True, slots=True)
class Lab:
    """What a check works with."""

    product: Product
    camera: Camera
    report: Report


async def found_at_boot(lab: Lab) -> None:
    """The guest boots with the camera plugged in: the camera is ready without a command."""
    guest = lab.product.guest
    await asyncio.to_thread(guest.shut_down)
    await asyncio.to_thread(lab.camera.stay)
    guest.start()
    await asyncio.to_thread(guest.wait)
    info = await lab.product.wait_ready()
    took = time.monotonic() - guest.started
    lab.report.add(
        "from the start of the kernel to a ready camera",
        f"{took:.1f} s, {info.model} on {info.port}",
        info.port.startswith("usb:") and took < BOOT_S,
    )
    await until_answers(partial(_status_has, lab, "open: 1"))


async def rights(lab: Lab) -> None:
    """The udev rules: the group of the service owns the camera, and no other user can open it."""
    report, run = lab.report, lab.product.run
    owner = (await run(f"stat -c '%U:%G %a' {_DEVICE}")).strip()
    report.add("udev: owner of the camera", owner, owner == "root:gphoto-ws 660")
    opened = (await run(f"python3 -c 'open(\"'{_DEVICE}'\", \"r+b\")' 2>&1 || true", USER)).strip().splitlines()
    report.add("udev: another user opens it", opened[-1] if opened else "opened", "Permission denied" in str(opened))
    marks = await run(f"udevadm info -q property {_DEVICE}")
    left = [line for line in marks.splitlines() if line.startswith(("ID_GPHOTO2=1", "ID_MTP_DEVICE=1"))]
    control = (await run(f"cat $(udevadm info -q path {_DEVICE} | sed 's,^,/sys,')/power/control")).strip()
    report.add(
        "udev: no mark for volume monitors, no autosuspend",
        f"{left or 'no mark'}, power/control {control}",
        not left and control == "on",
    )


async def hardened(lab: Lab) -> None:
    """The unit under the real systemd: what its process may do."""
    report, run = lab.report, lab.product.run
    exposure = float(
        (await run(f"systemd-analyze security --no-pager {UNIT} | tail -1"))
        .split("level for")[1]
        .split(":")[1]
        .split()[0]
    )
    report.add("`systemd-analyze security`", f"{exposure} (limit {EXPOSURE})", exposure <= EXPOSURE)
    pid = await lab.product.main_pid()
    status = dict(line.split(":\t", 1) for line in (await run(f"cat /proc/{pid}/status")).splitlines() if ":\t" in line)
    user = (await run(f"stat -c %U /proc/{pid}")).strip()
    expected = status["Seccomp"] == "2" and status["NoNewPrivs"] == "1" and int(status["CapEff"], 16) == 0
    report.add(
        "the server's process", f"user {user}, Seccomp {status['Seccomp']}, NoNewPrivs {status['NoNewPrivs']}, CapEff {status['CapEff']}",
        expected and int(status["Uid"].split()[1]) != 0,
    )  # fmt: skip
    # Even root, in the control group of the unit, can open the camera and no disk.
    inside = f"sh -c 'echo $$ >/sys/fs/cgroup/system.slice/{UNIT}.service/cgroup.procs && exec 3<$0' {{}} 2>&1 && echo opened || true"
    disk, camera = (await run(inside.format("/dev/nbd0"))).strip(), (await run(inside.format(_DEVICE))).strip()
    report.add(
        "devices in the unit's control group",
        f"camera {camera}, disk {disk.rpartition(': ')[2]}",
        camera == "opened" and "not permitted" in disk,
    )
    children = (await run(f"pgrep -P {pid} || true")).split()
    confined = await run("for pid in " + " ".join(children) + "; do tr '\\0' ' ' </proc/$pid/cmdline; echo; done")
    report.add("processes of cameras", f"{len(children)} running", bool(children) and "python" in confined)


async def found_later(lab: Lab) -> None:
    """Unplug and plug the camera again and again: how long until the server reports it, and until it is ready."""
    reported, back = list[float](), list[float]()
    async with lab.product.client() as client:
        await ready(client)
        for _ in range(REPLUGS):
            began = time.monotonic()
            await asyncio.to_thread(lab.camera.unplug)
            await gone(client)
            reported.append(time.monotonic() - began)
            await asyncio.to_thread(lab.camera.plug)
            began = time.monotonic()
            await ready(client, card_read=False)
            back.append(time.monotonic() - began)
            await ready(client)
    lab.report.add("an idle camera is unplugged: reported", spread(reported), max(reported) < UNPLUGGED_S)
    quick = sum(seconds < REPLUG_S for seconds in back)
    lab.report.add(
        f"plugged in again: ready below {REPLUG_S:.0f} s", f"{quick} of {len(back)}; {spread(back)}", quick == len(back)
    )


async def unplugged_in_live_view(lab: Lab) -> None:
    """Unplug the camera in live view, and plug it in again: the stream of the client continues."""
    async with lab.product.client() as client:
        await ready(client)
        async with _frames(client) as stream:
            await stream.next(30)
            began = time.monotonic()
            await asyncio.to_thread(lab.camera.unplug)
            await gone(client)
            reported = time.monotonic() - began
            await asyncio.to_thread(lab.camera.plug)
            began = time.monotonic()
            await stream.next(1)
            back = time.monotonic() - began
    lab.report.add("unplugged in live view: reported", f"{reported:.1f} s", reported < UNPLUGGED_S)
    lab.report.add("plugged in again: the same stream has frames", f"{back:.1f} s", back < 2 * REPLUG_S)


async def watchdog(lab: Lab) -> None:
    """SIGSTOP to the server: systemd notices it and starts another one."""
    took = await _replaced(lab, "kill -STOP {}")
    log = await lab.product.run(f"journalctl -u {UNIT} -b --no-pager | grep -c 'Watchdog timeout' || true")
    lab.report.add(
        "watchdog: SIGSTOP to the server, camera ready again", f"{took:.1f} s", took < WATCHDOG_S and int(log) > 0
    )


async def crash(lab: Lab) -> None:
    """SIGKILL to the server."""
    took = await _replaced(lab, "kill -KILL {}")
    lab.report.add("crash: SIGKILL to the server, camera ready again", f"{took:.1f} s", took < RESTARTED_S)


async def restart_in_live_view(lab: Lab) -> None:
    """`systemctl restart` while a client watches: its stream continues."""
    async with lab.product.client() as client:
        await ready(client)
        async with _frames(client) as stream:
            await stream.next(30)
            began = time.monotonic()
            await lab.product.run(f"systemctl restart {UNIT}")
            restarted = time.monotonic() - began
            await stream.next(1)
            back = time.monotonic() - began
    lab.report.add(
        "`systemctl restart` in live view",
        f"{restarted:.1f} s; frames for the same client after {back:.1f} s",
        back < RESTARTED_S,
    )


async def stop(lab: Lab) -> None:
    """`systemctl stop`: in time, and the service does not end as failed."""
    await lab.product.wait_ready()
    began = time.monotonic()
    await lab.product.run(f"systemctl stop {UNIT}")
    took = time.monotonic() - began
    result = (await lab.product.run(f"systemctl show --value -p Result {UNIT}")).strip()
    await lab.product.run(f"systemctl start {UNIT}")
    await lab.product.wait_ready()
    lab.report.add("`systemctl stop`", f"{took:.1f} s, result {result}", took < STOP_S and result == "success")


async def claimed(lab: Lab) -> None:
    """Another program has the camera: the server says so, and opens the camera when the program has ended."""
    run = lab.product.run
    await run(f"cat >/tmp/claim.py <<'END'\n{_CLAIM}END\nsystemctl stop {UNIT}")
    await run(f"systemd-run --quiet --unit=lab-claim python3 /tmp/claim.py {_DEVICE}")
    await run(f"systemctl start {UNIT}")
    async with lab.product.client() as client:
        message = await _message(client, lambda text: "program" in text)
        began = time.monotonic()
        await run("systemctl stop lab-claim")
        await ready(client)
        took = time.monotonic() - began
    lab.report.add(
        "claimed by another program",
        f"“{message}”; ready {took:.1f} s after its end",
        "program" in message and took < 10.0,
    )


async def permission_missing(lab: Lab) -> None:
    """The udev rules are missing: the server says so, and opens the camera when they are installed."""
    run, rules = lab.product.run, "/etc/udev/rules.d/70-gphoto-ws-server.rules"
    await run(f"mv {rules} {rules}.off && udevadm control --reload")  # udev reads only names that end in .rules
    await asyncio.to_thread(lab.camera.unplug)
    await asyncio.to_thread(lab.camera.plug)
    async with lab.product.client() as client:
        message = await _message(client, lambda text: "ermission" in text)
        began = time.monotonic()
        await run(
            f"mv {rules}.off {rules} && udevadm control --reload && udevadm trigger --subsystem-match=usb --action=add"
        )
        await ready(client)
        took = time.monotonic() - began
    lab.report.add(
        "permission missing", f"“{message}”; ready {took:.1f} s after the rules", "ermission" in message and took < 10.0
    )


async def clock_jumps(lab: Lab) -> None:
    """The clock of the guest is set a day forward and back, in live view and around a shot."""
    gaps = list[float]()
    async with lab.product.client() as client:
        await ready(client)
        port, pid = (await client.list_cameras()).cameras[0].port, await lab.product.main_pid()
        for days in (1, -1, -1, 1):
            async with _frames(client) as stream:
                await stream.next(30)
                await lab.product.run(f"date -s @$(($(date +%s) + {days * _DAY_S}))")
                gaps.append(await stream.longest_gap(90))
            await client.capture_image(port=port, save=True)
    same = pid == await lab.product.main_pid()
    lab.report.add(
        "the clock jumps by a day, four times",
        f"longest gap between frames {max(gaps):.2f} s, each shot saved, {'the same server' if same else 'the server was restarted'}",
        same and max(gaps) < GAP_S,
    )


async def token_is_secret(lab: Lab) -> None:
    """The token is not in the journal of any boot, and not in any command line."""
    # grep reads the token from its file, so it is in no command line of the check.
    file = f"/etc/{UNIT}/api_token"
    seen = await lab.product.run(f"journalctl --no-pager -o export | grep -cFf {file} || true")
    lines = await lab.product.run("journalctl --no-pager | wc -l")
    shown = await lab.product.run(f"cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n' | grep -cFf {file} || true")
    lab.report.add(
        "the token in the journal of all boots",
        f"{int(seen)} times in {int(lines)} lines, {int(shown)} times in command lines",
        int(seen) == int(shown) == 0,
    )


async def _replaced(lab: Lab, command: str) -> float:
    """Send a signal to the server, and wait until another one has the camera. Returns the seconds that it took."""
    await lab.product.wait_ready()
    pid = await lab.product.main_pid()
    began = time.monotonic()
    await lab.product.run(command.format(pid))
    await until_answers(partial(_is_another, lab, pid), WATCHDOG_S)
    await lab.product.wait_ready()
    return time.monotonic() - began


async def _status_has(lab: Lab, words: str) -> bool:
    return words in await lab.product.run(f"systemctl show --value -p StatusText {UNIT}")


async def _is_another(lab: Lab, pid: int) -> bool:
    return await lab.product.main_pid() not in (0, pid)


async def _message(client: Client, meant: Callable[[str], bool]) -> str:
    """Wait up to 60 s for an error of the only camera for which `meant` is true. Returns the last error in any case."""
    message = ""
    with suppress(TimeoutError):
        async with asyncio.timeout(60.0):
            while not meant(message):
                with suppress(GphotoWsError):
                    for camera in (await client.list_cameras()).cameras:
                        message = (await client.get_camera_info(port=camera.port)).last_error or message
                await asyncio.sleep(0.1)
    return message


class _Stream:
    """The frames of a client."""

    def __init__(self, frames: AsyncIterator[object]) -> None:
        self._frames = frames

    async def next(self, number: int, seconds: float = 60.0) -> None:
        """Wait for the next frames. Raises TimeoutError."""
        async with asyncio.timeout(seconds):
            for _ in range(number):
                await anext(self._frames)

    async def longest_gap(self, number: int) -> float:
        """The longest time between two of the next frames, in seconds."""
        longest, before = 0.0, time.monotonic()
        for _ in range(number):
            await self.next(1)
            now = time.monotonic()
            longest, before = max(longest, now - before), now
        return longest


@asynccontextmanager
async def _frames(client: Client) -> AsyncIterator[_Stream]:
    port = (await client.list_cameras()).cameras[0].port
    async with client.live_view(port=port) as view:
        yield _Stream(aiter(view))


CHECKS: tuple[Callable[[Lab], Awaitable[None]], ...] = (
    found_at_boot, rights, hardened, found_later, unplugged_in_live_view, watchdog, crash, restart_in_live_view, stop,
    claimed, permission_missing, clock_jumps, token_is_secret,
)  # fmt: skip

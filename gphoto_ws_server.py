"""The entry point: reads settings, builds the server, runs it, and stops it in order."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import resource
import shlex
import signal
import sys
import uuid
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import isolation
from auth import Tickets
from camera.errors import FolderNotWritable
from camera.log_lines import LOG_FORMAT
from camera.model import ShutterLine
from camera.options import SessionOptions
from camera.orientation import Orientation
from camera.photos.folder import PhotoFolder
from camera.photos.job_info import JobInfos
from camera.photos.journal import Journals
from camera.photos.saver import PhotoSaver
from camera.photos.shots import PhotoOptions
from camera.processes import programs
from camera.registry import Registry
from server import limits
from server.admission import Access, Admission
from server.app import App
from server.heap import keep_freed_memory
from server.notify import Notifier
from service.commands import LiveViewDefaults, ServerFacts, Service
from service.event_log import EventLog
from service.events import EventHub
from service.hooks import HookCommand, Hooks
from service.outgoing import Outgoing
from service.webhooks import Webhooks
from settings import listen_policy, logging_setup, webhook_file
from settings.environment import (
    Settings,
    SettingsError,
    explained,
    load_with_sources,
    service_manager,
    state_folder,
    unknown_names,
)
from settings.in_force import in_force
from simulator.process import SimulatorProcess
from store.database import Store
from store.events import EventStore
from store.job_info import JobInfoStore
from store.schema import MIGRATIONS
from store.shots import ShotStore
from store.webhooks import WebhookStore
from tls import Certificates, TlsError
from webhook import Agent, Webhook

VERSION = "0.2.0"

_log = logging.getLogger("gphoto_ws_server")

_DESCRIPTORS = 16384


@dataclass(frozen=True, slots=True)
class OutgoingOptions:
    """What the server does by itself when an event happens.

    Attributes:
        hook: the command for each saved file; None for none.
        webhooks: addresses to which events are sent.
    """

    hook: HookCommand | None = None
    webhooks: Sequence[Webhook] = ()


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Control cameras through libgphoto2 over WebSockets.",
        epilog="Settings come from the environment, or from a file .env in the folder where the server is started."
        " --settings prints all of them with defaults and explanations, in the format of that file.",
    )
    parser.add_argument("--host", help="address to listen on, instead of WS_HOST")
    parser.add_argument("--port", type=int, help="port to listen on, instead of WS_PORT; 0 chooses a free one")
    parser.add_argument(
        "--simulate", type=int, nargs="?", const=1, metavar="N",
        help="start N simulated cameras (default 1) in addition to the real ones",
    )  # fmt: skip
    parser.add_argument(
        "--settings", action="store_true", help="print all settings in the format of a .env file, and exit"
    )
    parser.add_argument(
        "--doctor",
        action="store_true",
        help="check this machine, the settings and the cameras, print problems with their solutions, and exit",
    )
    parser.add_argument(
        "--make-cert", nargs="?", const=".", metavar="FOLDER", type=Path,
        help="write a self-signed certificate for this machine and its key (default: into this folder), and exit",
    )  # fmt: skip
    parser.add_argument(
        "--debuggable", action="store_true",
        help="allow debuggers and profilers of the same user to read the server's memory, which contains the token",
    )  # fmt: skip
    parser.add_argument("--version", action="version", version=VERSION)
    arguments = parser.parse_args(argv)
    if arguments.simulate is not None and not 1 <= arguments.simulate <= 16:
        parser.error("--simulate takes a number of cameras from 1 to 16; omit it for none")
    if arguments.port is not None and not 0 <= arguments.port <= 65535:
        parser.error("--port takes a number from 0 to 65535")
    return arguments


def _raise_descriptor_limit() -> None:
    """Raise the limit of file descriptors, so that many clients do not use up those for cameras and pictures."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _DESCRIPTORS)
    if soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _console(host: str, port: int, secure: bool) -> str:
    """The address of the console for a browser on this machine."""
    here = "localhost" if host in ("0.0.0.0", "::") else _shown(host)
    return f"{'https' if secure else 'http'}://{here}:{port}/console"


def _reason(error: OSError) -> str:
    """The reason why the server cannot listen: only the text of the operating system, without the text of asyncio."""
    if error.errno is None or error.errno < 0:  # the host name cannot be resolved
        return str(error.strerror or error)
    return os.strerror(error.errno)


class _Reload:
    """What SIGHUP does: it loads the certificate and the webhooks again.

    Without this handler, SIGHUP would end the server before the cameras are released.
    """

    def __init__(self, certificates: Certificates | None, webhooks: Webhooks | None, webhook_path: str) -> None:
        self._certificates = certificates
        self._webhooks = webhooks
        self._webhook_path = webhook_path
        self._replacing: asyncio.Task[None] | None = None

    def __call__(self) -> None:
        if self._certificates is None and self._webhooks is None:
            _log.info(
                "SIGHUP: there is no certificate to reload, and there are no webhooks. Other settings need a restart."
            )
        if self._certificates is not None:
            self._reload_certificates(self._certificates)
        if self._webhooks is not None:
            self._reload_webhooks(self._webhooks)

    def _reload_certificates(self, certificates: Certificates) -> None:
        try:
            certificates.read_again()
        except TlsError as error:
            _log.error("SIGHUP: the certificate could not be reloaded; the previous one stays in use: %s", error)
        else:
            _log.info("SIGHUP: certificate and key reloaded")

    def _reload_webhooks(self, running: Webhooks) -> None:
        try:
            webhooks = webhook_file.read(self._webhook_path)
        except SettingsError as error:
            _log.error("SIGHUP: the webhooks could not be reloaded; the previous ones stay in use: %s", error)
            return
        for warning in webhook_file.warnings(self._webhook_path, webhooks):
            _log.warning("%s", warning)
        self._replacing = asyncio.create_task(running.replace(webhooks), name="webhooks")
        _log.info("SIGHUP: %d webhooks reloaded", len(webhooks))


def _wire_warnings(settings: Settings) -> list[str]:
    """For each chip that this user cannot use, a warning. The lines are requested when their camera is open."""
    chips = sorted({ShutterLine.parse(entry.rpartition(":")[2]).node for entry in settings.shutter_lines})
    return [
        f"{chip} of SHUTTER_LINES cannot be used, so fire does not release the cameras with its lines. See --doctor."
        for chip in chips
        if not os.access(chip, os.R_OK | os.W_OK)
    ]


async def _check_photo_folder(photos: PhotoSaver) -> None:
    """Warn if pictures cannot be saved, and remove incomplete files that a killed server has left."""
    try:
        swept = await photos.prepare()
    except FolderNotWritable as error:
        _log.warning("Pictures cannot be saved: %s", error)
    else:
        if swept:
            _log.info("Removed %d incomplete files from %s", swept, photos.folder.folder)


async def _serve(app: App, settings: Settings, photos: PhotoSaver, host: str, port: int) -> None:
    certificates = Certificates(settings.ws_tls_cert, settings.ws_tls_key) if settings.ws_tls_cert else None
    tls = certificates.context if certificates else None
    manager = service_manager()
    notifier = Notifier(manager.address, manager.watchdog_s)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    reload = _Reload(certificates, app.service.events.outgoing.webhooks, settings.webhooks)
    loop.add_signal_handler(signal.SIGHUP, reload)
    heartbeat = asyncio.create_task(notifier.heartbeat(app.summary), name="beat")
    try:
        bound = await app.start(host, port, tls)
        _log.info("Listening on %s://%s:%d", "wss" if tls else "ws", _shown(host), bound)
        _log.info("The console is at %s", _console(host, bound, tls is not None))
        notifier.ready()
        await _check_photo_folder(photos)
        await stop.wait()
        _log.info("Stopping")
        notifier.stopping()
    finally:
        await app.stop()
        heartbeat.cancel()
        await asyncio.wait((heartbeat,))
    _log.info("Stopped")


def build(
    access: Access,
    network: Sequence[str],
    options: SessionOptions,
    live_view: LiveViewDefaults | None = None,
    drives: bool = False,
    outgoing: OutgoingOptions | None = None,
) -> App:
    """Build the server without starting it.

    Args:
        access: settings for access control.
        network: addresses of network cameras.
        options: options for all cameras.
        live_view: defaults for live view.
        drives: whether mounted drives with a DCIM folder count as cameras.
        outgoing: the command for saved files, and the webhooks; by default none.
    """
    shots = options.photos.journals.shots
    log = EventLog(EventStore(shots.store))
    events = EventHub(log, _outgoing(outgoing or OutgoingOptions(), log, shots.store, lambda port: serial_of(port)))
    registry = Registry(network, options, events.emit, drives)
    facts = ServerFacts(VERSION, limits.ALL, Tickets(access.token).sign)
    service = Service(registry, events, shots, live_view or LiveViewDefaults(), facts)

    def serial_of(port: str) -> str | None:
        return next((camera.status.serial for camera in registry.known if camera.port == port), None)

    return App(service, Admission(access))


def _outgoing(
    options: OutgoingOptions, log: EventLog, store: Store, serial_of: Callable[[str], str | None]
) -> Outgoing:
    hooks = Hooks(options.hook, serial_of) if options.hook is not None else None
    webhooks = None
    if options.webhooks:
        webhooks = Webhooks(log, WebhookStore(store), options.webhooks, Agent(f"gphoto-ws-server/{VERSION}"))
    return Outgoing(hooks, webhooks)


def main(argv: list[str] | None = None, make: Callable[..., App] = build) -> int:
    """Run the server until SIGTERM or SIGINT; returns the exit code (2: invalid settings, 1: cannot listen)."""
    arguments = _arguments(argv)
    if arguments.settings:
        print(explained(), end="")
        return 0
    if arguments.doctor:
        from doctor import report  # imported here, because the server does not need this module

        return report.run(arguments.host, arguments.port)
    if arguments.make_cert:
        import certificate

        return certificate.run(arguments.make_cert)
    try:
        loaded = load_with_sources().overridden("command line", ws_host=arguments.host, ws_port=arguments.port)
        settings, host, port = loaded.settings, loaded.settings.ws_host, loaded.settings.ws_port
        webhooks = webhook_file.read(settings.webhooks) if settings.webhooks else ()
        warnings = [*unknown_names(), *listen_policy.check(host, settings)]
        warnings += webhook_file.warnings(settings.webhooks, webhooks)
        warnings += _wire_warnings(settings)
    except SettingsError as error:
        print(f"gphoto_ws_server: {error}", file=sys.stderr)
        return 2
    token = settings.api_token or str(uuid.uuid4())
    keep_freed_memory()
    _raise_descriptor_limit()
    logging_setup.configure(settings.log_level, LOG_FORMAT, token)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # SIGHUP is ignored until the certificates are loaded
    if not settings.api_token:
        _log.info("API_TOKEN is not set. The token of this run is %s", token, extra=logging_setup.SHOW_TOKEN)
    _log.info("Settings: %s", in_force(loaded))
    for warning in warnings:
        _log.warning("%s", warning)
    isolation.isolate("API_TOKEN", debuggable=arguments.debuggable)
    isolation.report()
    if arguments.simulate and "VCAMERADIR" in os.environ:
        print("gphoto_ws_server: --simulate cannot be combined with VCAMERADIR (one set of drivers per process)",
              file=sys.stderr)  # fmt: skip
        return 2
    with ExitStack() as stack:
        network = settings.network_cameras
        if arguments.simulate:
            simulator = stack.enter_context(SimulatorProcess("--cameras", str(arguments.simulate)))
            _log.info("Simulated cameras started. Their control port is %s", simulator.control)
            network += tuple(camera.address for camera in simulator.cameras)
        programs.template.prepare()
        photos = PhotoSaver(PhotoFolder(Path(settings.photo_dir).absolute(), settings.photo_name))
        store = Store(state_folder(settings) / "store.db", MIGRATIONS)
        stack.callback(store.close)
        options = SessionOptions(
            capture_target=settings.capture_target,
            max_restart_attempts=settings.max_restart_attempts,
            restart_delay=settings.restart_delay,
            preview_iso=settings.preview_iso,
            capture_iso=settings.capture_iso,
            preview_size=settings.preview_size,
            shutter_lines=dict(entry.rsplit(":", 1) for entry in settings.shutter_lines),
            photos=PhotoOptions(
                photos,
                Journals(ShotStore(store)),
                JobInfos(JobInfoStore(store), dict(label.rsplit(":", 1) for label in settings.camera_labels)),
                settings.sidecars == "xmp",
                Orientation(settings.capture_rotation, settings.capture_flip),
                settings.write_time,
                settings.auto_save,
            ),
            keep_alive=settings.keep_alive,
            sync_clock=settings.sync_clock == "open",
        )
        live_view = LiveViewDefaults(
            settings.preview_fps, Orientation(settings.preview_rotation, settings.preview_flip)
        )
        access = Access(token, settings.ws_origins, settings.ws_hosts, settings.trusted_proxies)

        hook_words = shlex.split(settings.hook_command)
        hook = HookCommand(hook_words, settings.hook_seconds) if hook_words else None
        outgoing = OutgoingOptions(hook, webhooks)

        async def serve() -> None:
            app = make(access, network, options, live_view, settings.disk_cameras, outgoing)
            await _serve(app, settings, photos, host, port)

        try:
            asyncio.run(serve())
        except TlsError as error:
            _log.error("Cannot serve with TLS: %s", error)
            return 1
        except OSError as error:
            words = "Cannot listen on %s:%d: %s. Choose another port with WS_PORT or --port. --doctor shows details."
            _log.error(words, _shown(host), port, _reason(error))
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

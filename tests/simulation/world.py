"""Runs one plan: servers, clients, cameras and incidents, until everything is at rest."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import copy_context
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

from camera import detection, ports, registry, uevents
from camera.errors import CameraError
from camera.model import Detected
from camera.options import SessionOptions
from camera.photos import movies
from camera.photos.folder import PhotoFolder
from camera.photos.journal import Journals
from camera.photos.open_shot import Order as PhotoOrder
from camera.photos.saver import PhotoSaver
from camera.photos.shots import PhotoOptions
from camera.processes.process_log import LineBudget
from camera.processes.spawn import ProcessOptions
from camera.registry import Registry
from camera.session import Session
from protocol import commands as c
from protocol.errors import RequestError, code_of
from service import captures, fire
from service.answers import PictureReply, Replay
from service.caller import Caller, Notice
from service.commands import LiveViewDefaults, ServerFacts, Service
from service.event_log import EventLog
from service.events import EventHub
from service.jobs import jobs
from service.jobs.job import key_of
from service.jobs.series import Series
from service.jobs.timelapse import Timelapse
from service.orders import text_of, text_of_volley
from store.events import EventStore
from store.jobs import ENDED, JobRecord, JobStore
from store.shots import ShotRecord, ShotStore
from tests.simulation.body import BASE, Body
from tests.simulation.clock import Clock, Run, Spin, VirtualLoop
from tests.simulation.disk import WRITTEN_AGAIN_S, Disk
from tests.simulation.plan import ACTIVE_S, HalfPress, Incident, JobOrder, MovieOrder, Order, Plan, VolleyOrder
from tests.simulation.spans import Spans
from tests.simulation.worker import ORDER, Faults, ModelWorker

# The longest time that any command may take: exposures of a queue, and all deadlines of a hanging camera and disk.
LONGEST_S = 400.0
# The longest time to rest, after all faults have ended.
REST_S = 200.0
_STOP_S = 60.0
# The requests of some clients. Their connections cancel them, which the simulation does not do.
_REQUEST = "request"
# The USB bus of this machine must not decide what happens to model cameras, so it is hidden.
_NO_BUS = Path("/nonexistent/usb")
# The longest time for the last replies, which may read the database.
_LAST_REPLIES_S = 6.0
# How often the server looks for USB cameras. There are none, and to simulate each look takes as long as any other step.
_USB_EVERY_S = 30.0
# A power cut this soon after a change may lose its record, which is synced with the release.
SYNC_S = 0.9
# After this time, what the server has read from a card is in its records, unless the disk is in trouble.
NOTED_S = 0.6
# After this time, the server has opened its cameras and read their records.
_READ_S = 5.0


@dataclass(frozen=True)
class PowerCut:
    """A power cut: when it happened, and from when on a record may not be synced, in virtual seconds."""

    at: float
    unsynced_since: float


@dataclass
class Answer:
    """What a client got.

    Attributes:
        reply: of a capture that is done, or of a volley.
        code: of an error.
        lost: whether it got nothing, because it left or the server ended.
        left_at: when the client left, in virtual seconds.
    """

    reply: c.Captured | c.BurstCaptured | c.CamerasFired | None = None
    code: str | None = None
    message: str = ""
    lost: bool = False
    left_at: float | None = None


@dataclass
class Result:
    """What one simulation has shown.

    Attributes:
        violations: what must never happen, in sentences.
        trace: everything that clients and cameras saw, in order.
        counts: how often something happened.
    """

    violations: list[str]
    trace: list[str]
    counts: Counter[str]


def order_of(record: ShotRecord) -> str:
    """The name of the order of a shot."""
    if record.key is not None and record.key.startswith("job/"):
        return record.key
    return str(json.loads(record.request)["order"])


def _named_movie(key: str | None, request: str) -> PhotoOrder:
    """The order in the record of a movie, with its name."""
    return PhotoOrder(key, json.dumps({**json.loads(request), "order": ORDER.get()}))


def _named(payload: c.CaptureImage | c.CaptureBurst) -> str:
    """The text of a request, with the name of its order. Without it, the texts of some orders are equal."""
    return json.dumps({**json.loads(text_of(payload)), "order": ORDER.get()})


def _named_volley(payload: c.Fire) -> str:
    """The same for a volley."""
    return json.dumps({**json.loads(text_of_volley(payload)), "order": ORDER.get()})


class Reader:
    """A client that reads all events, leaves now and then, and asks for the events that it has missed.

    Attributes:
        epoch, seq: the place of the last event.
    """

    def __init__(self, world: World) -> None:
        self.epoch, self.seq = "", 0
        self._world = world
        self._random = Random(world.plan.seed ^ 0x5E9)

    def take(self, notice: Notice) -> None:
        """Receive an event."""
        self._read(notice.message)

    async def follow(self, server: Server) -> None:
        """Read the events of a server, with pauses."""
        while not server.ended.done():
            await server.call(lambda: self._subscribe(server))
            await asyncio.sleep(self._random.uniform(0.1, 30.0))
            server.events.leave(server.reader)
            await asyncio.sleep(self._random.choice((0.0, 0.5, 10.0)))

    async def _subscribe(self, server: Server) -> None:
        caller = server.reader
        caller.subscribed = set()
        server.events.join(caller)
        since = c.Since(epoch=self.epoch, seq=self.seq)
        with suppress(RequestError):  # the server stops
            answer = await server.service.ask(caller, "subscribe", c.Subscribe(events=["*"], since=since))
            assert isinstance(answer, Replay)
            self._world.counts["recovered" if answer.reply.recovered else "not recovered"] += 1
            self._world.counts["missed events"] += len(answer.missed)
            if not answer.reply.recovered:
                self.epoch, self.seq = answer.reply.epoch, answer.reply.seq
            for message in answer.missed:
                self._read(message)
            caller.go_on()

    def _read(self, message: bytes) -> None:
        event = json.loads(message)
        if event["seq"] != self.seq + 1:
            self._world.violations.append(f"event {event['seq']} follows {self.seq}: {event}")
        self.seq = event["seq"]


_shoot = Timelapse._shoot


_shoot_of_series = Series._shoot


async def _named_series_shoot(job: Series, slot: int, camera: Session) -> None:
    """Serve a slot of a series, with its key as the name of the order."""
    ORDER.set(key_of(job.record.job, slot))
    await _shoot_of_series(job, slot, camera)


async def _named_shoot(job: Timelapse, slot: int, camera: Session) -> None:
    """Serve a slot, with its key as the name of the order."""
    ORDER.set(key_of(job.record.job, slot))
    await _shoot(job, slot, camera)


class Server:
    """One run of the server."""

    def __init__(self, world: World) -> None:
        self.run = Run()
        self.ended: asyncio.Future[None] = world.loop.create_future()
        self._world = world
        self.workers: list[ModelWorker] = []
        self.run.context.run(self._build)

    def _build(self) -> None:
        world = self._world
        self.store = world.disk.open_store(self.run.context)
        self.shots = ShotStore(self.store, f"boot {len(world.power_cuts)}")
        saver = PhotoSaver(PhotoFolder(world.disk.photos, "{original}"), world.disk.starter("photos", self.run.context))
        options = SessionOptions(photos=PhotoOptions(saver, Journals(self.shots)), spawn=self._spawn)
        self.events = EventHub(EventLog(EventStore(self.store)))
        registry = Registry([body.traits.port for body in world.bodies], options, self.events.emit)
        self.service = Service(
            registry,
            self.events,
            self.shots,
            LiveViewDefaults(),
            ServerFacts("1", {"streams": 4}, lambda path, expires: path),
        )
        observer = Caller(world.observed)
        observer.subscribed = {"capture_checked", "file_added"}
        self.events.join(observer)
        self.reader = Caller(world.reader.take)

    def _spawn(self, options: ProcessOptions, lines: LineBudget) -> ModelWorker:
        world = self._world
        body = next(body for body in world.bodies if body.traits.port == options.port)
        again = any(worker.port == options.port and worker.opened_at is not None for worker in self.workers)
        worker = ModelWorker(options, body, world.random, world.faults, world.begun, again)
        self.workers.append(worker)
        world.workers.append(worker)
        return worker

    async def call(self, work: Callable[[], Awaitable[Any]]) -> Any:
        """The result of work in the server. None if the server ended before."""

        async def inside() -> Any:
            return await work()

        task = self._world.loop.create_task(inside(), name=_REQUEST, context=self.run.context.copy())
        await asyncio.wait((task, self.ended), return_when=asyncio.FIRST_COMPLETED)
        return task.result() if task.done() else None

    def start(self) -> None:
        """Start to open the cameras."""
        self._world.loop.call_soon(self.service.start, context=self.run.context)
        self._world.loop.create_task(self._world.reader.follow(self), name="reader")

    def killed(self) -> None:
        """It was killed: its camera processes end as well."""
        self.run.dead = True
        for worker in self.workers:
            worker.kill()
        if not self.ended.done():
            self.ended.set_result(None)


async def _nothing(drives: bool) -> Detected:
    return Detected("2.5.34", [])


class World:
    """Everything in one simulation."""

    def __init__(self, plan: Plan, root: Path, loop: VirtualLoop, clock: Clock) -> None:
        self.plan = plan
        self.loop = loop
        self.clock = clock
        self.random = Random(plan.seed ^ 0x5EED)
        self.context = copy_context()
        self.faults = Faults()
        self.bodies = [Body(traits, loop, self.context) for traits in plan.cameras]
        self.disk = Disk(root, self.random)
        self.answers: dict[str, Answer] = {}
        self.trace: list[str] = []
        self.violations: list[str] = []
        self.power_cuts: list[PowerCut] = []
        self._stopping = 0
        self.unrestorable: set[str] = set()
        self.unread_until: dict[str, float] = {}
        self.checked: list[dict[str, Any]] = []
        self.started_orders: dict[str, float] = {}
        self.counts = Counter[str]()
        self.stopped_jobs: dict[int, float] = {}
        self.movie_replies: list[tuple[str, c.MovieStopped]] = []
        self.added: set[tuple[str, str]] = set()
        self.reader = Reader(self)
        self.server: Server | None = None
        self._started_at = 0.0
        self._up = asyncio.Event()
        self.runs = 0
        self.workers: list[ModelWorker] = []
        self.spans = Spans()
        self._down = self.spans.begin("server", 0.0)

    def note(self, text: str) -> None:
        """Add a line to the trace."""
        self.trace.append(f"{self.loop.time():9.4f} {text}")

    def card_was_read(self, port: str, at: float) -> bool:
        """Whether the server had read the card by then, with the camera process of that time."""
        workers = [
            one for one in self.workers if one.port == port and one.opened_at is not None and one.opened_at <= at
        ]
        read_at = workers[-1].card_read_at if workers else None
        return read_at is not None and read_at + NOTED_S < at

    def begun(self, order: str) -> None:
        """The server uses a camera for an order."""
        self.started_orders.setdefault(order, self.loop.time())

    def observed(self, notice: Notice) -> None:
        """An event for clients."""
        if notice.name == "capture_checked":
            self.checked.append(dict(notice.values))
        if notice.name == "file_added":
            self.added.add((notice.values["port"], notice.values["camera_filepath"]))
        self.note(f"event {notice.name} {notice.values}")

    # -- servers

    def start_server(self, power_cut: bool = False) -> None:
        """Start the server on the disk as it is."""
        self.runs += 1
        self._down.until = self.loop.time()
        self.disk.reboot(power_cut)
        self._started_at = self.loop.time()
        self._note_unread()
        self.server = Server(self)
        self.server.start()
        self._up.set()
        self.note(f"server {self.runs} started")

    def _note_unread(self) -> None:
        """Note the cameras of which the server cannot read which settings it has to restore."""
        if self.disk.hangs and self.loop.time() - self._started_at < _READ_S:
            self.unread_until |= {body.traits.port: float("inf") for body in self.bodies if body.settings != BASE}

    def server_down(self) -> Server | None:
        """No server runs from now on."""
        server, self.server = self.server, None
        self._down = self.spans.begin("server", self.loop.time())
        self._up.clear()
        return server

    async def stop_server(self) -> None:
        """End the server as SIGTERM does."""
        server = self.server_down()
        if server is None:
            return
        self.note("server stops")
        self._stopping += 1  # until it has stopped, no other server may use its disk
        await self._stop(server)
        self._stopping -= 1

    async def _stop(self, server: Server) -> None:

        async def stop() -> None:
            await server.service.drain(5.0)
            await server.service.stop()

        try:
            async with asyncio.timeout(_STOP_S):
                await server.call(stop)
        except TimeoutError:
            self.violations.append("the server did not stop in time")
        self._forgive(power_cut=False)
        await asyncio.sleep(_LAST_REPLIES_S)
        left = [] if server.run.dead else [task.get_name() for task in server.run.tasks if not task.done()]
        leftover = sorted(name for name in left if name != _REQUEST)
        server.killed()
        if leftover:
            self.violations.append(f"tasks are left after the end of the server: {leftover}")
        self.note("server stopped")

    # -- clients

    async def client(self, order: Order) -> None:
        """Send an order. With a key, send it again if there was no answer, or if the key could not be compared."""
        await asyncio.sleep(order.at)
        key = order.name if order.key else None
        payload: c.CaptureImage | c.CaptureBurst = c.CaptureImage(
            port=self.bodies[order.camera].traits.port,
            settings=dict(order.settings),
            download=order.download,
            save=order.save,
            keep_on_camera=order.keep_on_camera,
            key=key,
            bulb_s=order.bulb_s,
        )
        if order.burst is not None:
            payload = c.CaptureBurst(
                port=payload.port, frames=order.burst, settings=payload.settings, save=order.save, key=key
            )
        await self._send(order, payload)

    async def volley_client(self, order: VolleyOrder) -> None:
        """Send a volley, as `client` does."""
        await asyncio.sleep(order.at)
        ports = [body.traits.port for body in self.bodies]
        payload = c.Fire(
            ports=None if order.all_cameras else [ports[camera] for camera in order.cameras], in_ms=order.in_ms,
            offsets_ms={ports[camera]: offset for camera, offset in order.offsets_ms},
            prepare="half_press" if order.half_press else "none", missing=order.missing, settings=dict(order.settings),
            save=order.save, key=order.name if order.key else None,
        )  # fmt: skip
        await self._send(order, payload)

    async def _send(self, order: Order | VolleyOrder, payload: Shooting) -> None:
        answer = self.answers[order.name] = Answer(lost=True)
        leaves = order.leaves_after_s
        for _ in range(100):
            await self._up.wait()
            server = self.server
            if server is None:
                continue
            await self._ask(server, order, payload, answer, leaves)
            leaves = None
            if not order.key or not (answer.lost or answer.code == "not_recorded"):
                break
            await asyncio.sleep(1.0)
        self.note(f"{order.name}: {_words(answer)}")

    async def movie_client(self, order: MovieOrder) -> None:
        """Start a movie, and stop it later, if that is planned."""
        await asyncio.sleep(order.at)
        port = self.bodies[order.camera].traits.port
        await self._once(order.name, "start_movie", c.StartMovie(port=port, max_s=order.max_s))
        if order.stops_after_s is not None:
            await asyncio.sleep(order.stops_after_s)
            reply = await self._once(order.name, "stop_movie", c.CameraPayload(port=port))
            if isinstance(reply, c.MovieStopped):
                self.movie_replies.append((port, reply))

    async def _once(self, order: str, command: str, payload: c.Payload) -> Any:
        """The reply to a command that is sent once; None without a reply."""
        server = self.server
        if server is None:
            return None

        async def ask() -> Any:
            ORDER.set(order)
            return await server.service.ask(Caller(lambda notice: None), command, payload)

        reply = None
        try:
            async with asyncio.timeout(LONGEST_S):
                reply = await server.call(ask)
        except TimeoutError:
            self.violations.append(f"{command} has waited for {LONGEST_S:.0f} s")
        except (CameraError, RequestError) as error:
            self.note(f"{order}: {command}: {error}")
        except asyncio.CancelledError:
            if server.run.dead or self.server is not server:  # the server stopped
                return None
            raise
        else:
            self.note(f"{order}: {command}: {getattr(reply, 'message', None)}")
        return reply

    async def half_press(self, order: HalfPress) -> None:
        """Half press a button."""
        await asyncio.sleep(order.at)
        payload = c.HalfPress(port=self.bodies[order.camera].traits.port, hold_ms=order.hold_ms)
        await self._once("half press", "half_press", payload)

    async def job_client(self, number: int, order: JobOrder) -> None:
        """Start a job. Send the request again until there is an answer. Later stop the job, if that is planned."""
        await asyncio.sleep(order.at)
        port, key = self.bodies[order.camera].traits.port, f"job-{number}"
        if order.ev:
            payload = c.StartJob(
                kind="bracket",
                port=port,
                by="iso",
                ev=list(order.ev),
                settings=dict(order.settings),
                save=False,
                key=key,
            )
        else:
            payload = c.StartJob(
                kind="timelapse", port=port, interval_s=order.interval_s, count=order.count, bulb_s=order.bulb_s,
                settings=dict(order.settings), save=False, key=key,
            )  # fmt: skip
        job = await self._until_answered("start_job", payload)
        if job is not None and order.stops_after_s is not None:
            await asyncio.sleep(order.stops_after_s)
            await self._until_answered("stop_job", c.OneJob(job=job))

    async def _until_answered(self, command: str, payload: c.StartJob | c.OneJob) -> int | None:
        """The number of the job; None if the request was refused."""
        for _ in range(100):
            await self._up.wait()
            if (server := self.server) is None:
                continue
            try:
                reply = await server.call(lambda: server.service.ask(Caller(lambda notice: None), command, payload))
            except (CameraError, RequestError) as error:
                self.note(f"{command}: {error}")
                if getattr(error, "code", None) not in ("not_recorded", "shutting_down"):
                    return None
            else:
                if reply is not None:
                    if command == "stop_job" and "stopped" in reply.message and "not be recorded" not in reply.message:
                        self.stopped_jobs[reply.job.job] = self.loop.time()
                    return int(reply.job.job)
            await asyncio.sleep(1.0)
        return None

    async def stop_exposure(self, order: Order) -> None:
        """End the exposure of an order, if there is one then."""
        if order.stops_after_s is None:
            return
        await asyncio.sleep(order.at + order.stops_after_s)
        payload = c.StopExposure(port=self.bodies[order.camera].traits.port)
        if (server := self.server) is not None:
            with suppress(CameraError, RequestError):
                await server.call(lambda: server.service.ask(Caller(lambda notice: None), "stop_exposure", payload))

    async def _ask(
        self,
        server: Server,
        order: Order | VolleyOrder,
        payload: Shooting,
        answer: Answer,
        leaves_after_s: float | None,
    ) -> None:
        caller = Caller(lambda notice: None)

        async def ask() -> c.Captured | c.BurstCaptured | c.CamerasFired:
            ORDER.set(order.name)
            given = await server.service.ask(caller, _COMMANDS[type(payload)], payload)
            if isinstance(given, PictureReply):
                reply: c.Captured = given.reply if given.rest is None else await given.rest()
                return reply
            assert isinstance(given, c.Captured | c.BurstCaptured | c.CamerasFired)
            return given

        task = self.loop.create_task(ask(), name=f"ask {order.name}", context=server.run.context.copy())
        longest = LONGEST_S if leaves_after_s is None else leaves_after_s
        await asyncio.wait((task, server.ended), timeout=longest, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            answer.lost, answer.code = False, None
            try:
                answer.reply = task.result()
            except (CameraError, RequestError) as error:
                answer.code = code_of(type(error)) if isinstance(error, CameraError) else error.code
                answer.message = str(error)
            except asyncio.CancelledError:
                answer.lost = True  # the server stopped
            except Exception as error:  # noqa: BLE001
                self.violations.append(f"{order.name} got an internal error: {error!r}")
        elif not server.ended.done():
            if leaves_after_s is None:
                self.violations.append(f"{order.name} has waited for {LONGEST_S:.0f} s")
            caller.left = True
            answer.left_at = self.loop.time()
            task.cancel()

    # -- incidents

    async def happen(self, incident: Incident) -> None:
        """Let an incident happen at its time."""
        await asyncio.sleep(incident.at)
        body = self.bodies[incident.camera]
        self.note(f"{incident.kind} {incident.fault} {incident.value:g} camera {incident.camera}")
        match incident.kind:
            case "fault":
                self.faults.add(body.traits.port, incident.fault)
            case "off":
                span = self.spans.begin("camera", self.loop.time(), body.traits.port)
                body.reachable = False
                await asyncio.sleep(incident.value)
                body.reachable = True
                span.until = self.loop.time()
            case "button":
                body.press_button()
            case "kill" | "power cut":
                await self._kill(int(incident.value), incident.kind == "power cut")
            case "terminate":
                await self.stop_server()
                await asyncio.sleep(1.0)
                self._start_again(False)
            case "kill worker":
                if self.server is not None:
                    for worker in self.server.workers:
                        if worker.port == body.traits.port:
                            worker.kill()
            case "database hangs" | "photos hang":
                part = incident.kind.split()[0]
                span = self.spans.begin(incident.kind, self.loop.time())
                self.disk.hang(part)
                self._note_unread()
                await asyncio.sleep(incident.value)
                self.disk.go_on(part)
                span.until = self.loop.time()
                if part == "database":
                    read_at = self.loop.time() + WRITTEN_AGAIN_S
                    self.unread_until = {port: min(at, read_at) for port, at in self.unread_until.items()}
            case "disk full":
                span = self.spans.begin("disk full", self.loop.time())
                self.disk.fill()
                await asyncio.sleep(incident.value)
                self.disk.empty()
                span.until = self.loop.time()
            case "clock":
                self.clock.offset += incident.value

    async def _kill(self, steps: int, power_cut: bool) -> None:
        server = self.server
        if server is None:
            return
        died = self.loop.create_future()

        def killed() -> None:
            self.note("server killed" if not power_cut else "power cut")
            if power_cut:
                self._note_power_cut()
            self._forgive(power_cut)
            if self.server is server:
                self.server_down()
            server.killed()
            if not died.done():
                died.set_result(None)

        server.run.kill_after(steps, killed)
        with suppress(TimeoutError):
            async with asyncio.timeout(30):
                await asyncio.wait((died, server.ended), return_when=asyncio.FIRST_COMPLETED)
        server.run.spare()
        if died.done() or not server.ended.done():  # else something else has ended it
            await asyncio.sleep(1.0)
            self._start_again(power_cut and died.done())

    def _note_power_cut(self) -> None:
        now, since = self.loop.time(), self.disk.trouble_since
        unwritten = now - self.disk.last_trouble < WRITTEN_AGAIN_S
        self.power_cuts.append(PowerCut(now, (since if unwritten else now) - SYNC_S))

    def _forgive(self, power_cut: bool) -> None:
        """Note the cameras whose settings no server can restore, because no disk has their values.

        The settings were changed while the disk could not write, or just before a power cut.
        """
        now = self.loop.time()
        unwritten = now - self.disk.last_trouble < WRITTEN_AGAIN_S
        for body in self.bodies:
            if body.settings != BASE and (unwritten or (power_cut and now - body.changed_at < SYNC_S)):
                self.unrestorable.add(body.traits.port)
            for release in body.releases:
                unrecorded = unwritten and (not release.complete or release.at > self.disk.trouble_since - SYNC_S)
                if unrecorded or (not release.complete and power_cut and now - release.at < SYNC_S):
                    release.orphan = True
            for movie in body.movies:
                unrecorded = unwritten and (not movie.complete or movie.at > self.disk.trouble_since - SYNC_S)
                if unrecorded or (power_cut and now - movie.at < SYNC_S):
                    movie.orphan = True

    def _start_again(self, power_cut: bool) -> None:
        if self.server is None and not self._stopping:
            self.start_server(power_cut)

    # -- the whole

    async def live(self) -> None:
        """Run the plan, and then wait for rest."""
        for body in self.bodies:
            body.fill(self.plan.files_before)
        self.start_server()
        tasks = [asyncio.create_task(self.client(order)) for order in self.plan.orders]
        tasks += [asyncio.create_task(self.stop_exposure(order)) for order in self.plan.orders]
        tasks += [asyncio.create_task(self.happen(incident)) for incident in self.plan.incidents]
        tasks += [asyncio.create_task(self.job_client(number, job)) for number, job in enumerate(self.plan.jobs)]
        tasks += [asyncio.create_task(self.volley_client(volley)) for volley in self.plan.volleys]
        tasks += [asyncio.create_task(self.movie_client(movie)) for movie in self.plan.movies]
        tasks += [asyncio.create_task(self.half_press(press)) for press in self.plan.half_presses]
        await asyncio.sleep(ACTIVE_S)
        self.faults.clear()
        await asyncio.gather(*tasks)
        self.faults.clear()
        if self.server is None:
            self.start_server()
        await self._rest()

    async def _rest(self) -> None:
        until = self.loop.time() + REST_S
        while self.loop.time() < until:
            await asyncio.sleep(3.0)
            if not await self._restless():
                return
        self.violations += [f"not at rest: {reason}" for reason in await self._restless()]

    async def _restless(self) -> list[str]:
        reasons = [
            f"settings of {body.traits.port} are {body.settings}" for body in self.bodies
            if body.settings != BASE and body.traits.port not in self.unrestorable
        ]  # fmt: skip
        reasons += [
            f"{body.traits.port} records a movie" for body in self.bodies if body.records and not body.movies[-1].orphan
        ]
        reasons += [f"the button of {body.traits.port} is half pressed" for body in self.bodies if body.half_pressed]
        reasons += [
            f"shot {record.shot} is {record.state}" for record in await self.records() if record.state != "closed"
        ]
        if self.loop.time() - self.disk.last_trouble < WRITTEN_AGAIN_S:
            reasons.append("the disk may not have everything yet")
        if not self._jobs_may_wait():
            reasons += [f"job {job.job} is {job.state}" for job in await self.jobs() if job.state not in ENDED]
        assert self.server is not None
        reasons += [
            f"{session.port} is not open" for session in self.server.service.cameras.registry.known
            if not session.reconnect.connected
        ]  # fmt: skip
        return reasons

    def _jobs_may_wait(self) -> bool:
        """Whether a job may wait for hours: after a power cut, it follows the clock, and the clock was set back."""
        back = any(one.kind == "clock" and one.value < -REST_S for one in self.plan.incidents)
        return back and bool(self.power_cuts)

    async def jobs(self) -> list[JobRecord]:
        """All jobs."""
        server = self.server
        assert server is not None, "a server runs at the end"
        found: list[JobRecord] = await server.call(lambda: JobStore(server.store).last(1000))
        return found

    async def records(self) -> list[ShotRecord]:
        """All records, oldest first."""
        server = self.server
        assert server is not None, "a server runs at the end"
        found: list[ShotRecord] = await server.call(lambda: server.shots.last(1000))
        return found[::-1]


def _words(answer: Answer) -> str:
    if isinstance(answer.reply, c.BurstCaptured):
        return f"done {answer.reply.frames} pictures"
    if isinstance(answer.reply, c.CamerasFired):
        parts = [f"{one.port} {one.code or one.status}" for one in answer.reply.cameras]
        return f"fired {', '.join(parts)}{' repeated' if answer.reply.repeated else ''}"
    if answer.reply is not None:
        return f"done {answer.reply.camera_filepath}{' repeated' if answer.reply.repeated else ''}"
    return "no answer" if answer.lost else f"{answer.code}: {answer.message}"


@contextmanager
def _no_leftovers() -> Iterator[None]:
    """Collect the tasks of killed servers silently: their `finally` blocks run then, in a world that has ended."""
    hook = sys.unraisablehook
    gc.disable()
    gc.freeze()  # collect only what the simulation leaves
    try:
        yield
    finally:
        sys.unraisablehook = lambda error: None
        gc.collect()
        gc.unfreeze()
        gc.enable()
        sys.unraisablehook = hook


Shooting = c.CaptureImage | c.CaptureBurst | c.Fire
_COMMANDS: dict[type[Shooting], str] = {
    c.CaptureImage: "capture_image", c.CaptureBurst: "capture_burst", c.Fire: "fire",
}  # fmt: skip

Judge = Callable[["World", list[ShotRecord], list[JobRecord]], list[str]]


async def _live(world: World) -> None:
    await world.live()


def run(plan: Plan, judge: Judge, live: Callable[[World], Awaitable[None]] = _live) -> Result:
    """Run a plan; `judge` finds what must not be, in the world at rest. `live`: what happens until then."""
    before = _descriptors()
    result = _run(plan, judge, live)
    killed = any(incident.kind in ("kill", "power cut") for incident in plan.incidents)  # its descriptors end with it
    if not killed and (left := _left(before)) > 0:
        result.violations.append(f"{left} file descriptors are left")
    return result


def _descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def _left(before: int) -> int:
    """How many more descriptors are open than `before`. In `make coverage`, a thread opens a file for a moment."""
    for _ in range(10):
        if (left := _descriptors() - before) <= 0:
            return 0
        time.sleep(0.01)
    return left


def _run(plan: Plan, judge: Judge, live: Callable[[World], Awaitable[None]]) -> Result:
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as root:
        loop = VirtualLoop()
        clock = Clock(loop)
        asyncio.set_event_loop(loop)

        async def whole() -> Result:
            world = World(plan, Path(root), loop, clock)
            try:
                with world.disk.installed():
                    await live(world)
                    records, jobs_at_rest = await world.records(), await world.jobs()
                    violations = world.violations + judge(world, records, jobs_at_rest)
                    await world.stop_server()
                    violations += [one for one in world.violations if one not in violations]
            finally:
                world.disk.close()
            counts = Counter(
                {
                    "orders": len(plan.orders),
                    "volleys": len(plan.volleys),
                    "half presses": len(plan.half_presses),
                    "movies": sum(len(body.movies) for body in world.bodies),
                    "releases": sum(len(body.releases) for body in world.bodies),
                    "done": sum(answer.reply is not None for answer in world.answers.values()),
                    "unknown answers": sum(answer.code == "capture_unknown" for answer in world.answers.values()),
                    "unknown at rest": sum(record.outcome == "unknown" for record in records),
                    "servers": world.runs,
                    "jobs": len(jobs_at_rest),
                    "slots": sum(job.progress.next for job in jobs_at_rest),
                    "slots with a picture": sum(job.progress.shots for job in jobs_at_rest),
                    **world.counts,
                }
            )
            return Result(violations, world.trace, counts)

        with (
            clock.installed(), _no_leftovers(), patch.object(detection, "detect", _nothing),
            patch.object(ports, "signature", frozenset[str]), patch.object(uevents, "listen", lambda: None),
            patch.object(registry, "_WATCH_EVERY_S", _USB_EVERY_S), patch.object(captures, "text_of", _named), patch.object(fire, "text_of_volley", _named_volley), patch.object(movies, "Order", _named_movie),
            patch.object(jobs, "uptime_s", clock.uptime), patch.object(Timelapse, "_shoot", _named_shoot),
            patch.object(Series, "_shoot", _named_series_shoot),
            patch.object(ports, "_NODES", _NO_BUS), patch.object(ports, "DEVICES", _NO_BUS),
        ):  # fmt: skip
            try:
                return loop.run_until_complete(whole())
            except Spin:
                return Result(["a task runs again and again, and no time passes"], [], Counter())
            finally:
                loop.close()

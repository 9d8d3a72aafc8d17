"""The commands for series of shots that the server takes by itself: timelapse, bracket, stack, jobs."""

from __future__ import annotations

import argparse
import asyncio
import re
from datetime import datetime

from gphoto_ws_client.cli.film import Picture, check_movie, make_movie, picture_of
from gphoto_ws_client.cli.output import note, plain, show, show_json, show_table
from gphoto_ws_client.cli.pictures import check_settings
from gphoto_ws_client.cli.words import UsageError
from gphoto_ws_client.client import Client
from gphoto_ws_client.errors import GphotoWsError
from gphoto_ws_client.events import Event, JobShot, JobStateChanged, Reconnected
from gphoto_ws_client.options import JobOptions, RampOptions
from gphoto_ws_client.replies import JobKind, JobReply, JobStatus

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(s|m|min|h)?")
_SECONDS = {None: 1, "s": 1, "m": 60, "min": 60, "h": 3600}
_ENDED = ("done", "stopped", "failed")


def parse_duration(text: str) -> float:
    """A duration such as 10, 10s, 2m or 1h, in seconds."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise argparse.ArgumentTypeError(f"a time such as 10s, 2m or 1h, not {text!r}")
    return float(match[1]) * _SECONDS[match[2]]


def parse_exposure(text: str) -> float:
    """A shutter speed such as 1/60, 0.5 or 2, in seconds."""
    over, _, under = text.partition("/")
    try:
        return float(over) / float(under or 1)
    except (ValueError, ZeroDivisionError):
        raise argparse.ArgumentTypeError(f"a time such as 1/60 or 0.5, not {text!r}") from None


def parse_time(text: str) -> str:
    """A time of day in the zone of this computer, or with an offset, as ISO 8601 with an offset."""
    try:
        return datetime.fromisoformat(text).astimezone().isoformat()
    except ValueError:
        raise argparse.ArgumentTypeError(f"a time such as 2030-12-24T18:00, not {text!r}") from None


def parse_ev(text: str) -> list[float]:
    """Exposures in EV such as -2,0,2."""
    try:
        return [float(one) for one in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"numbers such as -2,0,2, not {text!r}") from None


def check_timelapse(options: argparse.Namespace) -> None:
    """Reject options that do not fit each other."""
    if (options.count is None) == (options.until is None):
        raise UsageError("Give either --count or --until, for example gphoto-ws timelapse 10s --count 720.")
    given = [options.min_exposure, options.max_exposure, options.max_iso, options.target_ev, options.iso_first or None]
    if not options.ramp and any(one is not None for one in given):
        raise UsageError("--min-exposure, --max-exposure, --max-iso, --target-ev and --iso-first need --ramp.")
    if options.movie is not None:
        if options.detach:
            raise UsageError("--movie needs the end of the time-lapse: leave --detach out.")
        check_movie(options.movie, force=options.force)
    check_settings(options)


async def timelapse(client: Client, options: argparse.Namespace) -> None:
    """Start a time-lapse and show each picture. The time-lapse goes on if this program ends."""
    job = JobOptions(
        interval_s=options.interval,
        count=options.count,
        until=options.until,
        start_at=options.start,
        bulb_s=options.bulb,
    )
    if options.ramp:
        job["ramp"] = _ramp(options)
    pictures = await _run(client, options, "timelapse", job, options.count)
    if options.movie is not None:
        await make_movie(client, pictures, options.movie, options.fps)
        if not options.json:
            show(str(options.movie))


async def bracket(client: Client, options: argparse.Namespace) -> None:
    """Take the same picture with several exposures."""
    count = 1 if options.by == "native" else len(options.ev)
    await _run(client, options, "bracket", JobOptions(ev=options.ev, by=options.by), count)


async def stack(client: Client, options: argparse.Namespace) -> None:
    """Take pictures with the focus in steps from near to far."""
    job = JobOptions(
        frames=options.frames, steps=options.steps, size=options.size, settle_ms=options.settle, back=not options.stay
    )
    await _run(client, options, "focus_stack", job, options.frames)


async def _run(
    client: Client, options: argparse.Namespace, kind: JobKind, wanted: JobOptions, count: int | None
) -> list[Picture]:
    """Start a job, and show each picture until its end. Returns the JPEG pictures."""
    wanted["settings"] = dict(setting.split("=", 1) for setting in options.settings)
    wanted["save"], wanted["port"] = not options.no_save, options.port
    pictures: list[Picture] = []
    async with client.events("job_shot", "job_state", "reconnected") as events:
        started = await client.start_job(kind, **wanted)
        _show_start(started, options)
        if options.detach:
            return pictures
        job = started.job
        try:
            async for event in events:
                if isinstance(event, JobShot | JobStateChanged) and event.job != job.job:
                    continue
                if isinstance(event, JobShot) and (picture := picture_of(event)) is not None:
                    pictures.append(picture)
                job = await _show(client, options, event, job, count)
                if job.state in _ENDED:
                    break
        except asyncio.CancelledError:
            note(f"job {job.job} goes on; end it with: gphoto-ws jobs stop {job.job}")
            raise
    _show_end(job, options)
    return pictures


def _show_start(started: JobReply, options: argparse.Namespace) -> None:
    if options.json:
        show_json(started)
        return
    for warning in started.warnings or ():
        note(warning)
    show(f"{started.message}. It goes on if this program ends: gphoto-ws jobs stop {started.job.job}")


async def _show(
    client: Client, options: argparse.Namespace, event: Event, job: JobStatus, count: int | None
) -> JobStatus:
    """Show an event of a job. Returns the job after it."""
    if isinstance(event, JobShot):
        if options.json:
            show_json(event)
            return job
        job = (await client.get_job(job.job)).job
        show(f"{_shot_words(event, count)}{_next_words(job)}")
    elif isinstance(event, JobStateChanged):
        job = (await client.get_job(job.job)).job
        if job.message and job.state not in _ENDED:
            note(job.message)
    elif isinstance(event, Reconnected) and not event.recovered:
        note("the connection is back; some pictures of the meantime are not shown")
        job = (await client.get_job(job.job)).job
    return job


def _show_end(job: JobStatus, options: argparse.Namespace) -> None:
    """Show how a job has ended. Raises GphotoWsError if it has failed."""
    if options.json:
        show_json(job)
    else:
        show(f"Job {job.job} is {job.state}: {job.shots} pictures, {job.skipped} skipped, {job.failed} failed")
        if job.message and job.state == "done":
            show(job.message)
    if job.state == "failed":
        raise GphotoWsError(job.message or "The job failed.")


async def list_jobs(client: Client, options: argparse.Namespace) -> None:
    """List the last jobs."""
    found = (await client.list_jobs()).jobs
    if options.json:
        show_json([plain(job) for job in found])
    else:
        show_table(
            ("JOB", "STATE", "DONE", "PICTURES", "SKIPPED", "FAILED", "NEXT", "PORT"), [_row(job) for job in found]
        )


async def change(client: Client, options: argparse.Namespace) -> None:
    """Pause, resume or stop a job."""
    work = {"pause": client.pause_job, "resume": client.resume_job, "stop": client.stop_job}[options.what]
    reply = await work(options.job)
    if options.json:
        show_json(reply)
    else:
        show(reply.message)


def _ramp(options: argparse.Namespace) -> RampOptions:
    """The options of a ramp that were given."""
    ramp = RampOptions()
    if options.iso_first:
        ramp["order"] = ("iso", "shutterspeed")
    if options.min_exposure is not None:
        ramp["min_s"] = options.min_exposure
    if options.max_exposure is not None:
        ramp["max_s"] = options.max_exposure
    if options.max_iso is not None:
        ramp["max_iso"] = options.max_iso
    if options.target_ev is not None:
        ramp["target_ev"] = options.target_ev
    return ramp


def _shot_words(event: JobShot, count: int | None) -> str:
    number = f"{event.n + 1}" + (f"/{count}" if count is not None else "")
    if event.status == "skipped":
        to = "" if event.last in (None, event.n) else f" to {event.last + 1}"
        return f"{number}{to}  skipped  {event.message or ''}".rstrip()
    if event.status == "error":
        return f"{number}  failed  {event.message or event.code}"
    names = " ".join(file.saved_path or file.camera_filepath for file in event.files)
    late = "" if event.late_ms is None else f"  {round(event.late_ms):+d} ms"
    return f"{number}  {names}{late}"


def _next_words(job: JobStatus) -> str:
    """When the next picture is taken, and the free space on the disk and on the card."""
    words = ""
    if job.next_at is not None:
        words += f"  next {datetime.fromisoformat(job.next_at).astimezone():%H:%M:%S}"
    for name, free in (("disk", job.disk_free), ("card", job.card_free)):
        if free is not None:
            words += f"  {name} {free / 1e9:.1f} GB free"
    return words


def _row(job: JobStatus) -> tuple[object, ...]:
    following = "" if job.next_at is None else job.next_at
    return (job.job, job.state, f"{job.progress:.0%}", job.shots, job.skipped, job.failed, following, job.port)

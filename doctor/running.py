"""Reports about a server that is already running, and about its cameras."""

from __future__ import annotations

import http.client
from typing import Literal

from pydantic import BaseModel, ValidationError

import healthcheck
from camera.model import State
from doctor import machine
from doctor.findings import Finding
from settings.environment import Settings

# The text for each state, and whether the user has to do something.
_STATES: dict[State, tuple[str, bool]] = {
    "opening": ("being opened", False),
    "ready": ("ready", False),
    "live": ("in live view", False),
    "capturing": ("taking a picture", False),
    "recording": ("recording a movie", False),
    "recovering": ("disconnected, being opened again", False),
    "needs_attention": ("cannot be opened", True),
    "absent": ("unplugged or off", True),
}
_STATUS = {"ok": "all open", "degraded": "not all open", "unavailable": "missing, or cannot be opened"}
_UNITS = (("days", 2 * 86400, 86400), ("h", 7200, 3600), ("min", 120, 60), ("s", 0, 1))


class _Camera(BaseModel):
    name: str
    model: str | None = None
    state: State
    attempts: int = 0
    last_error: str = ""


class _Status(BaseModel):
    status: Literal["ok", "degraded", "unavailable"]


class _Hook(BaseModel):
    failed: int
    dropped: int
    last_error: str | None


class _Webhook(BaseModel):
    origin: str
    state: Literal["ok", "retrying", "disabled"]
    waiting: int | None
    last_error: str | None


class _Health(BaseModel):
    version: str
    uptime: float
    cameras: list[_Camera]
    hook: _Hook | None = None
    webhooks: list[_Webhook] = []


def examine(settings: Settings, how_to_see: str) -> list[Finding]:
    """Findings from the server's /health. Empty if nothing responds, or if another program uses the port.

    `how_to_see` says how to run the doctor with the token of the server.
    """
    try:
        _, body = healthcheck.ask(settings)
        status = _Status.model_validate_json(body).status
    except (OSError, http.client.HTTPException, ValidationError):
        return []
    try:
        _, body = healthcheck.ask(settings, settings.api_token)
        health = _Health.model_validate_json(body)
    except (OSError, http.client.HTTPException, ValueError):
        # The server has another token, or an HTTP header cannot contain this token.
        return _without_token(settings, status, how_to_see)
    words = f"port {settings.ws_port}: gphoto-ws-server {health.version} is running, for {_duration(health.uptime)}"
    findings = [Finding("ok", words), *map(_camera_finding, health.cameras), *_outgoing_findings(health)]
    if not health.cameras:
        unseen = Finding("problem", "the running server finds no camera", "switch the camera on and plug it in")
        return [*findings, unseen, *machine.bus(0)]
    return [
        *findings,
        Finding("note", "cameras were not checked because the server uses them; stop the server to check them"),
    ]


def _without_token(settings: Settings, status: str, how_to_see: str) -> list[Finding]:
    """The finding for a server whose token is not known."""
    words = f"port {settings.ws_port}: a gphoto-ws-server is running; its cameras are {_STATUS[status]}"
    fix = f"{how_to_see} to see which camera and why"
    return [Finding("ok" if status == "ok" else "problem", words, "" if status == "ok" else fix)]


def _camera_finding(camera: _Camera) -> Finding:
    words, needs_action = _STATES[camera.state]
    words = f"its camera {camera.model or camera.name}: {words}"
    if camera.attempts:
        words += f", {camera.attempts} {'try' if camera.attempts == 1 else 'tries'} so far"
    if camera.last_error:
        words += f" ({camera.last_error})"
    if not needs_action:
        return Finding("note" if camera.last_error else "ok", words)
    more = f"; if it is already: grep {camera.last_error} docs/troubleshooting.md" if camera.last_error else ""
    return Finding("problem", words, f"switch it on and plug it in{more}")


def _outgoing_findings(health: _Health) -> list[Finding]:
    """Findings about the hook and the webhooks that do not work."""
    findings = []
    if health.hook is not None and health.hook.last_error is not None:
        words = f"the last run of the hook has failed: {health.hook.last_error}"
        findings.append(Finding("problem", words, "the server's log has its output"))
    for webhook in health.webhooks:
        if webhook.state != "ok":
            waiting = "" if webhook.waiting is None else f"; {webhook.waiting} events wait"
            words = f"the webhook {webhook.origin} fails ({webhook.last_error}){waiting}"
            fix = "check its receiver" if webhook.state == "retrying" else "check its receiver, then restart the server"
            findings.append(Finding("problem", words, fix))
    return findings


def _duration(seconds: float) -> str:
    """A duration for people: "40 s", "3 min"."""
    return next(f"{seconds // size:.0f} {unit}" for unit, least, size in _UNITS if seconds >= least)

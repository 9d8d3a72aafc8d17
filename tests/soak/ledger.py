"""Every capture that was asked for and how it ended, held against what the cameras and the photo folder have."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from tests.soak.story import Story

Outcome = Literal["under way", "done", "failed", "capture_unknown", "server killed", "own button"]
# How often the shutter may have opened between the request and the next one.
_FIRED: dict[Outcome, tuple[int, ...]] = {
    "done": (1,), "failed": (0,), "capture_unknown": (0, 1), "server killed": (0, 1),
    "own button": (1,),
}  # fmt: skip
# What the server says of a shot of unknown outcome (camera.photos.card.Finding).
_FINDING, _UNDECIDED = "with an unknown outcome", "cannot be determined"


@dataclass(eq=False)
class Capture:
    """One request to capture. `before`: how often the camera had fired by then."""

    camera: str
    order: dict[str, Any]
    before: int
    outcome: Outcome = "under way"
    code: str = ""
    reply: dict[str, Any] = field(default_factory=dict)
    picture: str = ""  # SHA-256 of a picture in the reply

    def __str__(self) -> str:
        words = f"{self.outcome} {self.code}".strip()
        return f"capture on {self.camera} after shot {self.before} ({words}; {self.order})"


class Ledger:
    """The captures in their order. Each camera has one client that captures, one photo at a time."""

    def __init__(self, story: Story) -> None:
        self._story = story
        self.captures: list[Capture] = []

    def begin(self, camera: str, order: dict[str, Any], before: int) -> Capture:
        """A capture is asked for."""
        self.captures.append(Capture(camera, order, before))
        return self.captures[-1]

    def done(self, capture: Capture, reply: dict[str, Any]) -> None:
        """It was taken."""
        capture.outcome = "done"
        text = reply.pop("image_b64", None)
        if text is not None and capture.order.get("download") == "full":
            capture.picture = hashlib.sha256(base64.b64decode(text, validate=True)).hexdigest()
        capture.reply = reply

    def refused(self, capture: Capture, code: str) -> None:
        """It ended in an error."""
        capture.outcome = "capture_unknown" if code == "capture_unknown" else "failed"
        capture.code = code

    def judge(self, states: dict[str, dict[str, Any]], photos: Path, log: str, kills: int) -> None:
        """Hold every capture against the truth.

        Args:
            states: of each camera, as its control port tells.
            photos: the photo folder.
            log: of the server, where it tells what became of shots of unknown outcome.
            kills: how often the server was killed.
        """
        saved = self._look_at(photos, kills)
        for camera, state in states.items():
            self._count_shots(camera, int(state["shots"]))
            on_card = {file["path"]: file for file in state["files"]}
            deleted = {file["path"]: file for file in state["deleted"]}
            if on_card.keys() & deleted.keys():
                self._story.violation(f"{camera} used a file name twice: the simulator is at fault")
            for capture in self.captures:
                if capture.camera == camera and capture.outcome == "done":
                    self._check_files(capture, on_card, deleted, saved)
            self._check_findings(camera, state, log)
            for file in deleted.values():
                if file["sha256"] not in saved:
                    self._story.violation(f"lost: {camera} {file['path']} was deleted there and is not saved")
        known = {
            file["sha256"] for state in states.values() for file in (*state["files"], *state["deleted"])
        }  # fmt: skip
        for digest, paths in saved.items():
            if digest not in known:
                self._story.violation(f"torn or foreign file in the photo folder: {paths}")
            if len(paths) > 1:
                self._story.violation(f"saved twice: {paths}")

    def _look_at(self, photos: Path, kills: int) -> dict[str, list[str]]:
        saved: dict[str, list[str]] = {}
        partial = 0
        for path in photos.iterdir() if photos.is_dir() else ():
            if path.name.startswith("."):
                partial += 1
            else:
                saved.setdefault(hashlib.sha256(path.read_bytes()).hexdigest(), []).append(str(path))
        self._story.count("files saved", sum(len(paths) for paths in saved.values()))
        self._story.count("half-written hidden files left by kills", partial)
        if partial > 2 * kills:
            self._story.violation(f"{partial} half-written files in the photo folder after {kills} kills of the server")
        return saved

    def _count_shots(self, camera: str, shots: int) -> None:
        mine = [capture for capture in self.captures if capture.camera == camera]
        ends = [capture.before for capture in mine[1:]] + [shots]
        for capture, end in zip(mine, ends, strict=True):
            if capture.outcome == "under way":
                self._story.violation(f"{capture} never ended")
            elif end - capture.before not in _FIRED[capture.outcome]:
                self._story.violation(f"{capture}: the shutter opened {end - capture.before} times")
        self._story.count("shots of the cameras", shots)
        self._story.count("shots behind capture_unknown or a kill", sum(
            end - one.before for one, end in zip(mine, ends, strict=True) if one.outcome in ("capture_unknown", "server killed")
        ))  # fmt: skip

    def _check_findings(self, camera: str, state: dict[str, Any], log: str) -> None:
        """Each shot of unknown outcome was looked for, and its picture, where there is one, was found."""
        lines = [line for line in log.splitlines() if state["address"] in line and _FINDING in line]
        unknown = [one for one in self.captures if one.camera == camera and one.outcome == "capture_unknown"]
        self._story.count("shots of unknown outcome that were looked for", len(lines))
        if len(lines) < len(unknown):
            self._story.violation(
                f"{camera}: {len(unknown)} shots of unknown outcome, {len(lines)} times told what of them"
            )
        undecided = any(_UNDECIDED in line for line in lines)
        pictures = {file["shot"]: file["path"] for file in state["files"]}
        for capture in unknown:
            path = pictures.get(capture.before + 1)
            after = self._next(capture)
            fired = after is None or after.before > capture.before
            if path is not None and fired and not undecided and not any(path in line for line in lines):
                self._story.violation(f"{capture}: {path} is its picture, and nobody was told")

    def _next(self, capture: Capture) -> Capture | None:
        mine = [one for one in self.captures if one.camera == capture.camera]
        return next(iter(mine[mine.index(capture) + 1 :]), None)

    def _check_files(
        self, capture: Capture, on_card: dict[str, Any], deleted: dict[str, Any], saved: dict[str, list[str]]
    ) -> None:
        warned = bool(capture.reply.get("warnings"))
        for index, told in enumerate(capture.reply["files"]):
            path = told["camera_filepath"]
            file = on_card.get(path) or deleted.get(path)
            if file is None or file["shot"] != capture.before + 1:
                self._story.violation(f"{capture} told {path}, which is not its picture: {file}")
                continue
            self._check_one(capture, told, file, path in deleted, warned, saved)
            if index == 0 and capture.picture and capture.picture != file["sha256"]:
                self._story.violation(f"{capture}: the picture in the reply is not that of the camera")

    def _check_one(
        self, capture: Capture, told: dict[str, Any], file: dict[str, Any], gone: bool, warned: bool,
        saved: dict[str, list[str]],
    ) -> None:  # fmt: skip
        where = told.get("saved_path")
        if told.get("size") not in (None, file["size"]):
            self._story.violation(f"{capture} told {told['size']} bytes of {file['size']}")
        if where is not None and where not in saved.get(file["sha256"], ()):
            self._story.violation(f"{capture}: {where} is not the camera's file")
        if capture.order.get("save") and where is None and not warned:
            self._story.violation(f"{capture} was not saved and nobody was warned")
        if gone and where is None:
            self._story.violation(f"{capture} was deleted at the camera without being saved")
        if not gone and capture.order.get("keep_on_camera") is False and not warned:
            self._story.violation(f"{capture} is still on the camera and nobody was warned")

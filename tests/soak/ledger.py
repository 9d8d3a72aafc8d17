"""Record every requested capture, and compare it with the files on the cameras and in the photo folder."""

from __future__ import annotations

import base64
import hashlib
import time
from pathlib import Path
from typing import Any

from tests.soak.journal import Journal
from tests.soak.orders import Capture, Outcome

# For each outcome, the number of times that the shutter may have opened between this request and the next request.
_FIRED: dict[Outcome, tuple[int, ...]] = {
    "done": (1,), "failed": (0,), "capture_unknown": (0, 1), "server killed": (0, 1),
    "own button": (1,),
}  # fmt: skip
# Parts of the server's log messages about a shot with an unknown outcome (camera.photos.finding.Finding).
_FINDING, _UNDECIDED = "with an unknown outcome", "cannot be determined"


class Ledger:
    """All captures, in the order of their requests. Only one client takes photos with a camera, one at a time."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.captures: list[Capture] = []

    def begin(self, camera: str, order: dict[str, Any], before: int) -> Capture:
        """Record a capture when it is requested."""
        self.captures.append(Capture(camera, order, before))
        return self.captures[-1]

    def own_button(self, camera: str, before: int, began: float) -> None:
        """Record a photo that was taken with the camera's own button. `began`: monotonic seconds."""
        self.captures.append(Capture(camera, {}, before, "own button", began=began, ended=time.monotonic()))

    def done(self, capture: Capture, reply: dict[str, Any]) -> None:
        """Record a successful reply."""
        capture.ended = time.monotonic()
        capture.outcome = "done"
        text = reply.pop("image_b64", None)
        if text is not None and capture.order.get("download") == "full":
            capture.picture = hashlib.sha256(base64.b64decode(text, validate=True)).hexdigest()
        capture.reply = reply

    def rejected(self, capture: Capture, code: str) -> None:
        """Record an error reply."""
        capture.ended = time.monotonic()
        capture.outcome = "capture_unknown" if code == "capture_unknown" else "failed"
        capture.code = code

    def check_all(self, states: dict[str, dict[str, Any]], photos: Path, log: str, kills: int) -> None:
        """Check every capture.

        Args:
            states: the state of each camera, read at its control port.
            photos: the photo folder.
            log: the server's log. For shots whose outcome was unknown, it contains the result of the search.
            kills: the number of times that the server was killed.
        """
        saved = self._saved_files(photos, kills)
        for camera, state in states.items():
            self._count_shots(camera, int(state["shots"]))
            on_card = {file["path"]: file for file in state["files"]}
            deleted = {file["path"]: file for file in state["deleted"]}
            if on_card.keys() & deleted.keys():
                self._journal.violation(f"{camera} used a file name twice: the simulator is at fault")
            for capture in self.captures:
                if capture.camera == camera and capture.outcome == "done":
                    self._check_files(capture, on_card, deleted, saved)
            self._check_findings(camera, state, log)
            for file in deleted.values():
                if file["sha256"] not in saved:
                    self._journal.violation(f"lost: {camera} {file['path']} was deleted there and is not saved")
        known = {
            file["sha256"] for state in states.values() for file in (*state["files"], *state["deleted"])
        }  # fmt: skip
        for digest, paths in saved.items():
            if digest not in known:
                self._journal.violation(f"torn or foreign file in the photo folder: {paths}")
            if len(paths) > 1:
                self._journal.violation(f"saved twice: {paths}")

    def _saved_files(self, photos: Path, kills: int) -> dict[str, list[str]]:
        saved: dict[str, list[str]] = {}
        partial = 0
        for path in photos.iterdir() if photos.is_dir() else ():
            if path.name.startswith("."):
                partial += 1
            else:
                saved.setdefault(hashlib.sha256(path.read_bytes()).hexdigest(), []).append(str(path))
        self._journal.count("files saved", sum(len(paths) for paths in saved.values()))
        self._journal.count("half-written hidden files left by kills", partial)
        if partial > 2 * kills:
            self._journal.violation(
                f"{partial} half-written files in the photo folder after {kills} kills of the server"
            )
        return saved

    def _count_shots(self, camera: str, shots: int) -> None:
        of_camera = [capture for capture in self.captures if capture.camera == camera]
        ends = [capture.before for capture in of_camera[1:]] + [shots]
        for capture, end in zip(of_camera, ends, strict=True):
            if capture.outcome == "under way":
                self._journal.violation(f"{capture} never ended")
            elif end - capture.before not in _FIRED[capture.outcome]:
                self._journal.violation(f"{capture}: the shutter opened {end - capture.before} times")
        self._journal.count("shots of the cameras", shots)
        self._journal.count("shots behind capture_unknown or a kill", sum(
            end - capture.before for capture, end in zip(of_camera, ends, strict=True) if capture.outcome in ("capture_unknown", "server killed")
        ))  # fmt: skip

    def _check_findings(self, camera: str, state: dict[str, Any], log: str) -> None:
        """Check that the server has searched for each shot with an unknown outcome. It must have found each picture."""
        lines = [line for line in log.splitlines() if state["address"] in line and _FINDING in line]
        unknown = [
            capture for capture in self.captures if capture.camera == camera and capture.outcome == "capture_unknown"
        ]
        self._journal.count("shots of unknown outcome that were looked for", len(lines))
        if len(lines) < len(unknown):
            self._journal.violation(
                f"{camera}: {len(unknown)} shots of unknown outcome, {len(lines)} log messages about them"
            )
        undecided = any(_UNDECIDED in line for line in lines)
        pictures = {file["shot"]: file["path"] for file in state["files"]}
        for capture in unknown:
            path = pictures.get(capture.before + 1)
            after = self._next(capture)
            fired = after is None or after.before > capture.before
            if path is not None and fired and not undecided and not any(path in line for line in lines):
                self._journal.violation(f"{capture}: {path} is its picture, but the log does not name it")

    def _next(self, capture: Capture) -> Capture | None:
        of_camera = [other for other in self.captures if other.camera == capture.camera]
        return next(iter(of_camera[of_camera.index(capture) + 1 :]), None)

    def _check_files(
        self, capture: Capture, on_card: dict[str, Any], deleted: dict[str, Any], saved: dict[str, list[str]]
    ) -> None:
        warned = bool(capture.reply.get("warnings"))
        for index, reply_file in enumerate(capture.reply["files"]):
            path = reply_file["camera_filepath"]
            file = on_card.get(path) or deleted.get(path)
            if file is None or file["shot"] != capture.before + 1:
                self._journal.violation(f"{capture} reported {path}, which is not its picture: {file}")
                continue
            self._check_one(capture, reply_file, file, path in deleted, warned, saved)
            if index == 0 and capture.picture and capture.picture != file["sha256"]:
                self._journal.violation(f"{capture}: the picture in the reply is not that of the camera")

    def _check_one(
        self, capture: Capture, reply_file: dict[str, Any], file: dict[str, Any], was_deleted: bool, warned: bool,
        saved: dict[str, list[str]],
    ) -> None:  # fmt: skip
        saved_path = reply_file.get("saved_path")
        if reply_file.get("size") not in (None, file["size"]):
            self._journal.violation(f"{capture} reported {reply_file['size']} of {file['size']} bytes")
        if saved_path is not None and saved_path not in saved.get(file["sha256"], ()):
            self._journal.violation(f"{capture}: {saved_path} is not the camera's file")
        if capture.order.get("save") and saved_path is None and not warned:
            self._journal.violation(f"{capture} was not saved, without a warning")
        if was_deleted and saved_path is None:
            self._journal.violation(f"{capture} was deleted at the camera without being saved")
        if not was_deleted and capture.order.get("keep_on_camera") is False and not warned:
            self._journal.violation(f"{capture} is still on the camera, without a warning")

"""Compare each order with the release that it caused: the files that the camera wrote, and the settings at the release.

The releases come from the camera's own journal (`releases` of the control port), so the comparison does not depend on
the server. The order of a release is known in two ways, which must agree. First, only one client orders pictures from a
camera, one at a time. Second, most orders set the setting "artist" to a text that no other order has.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from tests.soak.journal import Journal
from tests.soak.orders import MARK, Capture

Json = dict[str, Any]

# Properties that follow from the state of the body, or that the driver changes for its own purposes.
_NOT_SETTINGS = frozenset({
    "batterylevel", "datetime", "availableshots", "capturedestination", "currentfolder", "shuttercounter", "output",
    "liveviewstatus", "liveviewprohibit", "movieprohibit", "mirrorlockstatus", "recordingmedia", "lightmeter", "evfmode", "shutterspeed2",
})  # fmt: skip
# Part of the log message after which the server does not try to restore a setting again (camera.photos.shots).
_GIVEN_UP = "was not restored to"
_CANNOT_BE_DETERMINED = "cannot be determined"


@dataclass(frozen=True)
class Release:
    """One opening of the shutter, as the camera recorded it. `at`: monotonic seconds."""

    shot: int
    at: float
    button: bool
    settings: Mapping[str, object]
    files: tuple[str, ...]

    @classmethod
    def of(cls, said: Json) -> Self:
        """A release from an entry in the reply of the control port."""
        files = tuple(file["path"] for file in said["files"])
        return cls(said["shot"], said["at"], said["button"], said["settings"], files)


@dataclass
class Choice:
    """A request to change a setting.

    Attributes:
        began: the time of the request, in monotonic seconds.
        ended: the time of the successful reply. While it is None, the value of the setting is uncertain.
    """

    name: str
    value: object
    began: float
    ended: float | None = None


@dataclass
class Dials:
    """The changes of settings that a client has requested, in their order. The requests do not overlap."""

    choices: list[Choice] = field(default_factory=list)

    def possible(self, name: str, at: float, factory: object) -> set[object]:
        """The values that a setting may have at the time `at`: the last certain value, and all later uncertain values.

        Until the first successful reply, `factory` is the last certain value.
        """
        values = {factory}
        for choice in self.choices:
            if choice.name == name and choice.began <= at:
                if choice.ended is not None and choice.ended <= at:
                    values.clear()
                values.add(choice.value)
        return values


@dataclass
class Account:
    """What is known about one camera at the end of the run.

    Attributes:
        name: the camera's name in messages.
        releases: the camera's journal of releases.
        factory: its settings before the server was started.
        now: its settings at the end.
        at: the time at which `now` was read, in monotonic seconds.
        dials: the changes of settings by a client that orders no pictures.
        given_up: names of settings that the server could not restore, according to its log.
    """

    name: str
    releases: Sequence[Release]
    factory: Mapping[str, object]
    now: Mapping[str, object]
    at: float
    dials: Dials
    given_up: frozenset[str] = frozenset()


def given_up(log: str, port: str) -> frozenset[str]:
    """The names of the settings of one camera that the server could not restore, according to its log."""
    lines = [line for line in log.splitlines() if port in line and _GIVEN_UP in line]
    return frozenset(line.partition(f"{port}: ")[2].partition(" ")[0] for line in lines)


class Pairing:
    """Pairs the orders and the releases of one camera, and checks what the server reported about each order.

    Args:
        journal: receives the broken promises.
        account: what is known about the camera.
        captures: the captures with this camera in their order.
    """

    def __init__(self, journal: Journal, account: Account, captures: Sequence[Capture]) -> None:
        self._journal = journal
        self._account = account
        self._captures = captures
        self._given: dict[str, Capture] = {}
        self._releases: dict[Capture, Release] = {}
        self._ordered: dict[str, set[object]] = {}

    def check(self, records: Iterable[Json], findings: Iterable[Json]) -> None:
        """Check every order.

        Args:
            records: the server's records of all shots of this camera.
            findings: all events capture_checked of this camera.
        """
        for capture, releases in self._windows():
            self._pair(capture, releases)
            for name, value in capture.settings.items():
                self._ordered.setdefault(name, set()).add(value)
            if capture.outcome == "done":
                self._check_reply(capture)
        self._check_records(list(records), list(findings))
        self._check_settings_now()
        self._journal.count("orders paired with their release", len(self._releases))

    def _windows(self) -> Iterable[tuple[Capture, list[Release]]]:
        """Each capture with the releases between its request and the next request."""
        account = self._account
        last = max((release.shot for release in account.releases), default=0)
        ends = [capture.before for capture in self._captures[1:]] + [last]
        for capture, end in zip(self._captures, ends, strict=True):
            yield capture, [release for release in account.releases if capture.before < release.shot <= end]

    # -- which release

    def _pair(self, capture: Capture, releases: list[Release]) -> None:
        for release in releases:
            if release.button != (capture.outcome == "own button"):
                who = "the camera's own button" if release.button else "a command"
                self._journal.violation(f"{capture}: release {release.shot} was caused by {who}")
            elif release.at < capture.began or (capture.outcome == "done" and release.at > capture.ended):
                self._journal.violation(f"{capture}: release {release.shot} was not between the request and the reply")
            elif not release.button:
                self._check_mark(capture, release)
                self._check_settings(capture, release)
            self._releases[capture] = release

    def _check_mark(self, capture: Capture, release: Release) -> None:
        mark = release.settings[MARK]
        other = next((one for one in self._captures if one is not capture and one.settings.get(MARK) == mark), None)
        if other is not None and not self._left_over(MARK, mark):
            self._journal.violation(f"{capture}: release {release.shot} has the artist of another order: {other}")

    def _left_over(self, name: str, value: object) -> bool:
        """Whether the value is from an earlier order, and the log says that the setting could not be restored."""
        return name in self._account.given_up and value in self._ordered.get(name, ())

    def _check_settings(self, capture: Capture, release: Release) -> None:
        """Check that the release had the settings of the order, and that the other settings were as before."""
        for name, value in release.settings.items():
            if name in capture.settings:
                if value != capture.settings[name]:
                    self._journal.violation(
                        f"{capture}: release {release.shot} had {name} {value!r} instead of {capture.settings[name]!r}"
                    )
            elif not self._as_before(name, value, release.at):
                self._journal.violation(f"{capture}: release {release.shot} had {name} {value!r}, which nobody ordered")

    def _as_before(self, name: str, value: object, at: float) -> bool:
        account = self._account
        allowed = account.dials.possible(name, at, account.factory[name])
        return name in _NOT_SETTINGS or value in allowed or self._left_over(name, value)

    def _check_settings_now(self) -> None:
        for name, value in self._account.now.items():
            if not self._as_before(name, value, self._account.at):
                self._journal.violation(f"{self._account.name}: {name} is {value!r} at the end, which nobody chose")

    # -- which files

    def _check_reply(self, capture: Capture) -> None:
        release, reply = self._releases.get(capture), capture.reply
        paths = [file["camera_filepath"] for file in reply["files"]]
        if release is None or set(paths) != set(release.files) or len(paths) != len(release.files):
            written = "no release" if release is None else f"release {release.shot} with {list(release.files)}"
            self._journal.violation(f"{capture}: the reply names {paths}, the camera has {written}")
        if reply["camera_filepath"] != paths[0] or not _jpeg_first(paths):
            self._journal.violation(f"{capture}: camera_filepath is {reply['camera_filepath']}, the files are {paths}")
        if reply.get("filename") not in (None, paths[0].rpartition("/")[2]):
            self._journal.violation(f"{capture}: the picture in the reply is {reply['filename']}, not {paths[0]}")
        self._give(capture, paths)

    def _give(self, capture: Capture, paths: Iterable[str]) -> None:
        """Record that files were reported for this order. A file that another order already has is a violation."""
        for path in paths:
            other = self._given.setdefault(path, capture)
            if other is not capture:
                self._journal.violation(f"{path} was given to two orders: {other} and {capture}")

    # -- what the server says later

    def _check_records(self, records: list[Json], findings: list[Json]) -> None:
        recorded: dict[Capture, Json] = {}
        for record in records:
            capture = next((one for one in self._captures if one.fits(record)), None)
            if capture is None:
                self._journal.violation(f"{self._account.name}: shot {record['shot']} was not ordered: {record}")
            elif capture in recorded:
                self._journal.violation(f"{capture} has two records: {recorded[capture]['shot']} and {record['shot']}")
            else:
                recorded[capture] = record
                self._check_record(capture, record)
        for capture in self._releases:
            if capture not in recorded and capture.outcome != "own button":
                self._journal.violation(f"{capture}: list_shots does not have it")
        by_number = {record["shot"]: capture for capture, record in recorded.items()}
        for finding in findings:
            found_for = by_number.get(finding["shot"])
            if found_for is None:
                self._journal.violation(f"{self._account.name}: capture_checked for a shot without a record: {finding}")
            elif finding["files"] is not None:
                self._check_found(found_for, finding["files"], "capture_checked")
        self._journal.count("results of capture_checked compared", len(findings))

    def _check_record(self, capture: Capture, record: Json) -> None:
        paths = [file["camera_filepath"] for file in record["files"]]
        what = f"get_shot {record['shot']}"
        if record["settings"] != capture.settings:
            self._journal.violation(f"{capture}: {what} has the settings {record['settings']}")
        if record["outcome"] is None or record["state"] != "closed":
            self._journal.violation(f"{capture}: {what} has no outcome at the end: {record['state']}")
        elif capture.outcome == "done":
            said = [file["camera_filepath"] for file in capture.reply["files"]]
            if (record["outcome"], record["shot"], paths) != ("done", capture.reply["shot"], said):
                self._journal.violation(f"{capture}: {what} says {record['outcome']} with {paths}, the reply {said}")
        elif record["outcome"] == "unknown":
            self._journal.count("shots whose outcome cannot be determined")
            if _CANNOT_BE_DETERMINED not in record["message"]:
                self._journal.violation(f"{capture}: {what} has an unknown outcome: {record['message']}")
        else:
            self._check_found(capture, paths, what)

    def _check_found(self, capture: Capture, paths: list[str], what: str) -> None:
        """Check the files that the server found after an unknown outcome.

        They must contain all files of the release. Files of later pictures of the camera's own button are also allowed.
        """
        release = self._releases.get(capture)
        written = set(release.files) if release is not None else set[str]()
        since = capture.before if release is None else release.shot
        own = {path for one in self._account.releases if one.button and one.shot > since for path in one.files}
        if not written <= set(paths) or not set(paths) <= written | own:
            self._journal.violation(f"{capture}: {what} names {paths}, the camera wrote {sorted(written)}")
        self._give(capture, set(paths) - own)


def _jpeg_first(paths: list[str]) -> bool:
    raw = [not path.upper().endswith(".JPG") for path in paths]
    return raw == sorted(raw)

"""Check that the comparison of orders and releases finds each kind of wrong report, and does not accept everything."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.soak.journal import Journal
from tests.soak.orders import Capture
from tests.soak.pairing import Account, Choice, Dials, Pairing, Release, given_up

FACTORY = {"artist": "", "iso": "100", "shutterspeed": "1/125", "availableshots": 100}
PORT = "ptpip:127.0.0.1:4001:4001"


class Scene:
    """A camera with three orders. Orders 1 and 2 are done. The outcome of order 3 was unknown; its files were found."""

    def __init__(self) -> None:
        self.captures = [self._order(number) for number in (1, 2, 3)]
        self.releases = [self._release(number) for number in (1, 2, 3)]
        for capture in self.captures[:2]:
            self._done(capture)
        self.captures[2].outcome = "capture_unknown"
        self.records = [self._record(number, "done", self._paths(number)) for number in (1, 2, 3)]
        self.findings: list[dict[str, Any]] = [{"shot": 3, "files": list(self._paths(3))}]
        self.now: dict[str, object] = dict(FACTORY)
        self.dials = Dials()
        self.log = ""

    def violations(self) -> list[str]:
        """The broken promises that the comparison finds."""
        journal = Journal()
        account = Account("canon 1", self.releases, FACTORY, self.now, 40.0, self.dials, given_up(self.log, PORT))
        Pairing(journal, account, self.captures).check(self.records, self.findings)
        return journal.broken

    def changed_release(self, number: int, **changes: Any) -> None:
        """Replace parts of a release in the camera's journal."""
        old = self.releases[number - 1]
        values = {name: getattr(old, name) for name in ("shot", "at", "button", "settings", "files")}
        self.releases[number - 1] = Release(**(values | changes))

    @staticmethod
    def _paths(number: int) -> tuple[str, str]:
        return f"/DCIM/IMG_000{number}.JPG", f"/DCIM/IMG_000{number}.CR2"

    @staticmethod
    def _order(number: int) -> Capture:
        order = {"settings": {"artist": f"order {number}", "iso": "800"}, "key": f"key {number}"}
        return Capture("canon 1", order, number - 1, began=10.0 * number, ended=10.0 * number + 5)

    def _release(self, number: int) -> Release:
        settings = FACTORY | {"artist": f"order {number}", "iso": "800", "availableshots": 100 - number}
        return Release(number, 10.0 * number + 1, False, settings, self._paths(number))

    def _done(self, capture: Capture) -> None:
        paths = self._paths(capture.before + 1)
        capture.outcome = "done"
        capture.reply = {
            "camera_filepath": paths[0], "files": [{"camera_filepath": path} for path in paths],
            "shot": capture.before + 1,
        }  # fmt: skip

    def _record(self, number: int, outcome: str | None, paths: tuple[str, ...]) -> dict[str, Any]:
        return {
            "shot": number, "key": f"key {number}", "settings": self.captures[number - 1].settings, "state": "closed",
            "outcome": outcome, "files": [{"camera_filepath": path} for path in paths], "message": "",
        }  # fmt: skip


def test_a_correct_report_has_no_violation() -> None:
    assert Scene().violations() == []


def _files_of_another_release(scene: Scene) -> None:
    scene.captures[0].reply["files"], scene.captures[1].reply["files"] = (
        scene.captures[1].reply["files"], scene.captures[0].reply["files"],
    )  # fmt: skip


def _a_file_is_missing(scene: Scene) -> None:
    scene.captures[0].reply["files"].pop()


def _two_orders_get_one_file(scene: Scene) -> None:
    scene.captures[1].reply["files"] = scene.captures[0].reply["files"]


def _the_raw_file_comes_first(scene: Scene) -> None:
    scene.captures[0].reply["files"].reverse()
    scene.captures[0].reply["camera_filepath"] = "/DCIM/IMG_0001.CR2"


def _camera_filepath_of_another_release(scene: Scene) -> None:
    scene.captures[0].reply["camera_filepath"] = "/DCIM/IMG_0002.JPG"


def _the_picture_is_another_file(scene: Scene) -> None:
    scene.captures[0].reply["filename"] = "IMG_0002.JPG"


def _the_settings_of_another_order(scene: Scene) -> None:
    scene.changed_release(2, settings=scene.releases[0].settings)


def _a_setting_was_not_set(scene: Scene) -> None:
    scene.changed_release(1, settings=dict(scene.releases[0].settings) | {"iso": "100"})


def _another_setting_changed(scene: Scene) -> None:
    scene.changed_release(1, settings=dict(scene.releases[0].settings) | {"shutterspeed": "1/60"})


def _the_own_button(scene: Scene) -> None:
    scene.changed_release(1, button=True)


def _a_release_before_the_request(scene: Scene) -> None:
    scene.changed_release(1, at=9.0)


def _a_release_after_the_reply(scene: Scene) -> None:
    scene.changed_release(1, at=16.0)


def _a_setting_stays(scene: Scene) -> None:
    scene.now["artist"] = "order 3"


def _an_unknown_shot_is_called_failed(scene: Scene) -> None:
    scene.records[2] |= {"outcome": "failed", "files": []}
    scene.findings.clear()


def _the_result_of_a_check_names_another_file(scene: Scene) -> None:
    scene.findings[0]["files"] = ["/DCIM/IMG_0002.JPG", "/DCIM/IMG_0002.CR2"]


def _the_result_of_a_check_has_no_file(scene: Scene) -> None:
    scene.findings[0]["files"] = []


def _a_record_names_another_file(scene: Scene) -> None:
    scene.records[0]["files"] = scene.records[1]["files"]


def _a_record_stays_open(scene: Scene) -> None:
    scene.records[2] |= {"outcome": None, "state": "released"}


def _a_record_is_missing(scene: Scene) -> None:
    del scene.records[0]


def _two_records_for_an_order(scene: Scene) -> None:
    scene.records.append(scene.records[0] | {"shot": 4})


def _a_record_without_an_order(scene: Scene) -> None:
    scene.records.append(scene.records[0] | {"shot": 4, "key": "key 4"})


def _an_unknown_outcome_without_a_reason(scene: Scene) -> None:
    scene.records[2] |= {"outcome": "unknown", "files": []}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_files_of_another_release, "the reply names"),
        (_a_file_is_missing, "the reply names"),
        (_two_orders_get_one_file, "was given to two orders"),
        (_the_raw_file_comes_first, "camera_filepath is"),
        (_camera_filepath_of_another_release, "camera_filepath is"),
        (_the_picture_is_another_file, "the picture in the reply is"),
        (_the_settings_of_another_order, "has the artist of another order"),
        (_a_setting_was_not_set, "had iso '100' instead of '800'"),
        (_another_setting_changed, "had shutterspeed '1/60', which nobody ordered"),
        (_the_own_button, "was caused by the camera's own button"),
        (_a_release_before_the_request, "was not between the request and the reply"),
        (_a_release_after_the_reply, "was not between the request and the reply"),
        (_a_setting_stays, "artist is 'order 3' at the end"),
        (_an_unknown_shot_is_called_failed, "get_shot 3 names []"),
        (_the_result_of_a_check_names_another_file, "capture_checked names"),
        (_the_result_of_a_check_has_no_file, "capture_checked names []"),
        (_a_record_names_another_file, "get_shot 1 says done"),
        (_a_record_stays_open, "has no outcome at the end"),
        (_a_record_is_missing, "list_shots does not have it"),
        (_two_records_for_an_order, "has two records"),
        (_a_record_without_an_order, "was not ordered"),
        (_an_unknown_outcome_without_a_reason, "has an unknown outcome"),
    ],
)
def test_a_wrong_report_is_a_violation(change: Callable[[Scene], None], words: str) -> None:
    scene = Scene()
    change(scene)
    assert any(words in violation for violation in scene.violations()), scene.violations()


def test_a_setting_may_have_each_value_that_is_possible() -> None:
    scene = Scene()
    scene.dials.choices += [Choice("shutterspeed", "1/60", 1.0, 2.0), Choice("shutterspeed", "1/250", 32.0)]
    for number in (1, 2, 3):
        scene.changed_release(number, settings=dict(scene.releases[number - 1].settings) | {"shutterspeed": "1/60"})
    scene.now["shutterspeed"] = "1/250"  # the last request has no reply
    assert scene.violations() == []
    scene.now["shutterspeed"] = "1/125"  # the factory value was certainly replaced
    assert len(scene.violations()) == 1


def test_a_setting_may_stay_only_if_the_log_says_so() -> None:
    scene = Scene()
    scene.log = f"WARNING camera.photos.shots: {PORT}: artist was not restored to : the camera rejected the value"
    _a_setting_stays(scene)
    assert scene.violations() == []
    scene.now["artist"] = "order 9"
    assert len(scene.violations()) == 1

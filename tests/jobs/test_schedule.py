"""The slots of a job under changed clocks, restarts and reboots, without waiting."""

from __future__ import annotations

import time

import pytest

from service.jobs.schedule import Anchor, Schedule

HOUR_S = 3600.0


class Clocks:
    """A system clock that can be set, and the time since a boot, which cannot."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.uptime_s = 100.0
        self.offset = 1_900_000_000.0
        monkeypatch.setattr(time, "time", lambda: self.offset + self.uptime_s)

    def uptime(self) -> float:
        """The seconds since the boot."""
        return self.uptime_s

    def schedule(self, anchor: Anchor, interval_s: float = 10.0, boot: str = "boot 1") -> Schedule:
        """A schedule that a server makes now."""
        return Schedule(anchor, interval_s, boot, self.uptime)

    def anchor(self, in_s: float) -> Anchor:
        """The time of slot 0 in so many seconds."""
        return Anchor(time.time() + in_s, "boot 1", self.uptime_s + in_s)


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> Clocks:
    return Clocks(monkeypatch)


def test_slots_do_not_drift(clocks: Clocks) -> None:
    schedule = clocks.schedule(clocks.anchor(1.0), interval_s=0.7)
    for slot in range(10_000):
        clocks.uptime_s += schedule.in_s(slot) + 0.003  # each shot ends a little late
        assert schedule.first_after(0) == slot + 1
    assert clocks.uptime_s == pytest.approx(101.0 + 0.7 * 9_999 + 0.003)


@pytest.mark.parametrize("step_s", [-2 * HOUR_S, -3.0, 3.0, 25 * HOUR_S])
def test_a_changed_clock_moves_no_slot_of_a_running_job(clocks: Clocks, step_s: float) -> None:
    schedule = clocks.schedule(clocks.anchor(0.0))
    clocks.uptime_s += 25.0
    clocks.offset += step_s
    before = schedule.in_s(3)
    assert schedule.follow_clock()
    assert schedule.in_s(3) == before == 5.0
    assert schedule.due_at(3) == time.time() + 5.0
    assert not schedule.follow_clock()


@pytest.mark.parametrize("step_s", [-40.0, 40.0])
def test_a_job_for_a_time_of_day_follows_the_clock(clocks: Clocks, step_s: float) -> None:
    schedule = clocks.schedule(clocks.anchor(60.0))
    clocks.offset += step_s
    assert schedule.follow_clock()
    assert schedule.in_s(0) == pytest.approx(60.0 - step_s)


def test_a_job_for_a_time_of_day_follows_a_clock_that_is_slewed(clocks: Clocks) -> None:
    schedule = clocks.schedule(clocks.anchor(60.0))
    for _ in range(100):
        clocks.offset += 0.1  # a time daemon corrects the clock in small steps
        schedule.follow_clock()
    assert schedule.in_s(0) == pytest.approx(50.0)


def test_the_next_server_of_the_same_boot_has_the_same_slots(clocks: Clocks) -> None:
    schedule = clocks.schedule(clocks.anchor(0.0))
    clocks.uptime_s += 25.0
    clocks.offset += HOUR_S  # while no server runs
    later = clocks.schedule(schedule.anchor)
    assert later.in_s(3) == 5.0
    assert later.first_after(0) == 3


def test_after_a_reboot_the_system_clock_counts(clocks: Clocks) -> None:
    schedule = clocks.schedule(clocks.anchor(0.0))
    clocks.offset += HOUR_S
    schedule.follow_clock()
    clocks.uptime_s, clocks.offset = 20.0, clocks.offset + 125.0 - 20.0  # 25 s later
    later = clocks.schedule(schedule.anchor, boot="boot 2")
    assert later.in_s(3) == pytest.approx(5.0)


def test_slots_follow_a_clock_that_was_behind_after_a_reboot(clocks: Clocks) -> None:
    schedule = clocks.schedule(clocks.anchor(0.0))
    clocks.uptime_s, clocks.offset = 20.0, clocks.offset + 125.0 - 20.0 - HOUR_S  # 25 s later, but an hour behind
    later = clocks.schedule(schedule.anchor, boot="boot 2")
    clocks.offset += HOUR_S
    assert later.follow_clock()
    assert later.in_s(3) == pytest.approx(5.0)
    clocks.offset += HOUR_S  # by a person
    assert later.follow_clock()
    assert later.in_s(3) == pytest.approx(5.0)

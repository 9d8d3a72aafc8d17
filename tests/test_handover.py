"""The handover of calls to threads. The tests use no threads: each test decides when the work is done."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from handover import Call, Handover

Work = Callable[[], None]


async def _started(handover: Handover, function: Callable[[Call], int], deadline_s: float) -> asyncio.Task[int]:
    task = asyncio.create_task(handover.run(deadline_s, function))
    await asyncio.sleep(0)
    return task


async def test_the_result_and_the_error_of_a_call_reach_its_task() -> None:
    handover = Handover(lambda work: work())
    assert await handover.run(1.0, lambda call: 7) == 7
    with pytest.raises(ZeroDivisionError):
        await handover.run(1.0, lambda call: 1 // 0)
    assert not handover.hangs


async def test_while_a_call_hangs_others_fail_at_once() -> None:
    given: list[Work] = []
    seen: list[bool] = []
    handover = Handover(given.append)

    def function(call: Call) -> int:
        seen.append(call.abandoned)
        return 7

    with pytest.raises(TimeoutError):
        await handover.run(0.01, function)
    with pytest.raises(TimeoutError):
        await handover.run(60.0, function)
    assert handover.hangs
    assert len(given) == 1
    given.pop()()  # after the timeout, the work does not call the function
    await asyncio.sleep(0)
    assert not handover.hangs
    assert seen == []


@pytest.mark.parametrize("finish", [True, False])
async def test_a_call_of_a_cancelled_task_is_completed_or_abandoned(finish: bool) -> None:
    given: list[Work] = []
    seen: list[int] = []
    handover = Handover(given.append, finish_cancelled=finish)

    def function(call: Call) -> int:
        seen.append(7)
        return 7

    task = await _started(handover, function, 60.0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert handover.hangs is not finish
    given.pop()()
    await asyncio.sleep(0)
    assert seen == ([7] if finish else [])
    assert not handover.hangs

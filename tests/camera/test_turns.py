"""Access to a camera: in the order of the requests, and refused to clients during a bulb exposure."""

from __future__ import annotations

import asyncio

import pytest

from camera.errors import CameraBusy
from camera.turns import Turns

BUSY = CameraBusy("The camera is busy.")


async def test_callers_get_their_turns_in_the_order_of_their_requests() -> None:
    turns, order = Turns(), list[int]()

    async def use(number: int) -> None:
        await turns.take(patient=False)
        order.append(number)
        await asyncio.sleep(0)
        turns.give_back()

    await asyncio.gather(*(use(number) for number in range(5)))
    assert order == [0, 1, 2, 3, 4]
    assert not turns.taken


async def test_a_refusal_reaches_callers_that_wait_except_patient_ones() -> None:
    turns = Turns()
    await turns.take(patient=False)
    client = asyncio.create_task(turns.take(patient=False))
    patient = asyncio.create_task(turns.take(patient=True))
    await asyncio.sleep(0)
    turns.refuse(BUSY)
    with pytest.raises(CameraBusy):
        await client
    with pytest.raises(CameraBusy):
        await turns.take(patient=False)
    turns.allow()
    late = asyncio.create_task(turns.take(patient=False))
    turns.give_back()
    await patient
    assert not late.done()
    turns.give_back()
    await late


async def test_a_caller_that_is_cancelled_passes_its_turn_on() -> None:
    turns = Turns()
    await turns.take(patient=False)
    first = asyncio.create_task(turns.take(patient=False))
    second = asyncio.create_task(turns.take(patient=False))
    await asyncio.sleep(0)
    turns.give_back()  # the first caller has its turn, but does not know it yet
    first.cancel()
    await second
    turns.give_back()
    assert not turns.taken
    assert first.cancelled()

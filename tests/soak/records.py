"""Read the server's records of all shots."""

from __future__ import annotations

import asyncio

from tests.soak.connection import Connection, ErrorReply, Json
from tests.soak.world import World

_REPLY_S = 30.0
_MOST_LISTED = 1000
_RATE_LIMITED_S = 0.5


async def all_shots(world: World) -> list[Json]:
    """The records of all shots. The last records come from list_shots, and the older records from get_shot.

    The record of the newest shot must be equal in both replies.
    """
    connection = await Connection.connect(world, "accountant")
    assert connection is not None
    try:
        records: list[Json] = (await connection.ask("list_shots", _REPLY_S, limit=_MOST_LISTED))["shots"]
        if records:
            records += [await _one(connection, number) for number in range(1, records[-1]["shot"])]
            newest = await _one(connection, records[0]["shot"])
            if newest != records[0]:
                world.journal.violation(f"list_shots has {records[0]}, get_shot {newest}")
        return records
    finally:
        await connection.close()


async def _one(connection: Connection, number: int) -> Json:
    while True:
        try:
            reply = await connection.ask("get_shot", _REPLY_S, shot=number)
        except ErrorReply as error:
            if error.code != "rate_limited":
                raise
            await asyncio.sleep(_RATE_LIMITED_S)
        else:
            return {key: value for key, value in reply.items() if key not in ("status", "id", "command")}

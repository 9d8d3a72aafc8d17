"""The close codes of the server: when each is sent, and whether reconnecting makes sense."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

SHUTTING_DOWN = 1001
MESSAGE_TOO_BIG = 1009
UNFINISHED = 1011
NO_ROOM = 1013
NO_LOGIN = 4400
WRONG_TOKEN = 4401
UNSUPPORTED_PROTOCOL = 4406
LOGIN_TIMEOUT = 4408
DOES_NOT_READ = 4413
FLOOD = 4429


@dataclass(frozen=True, slots=True)
class CloseCode:
    """A close code, when it is sent, and whether a client should reconnect."""

    code: int
    when: str
    again: Literal["yes", "later", "no"]


CLOSE_CODES: tuple[CloseCode, ...] = (
    CloseCode(SHUTTING_DOWN, "The server is shutting down.", "yes"),
    CloseCode(MESSAGE_TOO_BIG, "A message was longer than the limit.", "no"),
    CloseCode(UNFINISHED, "The client did not answer a ping in time, or the server could not finish a reply.", "yes"),
    CloseCode(NO_ROOM, "There are too many connections.", "later"),
    CloseCode(NO_LOGIN, "The first message was not a JSON object with a string as token.", "no"),
    CloseCode(WRONG_TOKEN, "The token is wrong.", "no"),
    CloseCode(UNSUPPORTED_PROTOCOL, "The server does not support the requested protocol number.", "no"),
    CloseCode(LOGIN_TIMEOUT, "The first message did not come in time.", "yes"),
    CloseCode(
        DOES_NOT_READ, "The client does not read what was sent to it, or reads too slowly for its events.", "yes"
    ),
    CloseCode(FLOOD, "The client sent far too much, or too many wrong tokens came from its address.", "later"),
)

"""Every limit of the server, in one place, as server_info tells them."""

from __future__ import annotations

import time

MESSAGE_BYTES = 64 * 1024
CONNECTIONS = 64
CONNECTIONS_NOT_LOGGED_IN = 16
PENDING_COMMANDS = 32
COMMANDS_A_SECOND = 100
COMMANDS_BURST = 200
LOGIN_SECONDS = 30
READ_STALL_SECONDS = 15
STREAMS = 16

ALL: dict[str, int | float] = {
    "message_bytes": MESSAGE_BYTES,
    "connections": CONNECTIONS,
    "connections_not_logged_in": CONNECTIONS_NOT_LOGGED_IN,
    "pending_commands": PENDING_COMMANDS,
    "commands_a_second": COMMANDS_A_SECOND,
    "commands_burst": COMMANDS_BURST,
    "login_seconds": LOGIN_SECONDS,
    "read_stall_seconds": READ_STALL_SECONDS,
    "streams": STREAMS,
}


class TokenBucket:
    """Counts events against a steady rate with room for bursts."""

    def __init__(self, rate: float, burst: float) -> None:
        self._rate, self._burst = rate, burst
        self._level, self._at = burst, time.monotonic()

    def take(self) -> bool:
        """Whether one more fits now."""
        now = time.monotonic()
        self._level = min(self._burst, self._level + (now - self._at) * self._rate)
        self._at = now
        if self._level < 1:
            return False
        self._level -= 1
        return True

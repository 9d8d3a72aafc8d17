"""Every limit of the server, in one place, as server_info tells them."""

from __future__ import annotations

import time

MESSAGE_BYTES = 64 * 1024
CONNECTIONS = 64
CONNECTIONS_NOT_LOGGED_IN = 16
CONNECTIONS_OPENING = 128
PENDING_COMMANDS = 32
COMMANDS_A_SECOND = 100
COMMANDS_BURST = 200
LOGIN_SECONDS = 30
READ_STALL_SECONDS = 15
# What waits for a client behind a long download: some 3000 events, which all clients share where they are the same.
EVENT_BYTES = 1024 * 1024
# One costs a third of a megabyte; those of clients that come and go within a second, 50 a second, are not too many.
TLS_HANDSHAKES = 256
TLS_HANDSHAKE_SECONDS = 3
# A dead peer that has nothing to read is found by pings: gone after both, below 20 s with the closing.
PING_SECONDS = 5
PONG_SECONDS = 12
STREAMS = 16
# One for each frame of all streams at the highest rate, and some more.
ACKS_A_SECOND = 2000
# Of the WebSocket protocol: fragments of messages, and pings and pongs.
FRAMES_A_SECOND = 2500
CONTROL_FRAMES_A_SECOND = 50

ALL: dict[str, int | float] = {
    "message_bytes": MESSAGE_BYTES,
    "connections": CONNECTIONS,
    "connections_not_logged_in": CONNECTIONS_NOT_LOGGED_IN,
    "connections_opening": CONNECTIONS_OPENING,
    "tls_handshakes": TLS_HANDSHAKES,
    "tls_handshake_seconds": TLS_HANDSHAKE_SECONDS,
    "pending_commands": PENDING_COMMANDS,
    "commands_a_second": COMMANDS_A_SECOND,
    "commands_burst": COMMANDS_BURST,
    "login_seconds": LOGIN_SECONDS,
    "read_stall_seconds": READ_STALL_SECONDS,
    "event_bytes": EVENT_BYTES,
    "acks_a_second": ACKS_A_SECOND,
    "frames_a_second": FRAMES_A_SECOND,
    "control_frames_a_second": CONTROL_FRAMES_A_SECOND,
    "ping_seconds": PING_SECONDS,
    "pong_seconds": PONG_SECONDS,
    "streams": STREAMS,
}

# What each limit means, with units, for the documents.
MEANINGS: dict[str, str] = {
    "message_bytes": "longest message from a client in bytes; for a longer one the connection is closed with 1009",
    "connections": "connections with a login; the next client gets HTTP 503",
    "connections_not_logged_in": "connections without a login; if there are more, one is closed",
    "connections_opening": "connections that have not finished their handshake; if there are more, one is closed",
    "tls_handshakes": "TLS handshakes in progress; the next connection is closed",
    "tls_handshake_seconds": "longest time of a TLS handshake in seconds",
    "pending_commands": "commands in progress on one connection; the next gets `too_many_pending`",
    "commands_a_second": "sustained commands per second on one connection; more get `rate_limited`",
    "commands_burst": "commands at once after a pause",
    "login_seconds": "seconds until the token must be received",
    "read_stall_seconds": "seconds without any data read by a client that has unread data; then it is closed with 4413",
    "event_bytes": "bytes of events that wait for a slow client; beyond them it is closed with 4413",
    "acks_a_second": "ack messages per second on one connection",
    "frames_a_second": "WebSocket frames per second from one connection",
    "control_frames_a_second": "pings and pongs per second from one connection",
    "ping_seconds": "seconds between two pings of the server",
    "pong_seconds": "seconds until a ping must be answered",
    "streams": "live-view streams on one connection",
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

"""All limits of the server. The reply to `server_info` contains them."""

from __future__ import annotations

import time

MESSAGE_BYTES = 64 * 1024
CONNECTIONS = 64
CONNECTIONS_NOT_LOGGED_IN = 16
CONNECTIONS_OPENING = 128
PENDING_COMMANDS = 32
COMMANDS_A_SECOND = 100
COMMANDS_BURST = 200
OPENING_SECONDS = 10
LOGIN_SECONDS = 30
READ_STALL_SECONDS = 15
# Limit for the events that wait for one client, for example during a download. It is enough for about 3000 events. An
# event that waits for several clients is in memory only once.
EVENT_BYTES = 1024 * 1024
# Limit for TLS handshakes in progress. Each of them needs 0.3 MB of memory. Normal clients stay below this limit, even
# if 50 clients per second connect and disconnect immediately.
TLS_HANDSHAKES = 256
TLS_HANDSHAKE_SECONDS = 3
# Pings detect a dead client even if there is no data for it. The detection takes at most the sum of both times (17 s).
# Together with the close, it takes less than 20 s.
PING_SECONDS = 5
PONG_SECONDS = 12
STREAMS = 16
# Enough for an ack of each frame when all streams run at the highest frame rate.
ACKS_A_SECOND = 2000
# "Frames" here are WebSocket frames: fragments of messages, pings, and pongs. "Control frames" are pings and pongs.
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

# The meaning and the unit of each limit, for the documentation.
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
    """A token bucket: limits the rate of events and allows short bursts.

    Args:
        rate: tokens that are added per second.
        burst: highest number of tokens.
    """

    def __init__(self, rate: float, burst: float) -> None:
        self._rate, self._burst = rate, burst
        self._level, self._at = burst, time.monotonic()

    def take(self) -> bool:
        """Take one token; returns whether there was one."""
        now = time.monotonic()
        self._level = min(self._burst, self._level + (now - self._at) * self._rate)
        self._at = now
        if self._level < 1:
            return False
        self._level -= 1
        return True

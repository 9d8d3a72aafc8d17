"""How far a client has received the events of the server."""

from __future__ import annotations

from gphoto_ws_client.link import Json
from gphoto_ws_client.replies import Since, Subscribed

# This event also has a key `seq`, which is the number of the frame.
_FRAME = "live_view_frame"


class Position:
    """The last received event, so that the server can send the missed ones after a lost connection."""

    def __init__(self) -> None:
        self._epoch: str | None = None  # of the server's log; None if the server does not number its events
        self._seq = 0
        self._received: dict[str, int] = {}  # by name: the last received event, at first that of the subscription

    @property
    def since(self) -> Since | None:
        """The place after the last received event; None if the server does not number its events."""
        return None if self._epoch is None else Since(self._epoch, self._seq)

    def subscribed(self, reply: Subscribed, since: Since | None = None) -> None:
        """Called after each change of the subscriptions.

        Args:
            reply: the reply to the change.
            since: the place from which the server repeats events, if it does.
        """
        seq = reply.seq or 0
        start = since.seq if since is not None and reply.recovered else seq
        if reply.epoch != self._epoch:
            # Events may have arrived before this call, but not events of an earlier life.
            self._seq = max(start, self._seq if self._epoch is None else 0)
            self._epoch, self._received = reply.epoch, {}
        elif not self._received:
            self._seq = max(self._seq, start)
        self._received = {name: self._received.get(name, start) for name in reply.events}

    def take(self, message: Json) -> bool:
        """Called with each event. Returns False if it was received before, or is older than the subscription."""
        seq = message.get("seq")
        if not isinstance(seq, int) or message["event"] == _FRAME:
            return True  # an event of this connection only
        self._seq = max(self._seq, seq)
        name = str(message["event"])
        new = seq > self._received.get(name, 0)
        if new:
            self._received[name] = seq
        return new

"""A connection that reconnects automatically. Commands wait for the reconnect; a repeated capture has the same key."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gphoto_ws_client.decode import decode
from gphoto_ws_client.errors import (
    CaptureUnknown,
    ConnectionFailed,
    ConnectionLost,
    GphotoWsError,
    NoReply,
    ServerError,
)
from gphoto_ws_client.link import Claim, Json, Link, NotSent
from gphoto_ws_client.login import FINAL_CLOSE_CODES, Address
from gphoto_ws_client.position import Position
from gphoto_ws_client.replies import Subscribed

_log = logging.getLogger("gphoto_ws_client")

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 5.0
_FLOODED, _PAUSE_AFTER_FLOOD_S = 4429, 10.0
_TRIES = 3
# Limit for one command: how often the connection may be lost before the command is sent, for example while the camera
# is being selected.
_TRIES_TO_SEND = 5
_ABOUT_THE_REPETITION = frozenset(
    (
        "shutting_down", "not_recorded", "internal_error", "camera_not_found", "no_camera_selected", "rate_limited",
        "too_many_pending", "camera_disconnected",
    )
)  # fmt: skip
_FIRING = frozenset(("capture_image", "capture_burst", "fire"))
# How much longer a reply may take: for each picture of a burst, for each second in which its button is held (many pictures
# on a slow card), and for a movie, whose file the server waits for. In seconds.
_EACH_PICTURE_S, _EACH_HELD_S = 30.0, 60.0
_MOVIE_S = {"start_movie": 30.0, "stop_movie": 60.0}
# A connection that lasts longer than this counts as stable.
_STEADY_S = 2.0


@dataclass(slots=True)
class _Attempts:
    """How often the connection was lost after a command was sent (`lost`), and before it was sent (`not_sent`)."""

    lost: int = 0
    not_sent: int = 0


class Connection:
    """Holds a link to the server. After a loss of the link, opens a new link.

    Args:
        address: address of the server.
        reconnect_for: seconds to try to reconnect after a loss. 0 disables reconnecting, math.inf sets no limit.
        reply_timeout: seconds to wait for a reply.
        on_event: receives every event message, and {"event": "reconnected"} when a lost link is restored.
        on_over: called once with the reason when no further connection will be opened.

    Attributes:
        selected: the port to select on each new link before the first command that needs a camera.
        subscribed: the events to subscribe to on each new link.
        position: how far events were received.
    """

    def __init__(
        self,
        address: Address,
        reconnect_for: float,
        reply_timeout: float,
        on_event: Callable[[Json], None],
        on_over: Callable[[GphotoWsError], None],
    ) -> None:
        self.reconnect_for = reconnect_for
        self.selected: str | None = None
        self.subscribed: set[str] = set()
        self.position = Position()
        self._address = address
        self._reply_timeout = reply_timeout
        self._on_event = on_event
        self._on_over = on_over
        self._link: Link | None = None
        self._end_error: GphotoWsError | None = ConnectionFailed(
            "The client is not connected: use it with `async with`."
        )
        self._changed = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None

    @property
    def connected(self) -> bool:
        """Whether there is a connection now."""
        return self._link is not None and not self._link.lost.done()

    async def open(self) -> None:
        """Connect once.

        Raises:
            GphotoWsError: see Link.open.
        """
        self._link = await Link.open(self._address, self._take)
        self._end_error = None
        self._keeper = asyncio.create_task(self._keep_connected(self._link), name="gphoto-ws keeper")

    async def close(self) -> None:
        """Close the connection permanently."""
        self._end(ConnectionFailed("The client was closed."))
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait((self._keeper,))
        if self._link is not None:
            await self._link.close()

    async def link(self) -> Link:
        """The current link. If there is no link now, waits for a reconnect.

        Raises:
            GphotoWsError: no further connection will be opened.
        """
        while True:
            if self._end_error is not None:
                raise self._end_error.with_traceback(None)
            if self._link is not None and not self._link.lost.done():
                return self._link
            self._changed.clear()
            await self._changed.wait()

    async def call(
        self,
        command: str,
        payload: Mapping[str, Any],
        *,
        again: bool,
        for_camera: bool = True,
        claim: Claim | None = None,
    ) -> Json:
        """Send a command and wait for its reply.

        Args:
            command: the name of the command.
            payload: the arguments.
            again: whether to send the command again after a loss of the connection; only for commands that may be
                repeated.
            for_camera: whether the command needs the selected camera if the payload has no port.
            claim: see Link.request.

        Raises:
            ServerError: the server sent an error reply.
            CaptureUnknown: capture_image, capture_burst or fire may have been carried out: the connection was lost, or no
                reply came in time.
            ConnectionLost: the connection was lost, and the command is not sent again.
            NoReply: no reply came in time.
        """
        attempts = _Attempts()
        try:
            return await self._repeat(command, payload, again, for_camera, claim, attempts)
        except GphotoWsError as error:
            if command in _FIRING and _may_have_fired(error, attempts):
                raise _unknown(error) from error
            raise

    async def _repeat(
        self,
        command: str,
        payload: Mapping[str, Any],
        again: bool,
        for_camera: bool,
        claim: Claim | None,
        attempts: _Attempts,
    ) -> Json:
        patience = self._reply_timeout + _lasts_s(command, payload)
        while True:
            link = await self.link()
            try:
                async with asyncio.timeout(patience):
                    if for_camera and "port" not in payload:
                        await self._select(link)
                    return await link.request(command, payload, claim)
            except NotSent:
                attempts.not_sent += 1
                if attempts.not_sent >= _TRIES_TO_SEND:
                    raise
                await asyncio.wait((link.lost,))
            except ConnectionLost as lost:
                attempts.lost += 1
                if not again or not lost.retryable or attempts.lost >= _TRIES:
                    raise
            except TimeoutError as late:
                raise NoReply(f"No answer to {command} for {patience:g} s.", retryable=again) from late

    async def _select(self, link: Link) -> None:
        if self.selected is not None and link.selected != self.selected:
            port = self.selected
            try:
                await link.request("select_camera", {"port": port})
            except ConnectionLost as lost:
                raise NotSent(lost.message) from lost
            link.selected = port

    async def _keep_connected(self, link: Link) -> None:
        loop = asyncio.get_running_loop()
        pause = _FIRST_PAUSE_S
        while True:
            since = loop.time()
            lost = await asyncio.shield(link.lost)
            # The pauses become longer if the server accepts connections but closes them soon.
            steady = loop.time() - since > _STEADY_S
            pause = _FIRST_PAUSE_S if steady else min(pause * 2, _LONGEST_PAUSE_S)
            if lost.close_code not in FINAL_CLOSE_CODES and self.reconnect_for > 0:
                _log.info("%s Trying again for %g s.", lost.message, self.reconnect_for)
            try:
                link = await self._reconnect(lost, pause)
            except GphotoWsError as error:
                self._end(error)
                return
            self._link = link
            self._changed.set()
            _log.info("Connected again.")

    async def _reconnect(self, lost: ConnectionLost, pause: float) -> Link:
        """Open a new link and restore the subscriptions.

        Raises:
            GphotoWsError: the close code or the server does not allow a new link, or `reconnect_for` seconds are over.
        """
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + self.reconnect_for
        if lost.close_code == _FLOODED:
            pause = _PAUSE_AFTER_FLOOD_S
        error: GphotoWsError = lost
        may_retry = lost.close_code not in FINAL_CLOSE_CODES
        while may_retry:
            rest = give_up_at - loop.time()
            if rest <= 0:
                break
            # The pause is random, so that not all clients of a restarted server connect at the same moment.
            await asyncio.sleep(min(rest, pause * random.uniform(0.7, 1.3)))
            pause = min(pause * 2, max(pause, _LONGEST_PAUSE_S))
            try:
                return await self._open_again()
            except GphotoWsError as failure:
                error, may_retry = failure, failure.retryable
        raise error

    def _take(self, message: Json) -> None:
        if self.position.take(message):
            self._on_event(message)

    def _resubscribed(self, _: Link, reply: Json) -> None:
        """Called with the reply to subscribe, before the missed events arrive."""
        if reply.get("status") == "ok":
            subscribed = decode(Subscribed, reply)
            self.position.subscribed(subscribed, self.position.since)
            self._on_event({"event": "reconnected", "recovered": bool(subscribed.recovered)})

    async def _open_again(self) -> Link:
        link = await Link.open(self._address, self._take)
        try:
            if self.subscribed:
                payload: Json = {"events": sorted(self.subscribed)}
                if (since := self.position.since) is not None:
                    payload["since"] = {"epoch": since.epoch, "seq": since.seq}
                async with asyncio.timeout(self._reply_timeout):
                    await link.request("subscribe", payload, self._resubscribed)
            else:
                self._on_event({"event": "reconnected"})
        except BaseException as error:
            await link.close()
            if isinstance(error, TimeoutError):
                raise NoReply("No answer to subscribe.", retryable=True) from error
            raise
        return link

    def _end(self, error: GphotoWsError) -> None:
        if self._end_error is None:
            self._end_error = error
            self._changed.set()
            self._on_over(error)


def _lasts_s(command: str, payload: Mapping[str, Any]) -> float:
    """How much longer a reply may take than usual, in seconds."""
    # A camera may need as long again as the exposure, for noise reduction.
    exposure_s = 2 * (payload.get("bulb_s") or 0.0)
    burst_s = _EACH_PICTURE_S * (payload.get("frames") or 0) + _EACH_HELD_S * (payload.get("hold_ms") or 0) / 1000
    return float(exposure_s + burst_s + _MOVIE_S.get(command, 0.0))


def _may_have_fired(error: GphotoWsError, attempts: _Attempts) -> bool:
    """Whether the shutter may have opened although the capture failed with this error."""
    if isinstance(error, ServerError):
        # After a loss of the connection, the command was sent again. These errors say nothing about the first request,
        # which may have released the shutter.
        return attempts.lost > 0 and error.code in _ABOUT_THE_REPETITION
    return attempts.lost > 0 or isinstance(error, NoReply)


def _unknown(error: GphotoWsError) -> CaptureUnknown:
    words = error.message.removesuffix(".")
    return CaptureUnknown(
        f"{words} (while a picture was being taken): the shutter may have fired. Look at the card before you take another picture."
    )

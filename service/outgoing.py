"""What the server does by itself when an event happens: the operator's command, and webhooks."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from protocol import commands as c
from service.caller import Caller
from service.hooks import Hooks
from service.webhooks import Webhooks


class Outgoing:
    """Everything that passes events on without a client. What is None is switched off.

    Args:
        hooks: runs the command.
        webhooks: sends events.

    Attributes:
        webhooks: see Args.
    """

    def __init__(self, hooks: Hooks | None = None, webhooks: Webhooks | None = None) -> None:
        self._hooks = hooks
        self.webhooks = webhooks
        self._started = False

    @property
    def callers(self) -> Sequence[Caller]:
        """The callers that need events."""
        return [part.caller for part in (self._hooks, self.webhooks) if part is not None]

    def start(self) -> None:
        """Start to pass events on. The log must be open."""
        self._started = True
        for part in (self._hooks, self.webhooks):
            if part is not None:
                part.start()

    async def stop(self) -> None:
        """Stop everything, in less than 1 s if the disk works."""
        if self._started:
            await asyncio.gather(*(part.stop() for part in (self._hooks, self.webhooks) if part is not None))

    def hook(self) -> c.HookInfo | None:
        """What the command has done; None if there is none."""
        if self._hooks is None:
            return None
        status = self._hooks.status
        return c.HookInfo(
            waiting=status.waiting,
            succeeded=status.succeeded,
            failed=status.failed,
            dropped=status.dropped,
            last_error=status.last_error,
        )

    async def webhook_list(self) -> list[c.WebhookInfo] | None:
        """The state of each webhook; None if there is none."""
        if self.webhooks is None:
            return None
        return [
            c.WebhookInfo(
                origin=status.origin,
                state=status.state,
                waiting=status.waiting,
                delivered=status.delivered,
                failed=status.failed,
                given_up=status.given_up,
                last_error=status.last_error,
                retry_in_s=status.retry_in_s,
            )
            for status in await self.webhooks.status()
        ]

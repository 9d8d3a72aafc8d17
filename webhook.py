"""One webhook: its address, its events and its secret; signing and sending by the Standard Webhooks specification."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import ipaddress
import socket
import ssl
import time
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

# The longest time in which nothing is sent or received, in seconds. `Delivery.cut` limits the whole time.
_SILENCE_S = 15.0
_ANSWER_BYTES = 4096


class WebhookFailed(Exception):
    """The receiver did not answer; the message has the reason, as a part of a sentence."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """A webhook.

    Attributes:
        url: where the events are sent.
        events: the names of the events.
        secret: the key for the signatures.
    """

    url: str
    events: frozenset[str]
    secret: bytes = field(repr=False)

    @property
    def origin(self) -> str:
        """The address without its path, which can be secret: https://booth.example."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def is_readable(self) -> bool:
        """Whether others can read the events on their way: without TLS, and beyond this machine and the local network."""
        parts = urlsplit(self.url)
        return parts.scheme == "http" and not _is_local(parts.hostname or "")


@dataclass(frozen=True, slots=True)
class Message:
    """A message to a receiver.

    Attributes:
        id: identifies the event; it is the same in each attempt.
        body: the event as JSON.
    """

    id: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer of a receiver.

    Attributes:
        status: the HTTP status.
        retry_after_s: when to try again, if the receiver says so, in seconds.
    """

    status: int
    retry_after_s: float | None = None


class Agent:
    """What the requests of this server have in common.

    Args:
        name: the header User-Agent.

    Attributes:
        name: see Args.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._tls: ssl.SSLContext | None = None

    @property
    def tls(self) -> ssl.SSLContext:
        """The certificate authorities of this machine. They are read once, because that takes long on a small machine."""
        if self._tls is None:
            self._tls = ssl.create_default_context()
        return self._tls


class Delivery:
    """One attempt to send a message. No proxy is used, and no redirect is followed.

    Args:
        webhook: where to send it.
        message: what to send.
        agent: what it has in common with other requests.
    """

    def __init__(self, webhook: Webhook, message: Message, agent: Agent) -> None:
        self._webhook = webhook
        self._message = message
        self._agent = agent
        self._connection: http.client.HTTPConnection | None = None

    def send(self) -> Answer:
        """Send the message and wait for the answer. Blocks; raises WebhookFailed."""
        parts = urlsplit(self._webhook.url)
        assert parts.hostname, "checked when the file was read"
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        try:
            if parts.scheme == "https":
                self._connection = http.client.HTTPSConnection(
                    parts.hostname, parts.port, timeout=_SILENCE_S, context=self._agent.tls
                )
            else:
                self._connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=_SILENCE_S)
            try:
                self._connection.request("POST", target, self._message.body, self._headers())
                response = self._connection.getresponse()
                response.read(_ANSWER_BYTES)  # so that the receiver can send it; it is not used
                return Answer(response.status, _seconds(response.getheader("Retry-After")))
            finally:
                self._connection.close()
        except TimeoutError:
            raise WebhookFailed("no answer in time") from None
        except ssl.SSLError as error:
            raise WebhookFailed(f"TLS: {getattr(error, 'verify_message', '') or error.reason or error}") from error
        except OSError as error:
            raise WebhookFailed(str(error.strerror or error)) from error
        except (http.client.HTTPException, ValueError) as error:  # ValueError: the connection was cut
            raise WebhookFailed(f"no valid answer ({type(error).__name__})") from error

    def cut(self) -> None:
        """End the attempt now, from another thread: `send` then raises WebhookFailed."""
        sock = self._connection.sock if self._connection is not None else None
        if sock is not None:
            with suppress(OSError):
                # Not the method of a TLS socket, which must not be called while another thread reads.
                socket.socket.shutdown(sock, socket.SHUT_RDWR)

    def _headers(self) -> dict[str, str]:
        moment = int(time.time())
        return {
            "Content-Type": "application/json",
            "User-Agent": self._agent.name,
            "Connection": "close",
            "webhook-id": self._message.id,
            "webhook-timestamp": str(moment),
            "webhook-signature": signature(self._webhook.secret, self._message, moment),
        }


def signature(secret: bytes, message: Message, moment: int) -> str:
    """The signature of a message that is sent at `moment`, in seconds since 1970."""
    signed = b".".join((message.id.encode(), str(moment).encode(), message.body))
    return f"v1,{base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()}"


def _seconds(header: str | None) -> float | None:
    """The value of Retry-After if it is a number of seconds. A date is ignored, because this clock may be wrong."""
    text = (header or "").strip()
    return float(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _is_local(host: str) -> bool:
    """Whether a host is this machine or in the local network, as far as its name shows that."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost" or "." not in host or host.endswith((".localhost", ".local", ".home.arpa"))
    return address.is_private or address.is_loopback or address.is_link_local

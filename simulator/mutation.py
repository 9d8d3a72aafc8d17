"""Mutated replies, which a real camera does not send.

Each function gets a random generator and a reply, and yields the packets to send in place of the reply. libgphoto2
reads lengths, counts, strings and offsets from a camera, so the functions change these parts.
"""

from __future__ import annotations

import random
import re
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

from .ptp import Reply


class Framing(Protocol):
    """How a transport frames replies. With it, mutations send frames that are not correct."""

    @property
    def types(self) -> Sequence[int]:
        """The types of packets."""

    def packet(self, type_: int, body: bytes) -> bytes:
        """A packet of any type with any body."""

    def data(
        self, transaction: int, data: bytes, announced: int | None = None, length: int | None = None
    ) -> Iterator[bytes]:
        """A data phase. ``announced``: the size that it announces; ``length``: the length in its packet header."""

    def endless(self, transaction: int, piece: bytes, count: int) -> Iterator[bytes]:
        """A data phase that is never complete: ``count`` times ``piece``."""

    def response(self, transaction: int, code: int, parameters: Sequence[int]) -> bytes:
        """The packet that ends a transaction."""


Packets = Iterator[bytes]
Way = Callable[[random.Random, int, Reply, Framing], Packets]

_ODD_NUMBERS = (0, 1, 7, 8, 255, 0x7FFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFF7, 0xFFFFFFFF)
_ENDLESS = 64
"""The MiB sent in an endless data phase: more than a driver should accept, but not too much for a small machine."""

_NAMES = (
    "../../../../tmp/escaped.jpg",
    "..",
    "/etc/escaped.jpg",
    "a\0b.jpg",
    "a\nb\r\x1b[2J.jpg",
    "\U0001f4f7\U0001f4f7.jpg",
    "\ud800\udc00\udfff.jpg",
    "%s%n%x.jpg",
    "con.jpg:stream",
    "." * 254,
    "x" * 250 + ".jpg",
    " ",
    "",
)
_ASCII_NAME = re.compile(rb"[A-Z0-9_]{8}\.[A-Z0-9]{3}")
_STRING = re.compile(rb"(?:[ -~]\0){3,126}\0\0")


def _whole(transaction: int, data: bytes | None, reply: Reply, framing: Framing) -> Packets:
    if data is not None:
        yield from framing.data(transaction, data)
    yield framing.response(transaction, reply.code, reply.parameters)


def _bits(rng: random.Random, transaction: int, reply: Reply, framing: Framing) -> Packets:
    """Flip a few bits of the data, most of them near its start, where the counts are."""
    data = bytearray(reply.data or b"")
    for _ in range(rng.randint(1, 24)):
        if data:
            end = len(data) if rng.random() < 0.3 else min(len(data), 96)
            data[rng.randrange(end)] ^= 1 << rng.randrange(8)
    return _whole(transaction, bytes(data), reply, framing)


def _cut(rng: random.Random, transaction: int, reply: Reply, framing: Framing) -> Packets:
    """Send only the start of the data."""
    data = reply.data or b""
    return _whole(transaction, data[: rng.randint(0, len(data))], reply, framing)


def _longer(rng: random.Random, transaction: int, reply: Reply, framing: Framing) -> Packets:
    """Add noise at the end of the data."""
    return _whole(transaction, (reply.data or b"") + rng.randbytes(rng.randint(1, 5000)), reply, framing)


def _numbers(rng: random.Random, transaction: int, reply: Reply, framing: Framing) -> Packets:
    """Replace 1 to 4 aligned 32-bit numbers in the data by extreme numbers. They may be counts, lengths or types."""
    data = bytearray(reply.data or b"")
    for _ in range(rng.randint(1, 4)):
        if len(data) >= 4:
            place = rng.choice((0, 4, 8, 4 * rng.randrange(len(data) // 4)))
            struct.pack_into("<I", data, min(place, len(data) - 4), rng.choice(_ODD_NUMBERS))
    return _whole(transaction, bytes(data), reply, framing)


def _strings(rng: random.Random, transaction: int, reply: Reply, framing: Framing) -> Packets:
    """Replace every file name and text by a hostile text."""

    def ascii_name(match: re.Match[bytes]) -> bytes:
        name = rng.choice(_NAMES).encode("utf-8", "surrogatepass")
        return name[: len(match[0])].ljust(len(match[0]), rng.choice((b"\0", b"/", b"\n", b"\xff")))

    def wide(match: re.Match[bytes]) -> bytes:
        # The data contains the number of units (16 bits each) before the text, so the new text has the same length.
        units = len(match[0]) // 2
        text = rng.choice(_NAMES).encode("utf-16-le", "surrogatepass")[: 2 * units]
        return text.ljust(2 * units, rng.choice((b"\0", b".", b"/", b"\xd8")))

    data = _ASCII_NAME.sub(ascii_name, reply.data or b"")
    return _whole(transaction, _STRING.sub(wide, data), reply, framing)


def _noise(rng: random.Random, transaction: int, reply: Reply, framing: Framing) -> Packets:
    """Send noise as data."""
    return _whole(transaction, rng.randbytes(rng.choice((0, 1, 3, 16, 500, 70000))), reply, framing)


def _unasked(rng: random.Random, transaction: int, reply: Reply, framing: Framing) -> Packets:
    """Add data to a reply without data, or remove the data of a reply."""
    return _whole(transaction, rng.randbytes(100) if reply.data is None else None, reply, framing)


def _announced(rng: random.Random, transaction: int, reply: Reply, framing: Framing) -> Packets:
    """Announce a size that differs from the size of the data."""
    data = reply.data or b""
    size = rng.choice((0, 1, len(data) // 2, len(data) + 1, 2 * len(data), 2**31, 2**32 - 1, 2**32, 2**63, 2**64 - 1))
    yield from framing.data(transaction, data, announced=size)
    yield framing.response(transaction, reply.code, reply.parameters)


def _packet_length(rng: random.Random, transaction: int, reply: Reply, framing: Framing) -> Packets:
    """Send a wrong length in the packet with the data."""
    data = reply.data or b""
    length = rng.choice((0, 1, 7, 8, 11, 12, len(data), 2**31 - 1, 2**31, 2**32 - 1))
    yield from framing.data(transaction, data, length=length)
    yield framing.response(transaction, reply.code, reply.parameters)


def _packet_type(rng: random.Random, transaction: int, reply: Reply, framing: Framing) -> Packets:
    """Send a packet of another type first."""
    yield framing.packet(rng.choice((0, *framing.types, 99, 2**32 - 1)), rng.randbytes(rng.randrange(40)))
    yield from _whole(transaction, reply.data, reply, framing)


def _transaction(rng: random.Random, transaction: int, reply: Reply, framing: Framing) -> Packets:
    """Send the reply with the id of another transaction."""
    return _whole(rng.choice((0, transaction - 1, transaction + 1, 2**32 - 1)) % 2**32, reply.data, reply, framing)


def _code(rng: random.Random, transaction: int, reply: Reply, framing: Framing) -> Packets:
    """Send an error code or an unknown response code, with up to 8 parameters (PTP allows 5)."""
    parameters = tuple(rng.choice(_ODD_NUMBERS) for _ in range(rng.randrange(9)))
    return _whole(transaction, reply.data, Reply(rng.choice((0, 0x2000, 0x2002, 0xFFFF)), None, parameters), framing)


def _endless(rng: random.Random, transaction: int, reply: Reply, framing: Framing) -> Packets:
    """Send data that does not end."""
    return framing.endless(transaction, rng.randbytes(64) * (2**20 // 64), _ENDLESS)


WAYS: Mapping[str, Way] = {
    "bits": _bits,
    "cut": _cut,
    "longer": _longer,
    "numbers": _numbers,
    "strings": _strings,
    "noise": _noise,
    "unasked": _unasked,
    "announced": _announced,
    "packet_length": _packet_length,
    "packet_type": _packet_type,
    "transaction": _transaction,
    "code": _code,
    "endless": _endless,
}
"""The mutations by their names in the control port."""

# Most mutated replies should reach the parsers of the driver, so these mutations are used most often. The other
# mutations break the framing, so that the driver waits for 2.5 s.
_PARSED = ("bits", "cut", "longer", "numbers", "strings", "noise")


class Mutator:
    """Decides for each reply whether it is mutated, and how.

    Args:
        seed: with the same seed, the nth reply to an operation is mutated in the same way.
        share: the share of the replies that is mutated, 0 to 1.
        way: a key of `WAYS`: only this mutation is used. None: all mutations are used.
    """

    def __init__(self, seed: int, share: float, way: str | None) -> None:
        self._seed = seed
        self._share = share
        self._way = way
        self._counts: dict[int, int] = {}

    def mutated(self, operation: int, transaction: int, reply: Reply, framing: Framing) -> Packets | None:
        """The packets to send in place of ``reply``; None: send ``reply``."""
        count = self._counts[operation] = self._counts.get(operation, 0) + 1
        rng = random.Random(f"{self._seed} {operation} {count}")
        if rng.random() >= self._share:
            return None
        names = tuple(WAYS) if rng.random() < 0.25 else _PARSED
        return WAYS[self._way or rng.choice(names)](rng, transaction, reply, framing)

"""The requests and replies of PTP, which are the same on every transport."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class ResponseCode(IntEnum):
    """The response codes of PTP that the simulator uses. Source: ISO 15740, clause 11."""

    OK = 0x2001
    GENERAL_ERROR = 0x2002
    SESSION_NOT_OPEN = 0x2003
    OPERATION_NOT_SUPPORTED = 0x2005
    INVALID_HANDLE = 0x2009
    PROPERTY_NOT_SUPPORTED = 0x200A
    STORE_FULL = 0x200C
    STORE_READ_ONLY = 0x200E
    ACCESS_DENIED = 0x200F
    NO_THUMBNAIL = 0x2010
    DEVICE_BUSY = 0x2019
    INVALID_VALUE = 0x201C
    SESSION_ALREADY_OPEN = 0x201E


@dataclass(frozen=True)
class Request:
    """A request for an operation, with the data that the initiator sent."""

    operation: int
    transaction: int
    parameters: tuple[int, ...]
    data: bytes = b""

    def parameter(self, index: int) -> int:
        """The parameter at ``index``; 0 if the initiator sent fewer."""
        return self.parameters[index] if index < len(self.parameters) else 0


@dataclass(frozen=True)
class Reply:
    """The reply to an operation: a response code, parameters, and data if there is a data phase to the host."""

    code: int = ResponseCode.OK
    data: bytes | None = None
    parameters: tuple[int, ...] = ()


@dataclass(frozen=True)
class Event:
    """An event that a camera sends without a request, if the transport allows this."""

    code: int
    parameters: tuple[int, ...] = ()

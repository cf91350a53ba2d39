"""The client's side of a DOE mailbox: which register is read and written when.

Document: PCIe Base 6.x chapter 6, "Data Object Exchange (DOE)", operation; the order is the one the Linux kernel keeps.
Each method returns steps: a generator that yields the next register action and is sent what came of it, so the mailbox
touches no register, reads no clock and waits for nothing itself. Data objects go in and come out; their payloads are
others' business.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from enum import Enum, auto
from typing import Final, TypeAlias, TypeVar

import attrs

from pytio.doe.codes import (
    BYTES_PER_DW,
    DISCOVERY_LAST_INDEX,
    HEADER_BYTES,
    HEADER_DW,
    ControlFlags,
    DataObjectType,
    DiscoveryVersion,
    MailboxFailure,
    MailboxRegister,
    StatusFlags,
    VendorId,
)
from pytio.doe.data_object import DataObject, DataObjectHeader
from pytio.doe.discovery import DiscoveryRequest, DiscoveryResponse
from pytio.errors import DoePeerError, LocalProtocolError

__all__ = (
    "Feature",
    "Limits",
    "Mailbox",
    "MailboxState",
    "Pause",
    "ReadRegister",
    "RegisterAction",
    "Reply",
    "Steps",
    "WriteRegister",
)

T = TypeVar("T")
_ALL_ONES: Final = 0xFFFF_FFFF
_KIND: Final = slice(0, 3)
"""Vendor and type in a data object; the byte after them is reserved."""
_FIRST_VERSION_WITH_V2_DISCOVERY: Final = 2

_HINTS: Final[Mapping[MailboxFailure, str]] = {
    MailboxFailure.BUSY: "another user is in the middle of an exchange: the kernel, firmware, or another process",
    MailboxFailure.DEVICE_ERROR: "the device could not take or answer the request; it was aborted, try again",
    MailboxFailure.NO_RESPONSE: "the device dropped the request silently, as it does with a type it does not offer",
    MailboxFailure.WRONG_OBJECT: "someone else uses this mailbox, or the device is confused; it was aborted, try again",
    MailboxFailure.BAD_LENGTH: "the device is faulty; the exchange was aborted",
    MailboxFailure.CUT_SHORT: "someone else read or aborted the response; the exchange was aborted, try again",
    MailboxFailure.ABORT_FAILED: "reset the function; until then the mailbox is of no use",
    MailboxFailure.GONE: "the device was removed, is in a reset, or lost power",
    MailboxFailure.DISCOVERY_LOOP: "the device is faulty: a walk must end within 256 steps and visit each index once",
}


@attrs.frozen
class ReadRegister:
    """Read one register, as one aligned access of 4 bytes; the reply holds its value."""

    register: MailboxRegister


@attrs.frozen
class WriteRegister:
    """Write one register, as one aligned access of 4 bytes."""

    register: MailboxRegister
    value: int
    """32 bits."""


@attrs.frozen
class Pause:
    """Wait before the next step; the reply's time says when that is."""

    seconds: float


RegisterAction: TypeAlias = ReadRegister | WriteRegister | Pause
"""What a mailbox asks to be done next."""


@attrs.frozen
class Reply:
    """What came of an action."""

    now: float
    """Seconds on any clock that only goes forward."""
    value: int = 0
    """What a register read returned; 0 after anything else."""


Steps: TypeAlias = Generator[RegisterAction, Reply, T]
"""Actions out, replies in, a result at the end."""


@attrs.frozen
class Limits:
    """How long the client waits; the defaults are the specification's second and the kernel's interval of polling.

    A responder that computes for longer says so in SPDM (ResponseNotReady); the mailbox does not wait longer.
    """

    busy_s: float = 1.0
    """For Busy to clear before a request."""
    response_s: float = 1.0
    """From Go to Data Object Ready."""
    abort_s: float = 1.0
    """From Abort until Busy and Error are clear."""
    poll_s: float = 1 / 128
    """Between two looks at the status."""


class MailboxState(Enum):
    """What the client knows about the mailbox."""

    UNKNOWN = auto()
    """Never used, or left in the middle of an exchange: an abort comes first."""
    IDLE = auto()
    """Ready for a request."""
    IN_USE = auto()
    """Some steps are under way."""
    DEAD = auto()
    """An abort failed; only another abort is accepted."""


@attrs.frozen(order=True)
class Feature:
    """One kind of data object that a mailbox takes; ``str()`` is its name in the kernel's ``doe_features``."""

    vendor_id: VendorId
    data_object_type: int

    def __str__(self) -> str:
        """Return ``0001:01``."""
        return f"{self.vendor_id:04x}:{self.data_object_type:02x}"


class Mailbox:
    """One DOE instance, as its client sees it. Performs no I/O and reads no clock.

    Exchanges follow one another. Steps that are given up half-way (an exception, a closed generator) leave the mailbox
    UNKNOWN, and the next use starts with an abort. Every failure aborts before it is raised.

    Attributes:
        state: what is known about the mailbox.
        features: what the last discovery found; empty before the first.
    """

    def __init__(self, capability_version: int = 1, *, limits: Limits | None = None) -> None:
        """Describe the mailbox.

        Args:
            capability_version: version of the DOE extended capability; it decides the version byte of discovery.
            limits: how long to wait.
        """
        self.state = MailboxState.UNKNOWN
        self.features: tuple[Feature, ...] = ()
        self._limits = limits or Limits()
        is_v2 = capability_version >= _FIRST_VERSION_WITH_V2_DISCOVERY
        self._discovery_version = DiscoveryVersion.V2 if is_v2 else DiscoveryVersion.V1

    def abort(self) -> Steps[None]:
        """Discard whatever is in the mailbox, and wait until the device has done so. Legal in every state.

        Raises:
            DoePeerError: ABORT_FAILED, which leaves the mailbox DEAD; or GONE.
        """
        self.state = MailboxState.UNKNOWN
        now = (yield WriteRegister(MailboxRegister.CONTROL, ControlFlags.ABORT)).now
        deadline = now + self._limits.abort_s
        status, now = yield from self._status()
        while status & (StatusFlags.BUSY | StatusFlags.ERROR):
            if now >= deadline:
                self.state = MailboxState.DEAD
                raise _failure(MailboxFailure.ABORT_FAILED, f"status {status:#010x} after {self._limits.abort_s} s")
            yield Pause(self._limits.poll_s)
            status, now = yield from self._status()
        self.state = MailboxState.IDLE

    def exchange(self, request: DataObject) -> Steps[DataObject]:
        """Send ``request``; return the response, which is of the same vendor and type.

        Raises:
            DoePeerError: the device failed; the exchange was aborted.
            LocalProtocolError: other steps are under way, or the mailbox is DEAD.
        """
        if self.state in {MailboxState.IN_USE, MailboxState.DEAD}:
            raise LocalProtocolError(self.state, "exchange", "finish or abort first")
        if self.state is MailboxState.UNKNOWN:
            yield from self.abort()
        self.state = MailboxState.IN_USE
        try:
            yield from self._wait_until_free()
            yield from self._send(request)
            yield from self._wait_until_ready()
            response = yield from self._receive(request)
        except DoePeerError as failure:
            if failure.code is MailboxFailure.GONE:
                self.state = MailboxState.UNKNOWN
            else:
                yield from self.abort()
            raise
        except BaseException:  # given up from outside: nobody knows what the device holds
            self.state = MailboxState.UNKNOWN
            raise
        self.state = MailboxState.IDLE
        return response

    def discover(self) -> Steps[tuple[Feature, ...]]:
        """Ask for every kind of data object that the mailbox takes, in the order of their indices.

        Raises:
            DoePeerError: as `exchange`, or DISCOVERY_LOOP.
            DoeDecodeError: a response is not a discovery response.
            LocalProtocolError: as `exchange`.
        """
        found: list[Feature] = []
        visited: set[int] = set()
        index = DISCOVERY_LAST_INDEX
        while index not in visited:
            visited.add(index)
            question = DiscoveryRequest(index=index, version=self._discovery_version)
            answer = yield from self.exchange(DataObject.wrap(DataObjectType.DISCOVERY, question.build()))
            offer = DiscoveryResponse.parse(answer.payload)
            if offer.vendor_id != VendorId.NONE:
                found.append(Feature(offer.vendor_id, offer.data_object_type))
            if offer.is_last:
                self.features = tuple(found)
                return self.features
            index = offer.next_index
        raise _failure(MailboxFailure.DISCOVERY_LOOP, f"index {index} again after {len(visited)} responses")

    def _status(self) -> Steps[tuple[int, float]]:
        reply = yield ReadRegister(MailboxRegister.STATUS)
        if reply.value == _ALL_ONES:
            raise _failure(MailboxFailure.GONE, "the status register reads as all ones")
        return reply.value, reply.now

    def _checked_status(self) -> Steps[tuple[int, float]]:
        """Read the status; Error at any time ends the exchange."""
        status, now = yield from self._status()
        if status & StatusFlags.ERROR:
            raise _failure(MailboxFailure.DEVICE_ERROR, f"status {status:#010x}")
        return status, now

    def _wait_until_free(self) -> Steps[None]:
        status, now = yield from self._checked_status()
        deadline = now + self._limits.busy_s
        while status & StatusFlags.BUSY:
            if now >= deadline:
                raise _failure(MailboxFailure.BUSY, f"still after {self._limits.busy_s} s")
            yield Pause(self._limits.poll_s)
            status, now = yield from self._checked_status()

    def _send(self, request: DataObject) -> Steps[None]:
        raw = request.build()
        for at in range(0, len(raw), BYTES_PER_DW):
            dw = int.from_bytes(raw[at : at + BYTES_PER_DW], "little")
            yield WriteRegister(MailboxRegister.WRITE_MAILBOX, dw)
        yield WriteRegister(MailboxRegister.CONTROL, ControlFlags.GO)

    def _wait_until_ready(self) -> Steps[None]:
        status, now = yield from self._checked_status()
        deadline = now + self._limits.response_s
        while not status & StatusFlags.DATA_OBJECT_READY:
            if now >= deadline:
                raise _failure(MailboxFailure.NO_RESPONSE, f"{self._limits.response_s} s after Go")
            yield Pause(self._limits.poll_s)
            status, now = yield from self._checked_status()

    def _receive(self, request: DataObject) -> Steps[DataObject]:
        raw = bytearray((yield from self._take()))
        expected = request.build()[_KIND]
        if raw[_KIND] != expected:
            raise _failure(MailboxFailure.WRONG_OBJECT, f"{raw[_KIND].hex(' ')} instead of {expected.hex(' ')}")
        raw += yield from self._take()
        header = DataObjectHeader.parse(bytes(raw))
        if 0 < header.length_dw < HEADER_DW:
            raise _failure(MailboxFailure.BAD_LENGTH, f"{header.length_dw} double words")
        left = (header.size_bytes - HEADER_BYTES) // BYTES_PER_DW
        while left > 1:
            raw += yield from self._take()
            left -= 1
        if left:
            raw += yield from self._take(is_last=True)
        yield from self._checked_status()
        return DataObject.parse(bytes(raw))

    def _take(self, *, is_last: bool = False) -> Steps[bytes]:
        """Read one double word and move on; before the last one the response must still be there."""
        value = (yield ReadRegister(MailboxRegister.READ_MAILBOX)).value
        if is_last:
            status, _ = yield from self._status()
            if not status & StatusFlags.DATA_OBJECT_READY:
                raise _failure(MailboxFailure.CUT_SHORT, f"status {status:#010x} before the last double word")
        yield WriteRegister(MailboxRegister.READ_MAILBOX, 0)
        return value.to_bytes(BYTES_PER_DW, "little")


def _failure(code: MailboxFailure, detail: str) -> DoePeerError:
    return DoePeerError(code, detail, _HINTS[code])

"""What a capture file holds: one frame for each captured packet, before anyone looks into it."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum, IntEnum
from ipaddress import ip_address
from typing import BinaryIO, Final, NamedTuple

import attrs

from pytio.wire import OpenEnum

__all__ = ("Carrier", "Endpoint", "Frame", "Framing", "LinkType", "Problem", "read_exactly", "read_slices")

_SLICE_BYTES: Final = 1 << 20
_IPV4_BYTES: Final = 4


class LinkType(OpenEnum):
    """What the packets of an interface are; the numbers that capture files carry."""

    NULL = 0
    ETHERNET = 1
    RAW = 101
    LOOP = 108
    LINUX_SLL = 113
    USER0 = 147
    """PSP command pair."""
    USER1 = 148
    """Guest message page."""
    USER2 = 149
    """TLP."""
    IPV4 = 228
    IPV6 = 229
    LINUX_SLL2 = 276
    MCTP = 291
    """MCTP packet, as DMTF's emulators write it; the number is theirs."""
    PCI_DOE = 292
    """DOE data object, as DMTF's emulators write it; the number is theirs."""


@attrs.frozen
class Problem:
    """Bytes that did not decode: where in the frame, and why."""

    offset: int
    reason: str


class Endpoint(NamedTuple):
    """One end of a TCP connection."""

    address: bytes
    port: int

    def __str__(self) -> str:
        """Return address and port, as in a URI."""
        address = ip_address(self.address)
        return f"{address}:{self.port}" if len(self.address) == _IPV4_BYTES else f"[{address}]:{self.port}"


class Framing(Enum):
    """What puts frames into a stream."""

    PLATFORM = "platform socket"
    BINDING = "TCP binding"
    NONE = "none"
    """Bytes that are no frame."""


@attrs.frozen
class Carrier:
    """Where in which connection a frame was found.

    Attributes:
        connection: the connection's number in the capture, from 1.
        sender: which of its ends sent the frame, 0 or 1.
        source: the same end, as address and port.
        destination: the other end.
        framing: what the frame is.
    """

    connection: int
    sender: int
    source: str
    destination: str
    framing: Framing


@attrs.frozen
class Frame:
    """One captured packet.

    Attributes:
        number: position in the file, from 1.
        time_ns: time of capture in nanoseconds since 1970.
        link_type: what the bytes are.
        data: the bytes that were captured.
        original_size: how many bytes the packet had on the wire.
        interface: the interface's name, where the file gives one.
        problem: what is wrong with the frame itself, such as a file that ends inside it.
        comment: what somebody wrote beside the packet, where the file holds it.
        carrier: the TCP connection that it came in; None where packets are messages.
        notes: remarks on how it was found.
    """

    number: int
    time_ns: int
    link_type: IntEnum
    data: bytes
    original_size: int
    interface: str | None = None
    problem: Problem | None = None
    comment: str | None = None
    carrier: Carrier | None = None
    notes: tuple[str, ...] = ()


def read_slices(stream: BinaryIO, size: int) -> Iterator[bytes]:
    """Yield up to ``size`` bytes in slices, so that a hostile length allocates no more than the file can fill."""
    while size > 0:
        data = stream.read(min(size, _SLICE_BYTES))
        if not data:
            return
        size -= len(data)
        yield data


def read_exactly(stream: BinaryIO, size: int) -> bytes:
    """Return ``size`` bytes, or fewer where the file ends."""
    return b"".join(read_slices(stream, size))

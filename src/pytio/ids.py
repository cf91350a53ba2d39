"""Identifiers that several layers speak: who a function is, which interface, which stream, which key.

Documents: PCIe Base 6.x, "Transaction ID" (requester id), chapter 11 (FUNCTION_ID, INTERFACE_ID) and "IDE_KM" (the
byte that names a key). This module knows no message; what carries these identifiers is above it.
"""

from __future__ import annotations

import re
from enum import IntEnum
from typing import Final, Self, TypeAlias

import attrs

from pytio.wire import Bit, Bits, Bytes, Nested, OpenEnum, WireStruct, message, wire

__all__ = ("Bdf", "Direction", "FunctionId", "InterfaceId", "KeySlot", "StreamId", "SubStream")

_FUNCTION_BITS: Final = 3
_DEVFN_BITS: Final = 8
_BITS: Final = {"segment": 32, "bus": 8, "device": 5, "function": _FUNCTION_BITS}
_FUNCTION_MASK: Final = (1 << _FUNCTION_BITS) - 1
_DEVFN_MASK: Final = (1 << _DEVFN_BITS) - 1
_REQUESTER_ID_BITS: Final = 16
_SEGMENT_BITS: Final = 8
_INTERFACE_RESERVED_BYTES: Final = 8
_TEXT: Final = re.compile(
    r"(?:(?P<segment>[0-9a-f]{4,8}):)?(?P<bus>[0-9a-f]{2}):(?P<device>[0-9a-f]{2})\.(?P<function>[0-7])", re.IGNORECASE
)


StreamId: TypeAlias = int
"""The number of an IDE stream, 0 to 255; unique at a port among the streams that are enabled."""


class SubStream(OpenEnum):
    """Which transactions of an IDE stream one key protects.

    Open, because KP_ACK echoes the very sub-stream that it refuses ("unsupported value").
    """

    PR = 0
    """Posted requests."""
    NPR = 1
    """Non-posted requests."""
    CPL = 2
    """Completions."""


class Direction(IntEnum):
    """Which way a key is used, seen from the addressed port: one port's TX key is its partner's RX key."""

    RX = 0
    TX = 1


@attrs.frozen(order=True)
class Bdf:
    """Where a PCI function is: segment (the domain of an operating system), bus, device and function.

    Attributes:
        segment: segment group; operating systems also number their own domains above 0xffff.
        bus: 0 to 255.
        device: 0 to 31; with ARI the upper five bits of the function number.
        function: 0 to 7; with ARI the lower three bits of the function number.
    """

    segment: int = attrs.field(default=0, kw_only=True)
    bus: int = attrs.field(kw_only=True)
    device: int = attrs.field(default=0, kw_only=True)
    function: int = attrs.field(default=0, kw_only=True)

    def __attrs_post_init__(self) -> None:
        """Refuse numbers that do not fit."""
        for name, bits in _BITS.items():
            if not 0 <= getattr(self, name) < 1 << bits:
                raise ValueError(f"{name} {getattr(self, name)} does not fit in {bits} bits")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``0000:e1:00.0``, or ``e1:00.0`` for segment 0.

        Raises:
            ValueError: the text is no such address.
        """
        found = _TEXT.fullmatch(text.strip())
        if found is None:
            raise ValueError(f"{text!r} is not an address like 0000:e1:00.0")
        parts = {name: int(digits or "0", 16) for name, digits in found.groupdict().items()}
        return cls(**parts)

    @classmethod
    def from_requester_id(cls, requester_id: int, segment: int = 0) -> Self:
        """Take a requester id apart: bus in bits 15:8, device in 7:3, function in 2:0.

        Raises:
            ValueError: the requester id has more than 16 bits.
        """
        devfn = requester_id & _DEVFN_MASK
        return cls(
            segment=segment,
            bus=requester_id >> _DEVFN_BITS,
            device=devfn >> _FUNCTION_BITS,
            function=devfn & _FUNCTION_MASK,
        )

    @property
    def devfn(self) -> int:
        """Device and function in one byte; the function number of a function under ARI."""
        return self.device << _FUNCTION_BITS | self.function

    @property
    def requester_id(self) -> int:
        """Bus, device and function in 16 bits, as TLPs and TDISP carry them."""
        return self.bus << _DEVFN_BITS | self.devfn

    def __str__(self) -> str:
        """Return ``0000:e1:00.0``."""
        return f"{self.segment:04x}:{self.bus:02x}:{self.device:02x}.{self.function:x}"


@message
class FunctionId(WireStruct):
    """FUNCTION_ID: the function that hosts an interface (PCIe Base 6.x chapter 11, "FUNCTION_ID")."""

    requester_id: int = wire(Bits(_REQUESTER_ID_BITS))
    segment: int = wire(Bits(_SEGMENT_BITS), default=0)
    is_segment_valid: bool = wire(Bit, default=False)
    reserved: int = wire(Bits(7), default=0)

    @classmethod
    def of(cls, address: Bdf | str, *, with_segment: bool = False) -> Self:
        """Name the function at ``address``; ``with_segment`` also names its segment, which few devices know.

        Raises:
            ValueError: ``address`` is no address, or its segment does not fit in the 8 bits there are for it.
        """
        bdf = Bdf.parse(address) if isinstance(address, str) else address
        if not with_segment:
            return cls(requester_id=bdf.requester_id)
        if bdf.segment >> _SEGMENT_BITS:
            raise ValueError(f"segment {bdf.segment:#x} does not fit in {_SEGMENT_BITS} bits")
        return cls(requester_id=bdf.requester_id, segment=bdf.segment, is_segment_valid=True)

    @property
    def bdf(self) -> Bdf:
        """The address; its segment is 0 where the segment bits are not valid."""
        return Bdf.from_requester_id(self.requester_id, self.segment if self.is_segment_valid else 0)

    def __str__(self) -> str:
        """Return ``0000:e1:00.0``."""
        return str(self.bdf)


@message
class InterfaceId(WireStruct):
    """INTERFACE_ID: the TDI that a TDISP message is about (PCIe Base 6.x chapter 11, "INTERFACE_ID")."""

    function_id: FunctionId = wire(Nested(FunctionId))
    reserved: bytes = wire(Bytes(_INTERFACE_RESERVED_BYTES), default=bytes(_INTERFACE_RESERVED_BYTES))

    @classmethod
    def of(cls, address: Bdf | str, *, with_segment: bool = False) -> Self:
        """Name the interface that the function at ``address`` hosts.

        Raises:
            ValueError: as `FunctionId.of`.
        """
        return cls(function_id=FunctionId.of(address, with_segment=with_segment))

    def __str__(self) -> str:
        """Return the function's address, ``0000:e1:00.0``."""
        return str(self.function_id)


@message
class KeySlot(WireStruct):
    """The byte key_sub_stream of IDE_KM: which key of a stream (PCIe Base 6.x chapter 6, "IDE_KM")."""

    key_set: int = wire(Bits(1), default=0)
    direction: Direction = wire(Bits(1, Direction))
    reserved: int = wire(Bits(2), default=0)
    sub_stream: SubStream = wire(Bits(4, SubStream))

    def __str__(self) -> str:
        """Return the slot in short, ``K0/RX/PR``."""
        return f"K{self.key_set}/{self.direction.name}/{self.sub_stream.name}"

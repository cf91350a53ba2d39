"""TLP prefixes: one dword each, before the header; among them the one that makes a TLP an IDE TLP.

Document: PCIe Base 6.x, 2.2.10 "TLP Prefix Rules" and chapter 6, "IDE TLP". Bits are numbered from the left.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from pytio.errors import IdeDecodeError
from pytio.ide.codes import BYTES_PER_DW, PrefixType
from pytio.ids import SubStream
from pytio.wire import Bit, Bits, Byte, Bytes, OpenCode, WireStruct, fixed, message, wire

__all__ = ("AnyPrefix", "IdePrefix", "PasidPrefix", "TlpPrefix", "is_end_end", "is_prefix", "parse_prefixes")

_PREFIX_MASK: Final = 0xE0
_PREFIX_BITS: Final = 0x80
_END_END_BIT: Final = 0x10
_TYPE: Final = OpenCode(Byte, PrefixType)


class AnyPrefix(WireStruct, errors=IdeDecodeError, msb_first=True):
    """Base of every prefix: 4 bytes, of which the first says which one it is."""

    __slots__ = ()

    prefix_type: PrefixType


@message
class TlpPrefix(AnyPrefix):
    """A prefix whose content is not looked into."""

    prefix_type: PrefixType = wire(_TYPE)
    content: bytes = wire(Bytes(3), default=bytes(3))


@message
class PasidPrefix(AnyPrefix):
    """The PASID prefix: which process address space a request is for."""

    prefix_type: PrefixType = fixed(_TYPE, PrefixType.PASID)
    privileged_mode_requested: bool = wire(Bit, default=False)
    execute_requested: bool = wire(Bit, default=False)
    reserved: int = wire(Bits(2), default=0)
    pasid: int = wire(Bits(20))


@message
class IdePrefix(AnyPrefix):
    """The IDE prefix, before all other end-end prefixes, outside of flit mode."""

    prefix_type: PrefixType = fixed(_TYPE, PrefixType.IDE)
    pr_sent_counter: int = wire(Byte, default=0)
    """Posted requests sent before, since the last of this sub-stream."""
    stream_id: int = wire(Byte)
    reserved: int = wire(Bits(1), default=0)
    sub_stream: SubStream = wire(Bits(3, SubStream))
    p: bool = wire(Bit, default=False)
    """A PCRC follows the payload."""
    m: bool = wire(Bit, default=False)
    """A MAC ends this TLP, and with it the unit."""
    k: int = wire(Bits(1), default=0)
    """The key set."""
    t: bool = wire(Bit, default=False)
    """The TLP comes from a trusted environment."""


_CLASSES: Final[Mapping[int, type[AnyPrefix]]] = MappingProxyType(
    {PrefixType.PASID: PasidPrefix, PrefixType.IDE: IdePrefix}
)


def is_prefix(first: int) -> bool:
    """Return whether a byte begins a prefix, not a header."""
    return first & _PREFIX_MASK == _PREFIX_BITS


def is_end_end(prefix: AnyPrefix) -> bool:
    """Return whether a prefix goes all the way to the receiver, instead of one link far."""
    return bool(prefix.prefix_type & _END_END_BIT)


def parse_prefixes(data: bytes) -> tuple[tuple[AnyPrefix, ...], int]:
    """Parse the prefixes at the start of ``data``; return them and their size in bytes.

    Raises:
        IdeDecodeError: a prefix is cut.
    """
    found: list[AnyPrefix] = []
    at = 0
    while at < len(data) and is_prefix(data[at]):
        raw = data[at : at + BYTES_PER_DW]
        found.append(_CLASSES.get(raw[0], TlpPrefix).parse(raw))
        at += BYTES_PER_DW
    return tuple(found), at

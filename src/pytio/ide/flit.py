"""TLP headers in flit mode: the base header, without the OHC that may stand inside it.

Document: PCIe Base 6.x, 2.2 "Flit Mode TLP Header". Public knowledge of these layouts is moderate: `PCIE_A30`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from pytio.ide.codes import FOUR_DW_BIT, AddressType, FlitType, MessageCode, Trailer
from pytio.ide.header import IDE_MESSAGES, AnyHeader
from pytio.wire import U16BE, Bit, Bits, Byte, Bytes, Code, OpenCode, message, wire

__all__ = (
    "FlitCompletion",
    "FlitConfigurationRequest",
    "FlitHeader",
    "FlitIdeMessage",
    "FlitIoRequest",
    "FlitMemoryRequest32",
    "FlitMemoryRequest64",
    "FlitMessageRequest",
    "flit_header_class",
)

_MESSAGE_CODE_BYTE: Final = 7


@message
class FlitHeader(AnyHeader):
    """The first dword, which all headers begin with, and which is all there is of a NOP."""

    tlp_type: FlitType = wire(Code(Byte, FlitType))
    traffic_class: int = wire(Bits(3), default=0)
    ohc_e: int = wire(Bits(2), default=0)
    """How many OHC-E there are."""
    ohc_c: bool = wire(Bit, default=False)
    ohc_b: bool = wire(Bit, default=False)
    ohc_a: bool = wire(Bit, default=False)
    trailer: Trailer = wire(Bits(3, Trailer), default=Trailer.NONE)
    id_based_ordering: bool = wire(Bit, default=False)
    relaxed_ordering: bool = wire(Bit, default=False)
    no_snoop: bool = wire(Bit, default=False)
    length: int = wire(Bits(10), default=0)


@message
class FlitMemoryRequest32(FlitHeader):
    """A memory request, an atomic operation or a deferrable memory write below 4 GiB, 12 bytes."""

    requester_id: int = wire(U16BE, default=0)
    poisoned: bool = wire(Bit, default=False)
    reserved: int = wire(Bits(1), default=0)
    tag: int = wire(Bits(14), default=0)
    address_31_2: int = wire(Bits(30))
    address_type: AddressType = wire(Bits(2, AddressType), default=AddressType.UNTRANSLATED)

    @property
    def transaction(self) -> tuple[int, int]:
        """Requester id and tag."""
        return self.requester_id, self.tag

    @property
    def address(self) -> int:
        """Where the request goes, in bytes."""
        return self.address_31_2 << 2


@message
class FlitMemoryRequest64(FlitHeader):
    """A memory request, an atomic operation or a deferrable memory write at 4 GiB or above, 16 bytes."""

    requester_id: int = wire(U16BE, default=0)
    poisoned: bool = wire(Bit, default=False)
    reserved: int = wire(Bits(1), default=0)
    tag: int = wire(Bits(14), default=0)
    address_63_2: int = wire(Bits(62))
    address_type: AddressType = wire(Bits(2, AddressType), default=AddressType.UNTRANSLATED)

    @property
    def transaction(self) -> tuple[int, int]:
        """Requester id and tag."""
        return self.requester_id, self.tag

    @property
    def address(self) -> int:
        """Where the request goes, in bytes."""
        return self.address_63_2 << 2


@message
class FlitIoRequest(FlitHeader):
    """A request to I/O space, 12 bytes."""

    requester_id: int = wire(U16BE, default=0)
    poisoned: bool = wire(Bit, default=False)
    reserved: int = wire(Bits(1), default=0)
    tag: int = wire(Bits(14), default=0)
    address_31_2: int = wire(Bits(30))
    reserved_low: int = wire(Bits(2), default=0)

    @property
    def transaction(self) -> tuple[int, int]:
        """Requester id and tag."""
        return self.requester_id, self.tag


@message
class FlitConfigurationRequest(FlitHeader):
    """A configuration request, 12 bytes."""

    requester_id: int = wire(U16BE, default=0)
    poisoned: bool = wire(Bit, default=False)
    reserved: int = wire(Bits(1), default=0)
    tag: int = wire(Bits(14), default=0)
    destination_id: int = wire(U16BE)
    reserved_high: int = wire(Bits(4), default=0)
    extended_register: int = wire(Bits(4), default=0)
    register: int = wire(Bits(6), default=0)
    reserved_low: int = wire(Bits(2), default=0)

    @property
    def transaction(self) -> tuple[int, int]:
        """Requester id and tag."""
        return self.requester_id, self.tag


@message
class FlitCompletion(FlitHeader):
    """A completion, 12 bytes; its status is in OHC-A5 unless it is successful."""

    completer_id: int = wire(U16BE, default=0)
    poisoned: bool = wire(Bit, default=False)
    lower_address_6: bool = wire(Bit, default=False)
    tag: int = wire(Bits(14), default=0)
    requester_id: int = wire(U16BE)
    lower_address_5_2: int = wire(Bits(4), default=0)
    byte_count: int = wire(Bits(12), default=0)

    @property
    def transaction(self) -> tuple[int, int]:
        """Requester id and tag of the request."""
        return self.requester_id, self.tag


@message
class FlitMessageRequest(FlitHeader):
    """A message, 16 bytes; what the last eight are depends on routing and code."""

    requester_id: int = wire(U16BE, default=0)
    poisoned: bool = wire(Bit, default=False)
    reserved: int = wire(Bits(7), default=0)
    message_code: MessageCode = wire(OpenCode(Byte, MessageCode))
    specific: bytes = wire(Bytes(8), default=bytes(8))


@message
class FlitIdeMessage(FlitHeader):
    """IDE Sync or IDE Fail, 16 bytes (`PCIE_A29`); the counters are those of IDE Sync."""

    requester_id: int = wire(U16BE, default=0)
    poisoned: bool = wire(Bit, default=False)
    reserved: int = wire(Bits(7), default=0)
    message_code: MessageCode = wire(OpenCode(Byte, MessageCode))
    destination_id: int = wire(U16BE, default=0)
    reserved_middle: bytes = wire(Bytes(2), default=bytes(2))
    stream_id: int = wire(Byte)
    pr_sent_counter_npr: int = wire(Byte, default=0)
    pr_sent_counter_cpl: int = wire(Byte, default=0)
    reserved_end: int = wire(Byte, default=0)


def _class_of(tlp_type: FlitType) -> type[FlitHeader]:
    name = tlp_type.name
    for start, cls in (
        ("NOP", FlitHeader),
        ("IO", FlitIoRequest),
        ("CFG", FlitConfigurationRequest),
        ("CPL", FlitCompletion),
        ("MSG", FlitMessageRequest),
    ):
        if name.startswith(start):
            return cls
    return FlitMemoryRequest64 if tlp_type & FOUR_DW_BIT else FlitMemoryRequest32


_CLASSES: Final[Mapping[int, type[FlitHeader]]] = MappingProxyType({each: _class_of(each) for each in FlitType})


def flit_header_class(data: bytes) -> type[FlitHeader]:
    """Return what the header that begins with ``data`` is, as far as its first two dwords tell."""
    cls = _CLASSES.get(data[0], FlitHeader) if data else FlitHeader
    if cls is FlitMessageRequest and len(data) > _MESSAGE_CODE_BYTE and data[_MESSAGE_CODE_BYTE] in IDE_MESSAGES:
        return FlitIdeMessage
    return cls

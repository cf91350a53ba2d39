"""TLP headers outside of flit mode, and what headers of both modes have in common.

Document: PCIe Base 6.x, 2.2 "Transaction Layer Protocol - Packet Definition". Byte 0 is sent first, and is the most
significant byte of the first dword: bits are numbered as the specification's figures number them, from the left.
This file knows layouts; what surrounds a header is `pytio.ide.tlp`'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from pytio.errors import IdeDecodeError
from pytio.ide.codes import (
    BYTES_PER_DW,
    DATA_BIT,
    FOUR_DW_BIT,
    MAX_LENGTH_DW,
    AddressType,
    CompletionStatus,
    FlitType,
    MessageCode,
    TlpType,
    sub_stream_of,
)
from pytio.ids import SubStream
from pytio.wire import U16BE, Bit, Bits, Byte, Bytes, Code, OpenCode, WireStruct, message, wire

__all__ = (
    "IDE_MESSAGES",
    "AnyHeader",
    "Completion",
    "ConfigurationRequest",
    "IdeMessage",
    "IoRequest",
    "MemoryRequest32",
    "MemoryRequest64",
    "MessageRequest",
    "TlpHeader",
    "VendorDefinedMessage",
    "parse_header",
)

_TAG_BITS: Final = 8
_MESSAGE_CODE_BYTE: Final = 7

IDE_MESSAGES: Final = frozenset({MessageCode.IDE_SYNC, MessageCode.IDE_FAIL})
"""The messages that streams themselves send."""


class AnyHeader(WireStruct, errors=IdeDecodeError, msb_first=True):
    """What the headers of both modes have in common."""

    __slots__ = ()

    tlp_type: TlpType | FlitType
    traffic_class: int
    length: int

    @property
    def sub_stream(self) -> SubStream:
        """The sub-stream that the TLP would travel in."""
        return sub_stream_of(self.tlp_type)

    @property
    def has_data(self) -> bool:
        """Whether a payload follows."""
        return bool(self.tlp_type & DATA_BIT)

    @property
    def length_dw(self) -> int:
        """What Length says, in dwords: 1 to 1024."""
        return self.length or MAX_LENGTH_DW

    @property
    def payload_bytes(self) -> int:
        """How many bytes of payload follow."""
        return self.length_dw * BYTES_PER_DW if self.has_data else 0

    @property
    def transaction(self) -> tuple[int, int] | None:
        """Requester id and tag: what a completion shares with its request. None where there is no such thing."""
        return None

    @property
    def is_flit(self) -> bool:
        """Whether this is a header of flit mode."""
        return isinstance(self.tlp_type, FlitType)


@message
class TlpHeader(AnyHeader):
    """The first dword, which all headers begin with."""

    tlp_type: TlpType = wire(Code(Byte, TlpType))
    tag_9: bool = wire(Bit, default=False)
    traffic_class: int = wire(Bits(3), default=0)
    tag_8: bool = wire(Bit, default=False)
    id_based_ordering: bool = wire(Bit, default=False)
    lightweight_notification: bool = wire(Bit, default=False)
    tph: bool = wire(Bit, default=False)
    digest: bool = wire(Bit, default=False)
    poisoned: bool = wire(Bit, default=False)
    relaxed_ordering: bool = wire(Bit, default=False)
    no_snoop: bool = wire(Bit, default=False)
    address_type: AddressType = wire(Bits(2, AddressType), default=AddressType.UNTRANSLATED)
    length: int = wire(Bits(10), default=0)

    def _tag(self, low: int) -> int:
        return (self.tag_9 << 1 | self.tag_8) << _TAG_BITS | low


@message
class MemoryRequest32(TlpHeader):
    """A memory request, an atomic operation or a deferrable memory write below 4 GiB, 12 bytes."""

    requester_id: int = wire(U16BE, default=0)
    tag: int = wire(Byte, default=0)
    last_dw_be: int = wire(Bits(4), default=0)
    first_dw_be: int = wire(Bits(4), default=0)
    address_31_2: int = wire(Bits(30))
    processing_hint: int = wire(Bits(2), default=0)

    @property
    def transaction(self) -> tuple[int, int]:
        """Requester id and tag."""
        return self.requester_id, self._tag(self.tag)

    @property
    def address(self) -> int:
        """Where the request goes, in bytes."""
        return self.address_31_2 << 2


@message
class MemoryRequest64(TlpHeader):
    """A memory request, an atomic operation or a deferrable memory write at 4 GiB or above, 16 bytes."""

    requester_id: int = wire(U16BE, default=0)
    tag: int = wire(Byte, default=0)
    last_dw_be: int = wire(Bits(4), default=0)
    first_dw_be: int = wire(Bits(4), default=0)
    address_63_2: int = wire(Bits(62))
    processing_hint: int = wire(Bits(2), default=0)

    @property
    def transaction(self) -> tuple[int, int]:
        """Requester id and tag."""
        return self.requester_id, self._tag(self.tag)

    @property
    def address(self) -> int:
        """Where the request goes, in bytes."""
        return self.address_63_2 << 2


@message
class IoRequest(TlpHeader):
    """A request to I/O space, 12 bytes."""

    requester_id: int = wire(U16BE, default=0)
    tag: int = wire(Byte, default=0)
    last_dw_be: int = wire(Bits(4), default=0)
    first_dw_be: int = wire(Bits(4), default=0)
    address_31_2: int = wire(Bits(30))
    reserved: int = wire(Bits(2), default=0)

    @property
    def transaction(self) -> tuple[int, int]:
        """Requester id and tag."""
        return self.requester_id, self._tag(self.tag)


@message
class ConfigurationRequest(TlpHeader):
    """A configuration request, 12 bytes."""

    requester_id: int = wire(U16BE, default=0)
    tag: int = wire(Byte, default=0)
    last_dw_be: int = wire(Bits(4), default=0)
    first_dw_be: int = wire(Bits(4), default=0)
    destination_id: int = wire(U16BE)
    reserved: int = wire(Bits(4), default=0)
    extended_register: int = wire(Bits(4), default=0)
    register: int = wire(Bits(6), default=0)
    reserved_low: int = wire(Bits(2), default=0)

    @property
    def transaction(self) -> tuple[int, int]:
        """Requester id and tag."""
        return self.requester_id, self._tag(self.tag)


@message
class Completion(TlpHeader):
    """A completion, 12 bytes."""

    completer_id: int = wire(U16BE, default=0)
    status: CompletionStatus = wire(Bits(3, CompletionStatus), default=CompletionStatus.SUCCESSFUL_COMPLETION)
    byte_count_modified: bool = wire(Bit, default=False)
    byte_count: int = wire(Bits(12), default=0)
    requester_id: int = wire(U16BE)
    tag: int = wire(Byte, default=0)
    reserved: int = wire(Bits(1), default=0)
    lower_address: int = wire(Bits(7), default=0)

    @property
    def transaction(self) -> tuple[int, int]:
        """Requester id and tag of the request."""
        return self.requester_id, self._tag(self.tag)


@message
class MessageRequest(TlpHeader):
    """A message, 16 bytes; what the last eight are depends on routing and code."""

    requester_id: int = wire(U16BE, default=0)
    tag: int = wire(Byte, default=0)
    message_code: MessageCode = wire(OpenCode(Byte, MessageCode))
    specific: bytes = wire(Bytes(8), default=bytes(8))


@message
class VendorDefinedMessage(TlpHeader):
    """Vendor_Defined Type 0 or 1, 16 bytes."""

    requester_id: int = wire(U16BE, default=0)
    tag: int = wire(Byte, default=0)
    message_code: MessageCode = wire(OpenCode(Byte, MessageCode), default=MessageCode.VENDOR_DEFINED_TYPE_1)
    destination_id: int = wire(U16BE, default=0)
    vendor_id: int = wire(U16BE)
    specific: bytes = wire(Bytes(4), default=bytes(4))


@message
class IdeMessage(TlpHeader):
    """IDE Sync or IDE Fail, 16 bytes (`PCIE_A29`); the counters are those of IDE Sync."""

    requester_id: int = wire(U16BE, default=0)
    tag: int = wire(Byte, default=0)
    message_code: MessageCode = wire(OpenCode(Byte, MessageCode))
    destination_id: int = wire(U16BE, default=0)
    reserved: bytes = wire(Bytes(2), default=bytes(2))
    stream_id: int = wire(Byte)
    pr_sent_counter_npr: int = wire(Byte, default=0)
    pr_sent_counter_cpl: int = wire(Byte, default=0)
    reserved_end: int = wire(Byte, default=0)


def _class_of(tlp_type: TlpType) -> type[TlpHeader]:
    name = tlp_type.name
    for start, cls in (
        ("IO", IoRequest),
        ("CFG", ConfigurationRequest),
        ("CPL", Completion),
        ("MSG", MessageRequest),
    ):
        if name.startswith(start):
            return cls
    return MemoryRequest64 if tlp_type & FOUR_DW_BIT else MemoryRequest32


_CLASSES: Final[Mapping[int, type[TlpHeader]]] = MappingProxyType({each: _class_of(each) for each in TlpType})
_MESSAGES: Final[Mapping[int, type[TlpHeader]]] = MappingProxyType(
    dict.fromkeys(IDE_MESSAGES, IdeMessage)
    | {
        MessageCode.VENDOR_DEFINED_TYPE_0: VendorDefinedMessage,
        MessageCode.VENDOR_DEFINED_TYPE_1: VendorDefinedMessage,
    }
)


def parse_header(data: bytes) -> tuple[TlpHeader, int]:
    """Parse the header at the start of ``data``; return it and its size in bytes.

    Raises:
        IdeDecodeError: the type is not known, or the header is cut.
    """
    cls = _CLASSES.get(data[0], TlpHeader) if data else TlpHeader
    if cls is MessageRequest and len(data) > _MESSAGE_CODE_BYTE:
        cls = _MESSAGES.get(data[_MESSAGE_CODE_BYTE], cls)
    return cls.parse_prefix(data)

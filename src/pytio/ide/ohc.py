"""Orthogonal header content: the dwords that flit mode adds to a header, among them the one that IDE uses.

Document: PCIe Base 6.x, 2.2.11 "OHC". OHC-C is from public drawings; where the others keep what is `PCIE_A30`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from pytio.errors import IdeDecodeError
from pytio.ide.codes import CompletionStatus, FlitType
from pytio.ids import SubStream
from pytio.wire import Bit, Bits, Byte, Bytes, WireStruct, message, wire

__all__ = (
    "NO_IDE",
    "OHC_OFFSET",
    "AnyOhc",
    "OhcA1",
    "OhcA2",
    "OhcA3",
    "OhcA4",
    "OhcA5",
    "OhcB",
    "OhcC",
    "OhcE",
    "ohc_a_of",
)

NO_IDE: Final = 7
"""The sub-stream of an OHC-C that only names a segment: the TLP is no IDE TLP."""


OHC_OFFSET: Final = 8
"""Where in a header OHC stands: between its first two dwords and its address part (`PCIE_A30`)."""


class AnyOhc(WireStruct, errors=IdeDecodeError, msb_first=True):
    """Base of all: 4 bytes each."""

    __slots__ = ()


@message
class OhcA1(AnyOhc):
    """OHC-A1, of memory requests: byte enables and PASID."""

    no_write: bool = wire(Bit, default=False)
    pasid_valid: bool = wire(Bit, default=False)
    privileged_mode_requested: bool = wire(Bit, default=False)
    execute_requested: bool = wire(Bit, default=False)
    pasid: int = wire(Bits(20), default=0)
    last_dw_be: int = wire(Bits(4), default=0)
    first_dw_be: int = wire(Bits(4), default=0)


@message
class OhcA2(AnyOhc):
    """OHC-A2, of I/O requests: byte enables."""

    reserved: int = wire(Bits(24), default=0)
    last_dw_be: int = wire(Bits(4), default=0)
    first_dw_be: int = wire(Bits(4), default=0)


@message
class OhcA3(AnyOhc):
    """OHC-A3, of configuration requests: destination segment and byte enables."""

    destination_segment: int = wire(Byte, default=0)
    destination_segment_valid: bool = wire(Bit, default=False)
    reserved: int = wire(Bits(15), default=0)
    last_dw_be: int = wire(Bits(4), default=0)
    first_dw_be: int = wire(Bits(4), default=0)


@message
class OhcA4(AnyOhc):
    """OHC-A4, of messages: destination segment."""

    destination_segment: int = wire(Byte, default=0)
    destination_segment_valid: bool = wire(Bit, default=False)
    reserved: int = wire(Bits(23), default=0)


@message
class OhcA5(AnyOhc):
    """OHC-A5, of completions: segments, status and the low address bits."""

    destination_segment: int = wire(Byte, default=0)
    completer_segment: int = wire(Byte, default=0)
    destination_segment_valid: bool = wire(Bit, default=False)
    reserved: int = wire(Bits(10), default=0)
    status: CompletionStatus = wire(Bits(3, CompletionStatus), default=CompletionStatus.SUCCESSFUL_COMPLETION)
    lower_address_1_0: int = wire(Bits(2), default=0)


@message
class OhcB(AnyOhc):
    """OHC-B: processing hints."""

    steering_tag: int = wire(Bits(16), default=0)
    reserved: int = wire(Bits(12), default=0)
    hint_valid: int = wire(Bits(2), default=0)
    processing_hint: int = wire(Bits(2), default=0)


@message
class OhcC(AnyOhc):
    """OHC-C: the requester's segment, and in an IDE TLP what the IDE prefix says outside of flit mode."""

    requester_segment: int = wire(Byte, default=0)
    pr_sent_counter: int = wire(Byte, default=0)
    stream_id: int = wire(Byte, default=0)
    reserved: int = wire(Bits(1), default=0)
    sub_stream: SubStream = wire(Bits(3, SubStream), default=SubStream(NO_IDE))
    requester_segment_valid: bool = wire(Bit, default=False)
    xt: bool = wire(Bit, default=False)
    """Later revisions: together with T, which kind of memory the TLP may reach."""
    k: int = wire(Bits(1), default=0)
    """The key set."""
    t: bool = wire(Bit, default=False)
    """The TLP comes from a trusted environment."""


@message
class OhcE(AnyOhc):
    """OHC-E: what an end-end prefix holds outside of flit mode."""

    content: bytes = wire(Bytes(4))


_OHC_A: Final[Mapping[str, type[AnyOhc]]] = MappingProxyType({"IO": OhcA2, "CFG": OhcA3, "MSG": OhcA4, "CPL": OhcA5})


def ohc_a_of(tlp_type: FlitType) -> type[AnyOhc]:
    """Return which OHC-A a type of TLP has."""
    return next((cls for start, cls in _OHC_A.items() if tlp_type.name.startswith(start)), OhcA1)

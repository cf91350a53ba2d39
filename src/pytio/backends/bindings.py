"""What each transport makes of an SPDM message: a data object, an MCTP message, a frame of the TCP binding, or nothing.

Documents: PCIe Base 6.x, "Data Object Exchange"; DSP0275 and DSP0276 (MCTP); DSP0287 (TCP). A binding is the pair of
functions between an engine, which knows messages and records, and a transport, which moves units. It holds no state.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import attrs

from pytio import doe, transports
from pytio.errors import DoeDecodeError, TransportDecodeError
from pytio.spdm.secured import RECORD_FORMATS, RecordFormat, RecordTransport
from pytio.transports import MctpMessageType, PlatformTransport, TcpMessageType

__all__ = ("BINDINGS", "MCTP", "NONE", "PCI_DOE", "TCP", "Binding", "Carried")


@attrs.frozen
class Carried:
    """What a unit carries."""

    message: bytes = attrs.field(repr=lambda message: f"<{len(message)} bytes>")
    """An SPDM message or a secured record; after it there may be what the transport appended."""
    is_secured: bool = False
    """Whether it is a record."""


@attrs.frozen
class Binding:
    """How one transport carries SPDM.

    Attributes:
        name: as in URIs and on the command line.
        platform: its number in the frames of DMTF's emulators.
        record_format: how records look on it; None where it carries none.
        wrap: makes the unit that carries a message, or a record.
        unwrap: says what a unit carries; raises TransportDecodeError or DoeDecodeError if that is not SPDM.
    """

    name: str
    platform: PlatformTransport
    record_format: RecordFormat | None
    wrap: Callable[[bytes, bool], bytes]
    unwrap: Callable[[bytes], Carried]


def _wrap_doe(message: bytes, is_secured: bool) -> bytes:
    kind = doe.DataObjectType.SECURED_CMA_SPDM if is_secured else doe.DataObjectType.CMA_SPDM
    return doe.DataObject.wrap(kind, message).build()


def _unwrap_doe(unit: bytes) -> Carried:
    found = doe.DataObject.parse(unit)
    kinds: dict[int, bool] = {doe.DataObjectType.CMA_SPDM: False, doe.DataObjectType.SECURED_CMA_SPDM: True}
    if found.vendor_id != doe.VendorId.PCI_SIG or found.data_object_type not in kinds:
        raise DoeDecodeError("a data object that is not SPDM", unit, 2, "DataObject.data_object_type")
    return Carried(found.payload, kinds[found.data_object_type])


def _wrap_mctp(message: bytes, is_secured: bool) -> bytes:
    kind = MctpMessageType.SECURED_MESSAGE if is_secured else MctpMessageType.SPDM
    return transports.MctpMessage(message_type=kind, payload=message).build()


def _unwrap_mctp(unit: bytes) -> Carried:
    found = transports.MctpMessage.parse(unit)
    kinds = {MctpMessageType.SPDM: False, MctpMessageType.SECURED_MESSAGE: True}
    if found.message_type not in kinds:
        raise TransportDecodeError("an MCTP message that is not SPDM", unit, 0, "MctpMessage.message_type")
    return Carried(found.payload, kinds[found.message_type])


def _wrap_tcp(message: bytes, is_secured: bool) -> bytes:
    kind = TcpMessageType.IN_SESSION if is_secured else TcpMessageType.OUT_OF_SESSION
    return transports.TcpFrame(message_type=kind, message=message).build()


def _unwrap_tcp(unit: bytes) -> Carried:
    found = transports.TcpFrame.parse(unit)
    kinds = {TcpMessageType.OUT_OF_SESSION: False, TcpMessageType.IN_SESSION: True}
    if found.message_type not in kinds:
        raise TransportDecodeError("a TCP frame without a message", unit, 3, "TcpFrame.message_type")
    return Carried(found.message, kinds[found.message_type])


def _wrap_none(message: bytes, is_secured: bool) -> bytes:
    if is_secured:
        raise ValueError("nothing marks a record on a bare transport, so it has no sessions")
    return message


PCI_DOE: Final = Binding(
    "pci-doe", PlatformTransport.PCI_DOE, RECORD_FORMATS[RecordTransport.PCI_DOE], _wrap_doe, _unwrap_doe
)
"""Data objects of a DOE mailbox."""
MCTP: Final = Binding("mctp", PlatformTransport.MCTP, RECORD_FORMATS[RecordTransport.MCTP], _wrap_mctp, _unwrap_mctp)
"""Whole MCTP messages, from their type byte on."""
TCP: Final = Binding("tcp", PlatformTransport.TCP, RECORD_FORMATS[RecordTransport.TCP], _wrap_tcp, _unwrap_tcp)
"""Frames of the TCP binding."""
NONE: Final = Binding("none", PlatformTransport.NONE, None, _wrap_none, Carried)
"""Bare messages; no sessions."""

BINDINGS: Final[Mapping[str, Binding]] = MappingProxyType({one.name: one for one in (PCI_DOE, MCTP, TCP, NONE)})
"""The bindings by name."""

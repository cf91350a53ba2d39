"""What travels in vendor-defined SPDM messages: IDE_KM and TDISP are read, CXL's protocols stay opaque.

Documents: DSP0274, VENDOR_DEFINED_REQUEST; PCIe Base 6.x chapters 6 (IDE_KM) and 11 (TDISP), for the protocol id that
the payload begins with.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import attrs

from pytio import idekm, tdisp
from pytio.capture.draft import Findings
from pytio.capture.records import Layer, layer_of
from pytio.errors import DecodeError
from pytio.spdm.codes import RegistryId
from pytio.spdm.messages.vendor_defined import VendorDefinedRequest, VendorDefinedResponse
from pytio.wire import WireStruct

__all__ = ("VendorProtocol", "inside", "protocol_of", "read")

_PCI_SIG_VENDOR: Final = bytes.fromhex("0100")
_CXL: Final = (RegistryId.PCI_SIG, bytes.fromhex("981e"))


@attrs.frozen
class _OpaqueProtocol:
    """A protocol that is not read: where its messages have their code, and the codes of those that hold keys."""

    code_offset: int
    with_keys: frozenset[int]


_CXL_PROTOCOLS: Final = {
    # IDE_KM: KEY_PROG, GET_KEY_ACK
    0: _OpaqueProtocol(1, frozenset({0x02, 0x08})),
    # TSP: SET_TARGET_CONFIGURATION, SET_TARGET_CKID_SPECIFIC_KEY, SET_TARGET_RANGE_SPECIFIC_KEY
    1: _OpaqueProtocol(2, frozenset({0x83, 0x87, 0x8A})),
}
"""CXL's protocols by protocol id."""


@attrs.frozen
class VendorProtocol:
    """A protocol that travels in vendor-defined messages.

    Attributes:
        name: the layer's name.
        parse: reads a message, the bytes behind the protocol id.
        code_offset: where the message says what it is.
    """

    name: str
    parse: Callable[[bytes], WireStruct]
    code_offset: int


_PROTOCOLS: Final = {
    idekm.PROTOCOL_ID: VendorProtocol("idekm", idekm.parse, code_offset=0),
    tdisp.PROTOCOL_ID: VendorProtocol("tdisp", tdisp.parse, code_offset=1),
}


def protocol_of(message: VendorDefinedRequest | VendorDefinedResponse) -> VendorProtocol | None:
    """Return the protocol of PCI-SIG that a vendor-defined message carries, if it is one that is known."""
    payload = message.payload
    if not payload or message.vendor_id != _PCI_SIG_VENDOR or message.standard_id != RegistryId.PCI_SIG:
        return None
    return _PROTOCOLS.get(payload[0])


def inside(message: VendorDefinedRequest | VendorDefinedResponse) -> WireStruct | None:
    """Return the message inside a vendor-defined one, None if there is none that decodes."""
    protocol = protocol_of(message)
    if protocol is None:
        return None
    try:
        return protocol.parse(message.payload[1:])
    except DecodeError:
        return None


def read(found: Findings, message: VendorDefinedRequest | VendorDefinedResponse, base: int) -> None:
    """Add the layer inside a vendor-defined message, whose payload starts at ``base``."""
    if (message.standard_id, message.vendor_id) == _CXL:
        found.add(Layer("cxl", message.payload, secret=_holds_cxl_keys(message.payload)))
        return
    protocol = protocol_of(message)
    if protocol is None:
        return
    inner = message.payload[1:]
    code = inner[protocol.code_offset : protocol.code_offset + 1]
    facts = {"code": code[0]} if code else {}
    try:
        parsed = protocol.parse(inner)
    except DecodeError as error:
        found.add(Layer(protocol.name, inner, None, facts, secret=True))  # nobody knows where keys would be
        found.fail(error, base + 1)
        return
    found.add(layer_of(protocol.name, inner, parsed, facts, parsed.NAME))


def _holds_cxl_keys(payload: bytes) -> bool:
    protocol = _CXL_PROTOCOLS.get(payload[0]) if payload else None
    return protocol is not None and any(code in protocol.with_keys for code in payload[protocol.code_offset :][:1])

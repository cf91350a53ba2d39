"""What travels in vendor-defined SPDM messages: IDE_KM and TDISP are read, CXL's protocols stay opaque.

Documents: DSP0274, VENDOR_DEFINED_REQUEST; PCIe Base 6.x chapters 6 (IDE_KM) and 11 (TDISP), for the protocol id that
the payload begins with.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from pytio import idekm, tdisp
from pytio.capture.draft import Draft
from pytio.capture.records import Layer
from pytio.errors import DecodeError
from pytio.spdm.codes import RegistryId
from pytio.spdm.messages.vendor_defined import VendorDefinedRequest, VendorDefinedResponse
from pytio.wire import WireStruct

__all__ = ("read",)

_PCI_SIG: Final = (RegistryId.PCI_SIG, bytes.fromhex("0100"))
_CXL: Final = (RegistryId.PCI_SIG, bytes.fromhex("981e"))
_PROTOCOLS: Final[dict[int, tuple[str, Callable[[bytes], WireStruct]]]] = {
    idekm.PROTOCOL_ID: ("idekm", idekm.parse),
    tdisp.PROTOCOL_ID: ("tdisp", tdisp.parse),
}
_CODE_OFFSET: Final = {"idekm": 0, "tdisp": 1}
"""Where each protocol has the code that names its message."""


def read(draft: Draft, message: VendorDefinedRequest | VendorDefinedResponse, base: int) -> None:
    """Add the layer inside a vendor-defined message, if it is a protocol of PCI-SIG or CXL."""
    vendor = (message.standard_id, message.vendor_id)
    if vendor == _CXL:
        draft.add(Layer("cxl", message.payload))
    elif vendor == _PCI_SIG and message.payload:
        _read_pci_sig(draft, message.payload, base)


def _read_pci_sig(draft: Draft, payload: bytes, base: int) -> None:
    known = _PROTOCOLS.get(payload[0])
    if known is None:
        draft.notes.append(f"protocol id {payload[0]:#x} of PCI-SIG is not known")
        return
    name, parse = known
    inner = payload[1:]
    code = inner[_CODE_OFFSET[name] : _CODE_OFFSET[name] + 1]
    facts = {"code": code[0]} if code else {}
    try:
        parsed = parse(inner)
    except DecodeError as error:
        draft.add(Layer(name, inner, None, facts))
        draft.fail(error, base + 1)
        return
    draft.add(Layer(name, inner, parsed, facts, parsed.NAME))

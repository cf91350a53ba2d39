"""VENDOR_DEFINED_REQUEST and VENDOR_DEFINED_RESPONSE: room for protocols of others, such as IDE_KM and TDISP (DSP0274).

The payload stays bytes, and out of ``repr``, since IDE_KM sends keys in it. From 1.4, bit 7 of param1 tells a second,
large form; before, it is reserved like the other bits, and what it holds changes nothing.
"""

from __future__ import annotations

from typing import Final

from pytio.spdm.codes import RegistryId, SpdmCode, SpdmVersion
from pytio.spdm.messages.base import CODE, VERSION, SpdmMessage
from pytio.wire import AUTO, U16, U32, Bit, Bits, Byte, Bytes, OpenCode, Switch, fixed, message, this, wire

__all__ = ("VendorDefinedRequest", "VendorDefinedResponse")

_IS_LARGE: Final = (this.version >= SpdmVersion.V1_4) & this.is_large
_PAYLOAD_LENGTH: Final = Switch(_IS_LARGE, {False: U16, True: U32})
"""ReqLength, RespLength: 2 bytes in the small form, 4 bytes in the large one."""


@message
class VendorDefinedRequest(SpdmMessage):
    """VENDOR_DEFINED_REQUEST (DSP0274, VENDOR_DEFINED_REQUEST)."""

    version: SpdmVersion = wire(VERSION)
    code: SpdmCode = fixed(CODE, SpdmCode.VENDOR_DEFINED_REQUEST)
    reserved_param1: int = wire(Bits(7), default=0)
    is_large: bool = wire(Bit, default=False)
    reserved_param2: int = wire(Byte, default=0)
    standard_id: RegistryId = wire(OpenCode(U16, RegistryId))
    vendor_id_length: int = wire(Byte, default=AUTO)
    vendor_id: bytes = wire(Bytes(this.vendor_id_length), default=b"")
    reserved: int | None = wire(U16, when=_IS_LARGE, default=0)
    """To be ignored: the reference implementation leaves bytes of an earlier message here."""
    payload_length: int = wire(_PAYLOAD_LENGTH, default=AUTO)
    payload: bytes = wire(Bytes(this.payload_length), default=b"", repr=False)


@message
class VendorDefinedResponse(SpdmMessage):
    """VENDOR_DEFINED_RESPONSE (DSP0274, VENDOR_DEFINED_RESPONSE)."""

    version: SpdmVersion = wire(VERSION)
    code: SpdmCode = fixed(CODE, SpdmCode.VENDOR_DEFINED_RESPONSE)
    reserved_param1: int = wire(Bits(7), default=0)
    is_large: bool = wire(Bit, default=False)
    reserved_param2: int = wire(Byte, default=0)
    standard_id: RegistryId = wire(OpenCode(U16, RegistryId))
    vendor_id_length: int = wire(Byte, default=AUTO)
    vendor_id: bytes = wire(Bytes(this.vendor_id_length), default=b"")
    reserved: int | None = wire(U16, when=_IS_LARGE, default=0)
    """To be ignored."""
    payload_length: int = wire(_PAYLOAD_LENGTH, default=AUTO)
    payload: bytes = wire(Bytes(this.payload_length), default=b"", repr=False)

"""GET_ENDPOINT_INFO and ENDPOINT_INFO: what kind of device an endpoint is, signed on request (from 1.3).

Document: DSP0274, "GET_ENDPOINT_INFO request and ENDPOINT_INFO response messages".
"""

from __future__ import annotations

from pytio.spdm.codes import NONCE_BYTES, EndpointInfoSubCode, SpdmCode, SpdmVersion
from pytio.spdm.messages.base import CODE, VERSION, SpdmMessage, SpdmStruct, Svh
from pytio.wire import (
    AUTO,
    U32,
    Array,
    Bit,
    Bits,
    Byte,
    Bytes,
    Nested,
    OpenCode,
    Sized,
    Within,
    fixed,
    given,
    message,
    this,
    wire,
)

__all__ = (
    "DeviceClassIdentifier",
    "DeviceClassIdentifierElement",
    "DeviceClassIdentifiers",
    "EndpointInfo",
    "GetEndpointInfo",
    "SubordinateId",
)


@message
class GetEndpointInfo(SpdmMessage):
    """GET_ENDPOINT_INFO: ask for information of one kind (DSP0274, GET_ENDPOINT_INFO).

    The slot has a meaning only where a signature is requested.
    """

    version: SpdmVersion = wire(VERSION)
    code: SpdmCode = fixed(CODE, SpdmCode.GET_ENDPOINT_INFO)
    sub_code: EndpointInfoSubCode = wire(
        OpenCode(Byte, EndpointInfoSubCode), default=EndpointInfoSubCode.DEVICE_CLASS_IDENTIFIER
    )
    slot_id: int = wire(Bits(4), default=0)
    reserved_param2: int = wire(Bits(4), default=0)
    signature_requested: bool = wire(Bit, default=False)
    reserved: int = wire(Bits(7), default=0)
    reserved2: bytes = wire(Bytes(3), default=bytes(3))
    nonce: bytes | None = wire(Bytes(NONCE_BYTES), when=this.signature_requested, default=None)


@message
class EndpointInfo(SpdmMessage):
    """ENDPOINT_INFO: the information (DSP0274, ENDPOINT_INFO).

    What it means depends on the SubCode of the request; for device class identifiers it is `DeviceClassIdentifiers`.
    Nonce, the responder's own, and signature are there where one was requested.
    """

    version: SpdmVersion = wire(VERSION)
    code: SpdmCode = fixed(CODE, SpdmCode.ENDPOINT_INFO)
    reserved_param1: int = wire(Byte, default=0)
    slot_id: int = wire(Bits(4), default=0)
    reserved_param2: int = wire(Bits(4), default=0)
    reserved: int = wire(U32, default=0)
    nonce: bytes | None = wire(Bytes(NONCE_BYTES), when=given.signature, default=None)
    endpoint_info_length: int = wire(U32, default=AUTO)
    endpoint_info: bytes = wire(Bytes(this.endpoint_info_length), default=b"")
    signature: bytes = wire(Sized("signature"), default=b"")


@message
class SubordinateId(SpdmStruct):
    """Subordinate identifier: bytes that the body of the header defines."""

    length: int = wire(Byte, default=AUTO)
    identifier: bytes = wire(Bytes(this.length), default=b"")


@message
class DeviceClassIdentifier(SpdmStruct):
    """Device class identifier: who defines the class, and identifiers below it."""

    svh: Svh = wire(Nested(Svh))
    num_sub_ids: int = wire(Byte, default=AUTO)
    sub_ids: tuple[SubordinateId, ...] = wire(Array(this.num_sub_ids, Nested(SubordinateId)), default=())


@message
class DeviceClassIdentifierElement(SpdmStruct):
    """Identifier element: a device class identifier and its length in bytes, without the length's own byte."""

    id_elem_length: int = wire(Byte, default=AUTO)
    identifier: DeviceClassIdentifier = wire(Within(this.id_elem_length, Nested(DeviceClassIdentifier)))


@message
class DeviceClassIdentifiers(SpdmStruct):
    """Device class identifier information: what ENDPOINT_INFO carries for SubCode 1."""

    num_identifiers: int = wire(Byte, default=AUTO)
    reserved: bytes = wire(Bytes(3), default=bytes(3))
    identifiers: tuple[DeviceClassIdentifierElement, ...] = wire(
        Array(this.num_identifiers, Nested(DeviceClassIdentifierElement)), default=()
    )

"""TDISP messages: lock an interface, read what it reports, start it, stop it.

Document: PCIe Base 6.x chapter 11, "TDISP Messages". A message is what follows the protocol id in a vendor-defined SPDM
message. A request and its response stand together. This module knows layouts; state and order are decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Self

from pytio.errors import TdispDecodeError
from pytio.ids import InterfaceId
from pytio.tdisp.codes import (
    MANDATORY_REQUESTS,
    NONCE_BYTES,
    REQUEST_BITMAP_BYTES,
    WHOLE_REPORT,
    LockFlags,
    MessageType,
    ProtocolVersion,
    RequestMessages,
    TdispErrorCode,
    TdiState,
    VendorRegistry,
)
from pytio.tdisp.header import INTERFACE_ID, RESERVED, TYPE, VERSION, TdispHeader, TdispMessage
from pytio.tdisp.optional import (
    BindP2pStreamRequest,
    BindP2pStreamResponse,
    SetMmioAttributeRequest,
    SetMmioAttributeResponse,
    SetTdispConfigRequest,
    SetTdispConfigResponse,
    UnbindP2pStreamRequest,
    UnbindP2pStreamResponse,
    VdmRequest,
    VdmResponse,
)
from pytio.wire import (
    AUTO,
    I64,
    REST,
    U16,
    U32,
    U64,
    Array,
    Byte,
    Bytes,
    Code,
    Flags,
    Integer,
    Nested,
    OpenCode,
    WireStruct,
    Within,
    fixed,
    message,
    this,
    wire,
)

__all__ = (
    "MESSAGES",
    "REQUESTS",
    "RESPONSES",
    "DeviceInterfaceReport",
    "DeviceInterfaceState",
    "ExtendedErrorData",
    "GetDeviceInterfaceReport",
    "GetDeviceInterfaceState",
    "GetTdispCapabilities",
    "GetTdispVersion",
    "LockInterfaceRequest",
    "LockInterfaceResponse",
    "StartInterfaceRequest",
    "StartInterfaceResponse",
    "StopInterfaceRequest",
    "StopInterfaceResponse",
    "TdispCapabilities",
    "TdispError",
    "TdispVersion",
    "parse",
)


@message
class GetTdispVersion(TdispMessage):
    """GET_TDISP_VERSION: ask for the versions; always answered, and sent before anything else."""

    version: ProtocolVersion = wire(VERSION, default=ProtocolVersion.V1_0)
    message_type: MessageType = fixed(TYPE, MessageType.GET_TDISP_VERSION)
    reserved: bytes = wire(RESERVED, default=bytes(2))
    interface_id: InterfaceId = wire(INTERFACE_ID)


@message
class TdispVersion(TdispMessage):
    """TDISP_VERSION: the versions that the device speaks."""

    version: ProtocolVersion = wire(VERSION, default=ProtocolVersion.V1_0)
    message_type: MessageType = fixed(TYPE, MessageType.TDISP_VERSION)
    reserved: bytes = wire(RESERVED, default=bytes(2))
    interface_id: InterfaceId = wire(INTERFACE_ID)
    version_count: int = wire(Byte, default=AUTO)
    versions: tuple[ProtocolVersion, ...] = wire(Array(this.version_count, VERSION))


@message
class GetTdispCapabilities(TdispMessage):
    """GET_TDISP_CAPABILITIES: tell what the TSM can, ask what the device can."""

    version: ProtocolVersion = wire(VERSION, default=ProtocolVersion.V1_0)
    message_type: MessageType = fixed(TYPE, MessageType.GET_TDISP_CAPABILITIES)
    reserved: bytes = wire(RESERVED, default=bytes(2))
    interface_id: InterfaceId = wire(INTERFACE_ID)
    tsm_caps: int = wire(U32, default=0)


@message
class TdispCapabilities(TdispMessage):
    """TDISP_CAPABILITIES: what the device can; a count of outstanding requests of 0 is taken as 1."""

    version: ProtocolVersion = wire(VERSION, default=ProtocolVersion.V1_0)
    message_type: MessageType = fixed(TYPE, MessageType.TDISP_CAPABILITIES)
    reserved: bytes = wire(RESERVED, default=bytes(2))
    interface_id: InterfaceId = wire(INTERFACE_ID)
    dsm_caps: int = wire(U32, default=0)
    req_msgs_supported: RequestMessages = wire(
        Flags(Integer(REQUEST_BITMAP_BYTES), RequestMessages), default=MANDATORY_REQUESTS
    )
    """Bit n stands for request code 80h + n."""
    lock_interface_flags_supported: LockFlags = wire(Flags(U16, LockFlags), default=LockFlags(0))
    reserved_capabilities: bytes = wire(Bytes(3), default=bytes(3))
    dev_addr_width: int = wire(Byte)
    """How many address bits the device uses: 52 for bits 51:0."""
    num_req_this: int = wire(Byte, default=1)
    """Requests that may be outstanding for this TDI."""
    num_req_all: int = wire(Byte, default=1)
    """Requests that may be outstanding for all TDIs of the device."""

    @property
    def supported_requests(self) -> RequestMessages:
        """The requests that the device answers, also where it counted the bits from 81h, as some devices do.

        Nothing is numbered 80h, so bit 0 gives such a device away.
        """
        return RequestMessages(self.req_msgs_supported << (self.req_msgs_supported & 1))


@message
class LockInterfaceRequest(TdispMessage):
    """LOCK_INTERFACE_REQUEST: freeze an interface's configuration and bind it to a stream."""

    version: ProtocolVersion = wire(VERSION, default=ProtocolVersion.V1_0)
    message_type: MessageType = fixed(TYPE, MessageType.LOCK_INTERFACE_REQUEST)
    reserved: bytes = wire(RESERVED, default=bytes(2))
    interface_id: InterfaceId = wire(INTERFACE_ID)
    flags: LockFlags = wire(Flags(U16, LockFlags), default=LockFlags(0))
    default_stream_id: int = wire(Byte, default=0)
    reserved_stream: int = wire(Byte, default=0)
    mmio_reporting_offset: int = wire(I64, default=0)
    """Added to physical addresses in the report."""
    bind_p2p_address_mask: int = wire(U64, default=0)
    """Bits to clear from the address of a peer-to-peer request before address association."""


@message
class LockInterfaceResponse(TdispMessage):
    """LOCK_INTERFACE_RESPONSE: the interface is locked; START has to hand the nonce back."""

    version: ProtocolVersion = wire(VERSION, default=ProtocolVersion.V1_0)
    message_type: MessageType = fixed(TYPE, MessageType.LOCK_INTERFACE_RESPONSE)
    reserved: bytes = wire(RESERVED, default=bytes(2))
    interface_id: InterfaceId = wire(INTERFACE_ID)
    nonce: bytes = wire(Bytes(NONCE_BYTES))


@message
class GetDeviceInterfaceReport(TdispMessage):
    """GET_DEVICE_INTERFACE_REPORT: ask for a portion of the interface report."""

    version: ProtocolVersion = wire(VERSION, default=ProtocolVersion.V1_0)
    message_type: MessageType = fixed(TYPE, MessageType.GET_DEVICE_INTERFACE_REPORT)
    reserved: bytes = wire(RESERVED, default=bytes(2))
    interface_id: InterfaceId = wire(INTERFACE_ID)
    offset: int = wire(U16, default=0)
    length: int = wire(U16, default=WHOLE_REPORT)


@message
class DeviceInterfaceReport(TdispMessage):
    """DEVICE_INTERFACE_REPORT: a portion of the report, and how much remains after it."""

    version: ProtocolVersion = wire(VERSION, default=ProtocolVersion.V1_0)
    message_type: MessageType = fixed(TYPE, MessageType.DEVICE_INTERFACE_REPORT)
    reserved: bytes = wire(RESERVED, default=bytes(2))
    interface_id: InterfaceId = wire(INTERFACE_ID)
    portion_length: int = wire(U16, default=AUTO)
    remainder_length: int = wire(U16, default=0)
    """How much of the report follows this portion; 0 at its end."""
    report_bytes: bytes = wire(Bytes(this.portion_length))


@message
class GetDeviceInterfaceState(TdispMessage):
    """GET_DEVICE_INTERFACE_STATE: ask what state the TDI is in."""

    version: ProtocolVersion = wire(VERSION, default=ProtocolVersion.V1_0)
    message_type: MessageType = fixed(TYPE, MessageType.GET_DEVICE_INTERFACE_STATE)
    reserved: bytes = wire(RESERVED, default=bytes(2))
    interface_id: InterfaceId = wire(INTERFACE_ID)


@message
class DeviceInterfaceState(TdispMessage):
    """DEVICE_INTERFACE_STATE: the state the TDI reports itself to be in."""

    version: ProtocolVersion = wire(VERSION, default=ProtocolVersion.V1_0)
    message_type: MessageType = fixed(TYPE, MessageType.DEVICE_INTERFACE_STATE)
    reserved: bytes = wire(RESERVED, default=bytes(2))
    interface_id: InterfaceId = wire(INTERFACE_ID)
    tdi_state: TdiState = wire(Code(Byte, TdiState))


@message
class StartInterfaceRequest(TdispMessage):
    """START_INTERFACE_REQUEST: let a locked interface run."""

    version: ProtocolVersion = wire(VERSION, default=ProtocolVersion.V1_0)
    message_type: MessageType = fixed(TYPE, MessageType.START_INTERFACE_REQUEST)
    reserved: bytes = wire(RESERVED, default=bytes(2))
    interface_id: InterfaceId = wire(INTERFACE_ID)
    nonce: bytes = wire(Bytes(NONCE_BYTES))


@message
class StartInterfaceResponse(TdispMessage):
    """START_INTERFACE_RESPONSE: the interface runs."""

    version: ProtocolVersion = wire(VERSION, default=ProtocolVersion.V1_0)
    message_type: MessageType = fixed(TYPE, MessageType.START_INTERFACE_RESPONSE)
    reserved: bytes = wire(RESERVED, default=bytes(2))
    interface_id: InterfaceId = wire(INTERFACE_ID)


@message
class StopInterfaceRequest(TdispMessage):
    """STOP_INTERFACE_REQUEST: bring an interface back to CONFIG_UNLOCKED."""

    version: ProtocolVersion = wire(VERSION, default=ProtocolVersion.V1_0)
    message_type: MessageType = fixed(TYPE, MessageType.STOP_INTERFACE_REQUEST)
    reserved: bytes = wire(RESERVED, default=bytes(2))
    interface_id: InterfaceId = wire(INTERFACE_ID)


@message
class StopInterfaceResponse(TdispMessage):
    """STOP_INTERFACE_RESPONSE: the interface is unlocked, its secrets are gone."""

    version: ProtocolVersion = wire(VERSION, default=ProtocolVersion.V1_0)
    message_type: MessageType = fixed(TYPE, MessageType.STOP_INTERFACE_RESPONSE)
    reserved: bytes = wire(RESERVED, default=bytes(2))
    interface_id: InterfaceId = wire(INTERFACE_ID)


@message
class ExtendedErrorData(WireStruct, errors=TdispDecodeError):
    """EXTENDED_ERROR_DATA: what a vendor says about a VENDOR_SPECIFIC error."""

    registry_id: VendorRegistry = wire(OpenCode(Byte, VendorRegistry), default=VendorRegistry.PCI_SIG)
    vendor_id_length: int = wire(Byte, default=AUTO)
    vendor_id: bytes = wire(Bytes(this.vendor_id_length), default=b"")
    vendor_data: bytes = wire(Bytes(REST), default=b"")


@message
class TdispError(TdispMessage):
    """TDISP_ERROR: the device refuses a request; what ``error_data`` means depends on the code."""

    version: ProtocolVersion = wire(VERSION, default=ProtocolVersion.V1_0)
    message_type: MessageType = fixed(TYPE, MessageType.TDISP_ERROR)
    reserved: bytes = wire(RESERVED, default=bytes(2))
    interface_id: InterfaceId = wire(INTERFACE_ID)
    error_code: TdispErrorCode = wire(OpenCode(U32, TdispErrorCode))
    error_data: int = wire(U32, default=0)
    """The code of an unsupported request; the size of vendor-specific extended data; else 0."""
    extended_error_data: ExtendedErrorData | None = wire(
        Within(this.error_data, Nested(ExtendedErrorData)),
        when=this.error_code == TdispErrorCode.VENDOR_SPECIFIC,
        default=None,
    )

    @classmethod
    def vendor_specific(cls, interface_id: InterfaceId, extended_error_data: ExtendedErrorData) -> Self:
        """Return a VENDOR_SPECIFIC error; its error data is the size of the extended data."""
        return cls(
            interface_id=interface_id,
            error_code=TdispErrorCode.VENDOR_SPECIFIC,
            error_data=len(extended_error_data.build()),
            extended_error_data=extended_error_data,
        )


def _by_type(*classes: type[TdispMessage]) -> Mapping[int, type[TdispMessage]]:
    constants = {cls: field.constant for cls in classes for field in cls.FIELDS if field.name == "message_type"}
    return MappingProxyType({constant: cls for cls, constant in constants.items()})


REQUESTS: Final = _by_type(
    GetTdispVersion,
    GetTdispCapabilities,
    LockInterfaceRequest,
    GetDeviceInterfaceReport,
    GetDeviceInterfaceState,
    StartInterfaceRequest,
    StopInterfaceRequest,
    BindP2pStreamRequest,
    UnbindP2pStreamRequest,
    SetMmioAttributeRequest,
    VdmRequest,
    SetTdispConfigRequest,
)
"""What a requester (the TSM) sends, by message type."""

RESPONSES: Final = _by_type(
    TdispVersion,
    TdispCapabilities,
    LockInterfaceResponse,
    DeviceInterfaceReport,
    DeviceInterfaceState,
    StartInterfaceResponse,
    StopInterfaceResponse,
    BindP2pStreamResponse,
    UnbindP2pStreamResponse,
    SetMmioAttributeResponse,
    VdmResponse,
    SetTdispConfigResponse,
    TdispError,
)
"""What a responder (the DSM) sends, by message type."""

MESSAGES: Final[Mapping[int, type[TdispMessage]]] = MappingProxyType({**REQUESTS, **RESPONSES})
"""Every message, by message type."""

_HEADER_BYTES: Final = TdispHeader.minimum_size()


def parse(payload: bytes) -> TdispMessage:
    """Parse any TDISP message.

    Raises:
        TdispDecodeError: the message type is not known, or the message is malformed.
    """
    cls = MESSAGES.get(payload[1]) if len(payload) >= _HEADER_BYTES else None
    if cls is None:
        header, _ = TdispHeader.parse_prefix(payload)
        reason = f"{header.message_type:#x} is not a MessageType"
        raise TdispDecodeError(reason, bytes(payload), 1, "TdispMessage.message_type")
    return cls.parse(payload)

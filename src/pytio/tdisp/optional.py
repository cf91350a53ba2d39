"""TDISP messages that a device may leave out: direct traffic between devices, memory attributes, vendors' own.

Document: PCIe Base 6.x chapter 11, "TDISP Messages". REQ_MSGS_SUPPORTED says which of them a device answers.
"""

from __future__ import annotations

from pytio.ids import InterfaceId
from pytio.tdisp.codes import MessageType, ProtocolVersion, VendorRegistry
from pytio.tdisp.header import INTERFACE_ID, RESERVED, TYPE, VERSION, TdispMessage
from pytio.tdisp.report import MmioRange
from pytio.wire import AUTO, REST, Byte, Bytes, Nested, OpenCode, fixed, message, this, wire

__all__ = (
    "BindP2pStreamRequest",
    "BindP2pStreamResponse",
    "SetMmioAttributeRequest",
    "SetMmioAttributeResponse",
    "SetTdispConfigRequest",
    "SetTdispConfigResponse",
    "UnbindP2pStreamRequest",
    "UnbindP2pStreamResponse",
    "VdmRequest",
    "VdmResponse",
)


@message
class BindP2pStreamRequest(TdispMessage):
    """BIND_P2P_STREAM_REQUEST: allow direct traffic to another device over a stream."""

    version: ProtocolVersion = wire(VERSION, default=ProtocolVersion.V1_0)
    message_type: MessageType = fixed(TYPE, MessageType.BIND_P2P_STREAM_REQUEST)
    reserved: bytes = wire(RESERVED, default=bytes(2))
    interface_id: InterfaceId = wire(INTERFACE_ID)
    p2p_stream_id: int = wire(Byte)


@message
class BindP2pStreamResponse(TdispMessage):
    """BIND_P2P_STREAM_RESPONSE: the stream is bound."""

    version: ProtocolVersion = wire(VERSION, default=ProtocolVersion.V1_0)
    message_type: MessageType = fixed(TYPE, MessageType.BIND_P2P_STREAM_RESPONSE)
    reserved: bytes = wire(RESERVED, default=bytes(2))
    interface_id: InterfaceId = wire(INTERFACE_ID)


@message
class UnbindP2pStreamRequest(TdispMessage):
    """UNBIND_P2P_STREAM_REQUEST: end direct traffic over a stream."""

    version: ProtocolVersion = wire(VERSION, default=ProtocolVersion.V1_0)
    message_type: MessageType = fixed(TYPE, MessageType.UNBIND_P2P_STREAM_REQUEST)
    reserved: bytes = wire(RESERVED, default=bytes(2))
    interface_id: InterfaceId = wire(INTERFACE_ID)
    p2p_stream_id: int = wire(Byte)


@message
class UnbindP2pStreamResponse(TdispMessage):
    """UNBIND_P2P_STREAM_RESPONSE: the stream is unbound."""

    version: ProtocolVersion = wire(VERSION, default=ProtocolVersion.V1_0)
    message_type: MessageType = fixed(TYPE, MessageType.UNBIND_P2P_STREAM_RESPONSE)
    reserved: bytes = wire(RESERVED, default=bytes(2))
    interface_id: InterfaceId = wire(INTERFACE_ID)


@message
class SetMmioAttributeRequest(TdispMessage):
    """SET_MMIO_ATTRIBUTE_REQUEST: open a memory range to all, or restrict it to the TVM."""

    version: ProtocolVersion = wire(VERSION, default=ProtocolVersion.V1_0)
    message_type: MessageType = fixed(TYPE, MessageType.SET_MMIO_ATTRIBUTE_REQUEST)
    reserved: bytes = wire(RESERVED, default=bytes(2))
    interface_id: InterfaceId = wire(INTERFACE_ID)
    mmio_range: MmioRange = wire(Nested(MmioRange))


@message
class SetMmioAttributeResponse(TdispMessage):
    """SET_MMIO_ATTRIBUTE_RESPONSE: the range has its new attribute."""

    version: ProtocolVersion = wire(VERSION, default=ProtocolVersion.V1_0)
    message_type: MessageType = fixed(TYPE, MessageType.SET_MMIO_ATTRIBUTE_RESPONSE)
    reserved: bytes = wire(RESERVED, default=bytes(2))
    interface_id: InterfaceId = wire(INTERFACE_ID)


@message
class VdmRequest(TdispMessage):
    """VDM_REQUEST: what a vendor defines."""

    version: ProtocolVersion = wire(VERSION, default=ProtocolVersion.V1_0)
    message_type: MessageType = fixed(TYPE, MessageType.VDM_REQUEST)
    reserved: bytes = wire(RESERVED, default=bytes(2))
    interface_id: InterfaceId = wire(INTERFACE_ID)
    registry_id: VendorRegistry = wire(OpenCode(Byte, VendorRegistry), default=VendorRegistry.PCI_SIG)
    vendor_id_length: int = wire(Byte, default=AUTO)
    vendor_id: bytes = wire(Bytes(this.vendor_id_length), default=b"")
    vendor_data: bytes = wire(Bytes(REST), default=b"")


@message
class VdmResponse(TdispMessage):
    """VDM_RESPONSE: what a vendor defines, the other way."""

    version: ProtocolVersion = wire(VERSION, default=ProtocolVersion.V1_0)
    message_type: MessageType = fixed(TYPE, MessageType.VDM_RESPONSE)
    reserved: bytes = wire(RESERVED, default=bytes(2))
    interface_id: InterfaceId = wire(INTERFACE_ID)
    registry_id: VendorRegistry = wire(OpenCode(Byte, VendorRegistry), default=VendorRegistry.PCI_SIG)
    vendor_id_length: int = wire(Byte, default=AUTO)
    vendor_id: bytes = wire(Bytes(this.vendor_id_length), default=b"")
    vendor_data: bytes = wire(Bytes(REST), default=b"")


@message
class SetTdispConfigRequest(TdispMessage):
    """SET_TDISP_CONFIG_REQUEST, later than TDISP 1.0 (assumption PCIE_A13: the body is opaque)."""

    version: ProtocolVersion = wire(VERSION, default=ProtocolVersion.V1_0)
    message_type: MessageType = fixed(TYPE, MessageType.SET_TDISP_CONFIG_REQUEST)
    reserved: bytes = wire(RESERVED, default=bytes(2))
    interface_id: InterfaceId = wire(INTERFACE_ID)
    body: bytes = wire(Bytes(REST), default=b"")


@message
class SetTdispConfigResponse(TdispMessage):
    """SET_TDISP_CONFIG_RESPONSE, later than TDISP 1.0 (assumption PCIE_A13: the body is opaque)."""

    version: ProtocolVersion = wire(VERSION, default=ProtocolVersion.V1_0)
    message_type: MessageType = fixed(TYPE, MessageType.SET_TDISP_CONFIG_RESPONSE)
    reserved: bytes = wire(RESERVED, default=bytes(2))
    interface_id: InterfaceId = wire(INTERFACE_ID)
    body: bytes = wire(Bytes(REST), default=b"")

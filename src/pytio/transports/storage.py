"""SPDM over storage: Security Send and Receive of NVMe, SCSI and ATA, and what they carry.

Document: DSP0286, "SPDM to Storage Binding Specification". How a message lies inside a secured message is assumption
SPDM_U2: libspdm's layout, which does not quite agree with itself; its numbers are isolated at the top of this module.
"""

from __future__ import annotations

from typing import Final

from pytio.errors import TransportDecodeError
from pytio.wire import (
    AUTO,
    REST,
    U16,
    U32,
    Bits,
    Byte,
    Bytes,
    Flags,
    OpenCode,
    OpenEnum,
    WireFlag,
    WireStruct,
    message,
    this,
    wire,
)

__all__ = (
    "SECURITY_PROTOCOL_DMTF",
    "SPDM_U2_MESSAGE_OFFSET",
    "StorageApplicationData",
    "StorageBindingVersion",
    "StorageDescriptorStatus",
    "StorageDescriptorType",
    "StorageDiscovery",
    "StorageOperation",
    "StorageOperations",
    "StoragePendingInfo",
    "StoragePendingInfoFlags",
    "StorageRequest",
    "StorageSecuredMessage",
)

SECURITY_PROTOCOL_DMTF: Final = 0xE8
"""The security protocol of SPDM in Security Send and Receive."""
SPDM_U2_MESSAGE_OFFSET: Final = 36
"""The offset in the descriptor of a message that follows the descriptor's 20 bytes at once: 16 more than it is."""
_SPDM_U2_BEFORE_DESCRIPTOR_BYTES: Final = 2
"""Between the descriptor count and the descriptor; the specification suggests 3."""
_SPDM_U2_AFTER_DESCRIPTOR_BYTES: Final = 1
"""Between the descriptor and the message, whose room was computed with 4 bytes before the descriptor."""


class StorageOperation(OpenEnum):
    """What a Security Send or Receive is for."""

    DISCOVERY = 0x01
    PENDING_INFO = 0x02
    MESSAGE = 0x05
    SECURED_MESSAGE = 0x06


class StorageOperations(WireFlag):
    """Supported operations: bit n stands for operation n."""

    DISCOVERY = 1 << StorageOperation.DISCOVERY
    PENDING_INFO = 1 << StorageOperation.PENDING_INFO
    MESSAGE = 1 << StorageOperation.MESSAGE
    SECURED_MESSAGE = 1 << StorageOperation.SECURED_MESSAGE


class StorageBindingVersion(OpenEnum):
    """Version of the binding."""

    V1_0 = 0x1000


class StoragePendingInfoFlags(WireFlag):
    """Flags of the pending-info response."""

    RESPONSE_PENDING = 0x00000001


class StorageDescriptorType(OpenEnum):
    """What a descriptor inside a secured message describes."""

    NVME = 0x01
    SCSI = 0x02
    ATA = 0x03
    SPDM = 0x04
    DATA_BUFFER = 0x40


class StorageDescriptorStatus(OpenEnum):
    """How an encapsulated command ended."""

    SUCCESS = 0x00
    GENERAL_ERROR = 0x01
    INVALID_COMMAND = 0x02
    INVALID_FIELD = 0x03
    VENDOR_DEFINED = 0xFF


_VERSION: Final = OpenCode(U16, StorageBindingVersion)


@message
class StorageRequest(WireStruct, errors=TransportDecodeError):
    """A request as libspdm puts it on a byte transport: the command's security protocol fields, then the payload.

    On a storage device those three bytes are fields of the command. Responses have nothing before them.
    """

    security_protocol: int = wire(Byte, default=SECURITY_PROTOCOL_DMTF)
    connection_id: int = wire(Bits(2), default=0)
    operation: StorageOperation = wire(Bits(6, StorageOperation))
    reserved_spsp1: int = wire(Byte, default=0)
    payload: bytes = wire(Bytes(REST), default=b"")


@message
class StorageDiscovery(WireStruct, errors=TransportDecodeError):
    """Discovery response, 32 bytes: how many connections, which operations."""

    data_length: int = wire(U16, default=32)
    binding_version: StorageBindingVersion = wire(_VERSION, default=StorageBindingVersion.V1_0)
    max_connections_minus_1: int = wire(Byte, default=0)
    reserved: bytes = wire(Bytes(3), default=bytes(3))
    supported_operations: StorageOperations = wire(Flags(Byte, StorageOperations))
    reserved_operations: bytes = wire(Bytes(7), default=bytes(7))
    reserved_end: bytes = wire(Bytes(16), default=bytes(16))


@message
class StoragePendingInfo(WireStruct, errors=TransportDecodeError):
    """Pending-info response, 12 bytes: whether a response waits, and how long it is."""

    data_length: int = wire(U16, default=12)
    binding_version: StorageBindingVersion = wire(_VERSION, default=StorageBindingVersion.V1_0)
    flags: StoragePendingInfoFlags = wire(Flags(U32, StoragePendingInfoFlags), default=StoragePendingInfoFlags(0))
    response_length: int = wire(U32, default=0)


@message
class StorageSecuredMessage(WireStruct, errors=TransportDecodeError):
    """What a secured operation carries, in both directions: four reserved bytes, then the secured record."""

    reserved: bytes = wire(Bytes(4), default=bytes(4))
    record: bytes = wire(Bytes(REST))


@message
class StorageApplicationData(WireStruct, errors=TransportDecodeError):
    """What a secured record decrypts to: one descriptor of an SPDM message, and the message (assumption SPDM_U2)."""

    descriptor_count: int = wire(Byte, default=1)
    reserved: bytes = wire(Bytes(_SPDM_U2_BEFORE_DESCRIPTOR_BYTES), default=bytes(_SPDM_U2_BEFORE_DESCRIPTOR_BYTES))
    reserved_type: int = wire(Byte, default=0)
    descriptor_type: StorageDescriptorType = wire(
        OpenCode(Byte, StorageDescriptorType), default=StorageDescriptorType.SPDM
    )
    status: StorageDescriptorStatus = wire(
        OpenCode(Byte, StorageDescriptorStatus), default=StorageDescriptorStatus.SUCCESS
    )
    reserved_status: int = wire(Byte, default=0)
    length: int = wire(U32, default=AUTO)
    offset: int = wire(U32, default=AUTO)
    """Where the message is, plus 16 (SPDM_U2)."""
    reserved_offset: int = wire(U32, default=0)
    reserved_end: bytes = wire(Bytes(_SPDM_U2_AFTER_DESCRIPTOR_BYTES), default=bytes(_SPDM_U2_AFTER_DESCRIPTOR_BYTES))
    reserved_gap: bytes = wire(Bytes(this.offset - SPDM_U2_MESSAGE_OFFSET), default=b"")
    message: bytes = wire(Bytes(this.length))

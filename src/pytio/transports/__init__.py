"""Transports: what SPDM messages and secured records travel in, beside DOE.

Documents: DSP0236, DSP0275, DSP0276 (MCTP), DSP0287 (TCP), DSP0286 (storage), and the frames of DMTF's emulators. Bytes
only: nothing here opens a socket. A `FrameSplitter` cuts a byte stream into frames.
"""

from pytio.transports.framing import (
    FrameSplitter,
)
from pytio.transports.mctp import (
    MctpMessage,
    MctpMessageType,
    MctpPacket,
    MctpPacketHeader,
)
from pytio.transports.platform_socket import (
    CLIENT_HELLO,
    SERVER_HELLO,
    PlatformCommand,
    PlatformFrame,
    PlatformHeader,
    PlatformSplitter,
    PlatformTransport,
)
from pytio.transports.storage import (
    SECURITY_PROTOCOL_DMTF,
    StorageApplicationData,
    StorageBindingVersion,
    StorageDescriptorStatus,
    StorageDescriptorType,
    StorageDiscovery,
    StorageOperation,
    StorageOperations,
    StoragePendingInfo,
    StoragePendingInfoFlags,
    StorageRequest,
    StorageSecuredMessage,
)
from pytio.transports.tcp import (
    TcpBindingVersion,
    TcpFrame,
    TcpHeader,
    TcpMessageType,
    TcpSplitter,
)

__all__ = (
    "CLIENT_HELLO",
    "SECURITY_PROTOCOL_DMTF",
    "SERVER_HELLO",
    "FrameSplitter",
    "MctpMessage",
    "MctpMessageType",
    "MctpPacket",
    "MctpPacketHeader",
    "PlatformCommand",
    "PlatformFrame",
    "PlatformHeader",
    "PlatformSplitter",
    "PlatformTransport",
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
    "TcpBindingVersion",
    "TcpFrame",
    "TcpHeader",
    "TcpMessageType",
    "TcpSplitter",
)

"""Every number of TDISP, once.

Document: PCIe Base 6.x chapter 11, "TEE Device Interface Security Protocol (TDISP)". This file knows no layout and no
rule. Members are spelled as the specification spells them, in its order.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from pytio.wire import OpenEnum, WireFlag

__all__ = (
    "MANDATORY_REQUESTS",
    "NONCE_BYTES",
    "PAGE_BYTES",
    "PAGE_SHIFT",
    "PROTOCOL_ID",
    "REQUEST_BITMAP_BYTES",
    "InterfaceInfo",
    "LockFlags",
    "MessageType",
    "MmioAttributes",
    "ProtocolVersion",
    "RequestMessages",
    "TdiState",
    "TdispErrorCode",
    "WHOLE_REPORT",
    "VendorRegistry",
)

PROTOCOL_ID: Final = 0x01
"""The byte before every TDISP message in PCI-SIG's vendor-defined SPDM messages."""
NONCE_BYTES: Final = 32
"""The nonce that LOCK gives out and START hands back."""
PAGE_SHIFT: Final = 12
"""From a page number to an address."""
PAGE_BYTES: Final = 1 << PAGE_SHIFT
"""Reports count memory in pages of 4 KiB."""
WHOLE_REPORT: Final = 0xFFFF
"""The length that asks for as much of the report as one response holds."""
REQUEST_BITMAP_BYTES: Final = 16
"""REQ_MSGS_SUPPORTED has one bit for each request code from 80h on."""
_REQUEST_BASE: Final = 0x80


class ProtocolVersion(OpenEnum):
    """TDISPVersion, the first byte of every message: the major version in the high nibble, the minor in the low one."""

    V1_0 = 0x10


class MessageType(IntEnum):
    """The second byte of every message; bit 7 tells a request, and a response has its request's code without it."""

    TDISP_VERSION = 0x01
    TDISP_CAPABILITIES = 0x02
    LOCK_INTERFACE_RESPONSE = 0x03
    DEVICE_INTERFACE_REPORT = 0x04
    DEVICE_INTERFACE_STATE = 0x05
    START_INTERFACE_RESPONSE = 0x06
    STOP_INTERFACE_RESPONSE = 0x07
    BIND_P2P_STREAM_RESPONSE = 0x08
    UNBIND_P2P_STREAM_RESPONSE = 0x09
    SET_MMIO_ATTRIBUTE_RESPONSE = 0x0A
    VDM_RESPONSE = 0x0B
    SET_TDISP_CONFIG_RESPONSE = 0x0C
    TDISP_ERROR = 0x7F
    GET_TDISP_VERSION = 0x81
    GET_TDISP_CAPABILITIES = 0x82
    LOCK_INTERFACE_REQUEST = 0x83
    GET_DEVICE_INTERFACE_REPORT = 0x84
    GET_DEVICE_INTERFACE_STATE = 0x85
    START_INTERFACE_REQUEST = 0x86
    STOP_INTERFACE_REQUEST = 0x87
    BIND_P2P_STREAM_REQUEST = 0x88
    UNBIND_P2P_STREAM_REQUEST = 0x89
    SET_MMIO_ATTRIBUTE_REQUEST = 0x8A
    VDM_REQUEST = 0x8B
    SET_TDISP_CONFIG_REQUEST = 0x8C


class RequestMessages(WireFlag):
    """REQ_MSGS_SUPPORTED: which requests a device answers; bit n stands for request code 80h + n."""

    GET_TDISP_VERSION = 1 << (MessageType.GET_TDISP_VERSION - _REQUEST_BASE)
    GET_TDISP_CAPABILITIES = 1 << (MessageType.GET_TDISP_CAPABILITIES - _REQUEST_BASE)
    LOCK_INTERFACE_REQUEST = 1 << (MessageType.LOCK_INTERFACE_REQUEST - _REQUEST_BASE)
    GET_DEVICE_INTERFACE_REPORT = 1 << (MessageType.GET_DEVICE_INTERFACE_REPORT - _REQUEST_BASE)
    GET_DEVICE_INTERFACE_STATE = 1 << (MessageType.GET_DEVICE_INTERFACE_STATE - _REQUEST_BASE)
    START_INTERFACE_REQUEST = 1 << (MessageType.START_INTERFACE_REQUEST - _REQUEST_BASE)
    STOP_INTERFACE_REQUEST = 1 << (MessageType.STOP_INTERFACE_REQUEST - _REQUEST_BASE)
    BIND_P2P_STREAM_REQUEST = 1 << (MessageType.BIND_P2P_STREAM_REQUEST - _REQUEST_BASE)
    UNBIND_P2P_STREAM_REQUEST = 1 << (MessageType.UNBIND_P2P_STREAM_REQUEST - _REQUEST_BASE)
    SET_MMIO_ATTRIBUTE_REQUEST = 1 << (MessageType.SET_MMIO_ATTRIBUTE_REQUEST - _REQUEST_BASE)
    VDM_REQUEST = 1 << (MessageType.VDM_REQUEST - _REQUEST_BASE)
    SET_TDISP_CONFIG_REQUEST = 1 << (MessageType.SET_TDISP_CONFIG_REQUEST - _REQUEST_BASE)


MANDATORY_REQUESTS: Final = (
    RequestMessages.GET_TDISP_VERSION
    | RequestMessages.GET_TDISP_CAPABILITIES
    | RequestMessages.LOCK_INTERFACE_REQUEST
    | RequestMessages.GET_DEVICE_INTERFACE_REPORT
    | RequestMessages.GET_DEVICE_INTERFACE_STATE
    | RequestMessages.START_INTERFACE_REQUEST
    | RequestMessages.STOP_INTERFACE_REQUEST
)
"""The seven requests that every device answers."""


class LockFlags(WireFlag):
    """FLAGS of LOCK_INTERFACE_REQUEST, and LOCK_INTERFACE_FLAGS_SUPPORTED."""

    NO_FW_UPDATE = 0x0001
    #: Set for 128 bytes, clear for 64.
    SYSTEM_CACHE_LINE_SIZE = 0x0002
    LOCK_MSIX = 0x0004
    BIND_P2P = 0x0008
    ALL_REQUEST_REDIRECT = 0x0010


class TdiState(IntEnum):
    """What state a TDI is in."""

    CONFIG_UNLOCKED = 0
    CONFIG_LOCKED = 1
    RUN = 2
    ERROR = 3


class InterfaceInfo(WireFlag):
    """INTERFACE_INFO of the interface report."""

    #: No firmware update while the TDI is locked or runs.
    NO_FW_UPDATE = 0x0001
    DMA_WITHOUT_PASID = 0x0002
    DMA_WITH_PASID = 0x0004
    ATS = 0x0008
    PRS = 0x0010


class MmioAttributes(WireFlag):
    """Attributes of one memory range in the interface report."""

    #: Holds the MSI-X table; reported only when that is locked.
    MSI_X_TABLE = 0x0001
    #: Holds the MSI-X pending bits; reported only when they are locked.
    MSI_X_PBA = 0x0002
    IS_NON_TEE_MEM = 0x0004
    IS_MEM_ATTR_UPDATABLE = 0x0008


class TdispErrorCode(OpenEnum):
    """ERROR_CODE of TDISP_ERROR; the numbers have gaps."""

    INVALID_REQUEST = 0x0001
    BUSY = 0x0003
    INVALID_INTERFACE_STATE = 0x0004
    UNSPECIFIED = 0x0005
    #: The error data is the request code.
    UNSUPPORTED_REQUEST = 0x0007
    VERSION_MISMATCH = 0x0041
    #: The error data is the size of the extended data.
    VENDOR_SPECIFIC = 0x00FF
    INVALID_INTERFACE = 0x0101
    INVALID_NONCE = 0x0102
    INSUFFICIENT_ENTROPY = 0x0103
    INVALID_DEVICE_CONFIGURATION = 0x0104


class VendorRegistry(OpenEnum):
    """Whose vendor ids a vendor-defined message or error speaks."""

    PCI_SIG = 0x00
    CXL = 0x01

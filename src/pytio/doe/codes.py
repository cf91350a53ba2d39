"""Every number of Data Object Exchange, once.

Document: PCIe Base 6.x chapter 6, "Data Object Exchange (DOE)". This file knows no layout and no rule.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from pytio.wire import OpenEnum, WireFlag

__all__ = (
    "BYTES_PER_DW",
    "DISCOVERY_LAST_INDEX",
    "HEADER_BYTES",
    "HEADER_DW",
    "MAX_CONNECTION_ID",
    "MAX_DATA_OBJECT_DW",
    "PCIE_A4_CONNECTION_ID_BITS",
    "ControlFlags",
    "DataObjectType",
    "DiscoveryVersion",
    "MailboxFailure",
    "MailboxRegister",
    "StatusFlags",
    "VendorId",
)

BYTES_PER_DW: Final = 4
"""Mailbox, lengths and padding count in double words."""
HEADER_DW: Final = 2
"""Double words of the header; the length of a data object counts them."""
HEADER_BYTES: Final = HEADER_DW * BYTES_PER_DW
"""Bytes of the header."""
MAX_DATA_OBJECT_DW: Final = 1 << 18
"""The largest data object, 1 MiB with its header; its length is encoded as 0."""
PCIE_A4_CONNECTION_ID_BITS: Final = 12
"""Assumption: a connection id takes bits 29:18 of the second header double word, the first of them after the length."""
MAX_CONNECTION_ID: Final = (1 << PCIE_A4_CONNECTION_ID_BITS) - 1
"""The largest connection id that fits there."""
DISCOVERY_LAST_INDEX: Final = 0
"""The next index in a discovery response that was the last one."""


class VendorId(OpenEnum):
    """Who defines a data object's types."""

    PCI_SIG = 0x0001
    CXL = 0x1E98
    NONE = 0xFFFF
    """Answer to a discovery request whose index or version the device does not know."""


class DataObjectType(OpenEnum):
    """The data objects that PCI-SIG defines."""

    DISCOVERY = 0x00
    CMA_SPDM = 0x01
    SECURED_CMA_SPDM = 0x02
    CMA_SPDM_WITH_CONNECTION_ID = 0x03
    SECURED_CMA_SPDM_WITH_CONNECTION_ID = 0x04
    #: Assumption PCIE_A3: no public source gives the number.
    ASYNC_MESSAGE = 0x05

    @property
    def has_connection_id(self) -> bool:
        """Whether the header of such an object names a connection."""
        return self in _WITH_CONNECTION_ID


_WITH_CONNECTION_ID: Final = (
    DataObjectType.CMA_SPDM_WITH_CONNECTION_ID,
    DataObjectType.SECURED_CMA_SPDM_WITH_CONNECTION_ID,
)


class DiscoveryVersion(OpenEnum):
    """The version byte of a discovery request: what the client found as version of the DOE capability."""

    V1 = 0
    V2 = 2
    """For version 2 of the capability and every later one."""


class MailboxRegister(IntEnum):
    """The registers of a mailbox, as offsets from its extended capability; each is one aligned double word."""

    CAPABILITIES = 0x04
    CONTROL = 0x08
    STATUS = 0x0C
    WRITE_MAILBOX = 0x10
    """Every write appends a double word to the request."""
    READ_MAILBOX = 0x14
    """A read returns the response's current double word; a write of any value moves on to the next one."""


class ControlFlags(WireFlag):
    """DOE Control Register."""

    ABORT = 1 << 0
    INTERRUPT_ENABLE = 1 << 1
    GO = 1 << 31


class StatusFlags(WireFlag):
    """DOE Status Register."""

    BUSY = 1 << 0
    INTERRUPT_STATUS = 1 << 1
    ERROR = 1 << 2
    DATA_OBJECT_READY = 1 << 31


class MailboxFailure(IntEnum):
    """Why an exchange through a mailbox failed; ours, the wire has no such code."""

    BUSY = 1
    """The mailbox stayed busy: another user is in the middle of an exchange."""
    DEVICE_ERROR = 2
    """The device set Error."""
    NO_RESPONSE = 3
    """No response was ready within the time limit after Go."""
    WRONG_OBJECT = 4
    """The response is an object of another vendor or type than the request."""
    BAD_LENGTH = 5
    """The response says it is shorter than its own header."""
    CUT_SHORT = 6
    """Data Object Ready went away before the last double word."""
    ABORT_FAILED = 7
    """Abort did not clear Busy and Error within its time limit: the mailbox is dead."""
    GONE = 8
    """The registers read as all ones: the device no longer answers."""
    DISCOVERY_LOOP = 9
    """A discovery response led back to an index that was already visited."""

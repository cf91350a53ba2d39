"""Every number of Data Object Exchange, once.

Document: PCIe Base 6.x chapter 6, "Data Object Exchange (DOE)". This file knows no layout and no rule.
"""

from __future__ import annotations

from typing import Final

from pytio.wire import OpenEnum

__all__ = (
    "BYTES_PER_DW",
    "DISCOVERY_LAST_INDEX",
    "HEADER_BYTES",
    "HEADER_DW",
    "MAX_CONNECTION_ID",
    "MAX_DATA_OBJECT_DW",
    "PCIE_A4_CONNECTION_ID_BITS",
    "DataObjectType",
    "DiscoveryVersion",
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

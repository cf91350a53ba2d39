"""DOE: the mailbox in configuration space through which a device takes and gives data objects.

Document: PCIe Base 6.x chapter 6, "Data Object Exchange (DOE)". A `DataObject` says how long it is and whose it is; the
payload is for `pytio.spdm`, or a discovery message from here. Nothing here knows a register.
"""

from pytio.doe.codes import DataObjectType, DiscoveryVersion, VendorId
from pytio.doe.data_object import DataObject, DataObjectHeader, split
from pytio.doe.discovery import DiscoveryRequest, DiscoveryResponse

__all__ = (
    "DataObject",
    "DataObjectHeader",
    "DataObjectType",
    "DiscoveryRequest",
    "DiscoveryResponse",
    "DiscoveryVersion",
    "VendorId",
    "split",
)

"""DOE: the mailbox in configuration space through which a device takes and gives data objects.

Document: PCIe Base 6.x chapter 6, "Data Object Exchange (DOE)". A `DataObject` says how long it is and whose it is; the
payload is for `pytio.spdm`, or a discovery message from here. A `Mailbox` says which register is read and written when;
the registers themselves are somewhere else.
"""

from pytio.doe.codes import (
    ControlFlags,
    DataObjectType,
    DiscoveryVersion,
    MailboxFailure,
    MailboxRegister,
    StatusFlags,
    VendorId,
)
from pytio.doe.data_object import DataObject, DataObjectHeader, split
from pytio.doe.discovery import DiscoveryRequest, DiscoveryResponse
from pytio.doe.mailbox import (
    Feature,
    Limits,
    Mailbox,
    MailboxState,
    Pause,
    ReadRegister,
    RegisterAction,
    Reply,
    Steps,
    WriteRegister,
)

__all__ = (
    "ControlFlags",
    "DataObject",
    "DataObjectHeader",
    "DataObjectType",
    "DiscoveryRequest",
    "DiscoveryResponse",
    "DiscoveryVersion",
    "Feature",
    "Limits",
    "Mailbox",
    "MailboxFailure",
    "MailboxRegister",
    "MailboxState",
    "Pause",
    "ReadRegister",
    "RegisterAction",
    "Reply",
    "StatusFlags",
    "Steps",
    "VendorId",
    "WriteRegister",
    "split",
)

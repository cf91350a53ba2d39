"""DOE discovery: asking a mailbox, index by index, which data objects it takes.

Document: PCIe Base 6.x chapter 6, "DOE Discovery". Each message is the payload of a data object of type 0. Whether the
walk ends, and in time, is for the client to see to: it starts at index 0, follows ``next_index``, and refuses one that
it has used before.
"""

from __future__ import annotations

from pytio.doe.codes import DISCOVERY_LAST_INDEX, DataObjectType, DiscoveryVersion, VendorId
from pytio.errors import DoeDecodeError
from pytio.wire import U16, Byte, Bytes, OpenCode, Switch, WireStruct, message, this, wire

__all__ = ("DiscoveryRequest", "DiscoveryResponse")


@message
class DiscoveryRequest(WireStruct, errors=DoeDecodeError):
    """Ask for the data object at ``index``; the version says which version of the DOE capability the client found."""

    index: int = wire(Byte)
    version: DiscoveryVersion = wire(OpenCode(Byte, DiscoveryVersion), default=DiscoveryVersion.V1)
    reserved: bytes = wire(Bytes(2), default=bytes(2))


@message
class DiscoveryResponse(WireStruct, errors=DoeDecodeError):
    """A data object that the mailbox takes, and the index after it; ``vendor_id`` NONE says there is none here."""

    vendor_id: VendorId = wire(OpenCode(U16, VendorId))
    data_object_type: int = wire(
        Switch(this.vendor_id, {VendorId.PCI_SIG: OpenCode(Byte, DataObjectType)}, default=Byte)
    )
    next_index: int = wire(Byte)

    @property
    def is_last(self) -> bool:
        """Whether the walk ends here: the last object, or no object at all."""
        return self.next_index == DISCOVERY_LAST_INDEX or self.vendor_id == VendorId.NONE

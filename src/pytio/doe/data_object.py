"""The data object: what a DOE mailbox carries, one header and a payload of whole double words.

Document: PCIe Base 6.x chapter 6, "Data Object Exchange (DOE)", data object header. This module knows lengths and
padding; it does not look into payloads.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Self

from pytio.doe.codes import (
    BYTES_PER_DW,
    HEADER_BYTES,
    HEADER_DW,
    MAX_CONNECTION_ID,
    MAX_DATA_OBJECT_DW,
    PCIE_A4_CONNECTION_ID_BITS,
    DataObjectType,
    VendorId,
)
from pytio.errors import DoeDecodeError, EncodeError
from pytio.wire import U16, Bits, Byte, Bytes, OpenCode, Switch, WireStruct, computed, message, this, wire

__all__ = ("DataObject", "DataObjectHeader", "split")

_LENGTH_BITS: Final = 18
_AFTER_LENGTH_BITS: Final = 14


@message
class DataObjectHeader(WireStruct, errors=DoeDecodeError):
    """The first two double words of a data object, as a mailbox meets them, before the rest is there.

    ``length_dw`` is as on the wire: it counts the header, 0 stands for 2^18, and 1 is invalid.
    """

    vendor_id: VendorId = wire(OpenCode(U16, VendorId), default=VendorId.PCI_SIG)
    data_object_type: int = wire(
        Switch(this.vendor_id, {VendorId.PCI_SIG: OpenCode(Byte, DataObjectType)}, default=Byte)
    )
    reserved: int = wire(Byte, default=0)
    length_dw: int = wire(Bits(_LENGTH_BITS))
    """Double words of the whole object, header included; 0 stands for 2^18."""
    reserved_length: int = wire(Bits(_AFTER_LENGTH_BITS), default=0)
    """Holds the connection id where the type has one (assumption PCIE_A4)."""

    @property
    def size_bytes(self) -> int:
        """The size of the whole object, header included.

        Raises:
            DoeDecodeError: the length is 1, less than the header it counts.
        """
        if 0 < self.length_dw < HEADER_DW:
            raise _too_short(self.length_dw, self.build(), type(self))
        return HEADER_BYTES + _payload_bytes(self.length_dw)

    @property
    def connection_id(self) -> int | None:
        """The connection that an object of type 3 or 4 belongs to (assumption PCIE_A4); None for all other types."""
        if not _has_connection_id(self.vendor_id, self.data_object_type):
            return None
        return self.reserved_length & MAX_CONNECTION_ID


def _payload_bytes(length_dw: int) -> int:
    return (length_dw or MAX_DATA_OBJECT_DW) * BYTES_PER_DW - HEADER_BYTES


@message
class DataObject(DataObjectHeader):
    """One data object: its header, and a payload of ``length_dw`` less the header's two double words.

    The payload keeps its padding, since only the protocol inside knows where it ends. `wrap` pads and counts.
    """

    payload: bytes = wire(Bytes(computed(_payload_bytes, this.length_dw)))

    @classmethod
    def wrap(
        cls,
        data_object_type: int,
        payload: bytes,
        *,
        vendor_id: VendorId = VendorId.PCI_SIG,
        connection_id: int | None = None,
    ) -> Self:
        """Put ``payload`` into a data object, padded with zero bytes to whole double words.

        ``connection_id`` is for the types that have one and for no others: where it goes is assumption PCIE_A4, so it
        never happens by itself.

        Raises:
            EncodeError: the payload is too large, or a connection id is missing, forbidden or too large.
        """
        length_dw = HEADER_DW - (-len(payload) // BYTES_PER_DW)
        if length_dw > MAX_DATA_OBJECT_DW:
            limit = (MAX_DATA_OBJECT_DW - HEADER_DW) * BYTES_PER_DW
            raise EncodeError(f"{len(payload)} bytes, but at most {limit} fit", cls.__name__, "payload")
        return cls(
            vendor_id=vendor_id,
            data_object_type=data_object_type,
            length_dw=length_dw % MAX_DATA_OBJECT_DW,
            reserved_length=_checked_connection_id(vendor_id, data_object_type, connection_id),
            payload=payload.ljust(length_dw * BYTES_PER_DW - HEADER_BYTES, b"\0"),
        )

    @classmethod
    def _explain(cls, raw: bytes, given: dict[str, int]) -> tuple[Self, int]:
        """Blame a length of 1 on the length; to the payload it would be a negative size."""
        if len(raw) >= HEADER_BYTES:
            header = DataObjectHeader.parse(raw[:HEADER_BYTES])
            if 0 < header.length_dw < HEADER_DW:
                raise _too_short(header.length_dw, raw, cls)
        return super()._explain(raw, given)


def split(data: bytes) -> Iterator[DataObject]:
    """Yield the data objects that follow each other in ``data``.

    Raises:
        DoeDecodeError: an object is malformed or cut short; those before it have been yielded. Offsets count from the
            start of ``data``.
    """
    at = index = 0
    while at < len(data):
        try:
            size = DataObjectHeader.parse(data[at : at + HEADER_BYTES]).size_bytes
            found = DataObject.parse(data[at : at + size])
        except DoeDecodeError as error:
            raise DoeDecodeError(error.reason, data, at + error.offset, f"[{index}].{error.path}") from error
        yield found
        at += size
        index += 1


def _has_connection_id(vendor_id: int, data_object_type: int) -> bool:
    return vendor_id == VendorId.PCI_SIG and DataObjectType(data_object_type).has_connection_id


def _checked_connection_id(vendor_id: int, data_object_type: int, connection_id: int | None) -> int:
    """Return the header bits for a connection id, 0 where there is none."""
    if _has_connection_id(vendor_id, data_object_type) is (connection_id is None):
        need = "needs" if connection_id is None else "has no"
        raise EncodeError(f"data object type {data_object_type} {need} connection id", "DataObject", "connection_id")
    if connection_id is not None and not 0 <= connection_id <= MAX_CONNECTION_ID:
        reason = f"{connection_id} does not fit in {PCIE_A4_CONNECTION_ID_BITS} bits"
        raise EncodeError(reason, "DataObject", "connection_id")
    return connection_id or 0


def _too_short(length_dw: int, data: bytes, cls: type[WireStruct]) -> DoeDecodeError:
    reason = f"length {length_dw} is less than the {HEADER_DW} double words of the header it counts"
    return DoeDecodeError(reason, data, BYTES_PER_DW, f"{cls.__name__}.length_dw")

"""The TDI report: what a locked interface says about itself, and the memory ranges it owns.

Document: PCIe Base 6.x chapter 11, "DEVICE_INTERFACE_REPORT", TDI report structure. A device sends it in portions; this
is the whole, put together. Addresses in it are page numbers, and they are shifted by the reporting offset of LOCK.
"""

from __future__ import annotations

from typing import Final, Self

from pytio.errors import TdispDecodeError
from pytio.tdisp.codes import PAGE_BYTES, PAGE_SHIFT, InterfaceInfo, MmioAttributes
from pytio.wire import AUTO, U16, U32, U64, Array, Bytes, Flags, Nested, WireStruct, message, this, wire
from pytio.wire.registry import FormatRegistry

__all__ = ("DEVICE_REPORTS", "InterfaceReport", "MmioRange")

_ADDRESS_MASK: Final = (1 << 64) - 1
_NO_ATTRIBUTES: Final = MmioAttributes(0)
_ID_BITS: Final = 16


def _read_key(name: str) -> tuple[int, int]:
    """Read the name of an entry point: vendor id, a dot, device id, both in hex."""
    vendor_id, _, device_id = name.partition(".")
    key = int(vendor_id, 16), int(device_id, 16)
    if any(number >> _ID_BITS for number in key):
        raise ValueError(f"{name!r} is not a vendor id and a device id")
    return key


DEVICE_REPORTS: Final[FormatRegistry[tuple[int, int]]] = FormatRegistry(
    "pytio.device_reports", _read_key, TdispDecodeError
)
"""Parsers of device-specific report bytes, by the function's vendor id and device id."""


@message
class MmioRange(WireStruct, errors=TdispDecodeError):
    """One range of memory pages, in a report and in SET_MMIO_ATTRIBUTE_REQUEST."""

    first_page: int = wire(U64)
    """A page number: the physical address plus the reporting offset, in units of 4 KiB."""
    page_count: int = wire(U32)
    attributes: MmioAttributes = wire(Flags(U16, MmioAttributes), default=_NO_ATTRIBUTES)
    range_id: int = wire(U16, default=0)
    """0 to 7 is the number of a base address register; larger ones are groups that the device defines."""

    @classmethod
    def of(
        cls,
        physical_address: int,
        size_bytes: int,
        *,
        mmio_reporting_offset: int = 0,
        attributes: MmioAttributes = _NO_ATTRIBUTES,
        range_id: int = 0,
    ) -> Self:
        """Return the range that a device reports for memory at ``physical_address``.

        Raises:
            ValueError: the address, as reported, does not start a page, or the size is not in whole pages.
        """
        reported = physical_address + mmio_reporting_offset & _ADDRESS_MASK
        if reported % PAGE_BYTES or size_bytes % PAGE_BYTES:
            raise ValueError(f"{size_bytes} bytes at {reported:#x} are not whole pages of {PAGE_BYTES} bytes")
        return cls(
            first_page=reported >> PAGE_SHIFT,
            page_count=size_bytes >> PAGE_SHIFT,
            attributes=attributes,
            range_id=range_id,
        )

    @property
    def address(self) -> int:
        """The first byte's address as reported, with the reporting offset in it."""
        return self.first_page << PAGE_SHIFT

    @property
    def size_bytes(self) -> int:
        """The size of the range."""
        return self.page_count << PAGE_SHIFT

    def physical_address(self, mmio_reporting_offset: int) -> int:
        """Return the first byte's physical address, given the reporting offset of the LOCK that made the report."""
        return self.address - mmio_reporting_offset & _ADDRESS_MASK


@message
class InterfaceReport(WireStruct, errors=TdispDecodeError):
    """TDI report structure: 16 bytes, 16 for each memory range, and what the vendor adds.

    The three registers are values at the time of the lock, and 0 where the function lacks or does not lock them.
    """

    interface_info: InterfaceInfo = wire(Flags(U16, InterfaceInfo), default=InterfaceInfo(0))
    reserved: bytes = wire(Bytes(2), default=bytes(2))
    msi_x_message_control: int = wire(U16, default=0)
    lnr_control: int = wire(U16, default=0)
    tph_control: int = wire(U32, default=0)
    mmio_range_count: int = wire(U32, default=AUTO)
    mmio_ranges: tuple[MmioRange, ...] = wire(Array(this.mmio_range_count, Nested(MmioRange)), default=())
    device_specific_info_length: int = wire(U32, default=AUTO)
    device_specific_info: bytes = wire(Bytes(this.device_specific_info_length), default=b"")

    def parse_device_specific_info(self, vendor_id: int, device_id: int) -> WireStruct | bytes:
        """Return the device-specific bytes in the form that ``DEVICE_REPORTS`` has for the function, else as they are.

        Raises:
            TdispDecodeError: the bytes lack that form.
        """
        parsed: WireStruct | bytes = DEVICE_REPORTS.parse((vendor_id, device_id), self.device_specific_info)
        return parsed

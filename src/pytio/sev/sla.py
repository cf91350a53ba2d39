"""SLA: how the host names memory to the firmware, 8 bytes.

Document: AMD 58271, "Scatter list addresses". A buffer of one page is named directly; a longer one by a scatter page,
which holds one SLA for each of its pages, in order, and an end mark.
"""

from __future__ import annotations

from typing import Final, Self

from pytio.errors import SevDecodeError
from pytio.sev.tio_codes import PAGE_BYTES
from pytio.wire import Bit, Bits, WireStruct, message, wire

__all__ = ("EOL", "NULL", "SCATTER_SLOTS", "Sla", "build_scatter_page", "parse_scatter_page")

SCATTER_SLOTS: Final = 512
"""SLAs in a scatter page, of which the last one in use is the end mark."""
_PFN_BITS: Final = 40
_PAGE_SHIFT: Final = 12
_SLA_BYTES: Final = 8


@message
class Sla(WireStruct, errors=SevDecodeError):
    """One scatter list address, 8 bytes."""

    is_scatter_page: bool = wire(Bit, default=False)
    """Names a scatter page, and not data."""
    is_2mib: bool = wire(Bit, default=False)
    reserved: int = wire(Bits(10), default=0)
    pfn: int = wire(Bits(_PFN_BITS))
    """Physical address in pages."""
    reserved_high: int = wire(Bits(12), default=0)

    @classmethod
    def to(cls, paddr: int, *, is_scatter_page: bool = False, is_2mib: bool = False) -> Self:
        """Name the page at a physical address.

        Raises:
            ValueError: the address is not that of a page, or has more than 52 bits.
        """
        if paddr % PAGE_BYTES or not 0 <= paddr >> _PAGE_SHIFT < 1 << _PFN_BITS:
            raise ValueError(f"{paddr:#x} is not the address of a page")
        return cls(is_scatter_page=is_scatter_page, is_2mib=is_2mib, pfn=paddr >> _PAGE_SHIFT)

    @property
    def paddr(self) -> int:
        """The physical address, in bytes."""
        return self.pfn << _PAGE_SHIFT

    def __str__(self) -> str:
        """Return the address, and what is special about it."""
        if self == NULL:
            return "NULL"
        if self == EOL:
            return "EOL"
        return f"{self.paddr:#x}{' scatter' if self.is_scatter_page else ''}{' 2MiB' if self.is_2mib else ''}"


#: No buffer.
NULL: Final = Sla(pfn=0)
#: The end of a scatter page: the frame number is all ones, every other bit is zero.
EOL: Final = Sla(pfn=(1 << _PFN_BITS) - 1)


def build_scatter_page(pages: tuple[Sla, ...]) -> bytes:
    """Return the page that lists the pages of a buffer: their SLAs, the end mark, zeros.

    Raises:
        ValueError: there are more than 511, or one of them is itself a scatter page.
    """
    if len(pages) >= SCATTER_SLOTS:
        raise ValueError(f"{len(pages)} pages do not fit into a scatter page, which takes {SCATTER_SLOTS - 1}")
    if any(page.is_scatter_page for page in pages):
        raise ValueError("a scatter page names pages of data")
    return b"".join(page.build() for page in (*pages, EOL)).ljust(PAGE_BYTES, b"\0")


def parse_scatter_page(page: bytes) -> tuple[Sla, ...]:
    """Return the SLAs that a scatter page lists, whatever follows its end mark.

    Raises:
        SevDecodeError: there is no end mark (`SEV_A4`), or an SLA before it names no page of data.
    """
    found: list[Sla] = []
    for at in range(0, min(len(page), PAGE_BYTES) - _SLA_BYTES + 1, _SLA_BYTES):
        sla = Sla.parse(page[at : at + _SLA_BYTES])
        if sla == EOL:
            return tuple(found)
        if sla.is_scatter_page or sla == NULL:
            raise SevDecodeError("not a page of data", page, at, f"slots[{len(found)}]")
        found.append(sla)
    raise SevDecodeError("no end mark", page, len(page), "slots")

"""sDTE: the device table entry that a guest writes a few fields of, and the firmware the rest; 64 bytes.

Document: AMD 58271, "SDTE_WRITE" and the device table of AMD's IOMMU (AMD 48882). DMA below vTOM goes to private
memory, at or above it to shared memory.
"""

from __future__ import annotations

from typing import Final, Self

from pytio.errors import SevDecodeError
from pytio.wire import Array, Bit, Bits, Byte, Bytes, WireStruct, message, wire

__all__ = ("ALL_PRIVATE", "VTOM_GRANULE_BYTES", "Sdte")

VTOM_GRANULE_BYTES: Final = 1 << 21
"""What vTOM is a multiple of."""
_VTOM_BITS: Final = 31
ALL_PRIVATE: Final = (1 << _VTOM_BITS) - 1
"""The vTOM under which every address is private."""


@message
class Sdte(WireStruct, errors=SevDecodeError):
    """A secure device table entry; "guest" marks the fields that SDTE_WRITE takes."""

    v: bool = wire(Bit, default=False)
    """Guest: the entry is valid."""
    reserved_1: int = wire(Bits(3), default=0)
    cxlio: int = wire(Bits(3), default=0)
    reserved_7: int = wire(Bits(45), default=0)
    ppr: bool = wire(Bit, default=False)
    reserved_53: bool = wire(Bit, default=False)
    giov: bool = wire(Bit, default=False)
    gv: bool = wire(Bit, default=False)
    glx: int = wire(Bits(2), default=0)
    gcr3_root_0: int = wire(Bits(3), default=0)
    ir: bool = wire(Bit, default=False)
    """Guest: the device may read."""
    iw: bool = wire(Bit, default=False)
    """Guest: the device may write."""
    reserved_63: bool = wire(Bit, default=False)
    domain_id: int = wire(Bits(16), default=0)
    gcr3_root_1: int = wire(Bits(16), default=0)
    i: bool = wire(Bit, default=False)
    reserved_97: int = wire(Bits(5), default=0)
    ex: bool = wire(Bit, default=False)
    sd: bool = wire(Bit, default=False)
    reserved_104: int = wire(Bits(2), default=0)
    sats: bool = wire(Bit, default=False)
    gcr3_root_2: int = wire(Bits(21), default=0)
    giv: bool = wire(Bit, default=False)
    gint_table_length: int = wire(Bits(4), default=0)
    reserved_133: bool = wire(Bit, default=False)
    gint_table: int = wire(Bits(46), default=0)
    reserved_180: int = wire(Bits(2), default=0)
    gpm: int = wire(Bits(2), default=0)
    reserved_184: int = wire(Bits(3), default=0)
    hpt_mode: bool = wire(Bit, default=False)
    reserved_188: int = wire(Bits(4), default=0)
    asid: int = wire(Bits(12), default=0)
    reserved_204: int = wire(Bits(3), default=0)
    viommu_en: bool = wire(Bit, default=False)
    guest_device_id: int = wire(Bits(16), default=0)
    guest_id: int = wire(Bits(15), default=0)
    guest_id_mbo: bool = wire(Bit, default=False)
    reserved_240: bool = wire(Bit, default=False)
    vmpl: int = wire(Bits(2), default=0)
    """Guest."""
    reserved_243: int = wire(Bits(3), default=0)
    attrv: bool = wire(Bit, default=False)
    reserved_247: bool = wire(Bit, default=False)
    attributes: int = wire(Bits(8), default=0)
    ide_stream_id: tuple[int, ...] = wire(Array(8, Byte), default=(0,) * 8)
    vtom_en: bool = wire(Bit, default=False)
    """Guest."""
    vtom: int = wire(Bits(_VTOM_BITS), default=0)
    """Guest: bits 51:21 of an address."""
    rp_id: int = wire(Bits(5), default=0)
    reserved_357: int = wire(Bits(27), default=0)
    reserved_end: bytes = wire(Bytes(16), default=bytes(16))

    @classmethod
    def for_guest(cls, vtom: int = ALL_PRIVATE, *, vmpl: int = 0) -> Self:
        """Return what a guest writes to let a device read and write its memory, private below ``vtom``, in 2 MiB."""
        return cls(v=True, ir=True, iw=True, vmpl=vmpl, vtom_en=True, vtom=vtom)

    @property
    def vtom_address(self) -> int:
        """The first address that is shared, in bytes."""
        return self.vtom * VTOM_GRANULE_BYTES

    def guest_part(self) -> Self:
        """Return the entry with the guest's fields alone."""
        return type(self)(v=self.v, ir=self.ir, iw=self.iw, vmpl=self.vmpl, vtom_en=self.vtom_en, vtom=self.vtom)

"""The IOMMU: every combination of T, entries, vTOM, fence, domain and owner against rules written down once more."""

from __future__ import annotations

from itertools import product

import pytest

from pytio.ids import Bdf
from pytio.mock.platform import DeviceTableEntry, DmaFault, Iommu, IoPageTable, Memory, Origin, Rmp
from pytio.sev.rmp import RmpEntry
from pytio.sev.sdte import ALL_PRIVATE, VTOM_GRANULE_BYTES, Sdte
from pytio.sev.structures import AsidFence

RID = 0xE108
ASID, OTHER_ASID = 5, 6
DOMAIN = 3
PORT = Bdf.parse("e0:01.1")
ORIGIN = Origin(PORT, 0x22, 9)
GPA = 0x40_0000
PADDR = 0x10_0000
DATA = b"what the device sends, and reads"
SECRET = b"what a page holds in the first !"
WHOLE = Sdte.for_guest().replace(domain_id=DOMAIN, rp_id=0x02, ide_stream_id=(9, 0, 0, 0, 0, 0, 0, 0))

SECURE_ENTRIES = {
    "none": None,
    "not valid": WHOLE.replace(v=False),
    "all private": WHOLE,
    "private below": WHOLE.replace(vtom=GPA // VTOM_GRANULE_BYTES + 1),
    "shared from": WHOLE.replace(vtom=GPA // VTOM_GRANULE_BYTES),
    "no vTOM": WHOLE.replace(vtom_en=False),
    "no rights": WHOLE.replace(ir=False, iw=False),
    "read only": WHOLE.replace(iw=False),
    "other stream": WHOLE.replace(ide_stream_id=(0,) * 8),
    "other port": WHOLE.replace(rp_id=0x1F),
}
PRIVATE = {"all private", "private below", "read only", "no rights", "other stream", "other port"}
OWNERS = {
    "hypervisor": None,
    "guest": RmpEntry(assigned=1, asid=ASID, gpa=GPA),
    "guest elsewhere": RmpEntry(assigned=1, asid=ASID, gpa=GPA + 0x1000),
    "other guest": RmpEntry(assigned=1, asid=OTHER_ASID, gpa=GPA),
    "not validated": RmpEntry(assigned=1, asid=ASID, gpa=GPA),
    "firmware": RmpEntry(assigned=1, immutable=1),
}


def host_entries() -> dict[str, DeviceTableEntry | None]:
    table = IoPageTable()
    table.map(GPA, PADDR)
    trusted = DeviceTableEntry(domain_id=DOMAIN, is_trusted=True, page_table=table)
    return {
        "none": None,
        "trusted": trusted,
        "untrusted": DeviceTableEntry(domain_id=DOMAIN, page_table=table),
        "other domain": DeviceTableEntry(domain_id=DOMAIN + 1, is_trusted=True, page_table=table),
        "no rights": DeviceTableEntry(domain_id=DOMAIN, ir=False, iw=False, is_trusted=True, page_table=table),
        "not mapped": DeviceTableEntry(domain_id=DOMAIN, is_trusted=True, page_table=IoPageTable()),
    }


def machine(owner: str = "guest", host: str = "trusted", secure: str = "all private", *, is_open: bool = True) -> Iommu:
    """Return an IOMMU before a page that has an owner, and a content that was written by that owner."""
    memory, rmp = Memory(1 << 22), Rmp()
    entry = OWNERS[owner]
    asid = entry.asid if entry is not None else 0
    memory.write(PADDR, SECRET, asid)
    if entry is not None:
        rmp.firmware_set(PADDR, entry, is_validated=bool(asid) and owner != "not validated")
    iommu = Iommu(memory, rmp)
    iommu.set_dte(RID, host_entries()[host])
    if (sdte := SECURE_ENTRIES[secure]) is not None:
        iommu.set_sdte(RID, sdte, ASID)
    if is_open:
        iommu.fences.set(PORT, ASID, AsidFence())
    return iommu


def expected(tee: bool, is_write: bool, owner: str, host: str, secure: str, is_open: bool) -> DmaFault | None:
    """Say what becomes of a request, the rules in words of their own; the first that holds counts."""
    is_private = tee and secure in PRIVATE
    permits = host != "no rights" and not (tee and (secure == "no rights" or (is_write and secure == "read only")))
    rules = {
        DmaFault.NO_ENTRY: host == "none",
        DmaFault.NOT_SECURE: tee and secure in {"none", "not valid"},
        DmaFault.WRONG_ORIGIN: tee and secure.startswith("other"),
        DmaFault.FENCED: tee and not is_open,
        DmaFault.NOT_PERMITTED: not permits,
        DmaFault.NOT_TRUSTED: tee and host in {"untrusted", "other domain"},
        DmaFault.NOT_MAPPED: host == "not mapped",
        DmaFault.RMP_VIOLATION: owner != "guest" if is_private else is_write and owner != "hypervisor",
    }
    return next((fault for fault, holds in rules.items() if holds), None)


@pytest.mark.parametrize("secure", SECURE_ENTRIES)
@pytest.mark.parametrize("host", host_entries())
def test_every_combination(host: str, secure: str) -> None:
    for tee, is_write, owner, is_open in product((False, True), (False, True), OWNERS, (False, True)):
        iommu = machine(owner, host, secure, is_open=is_open)
        fault = expected(tee, is_write, owner, host, secure, is_open)
        before = iommu._memory.read(PADDR, 4096)
        if is_write:
            iommu.dma_write(RID, GPA + 0x10, DATA, tee, origin=ORIGIN)
            read = b""
        else:
            read = iommu.dma_read(RID, GPA, len(SECRET), tee, origin=ORIGIN)
        case = (tee, is_write, owner, host, secure, is_open)
        assert [event.fault for event in iommu.events] == ([] if fault is None else [fault]), case
        assert (iommu._memory.read(PADDR, 4096) != before) == (is_write and fault is None), case
        if not is_write and fault is not None:
            assert read == b"\xff" * len(SECRET), case
        elif not is_write:
            sees = owner in {"hypervisor", "firmware"} or (tee and secure in PRIVATE)
            assert (read == SECRET) == sees, case


def test_private_dma_is_encrypted_in_memory() -> None:
    iommu = machine()
    iommu.dma_write(RID, GPA, DATA, True, origin=ORIGIN)
    assert iommu.dma_read(RID, GPA, len(DATA), True, origin=ORIGIN) == DATA
    assert iommu._memory.read(PADDR, len(DATA), ASID) == DATA
    assert iommu._memory.read(PADDR, len(DATA)) != DATA


def test_a_request_over_several_pages_is_blocked_page_by_page() -> None:
    iommu = machine()
    read = iommu.dma_read(RID, GPA + 4096 - 8, 16, True, origin=ORIGIN)
    assert read[8:] == b"\xff" * 8
    assert read[:8] != b"\xff" * 8
    (event,) = iommu.events
    assert (event.address, event.size, event.is_write, event.is_tee) == (GPA + 4096, 8, False, True)
    assert event.fault is DmaFault.NOT_MAPPED


def test_without_translation_an_address_is_physical() -> None:
    memory = Memory(1 << 22)
    iommu = Iommu(memory, Rmp())
    iommu.set_dte(RID, DeviceTableEntry())
    iommu.dma_write(RID, PADDR, DATA)
    assert memory.read(PADDR, len(DATA)) == DATA
    assert iommu.dma_read(RID, 1 << 22, 4) == b"\xff" * 4
    assert iommu.events[-1].fault is DmaFault.NO_MEMORY


def test_entries_come_and_go() -> None:
    iommu = machine()
    assert iommu.sdte(RID) == WHOLE
    assert iommu.dte(RID) is not None
    iommu.clear_sdte(RID)
    iommu.clear_sdte(RID)
    iommu.set_dte(RID, None)
    iommu.set_dte(RID, None)
    assert (iommu.sdte(RID), iommu.dte(RID)) == (None, None)


def test_all_private_covers_every_address_there_is() -> None:
    assert Sdte.for_guest(ALL_PRIVATE).vtom_address > (1 << 52) - VTOM_GRANULE_BYTES - 1


def test_pages_are_unmapped() -> None:
    table = IoPageTable()
    table.map(GPA, PADDR, 2)
    assert table.find(GPA + 0x1234) == PADDR + 0x1234
    table.unmap(GPA + 0x1000, 5)
    assert table.find(GPA + 0x1234) is None
    with pytest.raises(ValueError, match="begin a page"):
        table.map(GPA + 1, PADDR)

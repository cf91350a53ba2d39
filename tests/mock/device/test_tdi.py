"""Locks and reports: what a lock is refused for, and that a report is what the registers say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pytio import tdisp
from pytio.idekm import KeyProg
from pytio.ids import InterfaceId
from pytio.mock.device import BarConfig, MsiXConfig
from pytio.pci.codes import ExtendedCapabilityId
from pytio.tdisp import InterfaceInfo, LockFlags, MmioAttributes, TdispErrorCode, TdiState
from tests.mock.device.bench import (
    PF,
    PF_BARS,
    SESSION,
    SLOTS,
    TWO_STREAMS,
    VF,
    VF2,
    VF_BARS,
    Bench,
    small_config,
)

BAR_PAGES = {0: 4, 4: 16}
"""BAR 2 has the pages of MSI-X and no other, which are reported when they are locked."""


def code(answer: tdisp.TdispMessage) -> TdispErrorCode:
    assert isinstance(answer, tdisp.TdispError), answer
    return TdispErrorCode(answer.error_code)


@pytest.fixture
def bench() -> Bench:
    return Bench.secure()


def ranges(report: tdisp.InterfaceReport) -> list[tuple[int, int, int, MmioAttributes]]:
    return [(one.range_id, one.address, one.page_count, one.attributes) for one in report.mmio_ranges]


@pytest.mark.parametrize("number", [1, 2])
def test_the_report_is_the_bars_of_a_virtual_function(bench: Bench, number: int) -> None:
    bdf = {1: VF, 2: VF2}[number]
    bench.lock(bdf)
    expected = [
        (index, VF_BARS[index] + (number - 1) * pages * 4096, pages, MmioAttributes(0))
        for index, pages in BAR_PAGES.items()
    ]
    assert ranges(bench.report(bdf)) == expected


def test_the_report_is_the_bars_of_the_physical_function(bench: Bench) -> None:
    bench.write_address(0x10, 0x33_0000_0000)
    bench.lock(PF)
    assert ranges(bench.report(PF))[0] == (0, 0x33_0000_0000, 4, MmioAttributes(0))
    assert ranges(bench.report(PF))[1] == (4, PF_BARS[4], 16, MmioAttributes(0))


def test_msi_x_is_reported_when_it_is_locked(bench: Bench) -> None:
    at = bench.device.function(VF).offset_of(0x11, is_extended=False)
    bench.write(VF, at + 2, b"\0\x80")
    bench.lock(VF, LockFlags.LOCK_MSIX)
    report = bench.report(VF)
    assert report.msi_x_message_control == 0x8003
    assert ranges(report)[1:-1] == [
        (2, VF_BARS[2], 1, MmioAttributes.MSI_X_TABLE),
        (2, VF_BARS[2] + 0x1000, 1, MmioAttributes.MSI_X_PBA),
    ]


def test_the_report_is_shifted_and_fixed(bench: Bench) -> None:
    bench.lock(VF, mmio_reporting_offset=-0x10_0000_0000)
    before = bench.report(VF)
    assert before.mmio_ranges[0].address == VF_BARS[0] - 0x10_0000_0000
    assert bench.report(VF) == before
    bench.write_address(0x10, 0x44_0000_0000)
    assert bench.report(VF) == before


def test_what_else_is_reported(bench: Bench) -> None:
    config = small_config(
        device_specific_info=b"made of data",
        interface_info=InterfaceInfo.DMA_WITH_PASID,
        bars=(BarConfig(index=0, size_bytes=4096, attributes=MmioAttributes.IS_NON_TEE_MEM),),
        msi_x=None,
    )
    other = Bench(config)
    other.write_address(0x10, PF_BARS[0])
    other.secure_stream()
    other.lock(PF, LockFlags.NO_FW_UPDATE)
    report = other.report(PF)
    assert report.device_specific_info == b"made of data"
    assert report.interface_info == InterfaceInfo.DMA_WITH_PASID | InterfaceInfo.NO_FW_UPDATE
    assert ranges(report) == [(0, PF_BARS[0], 1, MmioAttributes.IS_NON_TEE_MEM)]
    bench.lock(VF)
    assert bench.report(VF).interface_info == InterfaceInfo.DMA_WITHOUT_PASID


def test_msi_x_in_the_middle_of_a_bar_splits_it() -> None:
    bars = (BarConfig(index=0, size_bytes=8 * 4096, content="msi-x"),)
    config = small_config(bars=bars, msi_x=MsiXConfig(bar=0, table_offset=0x2000, pba_offset=0x5000))
    bench = Bench(config)
    bench.write_address(0x10, PF_BARS[0])
    bench.secure_stream()
    bench.lock(PF, LockFlags.LOCK_MSIX)
    assert [(one.address - PF_BARS[0], one.page_count, one.attributes) for one in bench.report(PF).mmio_ranges] == [
        (0, 2, MmioAttributes(0)),
        (0x2000, 1, MmioAttributes.MSI_X_TABLE),
        (0x3000, 2, MmioAttributes(0)),
        (0x5000, 1, MmioAttributes.MSI_X_PBA),
        (0x6000, 2, MmioAttributes(0)),
    ]


# what a lock is refused for


def two_defaults(bench: Bench) -> None:
    bench.write_stream(bench.device.ide, 4, 0x0140_0000, 1)


def other_class(bench: Bench) -> None:
    bench.write_stream(bench.device.ide, 4, 0x00C0_0000)
    bench.write_stream(bench.device.ide, 4, 0x00C8_0000)
    for slot in SLOTS:
        bench.ask(KeyProg.of(stream_id=0, slot=slot, aes_key=bytes(32)))


def rom_over_bar(bench: Bench) -> None:
    bench.write_address(0x10, 0x4000_0000)
    bench.write(PF, 0x30, b"\1\0\0\x40")


def sr_iov(bench: Bench, offset: int, value: bytes) -> None:
    bench.write(PF, bench.capability(ExtendedCapabilityId.SR_IOV) + offset, value)


REFUSALS: list[tuple[str, TdispErrorCode, Callable[[Bench], object], dict[str, Any]]] = [
    ("no such function", TdispErrorCode.INVALID_INTERFACE, lambda bench: sr_iov(bench, 8, b"\0\0"), {}),
    ("another stream", TdispErrorCode.INVALID_REQUEST, lambda bench: None, {"default_stream_id": 1}),
    ("two default streams", TdispErrorCode.INVALID_DEVICE_CONFIGURATION, two_defaults, {}),
    ("traffic class 1", TdispErrorCode.INVALID_DEVICE_CONFIGURATION, other_class, {}),
    ("no keys", TdispErrorCode.INVALID_REQUEST, lambda bench: bench.stop_key(SLOTS[3]), {}),
    (
        "phantom functions",
        TdispErrorCode.INVALID_DEVICE_CONFIGURATION,
        lambda bench: bench.write(PF, bench.device.functions[PF].pci_express + 8, b"\x10\x2a"),
        {},
    ),
    (
        "BARs overlap",
        TdispErrorCode.INVALID_DEVICE_CONFIGURATION,
        lambda bench: bench.write_address(0x10, PF_BARS[4] + 0x4000),
        {},
    ),
    (
        "a VF BAR overlaps a BAR",
        TdispErrorCode.INVALID_DEVICE_CONFIGURATION,
        lambda bench: bench.write_address(0x10, VF_BARS[4] + 0x1_4000),
        {},
    ),
    (
        "the ROM overlaps a BAR",
        TdispErrorCode.INVALID_DEVICE_CONFIGURATION,
        rom_over_bar,
        {},
    ),
    (
        "page size",
        TdispErrorCode.INVALID_DEVICE_CONFIGURATION,
        lambda bench: sr_iov(bench, 0x20, b"\3\0\0\0"),
        {},
    ),
    ("reporting offset", TdispErrorCode.INVALID_REQUEST, lambda bench: None, {"mmio_reporting_offset": 0x800}),
    ("a flag", TdispErrorCode.INVALID_REQUEST, lambda bench: None, {"flags": LockFlags.BIND_P2P}),
]


@pytest.mark.parametrize(("expected", "cause", "fields"), [pytest.param(*rest, id=name) for name, *rest in REFUSALS])
def test_a_lock_is_refused(expected: TdispErrorCode, cause: Callable[[Bench], object], fields: dict[str, Any]) -> None:
    bench = Bench.secure(small_config(ide=TWO_STREAMS, rom_bytes=1 << 16))
    cause(bench)
    assert code(bench.lock(VF, **fields)) is expected
    assert bench.device.state(VF) is TdiState.CONFIG_UNLOCKED


def test_keys_have_to_come_over_the_session_of_the_lock(bench: Bench) -> None:
    request = tdisp.LockInterfaceRequest(interface_id=InterfaceId.of(VF))
    assert code(tdisp.parse(bench.ask(request, session=1))) is TdispErrorCode.INVALID_REQUEST
    assert isinstance(tdisp.parse(bench.ask(request, session=SESSION)), tdisp.LockInterfaceResponse)


def test_a_device_without_ide_locks_without_keys() -> None:
    bench = Bench.plain(small_config(ide=None))
    assert bench.device.dsm.idekm is None
    with pytest.raises(LookupError):
        bench.capability(ExtendedCapabilityId.INTEGRITY_DATA_ENCRYPTION)
    bench.run(VF)
    assert bench.mmio_read(VF_BARS[0]) is None
    bench.device.ide.receive(b"")
    assert bench.device.ide.errors.malformed_tlp


def test_a_device_without_tdisp_is_an_ordinary_one() -> None:
    bench = Bench.plain(small_config(tee_io=False))
    assert bench.device.dsm.tdisp is None
    assert bench.device.state(VF) is TdiState.CONFIG_UNLOCKED
    assert not bench.read(PF, bench.device.functions[PF].pci_express + 4) & 1 << 30
    assert bench.mmio_read(VF_BARS[0]) == b"pTIO"
    bench.device.dma_write(VF, 0x100, b"dev.")
    bench.write(PF, 4, b"\0\0")
    assert bytes(bench.memory[0x100:0x104]) == b"dev."


@pytest.mark.parametrize("control", [0x00C0_0000, 0x00C0_0100, 0x00C0_00FC], ids=["plain", "PCRC", "aggregation"])
def test_streams_with_more(control: int) -> None:
    bench = Bench(small_config(ide=TWO_STREAMS))
    bench.set_up_functions()
    bench.secure_stream(0, endpoint=control, root_port=control & ~0x00C0_0000 | 0x200)
    bench.run(VF)
    bench.mmio_write(VF_BARS[4], bytes(range(200)), tee=True)
    found = bench.mmio_read(VF_BARS[4], 200, tee=True)
    assert found == bytes(range(200))

"""The interface report: pages that become addresses, offsets that wrap, and bytes that a vendor adds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pytio.errors import TdispDecodeError
from pytio.tdisp import DEVICE_REPORTS, DeviceInterfaceReport, InterfaceReport, MmioAttributes, MmioRange
from pytio.tdisp import report as report_module
from pytio.wire import U32, WireStruct, message, wire
from tests.tdisp.test_recorded import MESSAGES

FUNCTION = (0x1AF4, 0x1110)


@message
class Widget(WireStruct, errors=TdispDecodeError):
    """What a vendor might report."""

    gears: int = wire(U32)


@pytest.fixture
def widgets() -> Iterator[None]:
    """Register a format for one function, and forget it again."""
    DEVICE_REPORTS.register(FUNCTION, Widget.parse)
    yield
    DEVICE_REPORTS._known.clear()


def test_the_recorded_portions_make_a_report() -> None:
    """What DMTF's dump tool prints for records 84 and 86 of session s01."""
    portions = [found for found in MESSAGES if isinstance(found, DeviceInterfaceReport)]
    assert [(found.portion_length, found.remainder_length) for found in portions] == [(0x40, 0x24), (0x24, 0)]
    report = InterfaceReport.parse(b"".join(found.report_bytes for found in portions))
    assert report.interface_info == 0x0003
    assert [(r.first_page, r.page_count, r.attributes, r.range_id) for r in report.mmio_ranges] == [
        (0x0, 0x1, MmioAttributes.IS_NON_TEE_MEM, 1),
        (0x8000, 0x4, MmioAttributes.IS_MEM_ATTR_UPDATABLE, 2),
        (0x10000, 0x8, MmioAttributes.IS_MEM_ATTR_UPDATABLE, 3),
        (0x20000, 0x8, MmioAttributes.IS_MEM_ATTR_UPDATABLE, 4),
    ]
    assert report.device_specific_info == b"tdisp_dev_emu\0\0\0"


def test_counts_fill_themselves() -> None:
    report = InterfaceReport(mmio_ranges=(MmioRange(first_page=1, page_count=2),), device_specific_info=b"abc")
    raw = report.build()
    assert raw[12:16] == b"\x01\0\0\0"
    assert raw[32:] == b"\x03\0\0\0abc"
    assert InterfaceReport.parse(raw) == report


def test_a_range_is_in_pages() -> None:
    found = MmioRange(first_page=0x20014000, page_count=4)
    assert (found.address, found.size_bytes) == (0x200_1400_0000, 0x4000)


@pytest.mark.parametrize(
    ("physical", "offset", "reported"),
    [
        (0x3210_0000, 0, 0x3210_0000),
        (0x14_0000_0000, -0x12_3400_0000, 0x1_CC00_0000),
        (0x1000, -0x2000, 0xFFFF_FFFF_FFFF_F000),
        (0xD000_0000, 0xD000_0000, 0x1_A000_0000),
    ],
)
def test_the_reporting_offset_is_added(physical: int, offset: int, reported: int) -> None:
    found = MmioRange.of(physical, 0x3000, mmio_reporting_offset=offset, range_id=2)
    assert (found.address, found.page_count, found.range_id) == (reported, 3, 2)
    assert found.physical_address(offset) == physical


@pytest.mark.parametrize(("address", "size", "offset"), [(0x1001, 0x1000, 0), (0x1000, 0xFFF, 0), (0x1000, 0x1000, 1)])
def test_only_whole_pages_are_reported(address: int, size: int, offset: int) -> None:
    with pytest.raises(ValueError, match="not whole pages of 4096 bytes"):
        MmioRange.of(address, size, mmio_reporting_offset=offset)


@pytest.mark.usefixtures("widgets")
def test_a_vendor_adds_a_format() -> None:
    report = InterfaceReport(device_specific_info=b"\x07\0\0\0")
    assert report.parse_device_specific_info(*FUNCTION) == Widget(gears=7)
    assert report.parse_device_specific_info(0x1AF4, 0x1111) == b"\x07\0\0\0"
    with pytest.raises(TdispDecodeError):
        InterfaceReport(device_specific_info=b"\x07").parse_device_specific_info(*FUNCTION)


def test_an_entry_point_is_named_by_vendor_and_device() -> None:
    assert DEVICE_REPORTS.group == "pytio.device_reports"
    assert report_module._read_key("1af4.1110") == FUNCTION


@pytest.mark.parametrize("name", ["", "1af4", "1af4.", "1af4.11100", "-1.2", "vendor.device"])
def test_other_names_are_no_functions(name: str) -> None:
    with pytest.raises(ValueError, match=r"not a vendor id|invalid literal"):
        report_module._read_key(name)

"""What the RFCs' kernels print, of bytes whose meaning is known."""

from __future__ import annotations

import pytest

from pytio.errors import TdispDecodeError
from pytio.hosts.model.tsm_texts import certificates_text, measurements_text, report_text
from pytio.tdisp import InterfaceInfo, InterfaceReport, MmioRange
from pytio.tdisp.codes import MmioAttributes

VALUE = bytes(range(48))
FIRMWARE = b"\x02\x01" + (51).to_bytes(2, "little") + b"\x01" + (48).to_bytes(2, "little") + VALUE
RAW_MODE = b"\x05\x01\x13\x00\x85\x10\x00" + b"".join(word.to_bytes(4, "little") for word in (1, 2, 3, 0x40))
OTHER = b"\x09\x80\x02\x00\xab\xcd"


def test_certificates() -> None:
    body = b"0A" + bytes(38)
    chain = (4 + len(body)).to_bytes(2, "little") + b"\0\0" + body
    lines = certificates_text(chain).splitlines()
    assert lines[0] == "[0] len=44:"
    assert lines[1] == body[:32].hex(" ") + "  0A" + "." * 30
    assert lines[2] == body[32:].hex(" ") + "  " + "." * 8


def test_measurements_call_a_digest_raw_as_the_kernels_do() -> None:
    assert measurements_text(FIRMWARE + RAW_MODE + OTHER).splitlines() == [
        f"#2 (51) 1=[raw MutFW]: {VALUE[:32].hex(' ')}...",
        "#5 (19) 85=[digest DevDbg]: 1 2 3 40...",
        "#9 (2) spec=80: ab cd...",
    ]
    assert measurements_text(FIRMWARE, has_length=True).startswith("Len=55\n#2")


def test_measurements_stop_where_the_record_is_cut() -> None:
    assert measurements_text(FIRMWARE + RAW_MODE[:9]).count("#") == 1


def test_report() -> None:
    report = InterfaceReport(
        interface_info=InterfaceInfo.NO_FW_UPDATE | InterfaceInfo.ATS,
        msi_x_message_control=0x8003,
        mmio_ranges=(MmioRange.of(0x2001_4000_0000, 0x4000, attributes=MmioAttributes.IS_NON_TEE_MEM, range_id=4),),
        device_specific_info=b"\x01\x02",
    )
    assert report_text(report.build()).splitlines() == [
        "no_fw_update=1",
        "dma_no_pasid=0",
        "dma_pasid=0",
        "ats=1",
        "prs=0",
        "msi_x_message_control=0x8003",
        "lnr_control=0x0",
        "tph_control=0x0",
        "[0] #4 0x0000200140000000 +0x4000 MSIX- PBA- NonTEE+ Upd-",
        "DevSp len=2 01 02",
    ]
    with pytest.raises(TdispDecodeError):
        report_text(b"\x01")


def test_what_is_missing_is_none() -> None:
    assert {certificates_text(b""), measurements_text(b""), report_text(b"")} == {"none"}

"""Texts and status blobs of the kernel's TSM, in both RFC shapes."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from pytio.errors import SevDecodeError
from pytio.hosts.model.tsm_texts import certificates_text, measurements_text, report_text
from pytio.ids import Bdf, InterfaceId
from pytio.sev.tio_codes import DeviceContextState, GuestMessageStatus
from pytio.sev.tsm_status import TsmAlgorithms, TsmDevStatus, TsmTdiStatus, TsmTdiStatusN
from pytio.sev.tsm_texts import parse_tsm_text
from pytio.tdisp import InterfaceReport, MmioRange, TdiState
from pytio.tdisp.codes import MmioAttributes
from tests.checks import check_wire

DEV_STATUS = "ret=0\nctx_state=2\ntc_mask=1\ncerts_slot=0\ndevice_id=e100\nsegment_id=0\nno_fw_update=0\n"
TDI_STATUS = f"""ret=0
state=2:RUN
meas_digest_fresh=1
meas_digest_valid=1
all_request_redirect=0
bind_p2p=0
lock_msix=0
no_fw_update=0
cache_line_size=64
algos=0x14a:DHE_SECP384R1 AEAD_AES_256_GCM ASYM_TPM_ALG_ECDSA_ECC_NIST_P384 HASH_TPM_ALG_SHA_384
report_counter=3
Certs digest: {"ab " * 32}...
Measurements digest: {"cd " * 32}...
Interface report digest: {"ef " * 32}...
"""
REPORT = """no_fw_update=1
dma_no_pasid=1
dma_pasid=0
ats=0
prs=0
msi_x_message_control=0x0
lnr_control=0x0
tph_control=0x0
[0] #0 0x0000380000000000 +0x10000 MSIX- PBA- NonTEE- Upd-
[1] #4 0x0000380000010000 +0x1000 MSIX+ PBA- NonTEE+ Upd-
[1] WARN: reserved=0x10
DevSp len=2 01 02
"""
MEASUREMENTS = """Len=60
#1 (36) 81=[digest MutFW]: 01 02 03...
#2 (7) 7=[raw MutFWVerSec]: 00 00 00 01...
#3 (2) spec=2: aa bb...
#5 (19) 85=[digest DevDbg]: 1 2 3 40...
"""
TEXTS: dict[str, tuple[str, dict[str, Any]]] = {
    DEV_STATUS: (
        "tsm_dev_status",
        {
            "ret": 0,
            "ctx_state": 2,
            "tc_mask": 1,
            "certs_slot": 0,
            "device_id": 0xE100,
            "segment_id": 0,
            "no_fw_update": 0,
        },
    ),
    DEV_STATUS.replace("e100", "e1:00.0"): ("tsm_dev_status", {"device_id": "e1:00.0"}),
    TDI_STATUS: (
        "tsm_tdi_status",
        {
            "state": "RUN",
            "state_number": 2,
            "algos": 0x14A,
            "report_counter": 3,
            "cache_line_size": 64,
            "certs_digest_first_bytes": "ab" * 32,
        },
    ),
    "ret=0\nTDISP state unavailable\n": ("tsm_tdi_status", {"state": "TDISP state unavailable"}),
    REPORT: (
        "tsm_report",
        {
            "no_fw_update": 1,
            "msi_x_message_control": 0,
            "device_specific": "0102",
            "mmio_ranges": [
                {"range_id": 0, "start": 0x380000000000, "size": 0x10000, "attributes": []},
                {
                    "range_id": 4,
                    "start": 0x380000010000,
                    "size": 0x1000,
                    "attributes": ["msix_table", "non_tee_mem"],
                    "reserved": 0x10,
                },
            ],
        },
    ),
    MEASUREMENTS: (
        "tsm_meas",
        {
            "length": 60,
            "blocks": [
                {"index": 1, "size": 36, "type": 1, "is_raw_bit_stream": True, "first_bytes": "010203"},
                {"index": 2, "size": 7, "type": 7, "is_raw_bit_stream": False, "value": "00000001"},
                {"index": 3, "size": 2, "measurement_specification": 2, "value": "aabb"},
                {
                    "index": 5,
                    "size": 19,
                    "type": 5,
                    "is_raw_bit_stream": True,
                    "operational_mode_capabilities": 1,
                    "operational_mode_state": 2,
                    "device_mode_capabilities": 3,
                    "device_mode_state": 0x40,
                },
            ],
        },
    ),
    "[0] len=38:\n" + "30 " * 31 + "30  0000\n30 30  00\n": (
        "tsm_certs",
        {"chains": [{"index": 0, "length": 38, "bytes": "30" * 34}]},
    ),
    "not bound\n": ("tsm_tdi_bind", {"is_bound": False}),
    "VM=0x200000 ASID=99 BDFn=1:0.0\n": (
        "tsm_tdi_bind",
        {"is_bound": True, "vm": "0x200000", "asid": 99, "guest_bdf": "01:00.0"},
    ),
    "VM=00000000abcdef01 BDFn=1:1f.7\n": ("tsm_tdi_bind", {"guest_bdf": "01:1f.7"}),
    "0: 0 DEF 2=SECURE TeeLim <-> 2=SECURE IDECfg  rootport:0000:e0:01.1\n1: 5\n": (
        "tsm_sel_stream",
        {
            "streams": [
                {
                    "block": 0,
                    "stream_id": 0,
                    "default": True,
                    "endpoint": {"status": 2, "is_secure": True, "TeeLim": True},
                    "root_port": {"status": 2, "is_secure": True, "IDECfg": True, "rootport": "0000:e0:01.1"},
                },
                {"block": 1, "stream_id": 5, "default": False},
            ]
        },
    ),
    "none\n": ("none", {}),
    "tsm0\n": ("tsm", {"tsm": "tsm0"}),
    "0000:e1:00.0\n": ("dsm", {"dsm": "0000:e1:00.0"}),
    "stream1.0.2": ("stream", {"host_bridge": 1, "root_port": 0, "endpoint": 2}),
}


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: text.split("\n")[0])
def test_texts_say_what_they_say(text: str) -> None:
    kind, fields = TEXTS[text]
    read = parse_tsm_text(text)
    assert read.kind == kind
    assert {name: read.fields[name] for name in fields} == fields


def test_what_is_cut_is_told() -> None:
    assert parse_tsm_text(TDI_STATUS).is_cut
    assert parse_tsm_text(MEASUREMENTS).is_cut
    assert not parse_tsm_text(REPORT).is_cut
    assert parse_tsm_text(REPORT.replace("len=2", "len=40")).is_cut
    assert parse_tsm_text("[0] len=34:\n30 30\n").is_cut


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("", ""),
        ("hello\n", ""),
        (DEV_STATUS + "hello\n", "line 8"),
        (TDI_STATUS + "!\n", "line 15"),
        (REPORT + "x\n", "line 13"),
        (MEASUREMENTS + "x\n", "line 6"),
        ("[0] len=3:\nzz\n", "line 2"),
        ("VM=x\n", "line 1"),
        ("0: 0\nx\n", "line 2"),
        ("tsm0\ntsm1\n", "line 1"),
        ("stream1.0", "line 1"),
    ],
)
def test_other_texts_are_refused(text: str, path: str) -> None:
    with pytest.raises(SevDecodeError) as caught:
        parse_tsm_text(text)
    assert caught.value.path == path


def test_any_text_is_read_or_refused() -> None:
    random = Random(6)
    for text in TEXTS:
        for _ in range(100):
            at = random.randrange(len(text))
            changed = text[:at] + chr(random.randrange(1, 0x100)) + text[at + random.randrange(3) :]
            try:
                parse_tsm_text(changed)
            except SevDecodeError:
                continue


def test_what_the_kernels_print_is_read_back() -> None:
    """The printers of the model, which cut and label as the kernels do."""
    body = b"0A" + bytes(range(38))
    chain = (4 + len(body)).to_bytes(2, "little") + b"\0\0" + body
    certificates = parse_tsm_text(certificates_text(chain))
    assert certificates.fields == {"chains": [{"index": 0, "length": 44, "bytes": body.hex()}]}
    assert not certificates.is_cut
    value = bytes(range(48))
    firmware = b"\x02\x01" + (51).to_bytes(2, "little") + b"\x01" + (48).to_bytes(2, "little") + value
    version = b"\x03\x01\x07\x00\x06\x04\x00abcd"
    for has_length in (False, True):
        measured = parse_tsm_text(measurements_text(firmware + version, has_length=has_length))
        assert measured.is_cut
        first, second = measured.fields["blocks"]
        assert (first["index"], first["is_raw_bit_stream"], first["first_bytes"]) == (2, False, value[:32].hex())
        assert (second["type"], second["value"]) == (6, b"abcd".hex())
    memory = MmioRange.of(0x2001_4000_0000, 0x4000, attributes=MmioAttributes.IS_NON_TEE_MEM, range_id=4)
    report = parse_tsm_text(report_text(InterfaceReport(mmio_ranges=(memory,), device_specific_info=value).build()))
    assert report.is_cut
    assert report.fields["mmio_ranges"] == [
        {"range_id": 4, "start": 0x2001_4000_0000, "size": 0x4000, "attributes": ["non_tee_mem"]}
    ]
    for text in (certificates_text(b""), measurements_text(b""), report_text(b"")):
        assert parse_tsm_text(text).kind == "none"


def test_status_blobs() -> None:
    raw = bytes.fromhex("01 02 01 00 00 000000 00e1 0000") + bytes(16)
    check_wire(TsmDevStatus, raw, TsmDevStatus(ctx_state=DeviceContextState.CONNECTED, tc_mask=1, device_id=0xE100))
    assert len(raw) == 28
    head = "01 02 01 01 00000000 4000 4a01000000000000"
    interface_id = InterfaceId.of(Bdf(bus=0xE1, device=4))
    digests = b"\xaa" * 48 + b"\xbb" * 48 + b"\xcc" * 48
    raw = bytes.fromhex(head) + digests + (3).to_bytes(8, "little") + interface_id.build()
    read: Any = check_wire(TsmTdiStatus, raw)
    assert len(raw) == 182
    assert (read.state, read.cache_line_size, read.intf_report_counter) == (TdiState.RUN, 64, 3)
    assert read.spdm_algos == TsmAlgorithms(0x14A)
    assert read.interface_id == interface_id
    newest: Any = check_wire(TsmTdiStatusN, b"\0" + raw[1:] + (7).to_bytes(8, "little"))
    assert (newest.status, newest.fw_tdi_id) == (GuestMessageStatus.BOUND, 7)

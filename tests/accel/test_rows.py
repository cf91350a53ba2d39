"""Rows of the record index: both twins find the same, whatever the bytes."""

from __future__ import annotations

import io
import random
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytio._accel import pure
from pytio._accel.pure_rows import (
    INTERFACE,
    KIND_DISCOVERY,
    KIND_OTHER,
    KIND_SECURED,
    KIND_SPDM,
    LAYER_CXL,
    LAYER_IDEKM,
    LAYER_SPDM,
    LAYER_TDISP,
    LINK_DOE,
    LINK_MCTP,
    ROW,
    ROW_BYTES,
)
from pytio.capture.index_rows import IndexRow, row_at
from pytio.capture.pcap import pcap_record
from pytio.capture.pcapng import read_pcapng
from tests.capture import recorded
from tests.conftest import compiled_twin
from tests.soak.mutations import damage_file

PCAP_HEADER_BYTES = 24
ROWS = 700


def scanned(scan: ModuleType, data: bytes, link: int = LINK_DOE, at: int = 0) -> tuple[int, int, bytes]:
    """Return how many rows there are, where the scan ended, and the rows."""
    rows = bytearray(ROWS * ROW_BYTES)
    count, end = scan.scan_pcap(data, at, False, 1000, link, 3, rows)
    assert not any(rows[count * ROW_BYTES :])
    return count, end, bytes(rows[: count * ROW_BYTES])


def row(scan: ModuleType, packet: str, link: int = LINK_DOE) -> IndexRow:
    """Return the row of a packet in hex."""
    count, _, rows = scanned(scan, pcap_record(bytes.fromhex(packet), 5_000_007_000), link)
    assert count == 1
    return row_at(bytearray(rows), 0)


def doe(kind: int, payload: str) -> str:
    """Return a data object in hex."""
    data = bytes.fromhex(payload)
    data += bytes(-len(data) % 4)
    return (b"\x01\x00" + bytes([kind, 0]) + (2 + len(data) // 4).to_bytes(4, "little") + data).hex()


def vendor(payload: str, vendor_id: str = "0100") -> str:
    """Return a VENDOR_DEFINED_REQUEST of PCI-SIG or CXL in a data object."""
    length = (len(payload) // 2).to_bytes(2, "little").hex()
    return doe(1, f"12fe0000 0300 02 {vendor_id} {length} {payload}")


def test_a_message_in_clear(accel: ModuleType) -> None:
    found = row(accel, doe(1, "12e10000"))
    assert (found.kind, found.direction, found.version, found.code) == (KIND_SPDM, 1, 0x12, 0xE1)
    assert (found.time_ns, found.offset, found.size, found.body, found.body_size) == (5_000_007_000, 16, 12, 8, 4)
    assert (found.place, found.flow) == (3, 3 << 16)
    assert row(accel, doe(1, "12610000")).direction == 2


def test_a_record(accel: ModuleType) -> None:
    found = row(accel, doe(2, "efbeadde 1100" + "aa" * 17))
    assert (found.kind, found.session, found.body_size, found.state) == (KIND_SECURED, 0xDEADBEEF, 23, 1)


@pytest.mark.parametrize(
    ("packet", "layer", "code"),
    [
        pytest.param(vendor("0007"), LAYER_IDEKM, 7, id="IDE_KM"),
        pytest.param(vendor("011083"), LAYER_TDISP, 0x83, id="TDISP"),
        pytest.param(vendor("0107", "981e"), LAYER_CXL, 0, id="CXL"),
        pytest.param(vendor("0207"), 0, 0, id="unknown protocol"),
        pytest.param(vendor("", "0100"), 0, 0, id="empty"),
        pytest.param(doe(1, "14fe8000 0300 02 0100 0000 02000000 0007"), LAYER_IDEKM, 7, id="large form"),
        pytest.param(doe(1, "13fe8000 0300 02 0100 0200 0007"), LAYER_IDEKM, 7, id="no large form before 1.4"),
        pytest.param(doe(1, "12eb0000 11020000"), LAYER_SPDM, 2, id="encapsulated response"),
        pytest.param(doe(1, "126a0000 11820000"), LAYER_SPDM, 0x82, id="encapsulated request"),
        pytest.param(doe(1, "126b0001 00000000 11820000"), LAYER_SPDM, 0x82, id="acknowledged, next request"),
        pytest.param(doe(1, "116b0001 11820000"), LAYER_SPDM, 0x82, id="acknowledged, as in 1.1"),
        pytest.param(doe(1, "126b0000 00000000 11820000"), 0, 0, id="acknowledged, flow ends"),
    ],
)
def test_what_a_message_carries(accel: ModuleType, packet: str, layer: int, code: int) -> None:
    found = row(accel, packet)
    assert (found.kind, found.layer, found.layer_code) == (KIND_SPDM, layer, code)


@pytest.mark.parametrize(
    ("packet", "link"),
    [
        pytest.param("", LINK_DOE, id="empty"),
        pytest.param("01000100", LINK_DOE, id="half a header"),
        pytest.param("01000100 04000000 12e10000", LINK_DOE, id="length beyond the end"),
        pytest.param("01000100 02000000 12e10000", LINK_DOE, id="length before the end"),
        pytest.param("01000100 00000000 12e10000", LINK_DOE, id="length zero, which is the most there can be"),
        pytest.param("01000101 03000000 12e10000", LINK_DOE, id="reserved byte"),
        pytest.param("01000100 03000400 12e10000", LINK_DOE, id="reserved bits of the length"),
        pytest.param("86800100 03000000 12e10000", LINK_DOE, id="vendor"),
        pytest.param(doe(3, "12e10000"), LINK_DOE, id="connection id"),
        pytest.param(doe(2, "efbeadde 0f00" + "aa" * 15), LINK_DOE, id="record without room for its MAC"),
        pytest.param(doe(2, "efbeadde 1000" + "aa" * 20), LINK_DOE, id="record with more than padding behind it"),
        pytest.param(vendor("00"), LINK_DOE, id="IDE_KM without a code"),
        pytest.param(vendor("0110"), LINK_DOE, id="TDISP without a code"),
        pytest.param("000000 c0 05 12eb0000 1102", LINK_MCTP, id="half a message inside"),
        pytest.param("000000 80 05 12e10000", LINK_MCTP, id="first packet of a message"),
        pytest.param("100000 c0 05 12e10000", LINK_MCTP, id="reserved bits of a packet"),
        pytest.param("000000 c0 01 12e10000", LINK_MCTP, id="another kind of message"),
        pytest.param("000000 c0 85 12e10000", LINK_MCTP, id="integrity check"),
        pytest.param("000000 c0 05 12e100", LINK_MCTP, id="short message"),
    ],
)
def test_what_somebody_else_has_to_read(accel: ModuleType, packet: str, link: int) -> None:
    assert row(accel, packet, link).kind == KIND_OTHER


def test_ends_of_an_mctp_message(accel: ModuleType) -> None:
    """Requester and responder, whoever sends; of a record, sender and receiver."""
    assert row(accel, "000809c0 05 12e10000", LINK_MCTP).flow == 3 << 16 | 9 << 8 | 8
    assert row(accel, "000908c0 05 12610000", LINK_MCTP).flow == 3 << 16 | 9 << 8 | 8
    record = row(accel, "000908c0 06 efbeadde 0100 1000" + "aa" * 16, LINK_MCTP)
    assert (record.flow, record.number_bytes, record.session) == (3 << 16 | 8 << 8 | 9, 2, 0xDEADBEEF)


def test_discovery(accel: ModuleType) -> None:
    assert row(accel, doe(0, "00000000")).kind == KIND_DISCOVERY


def test_ends_when_the_rows_are_full(accel: ModuleType) -> None:
    rows = bytearray(2 * ROW_BYTES)
    record = pcap_record(bytes.fromhex(doe(1, "12e10000")))
    assert accel.scan_pcap(record * 3, 0, False, 1000, LINK_DOE, 0, rows) == (2, 2 * len(record))
    assert accel.scan_pcap(record * 3, 0, False, 1000, LINK_DOE, 0, bytearray(ROW_BYTES - 1)) == (0, 0)


@pytest.mark.parametrize("at", [-1, 1000])
def test_refuses_an_offset_outside(accel: ModuleType, at: int) -> None:
    with pytest.raises(ValueError, match="is outside of 10 bytes"):
        accel.scan_pcap(bytes(10), at, False, 1, LINK_DOE, 0, bytearray(ROW_BYTES))
    with pytest.raises(ValueError, match="is outside of 10 bytes"):
        accel.scan_pcapng(bytes(10), at, False, b"", bytearray(ROW_BYTES))


def test_last_requests(accel: ModuleType) -> None:
    rows = bytearray()
    for flow, session, state, direction in (
        (1, 0, 0, 1),
        (1, 0, 0, 2),
        (1, 7, 2, 1),
        (1, 0, 0, 1),
        (1, 7, 2, 1),
        (2, 7, 2, 1),
    ):
        rows += ROW.pack(*[0] * 8, session, flow, 0, KIND_SPDM, state, direction, *[0] * 6)
    assert accel.last_requests(rows, 0, 6) == [5, 4, 3]
    assert accel.last_requests(rows, 0, 3) == [2, 0]
    assert accel.last_requests(rows, 2, 2) == []
    for first, stop in ((-1, 2), (3, 2), (0, 7)):
        with pytest.raises(ValueError, match="rows that are not there"):
            accel.last_requests(rows, first, stop)


@given(data=st.binary(max_size=60), link=st.sampled_from([0, LINK_DOE, LINK_MCTP]))
def test_twins_agree_on_any_packet(data: bytes, link: int) -> None:
    scan, record = compiled_twin(), pcap_record(data)
    assert scanned(scan, record, link) == scanned(pure, record, link)


@cache
def self_contained(name: str, folder: str) -> bytes:
    """Return a recorded session as pcapng."""
    path = Path(folder) / f"{name}.pcapng"
    recorded.opened(name).save(path)
    return path.read_bytes()


def test_twins_agree_on_damaged_files(soak_rounds: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    scan = compiled_twin()
    folder = str(tmp_path_factory.mktemp("sessions"))
    interfaces = INTERFACE.pack(1, 0, LINK_DOE, 2) + INTERFACE.pack(1000, 7, LINK_MCTP, 1)
    for seed in range(soak_rounds):
        dice = random.Random(f"rows {seed}")
        name = dice.choice([*recorded.RECORDED])
        raw, _ = damage_file(recorded.path(name).read_bytes(), dice)
        at = min(PCAP_HEADER_BYTES, len(raw))
        link = dice.choice((LINK_DOE, LINK_MCTP))
        assert scanned(scan, raw, link, at) == scanned(pure, raw, link, at), seed
        raw, _ = damage_file(self_contained(name, folder), dice)
        at = dice.choice((0, len(raw), raw.find(bytes.fromhex("06000000")) % (len(raw) + 1)))
        found = []
        for twin in (scan, pure):
            rows = bytearray(ROWS * ROW_BYTES)
            found.append((*twin.scan_pcapng(raw, at, dice.random() < 0, interfaces, rows), rows))
        assert found[0] == found[1], seed


def test_scans_packets_of_pcapng(accel: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> None:
    name = "s06-doe13-p256-provision"
    raw = self_contained(name, str(tmp_path_factory.mktemp("sessions")))
    at = raw.find(bytes.fromhex("06000000"))
    rows = bytearray(ROWS * ROW_BYTES)
    assert accel.scan_pcapng(raw, at, False, INTERFACE.pack(1, 0, LINK_DOE, 2), rows) == (
        recorded.RECORDED[name],
        len(raw),
    )
    for number, frame in enumerate(read_pcapng(io.BytesIO(raw))):
        found = row_at(rows, number)
        assert raw[found.offset : found.offset + found.size] == frame.data
        assert (found.time_ns, found.place) == (frame.time_ns, 2)

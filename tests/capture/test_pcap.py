"""Classic pcap files: every form of the header, and files that end, lie or are something else."""

from __future__ import annotations

import io
import struct
import tracemalloc
from pathlib import Path

import pytest

from pytio.capture import Frame, LinkType, Problem, open_capture
from pytio.capture.pcap import pcap_header, pcap_record, read_pcap
from pytio.errors import CaptureError
from tests.capture.recorded import RECORDED, path, records

MICROSECONDS, NANOSECONDS = 0xA1B2C3D4, 0xA1B23C4D
orders = pytest.mark.parametrize("order", ["<", ">"], ids=["little", "big"])


def header(order: str = "<", magic: int = MICROSECONDS, link_type: int = LinkType.MCTP) -> bytes:
    """Return a file header."""
    return struct.pack(f"{order}IHHIIII", magic, 2, 4, 0, 0, 65536, link_type)


def packet(
    data: bytes, order: str = "<", time: tuple[int, int] = (0, 0), sizes: tuple[int | None, int | None] = (None, None)
) -> bytes:
    """Return a packet with its header, which may lie about the sizes."""
    captured, original = (len(data) if size is None else size for size in sizes)
    return struct.pack(f"{order}IIII", *time, captured, original) + data


def read(raw: bytes) -> list[Frame]:
    """Return the frames of a file."""
    return [*read_pcap(io.BytesIO(raw))]


@orders
@pytest.mark.parametrize(("magic", "unit"), [(MICROSECONDS, 1000), (NANOSECONDS, 1)])
def test_byte_orders_and_units_of_time(order: str, magic: int, unit: int) -> None:
    raw = header(order, magic) + packet(b"first", order, (7, 5)) + packet(b"", order) + packet(b"last", order)
    frames = read(raw)
    assert [(frame.number, frame.data) for frame in frames] == [(1, b"first"), (2, b""), (3, b"last")]
    assert frames[0].time_ns == 7_000_000_000 + 5 * unit
    assert {frame.link_type for frame in frames} == {LinkType.MCTP}
    assert not [frame for frame in frames if frame.problem]


@orders
@pytest.mark.parametrize("name", ["s08-doe12-psk-only", "s03-mctp11-p256-aes128"])
def test_the_same_records_in_every_form(order: str, name: str, tmp_path: Path) -> None:
    raw = path(name).read_bytes()
    (link_type,) = struct.unpack_from("<I", raw, 20)
    written = header(order, NANOSECONDS, link_type)
    for frame in read(raw):
        written += packet(frame.data, order, divmod(frame.time_ns, 1_000_000_000))
    copy = tmp_path / "copy.pcap"
    copy.write_bytes(written)
    assert [*open_capture(copy)] == [*open_capture(path(name))]


def test_what_is_written_is_read_again() -> None:
    raw = pcap_header(LinkType.PCI_DOE) + pcap_record(b"abc", 1_234_567_000) + pcap_record(b"")
    assert read(raw) == [
        Frame(1, 1_234_567_000, LinkType.PCI_DOE, b"abc", 3),
        Frame(2, 0, LinkType.PCI_DOE, b"", 0),
    ]


@orders
@pytest.mark.parametrize("above", [0x0001_0000, 0x0400_0000, 0x2400_0000, 0xFFFF_0000])
def test_bits_above_the_link_type_do_not_count(order: str, above: int) -> None:
    [frame] = read(header(order, link_type=above | LinkType.PCI_DOE) + packet(b"x", order))
    assert frame.link_type is LinkType.PCI_DOE


def test_an_empty_file_of_this_kind_has_no_records(tmp_path: Path) -> None:
    empty = tmp_path / "empty.pcap"
    empty.write_bytes(header())
    trace = open_capture(empty)
    assert len(trace) == 0
    assert [*trace] == []


# --- files that are no pcap file -----------------------------------------------------------------------------------


@pytest.mark.parametrize("raw", [b"", b"\xd4", b"\xd4\xc3\xb2", b"hello", bytes(100), b"\xa1\xb2\xcd\x34" + bytes(20)])
def test_what_is_no_pcap_file_is_refused(raw: bytes, tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match="magic"):
        read(raw)
    file = tmp_path / "not.pcap"
    file.write_bytes(raw)
    with pytest.raises(CaptureError):
        open_capture(file)


@orders
@pytest.mark.parametrize("size", range(4, 24))
def test_a_cut_file_header_is_refused(order: str, size: int) -> None:
    with pytest.raises(CaptureError) as caught:
        read(header(order)[:size])
    assert caught.value.offset <= size


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        open_capture(tmp_path / "nothing.pcap")


# --- files that end or lie -----------------------------------------------------------------------------------------


@orders
def test_every_cut_yields_what_is_whole_and_one_more(order: str) -> None:
    raw = header(order) + packet(b"first", order) + packet(b"second", order)
    ends = [24, 24 + 16 + 5, len(raw)]
    for size in range(24, len(raw) + 1):
        frames = read(raw[:size])
        whole = sum(end <= size for end in ends[1:])
        assert [frame.data for frame in frames[:whole]] == [b"first", b"second"][:whole]
        assert len(frames) == whole + (size not in ends)
        assert [frame.number for frame in frames[whole:] if frame.problem] == [whole + 1] * (size not in ends)


def test_a_cut_record_says_what_is_there() -> None:
    assert read(header() + packet(b"first")[:7])[0].problem == Problem(
        0, "the file ends inside the record header, after 7 bytes"
    )
    [frame] = read(header() + packet(b"first")[:-2])
    assert frame.data == b"fir"
    assert frame.problem == Problem(3, "the file ends inside the record: 3 of 5 bytes")


@pytest.mark.parametrize("claimed", [0xFFFF_FFFF, 0x8000_0000, 1 << 20])
def test_a_hostile_length_allocates_nothing(claimed: int) -> None:
    raw = header() + packet(b"x", sizes=(claimed, claimed)) + packet(b"never seen")
    tracemalloc.start()
    [frame] = read(raw)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert frame.data.startswith(b"x")
    assert frame.problem
    assert peak < 1 << 19


def test_a_packet_that_was_cut_while_captured_says_so(tmp_path: Path) -> None:
    cut = tmp_path / "cut.pcap"
    cut.write_bytes(header() + packet(bytes.fromhex("000000c0051084"), sizes=(None, 9)))
    [record] = open_capture(cut)
    assert record.notes[0] == "7 of 9 bytes were captured"
    assert record.problems


def test_time_of_the_recordings() -> None:
    for name in RECORDED:
        assert {record.time_ns // 1_000_000_000 for record in records(name)} <= {*range(1795382158, 1795382165)}

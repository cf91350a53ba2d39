"""pcapng files: every block that is read, in both byte orders, files that end or lie, and what other tools say."""

from __future__ import annotations

import io
import shutil
import struct
import subprocess
import tracemalloc
from collections.abc import Iterable
from pathlib import Path

import pytest

from pytio.capture import Frame, LinkType, PcapngWriter, open_capture
from pytio.capture.files import read_frames
from pytio.capture.keylog import SECRETS_TYPE, KeyLog
from pytio.capture.pcapng import read_pcapng
from pytio.errors import CaptureError
from tests.capture.recorded import RECORDED, frames, opened, path, records

orders = pytest.mark.parametrize("order", ["<", ">"], ids=["little", "big"])
SECTION, INTERFACE, OBSOLETE, SIMPLE, NAMES, STATISTICS, ENHANCED, SECRETS = 0x0A0D0D0A, 1, 2, 3, 4, 5, 6, 10


class Blocks:
    """Lays out blocks by hand, in one byte order."""

    def __init__(self, order: str = "<") -> None:
        self.order = order

    def block(self, kind: int, body: bytes) -> bytes:
        body = padded(body)
        total = struct.pack(f"{self.order}I", len(body) + 12)
        return struct.pack(f"{self.order}I", kind) + total + body + total

    def section(self) -> bytes:
        return self.block(SECTION, struct.pack(f"{self.order}IHHq", 0x1A2B3C4D, 1, 0, -1))

    def interface(self, link_type: int = LinkType.PCI_DOE, *options: tuple[int, bytes], snapshot: int = 0) -> bytes:
        return self.block(INTERFACE, struct.pack(f"{self.order}HHI", link_type, 0, snapshot) + self.options(options))

    def enhanced(
        self, data: bytes, *options: tuple[int, bytes], interface: int = 0, ticks: int = 0, captured: int | None = None
    ) -> bytes:
        size = len(data) if captured is None else captured
        fixed = struct.pack(f"{self.order}IIIII", interface, ticks >> 32, ticks & 0xFFFFFFFF, size, len(data))
        return self.block(ENHANCED, fixed + padded(data) + self.options(options))

    def options(self, options: Iterable[tuple[int, bytes]]) -> bytes:
        written = [struct.pack(f"{self.order}HH", code, len(value)) + padded(value) for code, value in options]
        return b"".join([*written, bytes(4)]) if written else b""

    def secrets(self, kind: int, data: bytes) -> bytes:
        return self.block(SECRETS, struct.pack(f"{self.order}II", kind, len(data)) + data)


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def read(raw: bytes) -> list[Frame]:
    return [*read_pcapng(io.BytesIO(raw))]


# --- what is read --------------------------------------------------------------------------------------------------


@orders
def test_packets_of_several_interfaces(order: str) -> None:
    blocks = Blocks(order)
    raw = (
        blocks.section()
        + blocks.interface(LinkType.PCI_DOE, (2, b"doe:0000:e1:00.0"), (9, b"\x09"))
        + blocks.interface(LinkType.MCTP, (2, "mctp:\xe9".encode()))
        + blocks.enhanced(b"first", ticks=1_795_382_158_123_456_789)
        + blocks.enhanced(b"second", (1, b"look here"), interface=1, ticks=1_795_382_158_123_456)
    )
    assert read(raw) == [
        Frame(1, 1_795_382_158_123_456_789, LinkType.PCI_DOE, b"first", 5, "doe:0000:e1:00.0"),
        Frame(2, 1_795_382_158_123_456_000, LinkType.MCTP, b"second", 6, "mctp:\xe9", comment="look here"),
    ]


@orders
@pytest.mark.parametrize(
    ("options", "ticks", "time_ns"),
    [
        ([], 5, 5_000),
        ([(9, b"\x03")], 5, 5_000_000),
        ([(9, b"\x00")], 5, 5_000_000_000),
        ([(9, b"\x8a")], 1024, 1_000_000_000),
        ([(9, b"\x8a")], 1, 976_562),
        ([(9, b"\x0c")], 5_999, 5),
        ([(9, b"")], 5, 5_000),
        ([(14, 10)], 5, 10_000_005_000),
        ([(14, -1)], 1_000_000, 0),
        ([(14, b"\x01")], 5, 5_000),
    ],
)
def test_time_has_the_interfaces_unit_and_offset(
    order: str, options: list[tuple[int, bytes | int]], ticks: int, time_ns: int
) -> None:
    blocks = Blocks(order)
    written = [(code, struct.pack(f"{order}q", v) if isinstance(v, int) else v) for code, v in options]
    raw = blocks.section() + blocks.interface(LinkType.MCTP, *written) + blocks.enhanced(b"", ticks=ticks)
    assert [frame.time_ns for frame in read(raw)] == [time_ns]


@orders
def test_simple_and_obsolete_packets(order: str) -> None:
    blocks = Blocks(order)
    simple = blocks.block(SIMPLE, struct.pack(f"{order}I", 9) + b"123456")
    obsolete = blocks.block(OBSOLETE, struct.pack(f"{order}HHIIII", 1, 7, 0, 3, 2, 40) + b"ab")
    raw = blocks.section() + blocks.interface(LinkType.MCTP, snapshot=6) + blocks.interface() + simple + obsolete
    assert read(raw) == [
        Frame(1, 0, LinkType.MCTP, b"123456", 9),
        Frame(2, 3_000, LinkType.PCI_DOE, b"ab", 40),
    ]


@orders
@pytest.mark.parametrize("kind", [NAMES, STATISTICS, 0x0BAD, 0x80000001])
def test_other_blocks_are_skipped(order: str, kind: int) -> None:
    blocks = Blocks(order)
    other = blocks.block(kind, bytes(40))
    raw = blocks.section() + other + blocks.interface() + other + blocks.enhanced(b"x") + other
    assert [frame.data for frame in read(raw)] == [b"x"]


def test_sections_have_their_own_order_and_interfaces() -> None:
    little, big = Blocks("<"), Blocks(">")
    raw = little.section() + little.interface(LinkType.MCTP) + little.enhanced(b"1")
    raw += big.section() + big.interface(LinkType.PCI_DOE) + big.enhanced(b"2")
    assert [(frame.number, frame.link_type, frame.data) for frame in read(raw)] == [
        (1, LinkType.MCTP, b"1"),
        (2, LinkType.PCI_DOE, b"2"),
    ]


@orders
def test_secrets_are_told_before_the_packets_after_them(order: str) -> None:
    blocks, told = Blocks(order), list[object]()
    raw = blocks.section() + blocks.interface() + blocks.enhanced(b"before")
    raw += blocks.secrets(SECRETS_TYPE, b"abc") + blocks.enhanced(b"after")
    for frame in read_pcapng(io.BytesIO(raw), on_secrets=lambda kind, data: told.append((kind, data))):
        told.append(frame.data)
    assert told == [b"before", (SECRETS_TYPE, b"abc"), b"after"]


def test_options_that_do_not_fit_end_the_options() -> None:
    blocks = Blocks()
    options = struct.pack("<HH", 1, 2) + b"ok\0\0" + struct.pack("<HH", 7, 5000)
    body = struct.pack("<IIIII", 0, 0, 0, 4, 4) + b"data" + options
    [frame] = read(blocks.section() + blocks.interface() + blocks.block(ENHANCED, body))
    assert (frame.comment, frame.problem) == ("ok", None)


def test_a_comment_is_a_note_of_the_record(tmp_path: Path) -> None:
    copy = tmp_path / "copy.pcapng"
    with copy.open("wb") as stream:
        writer = PcapngWriter(stream)
        writer.add_interface(LinkType.PCI_DOE)
        writer.write_packet(frames("s01-doe12-p384-full")[0].data, comment="the first")
    [record] = open_capture(copy)
    assert record.notes == ("comment: the first",)
    open_capture(copy).save(copy)
    assert [*open_capture(copy)] == [record]


@pytest.mark.parametrize("name", ["s01-doe12-p384-full", "s03-mctp11-p256-aes128"])
def test_the_link_type_can_be_overruled(name: str, tmp_path: Path) -> None:
    said = frames(name)[0].link_type
    wrong, right = tmp_path / "wrong.pcapng", [record.to_dict() for record in records(name)]
    with wrong.open("wb") as stream:
        writer = PcapngWriter(stream)
        writer.add_interface(LinkType.USER0)
        for frame in frames(name):
            writer.write_packet(frame.data, time_ns=frame.time_ns)
    trace = open_capture(wrong, link_type=said, secrets=opened(name).key_log())
    assert [record.to_dict() for record in trace] == right
    with path(name).open("rb") as stream:
        assert {frame.link_type for frame in read_frames(stream, link_type=LinkType.USER0)} == {LinkType.USER0}


# --- files that end or lie -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("raw", [b"", b"\x0a\x0d", b"\xd4\xc3\xb2\xa1" + bytes(20), b"text, perhaps a long one"])
def test_what_is_no_capture_is_refused(raw: bytes, tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match="not a pcapng file"):
        read(raw)
    file = tmp_path / "file"
    file.write_bytes(raw.replace(b"\xd4", b"\xd5"))
    with pytest.raises(CaptureError, match="neither a pcap nor a pcapng file"):
        open_capture(file)


@orders
def test_every_cut_leaves_what_came_before(order: str) -> None:
    blocks = Blocks(order)
    start = blocks.section() + blocks.interface(LinkType.MCTP, (2, b"name")) + blocks.enhanced(b"whole")
    raw = start + blocks.enhanced(b"cut, somewhere")
    whole = [Frame(1, 0, LinkType.MCTP, b"whole", 5, "name")]
    assert read(start) == whole
    section, interface = len(blocks.section()), len(blocks.interface(LinkType.MCTP, (2, b"name")))
    for end in range(8, len(raw)):
        found = read(raw[:end])
        if end in (section, section + interface, len(start)):
            assert found == (whole if end == len(start) else [])
            continue
        *before, last = found
        assert before[:1] == (whole if before else [])
        assert last.problem is not None
        assert "the file ends" in last.problem.reason
        assert b"cut, somewhere".startswith(last.data) or b"whole".startswith(last.data)


@pytest.mark.parametrize(
    ("damaged", "reason"),
    [
        (lambda blocks: blocks.enhanced(b"data")[:-4] + bytes(4), "the two lengths of a block differ: 36 and 0"),
        (lambda blocks: struct.pack("<II", ENHANCED, 11), "a block of 11 bytes cannot be"),
        (lambda blocks: struct.pack("<II", NAMES, 18), "a block of 18 bytes cannot be"),
        (lambda blocks: blocks.block(ENHANCED, bytes(16)), "a packet block of 16 bytes"),
        (lambda blocks: blocks.block(OBSOLETE, bytes(16)), "a packet block of 16 bytes"),
        (lambda blocks: blocks.block(SIMPLE, b""), "a packet block of 0 bytes"),
        (lambda blocks: blocks.block(INTERFACE, bytes(4)), "an interface description of 4 bytes"),
        (lambda blocks: blocks.block(SECRETS, bytes(4)), "a block of secrets of 4 bytes"),
        (lambda blocks: blocks.block(SECTION, bytes(16)), "a section header without its byte-order magic"),
    ],
)
def test_what_does_not_add_up_ends_the_file(damaged: object, reason: str) -> None:
    blocks = Blocks()
    assert callable(damaged)
    raw = blocks.section() + blocks.interface() + blocks.enhanced(b"x") + damaged(blocks) + blocks.enhanced(b"lost")
    told: list[Frame] = [*read_pcapng(io.BytesIO(raw), on_secrets=lambda kind, data: None)]
    assert told[0].data == b"x"
    assert b"lost" not in [frame.data for frame in told]
    assert told[-1].problem is not None
    assert told[-1].problem.reason == reason


@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        (Blocks().enhanced(b"x", interface=1), "interface 1 of this packet is not described"),
        (Blocks().enhanced(b"four", captured=500), "the block ends inside the packet: 4 of 500 bytes"),
    ],
)
def test_a_packet_that_lies_keeps_its_place(packet: bytes, reason: str, tmp_path: Path) -> None:
    blocks = Blocks()
    raw = blocks.section() + blocks.interface() + packet + blocks.enhanced(b"next")
    first, second = read(raw)
    assert first.problem is not None
    assert first.problem.reason == reason
    assert (second.number, second.data, second.problem) == (2, b"next", None)
    file = tmp_path / "file.pcapng"
    file.write_bytes(raw)
    assert [bool(record.problems) for record in open_capture(file)] == [True, True]  # b"next" is no data object


def test_a_hostile_length_allocates_no_more_than_there_is() -> None:
    blocks = Blocks()
    raw = blocks.section() + blocks.interface() + struct.pack("<II", ENHANCED, 0xFFFFFFF0) + bytes(100)
    tracemalloc.start()
    read(raw)
    read(blocks.section() + struct.pack("<II", NAMES, 0xFFFFFFF0) + bytes(100))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 4_000_000


# --- what is written -----------------------------------------------------------------------------------------------


def test_what_is_written_is_read_again() -> None:
    stream, told = io.BytesIO(), list[tuple[int, bytes]]()
    writer = PcapngWriter(stream)
    writer.write_secrets(SECRETS_TYPE, b"12345")
    assert writer.add_interface(LinkType.PCI_DOE, "doe:0000:e1:00.0") == 0
    assert writer.add_interface(LinkType.MCTP) == 1
    writer.write_packet(b"abc", time_ns=1_795_382_158_123_456_789, comment="c")
    writer.write_packet(b"", interface=1, original_size=70, time_ns=-5)
    stream.seek(0)
    assert [*read_pcapng(stream, on_secrets=lambda *block: told.append(block))] == [
        Frame(1, 1_795_382_158_123_456_789, LinkType.PCI_DOE, b"abc", 3, "doe:0000:e1:00.0", comment="c"),
        Frame(2, 0, LinkType.MCTP, b"", 70),
    ]
    assert told == [(SECRETS_TYPE, b"12345")]
    with pytest.raises(ValueError, match="interface 2 has not been described"):
        writer.write_packet(b"", interface=2)


def test_a_comment_that_is_too_long_is_cut() -> None:
    stream = io.BytesIO()
    writer = PcapngWriter(stream)
    writer.add_interface(LinkType.MCTP)
    writer.write_packet(b"abc", comment="x" * 70_000)
    stream.seek(0)
    [frame] = read_pcapng(stream)
    assert frame.comment == "x" * 65_535


@pytest.mark.parametrize("name", RECORDED)
def test_a_converted_capture_needs_no_options(name: str, tmp_path: Path) -> None:
    copy = tmp_path / "copy.pcapng"
    opened(name).save(copy, secrets=True)
    wanted = [record.to_dict() for record in records(name)]
    assert [record.to_dict() for record in open_capture(copy)] == wanted
    again = tmp_path / "again.pcapng"
    open_capture(copy).save(again, secrets=True)
    assert again.read_bytes() == copy.read_bytes()


def test_secrets_are_saved_only_when_asked_for(tmp_path: Path) -> None:
    name, copy, plain = "s08-doe12-psk-only", tmp_path / "copy.pcapng", tmp_path / "plain.pcapng"
    trace = opened(name)
    trace.save(copy, secrets=True)
    open_capture(copy).save(plain)
    assert trace.key_log().build() in copy.read_bytes()
    for entry in trace.key_log():
        assert entry.secret.reveal().hex().encode() not in plain.read_bytes()
    assert [record.is_decrypted for record in open_capture(plain)].count(True) == 0
    trace.save(plain, secrets=KeyLog())
    assert [record.is_decrypted for record in open_capture(plain)].count(True) == 0


def test_a_trace_may_be_saved_over_itself(tmp_path: Path) -> None:
    name, copy = "s03-mctp11-p256-aes128", tmp_path / "copy"
    shutil.copy(path(name), copy)
    open_capture(copy, secrets=opened(name).key_log()).save(copy, secrets=True)
    assert [record.to_dict() for record in open_capture(copy)] == [record.to_dict() for record in records(name)]
    assert [*tmp_path.iterdir()] == [copy]


def test_a_trace_that_cannot_be_read_leaves_nothing_behind(tmp_path: Path) -> None:
    gone = tmp_path / "gone.pcap"
    shutil.copy(path("s03-mctp11-p256-aes128"), gone)
    trace = open_capture(gone)
    gone.unlink()
    with pytest.raises(FileNotFoundError):
        trace.save(tmp_path / "copy.pcapng")
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize("tool", [["capinfos"], ["tshark", "-r"]], ids=["capinfos", "tshark"])
@pytest.mark.parametrize("name", [*RECORDED, "s09-tcp12-loopback"])
def test_wiresharks_tools_read_what_is_written(tool: list[str], name: str, tmp_path: Path) -> None:
    if shutil.which(tool[0]) is None:
        pytest.skip(f"{tool[0]} is not installed")
    copy = tmp_path / "copy.pcapng"
    opened(name).save(copy, secrets=True)
    said = subprocess.run([*tool, copy], capture_output=True, text=True, check=True)
    complaints = [line for line in said.stderr.splitlines() if not line.startswith("Running as user")]
    assert complaints == []
    packets = len(frames(name))
    if tool[0] == "capinfos":
        assert f"Number of packets:   {packets}" in said.stdout
        assert "Number of decryption secrets in file: 1" in said.stdout or not len(opened(name).key_log())
    else:
        assert len(said.stdout.splitlines()) == packets

"""Classic pcap files: both byte orders, microseconds and nanoseconds, read as a stream, any size.

Document: the libpcap file format (pcap-savefile). A file that ends inside a record yields that record with what is
there and says so; only a file that is no pcap file at all raises.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, Final, Literal

import attrs

from pytio import _accel
from pytio.capture.frames import Frame, LinkType, Problem, read_exactly
from pytio.capture.places import Places, row_place
from pytio.errors import CaptureError
from pytio.wire import U16, U16BE, U32, U32BE, WireStruct, message, wire

__all__ = (
    "MAGICS",
    "FileHeader",
    "FileHeaderBE",
    "PcapReader",
    "RecordHeader",
    "RecordHeaderBE",
    "pcap_header",
    "pcap_record",
    "read_pcap",
)

_NS_PER_S: Final = 1_000_000_000
_NS_PER_US: Final = 1_000
_MAGIC_BYTES: Final = 4
_MICROSECONDS: Final = 0xA1B2C3D4
_NANOSECONDS: Final = 0xA1B23C4D
_LINK_TYPE_MASK: Final = 0xFFFF  # above it are reserved bits, and how long the link's own checksum is

MAGICS: Final = {
    magic.to_bytes(_MAGIC_BYTES, order): (order, unit)
    for magic, unit in ((_MICROSECONDS, _NS_PER_US), (_NANOSECONDS, 1))
    for order in ("little", "big")
}
"""The first four bytes of a file, to its byte order and the nanoseconds in a unit of its sub-second field."""


@message
class FileHeader(WireStruct, errors=CaptureError):
    """The 24 bytes at the start of a file, little-endian."""

    magic: int = wire(U32, default=_MICROSECONDS)
    version_major: int = wire(U16, default=2)
    version_minor: int = wire(U16, default=4)
    reserved_zone: int = wire(U32, default=0)
    reserved_accuracy: int = wire(U32, default=0)
    snapshot_size: int = wire(U32, default=65536)
    link_type: int = wire(U32)


@message
class FileHeaderBE(WireStruct, errors=CaptureError):
    """The 24 bytes at the start of a file, big-endian."""

    magic: int = wire(U32BE, default=_MICROSECONDS)
    version_major: int = wire(U16BE, default=2)
    version_minor: int = wire(U16BE, default=4)
    reserved_zone: int = wire(U32BE, default=0)
    reserved_accuracy: int = wire(U32BE, default=0)
    snapshot_size: int = wire(U32BE, default=65536)
    link_type: int = wire(U32BE)


@message
class RecordHeader(WireStruct, errors=CaptureError):
    """The 16 bytes before each packet, little-endian."""

    seconds: int = wire(U32)
    fraction: int = wire(U32, default=0)
    captured_size: int = wire(U32)
    original_size: int = wire(U32)


@message
class RecordHeaderBE(WireStruct, errors=CaptureError):
    """The 16 bytes before each packet, big-endian."""

    seconds: int = wire(U32BE)
    fraction: int = wire(U32BE, default=0)
    captured_size: int = wire(U32BE)
    original_size: int = wire(U32BE)


@attrs.frozen
class _Format:
    order: Literal["little", "big"]
    fraction_ns: int

    @property
    def file_header(self) -> type[FileHeader | FileHeaderBE]:
        return FileHeader if self.order == "little" else FileHeaderBE

    @property
    def record_header(self) -> type[RecordHeader | RecordHeaderBE]:
        return RecordHeader if self.order == "little" else RecordHeaderBE


def read_pcap(stream: BinaryIO, *, link_type: int | None = None) -> Iterator[Frame]:
    """Yield the frames of a file, from its first byte on.

    Args:
        stream: the file.
        link_type: what the packets are, whatever the file says of it.

    Raises:
        CaptureError: the file does not begin with a pcap header.
    """
    reader = PcapReader(stream, link_type=link_type)
    while (found := reader.step()) is not None:
        yield from found


class PcapReader:
    """One pass over a file, record by record, or many records at a time."""

    def __init__(self, stream: BinaryIO, *, link_type: int | None = None, places: Places | None = None) -> None:
        """Read the file's header; raises CaptureError if there is none."""
        raw = read_exactly(stream, FileHeader.minimum_size())
        known = MAGICS.get(raw[:_MAGIC_BYTES])
        if known is None:
            raise CaptureError("not a pcap file: unknown magic number", raw, 0, "FileHeader.magic")
        order, fraction_ns = known
        self._stream = stream
        self._layout = _Format("little" if order == "little" else "big", fraction_ns)
        said = self._layout.file_header.parse(raw).link_type & _LINK_TYPE_MASK
        self._link_type = LinkType(said if link_type is None else link_type)
        self._row_link, self._place = row_place(places, self._link_type, None)
        self._number = 0

    def step(self) -> list[Frame] | None:
        """Return the frame of the next record; None at the end."""
        raw = read_exactly(self._stream, RecordHeader.minimum_size())
        if not raw:
            return None
        self._number += 1
        return [_frame(self._stream, raw, self._number, self._link_type, self._layout)]

    def scan(self, data: bytes, at: int, rows: bytearray) -> tuple[int, int]:
        """Fill rows of the index with the records from ``at`` on; return how many, and where the next one begins."""
        if not self._row_link:
            return 0, at
        found: tuple[int, int] = _accel.chosen.scan.scan_pcap(
            data, at, self._layout.order == "big", self._layout.fraction_ns, self._row_link, self._place, rows
        )
        return found


def _frame(stream: BinaryIO, raw: bytes, number: int, link_type: LinkType, layout: _Format) -> Frame:
    if len(raw) < RecordHeader.minimum_size():
        cut = Problem(0, f"the file ends inside the record header, after {len(raw)} bytes")
        return Frame(number, 0, link_type, b"", 0, problem=cut)
    header = layout.record_header.parse(raw)
    data = read_exactly(stream, header.captured_size)
    problem: Problem | None = None
    if len(data) < header.captured_size:
        problem = Problem(len(data), f"the file ends inside the record: {len(data)} of {header.captured_size} bytes")
    time_ns = header.seconds * _NS_PER_S + header.fraction * layout.fraction_ns
    return Frame(number, time_ns, link_type, data, header.original_size, problem=problem)


def pcap_header(link_type: int) -> bytes:
    """Return a file header: little-endian, microseconds."""
    return FileHeader(link_type=link_type).build()


def pcap_record(data: bytes, time_ns: int = 0) -> bytes:
    """Return one record, header and packet, for a file that `pcap_header` began."""
    seconds, rest = divmod(time_ns, _NS_PER_S)
    header = RecordHeader(
        seconds=seconds, fraction=rest // _NS_PER_US, captured_size=len(data), original_size=len(data)
    )
    return header.build() + data

"""pcapng files: sections of either byte order, several interfaces, comments, and secrets beside the packets.

Document: the PCAP Next Generation file format (draft-ietf-opsawg-pcapng). Reading is a stream, any size; blocks that
nobody needs here (names, statistics, whatever is new) are skipped. A file that is cut or damaged yields what came
before, and one last frame that says what is wrong: where blocks do not add up, nothing tells where the next one begins.
Writing is little-endian, with times in nanoseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import IntEnum
from struct import Struct
from typing import BinaryIO, Final

import attrs

from pytio import _accel
from pytio._accel.pure_rows import INTERFACE
from pytio.capture.frames import Frame, LinkType, Problem, read_exactly, read_slices
from pytio.capture.places import Places, row_place
from pytio.errors import CaptureError

__all__ = ("MAGIC", "BlockType", "OnSecrets", "PcapngReader", "PcapngWriter", "read_pcapng")

MAGIC: Final = bytes.fromhex("0a0d0d0a")
"""The first four bytes of a file, the same in both byte orders."""

OnSecrets = Callable[[int, bytes], None]
"""Told of each Decryption Secrets Block: the type of its secrets, and the secrets."""

_BYTE_ORDER_MAGIC: Final = 0x1A2B3C4D
_NS_PER_S: Final = 1_000_000_000
_WORD_BYTES: Final = 4
_HALF_BITS: Final = 32
_END_OF_TIME: Final = 1 << 2 * _HALF_BITS
_MOST_OFFSET_S: Final = 1 << 31
_MOST_OPTION_BYTES: Final = 0xFFFF
_UNKNOWN_LINK: Final = LinkType(0xFFFF)
"""Of a packet whose interface nobody described."""


class BlockType(IntEnum):
    """The blocks that are read; all others are skipped."""

    INTERFACE_DESCRIPTION = 0x00000001
    #: Obsolete.
    PACKET = 0x00000002
    SIMPLE_PACKET = 0x00000003
    DECRYPTION_SECRETS = 0x0000000A
    ENHANCED_PACKET = 0x00000006
    SECTION_HEADER = 0x0A0D0D0A


class _Option(IntEnum):
    """The options that are read."""

    END = 0
    COMMENT = 1
    USER_APPLICATION = 4  # of a section
    INTERFACE_NAME = 2  # this one and the following: of an interface
    TIME_RESOLUTION = 9
    TIME_OFFSET = 14


_POWER_OF_TWO: Final = 0x80  # in the time resolution; without it the exponent is one of ten
_MICROSECONDS: Final = 6
_NANOSECONDS: Final = 9


class _Layouts:
    """The fixed parts of blocks, in one byte order."""

    def __init__(self, order: str) -> None:
        self.block = Struct(f"{order}II")  # type, total length
        self.word = Struct(f"{order}I")
        self.section = Struct(f"{order}IHHq")  # byte-order magic, major, minor, length of the section
        self.interface = Struct(f"{order}HHI")  # link type, reserved, snapshot length
        self.enhanced = Struct(f"{order}IIIII")  # interface, time high, time low, captured, original
        self.obsolete = Struct(f"{order}HHIIII")  # interface, drops, time high, time low, captured, original
        self.secrets = Struct(f"{order}II")  # type, length
        self.option = Struct(f"{order}HH")  # code, length
        self.offset = Struct(f"{order}q")  # seconds


_LITTLE: Final = _Layouts("<")
_BIG: Final = _Layouts(">")
_BLOCK_HEADER_BYTES: Final = _LITTLE.block.size
_AROUND_BYTES: Final = _BLOCK_HEADER_BYTES + _WORD_BYTES  # of every block: type, length, body, and length again


@attrs.frozen
class _Interface:
    link_type: LinkType
    snapshot_bytes: int
    name: str | None
    ticks_per_s: int
    offset_s: int

    def time_ns(self, high: int, low: int) -> int:
        ticks = high << _HALF_BITS | low
        return ticks * _NS_PER_S // self.ticks_per_s + self.offset_s * _NS_PER_S


class _DamagedError(Exception):
    """The blocks do not add up from here on."""


def read_pcapng(
    stream: BinaryIO, *, on_secrets: OnSecrets | None = None, link_type: int | None = None
) -> Iterator[Frame]:
    """Yield the frames of a file, from its first byte on.

    Args:
        stream: the file.
        on_secrets: told of secrets that the file carries, before the packets after them are yielded.
        link_type: what every interface is, whatever the file says of it.

    Raises:
        CaptureError: the file does not begin with a section header.
    """
    reader = PcapngReader(stream, on_secrets=on_secrets, link_type=link_type)
    while (found := reader.step()) is not None:
        yield from found


class PcapngReader:
    """One pass over a file, block by block, or many packets at a time."""

    def __init__(
        self,
        stream: BinaryIO,
        *,
        on_secrets: OnSecrets | None = None,
        link_type: int | None = None,
        places: Places | None = None,
    ) -> None:
        """Read the start of the first section; raises CaptureError if there is none."""
        self._start = read_exactly(stream, _BLOCK_HEADER_BYTES)
        if self._start[: len(MAGIC)] != MAGIC:
            raise CaptureError("not a pcapng file: it does not begin with a section header", self._start, 0)
        self._stream = stream
        self._on_secrets = on_secrets
        self._link_type = link_type
        self._places = places
        self._layouts = _LITTLE
        self._interfaces: list[_Interface] = []
        self._rows_of = b""  # what scanners need of the interfaces
        self._number = 0
        self._is_damaged = False

    def step(self) -> list[Frame] | None:
        """Return the frames of the next block, of which most have one or none; None at the end."""
        start = self._start or (b"" if self._is_damaged else read_exactly(self._stream, _BLOCK_HEADER_BYTES))
        self._start = b""
        if not start:
            return None
        found: list[Frame] = []
        try:
            found.extend(self._block(start))
        except _DamagedError as damage:
            self._is_damaged = True
            self._number += 1
            found.append(Frame(self._number, 0, _UNKNOWN_LINK, b"", 0, problem=Problem(0, str(damage))))
        return found

    def scan(self, data: bytes, at: int, rows: bytearray) -> tuple[int, int]:
        """Fill rows of the index with the packets from ``at`` on; return how many, and where the next block begins."""
        if not self._rows_of or self._start or self._is_damaged:
            return 0, at
        found: tuple[int, int] = _accel.chosen.scan.scan_pcapng(data, at, self._layouts is _BIG, self._rows_of, rows)
        return found

    def _block(self, start: bytes) -> Iterator[Frame]:
        if len(start) < _BLOCK_HEADER_BYTES:
            raise _DamagedError(f"the file ends inside a block, after {len(start)} bytes")
        if start.startswith(MAGIC):
            self._section(start)
            return
        kind, total = self._layouts.block.unpack(start)
        size = self._body_bytes(total)
        if kind == BlockType.INTERFACE_DESCRIPTION:
            self._interface(self._body(size))
        elif kind == BlockType.DECRYPTION_SECRETS and self._on_secrets is not None:
            self._secrets(self._body(size), self._on_secrets)
        elif packet := _PACKETS.get(kind):
            yield from self._packet(packet, size)
        else:
            self._skip(size)

    def _body_bytes(self, total: int) -> int:
        if total < _AROUND_BYTES or total % _WORD_BYTES:
            raise _DamagedError(f"a block of {total} bytes cannot be")
        return total - _AROUND_BYTES

    def _body(self, size: int) -> bytes:
        """Return the body of a block, and check the length behind it."""
        body = read_exactly(self._stream, size)
        if len(body) < size:
            raise _DamagedError(f"the file ends inside a block: {len(body)} of {size} bytes")
        self._end(size)
        return body

    def _skip(self, size: int) -> None:
        left = size - sum(map(len, read_slices(self._stream, size)))
        if left:
            raise _DamagedError(f"the file ends inside a block: {size - left} of {size} bytes")
        self._end(size)

    def _end(self, size: int) -> None:
        end = read_exactly(self._stream, _WORD_BYTES)
        if len(end) < _WORD_BYTES:
            raise _DamagedError("the file ends inside a block, before its second length")
        (again,) = self._layouts.word.unpack(end)
        if again != size + _AROUND_BYTES:
            raise _DamagedError(f"the two lengths of a block differ: {size + _AROUND_BYTES} and {again}")

    # sections and interfaces

    def _section(self, start: bytes) -> None:
        magic = read_exactly(self._stream, _WORD_BYTES)
        if len(magic) < _WORD_BYTES:
            raise _DamagedError("the file ends inside a section header")
        known = [layouts for layouts in (_LITTLE, _BIG) if magic == layouts.word.pack(_BYTE_ORDER_MAGIC)]
        if not known:
            raise _DamagedError("a section header without its byte-order magic")
        [self._layouts] = known
        _, total = self._layouts.block.unpack(start)
        size = self._body_bytes(total)
        body = magic + read_exactly(self._stream, max(size - _WORD_BYTES, 0))
        if len(body) < max(size, self._layouts.section.size):
            raise _DamagedError("the file ends inside a section header")
        self._end(size)
        self._interfaces, self._rows_of = [], b""

    def _interface(self, body: bytes) -> None:
        layout = self._layouts.interface
        if len(body) < layout.size:
            raise _DamagedError(f"an interface description of {len(body)} bytes")
        link_type, _, snapshot_bytes = layout.unpack_from(body)
        options = self._options(body, layout.size)
        name = options.get(_Option.INTERFACE_NAME)
        resolution = options.get(_Option.TIME_RESOLUTION, bytes([_MICROSECONDS]))[:1] or bytes([_MICROSECONDS])
        base, exponent = (2 if resolution[0] & _POWER_OF_TWO else 10), resolution[0] & ~_POWER_OF_TWO
        offset = options.get(_Option.TIME_OFFSET, b"")
        described = _Interface(
            LinkType(link_type if self._link_type is None else self._link_type),
            snapshot_bytes,
            name.decode("utf-8", "replace") if name is not None else None,
            base**exponent,
            self._layouts.offset.unpack(offset)[0] if len(offset) == self._layouts.offset.size else 0,
        )
        self._interfaces.append(described)
        self._rows_of += self._rows_of_interface(described)

    def _rows_of_interface(self, described: _Interface) -> bytes:
        """Return what scanners need of an interface; where a tick is no whole number of nanoseconds, they need none."""
        link, place = row_place(self._places, described.link_type, described.name)
        if _NS_PER_S % described.ticks_per_s or abs(described.offset_s) > _MOST_OFFSET_S:
            link = 0
        ns_per_tick = max(_NS_PER_S // described.ticks_per_s, 1)
        return INTERFACE.pack(ns_per_tick, described.offset_s * _NS_PER_S if link else 0, link, place)

    def _secrets(self, body: bytes, on_secrets: OnSecrets) -> None:
        layout = self._layouts.secrets
        if len(body) < layout.size:
            raise _DamagedError(f"a block of secrets of {len(body)} bytes")
        kind, size = layout.unpack_from(body)
        on_secrets(kind, body[layout.size : layout.size + size])

    def _options(self, body: bytes, at: int) -> dict[int, bytes]:
        """Return the options from ``at`` on, the first of each code; what is malformed ends them."""
        found: dict[int, bytes] = {}
        layout = self._layouts.option
        while at + layout.size <= len(body):
            code, size = layout.unpack_from(body, at)
            at += layout.size
            if code == _Option.END or at + size > len(body):
                break
            found.setdefault(code, body[at : at + size])
            at += _padded(size)
        return found

    # packets

    def _packet(self, packet: _PacketOf, size: int) -> Iterator[Frame]:
        self._number += 1
        body = read_exactly(self._stream, size)
        try:
            found = packet(self, body)
        except _ShortPacketError as short:
            if len(body) == size:
                raise _DamagedError(str(short)) from short
            found = Frame(self._number, 0, _UNKNOWN_LINK, b"", 0)
        if len(body) < size:
            cut = Problem(len(found.data), f"the file ends inside the block: {len(body)} of {size} bytes")
            yield attrs.evolve(found, problem=cut)
            return
        yield found
        self._end(size)

    def _enhanced(self, body: bytes) -> Frame:
        layout = self._layouts.enhanced
        if len(body) < layout.size:
            raise _ShortPacketError(f"a packet block of {len(body)} bytes")
        interface, high, low, captured, original = layout.unpack_from(body)
        return self._frame(body, layout.size, interface, (high, low), captured, original)

    def _obsolete(self, body: bytes) -> Frame:
        layout = self._layouts.obsolete
        if len(body) < layout.size:
            raise _ShortPacketError(f"a packet block of {len(body)} bytes")
        interface, _, high, low, captured, original = layout.unpack_from(body)
        return self._frame(body, layout.size, interface, (high, low), captured, original)

    def _simple(self, body: bytes) -> Frame:
        layout = self._layouts.word
        if len(body) < layout.size:
            raise _ShortPacketError(f"a packet block of {len(body)} bytes")
        (original,) = layout.unpack_from(body)
        limit = self._interfaces[0].snapshot_bytes if self._interfaces else 0
        captured = min(original, limit) if limit else original
        return self._frame(body, layout.size, 0, None, captured, original)

    def _frame(
        self, body: bytes, at: int, interface: int, time: tuple[int, int] | None, captured: int, original: int
    ) -> Frame:
        data = body[at : at + captured]
        known = self._interfaces[interface] if interface < len(self._interfaces) else None
        problem: Problem | None = None
        if known is None:
            problem = Problem(0, f"interface {interface} of this packet is not described")
        elif len(data) < captured:
            problem = Problem(len(data), f"the block ends inside the packet: {len(data)} of {captured} bytes")
        rest = at + _padded(captured)
        comment = self._options(body, rest).get(_Option.COMMENT) if time is not None and rest < len(body) else None
        return Frame(
            number=self._number,
            time_ns=known.time_ns(*time) if known is not None and time is not None else 0,
            link_type=known.link_type if known is not None else _UNKNOWN_LINK,
            data=data,
            original_size=original,
            interface=known.name if known is not None else None,
            problem=problem,
            comment=comment.decode("utf-8", "replace") if comment is not None else None,
        )


class _ShortPacketError(Exception):
    """A packet block without room for its fixed part."""


_PacketOf = Callable[[PcapngReader, bytes], Frame]
_PACKETS: Final[dict[int, _PacketOf]] = {
    BlockType.ENHANCED_PACKET: PcapngReader._enhanced,  # noqa: SLF001  the class's own table
    BlockType.SIMPLE_PACKET: PcapngReader._simple,  # noqa: SLF001
    BlockType.PACKET: PcapngReader._obsolete,  # noqa: SLF001
}


def _padded(size: int) -> int:
    return size + -size % _WORD_BYTES


class PcapngWriter:
    """Writes one section; each method writes its block at once, so that a file that is cut is still of use."""

    def __init__(self, stream: BinaryIO, *, application: str = "pytio") -> None:
        """Write the section header."""
        self._stream = stream
        self._interfaces = 0
        body = _LITTLE.section.pack(_BYTE_ORDER_MAGIC, 1, 0, -1)  # version 1.0, length not known
        self._block(BlockType.SECTION_HEADER, body + _written((_Option.USER_APPLICATION, application.encode())))

    def add_interface(self, link_type: int, name: str | None = None) -> int:
        """Describe an interface, and return its number; times are in nanoseconds."""
        options = [(_Option.INTERFACE_NAME, name.encode())] if name is not None else []
        options.append((_Option.TIME_RESOLUTION, bytes([_NANOSECONDS])))
        self._block(BlockType.INTERFACE_DESCRIPTION, _LITTLE.interface.pack(link_type, 0, 0) + _written(*options))
        self._interfaces += 1
        return self._interfaces - 1

    def write_secrets(self, kind: int, data: bytes) -> None:
        """Write secrets, which readers apply to the packets after them."""
        body = _LITTLE.secrets.pack(kind, len(data)) + data
        self._block(BlockType.DECRYPTION_SECRETS, body.ljust(_padded(len(body)), b"\0"))

    def write_packet(
        self,
        data: bytes,
        *,
        interface: int = 0,
        time_ns: int = 0,
        original_size: int | None = None,
        comment: str | None = None,
    ) -> None:
        """Write a packet; raises ValueError if its interface has not been described."""
        if not 0 <= interface < self._interfaces:
            raise ValueError(f"interface {interface} has not been described")
        original = len(data) if original_size is None else original_size
        high, low = divmod(time_ns if 0 <= time_ns < _END_OF_TIME else 0, 1 << _HALF_BITS)
        body = _LITTLE.enhanced.pack(interface, high, low, len(data), original) + data.ljust(_padded(len(data)), b"\0")
        if comment is not None:
            body += _written((_Option.COMMENT, comment.encode()))
        self._block(BlockType.ENHANCED_PACKET, body)

    def _block(self, kind: BlockType, body: bytes) -> None:
        total = len(body) + _AROUND_BYTES
        self._stream.write(_LITTLE.block.pack(kind, total) + body + _LITTLE.word.pack(total))


def _written(*options: tuple[_Option, bytes]) -> bytes:
    """Return options as bytes, with the one that ends them."""
    packed = b""
    for code, value in options:
        kept = value[:_MOST_OPTION_BYTES]
        packed += _LITTLE.option.pack(code, len(kept)) + kept.ljust(_padded(len(kept)), b"\0")
    return packed + _LITTLE.option.pack(_Option.END, 0)

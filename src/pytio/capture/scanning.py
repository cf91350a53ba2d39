"""A capture file in pieces: many packets at a time where their headers are plain, and frame by frame where not.

Nothing is held but one piece of the file, so memory stays bounded however large the file is.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, Final

import attrs

from pytio._accel.pure_rows import ROW_BYTES
from pytio.capture.frames import Frame
from pytio.capture.pcap import PcapReader
from pytio.capture.pcapng import PcapngReader

__all__ = ("Batch", "pieces")

_PIECE_BYTES: Final = 1 << 20
_ROWS: Final = 1 << 13
_ROOM_BYTES: Final = 1 << 17
"""Below this many bytes left in a piece, a packet that is not whole is looked at again with more of the file."""


@attrs.frozen(eq=False)
class Batch:
    """Packets in their order, as rows of the record index.

    Attributes:
        data: a piece of the file.
        offset: where in the file it begins.
        rows: the rows, with room for more; offsets in them count from the start of ``data``.
        count: how many of them there are.
    """

    data: bytes
    offset: int
    rows: bytearray
    count: int


def pieces(stream: BinaryIO, reader: PcapReader | PcapngReader) -> Iterator[Batch | Frame]:
    """Yield what is in a file, in its order; ``reader`` has read the file's header from ``stream``."""
    offset, data, at, is_last = stream.tell(), b"", 0, False
    rows = bytearray(_ROWS * ROW_BYTES)
    while True:
        count, after = reader.scan(data, at, rows) if at < len(data) else (0, at)
        if count:
            yield Batch(data, offset, rows, count)
            rows, at = bytearray(_ROWS * ROW_BYTES), after
        elif len(data) - at < _ROOM_BYTES and not is_last:
            offset, at = offset + at, 0
            stream.seek(offset)
            data = stream.read(_PIECE_BYTES)
            is_last = len(data) < _PIECE_BYTES
        else:
            stream.seek(offset + at)
            found = reader.step()
            if found is None:
                return
            yield from found
            at = stream.tell() - offset

"""Which kind of capture file it is: told by its first bytes, whatever its name says."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import BinaryIO, Final

from pytio.capture.frames import Frame, read_exactly
from pytio.capture.pcap import MAGICS, PcapReader
from pytio.capture.pcapng import MAGIC, OnSecrets, PcapngReader
from pytio.capture.places import Places
from pytio.errors import CaptureError

__all__ = ("file_reader", "read_frames")

_MAGIC_BYTES: Final = len(MAGIC)


def read_frames(
    stream: BinaryIO, *, on_secrets: OnSecrets | None = None, link_type: int | None = None
) -> Iterator[Frame]:
    """Yield the frames of a pcap or pcapng file.

    Args:
        stream: the file, at its start; it has to be seekable.
        on_secrets: told of secrets that a pcapng file carries, before the packets after them are yielded.
        link_type: what the packets are, whatever the file says of it.

    Raises:
        CaptureError: the file is neither.
    """
    reader = file_reader(stream, on_secrets=on_secrets, link_type=link_type)
    return itertools.chain.from_iterable(iter(reader.step, None))


def file_reader(
    stream: BinaryIO,
    *,
    on_secrets: OnSecrets | None = None,
    link_type: int | None = None,
    places: Places | None = None,
) -> PcapReader | PcapngReader:
    """Return what reads a file step by step; with ``places`` it scans, too. Raises what `read_frames` raises."""
    start = stream.tell()
    magic = read_exactly(stream, _MAGIC_BYTES)
    stream.seek(start)
    if magic == MAGIC:
        return PcapngReader(stream, on_secrets=on_secrets, link_type=link_type, places=places)
    if magic in MAGICS:
        return PcapReader(stream, link_type=link_type, places=places)
    raise CaptureError("neither a pcap nor a pcapng file: unknown magic number", magic, 0)

"""The hot loops in plain Python: what runs where nothing was compiled, and what the compiled twins are tested against.

Pure and compiled functions have the same names, the same arguments and the same results. They find where things are
and take no protocol decision; errors about the format belong to the callers.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ("index_pcap",)

# ts_sec, ts_frac, captured length, original length: pcap-savefile(5). Only the captured length is needed to walk.
_RECORD_HEADER_BYTES: Final = 16
_CAPTURED_LENGTH: Final = {False: Struct("<8xI"), True: Struct(">8xI")}


def index_pcap(data: Buffer, offset: int, big_endian: bool) -> tuple[list[int], int]:
    """Walk classic pcap record headers; return the offset of each complete record, and of the first incomplete one.

    The second is ``len(data)`` when the bytes end with a whole record. Raises ``ValueError`` when ``offset`` lies
    outside of ``data``.
    """
    view = memoryview(data).cast("B")
    end = len(view)
    if not 0 <= offset <= end:
        raise ValueError(f"offset {offset} is outside of {end} bytes")
    captured_length = _CAPTURED_LENGTH[bool(big_endian)].unpack_from
    starts = []
    while offset + _RECORD_HEADER_BYTES <= end:
        after = offset + _RECORD_HEADER_BYTES + captured_length(view, offset)[0]
        if after > end:
            break
        starts.append(offset)
        offset = after
    return starts, offset

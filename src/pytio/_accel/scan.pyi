"""Compiled scanners: they find where things are, and decide nothing."""

from typing_extensions import Buffer

def index_pcap(data: Buffer, offset: int, big_endian: bool) -> tuple[list[int], int]:
    """Walk classic pcap record headers; return the offset of each complete record, and of the first incomplete one.

    The second is ``len(data)`` when the bytes end with a whole record. Raises ``ValueError`` when ``offset`` lies
    outside of ``data``.
    """

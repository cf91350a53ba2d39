"""Compiled scanners: they find where things are and what headers say, and decide nothing."""

from typing_extensions import Buffer

def index_pcap(data: Buffer, offset: int, big_endian: bool) -> tuple[list[int], int]:
    """Walk classic pcap record headers; return the offset of each complete record, and of the first incomplete one.

    The second is ``len(data)`` when the bytes end with a whole record. Raises ``ValueError`` when ``offset`` lies
    outside of ``data``.
    """

def scan_pcap(
    data: Buffer, at: int, big_endian: bool, ns_per_unit: int, link: int, interface: int, rows: bytearray
) -> tuple[int, int]:
    """Fill rows with the classic pcap records from ``at`` on.

    Returns how many there are, and the offset of the first record that is incomplete or has no row. Raises
    ``ValueError`` when ``at`` lies outside of ``data``.
    """

def scan_pcapng(data: Buffer, at: int, big_endian: bool, interfaces: bytes, rows: bytearray) -> tuple[int, int]:
    """Fill rows with the packets from ``at`` on, as long as they are Enhanced Packet Blocks without options.

    ``interfaces`` holds one `pure_rows.INTERFACE` for each interface; packets of one whose link is 0 end the run, too.
    Returns how many rows there are, and the offset of the first block that none stands for. Raises ``ValueError`` when
    ``at`` lies outside of ``data``.
    """

def last_requests(rows: bytearray, first: int, stop: int) -> list[int]:
    """Return the last request of each place to talk in, among rows from ``first`` up to ``stop``; the newest first.

    Raises ``ValueError`` where there are no such rows.
    """

"""From TLPs to IDE TLPs, a buffer of them at a time, without the interpreter's lock.

The pure twin is the engine itself: `pytio.ide.batch` sends TLPs one by one where this was not compiled.
"""

from typing_extensions import Buffer

class Sealer:
    """What does not change from batch to batch of one stream."""

    def __init__(
        self,
        kinds: bytes,
        stream_id: int,
        traffic_class: int,
        pcrc: bool,
        mode: int,
        aggregation: tuple[int, int, int],
        sync: bytes,
        own: bytes,
    ) -> None:
        """Take what a stream is.

        ``kinds`` says of each first byte of a header what it is (the bits are in `tlps.pxd`), ``mode`` is that of
        partial header encryption, ``aggregation`` is by sub-stream, ``sync`` the header of IDE Sync without its
        counters, and ``own`` the two message codes that only the stream itself sends. Raises ValueError for a size that
        is wrong.
        """

    def seal(
        self,
        keys: tuple[object, object, object],
        state: list[int],
        data: Buffer,
        index: Buffer,
        tee: Buffer,
        out: Buffer,
        out_index: Buffer,
    ) -> int:
        """Seal TLPs, and IDE Sync where it is due; return how many there are in ``out``.

        ``state`` is K and invocation of each sub-stream, then the counters of NPR and CPL; it is brought up to date.
        ``index`` has 64-bit offsets, one more than there are TLPs; ``tee`` one byte for all or for each.

        Raises ValueError, before anything is sealed, for a TLP that the stream does not send, for a buffer that is too
        small, for a key that is closed and a number that was used; RuntimeError while another call is at work.
        """

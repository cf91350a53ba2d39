"""From IDE TLPs to TLPs, a buffer of them at a time, without the interpreter's lock.

The pure twin is the engine itself: `pytio.ide.batch` takes TLPs one by one where this was not compiled.
"""

from typing_extensions import Buffer

class Opener:
    """What does not change from batch to batch of one stream."""

    def __init__(
        self,
        kinds: bytes,
        stream_id: int,
        traffic_class: int,
        pcrc: bool,
        mode: int,
        is_aggregation_supported: bool,
        senders: tuple[int, int] | None,
        sync_code: int,
    ) -> None:
        """Take what a stream is, as `Sealer` does; ``senders`` are the first and last id that may send, or None."""

    def open(
        self,
        keys: tuple[object, ...],
        state: list[int],
        data: Buffer,
        index: Buffer,
        out: Buffer,
        out_index: Buffer,
        tees: Buffer,
        verdicts: Buffer,
    ) -> tuple[int, int, int, bool]:
        """Open TLPs up to the last at which no unit is open.

        Return how many were taken, how many are in ``out``, what is wrong with the first that failed: the number of an
        `IdeError`, or 0; and whether something is wrong with one that failed nothing. ``verdicts``, zeroed before, says
        of each TLP that was taken what is wrong with it: 0 for nothing, 255 for IDE Sync. ``out`` must not be read
        before the call is over: what was decrypted is overwritten where its MAC does not hold. ``keys`` are two for
        each sub-stream, None where one is not switched on; ``state`` is K of each sub-stream, the invocation of each
        key, then the counters of NPR and CPL.

        Raises ValueError whose argument is the number of a malformed TLP, before anything is opened; for a buffer that
        is too small and a key that is closed; RuntimeError while another call is at work.
        """

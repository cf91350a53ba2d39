"""Large SPDM messages that travel in chunks, put together again (DSP0274, CHUNK_SEND and CHUNK_GET)."""

from __future__ import annotations

import attrs

from pytio.spdm.messages.chunk import ChunkResponse, ChunkSend

__all__ = ("ChunkTransfer", "LostChunkError")


class LostChunkError(ValueError):
    """A chunk does not continue the transfer; what was collected is of no use any more."""


@attrs.define
class ChunkTransfer:
    """One large message on its way.

    Attributes:
        handle: the transfer's handle, None where there is no transfer.
        missing: how many bytes are still to come.
        next_seq_no: the number of the next chunk.
        parts: what has come.
    """

    handle: int | None = None
    missing: int = 0
    next_seq_no: int = 0
    parts: list[bytes] = attrs.field(factory=list)

    def take(self, chunk: ChunkSend | ChunkResponse) -> bytes | None:
        """Take a chunk; return the whole message once the last one is there.

        Raises:
            LostChunkError: the chunk is not the next one, or the sizes do not add up; the transfer is given up.
        """
        if chunk.chunk_seq_no == 0:
            self._begin(chunk)
        if chunk.handle != self.handle or chunk.chunk_seq_no != self.next_seq_no:
            expected = "no transfer" if self.handle is None else f"handle {self.handle}, chunk {self.next_seq_no}"
            self._forget()
            raise LostChunkError(f"handle {chunk.handle}, chunk {chunk.chunk_seq_no} where {expected} was expected")
        self.parts.append(chunk.spdm_chunk)
        self.next_seq_no += 1
        self.missing -= len(chunk.spdm_chunk)
        return self._whole() if chunk.last_chunk or self.missing < 0 else None

    def _begin(self, chunk: ChunkSend | ChunkResponse) -> None:
        self._forget()
        self.handle, self.missing = chunk.handle, chunk.large_message_size or 0

    def _whole(self) -> bytes:
        whole, missing = b"".join(self.parts), self.missing
        self._forget()
        if missing:
            raise LostChunkError(f"the chunks hold {len(whole)} bytes of a message of {len(whole) + missing}")
        return whole

    def _forget(self) -> None:
        self.handle, self.missing, self.next_seq_no, self.parts = None, 0, 0, []

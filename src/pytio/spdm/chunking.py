"""Large messages in chunks: how they are cut, and how they are put together again (DSP0274, CHUNK_SEND and CHUNK_GET).

Role-neutral: a request is cut into CHUNK_SEND, a response into CHUNK_RESPONSE. This file knows sizes and numbers; who
sends what when is in the two roles.
"""

from __future__ import annotations

from typing import Final, TypeVar

import attrs

from pytio.spdm.codes import MIN_DATA_TRANSFER_BYTES, SpdmVersion
from pytio.spdm.messages.chunk import ChunkResponse, ChunkSend

__all__ = ("ChunkError", "Cut", "Gathering", "ack_room")

_HEADER_BYTES: Final = 12
_FIRST_HEADER_BYTES: Final = 16
_ACK_BYTES: Final = 6
_ACK_BYTES_FROM_1_4: Final = 8
_MAX_CHUNKS_BEFORE_1_4: Final = 1 << 16

C = TypeVar("C", ChunkSend, ChunkResponse)


class ChunkError(ValueError):
    """A chunk that does not continue its transfer, or breaks a rule of sizes."""


def ack_room(version: int, room: int) -> int:
    """Return the bytes of the largest response that CHUNK_SEND_ACK holds in a message of ``room`` bytes."""
    return room - (_ACK_BYTES_FROM_1_4 if version >= SpdmVersion.V1_4 else _ACK_BYTES)


@attrs.define
class Cut:
    """A large message on its way out."""

    message: bytes = attrs.field(repr=False)
    """The whole message."""
    handle: int
    """The transfer's."""
    room: int
    """Bytes of the largest chunk message."""
    version: SpdmVersion
    """The connection's, which lays out chunk messages."""
    sent: int = 0
    """Bytes that are on their way."""
    next_seq_no: int = 0
    """The number of the next chunk."""

    def __attrs_post_init__(self) -> None:
        per_chunk = self.room - _HEADER_BYTES
        most = per_chunk * _MAX_CHUNKS_BEFORE_1_4 - (_FIRST_HEADER_BYTES - _HEADER_BYTES)
        if self.version < SpdmVersion.V1_4 and len(self.message) > most:
            raise ChunkError(f"{len(self.message)} bytes need more chunks than there are numbers")

    @property
    def is_done(self) -> bool:
        """Whether the last chunk is on its way."""
        return self.sent >= len(self.message)

    def next(self, kind: type[C]) -> C:
        """Return the next chunk."""
        is_first = self.next_seq_no == 0
        size = self.room - (_FIRST_HEADER_BYTES if is_first else _HEADER_BYTES)
        part = self.message[self.sent : self.sent + size]
        self.sent += len(part)
        chunk = kind(
            version=self.version,
            last_chunk=self.is_done,
            handle=self.handle,
            chunk_seq_no=self.next_seq_no,
            large_message_size=len(self.message) if is_first else None,
            spdm_chunk=part,
        )
        self.next_seq_no += 1
        return chunk


@attrs.define
class Gathering:
    """A large message on its way in."""

    handle: int
    """The transfer's."""
    most: int
    """Bytes of the largest message that is taken."""
    room: int | None = None
    """Bytes of the largest chunk message that is taken."""
    least: int = MIN_DATA_TRANSFER_BYTES + 1
    """Bytes of the smallest message that comes in chunks."""
    total: int = 0
    """Bytes of the whole message, once the first chunk has come."""
    next_seq_no: int = 0
    """The number of the next chunk."""
    data: bytearray = attrs.field(factory=bytearray, repr=False)
    """What has come."""

    def take(self, chunk: ChunkSend | ChunkResponse, size: int) -> bytes | None:
        """Take a chunk, whose message is of ``size`` bytes; return the whole message once the last one is there.

        Raises ChunkError, having taken nothing, for a chunk that breaks a rule.
        """
        if (chunk.handle, chunk.chunk_seq_no) != (self.handle, self.next_seq_no):
            raise ChunkError(f"handle {chunk.handle}, chunk {chunk.chunk_seq_no}; {self.next_seq_no} was to come")
        if self.room is not None and size > self.room:
            raise ChunkError(f"a chunk message of {size} bytes")
        total = self.total
        if self.next_seq_no == 0:
            total = chunk.large_message_size or 0
            self._check_first(chunk, total)
        gathered = len(self.data) + len(chunk.spdm_chunk)
        self._check_size(chunk, gathered, total)
        self.total = total
        self.data += chunk.spdm_chunk
        self.next_seq_no += 1
        return bytes(self.data) if chunk.last_chunk else None

    def _check_first(self, chunk: ChunkSend | ChunkResponse, total: int) -> None:
        if chunk.last_chunk or total < self.least:
            raise ChunkError(f"a large message of {total} bytes in one chunk")
        if total > self.most:
            raise ChunkError(f"a large message of {total} bytes, at most {self.most} are taken")

    def _check_size(self, chunk: ChunkSend | ChunkResponse, gathered: int, total: int) -> None:
        header = _HEADER_BYTES if self.next_seq_no else _FIRST_HEADER_BYTES
        if not chunk.last_chunk and len(chunk.spdm_chunk) < MIN_DATA_TRANSFER_BYTES - header:
            raise ChunkError(f"a chunk of {len(chunk.spdm_chunk)} bytes")
        if gathered > total or (gathered == total) != bool(chunk.last_chunk):
            raise ChunkError(f"{gathered} bytes of {total}, and {'the last' if chunk.last_chunk else 'not the last'}")

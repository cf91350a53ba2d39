"""TCP connections as overheard: segments in any order become two streams of bytes, and what is missing is said.

A listener sees what the receiver may not have seen, and may miss what it has seen. So a hole is waited for as long as
the receiver waits, too: once it acknowledges bytes that were never captured, they will not come, but for what was
captured out of order (the connection looks a few segments ahead). Where bytes are sent twice, the segment that begins
earlier counts (RFC 9293 lets a receiver do either). This file knows sequence numbers, and nothing of what the bytes
say.
"""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heappop, heappush
from typing import Final

import attrs

from pytio.capture.packets import Segment

__all__ = ("Hole", "Piece", "Stream")

_SEQUENCE_SPAN: Final = 1 << 32
_MOST_WAITING_BYTES: Final = 4 << 20
"""How much is kept behind a hole when no acknowledgement tells of it."""
_MOST_WAITING_SEGMENTS: Final = 4096
"""The same, in segments."""


@attrs.frozen
class Piece:
    """Bytes that continue a stream.

    Attributes:
        data: the bytes.
        time_ns: when they could first be read: with the segment that brought them, or that filled the hole before them.
    """

    data: bytes
    time_ns: int


@attrs.frozen
class Hole:
    """Bytes that were not captured.

    Attributes:
        size: how many.
        time_ns: when they were given up.
    """

    size: int
    time_ns: int


@attrs.define
class Stream:
    """One direction of a connection.

    Attributes:
        first_sequence: the sequence number that it began with, as far as captured; None before its first segment.
        next_sequence: the sequence number that continues it.
    """

    first_sequence: int | None = None
    next_sequence: int = 0
    _position: int = 0  # how many bytes came before; unlike a sequence number it only grows
    _waiting: list[tuple[int, int, Piece]] = attrs.field(factory=list)  # a heap: position, order of arrival, bytes
    _waiting_bytes: int = 0
    _taken: int = 0

    def take(self, segment: Segment, time_ns: int) -> Iterator[Piece | Hole]:
        """Yield what a segment lets the stream go on with."""
        header = segment.header
        start = (header.sequence + header.syn) % _SEQUENCE_SPAN
        if self.first_sequence is None:
            self.first_sequence = self.next_sequence = start
        if segment.payload:
            self._keep(self._position_of(start), Piece(segment.payload, time_ns))
            yield from self._ready(time_ns)
        is_full = self._waiting_bytes > _MOST_WAITING_BYTES or len(self._waiting) > _MOST_WAITING_SEGMENTS
        if is_full:
            yield from self.give_up(time_ns)

    def begins_again(self, segment: Segment) -> bool:
        """Whether a segment opens another connection between the same ends."""
        header = segment.header
        return header.syn and self.first_sequence not in (None, (header.sequence + 1) % _SEQUENCE_SPAN)

    def acknowledge(self, sequence: int, time_ns: int) -> Iterator[Piece | Hole]:
        """Yield what comes after holes that the receiver says it does not have: ``sequence`` is what it waits for."""
        while self.gives_up_at(sequence):
            yield from self._skip(time_ns)

    def gives_up_at(self, sequence: int) -> bool:
        """Whether an acknowledgement means that something was not captured, as far as captured until now."""
        return bool(self._waiting) and self._position_of(sequence) >= self._waiting[0][0]

    def goes_on_with(self, segment: Segment) -> bool:
        """Whether a segment brings the byte that the stream waits for."""
        ahead = self._position_of((segment.header.sequence + segment.header.syn) % _SEQUENCE_SPAN) - self._position
        return ahead <= 0 < ahead + len(segment.payload)

    def give_up(self, time_ns: int) -> Iterator[Piece | Hole]:
        """Yield everything that waits, and the holes before it; nothing more will come."""
        while self._waiting:
            yield from self._skip(time_ns)

    def _position_of(self, sequence: int) -> int:
        """Return where in the stream a sequence number is, which may be before the present position."""
        ahead = (sequence - self.next_sequence) % _SEQUENCE_SPAN
        return self._position + (ahead if ahead < _SEQUENCE_SPAN // 2 else ahead - _SEQUENCE_SPAN)

    def _advance(self, size: int) -> None:
        self._position += size
        self.next_sequence = (self.next_sequence + size) % _SEQUENCE_SPAN

    def _keep(self, position: int, piece: Piece) -> None:
        if position + len(piece.data) > self._position:
            self._taken += 1
            self._waiting_bytes += len(piece.data)
            heappush(self._waiting, (position, self._taken, piece))

    def _ready(self, time_ns: int) -> Iterator[Piece | Hole]:
        """Yield what continues the stream, in order, each byte once."""
        while self._waiting and self._waiting[0][0] <= self._position:
            position, _, piece = heappop(self._waiting)
            self._waiting_bytes -= len(piece.data)
            if new := piece.data[self._position - position :]:
                self._advance(len(new))
                yield Piece(new, time_ns)

    def _skip(self, time_ns: int) -> Iterator[Piece | Hole]:
        size = self._waiting[0][0] - self._position
        self._advance(size)
        yield Hole(size, time_ns)
        yield from self._ready(time_ns)

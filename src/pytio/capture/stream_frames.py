"""From streams of bytes to frames: where messages begin and end in a TCP connection, and whose connection it is.

Two framings are known: DMTF's emulators' platform socket, and the TCP binding (DSP0287) itself. Both may follow each
other in one direction (a role inquiry comes bare, what follows it does not), and both begin with bytes that nothing
else begins with; so each frame says by its header which one it is. Where a capture begins in the middle, or misses
bytes, the next frame is looked for where a segment begins, since whoever sends a frame starts a segment with it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator
from enum import Enum
from typing import Final

import attrs

from pytio.capture.frames import Carrier, Endpoint, Frame, Framing, Problem
from pytio.capture.packets import Segment
from pytio.capture.tcp_streams import Hole, Piece, Stream
from pytio.spdm.codes import SpdmVersion
from pytio.spdm.secured import MAC_BYTES
from pytio.transports.platform_socket import PlatformCommand, PlatformHeader, PlatformTransport
from pytio.transports.tcp import TcpBindingVersion, TcpHeader, TcpMessageType

__all__ = ("Connection", "recognise")

_PLATFORM_BYTES: Final = PlatformHeader.minimum_size()
_BINDING_BYTES: Final = TcpHeader.minimum_size()
_MOST_FRAME_BYTES: Final = 1 << 26
"""A platform frame that claims to be larger is none."""
_MOST_UNKNOWN_PIECES: Final = 32
"""After how many pieces without a frame a connection is somebody else's."""
_FIELD_BYTES: Final = 4  # of each of a platform header's fields
_COUNTED_BYTES: Final = 2  # of the binding's header: version and type
_SPDM_HEADER_BYTES: Final = 4
_SESSION_ID_BYTES: Final = 4
_RECORD_HEADER_BYTES: Final = _SESSION_ID_BYTES + 2  # of a secured message on TCP: the length follows
_ENOUGH_BYTES: Final = max(_PLATFORM_BYTES, _BINDING_BYTES + _RECORD_HEADER_BYTES)
_PATIENCE: Final = 8
"""How many segments an acknowledgement waits for what it acknowledges, where that was captured after it."""
_MOST_SKIPPED_BYTES: Final = 4096
"""How much is kept of bytes that are no frame."""


class _Verdict(Enum):
    FRAME = "the bytes begin with a frame"
    PERHAPS = "so far they may"
    NO = "they do not"


@attrs.frozen
class _Found:
    verdict: _Verdict
    framing: Framing = Framing.NONE
    size: int = 0


_NO: Final = _Found(_Verdict.NO)
_PERHAPS: Final = _Found(_Verdict.PERHAPS)
_COMMANDS: Final = frozenset(command.to_bytes(_FIELD_BYTES, "big") for command in PlatformCommand)
_ANY_COMMAND: Final = frozenset({bytes(_FIELD_BYTES // 2)})  # the upper half; the lower may be anything
_TRANSPORTS: Final = frozenset(transport.to_bytes(_FIELD_BYTES, "big") for transport in PlatformTransport)
_VERSIONS: Final = frozenset(bytes([version]) for version in SpdmVersion)
_BINDING_VERSION: Final = bytes([TcpBindingVersion.V1])


def recognise(data: bytes, *, searching: bool) -> _Found:
    """Say whether ``data`` begins with a frame, as far as its header tells.

    Where a frame is only looked for, ``searching``, commands that are not known do not count.
    """
    for kind in (_platform, _binding):
        found = kind(data)
        if found.verdict is not _Verdict.NO:
            return found
    return _NO if searching else _platform(data, _ANY_COMMAND)


def _platform(data: bytes, commands: Collection[bytes] = _COMMANDS) -> _Found:
    command, transport = data[:_FIELD_BYTES], data[_FIELD_BYTES : 2 * _FIELD_BYTES]
    if not (_may_be(command, commands) and _may_be(transport, _TRANSPORTS)):
        return _NO
    if len(data) < _PLATFORM_BYTES:
        return _PERHAPS
    size = _PLATFORM_BYTES + PlatformHeader.parse(data[:_PLATFORM_BYTES]).payload_size
    return _Found(_Verdict.FRAME, Framing.PLATFORM, size) if size <= _MOST_FRAME_BYTES else _NO


def _may_be(start: bytes, known: Collection[bytes]) -> bool:
    return any(start[: len(value)] == value[: len(start)] for value in known)


def _binding(data: bytes) -> _Found:
    if len(data) < _BINDING_BYTES:
        return _PERHAPS if data[2:] in (b"", _BINDING_VERSION) else _NO
    header = TcpHeader.parse(data[:_BINDING_BYTES])
    if int(header.binding_version) != TcpBindingVersion.V1:
        return _NO
    kind, inside = header.message_type, header.payload_length - _COUNTED_BYTES
    size = _COUNTED_BYTES + header.payload_length
    if kind.is_header_only:
        return _Found(_Verdict.FRAME, Framing.BINDING, _BINDING_BYTES) if inside <= 0 else _NO
    said = data[_BINDING_BYTES : _BINDING_BYTES + _RECORD_HEADER_BYTES]
    if kind is TcpMessageType.OUT_OF_SESSION and inside >= _SPDM_HEADER_BYTES:
        return _Found(_Verdict.FRAME, Framing.BINDING, size) if said[:1] in _VERSIONS else _perhaps(said, 1)
    if kind is TcpMessageType.IN_SESSION and inside >= _RECORD_HEADER_BYTES + MAC_BYTES:
        length = int.from_bytes(said[_SESSION_ID_BYTES:], "little")
        if len(said) == _RECORD_HEADER_BYTES and length == inside - _RECORD_HEADER_BYTES:
            return _Found(_Verdict.FRAME, Framing.BINDING, size)
        return _perhaps(said, _RECORD_HEADER_BYTES)
    return _NO


def _perhaps(said: bytes, wanted: int) -> _Found:
    return _PERHAPS if len(said) < wanted else _NO


@attrs.frozen
class _Cut:
    """What was cut out of a stream: a frame, whole or not, or bytes that are none."""

    framing: Framing
    data: bytes
    time_ns: int
    problem: str | None = None
    note: str | None = None


@attrs.define
class _Framer:
    """Cuts one direction of a connection into frames."""

    excuse: str | None
    """Why the stream may not begin with a frame, where there is a reason."""
    is_synchronised: bool = False
    _buffer: bytearray = attrs.field(factory=bytearray)
    _position: int = 0  # of the buffer's first byte in the stream
    _starts: deque[int] = attrs.field(factory=deque)  # positions at which pieces begin
    _skipped: bytearray = attrs.field(factory=bytearray)
    _skipped_bytes: int = 0
    _time_ns: int = 0

    def take(self, piece: Piece) -> Iterator[_Cut]:
        """Yield what is complete now."""
        self._starts.append(self._position + len(self._buffer))
        self._buffer += piece.data
        self._time_ns = piece.time_ns
        while self._buffer:
            if not self.is_synchronised and not self._synchronise():
                return
            yield from self._excused()
            found = recognise(bytes(self._buffer[:_ENOUGH_BYTES]), searching=False)
            if found.verdict is _Verdict.NO:
                self.is_synchronised = False
            elif found.verdict is _Verdict.PERHAPS or len(self._buffer) < found.size:
                return
            else:
                yield _Cut(found.framing, self._pop(found.size), self._time_ns)

    def miss(self, hole: Hole) -> Iterator[_Cut]:
        """Take note of bytes that are missing, and yield what they cut in two."""
        self._time_ns = hole.time_ns
        if self.is_synchronised:
            yield self._broken(f"{hole.size} bytes of the stream were not captured")
        else:
            self._skip(len(self._buffer))
        self.is_synchronised = False
        self._starts.clear()
        self.excuse = "the rest of a message whose beginning was not captured"

    def finish(self) -> Iterator[_Cut]:
        """Yield what is there when the stream has ended."""
        if self.is_synchronised and self._buffer:
            yield self._broken("the stream ends inside a message")
        self._skip(len(self._buffer))
        yield from self._excused()

    def _broken(self, problem: str) -> _Cut:
        found = recognise(bytes(self._buffer[:_ENOUGH_BYTES]), searching=False)
        wanted = f", of {found.size} bytes here {len(self._buffer)}" if found.size and self._buffer else ""
        return _Cut(found.framing, self._pop(len(self._buffer)), self._time_ns, problem + wanted)

    def _synchronise(self) -> bool:
        """Go on to the next place where a piece and a frame begin; return whether there is one."""
        while self._starts:
            ahead = self._starts[0] - self._position
            if ahead >= 0:
                self._skip(ahead)
                found = recognise(bytes(self._buffer[:_ENOUGH_BYTES]), searching=True)
                if found.verdict is not _Verdict.NO:
                    self.is_synchronised = found.verdict is _Verdict.FRAME
                    return self.is_synchronised
            self._starts.popleft()
        self._skip(len(self._buffer))
        return False

    def _excused(self) -> Iterator[_Cut]:
        """Yield what was skipped, as something that was to be expected or as a problem."""
        if self._skipped_bytes:
            size, said = self._skipped_bytes, bytes(self._skipped)
            self._skipped_bytes = 0
            self._skipped.clear()
            if self.excuse is not None:
                yield _Cut(Framing.NONE, said, self._time_ns, note=f"{size} bytes: {self.excuse}")
            else:
                yield _Cut(Framing.NONE, said, self._time_ns, problem=f"{size} bytes that are no frame")
        self.excuse = None

    def _skip(self, size: int) -> None:
        self._skipped_bytes += size
        self._skipped += self._pop(size)[: max(_MOST_SKIPPED_BYTES - len(self._skipped), 0)]

    def _pop(self, size: int) -> bytes:
        popped = bytes(self._buffer[:size])
        del self._buffer[:size]
        self._position += size
        return popped


class Connection:
    """Both directions of a connection between two ends."""

    def __init__(self, number: int, ends: tuple[Endpoint, Endpoint], *, is_ours: bool) -> None:
        """Start with nothing heard; ``is_ours`` says that the connection is known to carry frames."""
        self.number = number
        self.is_ours = is_ours
        self._ends = ends
        self._streams = {end: Stream() for end in ends}
        self._framers: dict[Endpoint, _Framer] = {}
        self._carriers: dict[tuple[Endpoint, Framing], Carrier] = {}
        self._unknown_pieces = 0
        self._is_over = False
        self._held: list[tuple[Segment, Frame]] = []  # the first acknowledges what may have been captured after it

    def begins_again(self, segment: Segment) -> bool:
        """Whether a segment opens another connection between the same ends."""
        return self._streams[segment.source].begins_again(segment)

    def take(self, segment: Segment, packet: Frame) -> Iterator[Frame]:
        """Yield the frames that a segment completes, in the other direction those that it shows to be incomplete."""
        self._held.append((segment, packet))
        while self._held:
            at = self._next()
            if at is None and len(self._held) <= _PATIENCE:
                return
            yield from self._take(*self._held.pop(at or 0))

    def _next(self) -> int | None:
        """Return which of the segments that are held comes first, None if it may still be to come."""
        first = self._held[0][0]
        missed = self._streams[first.destination]
        if not first.header.ack or not missed.gives_up_at(first.header.acknowledged):
            return 0
        return next(
            (
                at
                for at, (segment, _) in enumerate(self._held)
                if segment.source == first.destination and missed.goes_on_with(segment)
            ),
            None,
        )

    def _take(self, segment: Segment, packet: Frame) -> Iterator[Frame]:
        header = segment.header
        if self._is_over:
            return
        if segment.source not in self._framers:
            excuse = None if header.syn else "the rest of a message that began before the capture"
            self._framers[segment.source] = _Framer(excuse)
        if header.ack:
            missing = self._streams[segment.destination].acknowledge(header.acknowledged, packet.time_ns)
            yield from self._cuts(segment.destination, missing, packet)
        brought = self._streams[segment.source].take(segment, packet.time_ns)
        yield from self._cuts(segment.source, brought, packet)
        if header.rst:
            yield from self.finish(packet)
            self._is_over = True

    def finish(self, packet: Frame) -> Iterator[Frame]:
        """Yield what is incomplete, now that no more will come; ``packet`` is the last one."""
        while self._held:
            yield from self._take(*self._held.pop(self._next() or 0))
        for end in self._ends:
            yield from self._cuts(end, self._streams[end].give_up(packet.time_ns), packet)
        for end, framer in self._framers.items():
            if self.is_ours:
                yield from (self._frame(end, cut, packet) for cut in framer.finish())
        if not self.is_ours and self._unknown_pieces and not self._is_over:
            yield self._foreign(packet)

    def _cuts(self, end: Endpoint, items: Iterator[Piece | Hole], packet: Frame) -> Iterator[Frame]:
        framer = self._framers.get(end)
        for item in items:
            if framer is None or self._is_over:
                return
            for cut in framer.miss(item) if isinstance(item, Hole) else framer.take(item):
                self.is_ours = True
                yield self._frame(end, cut, packet)
            if not self.is_ours:
                self._unknown_pieces += 1
                if self._unknown_pieces > _MOST_UNKNOWN_PIECES:
                    yield self._foreign(packet)

    def _foreign(self, packet: Frame) -> Frame:
        self._is_over = True
        self._framers.clear()
        first, second = self._ends
        note = f"TCP connection between {first} and {second}: no frames of SPDM in it, so it is left out"
        return attrs.evolve(packet, notes=(*packet.notes, note))

    def _frame(self, end: Endpoint, cut: _Cut, packet: Frame) -> Frame:
        key = end, cut.framing
        if key not in self._carriers:
            sender = self._ends.index(end)
            said = str(end), str(self._ends[1 - sender])
            self._carriers[key] = Carrier(self.number, sender, *said, cut.framing)
        return Frame(
            number=packet.number,
            time_ns=cut.time_ns,
            link_type=packet.link_type,
            data=cut.data,
            original_size=len(cut.data),
            interface=packet.interface,
            problem=Problem(len(cut.data) if cut.framing is not Framing.NONE else 0, cut.problem)
            if cut.problem
            else None,
            comment=packet.comment,
            carrier=self._carriers[key],
            notes=(cut.note,) if cut.note else (),
        )

"""One pass over a capture, many records at a time: what is plain is opened and told from its row in the index.

A row is plain if its headers say all there is to say, and if what it says changes nothing for the records after it. All
others go to the `Dissector`, one by one, as does everything that is not in rows at all. The last request of each place
to talk in is handed on before, since a response is read by what was asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO, Final

import attrs

from pytio import _accel
from pytio._accel.pure_openers import TAG_BYTES
from pytio._accel.pure_records import DONE, FAILED, OPENED, RAW, READ, fill_opened, turned
from pytio._accel.pure_rows import (
    KIND_SECURED,
    KIND_SPDM,
    RECORD_HEADER_BYTES,
    REQUEST,
    RESPONSE,
    ROW,
    ROW_BYTES,
    STATE_OPEN,
)
from pytio.capture.conversation import Channel, Conversation, Session
from pytio.capture.dissector import Dissector, Heard, Opened
from pytio.capture.draft import Draft
from pytio.capture.files import file_reader
from pytio.capture.frames import Frame, LinkType
from pytio.capture.index_rows import NO_OFFSET, IndexRow, row_at, row_of
from pytio.capture.packet_frames import Messages
from pytio.capture.pcapng import OnSecrets
from pytio.capture.places import ROW_LINKS, Places
from pytio.capture.records import Direction, Record
from pytio.capture.scanning import Batch, pieces
from pytio.capture.secrets import SecretStore
from pytio.spdm.codes import SpdmCode

__all__ = ("BulkReader", "Run", "Told", "index_rows")

_CARRIERS: Final = frozenset({SpdmCode.CHUNK_SEND, SpdmCode.CHUNK_SEND_ACK, SpdmCode.CHUNK_RESPONSE})
"""Messages that may complete another one; what that is, no header says."""
_FOLLOWED: Final = frozenset(
    {
        SpdmCode.GET_VERSION,
        SpdmCode.VERSION,
        SpdmCode.GET_CAPABILITIES,
        SpdmCode.CAPABILITIES,
        SpdmCode.NEGOTIATE_ALGORITHMS,
        SpdmCode.ALGORITHMS,
        SpdmCode.GET_DIGESTS,
        SpdmCode.DIGESTS,
        SpdmCode.GET_CERTIFICATE,
        SpdmCode.CERTIFICATE,
        SpdmCode.KEY_EXCHANGE,
        SpdmCode.KEY_EXCHANGE_RSP,
        SpdmCode.FINISH,
        SpdmCode.FINISH_RSP,
        SpdmCode.PSK_EXCHANGE,
        SpdmCode.PSK_EXCHANGE_RSP,
        SpdmCode.PSK_FINISH,
        SpdmCode.PSK_FINISH_RSP,
        SpdmCode.ENCAPSULATED_REQUEST,
        SpdmCode.DELIVER_ENCAPSULATED_RESPONSE,
        SpdmCode.ENCAPSULATED_RESPONSE_ACK,
        SpdmCode.CHUNK_GET,
        SpdmCode.RESPOND_IF_READY,
        *_CARRIERS,
    }
)
"""Messages that change how later ones are read, and those that are outside of the order of requests and responses."""
_CODES: Final = 1 << 8  # the marks for codes inside of records come after those for codes in clear
_ENDS_BITS: Final = 16
_END_BITS: Final = 8
_END_MASK: Final = (1 << _END_BITS) - 1


def _marks(codes: frozenset[SpdmCode]) -> bytes:
    return bytes(code in codes for code in range(1 << 8)) * 2


_STOPS: Final = {True: _marks(_FOLLOWED), False: _marks(_CARRIERS | {SpdmCode.GET_VERSION})}
_LINK_TYPES: Final = {transport: LinkType(link_type) for link_type, (_, transport) in ROW_LINKS.items()}


@attrs.define(eq=False)
class _Waiting:
    """A plain request that nobody has read yet."""

    row: IndexRow
    message: bytes
    channel: Channel


@attrs.frozen(eq=False)
class Run:
    """Plain rows of a batch, one after the other.

    Attributes:
        batch: the batch.
        first: the first row.
        stop: the row after the last.
        number: the number of the first row's record.
        is_last: whether nothing of the batch follows.
    """

    batch: Batch
    first: int
    stop: int
    number: int
    is_last: bool


@attrs.frozen(eq=False)
class Told:
    """A record that was read by itself.

    Attributes:
        record: the record.
        batch: the batch that its row is in; None for what is in no row.
        at: which row it is.
    """

    record: Record
    batch: Batch | None = None
    at: int = 0


class BulkReader:
    """Reads one capture; knows its conversations.

    Attributes:
        places: what the rows' numbers of places mean.
        number: the number of the last record that was yielded.
        plain: the plaintexts that the rows of the present batch point to.
    """

    def __init__(
        self,
        stream: BinaryIO,
        secrets: SecretStore,
        *,
        on_secrets: OnSecrets,
        link_type: int | None = None,
        port: int | None = None,
        follows: bool = True,
    ) -> None:
        """Read the file's header.

        ``follows`` is whether sessions are; without secrets there is no need, where only rows are wanted.

        Raises CaptureError: the file is no capture.
        """
        self.places = Places()
        self.number = 0
        self.plain = bytearray()
        self.dissector = Dissector(secrets)
        self._stream = stream
        self._reader = file_reader(stream, on_secrets=on_secrets, link_type=link_type, places=self.places)
        self._messages = Messages(port)
        self._stops = _STOPS[follows]
        self._table = _accel.chosen.record_table()
        self._conversations: dict[int, Conversation] = {}
        self._waiting: dict[tuple[int, int, bool], _Waiting] = {}

    def runs(self) -> Iterator[Run | Told]:
        """Yield what is in the capture, in its order: plain rows, and records that were read by themselves.

        What a run says of its conversation is so only until the next one is asked for.
        """
        last: Frame | Batch | None = None
        for last in pieces(self._stream, self._reader):
            if isinstance(last, Batch):
                yield from self._batch(last)
            else:
                yield from self._frames(self._messages.read(last))
        if last is not None:
            final = last if isinstance(last, Frame) else self.frame(last, row_at(last.rows, last.count - 1))
            yield from self._frames(self._messages.finish(final))

    def _frames(self, frames: Iterable[Frame]) -> Iterator[Told]:
        for frame in frames:
            self.number += 1
            if frame.link_type in ROW_LINKS:
                self._read_waiting(None)
            numbered = frame if frame.number == self.number else attrs.evolve(frame, number=self.number)
            yield Told(self.dissector.read(numbered))
            if frame.link_type in ROW_LINKS:
                self._name_sessions()

    def frame(self, batch: Batch, row: IndexRow) -> Frame:
        """Return the frame of a row; its number is that of the record after the last run."""
        transport, interface = self.places[row.place]
        data = batch.data[row.offset : row.offset + row.size]
        return Frame(self.number + 1, row.time_ns, _LINK_TYPES[transport or ""], data, row.original, interface)

    def _batch(self, batch: Batch) -> Iterator[Run | Told]:
        """Yield the runs of a batch, and what is between them."""
        self.plain = bytearray(len(batch.data))
        first = at = filled = 0
        reason = READ
        while reason != DONE:
            at, filled, reason = self._table.open_rows(
                batch.data, batch.rows, at, batch.count, self._stops, self.plain, filled
            )
            if reason == FAILED:
                reason, filled = self._open_later(batch, at, filled)
                if reason == DONE:
                    at, reason = at + 1, FAILED
                    continue
            self._wait(batch, first, at)
            yield Run(batch, first, at, self.number + 1, is_last=reason == DONE)
            self.number += at - first
            if reason != DONE:
                yield Told(self._record(batch, at, reason, filled), batch, at)
                self.number += 1
                first = at = at + 1

    def _open_later(self, batch: Batch, at: int, filled: int) -> tuple[int, int]:
        """Open a record that is not simply the next one of its session; if that cannot be, it stays closed."""
        row = row_at(batch.rows, at)
        start = row.offset + row.body
        raw = batch.data[start : start + row.body_size]
        header = RECORD_HEADER_BYTES + row.number_bytes
        for flow in dict.fromkeys((row.flow, turned(row.flow))):
            session = self._session(flow, row.session)
            if session is None or session.keys is None:
                continue
            opened = session.keys.open(raw[:header], raw[header:], raw[4 : 4 + row.number_bytes])
            if opened is None:
                continue
            self._name_sessions()  # which may have proven its secret just now
            fields, side = [*row], REQUEST if opened[0] == Direction.REQUEST.value else RESPONSE
            is_told = fill_opened(fields, flow, side, memoryview(opened[1]), filled, session.is_encrypted)
            ROW.pack_into(batch.rows, at * ROW_BYTES, *fields)
            self.plain[filled : filled + len(opened[1])] = opened[1]
            is_followed = self._stops[_CODES + fields[15]]
            return (RAW if not is_told else OPENED if is_followed else DONE), filled + len(opened[1])
        return DONE, filled

    def _record(self, batch: Batch, at: int, reason: int, filled: int) -> Record:
        """Read the record of a row by itself."""
        row = row_at(batch.rows, at)
        opened = None
        if reason in (OPENED, RAW):
            session = self._session(row.flow, row.session)
            assert session is not None
            size = row.body_size - RECORD_HEADER_BYTES - row.number_bytes - TAG_BYTES
            direction = Direction.REQUEST if row.direction == REQUEST else Direction.RESPONSE
            payload = bytes(self.plain[filled - size : filled])
            opened = Opened(self._conversations[row.flow], session, direction, payload)
        self._read_waiting(row if reason == OPENED or row.kind == KIND_SPDM else None)
        record = self.dissector.read(self.frame(batch, row), opened)
        self._name_sessions()
        return record

    # the order of requests and responses

    def _wait(self, batch: Batch, first: int, stop: int) -> None:
        """Keep the last request of each place to talk in, among plain rows."""
        for at in _accel.chosen.scan.last_requests(batch.rows, first, stop):
            row = row_at(batch.rows, at)
            if row.kind not in (KIND_SPDM, KIND_SECURED):
                continue
            is_open = row.state == STATE_OPEN
            session = self._session(row.flow, row.session) if is_open else None
            channel = self.conversation(row.flow).outside if session is None else session.channel
            start = row.offset + row.body
            message = (
                self.plain[row.plain : row.plain + row.plain_size]
                if is_open
                else batch.data[start : start + row.body_size]
            )
            self._waiting[row.flow, row.session, is_open] = _Waiting(row, bytes(message), channel)

    def _read_waiting(self, row: IndexRow | None) -> None:
        """Read the requests that the message of ``row`` may depend on; all of them, where that is not known."""
        if not self._waiting:
            return
        if row is None or self.conversation(row.flow).transcript.awaits_digests:
            for request in self._waiting.values():
                self._read_request(request)
            self._waiting.clear()
            return
        place = row.flow, row.session, row.state == STATE_OPEN
        if place in self._waiting:
            request = self._waiting.pop(place)
            if row.direction == RESPONSE:  # another request takes its place anyway
                self._read_request(request)

    def _read_request(self, waiting: _Waiting) -> None:
        conversation = self.conversation(waiting.row.flow)
        session = self._session(waiting.row.flow, waiting.row.session) if waiting.row.state == STATE_OPEN else None
        if waiting.channel is not (conversation.outside if session is None else session.channel):
            return  # of a session, or of a connection, that is no more
        unseen = Draft(Frame(self.number, 0, LinkType.PCI_DOE, b"", 0))
        conversation.read(unseen, waiting.message, waiting.channel, base=0, padding=0)

    # conversations

    def conversation(self, flow: int) -> Conversation:
        """Return the conversation that rows call ``flow``."""
        found = self._conversations.get(flow)
        if found is None:
            transport, interface = self.places[flow >> _ENDS_BITS]
            assert transport is not None
            heard = Heard(transport, interface, flow >> _END_BITS & _END_MASK, flow & _END_MASK)
            found = self._conversations[flow] = self.dissector.conversation(heard)
        return found

    def _session(self, flow: int, session_id: int) -> Session | None:
        return self.conversation(flow).sessions.get(session_id)

    def _name_sessions(self) -> None:
        """Let the table know which sessions there are."""
        sessions: list[tuple[int, int, Any]] = []
        for heard, conversation in self.dissector.conversations():
            place = self.places.number(heard.transport, heard.interface)
            flow = place << _ENDS_BITS | heard.requester << _END_BITS | heard.responder
            sessions += [
                (flow, session_id, session.keys.pair)
                for session_id, session in conversation.sessions.items()
                if session.keys is not None and session.keys.has_candidates
            ]
        self._table.set(sessions)


def index_rows(reader: BulkReader) -> Iterator[tuple[bytes, int]]:
    """Yield the rows of a capture, many at a time, and what to add to the offsets in them; offsets are in the file.

    Records that are not in rows get one each, with `NO_OFFSET`.
    """
    alone = bytearray()
    for found in reader.runs():
        batch = found.batch
        if batch is None:
            assert isinstance(found, Told)
            alone += row_of(found.record, reader.places, NO_OFFSET)
            continue
        if alone:
            yield bytes(alone), 0
            alone.clear()
        if isinstance(found, Told):
            offset = row_at(batch.rows, found.at).offset
            batch.rows[found.at * ROW_BYTES : (found.at + 1) * ROW_BYTES] = row_of(found.record, reader.places, offset)
        elif found.is_last:
            yield bytes(memoryview(batch.rows)[: batch.count * ROW_BYTES]), batch.offset
    if alone:
        yield bytes(alone), 0

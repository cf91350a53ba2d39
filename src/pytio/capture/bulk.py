"""One pass over a capture, many records at a time: what is plain is opened and told from its row in the index.

A row is plain if its headers say all there is to say, and if what it says changes nothing for the records after it. All
others go to the `Dissector`, one by one, as does everything that is not in rows at all. The last request of each place
to talk in is handed on before, since a response is read by what was asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import BinaryIO, Final, NamedTuple

import attrs

from pytio._accel.pure_openers import TAG_BYTES
from pytio._accel.pure_records import DONE, FAILED, OPENED, RAW, READ, fill_opened, turned
from pytio._accel.pure_rows import (
    KIND_DISCOVERY,
    KIND_SPDM,
    RECORD_HEADER_BYTES,
    REQUEST,
    RESPONSE,
    ROW,
    ROW_BYTES,
)
from pytio.capture.dissector import Dissector, Opened
from pytio.capture.files import file_reader
from pytio.capture.frames import Frame, LinkType
from pytio.capture.index_rows import NO_OFFSET, IndexRow, row_at, row_of
from pytio.capture.packet_frames import Messages
from pytio.capture.pcapng import OnSecrets
from pytio.capture.places import ROW_LINKS, Places
from pytio.capture.plain_records import followed_record, read_record
from pytio.capture.records import Direction, Record
from pytio.capture.row_talk import CARRIERS, ENCAPSULATED, FOLLOWED, RowTalk
from pytio.capture.scanning import Batch, pieces
from pytio.capture.secrets import SecretStore
from pytio.spdm.codes import SpdmCode

__all__ = ("BulkReader", "Run", "Told", "index_rows")

_CODES: Final = 1 << 8  # the marks for codes inside of records come after those for codes in clear


def _marks(codes: frozenset[SpdmCode]) -> bytes:
    return bytes(code in codes for code in range(1 << 8)) * 2


_STOPS: Final = {True: _marks(FOLLOWED), False: _marks(CARRIERS | {SpdmCode.GET_VERSION})}
_LINK_TYPES: Final = {transport: LinkType(link_type) for link_type, (_, transport) in ROW_LINKS.items()}


class Run(NamedTuple):
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


class Told(NamedTuple):
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
        talk: the conversations of rows.
    """

    def __init__(
        self,
        stream: BinaryIO,
        secrets: SecretStore,
        *,
        on_secrets: OnSecrets,
        link_type: int | None = None,
        port: int | None = None,
        reads: bool = True,
        follows: bool = True,
    ) -> None:
        """Read the file's header.

        ``reads`` is whether records are wanted, and not only rows. ``follows`` is whether sessions are followed, for
        which there is no need where only rows are wanted and there are no secrets.

        Raises CaptureError: the file is no capture.
        """
        self.places = Places()
        self.number = 0
        self.dissector = Dissector(secrets)
        self.talk = RowTalk(self.dissector, self.places)
        self._stream = stream
        self._reader = file_reader(stream, on_secrets=on_secrets, link_type=link_type, places=self.places)
        self._messages = Messages(port)
        self._reads = reads
        self._stops = _STOPS[follows]

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
                self.talk.read_waiting(None)
            numbered = frame if frame.number == self.number else attrs.evolve(frame, number=self.number)
            yield Told(self.dissector.read(numbered))
            if frame.link_type in ROW_LINKS:
                self.talk.name_sessions()

    def frame(self, batch: Batch, row: IndexRow) -> Frame:
        """Return the frame of a row; its number is that of the record after the last run."""
        transport, interface = self.places[row.place]
        data = batch.data[row.offset : row.offset + row.size]
        return Frame(self.number + 1, row.time_ns, _LINK_TYPES[transport or ""], data, row.original, interface)

    def _batch(self, batch: Batch) -> Iterator[Run | Told]:
        """Yield the runs of a batch, and what is between them."""
        self.talk.plain = bytearray(len(batch.data))
        first = seen = at = filled = 0  # seen: up to here the conversations know what they have to
        reason = READ
        while reason != DONE:
            at, filled, reason = self.talk.table.open_rows(
                batch.data, batch.rows, at, batch.count, self._stops, self.talk.plain, filled
            )
            if reason == FAILED:
                reason, filled = self._open_later(batch, at, filled)
                if reason == DONE:
                    at, reason = at + 1, FAILED
                    continue
            self.talk.wait(batch, seen, at)
            seen = at + 1
            if reason != DONE and not self._reads and self._follow(batch, at, reason):
                at += 1
                continue
            yield Run(batch, first, at, self.number + 1, is_last=reason == DONE)
            self.number += at - first
            if reason != DONE:
                yield Told(self._told(batch, at, reason, filled), batch, at)
                self.number += 1
                first = at = at + 1

    def _follow(self, batch: Batch, at: int, reason: int) -> bool:
        """Let a conversation follow a row that says everything itself; return whether it is such a row."""
        row = row_at(batch.rows, at)
        if reason == READ and row.kind == KIND_DISCOVERY:
            is_response = self.dissector.takes_discovery_response(self.talk.heard(row.flow))
            direction = RESPONSE if is_response else REQUEST
            ROW.pack_into(batch.rows, at * ROW_BYTES, *row._replace(direction=direction))
            return True
        if not _says_all(row, reason) or row.code in CARRIERS:
            return False
        self.talk.hear(row, self.talk.message(batch, row))
        return True

    def _told(self, batch: Batch, at: int, reason: int, filled: int) -> Record:
        """Read the record of a row."""
        row = row_at(batch.rows, at)
        if not _says_all(row, reason):
            return self._record(batch, row, reason, filled)
        message = self.talk.message(batch, row)
        if row.code in CARRIERS or row.code in ENCAPSULATED:
            return read_record(self.places, batch, row, self.number + 1, message, self.talk.read(row, message))
        return followed_record(self.places, batch, row, self.number + 1, message, self.talk.overhear(row, message))

    def _open_later(self, batch: Batch, at: int, filled: int) -> tuple[int, int]:
        """Open a record that is not simply the next one of its session; if that cannot be, it stays closed."""
        row = row_at(batch.rows, at)
        start = row.offset + row.body
        raw = batch.data[start : start + row.body_size]
        header = RECORD_HEADER_BYTES + row.number_bytes
        for flow in dict.fromkeys((row.flow, turned(row.flow))):
            session = self.talk.session(flow, row.session)
            if session is None or session.keys is None:
                continue
            before = session.keys.pair
            opened = session.keys.open(raw[:header], raw[header:], raw[4 : 4 + row.number_bytes], is_next=False)
            if opened is None:
                continue
            if session.keys.pair is not before:  # it has proven its secret just now
                self.talk.name_sessions()
            fields, side = [*row], REQUEST if opened[0] == Direction.REQUEST.value else RESPONSE
            is_told = fill_opened(fields, flow, side, memoryview(opened[1]), filled, session.is_encrypted)
            ROW.pack_into(batch.rows, at * ROW_BYTES, *fields)
            self.talk.plain[filled : filled + len(opened[1])] = opened[1]
            is_followed = self._stops[_CODES + fields[15]]
            return (RAW if not is_told else OPENED if is_followed else DONE), filled + len(opened[1])
        return DONE, filled

    def _record(self, batch: Batch, row: IndexRow, reason: int, filled: int) -> Record:
        """Read the record of a row from its bytes."""
        opened = None
        if reason == RAW:
            session = self.talk.session(row.flow, row.session)
            assert session is not None
            size = row.body_size - RECORD_HEADER_BYTES - row.number_bytes - TAG_BYTES
            direction = Direction.REQUEST if row.direction == REQUEST else Direction.RESPONSE
            payload = bytes(self.talk.plain[filled - size : filled])
            opened = Opened(self.talk.conversation(row.flow), session, direction, payload)
        self.talk.read_waiting(None)
        record = self.dissector.read(self.frame(batch, row), opened)
        self.talk.name_sessions()
        return record


def _says_all(row: IndexRow, reason: int) -> bool:
    """Say whether a row tells everything about its packet but what is inside its message."""
    return reason == OPENED or (reason == READ and row.kind == KIND_SPDM)


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

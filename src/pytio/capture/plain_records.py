"""Records made of rows of the index: what they say inside is decoded when somebody asks.

A row holds what the headers say, so number, direction, session and the like cost nothing; layers, notes and problems
are made at the first look, from the bytes and from what was known of the conversation when the record passed. They are
the same as those of a record that was read at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

import attrs

from pytio import doe
from pytio._accel.pure_rows import INNER_MCTP_TYPE, KIND_SECURED, REQUEST, ROW, ROW_BYTES, STATE_CLEAR, STATE_OPEN
from pytio.capture.decoding import Asked, Context, Facts, add_decoded, decode, decode_vendors, innermost, parsed
from pytio.capture.draft import Findings
from pytio.capture.frames import Problem
from pytio.capture.index_rows import IndexRow
from pytio.capture.records import Check, Direction, Layer, Record
from pytio.doe.codes import BYTES_PER_DW
from pytio.spdm.messages.base import SpdmMessage
from pytio.transports.mctp import MctpPacket
from pytio.wire import WireStruct

if TYPE_CHECKING:
    from pytio.capture.bulk import BulkReader, Run
    from pytio.capture.places import Places
    from pytio.capture.row_talk import Overheard
    from pytio.capture.scanning import Batch

__all__ = ("PlainRecord", "PlainRequest", "followed_record", "plain_records", "read_record")

_DIRECTIONS: Final = (None, Direction.REQUEST, Direction.RESPONSE)
_SAID: Final = (STATE_CLEAR, STATE_OPEN)
_DOE_PADDING: Final = BYTES_PER_DW - 1


class PlainRecord(Record):
    """A record whose row says everything but what is inside its message."""

    __slots__ = ("asked", "facts", "findings", "innermost", "raw_message", "remarks", "row", "said")

    row: tuple[int, ...]
    raw_message: bytes | None  # the SPDM message, and in a mailbox its padding; None in a record that is closed
    facts: Facts | None
    asked: Asked | None
    findings: Findings | None
    said: tuple[SpdmMessage, int] | None  # the SPDM message and its size, once somebody has asked; None, too, if none
    innermost: WireStruct | None  # once somebody has asked for it
    remarks: Sequence[str]  # what its conversation has to say, beside what the bytes do

    def __new__(cls, **fields: Any) -> Record:  # type: ignore[misc]  # a changed copy is an ordinary record
        """Return an ordinary record; `plain_records` makes those that are not."""
        return Record(**fields)

    def found(self) -> Findings:
        """Return the layers of the message, outermost first, and what there is to say about them."""
        found = self.findings
        if found is None:
            found = Findings()
            if self.raw_message is not None:
                self._decode(found, self.raw_message)
                found.notes += self.remarks
            object.__setattr__(self, "findings", found)
        return found

    def _decode(self, found: Findings, raw: bytes) -> None:
        row = self.row
        is_clear = row[12] == STATE_CLEAR
        padding = 0 if row[19] or not is_clear else _DOE_PADDING
        base = row[4] if is_clear else 0
        said = self._said(raw)
        if said is not None:
            add_decoded(found, raw, *said, not is_clear, padding, base)
            decode_vendors(found, said[0], base + said[1])
        else:  # whoever says what is wrong reads it again
            asked = self.asked.message if self.asked is not None else None
            decode(found, raw, Context(self.facts, asked, not is_clear, padding=padding), base)

    def _said(self, raw: bytes) -> tuple[SpdmMessage, int] | None:
        said = self.said
        if said is None:
            said = parsed(raw, self.facts, self.asked, encapsulated=False)
            _set_said(self, said)
        return said

    def spdm_message(self) -> SpdmMessage | None:
        """Return the SPDM message, if it decodes."""
        said = self._said(self.raw_message) if self.raw_message is not None else None
        return said[0] if said is not None else None

    @property
    def layers(self) -> tuple[Layer, ...]:
        """What the record is made of, outermost first."""
        row, data = self.row, self.data
        packet: WireStruct
        if row[19] == INNER_MCTP_TYPE:
            name, packet = "mctp", MctpPacket.parse(data)
        else:
            name, packet = "doe", doe.DataObject.parse(data)
        outer = [Layer(name, data, packet, {}, packet.NAME)]
        if row[11] == KIND_SECURED:
            facts = {"session_id": row[8], "decrypted": row[12] == STATE_OPEN}
            outer.append(Layer("secured", data[row[4] : row[4] + row[5]], None, facts))
        return (*outer, *self.found().layers)

    @property
    def inner_layers(self) -> list[Layer]:
        """The layers inside transport and record."""
        return self.found().layers

    @property
    def notes(self) -> tuple[str, ...]:
        """Remarks."""
        return tuple(self.found().notes)

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Bytes that did not decode."""
        return tuple(self.found().problems)

    @property
    def checks(self) -> tuple[Check, ...]:
        """Nothing: what is checked is read at once."""
        return ()

    @property
    def message(self) -> WireStruct | None:
        """The innermost message that decoded."""
        found = self.innermost
        if found is not None:
            return found
        raw = self.raw_message
        said = self._said(raw) if raw is not None and self.findings is None else None
        found = innermost(said[0]) if said is not None else self._outermost()
        _set_innermost(self, found)
        return found

    def _outermost(self) -> WireStruct | None:
        """Return the innermost message of a record whose SPDM message does not decode, or carries others."""
        for layer in reversed(self.found().layers):
            if layer.message is not None:
                return layer.message
        return super().message

    @property
    def session_id(self) -> int | None:
        """The id of the session that the record travelled in."""
        return self.row[8] if self.row[11] == KIND_SECURED else None

    @property
    def is_decrypted(self) -> bool | None:
        """Whether a secured record was opened; None for a record in the clear."""
        return self.row[12] == STATE_OPEN if self.row[11] == KIND_SECURED else None

    def __repr__(self) -> str:
        return repr(attrs.evolve(self))

    def __reduce__(self) -> tuple[Any, ...]:
        return _record, (attrs.asdict(self, recurse=False),)


_set_said: Final = PlainRecord.said.__set__  # type: ignore[union-attr]  # slots, past the frozen class
_set_innermost: Final = PlainRecord.innermost.__set__  # type: ignore[union-attr]


def _record(fields: dict[str, Any]) -> Record:
    return Record(**fields)


class _Making(Record):
    """The same slots, open to assignment: a record is one of these until it is complete."""

    __slots__ = PlainRecord.__slots__
    __init__ = object.__init__
    __setattr__ = object.__setattr__


class PlainRequest:
    """The request of a plain record, as those that wait for an answer are kept."""

    __slots__ = ("_record",)

    def __init__(self, record: PlainRecord) -> None:
        """Take the record."""
        self._record = record

    @property
    def message(self) -> SpdmMessage:
        """The SPDM message."""
        message = self._record.spdm_message()
        assert message is not None
        return message


def _record_of(places: Places, batch: Batch, row: IndexRow, number: int, message: bytes) -> Any:
    """Return a record of a row, with what is inside it still missing."""
    made: Any = _Making()
    made.row, made.number, made.time_ns = row, number, row.time_ns
    made.transport, made.interface = places[row.place]
    made.direction = _DIRECTIONS[row.direction]
    made.data = batch.data[row.offset : row.offset + row.size]
    made.raw_message = message
    made.findings = made.facts = made.asked = made.said = made.innermost = None
    made.remarks = ()
    return made


def read_record(
    places: Places, batch: Batch, row: IndexRow, number: int, message: bytes, found: Findings
) -> PlainRecord:
    """Return the record of a row whose message its conversation has read; ``found`` is what that found in it."""
    made = _record_of(places, batch, row, number, message)
    made.findings = found
    made.__class__ = PlainRecord
    record: PlainRecord = made
    return record


def followed_record(
    places: Places, batch: Batch, row: IndexRow, number: int, message: bytes, heard: Overheard
) -> PlainRecord:
    """Return the record of a row whose message its conversation has followed."""
    made = _record_of(places, batch, row, number, message)
    made.facts, made.asked, made.remarks = heard.facts, heard.asked, heard.notes
    if heard.said is not None:
        made.said = heard.said.message, len(heard.said.raw)
    made.__class__ = PlainRecord
    record: PlainRecord = made
    return record


def plain_records(reader: BulkReader, run: Run) -> Iterator[Record]:
    """Yield the records of plain rows, while the reader is where they are in the capture."""
    data, talk, places, number = run.batch.data, reader.talk, reader.places.known, run.number
    known, plain = talk.conversations, memoryview(talk.plain)
    rows = memoryview(run.batch.rows)[run.first * ROW_BYTES : run.stop * ROW_BYTES]
    for row in ROW.iter_unpack(rows):
        made: Any = _Making()  # every name here is a slot of its own: nothing in this loop is done twice
        made.row, made.number, made.time_ns = row, number, row[0]
        made.transport, made.interface = places[row[10]]
        made.direction = _DIRECTIONS[row[13]]
        made.data = packet = data[row[1] : row[1] + row[2]]
        made.findings = made.said = made.innermost = made.raw_message = made.asked = made.facts = None
        made.remarks = ()
        number += 1
        if row[12] in _SAID:
            conversation = known.get(row[9]) or talk.conversation(row[9])
            if row[12] == STATE_OPEN:
                channel = conversation.sessions[row[8]].channel
                made.raw_message = plain[row[6] : row[6] + row[7]].tobytes()
            else:
                channel = conversation.outside
                made.raw_message = packet[row[4] : row[4] + row[5]]
            made.facts = conversation.facts
            if row[13] != REQUEST:
                made.asked = channel.request
                made.__class__ = PlainRecord
            else:
                made.__class__ = PlainRecord
                if row[16] or made.spdm_message() is not None:  # what carries something is whole
                    channel.request = PlainRequest(made)
        else:
            made.__class__ = PlainRecord
        yield made

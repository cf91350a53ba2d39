"""The conversations that rows of the record index belong to, and what of a row they have to hear.

A response is read by what was asked, so the last request of each place to talk in is kept, and read by the conversation
when a response that matters comes. Everything else that changes nothing is never read.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from pytio import _accel
from pytio._accel.pure_records import RecordTable
from pytio._accel.pure_rows import KIND_SECURED, KIND_SPDM, RESPONSE, STATE_OPEN
from pytio.capture.conversation import Channel, Conversation, Said, Session
from pytio.capture.decoding import Asked, Facts
from pytio.capture.dissector import Dissector, Heard
from pytio.capture.draft import Draft, Findings
from pytio.capture.index_rows import IndexRow, row_at
from pytio.capture.places import Places
from pytio.capture.scanning import Batch
from pytio.doe.codes import BYTES_PER_DW
from pytio.spdm.codes import SpdmCode

__all__ = ("CARRIERS", "ENCAPSULATED", "FOLLOWED", "Overheard", "RowTalk")

CARRIERS: Final = frozenset({SpdmCode.CHUNK_SEND, SpdmCode.CHUNK_SEND_ACK, SpdmCode.CHUNK_RESPONSE})
"""Messages that may complete another one; what that is, no header says."""
ENCAPSULATED: Final = frozenset(
    {
        SpdmCode.ENCAPSULATED_REQUEST,
        SpdmCode.DELIVER_ENCAPSULATED_RESPONSE,
        SpdmCode.ENCAPSULATED_RESPONSE_ACK,
    }
)
"""Messages in which the responder asks, and the requester answers."""
FOLLOWED: Final = frozenset(
    {
        SpdmCode.GET_VERSION,
        SpdmCode.VERSION,
        SpdmCode.CAPABILITIES,
        SpdmCode.ALGORITHMS,
        SpdmCode.DIGESTS,
        SpdmCode.CERTIFICATE,
        SpdmCode.KEY_EXCHANGE_RSP,
        SpdmCode.FINISH,
        SpdmCode.FINISH_RSP,
        SpdmCode.PSK_EXCHANGE_RSP,
        SpdmCode.PSK_FINISH,
        SpdmCode.PSK_FINISH_RSP,
        *ENCAPSULATED,
        SpdmCode.CHUNK_GET,
        SpdmCode.RESPOND_IF_READY,
        *CARRIERS,
    }
)
"""Messages that change how later ones are read, and those that are outside of the order of requests and responses.

Requests are not, unless they change something by themselves: they wait for their response.
"""
_SESSIONS_CHANGE: Final = frozenset(
    {
        *CARRIERS,
        SpdmCode.GET_VERSION,
        SpdmCode.KEY_EXCHANGE_RSP,
        SpdmCode.PSK_EXCHANGE_RSP,
        SpdmCode.FINISH,
        SpdmCode.FINISH_RSP,
        SpdmCode.PSK_FINISH,
        SpdmCode.PSK_FINISH_RSP,
    }
)
"""Messages by which sessions begin or go on under other keys, or prove their secrets."""
_TALKED: Final = (KIND_SPDM, KIND_SECURED)
_ENDS_BITS: Final = 16
_END_BITS: Final = 8
_END_MASK: Final = (1 << _END_BITS) - 1
_DOE_PADDING: Final = BYTES_PER_DW - 1


class _Waiting(NamedTuple):
    """A plain request that its conversation has not read."""

    row: IndexRow
    message: bytes
    channel: Channel


class Overheard(NamedTuple):
    """What it takes to look at a message again that was followed.

    Attributes:
        facts: what was negotiated before it.
        asked: what it may answer.
        said: the message, if it decodes.
        notes: remarks about what followed from it.
    """

    facts: Facts | None
    asked: Asked | None
    said: Said | None
    notes: list[str]


class RowTalk:
    """Knows whose a row is.

    Attributes:
        plain: the plaintexts that the rows of the present batch point to.
        table: the sessions whose records can be opened.
        conversations: those that were asked for, by flow.
    """

    def __init__(self, dissector: Dissector, places: Places) -> None:
        """Take the reader of everything else, whose conversations these are."""
        self.plain = bytearray()
        self.table: RecordTable = _accel.chosen.record_table()
        self._dissector = dissector
        self._places = places
        self.conversations: dict[int, Conversation] = {}
        self._waiting: dict[tuple[int, int, bool], _Waiting] = {}

    def heard(self, flow: int) -> Heard:
        """Return where a flow is heard."""
        transport, interface = self._places[flow >> _ENDS_BITS]
        assert transport is not None
        return Heard(transport, interface, flow >> _END_BITS & _END_MASK, flow & _END_MASK)

    def conversation(self, flow: int) -> Conversation:
        """Return the conversation that rows call ``flow``."""
        found = self.conversations.get(flow)
        if found is None:
            found = self.conversations[flow] = self._dissector.conversation(self.heard(flow))
        return found

    def session(self, flow: int, session_id: int) -> Session | None:
        """Return a session of the conversation, if there is one with this id."""
        return self.conversation(flow).sessions.get(session_id)

    def name_sessions(self) -> None:
        """Let the table know which sessions there are."""
        sessions: list[tuple[int, int, Any]] = []
        for heard, conversation in self._dissector.conversations():
            place = self._places.number(heard.transport, heard.interface)
            flow = place << _ENDS_BITS | heard.requester << _END_BITS | heard.responder
            sessions += [
                (flow, session_id, session.keys.pair)
                for session_id, session in conversation.sessions.items()
                if session.keys is not None and session.keys.has_candidates
            ]
        self.table.set(sessions)

    def message(self, batch: Batch, row: IndexRow) -> bytes:
        """Return the SPDM message of a row, with what a mailbox padded it with."""
        if row.state == STATE_OPEN:
            return bytes(self.plain[row.plain : row.plain + row.plain_size])
        start = row.offset + row.body
        return batch.data[start : start + row.body_size]

    def channel(self, row: IndexRow) -> Channel | None:
        """Return where a message was said; None if its session is no more."""
        conversation = self.conversations.get(row.flow) or self.conversation(row.flow)
        if row.state != STATE_OPEN:
            return conversation.outside
        session = conversation.sessions.get(row.session)
        return session.channel if session is not None else None

    def read(self, row: IndexRow, message: bytes) -> Findings:
        """Let the conversation of a row read its message; return what it found."""
        channel = self._before(row)
        found = Draft()
        base = 0 if row.state == STATE_OPEN else row.body
        self.conversation(row.flow).read(found, message, channel, base=base, padding=_padding(row))
        if row.code in _SESSIONS_CHANGE:
            self.name_sessions()
        return found

    def hear(self, row: IndexRow, message: bytes) -> None:
        """The same where nobody wants to know what is found."""
        channel = self._before(row)
        self.conversation(row.flow).hear(message, channel, padding=_padding(row))
        if row.code in _SESSIONS_CHANGE:
            self.name_sessions()

    def overhear(self, row: IndexRow, message: bytes) -> Overheard:
        """The same where what is found is looked for later, if anybody asks; not for messages that carry others."""
        channel, conversation, draft = self._before(row), self.conversation(row.flow), Draft()
        facts, asked = conversation.facts, channel.request
        said = conversation.hear(message, channel, padding=_padding(row), draft=draft)
        if row.code in _SESSIONS_CHANGE:
            self.name_sessions()
        return Overheard(facts, asked, said, draft.notes)

    def _before(self, row: IndexRow) -> Channel:
        """Read what waits before a row; return where that is said."""
        self.read_waiting(row)
        channel = self.channel(row)
        assert channel is not None
        return channel

    # the order of requests and responses

    def wait(self, batch: Batch, first: int, stop: int) -> None:
        """Keep the last request of each place to talk in, among plain rows."""
        if first >= stop:
            return
        for at in _accel.chosen.scan.last_requests(batch.rows, first, stop):
            row = row_at(batch.rows, at)
            channel = self.channel(row) if row.kind in _TALKED else None
            if channel is not None:
                place = row.flow, row.session, row.state == STATE_OPEN
                self._waiting[place] = _Waiting(row, self.message(batch, row), channel)

    def read_waiting(self, row: IndexRow | None) -> None:
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
        if self.channel(waiting.row) is waiting.channel:  # and not of a session or a connection that is no more
            self.conversation(waiting.row.flow).ask(waiting.message, waiting.channel)


def _padding(row: IndexRow) -> int:
    """Return how many zero bytes may follow the message of a row."""
    return _DOE_PADDING if row.state != STATE_OPEN and not row.inner else 0

"""Which records of a damaged capture have no excuse to differ from what they were.

A record depends on others only for what its decoding needs:

* sizes that were negotiated: on GET_VERSION to ALGORITHMS;
* a size that its request says: on that request, and on nothing touched coming between;
* keys: on the exchange that started its session, on the messages that end the handshake, and on the chains and digests
  that were shown before; not on the records before it, of which eight in a row may be lost, unless one comes too early;
* the rest of a chunked message: on the chunks before it;
* which of two looks a discovery message has: on the discovery messages before it.

A touched packet may have become another message. What it turned into is looked at, too: a new GET_VERSION ends
everything before it, a new KEY_EXCHANGE_RSP may take the place of any session.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import attrs

from pytio.capture import Layer, Record
from pytio.spdm.codes import SpdmCode as Code
from pytio.spdm.secured import session_id

__all__ = ("Dependencies",)

REQUEST_BIT: Final = 0x80
VCA: Final = {
    *(Code.GET_VERSION, Code.VERSION, Code.GET_CAPABILITIES, Code.CAPABILITIES),
    *(Code.NEGOTIATE_ALGORITHMS, Code.ALGORITHMS),
}
CARRIERS: Final = {Code.ENCAPSULATED_REQUEST, Code.DELIVER_ENCAPSULATED_RESPONSE, Code.ENCAPSULATED_RESPONSE_ACK}
CHUNKS: Final = {Code.CHUNK_SEND, Code.CHUNK_SEND_ACK, Code.CHUNK_GET, Code.CHUNK_RESPONSE}
CHAINS: Final = {
    *(Code.GET_DIGESTS, Code.DIGESTS, Code.GET_CERTIFICATE, Code.CERTIFICATE, Code.GET_ENCAPSULATED_REQUEST),
    *CARRIERS,
    *CHUNKS,
}
STARTS: Final = {Code.KEY_EXCHANGE_RSP, Code.PSK_EXCHANGE_RSP}
HANDSHAKE: Final = {
    *(Code.KEY_EXCHANGE, Code.PSK_EXCHANGE, Code.FINISH, Code.FINISH_RSP, Code.PSK_FINISH, Code.PSK_FINISH_RSP),
    *STARTS,
}
ENDS_HANDSHAKE: Final = {Code.FINISH_RSP, Code.PSK_FINISH_RSP}
PAIRED_BY_CARRIER: Final = {Code.DELIVER_ENCAPSULATED_RESPONSE}

SessionKey = tuple[int, int]
"""A session id, and which of the sessions with that id."""


@attrs.define
class Needs:
    """What the decoding of one record needs."""

    context: bool = False
    chains: bool = False
    discovery: bool = False
    chunks: bool = False
    session: SessionKey | None = None
    request: int | None = None

    @property
    def nothing(self) -> bool:
        """Whether it needs nothing but its own bytes."""
        return self == Needs()


@attrs.define
class SessionSpan:
    """Where a session's handshake is: the records that it consists of, and the last of them."""

    handshake: set[int] = attrs.field(factory=set)
    established: int = 1 << 30


def spdm_layers(record: Record) -> list[Layer]:
    """Return the SPDM layers of a record that decoded."""
    return [layer for layer in record.layers if layer.name == "spdm" and layer.message is not None]


def codes(record: Record) -> set[int]:
    """Return the codes of all SPDM messages in a record, decoded or not."""
    return {layer.facts["code"] for layer in record.layers if layer.name == "spdm" and "code" in layer.facts}


class Dependencies:
    """What each record of an undamaged capture needs of the others; the capture has one connection."""

    def __init__(self, records: tuple[Record, ...]) -> None:
        self.records = records
        self.sessions: dict[SessionKey, SessionSpan] = {}
        self.needs = [*self._needs()]
        self.first_digests = next((at for at, record in enumerate(records) if Code.DIGESTS in codes(record)), 0)

    def _needs(self) -> Iterator[Needs]:
        asked: dict[tuple[int | None, bool], int] = {}
        count: dict[int, int] = {}
        newest: SessionKey | None = None
        started = 0
        for at, record in enumerate(self.records):
            needs = Needs(discovery=any(layer.title and "DISCOVERY" in layer.title for layer in record.layers))
            channel = record.session_id
            if channel is not None:
                needs.session = (channel, count.get(channel, 0))
                needs.context = True
            encapsulated = False
            for layer in spdm_layers(record):
                message: Any = layer.message
                needs.context |= bool(message.GIVEN)
                needs.chunks |= message.code in CHUNKS
                needs.chains |= message.code in {*STARTS, Code.FINISH}
                if message.code in (Code.KEY_EXCHANGE, Code.PSK_EXCHANGE):
                    started = at
                if message.code in STARTS:
                    number = session_id(self._req_session_id(started), message.rsp_session_id)
                    count[number] = count.get(number, 0) + 1
                    newest = (number, count[number])
                    self.sessions[newest] = SessionSpan({started, at})
                if message.code in HANDSHAKE and newest is not None:
                    self.sessions[newest].handshake.add(at)
                    if message.code in ENDS_HANDSHAKE:
                        self.sessions[newest].established = at
                if message.code & REQUEST_BIT and message.code not in CHUNKS:
                    asked[channel, encapsulated] = at
                elif message.GIVEN or encapsulated or needs.chunks:
                    needs.request = asked.get((channel, encapsulated), at)
                encapsulated |= message.code in CARRIERS
            yield needs

    def _req_session_id(self, at: int) -> int:
        message: Any = spdm_layers(self.records[at])[-1].message
        return int(message.req_session_id)


class Damage:
    """Follows a damaged capture from its start, and tells which records had nothing to do with the damage."""

    def __init__(self, whole: Dependencies) -> None:
        self.whole = whole
        self.context = False
        self.chains = False
        self.discovery = False
        self.chunks = False
        self.broken: set[SessionKey] = set()
        self.passed: set[int] = set()
        self.last = -1

    def touch(self, at: int, became: Record | None, was: Record | None) -> None:
        """Take note of a packet at position ``at`` that is not what it was, or gone, or new."""
        self.last = max(self.last, at)
        if became is not None and became.is_decrypted:
            self.passed |= self._passed_by(became, at)
        for record in (became, was):
            if record is None or record.session_id is not None:
                continue
            said = codes(record)
            self.context |= bool(said & VCA)
            self.chains |= bool(said & CHAINS) or at <= self.whole.first_digests
            self.discovery |= not said and record.transport == "pci-doe"
            self.chunks |= bool(said & CHUNKS)
            if became is record and said & HANDSHAKE:
                self._break(lambda span: min(span.handshake) <= at)
        if was is not None and was.session_id is not None:
            self.chunks |= bool(codes(was) & CHUNKS)
        self._break(lambda span: at in span.handshake)
        if self.chains or self.context:
            self._break(lambda span: span.established >= at)

    def _passed_by(self, became: Record, at: int) -> set[int]:
        """Return the records that come too late once one of their session has come too early."""
        rest = range(at + 1, len(self.whole.records))
        session = [later for later in rest if self.whole.records[later].session_id == became.session_id]
        sealed = [self.whole.records[later].layer("secured") for later in session]
        same = [place for place, layer in enumerate(sealed) if layer == became.layer("secured")]
        return set(session[: same[0] + 1]) if same else set()

    def _break(self, hit: Any) -> None:
        self.broken |= {key for key, span in self.whole.sessions.items() if hit(span)}

    def meet(self, at: int) -> bool:
        """Take note of an untouched packet; return whether it has no excuse to differ."""
        needs = self.whole.needs[at]
        record = self.whole.records[at]
        if Code.GET_VERSION in codes(record) and record.session_id is None:
            self.context = self.chains = self.chunks = False
        for layer in spdm_layers(record):
            message: Any = layer.message
            if message.code in (Code.CHUNK_SEND, Code.CHUNK_RESPONSE) and message.chunk_seq_no == 0:
                self.chunks = False
        return needs.nothing or not (
            (needs.context and self.context)
            or (needs.chains and self.chains)
            or (needs.discovery and self.discovery)
            or (needs.chunks and self.chunks)
            or (needs.session in self.broken)
            or (at in self.passed)
            or (needs.request is not None and self.last >= needs.request)
        )

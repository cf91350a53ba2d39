"""A ladder: who said what to whom, one rung for each record, a pair of lanes for each place where ends talk.

This file decides what is in the picture: lanes, rungs, and bands for sessions. How it looks is `ladder_text`'s, for a
terminal, and `ladder_svg`'s and `ladder_html`'s, for a notebook. What a message says comes from its field list, as
everywhere; key material is in none of them.
"""

from __future__ import annotations

import shutil
from collections.abc import Container, Iterable, Sequence
from heapq import heappop, heappush
from typing import Any, Final

import attrs

from pytio.capture.ends import Ends, Place, ends_of
from pytio.capture.exchanges import Exchange, ExchangeKind, exchanges_of
from pytio.capture.records import Direction, Record
from pytio.capture.render import said_by
from pytio.spdm.codes import SpdmCode
from pytio.spdm.messages.key_exchange import KeyExchange, KeyExchangeRsp
from pytio.spdm.messages.psk import PskExchange, PskExchangeRsp
from pytio.spdm.secured import session_id

__all__ = ("MOST_RUNGS", "Band", "Ladder", "Lanes", "Rung")

MOST_RUNGS: Final = 2000
"""How many records are shown at once; more would make a page that no browser scrolls."""

_WIDEST_TEXT: Final = 160
_FINISHES: Final = frozenset({SpdmCode.FINISH, SpdmCode.FINISH_RSP})
_ROLES: Final = ("requester", "responder")
_SEV_ROLES: Final = {"psp": ("host", "PSP"), "guest": ("guest", "PSP")}
_REFUSALS: Final = frozenset({"ERROR", "TDISP_ERROR"})
_KINDS: Final = {"doe": "DOE mailbox", "mctp": "MCTP", "tcp": "TCP connection", "psp": "PSP", "guest": "guest"}


@attrs.frozen
class Lanes:
    """The two ends that talk in one place.

    Attributes:
        title: where it is, such as the name of the capture's interface.
        names: the ends; the one on the left asked first.
    """

    title: str
    names: tuple[str, str]


@attrs.define
class Band:
    """One session, from its KEY_EXCHANGE or PSK_EXCHANGE to its last record.

    Attributes:
        session_id: its id.
        lanes: the number of the lanes that it runs between.
        first: the number of its first rung.
        last: the number of its last rung.
        depth: how many sessions run around it.
    """

    session_id: int
    lanes: int
    first: int
    last: int
    depth: int = 0


@attrs.frozen
class Rung:
    """One record.

    Attributes:
        record: the record.
        lanes: the number of its lanes; None for traffic that has no ends.
        sender: 0 if the end on the left sent it, 1 if that on the right did, None where the bytes do not tell.
        name: what the message is called.
        fields: what makes it different from others of its kind.
        session: the number of the session that it travelled in.
        relations: what it answers, and what answers it.
        is_unanswered: whether it asks something that was not answered.
    """

    record: Record
    lanes: int | None
    sender: int | None
    name: str
    fields: str
    session: int | None
    relations: tuple[str, ...]
    is_unanswered: bool

    @property
    def is_refusal(self) -> bool:
        """Whether it is an ERROR, or TDISP_ERROR."""
        return any(layer.title in _REFUSALS for layer in self.record.layers)

    @property
    def alarms(self) -> list[str]:
        """What is wrong with it: bytes that did not decode, checks that do not hold, an answer that is missing."""
        problems = [f"offset {problem.offset}: {problem.reason}" for problem in self.record.problems]
        problems += [f"{check.check} does not hold" for check in self.record.checks if not check.ok]
        return problems + ["no response"] * self.is_unanswered

    @property
    def is_opened(self) -> bool:
        """Whether what it says can be read: it is not a record that no key opened."""
        return self.record.is_decrypted is not False


class Ladder:
    """The picture of some records: text at a terminal, HTML in a notebook.

    Attributes:
        lanes: pairs of lanes, in the order in which they were first used.
        rungs: one for each record.
        bands: sessions, in the order in which they start.
    """

    def __init__(self, records: Iterable[Record], *, is_whole: bool = True) -> None:
        """Take records of one trace, in their order; ``is_whole`` says that nothing follows them."""
        kept = list(records)
        places = _Places(kept)
        self.lanes: tuple[Lanes, ...] = tuple(places.lanes())
        exchanges = list(exchanges_of(kept, is_whole=is_whole))
        bands = _Bands(places, kept, exchanges)
        self.bands: tuple[Band, ...] = tuple(bands.found)
        relations, unanswered = _relations(exchanges)
        self.rungs: tuple[Rung, ...] = tuple(
            Rung(
                record,
                places.number(at),
                places.sender(at),
                *said_by(record),
                bands.of_rung.get(at),
                tuple(relations.get(record.number, ())),
                record.number in unanswered,
            )
            for at, record in enumerate(kept)
        )

    def first(self, count: int) -> Ladder:
        """Return the ladder of the first ``count`` records."""
        return Ladder((rung.record for rung in self.rungs[:count]), is_whole=count >= len(self.rungs))

    def to_text(self, *, width: int | None = None) -> str:
        """Return plain ASCII, ``width`` columns wide; by default as wide as the terminal."""
        from pytio.capture.ladder_text import ladder_text  # noqa: PLC0415  each form is loaded when it is asked for

        columns = shutil.get_terminal_size((100, 24)).columns if width is None else width
        return ladder_text(self, min(columns, _WIDEST_TEXT))

    def to_svg(self) -> str:
        """Return an SVG image; the fields of a message are shown while the pointer rests on it."""
        from pytio.capture.ladder_svg import ladder_svg  # noqa: PLC0415

        return ladder_svg(self)

    def to_html(self) -> str:
        """Return static HTML, without any script; fields are shown beside the message under the pointer."""
        from pytio.capture.ladder_html import ladder_html  # noqa: PLC0415

        return ladder_html(self)

    def __repr__(self) -> str:
        """Return the text, as a data frame does; of a long ladder the beginning."""
        hidden = len(self.rungs) - MOST_RUNGS
        if hidden <= 0:
            return self.to_text()
        return f"{self.first(MOST_RUNGS).to_text()}\n{hidden} more records are not shown"

    def _repr_html_(self) -> str:
        return self.to_html()


class _Places:
    """Where records travelled, and which end is on the left: the first that asked, or else that spoke."""

    def __init__(self, records: Sequence[Record]) -> None:
        self._ends = [ends_of(record) for record in records]
        self._directions = [record.direction for record in records]
        self._numbers: dict[Place, int] = {}
        self._left: dict[Place, str | None] = {}
        for ends, direction in zip(self._ends, self._directions, strict=True):
            if ends is not None:
                self._numbers.setdefault(ends.place, len(self._numbers))
                if direction is not None:
                    self._left.setdefault(ends.place, _asker(ends, direction))

    def number(self, at: int) -> int | None:
        """Return the number of a record's lanes."""
        ends = self._ends[at]
        return None if ends is None else self._numbers[ends.place]

    def sender(self, at: int) -> int | None:
        """Return the side of the end that sent a record."""
        ends, direction = self._ends[at], self._directions[at]
        if ends is not None and ends.sender is not None:
            return int(ends.sender != self._left.get(ends.place, ends.place.names[0]))
        return None if direction is None else int(direction is Direction.RESPONSE)

    def lanes(self) -> Iterable[Lanes]:
        """Yield the lanes, in the order of their numbers."""
        for place in self._numbers:
            left = self._left.get(place, next(iter(place.names), None))
            names = sorted(place.names, key=lambda name: name != left)
            title = place.interface or _KINDS.get(place.kind, place.kind)
            if place.connection_id is not None:
                title += f", connection {place.connection_id}"
            yield Lanes(title, (names[0], names[1]) if names else _SEV_ROLES.get(place.kind, _ROLES))


def _asker(ends: Ends, direction: Direction) -> str | None:
    return ends.sender if direction is Direction.REQUEST else ends.receiver


class _Bands:
    """The sessions among records, and which of them each secured record belongs to."""

    def __init__(self, places: _Places, records: Sequence[Record], exchanges: Iterable[Exchange]) -> None:
        self.found: list[Band] = []
        self.of_rung: dict[int, int] = {}
        self._open: dict[tuple[int, int], int] = {}
        self._newest: dict[int, int] = {}
        at = {record.number: position for position, record in enumerate(records)}
        starts = _starts(exchanges, at)
        for position, record in enumerate(records):
            lanes = places.number(position)
            if lanes is None:
                continue
            for started, first in starts.get(position, ()):
                self._begin(lanes, started, first, position)
            if record.session_id is not None:
                self._take(lanes, record.session_id, position, ends=_said(record, {SpdmCode.END_SESSION_ACK}))
            elif _said(record, _FINISHES) and lanes in self._newest:  # a handshake in the clear
                self.found[self._newest[lanes]].last = position
        self._nest()

    def _begin(self, lanes: int, number: int, first: int, last: int) -> int:
        self.found.append(Band(number, lanes, first, last))
        self._open[lanes, number] = self._newest[lanes] = len(self.found) - 1
        return len(self.found) - 1

    def _take(self, lanes: int, number: int, position: int, *, ends: bool) -> None:
        band = self._open.get((lanes, number))
        if band is None:  # a session that began before the first record
            band = self._begin(lanes, number, position, position)
        self.found[band].last = position
        self.of_rung[position] = band
        if ends:
            del self._open[lanes, number]

    def _nest(self) -> None:
        """Give sessions that overlap different depths, each the least that is free."""
        running: dict[int, list[tuple[int, int]]] = {}  # by their lanes: last rung and depth
        free: dict[int, list[int]] = {}
        for band in sorted(self.found, key=lambda band: band.first):
            ends, depths = running.setdefault(band.lanes, []), free.setdefault(band.lanes, [])
            while ends and ends[0][0] < band.first:
                heappush(depths, heappop(ends)[1])
            band.depth = heappop(depths) if depths else len(ends)
            heappush(ends, (band.last, band.depth))


def _starts(exchanges: Iterable[Exchange], at: dict[int, int]) -> dict[int, list[tuple[int, int]]]:
    """Return the sessions that begin, by the position of the response: their ids, and the position of the request."""
    found: dict[int, list[tuple[int, int]]] = {}
    for exchange in exchanges:
        if exchange.request is None or exchange.response is None or exchange.kind is ExchangeKind.ENCAPSULATED:
            continue
        asked: Any = exchange.request.message
        answered: Any = exchange.response.message
        if isinstance(asked, KeyExchange | PskExchange) and isinstance(answered, KeyExchangeRsp | PskExchangeRsp):
            number = session_id(asked.req_session_id, answered.rsp_session_id)
            place = found.setdefault(at[exchange.response.number], [])
            place.append((number, at[exchange.request.number]))
    return found


def _said(record: Record, codes: Container[int]) -> bool:
    return any(layer.name == "spdm" and layer.facts.get("code") in codes for layer in record.layers)


def _relations(exchanges: Iterable[Exchange]) -> tuple[dict[int, list[str]], set[int]]:
    """Return what records answer and are answered by, by their numbers, and which of them lack an answer."""
    relations: dict[int, list[str]] = {}
    unanswered = set()
    for exchange in exchanges:
        request, response = exchange.request, exchange.response
        if request is None:
            continue
        if response is None:
            unanswered.add(request.number)
            continue
        after = f" after {exchange.duration_s:.6f} s" if exchange.duration_s else ""
        relations.setdefault(request.number, []).append(f"{request.name}: answered by {response.number}{after}")
        relations.setdefault(response.number, []).append(f"{response.name}: answers {request.number}")
    return relations, unanswered

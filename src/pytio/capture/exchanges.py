"""Who asked what, and what the answer was: the records of a trace as pairs of request and response.

In each channel (a connection outside of sessions, or one session) one request waits at a time. A response answers it by
its code; where it does not, it answers nothing. Messages that travel in others make exchanges of their own: those of
the encapsulated flow, in which the responder asks, and those that come in chunks. Documents: DSP0274, ERROR,
RESPOND_IF_READY, GET_ENCAPSULATED_REQUEST, CHUNK_SEND, CHUNK_GET.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import Enum
from typing import Final, NamedTuple

import attrs

from pytio.capture.ends import Place, ends_of
from pytio.capture.records import Direction, Layer, Record
from pytio.spdm.codes import SpdmCode, SpdmErrorCode
from pytio.spdm.messages.error import Error
from pytio.spdm.messages.session import RespondIfReady
from pytio.transports.platform_socket import PlatformCommand, PlatformFrame
from pytio.wire import WireStruct

__all__ = ("Exchange", "ExchangeKind", "Turn", "exchanges_of")

_REQUEST_BIT: Final = 0x80
_NS_PER_S: Final = 1_000_000_000
_CHUNKS: Final = frozenset({SpdmCode.CHUNK_SEND, SpdmCode.CHUNK_SEND_ACK, SpdmCode.CHUNK_RESPONSE})
_CAPSULES: Final = frozenset(
    {SpdmCode.ENCAPSULATED_REQUEST, SpdmCode.DELIVER_ENCAPSULATED_RESPONSE, SpdmCode.ENCAPSULATED_RESPONSE_ACK}
)
_INSIDE_SPDM: Final = frozenset({"idekm", "tdisp", "cxl"})
"""Layers that are part of the vendor-defined message that carries them."""
_PSP: Final = "psp"
_ANSWER: Final = "RESPONSE_REGISTER"
_GUEST: Final = "guest"
_PCIE: Final = "pcie"
_TRANSPORTS: Final = frozenset({"doe", "mctp", "tcp", "socket", "secured"})


class ExchangeKind(Enum):
    """How the two messages of an exchange travelled."""

    DIRECT = "direct"
    """Each in a record of its own."""
    ENCAPSULATED = "encapsulated"
    """Inside messages of the encapsulated flow: the responder asks, the requester answers."""
    CHUNKED = "chunked"
    """The request or the response came in chunks; the chunks are direct exchanges, too."""


@attrs.frozen(repr=False)
class Turn:
    """One message of an exchange.

    Attributes:
        record: the record that holds it, or that completed it.
        layers: the layers that are this message: an SPDM message and what it carries, or one of another protocol.
    """

    record: Record
    layers: tuple[Layer, ...]

    @property
    def message(self) -> WireStruct | None:
        """The innermost message that decoded: of a vendor-defined message what it carries."""
        return next((layer.message for layer in reversed(self.layers) if layer.message is not None), None)

    @property
    def number(self) -> int:
        """The record's number in the capture."""
        return self.record.number

    @property
    def title(self) -> str:
        """What the message is called, such as ``SPDM 1.2 CHALLENGE`` or ``TDISP START_INTERFACE_REQUEST``."""
        from pytio.capture.render import told_by  # noqa: PLC0415  rendering needs records, and nobody needs it to pair

        return told_by(self.layers)[0]

    @property
    def name(self) -> str:
        """The title without protocol and version, such as ``START_INTERFACE_REQUEST``."""
        layer = self.layers[-1]
        return layer.title or f"{len(layer.data)} bytes"

    def __repr__(self) -> str:
        """Return number and title."""
        return f"<Turn {self.number} {self.title}>"


@attrs.frozen
class Exchange:
    """A request and its response; one of the two may be missing.

    Attributes:
        kind: how the two travelled.
        request: the request, or None where the capture holds only the response.
        response: the response, or None where the request was not answered.
    """

    kind: ExchangeKind
    request: Turn | None
    response: Turn | None

    @property
    def session_id(self) -> int | None:
        """The id of the session that the exchange took place in."""
        turn = self.request or self.response
        return turn.record.session_id if turn is not None else None

    @property
    def is_answered(self) -> bool:
        """Whether both are there."""
        return self.request is not None and self.response is not None

    @property
    def duration_s(self) -> float | None:
        """The seconds between the two records; None where one is missing."""
        if self.request is None or self.response is None:
            return None
        return (self.response.record.time_ns - self.request.record.time_ns) / _NS_PER_S

    def summary(self) -> str:
        """Return one line: numbers, session, request and response."""
        request, response = self.request, self.response
        numbers = [f"{turn.number:>6}" if turn is not None else f"{'-':>6}" for turn in (request, response)]
        session = [] if self.session_id is None else [f"[{self.session_id:08x}]"]
        asked = request.title if request is not None else "(no request)"
        answered = "(no response)" if response is None else response.title if request is None else response.name
        kind = [] if self.kind is ExchangeKind.DIRECT else [f"({self.kind.value})"]
        return " ".join([*numbers, *session, asked, "->", answered, *kind])


def exchanges_of(records: Iterable[Record], *, is_whole: bool = True) -> Iterator[Exchange]:
    """Yield the exchanges of records, in the order in which they are complete.

    A request without an answer comes when the next request of its channel shows that none will come, or at the end if
    ``is_whole``: if nothing follows. Records that do not tell what they say, such as those that no key opens, belong to
    no exchange.
    """
    pairing = _Pairing()
    for record in records:
        yield from pairing.take(record)
    if is_whole:
        yield from pairing.finish()


class _Channel(NamedTuple):
    """Where one request waits at a time."""

    place: Place
    asker: str | None
    session_id: int | None
    kind: ExchangeKind
    protocol: str


@attrs.frozen
class _Heard:
    """A message, as it is paired: what it is, whether it asks, and where."""

    turn: Turn
    code: int | None
    asks: bool
    channel: _Channel


class _Pairing:
    """The requests that wait."""

    def __init__(self) -> None:
        self._waiting: dict[_Channel, _Heard] = {}

    def take(self, record: Record) -> Iterator[Exchange]:
        """Yield what a record completes; a command of the PSP is a pair by itself."""
        if record.transport == _PSP:
            yield from _command_pair(record)
            return
        for heard in _heard(record):
            yield from self._asked(heard) if heard.asks else self._answered(heard)

    def finish(self) -> Iterator[Exchange]:
        """Yield what still waits, in the order in which it was asked."""
        for waiting in sorted(self._waiting.values(), key=lambda waiting: waiting.turn.number):
            yield Exchange(waiting.channel.kind, waiting.turn, None)

    def _asked(self, heard: _Heard) -> Iterator[Exchange]:
        unanswered = self._waiting.pop(heard.channel, None)
        if unanswered is not None:
            yield Exchange(unanswered.channel.kind, unanswered.turn, None)
        self._waiting[heard.channel] = heard

    def _answered(self, heard: _Heard) -> Iterator[Exchange]:
        waiting = self._waiting.get(heard.channel)
        if waiting is None or not _answers(heard, waiting):
            yield Exchange(heard.channel.kind, None, heard.turn)
            return
        del self._waiting[heard.channel]
        yield Exchange(heard.channel.kind, waiting.turn, heard.turn)
        message = heard.turn.message
        if isinstance(message, Error) and message.error_code is SpdmErrorCode.LARGE_RESPONSE:
            channel = heard.channel._replace(kind=ExchangeKind.CHUNKED)  # the answer itself comes in chunks
            yield from self._asked(attrs.evolve(waiting, channel=channel))


def _command_pair(record: Record) -> Iterator[Exchange]:
    """Yield the command of a record of the PSP, with the answer that has a layer of its own."""
    names = [layer.message.NAME if layer.message is not None else "" for layer in record.layers]
    at = names.index(_ANSWER) if _ANSWER in names else None
    if at is not None:
        yield Exchange(ExchangeKind.DIRECT, Turn(record, record.layers[:1]), Turn(record, record.layers[at : at + 1]))


def _answers(heard: _Heard, waiting: _Heard) -> bool:
    if heard.code is None or waiting.code is None or heard.code == SpdmCode.ERROR:
        return True
    asked = waiting.turn.message
    code = asked.original_request_code if isinstance(asked, RespondIfReady) else waiting.code
    return heard.code == code & ~_REQUEST_BIT


def _heard(record: Record) -> Iterator[_Heard]:
    """Yield the messages of a record that ask or answer something, outermost first."""
    ends = ends_of(record)
    if ends is None or record.direction is None or record.transport == _PCIE:  # most TLPs have no answer
        return
    kind = ExchangeKind.DIRECT
    messages = [_guest_message(record.layers)] if record.transport == _GUEST else _messages(record.layers)
    for layers in messages:
        layer = layers[0]
        code = layer.facts.get("code") if layer.name == "spdm" else None
        asks = record.direction is Direction.REQUEST if code is None else bool(code & _REQUEST_BIT)
        asker = ends.sender if asks else ends.receiver
        channel = _Channel(ends.place, asker, record.session_id, kind, layer.name)
        if code is not None or layer.name != "spdm":
            yield _Heard(Turn(record, layers), code, asks, channel)
        if code in _CHUNKS:
            kind = ExchangeKind.CHUNKED
        elif code in _CAPSULES:
            kind = ExchangeKind.ENCAPSULATED


def _guest_message(layers: tuple[Layer, ...]) -> tuple[Layer, ...]:
    """Return the layer of what a guest says, or is told: the message, its envelope if no key opens it, or the exit."""
    return tuple(layer for layer in layers if layer.name == _GUEST and layer.message is not None)[-1:] or layers[:1]


def _messages(layers: tuple[Layer, ...]) -> Iterator[tuple[Layer, ...]]:
    """Yield the layers of each message in a record, without those that only carry."""
    at = next((at for at, layer in enumerate(layers) if not _carries(layer)), len(layers))
    while at < len(layers):
        end = at + 1
        while end < len(layers) and layers[end].name in _INSIDE_SPDM:
            end += 1
        yield layers[at:end]
        at = end


def _carries(layer: Layer) -> bool:
    """Whether a layer says nothing but what is inside; commands of the emulators' socket do."""
    if isinstance(layer.message, PlatformFrame):
        return layer.message.command is PlatformCommand.NORMAL
    return layer.name in _TRANSPORTS and not (layer.name == "doe" and layer.title != "DATA_OBJECT")

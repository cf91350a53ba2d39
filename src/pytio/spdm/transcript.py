"""What has been said on a connection, kept the way signatures and HMACs need it (DSP0274, transcript rules).

Every value that is signed or MACed is asked for as a tuple of `Piece`: which bytes, of which message, and the rule that
put them there. This file knows what enters a transcript and what resets one. It computes no digest, checks nothing, and
does not know who asks: requester, responder and a decoder that only listens use the same object.

Messages come in unchunked, without transport framing, and trimmed to their true length.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterable
from typing import Any, Final, Self

import attrs

from pytio.spdm.codes import SpdmCode, SpdmVersion

__all__ = ("Piece", "Pieces", "SessionTranscript", "Transcript", "VCA", "joined", "piece_of")


@attrs.frozen
class Piece:
    """A run of bytes that a signature or an HMAC covers."""

    what: str
    """The message, or the value in its place, such as the hash of a certificate chain."""
    data: bytes = attrs.field(repr=lambda data: f"<{len(data)} bytes>")
    """The bytes."""
    rule: str
    """The transcript part that they belong to, by the name the specification's formulas use."""
    source: int | None = None
    """The number of the message on the connection, or of the captured record."""
    stands_for: tuple[Piece, ...] = ()
    """For a hash: what was hashed, where that is known."""

    def to_plain(self) -> list[Any]:
        """Return it as JSON holds it, for ``from_plain``."""
        return [self.what, self.data.hex(), self.rule, self.source]

    @classmethod
    def from_plain(cls, plain: list[Any]) -> Self:
        """Return the piece that ``to_plain`` wrote. Raises ValueError or TypeError if it is none."""
        what, data, rule, source = plain
        return cls(what, bytes.fromhex(data), rule, source)


class _MakingPiece(Piece):
    """The same slots, open to assignment: a piece is one of these until it is complete."""

    __slots__ = ()
    __init__ = object.__init__
    __setattr__ = object.__setattr__


def piece_of(what: str, data: bytes, rule: str, source: int | None = None, stands_for: tuple[Piece, ...] = ()) -> Piece:
    """Return a piece; past its frozen ``__init__``, since a capture of many sessions has millions of them."""
    made: Any = _MakingPiece()
    made.what, made.data, made.rule, made.source, made.stands_for = what, data, rule, source, stands_for
    made.__class__ = Piece
    piece: Piece = made
    return piece


Pieces = tuple[Piece, ...]
"""What one signature or HMAC covers, in order."""


def joined(pieces: Pieces) -> bytes:
    """Return the transcript itself: the pieces' bytes, one after the other."""
    return b"".join(piece.data for piece in pieces)


VCA: Final = frozenset(
    {
        SpdmCode.GET_VERSION,
        SpdmCode.VERSION,
        SpdmCode.GET_CAPABILITIES,
        SpdmCode.CAPABILITIES,
        SpdmCode.NEGOTIATE_ALGORITHMS,
        SpdmCode.ALGORITHMS,
    }
)
"""The messages that settle what a connection speaks: version, capabilities, algorithms."""
_Kind = tuple[str, Hashable]
"""A transcript that resets end, by its rule, and the session it belongs to."""
_BUCKETS: Final = {"B": "B", "C": "B", "mutB": "mutB", "mutC": "mutB", "L": "L"}
"""Which of those a message's rule belongs to."""

_CERTIFICATES: Final = frozenset(
    {SpdmCode.GET_DIGESTS, SpdmCode.DIGESTS, SpdmCode.GET_CERTIFICATE, SpdmCode.CERTIFICATE}
)
_SKIP_CHALLENGE: Final = frozenset(
    {
        SpdmCode.GET_MEASUREMENTS,
        SpdmCode.KEY_EXCHANGE,
        SpdmCode.FINISH,
        SpdmCode.PSK_EXCHANGE,
        SpdmCode.PSK_FINISH,
        SpdmCode.KEY_UPDATE,
        SpdmCode.HEARTBEAT,
        SpdmCode.GET_ENCAPSULATED_REQUEST,
        SpdmCode.DELIVER_ENCAPSULATED_RESPONSE,
        SpdmCode.END_SESSION,
        SpdmCode.GET_MEASUREMENT_EXTENSION_LOG,
    }
)
"""Requests that say the requester will not complete the challenge that B was collected for."""

_MOST_RUNS: Final = 4
"""How many runs of messages that resets removed are remembered, for each kind of transcript."""
_MOST_STRAYS: Final = 8
"""How many messages that entered no transcript are remembered, likewise."""

_VERSION_OFFSET: Final = 0
_CODE_OFFSET: Final = 1
_PARAM1_OFFSET: Final = 2
_REQUEST_BIT: Final = 0x80
_SIGNATURE_INCLUDED: Final = 0x01
"""In Param1 of FINISH."""


class Transcript:
    """The connection's part: VCA, the certificate and challenge exchanges of both directions, measurements.

    ``context`` is whatever identifies the session a message travels in, None outside any. ``encapsulated`` marks the
    inner messages of the encapsulated flow, where the responder asks.

    A little of what enters no transcript is remembered, too: what resets removed and what was asked in vain. It is what
    a peer that is mistaken may have signed.
    """

    def __init__(self) -> None:
        self._restart()

    def _restart(self) -> None:
        self._vca: list[Piece] = []
        self._b: list[Piece] = []
        self._mut_b: list[Piece] = []
        self._measurements: dict[Hashable, list[Piece]] = {}
        self._asked: dict[tuple[Hashable, bool], Piece] = {}
        self._answered: set[tuple[Hashable, bool]] = set()
        self._dropped: dict[_Kind, deque[Pieces]] = {}
        self._strays: dict[_Kind, deque[Piece]] = {}
        self._authenticated = False
        self._digests_window = False
        self.first_digests: Piece | None = None

    def to_plain(self) -> dict[str, Any]:
        """Return everything that later signatures depend on, as JSON holds it; contexts have to be numbers or None."""
        return {
            "vca": [piece.to_plain() for piece in self._vca],
            "b": [piece.to_plain() for piece in self._b],
            "mut_b": [piece.to_plain() for piece in self._mut_b],
            "measurements": [[at, [piece.to_plain() for piece in said]] for at, said in self._measurements.items()],
            "asked": [[*at, piece.to_plain(), at in self._answered] for at, piece in self._asked.items()],
            "authenticated": self._authenticated,
            "digests_window": self._digests_window,
            "first_digests": self.first_digests.to_plain() if self.first_digests is not None else None,
        }

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> Self:
        """Return the transcript that ``to_plain`` wrote. Raises ValueError, KeyError or TypeError if it is none."""
        made = cls()
        made._vca = [Piece.from_plain(piece) for piece in plain["vca"]]
        made._b = [Piece.from_plain(piece) for piece in plain["b"]]
        made._mut_b = [Piece.from_plain(piece) for piece in plain["mut_b"]]
        for context, said in plain["measurements"]:
            made._measurements[context] = [Piece.from_plain(piece) for piece in said]
        for context, encapsulated, piece, is_answered in plain["asked"]:
            made._asked[context, encapsulated] = Piece.from_plain(piece)
            if is_answered:
                made._answered.add((context, encapsulated))
        made._authenticated = bool(plain["authenticated"])
        made._digests_window = bool(plain["digests_window"])
        first = plain["first_digests"]
        made.first_digests = None if first is None else Piece.from_plain(first)
        return made

    @property
    def vca(self) -> Pieces:
        """The pieces of GET_VERSION to ALGORITHMS, as far as they were answered."""
        return tuple(self._vca)

    @property
    def awaits_digests(self) -> bool:
        """Whether a GET_DIGESTS now would be answered by what `first_digests` keeps."""
        return self._digests_window

    @property
    def version(self) -> int:
        """The version byte of the newest VCA message: the negotiated version, once that is settled."""
        return self._vca[-1].data[_VERSION_OFFSET] if self._vca else SpdmVersion.V1_0

    def request(
        self, raw: bytes, *, context: Hashable = None, encapsulated: bool = False, source: int | None = None
    ) -> None:
        """Take note of a request."""
        code = SpdmCode(raw[_CODE_OFFSET])
        if code is SpdmCode.GET_VERSION:
            self._restart()
        piece = Piece(code.name, raw, _rule(code, encapsulated), source)
        place = (context, encapsulated)
        if place in self._asked and place not in self._answered:
            self._stray((self._asked[place],), context)
        self._asked[place] = piece
        self._answered.discard(place)
        if not encapsulated:
            self._reset_by(code, context)

    def _reset_by(self, code: SpdmCode, context: Hashable) -> None:
        if code is not SpdmCode.GET_MEASUREMENTS:
            self._drop(("L", context), self._measurements.pop(context, ()))
        if code is not SpdmCode.GET_DIGESTS and code not in VCA:
            self._digests_window = False
        is_reread = code is SpdmCode.GET_DIGESTS and context is None
        if is_reread or (code in _SKIP_CHALLENGE and not self._authenticated):
            self._drop(("B", None), self._b)
            self._b.clear()
        if code is SpdmCode.GET_ENCAPSULATED_REQUEST:  # a flow starts
            self._drop(("mutB", None), self._mut_b)
            self._mut_b.clear()

    def _drop(self, kind: _Kind, pieces: Iterable[Piece]) -> None:
        """Remember what a reset removes."""
        if run := tuple(pieces):
            self._dropped.setdefault(kind, deque(maxlen=_MOST_RUNS)).append(run)

    def _stray(self, pieces: Pieces, context: Hashable) -> None:
        """Remember what was asked in vain, and how it was answered; the first piece is what was asked."""
        rule = _BUCKETS.get(pieces[0].rule)
        if rule is not None and (rule == "L" or context is None):
            strays = self._strays.setdefault((rule, context), deque(maxlen=_MOST_STRAYS))
            strays.extend(attrs.evolve(piece, rule=pieces[0].rule) for piece in pieces)

    def dropped(self, rule: str, context: Hashable = None) -> tuple[Pieces, ...]:
        """Return what resets removed from a transcript, oldest run first; ``rule`` is B, mutB or L."""
        return tuple(self._dropped.get((rule, context), ()))

    def strays(self, rule: str, context: Hashable = None) -> Pieces:
        """Return what was said in vain on the way to a signature; ``rule`` is B, mutB or L."""
        return tuple(self._strays.get((rule, context), ()))

    def response(
        self,
        raw: bytes,
        *,
        context: Hashable = None,
        encapsulated: bool = False,
        signature_size: int = 0,
        source: int | None = None,
    ) -> None:
        """Take note of a response whose last ``signature_size`` bytes are a signature.

        A request enters with its response; one that is answered by ERROR has no place in any transcript.
        """
        code = SpdmCode(raw[_CODE_OFFSET])
        piece = Piece(code.name, raw, _rule(code, encapsulated), source)
        asked = self._asked.get((context, encapsulated))
        self._answered.add((context, encapsulated))
        is_answer = asked is not None and asked.data[_CODE_OFFSET] == code | _REQUEST_BIT
        if asked is not None and not is_answer:
            self._stray((asked, piece), context)
        pair = (asked, piece) if asked is not None and is_answer else (piece,)
        if code in VCA:
            self._vca.extend(pair)
            self._digests_window = code is SpdmCode.ALGORITHMS
        elif code in _CERTIFICATES:
            self._take_certificates(code, pair, context, encapsulated)
        elif asked is not None and asked.what == SpdmCode.CHALLENGE.name:
            signed = (asked, _without_end(piece, signature_size)) if is_answer else ()
            self._close_challenge(signed, encapsulated, is_authenticated=is_answer)
        elif asked is not None and asked.what == SpdmCode.GET_MEASUREMENTS.name and not encapsulated:
            self._take_measurements(code, piece, asked, context, signature_size)

    def _take_certificates(self, code: SpdmCode, pair: Pieces, context: Hashable, encapsulated: bool) -> None:
        if context is None:
            (self._mut_b if encapsulated else self._b).extend(pair)
        if code is SpdmCode.DIGESTS and not encapsulated:
            if self._digests_window:
                self.first_digests = attrs.evolve(pair[-1], rule="D")
            self._digests_window = False

    def _close_challenge(self, signed: Pieces, encapsulated: bool, *, is_authenticated: bool) -> None:
        """Forget what a challenge covered, however it went."""
        covered, kind = (self._mut_b, "mutB") if encapsulated else (self._b, "B")
        self._drop((kind, None), (*covered, *signed))
        covered.clear()
        if is_authenticated:
            self._strays.pop((kind, None), None)
        self._authenticated |= is_authenticated and not encapsulated

    def _take_measurements(
        self, code: SpdmCode, piece: Piece, asked: Piece, context: Hashable, signature_size: int
    ) -> None:
        if code is SpdmCode.MEASUREMENTS and not signature_size:
            self._measurements.setdefault(context, []).extend((asked, piece))
            return
        # a signature closes the transcript, an error discards it
        signed = (asked, _without_end(piece, signature_size)) if code is SpdmCode.MEASUREMENTS else ()
        self._drop(("L", context), (*self._measurements.pop(context, ()), *signed))
        if signed:
            self._strays.pop(("L", context), None)

    def m1m2(self, unsigned: bytes, *, encapsulated: bool = False, source: int | None = None) -> Pieces:
        """Return what CHALLENGE_AUTH signs; ``unsigned`` is that message up to its signature.

        A ‖ B ‖ C; for the requester's own answer mutB ‖ mutC, from 1.2 on with A before them.
        """
        rule = "mutC" if encapsulated else "C"
        asked = self._asked.get((None, encapsulated))
        challenge = (attrs.evolve(asked, rule=rule),) if asked else ()
        has_vca = not encapsulated or self.version >= SpdmVersion.V1_2
        before = self._mut_b if encapsulated else self._b
        answer = Piece(SpdmCode.CHALLENGE_AUTH.name, unsigned, rule, source)
        return (*(self._vca if has_vca else ()), *before, *challenge, answer)

    def l1l2(self, unsigned: bytes, *, context: Hashable = None, source: int | None = None) -> Pieces:
        """Return what MEASUREMENTS signs: every measurement exchange since the last reset, from 1.2 on after A."""
        vca = self._vca if self.version >= SpdmVersion.V1_2 else ()
        asked = self._asked.get((context, False))
        answer = Piece(SpdmCode.MEASUREMENTS.name, unsigned, "L", source)
        return (*vca, *self._measurements.get(context, ()), *((asked,) if asked else ()), answer)

    def il1il2(
        self, unsigned: bytes, *, context: Hashable = None, encapsulated: bool = False, source: int | None = None
    ) -> Pieces:
        """Return what ENDPOINT_INFO signs: A and this one exchange."""
        asked = self._asked.get((context, encapsulated))
        answer = Piece(SpdmCode.ENDPOINT_INFO.name, unsigned, "E", source)
        return (*self._vca, *((asked,) if asked else ()), answer)


def _without_end(piece: Piece, size: int) -> Piece:
    return piece_of(piece.what, piece.data[: len(piece.data) - size], piece.rule, piece.source, piece.stands_for)


_RULES: Final = {
    **dict.fromkeys(VCA, ("A", "A")),
    **dict.fromkeys(_CERTIFICATES, ("B", "mutB")),
    **dict.fromkeys((SpdmCode.CHALLENGE, SpdmCode.CHALLENGE_AUTH), ("C", "mutC")),
    **dict.fromkeys((SpdmCode.GET_MEASUREMENTS, SpdmCode.MEASUREMENTS), ("L", "L")),
    **dict.fromkeys((SpdmCode.GET_ENDPOINT_INFO, SpdmCode.ENDPOINT_INFO), ("E", "E")),
}
"""The part that a message belongs to, and that of the same message in the encapsulated flow."""


def _rule(code: SpdmCode, encapsulated: bool) -> str:
    return _RULES.get(code, ("", ""))[encapsulated]


@attrs.define
class SessionTranscript:
    """One session's part: TH at each of its stages.

    Built when KEY_EXCHANGE or PSK_EXCHANGE has been answered; FINISH and its response are added when they come.
    """

    vca: Pieces
    """A, as it stood."""
    exchange: Piece
    """KEY_EXCHANGE or PSK_EXCHANGE."""
    response: Piece
    """Its response, complete."""
    signature_size: int = 0
    """Bytes of signature in the response; 0 for PSK."""
    verify_size: int = 0
    """Bytes of ResponderVerifyData at the end of the response; 0 with the handshake in the clear."""
    digests: Piece | None = None
    """D: the first DIGESTS, in a multi-key connection."""
    chain: Piece | None = None
    """Ct: the hash of the responder's certificate chain, or of its raw public key; None for PSK."""
    encapsulated_digests: Piece | None = None
    """ED: the requester's first encapsulated DIGESTS of this session, in a multi-key connection."""
    requester_chain: Piece | None = None
    """CM: the hash of the requester's certificate chain; only with mutual authentication."""
    finish: Piece | None = None
    """FINISH or PSK_FINISH, complete."""
    finish_response: Piece | None = None
    """Its response, complete."""

    @property
    def is_known(self) -> bool:
        """Whether the hashes of the chains that it needs are there: without them nothing over it can be checked."""
        is_psk = self.exchange.what == SpdmCode.PSK_EXCHANGE.name
        is_signed = self.finish is not None and bool(self.finish.data[_PARAM1_OFFSET] & _SIGNATURE_INCLUDED)
        return is_psk or (self.chain is not None and (self.requester_chain is not None or not is_signed))

    def _common(self) -> Pieces:
        return (*self.vca, *_present(self.digests, self.chain), self.exchange)

    def _mutual(self) -> Pieces:
        return _present(self.encapsulated_digests, self.requester_chain) if self.requester_chain else ()

    def exchange_signature(self) -> Pieces:
        """Return what the signature of KEY_EXCHANGE_RSP covers: TH up to that signature."""
        return (*self._common(), _without_end(self.response, self.signature_size + self.verify_size))

    def th1(self) -> Pieces:
        """Return TH1, which the handshake secrets and ResponderVerifyData depend on."""
        return (*self._common(), _without_end(self.response, self.verify_size))

    def finish_signature(self, header: bytes, source: int | None = None) -> Pieces:
        """Return what the signature of FINISH covers; ``header`` is that message up to its signature."""
        finish = Piece(SpdmCode.FINISH.name, header, "F", source)
        return (*self._common(), self.response, *self._mutual(), finish)

    def finish_hmac(self, unverified: bytes, source: int | None = None) -> Pieces:
        """Return what RequesterVerifyData covers; ``unverified`` is FINISH or PSK_FINISH up to it."""
        finish = Piece(self._finish_name(), unverified, "F", source)
        return (*self._common(), self.response, *self._mutual(), finish)

    def finish_response_hmac(self, unverified: bytes, source: int | None = None) -> Pieces:
        """Return what the ResponderVerifyData of FINISH_RSP covers; ``unverified`` is that message up to it."""
        response = Piece(SpdmCode.FINISH_RSP.name, unverified, "F", source)
        return (*self._common(), self.response, *self._mutual(), *_present(self.finish), response)

    def th2(self) -> Pieces:
        """Return TH2, which the data secrets depend on; without FINISH for a PSK session that has none."""
        finish = _present(self.finish, self.finish_response)
        return (*self._common(), self.response, *self._mutual(), *finish)

    def _finish_name(self) -> str:
        is_psk = self.exchange.what == SpdmCode.PSK_EXCHANGE.name
        return (SpdmCode.PSK_FINISH if is_psk else SpdmCode.FINISH).name


def _present(*pieces: Piece | None) -> Pieces:
    return tuple(piece for piece in pieces if piece is not None)

"""Reading one SPDM message that was overheard, and what travels in it if a vendor defined that.

What it takes beside the bytes is said by whoever knows the conversation: the request that a response answers, and what
was negotiated. Nothing here remembers anything.
"""

from __future__ import annotations

from functools import cache
from typing import Final, NamedTuple, Protocol

from pytio.capture import vendor
from pytio.capture.draft import Findings
from pytio.capture.records import Layer, layer_of
from pytio.errors import DecodeError
from pytio.spdm.codes import SpdmCode
from pytio.spdm.messages import MESSAGES
from pytio.spdm.messages.base import SpdmMessage
from pytio.spdm.messages.chunk import ChunkResponse, ChunkSend
from pytio.spdm.messages.key_pair import KeyPairInfo
from pytio.spdm.messages.vendor_defined import VendorDefinedRequest, VendorDefinedResponse
from pytio.spdm.negotiated import Negotiated, UnknownFactError, depends_on_request
from pytio.wire import WireStruct

__all__ = (
    "HEADER_BYTES",
    "REQUEST_BIT",
    "Asked",
    "Context",
    "Facts",
    "add_decoded",
    "decode",
    "decode_vendors",
    "innermost",
    "is_request",
    "parsed",
)

HEADER_BYTES: Final = 4
"""Of every SPDM message: version, code and two parameters."""
REQUEST_BIT: Final = 0x80
"""Set in the codes of requests."""

_VERSIONS: Final = tuple(f"{number >> 4}.{number & 0xF}" for number in range(1 << 8))
_NOTHING_GIVEN: Final[dict[str, int]] = {}
_PARTS: Final = (ChunkSend, ChunkResponse)
_VENDORS: Final = (VendorDefinedRequest, VendorDefinedResponse)


def is_request(raw: bytes) -> bool:
    """Return whether an SPDM message is a request; an encapsulated one looks no different."""
    return len(raw) >= HEADER_BYTES and bool(raw[1] & REQUEST_BIT)


class Facts:
    """What was negotiated, in the form in which messages need it; what does not depend on a request is remembered."""

    __slots__ = ("_known", "_negotiated")

    def __init__(self, negotiated: Negotiated) -> None:
        """Take what was negotiated."""
        self._negotiated = negotiated
        self._known: dict[tuple[type[SpdmMessage], bool], dict[str, int]] = {}

    def given(self, cls: type[SpdmMessage], request: SpdmMessage | None, *, from_requester: bool) -> dict[str, int]:
        """Return what reading a message takes. Raises UnknownFactError."""
        if depends_on_request(cls):
            return self._negotiated.facts(cls, request, from_requester=from_requester)
        known = self._known.get((cls, from_requester))
        if known is None:
            known = self._negotiated.facts(cls, from_requester=from_requester)
            self._known[cls, from_requester] = known
        return known


class Asked(Protocol):
    """A request, as far as its answer needs it."""

    @property
    def message(self) -> SpdmMessage:
        """The message."""


class Context(NamedTuple):
    """What reading a message takes beside its bytes.

    Attributes:
        facts: what was negotiated, if it was.
        asked: the request that waits for an answer in the same channel.
        in_session: whether the message travels in a session.
        encapsulated: whether it is the inner message of the encapsulated flow.
        padding: how many zero bytes may follow it.
    """

    facts: Facts | None
    asked: SpdmMessage | None
    in_session: bool
    encapsulated: bool = False
    padding: int = 0


def decode(found: Findings, raw: bytes, context: Context, base: int) -> tuple[SpdmMessage, int] | None:
    """Add the layer of an SPDM message at offset ``base``; return it and its size in bytes, if it decodes."""
    if len(raw) < HEADER_BYTES:
        found.add(Layer("spdm", raw))
        found.fail(DecodeError(f"an SPDM message has {HEADER_BYTES} bytes at least", raw), base)
        return None
    facts = {"version": _VERSIONS[raw[0]], "code": raw[1]}
    cls = _class_of(raw[1])
    if cls is None:
        code = SpdmCode(raw[1])
        found.add(Layer("spdm", raw, None, facts, code.name))
        found.notes.append(f"{code.name} is no message of DSP0274 1.0 to 1.4")
        return None
    try:
        message, size = cls.parse_prefix(raw, **_facts_for(cls, raw[1], context))
    except UnknownFactError as error:
        found.add(Layer("spdm", raw, None, facts, cls.NAME))
        found.notes.append(f"{cls.NAME} is not decoded: {error}")
        return None
    except DecodeError as error:
        found.add(Layer("spdm", raw, None, facts, cls.NAME))
        found.fail(error, base)
        return None
    add_decoded(found, raw, message, size, context.in_session, context.padding, base)
    return message, size


def add_decoded(
    found: Findings, raw: bytes, message: SpdmMessage, size: int, in_session: bool, padding: int, base: int
) -> None:
    """Add the layer of an SPDM message of ``size`` bytes that was parsed before."""
    is_part = in_session and isinstance(message, _PARTS)  # of a message not yet known
    facts = {"version": _VERSIONS[raw[0]], "code": raw[1]}
    found.add(layer_of("spdm", raw if size == len(raw) else raw[:size], message, facts, message.NAME, secret=is_part))
    if size != len(raw):
        _judge_rest(found, message, raw[size:], base + size, padding)


def parsed(
    raw: bytes, facts: Facts | None, waiting: Asked | None, *, encapsulated: bool
) -> tuple[SpdmMessage, int] | None:
    """Return an SPDM message and its size in bytes, None if it does not decode."""
    cls = _class_of(raw[1]) if len(raw) >= HEADER_BYTES else None
    if cls is None:
        return None
    try:
        if not cls.GIVEN:
            return cls.parse_prefix(raw)
        asked = waiting.message if waiting is not None and depends_on_request(cls) else None
        return cls.parse_prefix(raw, **_given(cls, raw[1], facts, asked, encapsulated=encapsulated))
    except (UnknownFactError, DecodeError):
        return None


def decode_vendors(found: Findings, message: SpdmMessage, end: int) -> None:
    """Add the layer inside a vendor-defined message that ends at offset ``end``."""
    if isinstance(message, _VENDORS):
        vendor.read(found, message, end - len(message.payload))


def innermost(message: SpdmMessage) -> WireStruct:
    """Return the message inside a vendor-defined one, if there is one and it decodes; else the message itself."""
    inner = vendor.inside(message) if isinstance(message, _VENDORS) else None
    return message if inner is None else inner


@cache
def _class_of(code: int) -> type[SpdmMessage] | None:
    return MESSAGES.get(SpdmCode(code))


def _facts_for(cls: type[SpdmMessage], code: int, context: Context) -> dict[str, int]:
    if not cls.GIVEN:
        return _NOTHING_GIVEN
    return _given(cls, code, context.facts, context.asked, encapsulated=context.encapsulated)


def _given(
    cls: type[SpdmMessage], code: int, facts: Facts | None, asked: SpdmMessage | None, *, encapsulated: bool
) -> dict[str, int]:
    if facts is None:
        raise UnknownFactError(min(cls.GIVEN))
    asks = bool(code & REQUEST_BIT)
    answers = not asks and asked is not None and asked.code == code | REQUEST_BIT
    return facts.given(cls, asked if answers else None, from_requester=asks is not encapsulated)


def _judge_rest(found: Findings, message: SpdmMessage, rest: bytes, offset: int, padding: int) -> None:
    """Report what follows a message: the transport's padding is silent, everything else is not."""
    if len(rest) <= padding and not any(rest):
        return
    if isinstance(message, KeyPairInfo) and not any(rest):
        # the reference implementation sends 8 zero bytes more than the fields of a 1.4 KEY_PAIR_INFO
        found.notes.append(f"{len(rest)} zero bytes after {message.NAME}")
        return
    found.fail(DecodeError(f"{len(rest)} bytes left over after {message.NAME}", rest), offset)

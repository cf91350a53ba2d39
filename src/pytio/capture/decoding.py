"""Reading one SPDM message that was overheard, and what travels in it if a vendor defined that.

What it takes beside the bytes is said by whoever knows the conversation: the request that a response answers, and what
was negotiated. Nothing here remembers anything.
"""

from __future__ import annotations

from functools import cache
from typing import Final, NamedTuple

from pytio.capture import vendor
from pytio.capture.draft import Findings
from pytio.capture.records import Layer
from pytio.errors import DecodeError
from pytio.spdm.codes import SpdmCode
from pytio.spdm.messages import MESSAGES
from pytio.spdm.messages.base import SpdmMessage
from pytio.spdm.messages.chunk import ChunkResponse, ChunkSend
from pytio.spdm.messages.key_pair import KeyPairInfo
from pytio.spdm.messages.vendor_defined import VendorDefinedRequest, VendorDefinedResponse
from pytio.spdm.negotiated import Negotiated, UnknownFactError

__all__ = ("HEADER_BYTES", "REQUEST_BIT", "Context", "decode", "decode_vendors", "is_request")

HEADER_BYTES: Final = 4
"""Of every SPDM message: version, code and two parameters."""
REQUEST_BIT: Final = 0x80
"""Set in the codes of requests."""

_VERSIONS: Final = tuple(f"{number >> 4}.{number & 0xF}" for number in range(1 << 8))
_PARTS: Final = (ChunkSend, ChunkResponse)
_VENDORS: Final = (VendorDefinedRequest, VendorDefinedResponse)


def is_request(raw: bytes) -> bool:
    """Return whether an SPDM message is a request; an encapsulated one looks no different."""
    return len(raw) >= HEADER_BYTES and bool(raw[1] & REQUEST_BIT)


class Context(NamedTuple):
    """What reading a message takes beside its bytes.

    Attributes:
        negotiated: what was negotiated, if it was.
        asked: the request that waits for an answer in the same channel.
        in_session: whether the message travels in a session.
        encapsulated: whether it is the inner message of the encapsulated flow.
        padding: how many zero bytes may follow it.
    """

    negotiated: Negotiated | None
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
        message, size = cls.parse_prefix(raw, **_given(cls, raw[1], context)) if cls.GIVEN else cls.parse_prefix(raw)
    except UnknownFactError as error:
        found.add(Layer("spdm", raw, None, facts, cls.NAME))
        found.notes.append(f"{cls.NAME} is not decoded: {error}")
        return None
    except DecodeError as error:
        found.add(Layer("spdm", raw, None, facts, cls.NAME))
        found.fail(error, base)
        return None
    is_part = context.in_session and isinstance(message, _PARTS)  # of a message not yet known
    found.add(Layer("spdm", raw if size == len(raw) else raw[:size], message, facts, cls.NAME, is_part))
    if size != len(raw):
        _judge_rest(found, message, raw[size:], base + size, context.padding)
    return message, size


def decode_vendors(found: Findings, message: SpdmMessage, end: int) -> None:
    """Add the layer inside a vendor-defined message that ends at offset ``end``."""
    if isinstance(message, _VENDORS):
        vendor.read(found, message, end - len(message.payload))


@cache
def _class_of(code: int) -> type[SpdmMessage] | None:
    return MESSAGES.get(SpdmCode(code))


def _given(cls: type[SpdmMessage], code: int, context: Context) -> dict[str, int]:
    if context.negotiated is None:
        raise UnknownFactError(min(cls.GIVEN))
    asks, asked = bool(code & REQUEST_BIT), context.asked
    answers = not asks and asked is not None and asked.code == code | REQUEST_BIT
    return context.negotiated.facts(cls, asked if answers else None, from_requester=asks is not context.encapsulated)


def _judge_rest(found: Findings, message: SpdmMessage, rest: bytes, offset: int, padding: int) -> None:
    """Report what follows a message: the transport's padding is silent, everything else is not."""
    if len(rest) <= padding and not any(rest):
        return
    if isinstance(message, KeyPairInfo) and not any(rest):
        # the reference implementation sends 8 zero bytes more than the fields of a 1.4 KEY_PAIR_INFO
        found.notes.append(f"{len(rest)} zero bytes after {message.NAME}")
        return
    found.fail(DecodeError(f"{len(rest)} bytes left over after {message.NAME}", rest), offset)

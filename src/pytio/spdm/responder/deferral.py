"""ERROR ResponseNotReady and RESPOND_IF_READY, as the responder uses them (DSP0274, ERROR; timing)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from pytio.spdm.codes import SpdmErrorCode
from pytio.spdm.messages.error import ResponseNotReady
from pytio.spdm.messages.session import RespondIfReady
from pytio.spdm.refusal import Refusal, require
from pytio.spdm.responder.calls import Call

if TYPE_CHECKING:
    from pytio.spdm.responder.engine import Responder

__all__ = ("Deferred", "answer_respond_if_ready", "defer", "not_ready")

_MICROSECONDS: Final = 1_000_000
_MAX_RDT_EXPONENT: Final = 31
_RDTM: Final = 4
"""How often RDT fits into the time that the requester is to wait; the reference implementation's wants 2 or more."""
_TOKENS: Final = 256


@attrs.frozen
class Deferred:
    """A request whose answer is not ready."""

    call: Call
    token: int
    ready_at: float


def defer(responder: Responder, call: Call, seconds: float) -> Refusal:
    """Keep a request for later; return the ERROR that says so."""
    token = (responder.last_token + 1) % _TOKENS
    responder.last_token = token
    responder.deferred = Deferred(call, token, call.now + seconds)
    return not_ready(responder.deferred, call.now)


def not_ready(deferred: Deferred, now: float) -> Refusal:
    """Return the ERROR that says when to ask again."""
    left = max(int((deferred.ready_at - now) * _MICROSECONDS), 1)
    exponent = min((left - 1).bit_length(), _MAX_RDT_EXPONENT)
    extended = ResponseNotReady(
        rdt_exponent=exponent, request_code=deferred.call.code, token=deferred.token, rdtm=_RDTM
    )
    return Refusal(SpdmErrorCode.RESPONSE_NOT_READY, f"ready at {deferred.ready_at}", extended=extended)


def answer_respond_if_ready(responder: Responder, call: Call) -> bytes:
    """Answer the request that was put off, or put it off again."""
    request: RespondIfReady = call.request
    deferred = responder.deferred
    is_pending = deferred is not None and deferred.call.context == call.context
    require(is_pending, "nothing was put off", SpdmErrorCode.UNEXPECTED_REQUEST)
    assert deferred is not None
    asked = (request.original_request_code, request.token)
    require(asked == (deferred.call.code, deferred.token), f"code and token {asked}")
    if call.now < deferred.ready_at:
        raise not_ready(deferred, call.now)
    responder.deferred = None
    return responder.perform(
        attrs.evolve(
            deferred.call,
            now=call.now,
            events=call.events,
            afterwards=call.afterwards,
            ending=call.ending,
            is_ready=True,
        )
    )

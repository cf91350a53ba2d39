"""Whether a request may come here and now: asked of the tables, before anybody looks into it (DSP0274).

The order of the checks is that of the reference implementation, whose validator asserts the errors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytio.spdm.codes import SpdmCode, SpdmErrorCode, SpdmVersion
from pytio.spdm.refusal import Refusal, require
from pytio.spdm.session import Session, place_of
from pytio.spdm.state import REQUEST_RULES, ConnectionState, Place, RequestRule

if TYPE_CHECKING:
    from pytio.spdm.responder.engine import Responder

__all__ = ("admit", "outside_error")

_E = SpdmErrorCode


def outside_error(version: int) -> SpdmErrorCode:
    """Return the error for what belongs into a session: SessionRequired came with 1.2."""
    return _E.SESSION_REQUIRED if version >= SpdmVersion.V1_2 else _E.UNSPECIFIED


def admit(responder: Responder, code: SpdmCode, version: int, session: Session | None) -> None:
    """Raise Refusal unless a request with this code and version byte may come."""
    rule = REQUEST_RULES.get(code)
    if rule is None:
        raise Refusal(_E.UNSUPPORTED_REQUEST, f"{code.name} is unknown", int(code))
    place = place_of(session)
    if code is SpdmCode.GET_VERSION:
        require(version == SpdmVersion.V1_0, f"GET_VERSION of version {version:#x}", _E.VERSION_MISMATCH)
        require(place in rule.places, "GET_VERSION in a session", _E.UNEXPECTED_REQUEST)
        return
    require(not responder.needs_resynchronization, "the connection is lost", _E.REQUEST_RESYNCH)
    _check_version(responder, code, version, rule)
    require(not responder.is_busy, "busy", _E.BUSY)
    responder.check_in_flight(code, session)
    _check_capabilities(responder, code, rule)
    require(responder.state in rule.states, f"{code.name} {responder.state.value}", _E.UNEXPECTED_REQUEST)
    _check_place(responder, code, rule, place)


def _check_version(responder: Responder, code: SpdmCode, version: int, rule: RequestRule) -> None:
    if code is SpdmCode.GET_CAPABILITIES:
        if responder.state is ConnectionState.AFTER_VERSION:
            require(version in responder.config.versions, f"version {version:#x}", _E.VERSION_MISMATCH)
        return
    state = responder.state
    is_started = state not in (ConnectionState.NOT_STARTED, ConnectionState.AFTER_VERSION)
    require(is_started, f"{code.name} {state.value}", _E.UNEXPECTED_REQUEST)
    if rule.since > responder.version:
        raise Refusal(_E.UNSUPPORTED_REQUEST, f"{code.name} in {responder.version.name}", int(code))
    require(version == responder.version, f"version {version:#x}", _E.VERSION_MISMATCH)


def _check_capabilities(responder: Responder, code: SpdmCode, rule: RequestRule) -> None:
    if not rule.responder and not rule.requester:
        return
    if responder.state in (ConnectionState.NOT_STARTED, ConnectionState.AFTER_VERSION):
        return
    request, response = responder.capabilities_exchange
    lacks_own = rule.responder and not rule.responder & response.flags
    lacks_peers = rule.requester and not rule.requester & (request.flags or 0)
    if lacks_own or lacks_peers:
        raise Refusal(_E.UNSUPPORTED_REQUEST, f"{code.name} needs a capability that is missing", int(code))


def _check_place(responder: Responder, code: SpdmCode, rule: RequestRule, place: Place) -> None:
    if place in rule.places:
        return
    is_missing_session = place is Place.OUTSIDE
    error = outside_error(responder.version) if is_missing_session else _E.UNEXPECTED_REQUEST
    raise Refusal(error, f"{code.name} {place.value}")

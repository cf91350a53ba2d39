"""ERROR, as the requester takes it: wait and ask again, or give up (DSP0274, ERROR; the timing of RESPOND_IF_READY)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, TypeAlias

from pytio.errors import RemoteProtocolError, SpdmPeerError
from pytio.spdm.codes import SpdmCode, SpdmErrorCode
from pytio.spdm.events import Event, RequestDeferred
from pytio.spdm.messages.error import Error, ResponseNotReady
from pytio.spdm.messages.session import RespondIfReady
from pytio.spdm.requester import chunks
from pytio.spdm.session import Session, Side
from pytio.spdm.state import ConnectionState

if TYPE_CHECKING:
    from pytio.spdm.requester.engine import Requester
    from pytio.spdm.requester.exchange import Exchange

__all__ = ("handshake_of", "take")

_MAX_RDT_EXPONENT: Final = 31
_MICROSECONDS: Final = 1e-6
_NEVER_DEFERRED: Final = (SpdmCode.GET_VERSION, SpdmCode.GET_CAPABILITIES, SpdmCode.NEGOTIATE_ALGORITHMS)
_HANDSHAKES: Final = (SpdmCode.FINISH, SpdmCode.PSK_FINISH)


def handshake_of(requester: Requester, exchange: Exchange) -> Session | None:
    """Return the session whose handshake a message in clear belongs to."""
    if exchange.session is not None or exchange.code not in _HANDSHAKES:
        return None
    session: Session | None = exchange.memory
    return session


def take(requester: Requester, exchange: Exchange, error: Error, raw: bytes, now: float) -> list[Event]:
    """Do what an error asks for. Raises SpdmPeerError if it is the last word, RemoteProtocolError if it is illegal."""
    return _TAKERS.get(error.error_code, _refused)(requester, exchange, error, raw, now)


def _refused(requester: Requester, exchange: Exchange, error: Error, raw: bytes, now: float) -> list[Event]:
    """The last word: the request is over, and with FINISH the session."""
    requester.drop(exchange)
    requester.transcript.response(raw, context=exchange.context)
    session = handshake_of(requester, exchange)
    if exchange.code in _HANDSHAKES or error.error_code is SpdmErrorCode.DECRYPT_ERROR:
        session = session or exchange.session
    if exchange.session is not None and exchange.session.direction(Side.RESPONSE).is_updating:
        session = exchange.session  # refused under the new key: the two sides do not agree on keys any more
    if session is not None:
        requester.end(session, error.error_code.name)
    detail = f"to {exchange.code.name}"
    if error.error_data:
        detail += f", data {error.error_data:#x}"
    raise SpdmPeerError(error.error_code, detail)


def _resynchronize(requester: Requester, exchange: Exchange, error: Error, raw: bytes, now: float) -> list[Event]:
    """The responder has forgotten the connection."""
    requester.drop(exchange)
    requester.state = ConnectionState.ERROR
    raise SpdmPeerError(error.error_code, f"to {exchange.code.name}")


def _busy(requester: Requester, exchange: Exchange, error: Error, raw: bytes, now: float) -> list[Event]:
    """Repeat the request later, as often as is configured."""
    if not exchange.busy_left:
        return _refused(requester, exchange, error, raw, now)
    exchange.busy_left -= 1
    exchange.cut = exchange.gathering = None
    until = now + requester.config.busy_delay_s
    requester.wait(exchange, None, until)
    return [RequestDeferred(exchange.code, until)]


def _not_ready(requester: Requester, exchange: Exchange, error: Error, raw: bytes, now: float) -> list[Event]:
    """Ask for the response again after RDT, and give up after RDTM times that.

    The reference implementation's responder says RDTM 1, which leaves no time at all; one trial is made then.
    """
    data = error.extended_error_data
    if not isinstance(data, ResponseNotReady) or exchange.code in _NEVER_DEFERRED:
        raise RemoteProtocolError(exchange.code, error.error_code)
    if data.request_code != exchange.code or data.rdt_exponent > _MAX_RDT_EXPONENT:
        raise RemoteProtocolError(exchange.code, error.error_code, f"for {data.request_code.name}, {data.rdt_exponent}")
    delay = (1 << data.rdt_exponent) * _MICROSECONDS
    if exchange.give_up_at is None:
        exchange.give_up_at = now + delay * max(data.rdtm, 2)
    until = now + delay
    if until > exchange.give_up_at:
        return _refused(requester, exchange, error, raw, now)
    again = RespondIfReady(version=requester.version, original_request_code=exchange.code, token=data.token)
    requester.wait(exchange, again.build(), until)
    return [RequestDeferred(exchange.code, until)]


_Taker: TypeAlias = "Callable[[Requester, Exchange, Error, bytes, float], list[Event]]"

_TAKERS: Final[Mapping[int, _Taker]] = MappingProxyType(
    {
        SpdmErrorCode.BUSY: _busy,
        SpdmErrorCode.RESPONSE_NOT_READY: _not_ready,
        SpdmErrorCode.LARGE_RESPONSE: chunks.begin_get,
        SpdmErrorCode.REQUEST_RESYNCH: _resynchronize,
    }
)

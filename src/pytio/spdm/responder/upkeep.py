"""HEARTBEAT, KEY_UPDATE, END_SESSION, as the responder answers them (DSP0274)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, TypeAlias

from pytio.spdm.codes import KeyUpdateOperation, SpdmErrorCode
from pytio.spdm.events import KeysUpdated
from pytio.spdm.messages.session import EndSessionAck, HeartbeatAck, KeyUpdate, KeyUpdateAck
from pytio.spdm.refusal import Refusal, require
from pytio.spdm.responder.calls import Call
from pytio.spdm.session import Session, Side

if TYPE_CHECKING:
    from pytio.spdm.responder.engine import Responder

__all__ = ("answer_end_session", "answer_heartbeat", "answer_key_update")


def _session_of(call: Call) -> Session:
    if call.session is None:
        raise Refusal(SpdmErrorCode.SESSION_REQUIRED, "outside a session")
    return call.session


def answer_heartbeat(responder: Responder, call: Call) -> HeartbeatAck:
    """Say that the session lives."""
    period = _session_of(call).heartbeat_period_s
    require(period, "a heartbeat in a session that has none", SpdmErrorCode.UNEXPECTED_REQUEST)
    return HeartbeatAck(version=responder.version)


def _update_key(session: Session) -> KeyUpdateOperation:
    """Change the request direction; the response goes out under the key before and after."""
    session.direction(Side.REQUEST).update()
    return KeyUpdateOperation.UPDATE_KEY


def _update_all_keys(session: Session) -> KeyUpdateOperation:
    """Change both; the response goes out under the new key at once."""
    session.direction(Side.REQUEST).update()
    response = session.direction(Side.RESPONSE)
    response.update()
    response.commit()
    return KeyUpdateOperation.UPDATE_ALL_KEYS


_Change: TypeAlias = Callable[[Session], KeyUpdateOperation]

_CHANGES: Final[Mapping[int, _Change]] = MappingProxyType(
    {KeyUpdateOperation.UPDATE_KEY: _update_key, KeyUpdateOperation.UPDATE_ALL_KEYS: _update_all_keys}
)


def answer_key_update(responder: Responder, call: Call) -> KeyUpdateAck:
    """Change keys, or confirm that the new one was tried."""
    request: KeyUpdate = call.request
    session = _session_of(call)
    operation = KeyUpdateOperation(request.key_operation)
    is_updating = session.direction(Side.REQUEST).is_updating
    if operation is KeyUpdateOperation.VERIFY_NEW_KEY:
        require(is_updating and session.updating is not None, "there is no new key to verify")
        session.direction(Side.REQUEST).commit()
        call.events.append(KeysUpdated(session.session_id, session.updating or operation))
        session.updating = None
    else:
        require(operation in _CHANGES, f"key operation {request.key_operation:#x}")
        require(not is_updating, "a key update before the one before was verified")
        session.updating = _CHANGES[operation](session)
    return KeyUpdateAck(version=responder.version, key_operation=operation, tag=request.tag)


def answer_end_session(responder: Responder, call: Call) -> EndSessionAck:
    """Acknowledge under the session's keys, and forget them."""
    call.end(_session_of(call), "END_SESSION")
    return EndSessionAck(version=responder.version)

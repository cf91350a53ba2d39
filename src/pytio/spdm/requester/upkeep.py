"""HEARTBEAT, KEY_UPDATE, END_SESSION, as the requester sends them (DSP0274)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytio.errors import LocalProtocolError
from pytio.spdm.capabilities import ResponderCapabilities
from pytio.spdm.codes import EndSessionAttributes, KeyUpdateOperation
from pytio.spdm.events import Event, HeartbeatAcknowledged, KeysUpdated
from pytio.spdm.messages.session import EndSession, Heartbeat, KeyUpdate
from pytio.spdm.requests import KeepAlive, LeaveSession, UpdateKeys
from pytio.spdm.session import Session, Side

if TYPE_CHECKING:
    from pytio.spdm.requester.engine import Requester
    from pytio.spdm.requester.exchange import Answer, Exchange

__all__ = (
    "build_end_session",
    "build_heartbeat",
    "build_key_update",
    "prepare_key_update",
    "take_end_session_ack",
    "take_heartbeat_ack",
    "take_key_update_ack",
)


def _session_of(answer: Answer) -> Session:
    session = answer.exchange.session
    if session is None:
        raise LocalProtocolError("outside a session", answer.exchange.code)
    return session


def build_heartbeat(requester: Requester, intent: KeepAlive) -> Heartbeat:
    """Keep the session alive."""
    return Heartbeat(version=requester.version)


def take_heartbeat_ack(requester: Requester, answer: Answer) -> list[Event]:
    """The session lives."""
    return [HeartbeatAcknowledged(_session_of(answer).session_id)]


def build_key_update(requester: Requester, intent: UpdateKeys) -> KeyUpdate:
    """Ask for new keys; the tag is drawn."""
    return KeyUpdate(version=requester.version, key_operation=intent.operation, tag=requester.nonce(1)[0])


def prepare_key_update(requester: Requester, exchange: Exchange) -> None:
    """Before both directions change: the acknowledgement will come under the new response key, or not at all."""
    request = exchange.request
    is_all = isinstance(request, KeyUpdate) and request.key_operation == KeyUpdateOperation.UPDATE_ALL_KEYS
    if is_all and exchange.session is not None:
        exchange.session.direction(Side.RESPONSE).update()


def take_key_update_ack(requester: Requester, answer: Answer) -> list[Event]:
    """Change to the new keys, and try them out."""
    request, message, session = answer.request, answer.message, _session_of(answer)
    echoed = (message.key_operation, message.tag) == (request.key_operation, request.tag)
    answer.require(echoed, "an acknowledgement of something else")
    operation = KeyUpdateOperation(request.key_operation)
    if operation is KeyUpdateOperation.VERIFY_NEW_KEY:
        updated: KeyUpdateOperation = answer.exchange.memory or operation
        return [KeysUpdated(session.session_id, updated)]
    if operation is KeyUpdateOperation.UPDATE_ALL_KEYS:
        response = session.direction(Side.RESPONSE)
        answer.require(response.is_updating, "an acknowledgement under the old key")
        response.commit()
    session.direction(Side.REQUEST).update()
    session.direction(Side.REQUEST).commit()
    if isinstance(answer.exchange.intent, UpdateKeys):
        tag = requester.nonce(1)[0]
        verify = KeyUpdate(version=requester.version, key_operation=KeyUpdateOperation.VERIFY_NEW_KEY, tag=tag)
        requester.follow(answer, verify, memory=operation)
    return []


def build_end_session(requester: Requester, intent: LeaveSession) -> EndSession:
    """Close the session."""
    clears = intent.clears_negotiated_state and ResponderCapabilities.CACHE_CAP in requester.negotiated.responder
    return EndSession(version=requester.version, attributes=EndSessionAttributes(int(clears)))


def take_end_session_ack(requester: Requester, answer: Answer) -> list[Event]:
    """Forget the keys."""
    return [requester.end(_session_of(answer), "END_SESSION")]

"""The secrets of an engine's sessions, as a key log has them: what a tap writes beside what they open.

Each direction's secret, for the handshake and for data, under the key by which a capture tells sessions apart.
Whoever has the file reads the sessions, so this is for one's own endpoints and on request only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from pytio.capture import KeyLog, KeyLogEntry
from pytio.capture.keylog import session_key
from pytio.spdm import KeyExchange, PskExchange
from pytio.spdm.codes import SpdmCode
from pytio.spdm.endpoint import Endpoint
from pytio.spdm.messages.base import SpdmMessage
from pytio.spdm.session import Session, Side
from pytio.spdm.state import SessionState

__all__ = ("secrets_of",)

_KINDS: Final = {
    (SessionState.HANDSHAKING, Side.REQUEST): "SPDM_REQUEST_HANDSHAKE",
    (SessionState.HANDSHAKING, Side.RESPONSE): "SPDM_RESPONSE_HANDSHAKE",
    (SessionState.ESTABLISHED, Side.REQUEST): "SPDM_REQUEST_DATA",
    (SessionState.ESTABLISHED, Side.RESPONSE): "SPDM_RESPONSE_DATA",
}


def secrets_of(engine: Endpoint) -> Callable[[], Iterable[KeyLogEntry]]:
    """Return a source of secrets for a `Tap`: those that ``engine`` has had since, each from its first state on.

    A key update makes new secrets out of these, so only the first of each kind is told.
    """
    known: dict[tuple[str, str], KeyLogEntry] = {}

    def collect() -> Iterable[KeyLogEntry]:
        for session in engine.sessions.values():
            for entry in _entries(engine, session):
                known.setdefault((entry.kind, entry.key), entry)
        return KeyLog(known.values())

    return collect


def _entries(engine: Endpoint, session: Session) -> Iterable[KeyLogEntry]:
    key = session_key(_said(engine, session))
    for side in Side:
        kind = _KINDS.get((session.state, side))
        if kind is not None:
            yield KeyLogEntry(kind, key, session.direction(side).secret)


def _said(engine: Endpoint, session: Session) -> bytes:
    """Return what tells the session apart: RandomData of KEY_EXCHANGE, RequesterContext of PSK_EXCHANGE."""
    exchange = session.transcript.exchange
    cls = PskExchange if exchange.what == SpdmCode.PSK_EXCHANGE.name else KeyExchange
    message, _ = engine.parse(cls, exchange.data, None, from_requester=True)
    return message.random_data if isinstance(message, KeyExchange) else _context(message)


def _context(message: SpdmMessage) -> bytes:
    assert isinstance(message, PskExchange)
    return message.requester_context

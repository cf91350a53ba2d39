"""What requester and responder have in common: one connection's state, and messages on their way in and out.

This file knows what both roles keep. What a role does with it is in `pytio.spdm.requester` and `pytio.spdm.responder`.
Performs no I/O, reads no clock, draws no entropy of its own.
"""

from __future__ import annotations

from collections import deque
from typing import ClassVar, Self

from pytio.crypto import LibraryProvider, Provider
from pytio.errors import LocalProtocolError, SpdmDecodeError
from pytio.spdm import algorithms, saving
from pytio.spdm.algorithms import BaseAsymAlgo, BaseHashAlgo, PqcAsymAlgo
from pytio.spdm.checks import Signer
from pytio.spdm.codes import SpdmCode, SpdmVersion
from pytio.spdm.inner_framing import InnerFraming
from pytio.spdm.messages.base import SpdmMessage
from pytio.spdm.messages.capabilities import Capabilities, GetCapabilities
from pytio.spdm.negotiated import Negotiated, UnknownFactError
from pytio.spdm.peer_identity import PeerIdentity
from pytio.spdm.secured import RECORD_FORMATS, RecordFormat, RecordTransport
from pytio.spdm.session import RecordRules, Session
from pytio.spdm.state import TRANSITIONS, ConnectionState
from pytio.spdm.transcript import Transcript

__all__ = ("HEADER_BYTES", "Endpoint", "Outgoing")

HEADER_BYTES = 4
"""Version, code and two parameters."""


class Outgoing(bytes):
    """A message for the wire, and whether it is a secured record: transports mark the two differently."""

    is_secured: bool = False

    @classmethod
    def record(cls, data: bytes) -> Self:
        """Return a secured record."""
        made = cls(data)
        made.is_secured = True
        return made


class Endpoint:
    """One connection, from either side.

    Attributes:
        state: how far the connection has come.
        transcript: what has been said, as signatures need it.
        sessions: the sessions that live, by id.
    """

    IS_REQUESTER: ClassVar[bool]
    peer: PeerIdentity

    def __init__(
        self,
        *,
        provider: Provider | None = None,
        record_format: RecordFormat = RECORD_FORMATS[RecordTransport.PCI_DOE],
        inner_framing: InnerFraming | None = None,
    ) -> None:
        self._provider: Provider = provider or LibraryProvider()
        self._record_rules = RecordRules.of(record_format, inner_framing)
        self._outbox: deque[Outgoing] = deque()
        self._forget_connection()

    def _forget_connection(self) -> None:
        """Go back to the start; every session ends."""
        for session in getattr(self, "sessions", {}).values():
            session.end()
        self.state = ConnectionState.NOT_STARTED
        self.transcript = Transcript()
        self.sessions: dict[int, Session] = {}
        self._version: SpdmVersion | None = None
        self._negotiated: Negotiated | None = None
        self._capabilities: tuple[GetCapabilities, Capabilities] | None = None

    # what was agreed on

    @property
    def version(self) -> SpdmVersion:
        """The negotiated version; 1.0 as long as there is none."""
        return self._version or SpdmVersion.V1_0

    @property
    def negotiated(self) -> Negotiated:
        """What GET_VERSION to ALGORITHMS settled; ``describe()`` says it in words.

        Raises LocalProtocolError as long as nothing is settled.
        """
        if self._negotiated is None:
            raise LocalProtocolError(self.state, "negotiated", "ALGORITHMS has not come")
        return self._negotiated

    @property
    def is_negotiated(self) -> bool:
        """Whether ALGORITHMS has settled the connection."""
        return self._negotiated is not None

    def signer(self, *, of_requester: bool) -> Signer:
        """Return how one side signs. Raises ValueError where no algorithm was negotiated for it."""
        agreed = self.negotiated
        selected: BaseAsymAlgo | PqcAsymAlgo = agreed.base_asym or agreed.pqc_asym
        if of_requester:
            selected = agreed.req_base_asym or agreed.req_pqc_asym
        signature = algorithms.signature_algorithm(selected)
        return Signer(agreed.version, signature, algorithms.hash_algorithm(BaseHashAlgo(agreed.base_hash)))

    @property
    def agreement(self) -> tuple[Negotiated | None, tuple[GetCapabilities, Capabilities] | None]:
        """What was negotiated so far."""
        return self._negotiated, self._capabilities

    @property
    def record_rules(self) -> RecordRules:
        """How the transport has records."""
        return self._record_rules

    def resume(
        self,
        state: ConnectionState,
        version: SpdmVersion | None,
        agreed: Negotiated | None,
        capabilities: tuple[GetCapabilities, Capabilities] | None,
    ) -> None:
        """Take the state of a connection that was saved."""
        self._forget_connection()
        self.state, self._version = state, version
        self._negotiated, self._capabilities = agreed, capabilities

    def _hand_over(self, role: saving.Plain, *, with_secrets: bool) -> bytes:
        """Return the connection's state, and end its sessions here if they are in it: no nonce is used twice."""
        if self._outbox:
            raise LocalProtocolError(self.state, "save", "something waits to be sent")
        data = saving.save(self, role, with_secrets=with_secrets)
        if with_secrets:
            for session in list(self.sessions.values()):
                self._end_session(session)
        return data

    # messages

    def parse(
        self, cls: type[SpdmMessage], raw: bytes, request: SpdmMessage | None, *, from_requester: bool
    ) -> tuple[SpdmMessage, bytes]:
        """Return a message and its bytes, without what a transport appended.

        Raises SpdmDecodeError if the bytes lack the shape, or if their shape depends on what was not negotiated.
        """
        try:
            agreed = self._negotiated or Negotiated(version=self.version)
            facts = agreed.facts(cls, request, from_requester=from_requester) if cls.GIVEN else {}
        except UnknownFactError as error:
            raise SpdmDecodeError(str(error), raw, 0, cls.__name__) from None
        message, size = cls.parse_prefix(raw, **facts)
        return message, raw[:size]

    def _advance(self, code: SpdmCode) -> None:
        """Move the connection on, as a response outside any session does."""
        self.state = TRANSITIONS.get((self.state, code), self.state)

    def _queue(self, raw: bytes, *, is_secured: bool = False) -> None:
        self._outbox.append(Outgoing.record(raw) if is_secured else Outgoing(raw))

    def bytes_to_send(self) -> Outgoing | None:
        """Return the next message for the wire, None when there is none; ask until then after every other call."""
        return self._outbox.popleft() if self._outbox else None

    def session(self, session_id: int) -> Session:
        """Return a session that lives. Raises KeyError if there is none with that id."""
        return self.sessions[session_id]

    def _end_session(self, session: Session) -> None:
        session.end()
        self.sessions.pop(session.session_id, None)

    def __repr__(self) -> str:
        """Say state, version and sessions."""
        sessions = ", ".join(f"{number:#x}" for number in self.sessions) or "no session"
        return f"<{type(self).__name__} {self.version.name}, {self.state.value}, {sessions}>"

"""What the phases of a responder ask of it: what was settled, keys and signatures, sizes, numbers that are free.

Messages come and go in `pytio.spdm.responder.engine`.
"""

from __future__ import annotations

from typing import Any, ClassVar

from pytio.crypto import HashAlgorithm, Provider, SigningKey
from pytio.errors import LocalProtocolError
from pytio.spdm import algorithms
from pytio.spdm.checks import SignatureCheck
from pytio.spdm.codes import (
    RAW_PUBLIC_KEY_SLOT,
    SpdmCode,
    SpdmErrorCode,
    SpdmVersion,
)
from pytio.spdm.configuration import ResponderConfig
from pytio.spdm.endpoint import Endpoint
from pytio.spdm.events import PeerAuthenticated
from pytio.spdm.messages.capabilities import Capabilities, GetCapabilities
from pytio.spdm.negotiated import Negotiated
from pytio.spdm.own_identity import OwnIdentity
from pytio.spdm.refusal import require
from pytio.spdm.session import Session
from pytio.spdm.signing import SigningContext
from pytio.spdm.slots import SlotStore
from pytio.spdm.state import SessionState
from pytio.spdm.transcript import Piece, Pieces

__all__ = ("ResponderResources",)

_HALF_SESSION_ID_BITS = 16
_MAX_HALF_SESSION_ID = 0xFFFF


class ResponderResources(Endpoint):
    """What a responder is, and what it knows of the connection and of the peer.

    Attributes:
        config: what the responder is.
        slots: its certificate slots, as SET_CERTIFICATE left them; they outlive connections.
        peer: what is known of the requester's identity.
    """

    IS_REQUESTER: ClassVar[bool] = False

    config: ResponderConfig
    slots: SlotStore
    _clear_handshake: int | None

    def send_room(self, session: Session | None) -> int | None:
        """Return the bytes of the largest message that may be sent at once; None where the requester has not said."""
        if self._capabilities is None:
            return None
        theirs = self._capabilities[0].data_transfer_size
        rooms = (theirs, self.config.limits.send_size, session.room() if session is not None else None)
        return min((room for room in rooms if room is not None), default=None) if theirs is not None else None

    def settle_capabilities(self, version: SpdmVersion, request: GetCapabilities, response: Capabilities) -> None:
        """Take the version that GET_CAPABILITIES fixed, and what both sides can do."""
        self._version = version
        self._capabilities = request, response

    @property
    def capabilities_exchange(self) -> tuple[GetCapabilities, Capabilities]:
        """GET_CAPABILITIES and its response. Raises LocalProtocolError as long as there is none."""
        if self._capabilities is None:
            raise LocalProtocolError(self.state, "capabilities")
        return self._capabilities

    def settle(self, agreed: Negotiated) -> None:
        """Take what ALGORITHMS settled."""
        self._negotiated = agreed
        if agreed.base_hash and (agreed.req_base_asym or agreed.req_pqc_asym):
            signer = self.signer(of_requester=True)
            self.peer.learn(agreed.version, signer.hash_algorithm, signer.algorithm)

    def nonce(self, size: int) -> bytes:
        """Draw a nonce."""
        return self._provider.nonce(size)

    @property
    def hash_algorithm(self) -> HashAlgorithm:
        """The negotiated base hash. Raises ValueError if there is none."""
        return algorithms.hash_algorithm(self.negotiated.base_hash)

    @property
    def identity(self) -> OwnIdentity:
        """The responder's slots as they count on this connection."""
        return OwnIdentity(self.slots, self.negotiated)

    @property
    def has_large_vendor_form(self) -> bool:
        """Whether the version has a large form of vendor-defined messages."""
        return self.version >= SpdmVersion.V1_4

    @property
    def response_room(self) -> int | None:
        """The bytes of the largest response, whole or in chunks, that the requester takes; None if it has not said."""
        agreed = self.negotiated
        return agreed.message_size(to_requester=True) if agreed.can_chunk else agreed.transfer_size(to_requester=True)

    @property
    def provider(self) -> Provider:
        """Where everything is drawn from."""
        return self._provider

    def new_session_half(self, req_half: int) -> int:
        """Return the responder's half of a session id that is free, counting down as the reference implementation.

        Raises Refusal where there are as many sessions as are allowed.
        """
        is_free = len(self.sessions) < self.config.limits.max_sessions
        require(is_free, "as many sessions as are allowed", SpdmErrorCode.SESSION_LIMIT_EXCEEDED)
        taken = {number >> _HALF_SESSION_ID_BITS for number in self.sessions}
        return next(half for half in range(_MAX_HALF_SESSION_ID, 0, -1) if half not in taken)

    @property
    def handshake_in_the_clear(self) -> Session | None:
        """The session that FINISH outside any session refers to: the one that was started last, if it waits for it."""
        session = self.sessions.get(self._clear_handshake or 0)
        return session if session is not None and session.state is SessionState.HANDSHAKING else None

    def require_mutual_authentication(self, session: Session) -> None:
        """Raise Refusal where FINISH comes before the requester has authenticated itself."""
        done = session.is_mutual or not session.wants_mutual
        require(done, "mutual authentication did not come to its end", SpdmErrorCode.UNEXPECTED_REQUEST)

    def verify_requester(self, session: Session, signature: bytes, pieces: Pieces) -> SignatureCheck:
        """Check the requester's signature in FINISH. Raises CheckFailedError."""
        slot = session.requester_slot
        context = SigningContext.REQUESTER_FINISH
        return self.verify_signature(slot, signature, pieces, what="FINISH signature", context=context)

    def verify_signature(self, slot: int, signature: bytes, pieces: Pieces, **account: Any) -> SignatureCheck:
        """Check a signature by the key of one of the requester's slots. Raises CheckFailedError, KeyError."""
        signer = self.signer(of_requester=True)
        account["slot"] = None if slot == RAW_PUBLIC_KEY_SLOT else slot
        return signer.verify(self.peer.public_key(slot, signer.algorithm), signature, pieces, **account)

    def requester_chain_hash(self, slot: int, rule: str) -> Piece:
        """Return the hash of the requester's chain, or of its provisioned key. Raises KeyError if it is not known."""
        signer = self.signer(of_requester=True)
        return self.peer.hash_of(slot, signer.algorithm, signer.hash_algorithm, rule)

    def peer_authenticated(self, session: Session | None, slot: int) -> PeerAuthenticated:
        """Return the event that says who the requester is."""
        known = self.peer.chains.get(slot)
        number = session.session_id if session is not None else None
        return PeerAuthenticated(slot, known.chain if known is not None else b"", number)

    def note_inner_digests(self, session: Session, digests: bytes) -> None:
        """Keep the first encapsulated DIGESTS of a session, which its transcript holds where several keys are used."""
        if self.negotiated.is_requester_multi_key:
            session.transcript.encapsulated_digests = Piece(SpdmCode.DIGESTS.name, digests, "ED")

    def sign(self, key: SigningKey, pieces: Pieces, number: int, **account: Any) -> SignatureCheck:
        """Sign a transcript with the key of a slot."""
        account["slot"] = None if number == RAW_PUBLIC_KEY_SLOT else number
        return self.signer(of_requester=False).sign(self._provider, key, pieces, **account)

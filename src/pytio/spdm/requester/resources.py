"""What the phases of a requester ask of it: what was settled, keys and signatures, sizes, numbers that are free.

Messages come and go in `pytio.spdm.requester.engine`.
"""

from __future__ import annotations

from typing import Any, ClassVar

from pytio.crypto import HashAlgorithm, Provider, SignatureAlgorithm, SigningKey
from pytio.errors import LocalProtocolError
from pytio.spdm import algorithms
from pytio.spdm.capabilities import RequesterCapabilities
from pytio.spdm.checks import SignatureCheck
from pytio.spdm.codes import (
    RAW_PUBLIC_KEY_SLOT,
    REQUESTER_CONTEXT_BYTES,
    KeyUsage,
    SpdmCode,
    SpdmVersion,
)
from pytio.spdm.configuration import RequesterConfig
from pytio.spdm.endpoint import Endpoint
from pytio.spdm.messages.capabilities import Capabilities, GetCapabilities
from pytio.spdm.negotiated import Negotiated
from pytio.spdm.own_identity import OwnIdentity
from pytio.spdm.proofs import Background
from pytio.spdm.refusal import Refusal
from pytio.spdm.requester.exchange import Answer
from pytio.spdm.session import Session
from pytio.spdm.signing import SigningContext
from pytio.spdm.slots import SlotStore
from pytio.spdm.transcript import Piece, Pieces

__all__ = ("RequesterResources",)

_MAX_HALF_SESSION_ID = 0xFFFF
_HANDLES = 256


class RequesterResources(Endpoint):
    """What a requester is, and what it knows of the connection and of the peer.

    Attributes:
        config: what the requester is.
        slots: its own certificate slots.
        peer: what is known of the responder's identity.
    """

    IS_REQUESTER: ClassVar[bool] = True

    config: RequesterConfig
    slots: SlotStore
    _handle: int

    def settle_version(self, version: SpdmVersion) -> None:
        """Take the version that GET_VERSION found."""
        self._version = version

    def settle_capabilities(self, request: GetCapabilities, response: Capabilities, heard: Capabilities) -> None:
        """Take what both sides can do."""
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
        if self.responder_algorithm is not None and agreed.base_hash:
            self.peer.learn(agreed.version, self.hash_algorithm, self.responder_algorithm)

    @property
    def identity(self) -> OwnIdentity:
        """The requester's slots as they count on this connection."""
        return OwnIdentity(self.slots, self.negotiated, is_requester=True)

    def note_inner_digests(self, session: Session, digests: bytes) -> None:
        """Keep the first encapsulated DIGESTS of a session, which its transcript holds where several keys are used."""
        if self.negotiated.is_requester_multi_key:
            session.transcript.encapsulated_digests = Piece(SpdmCode.DIGESTS.name, digests, "ED")

    def request_room(self, session: Session | None) -> int | None:
        """Return the bytes of the largest message that may be sent at once; None where the responder has not said."""
        theirs = self._capabilities[1].data_transfer_size if self._capabilities is not None else None
        rooms = (theirs, self.config.limits.send_size, session.room() if session is not None else None)
        return min((room for room in rooms if room is not None), default=None) if theirs is not None else None

    def next_handle(self) -> int:
        """Return a handle for a large request: they count up on a connection."""
        handle, self._handle = self._handle, (self._handle + 1) % _HANDLES
        return handle

    @property
    def can_gather(self) -> bool:
        """Whether this requester takes responses in chunks."""
        has_chunks = RequesterCapabilities.CHUNK_CAP in self.config.capabilities
        return self.version >= SpdmVersion.V1_2 and has_chunks

    def new_session_id(self) -> int:
        """Return the requester's half of a session id that is free, counting down as the reference implementation."""
        taken = {number & _MAX_HALF_SESSION_ID for number in self.sessions}
        return next(half for half in range(_MAX_HALF_SESSION_ID, 0, -1) if half not in taken)

    @property
    def provider(self) -> Provider:
        """Where everything is drawn from."""
        return self._provider

    def sign(self, slot: int, pieces: Pieces) -> SignatureCheck:
        """Sign FINISH with the key of one of the requester's slots."""
        try:
            key = self.identity.signing_key(slot, KeyUsage.KEY_EX_USE)
        except Refusal as refusal:
            raise LocalProtocolError(self.state, f"slot {slot}", refusal.reason) from None
        return self.sign_by(key, pieces, slot, what="FINISH signature", context=SigningContext.REQUESTER_FINISH)

    def sign_by(self, key: SigningKey, pieces: Pieces, slot: int, **account: Any) -> SignatureCheck:
        """Sign a transcript with a key of the requester's."""
        account["slot"] = None if slot == RAW_PUBLIC_KEY_SLOT else slot
        return self.signer(of_requester=True).sign(self._provider, key, pieces, **account)

    def nonce(self, size: int) -> bytes:
        """Draw a nonce."""
        return self._provider.nonce(size)

    def new_context(self) -> bytes | None:
        """Draw a RequesterContext; there is none before 1.3."""
        return self._provider.nonce(REQUESTER_CONTEXT_BYTES) if self.version >= SpdmVersion.V1_3 else None

    @property
    def portion_bytes(self) -> int | None:
        """How much of a chain to ask for at once."""
        return self.config.certificate_portion_bytes

    @property
    def hash_algorithm(self) -> HashAlgorithm:
        """The negotiated base hash. Raises ValueError if there is none."""
        return algorithms.hash_algorithm(self.negotiated.base_hash)

    @property
    def responder_algorithm(self) -> SignatureAlgorithm | None:
        """What the responder signs by; None where nothing was negotiated for that."""
        selected = self.negotiated.base_asym or self.negotiated.pqc_asym
        return algorithms.signature_algorithm(selected) if selected else None

    def knows_key_of(self, slot: int) -> bool:
        """Say whether the key of a slot, or for 0xFF the provisioned one, is known."""
        algorithm = self.responder_algorithm
        if algorithm is None:
            return False
        try:
            self.peer.public_key(slot, algorithm)
        except KeyError:
            return False
        return True

    def chain_hash(self, slot: int, rule: str) -> Piece:
        """Return the hash of a known chain, or of the provisioned key."""
        algorithm = self.responder_algorithm
        if algorithm is None:
            raise LocalProtocolError(self.state, f"slot {slot}", "no signature algorithm was negotiated")
        try:
            return self.peer.hash_of(slot, algorithm, self.hash_algorithm, rule)
        except KeyError:
            raise LocalProtocolError(self.state, f"slot {slot}", "its chain is not known") from None

    def verify(self, answer: Answer, pieces: Pieces, slot: int, **account: Any) -> SignatureCheck:
        """Check the responder's signature. Raises CheckFailedError."""
        signer = self.signer(of_requester=False)
        try:
            key = self.peer.public_key(slot, signer.algorithm)
        except KeyError:
            raise LocalProtocolError(self.state, f"slot {slot}", "its key is not known") from None
        account["slot"] = None if slot == RAW_PUBLIC_KEY_SLOT else slot
        others = {f"slot {other} of the responder": known.public_key for other, known in self.peer.chains.items()}
        account["background"] = Background.of(self.transcript, account["context"], answer.context, other_keys=others)
        return signer.verify(key, answer.message.signature, pieces, **account)

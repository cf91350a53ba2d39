"""Checking what a conversation signs and authenticates, as far as the captured bytes and the secrets allow.

This file finds the key for a proof and enters the outcome into the record. What a proof covers is decided by the
conversation and its transcript; how one is checked is `pytio.spdm.proofs`'.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from pytio.capture.records import Check
from pytio.crypto import UnsupportedAlgorithmError
from pytio.errors import DecodeError
from pytio.spdm import algorithms
from pytio.spdm.codes import SpdmCode
from pytio.spdm.proofs import Background, HmacProof, Proof, SignatureProof
from pytio.spdm.signing import SigningContext

if TYPE_CHECKING:
    from collections.abc import Hashable

    from pytio.capture.conversation import Conversation
    from pytio.capture.draft import Draft
    from pytio.capture.session_keys import SessionKeys, Side
    from pytio.crypto import HashAlgorithm, PublicKey
    from pytio.spdm.transcript import Pieces

__all__ = ("Checker",)

_CONTEXTS: Final = {
    (SpdmCode.CHALLENGE_AUTH, False): SigningContext.RESPONDER_CHALLENGE_AUTH,
    (SpdmCode.CHALLENGE_AUTH, True): SigningContext.REQUESTER_CHALLENGE_AUTH,
    (SpdmCode.MEASUREMENTS, False): SigningContext.RESPONDER_MEASUREMENTS,
    (SpdmCode.KEY_EXCHANGE_RSP, False): SigningContext.RESPONDER_KEY_EXCHANGE_RSP,
    (SpdmCode.FINISH, True): SigningContext.REQUESTER_FINISH,
    (SpdmCode.ENDPOINT_INFO, False): SigningContext.RESPONDER_ENDPOINT_INFO,
    (SpdmCode.ENDPOINT_INFO, True): SigningContext.REQUESTER_ENDPOINT_INFO,
}
"""By message, and whether the requester signs it."""

_SIDES: Final = {False: "responder", True: "requester"}


class Checker:
    """Checks the proofs of one conversation."""

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation

    def signature(
        self,
        draft: Draft,
        code: SpdmCode,
        pieces: Pieces,
        value: bytes,
        *,
        slot: int,
        by_requester: bool = False,
        session: Hashable = None,
    ) -> None:
        """Check a signature and enter the outcome into the record, or why it could not be checked."""
        negotiated = self._conversation.negotiated
        context = _CONTEXTS.get((code, by_requester))
        what = f"{code.name} signature"
        if negotiated is None or context is None:
            return
        base, pqc = (
            (negotiated.req_base_asym, negotiated.req_pqc_asym)
            if by_requester
            else (negotiated.base_asym, negotiated.pqc_asym)
        )
        try:
            hash_algorithm = algorithms.hash_algorithm(negotiated.base_hash)
            chains = self._conversation.chains(by_requester=by_requester)
            proof = SignatureProof(
                what=what,
                version=negotiated.version,
                hash_algorithm=hash_algorithm,
                pieces=pieces,
                value=value,
                context=context,
                algorithm=algorithms.signature_algorithm(base or pqc),
                key=chains.key(slot, hash_algorithm),
                chain=chains.portions(slot),
                background=Background(vca=self._conversation.transcript.vca),
            )
            if proof.key is None:
                whose = f"of the {_SIDES[by_requester]}'s slot {slot}"
                draft.notes.append(f"{what} is not checked: the public key {whose} is not known")
                return
            self._enter(draft, proof, context, session)
        except (DecodeError, UnsupportedAlgorithmError, ValueError) as error:
            draft.notes.append(f"{what} is not checked: {error}")

    def verify_data(self, draft: Draft, what: str, pieces: Pieces, value: bytes, keys: SessionKeys, side: Side) -> None:
        """Check verify data and enter the outcome into the record, or that no secret is there to check it with."""
        negotiated = self._conversation.negotiated
        assert negotiated is not None
        proof = HmacProof(
            what=what,
            version=negotiated.version,
            hash_algorithm=keys.schedule.hash_algorithm,
            pieces=pieces,
            value=value,
            keys=keys.finished_keys(side),
            other_direction=keys.finished_keys("response" if side == "request" else "request"),
        )
        if not proof.keys:
            draft.notes.append(f"{what} is not checked: no secret of the session is known")
            return
        self._enter(draft, proof)

    def _enter(
        self, draft: Draft, proof: Proof, context: SigningContext | None = None, session: Hashable = None
    ) -> None:
        is_good = proof.holds
        if not is_good:
            background = Background.of(
                self._conversation.transcript,
                context,
                session,
                other_keys=self._keys(proof.hash_algorithm),
                roots=self._roots(proof.hash_algorithm),
            )
            proof = attrs.evolve(proof, background=background)
        draft.checks.append(Check(proof, is_good))

    def _keys(self, algorithm: HashAlgorithm) -> dict[str, PublicKey]:
        return {
            f"slot {slot} of the {side}": key
            for by_requester, side in _SIDES.items()
            for slot, key in self._conversation.chains(by_requester=by_requester).keys(algorithm)
        }

    def _roots(self, algorithm: HashAlgorithm) -> tuple[bytes, ...]:
        sides = [self._conversation.chains(by_requester=by_requester) for by_requester in _SIDES]
        return tuple(root for chains in sides for root in chains.roots(algorithm))

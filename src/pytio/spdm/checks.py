"""The signatures and HMACs that an engine makes and checks, each with an account of what it covers (DSP0274).

An engine reports every one of them, good or bad; what they are made of is in `pytio.spdm.proofs`. This file signs,
verifies and keeps account. It does not know what enters a transcript, nor when a check is due.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

import attrs

from pytio.crypto import HashAlgorithm, Provider, PublicKey, Secret, SignatureAlgorithm
from pytio.errors import VerificationError
from pytio.spdm.explain import FAILS, HOLDS, explain_outcome
from pytio.spdm.mistakes import Fit, find_mistake
from pytio.spdm.proofs import HmacProof, Proof, SignatureProof
from pytio.spdm.signing import SigningInput, signing_input
from pytio.spdm.transcript import Pieces

if TYPE_CHECKING:
    from pytio.crypto import KeyMaterial, SigningKey
    from pytio.spdm.key_schedule import KeySchedule

__all__ = ("CheckFailedError", "HmacCheck", "SignatureCheck", "Signer", "check_hmac", "made_hmac")

_MADE: Final = "made"


P = TypeVar("P", bound=Proof)


@attrs.frozen
class _Check(Generic[P]):
    """What the account of a signature and that of an HMAC have in common."""

    proof: P
    """What it covers, how it was made, and the value itself."""
    is_ours: bool = False
    """Whether this side made it, rather than checked it."""

    @property
    def what(self) -> str:
        """The message and its field, such as ``CHALLENGE_AUTH signature``."""
        return self.proof.what

    @property
    def pieces(self) -> Pieces:
        """What is covered, in order."""
        return self.proof.pieces

    @property
    def digest(self) -> bytes:
        """Hash(transcript)."""
        return self.proof.digest

    @property
    def value(self) -> bytes:
        """The field: the signature in wire encoding, or the verify data."""
        return self.proof.value

    def explain(self) -> str:
        """Return what it covers and how it was made, message by message."""
        return explain_outcome(self.proof, _MADE if self.is_ours else HOLDS)


@attrs.frozen
class SignatureCheck(_Check[SignatureProof]):
    """A signature over a transcript."""

    slot: int | None = None
    """The slot the key belongs to; None for a key that was provisioned out of band."""

    @property
    def signature(self) -> bytes:
        """The signature in wire encoding."""
        return self.proof.value


@attrs.frozen
class HmacCheck(_Check[HmacProof]):
    """Verify data: an HMAC over the hash of a transcript. The key is no part of it."""


class CheckFailedError(VerificationError):
    """A signature or an HMAC of the peer does not hold.

    Attributes:
        check: what was checked, with its pieces.
    """

    def __init__(self, check: SignatureCheck | HmacCheck, fit: Fit | None = None) -> None:
        super().__init__(check.what, check.pieces)
        self.args = (check, fit)
        self.check = check
        self._fit = fit

    @property
    def fit(self) -> Fit | None:
        """The known mistake that would explain it, None if none does; for a signature it is looked for when asked."""
        return find_mistake(self.check.proof) if self._fit is None else self._fit

    def __str__(self) -> str:
        """Say what failed, and which known mistake would explain it."""
        return f"{super().__str__()}: {self.fit or 'none of the known mistakes'}"

    def explain(self) -> str:
        """Return what it covers, message by message, and the known mistake that would explain it."""
        return explain_outcome(self.check.proof, FAILS, self.fit)


@attrs.frozen
class Signer:
    """Everything about a signature but the transcript: what one side negotiated for itself."""

    version: int
    algorithm: SignatureAlgorithm
    hash_algorithm: HashAlgorithm

    def sign(
        self, provider: Provider, key: SigningKey, pieces: Pieces, *, slot: int | None, **account: Any
    ) -> SignatureCheck:
        """Sign a transcript; ``account`` is ``what`` and ``context`` of the `SignatureProof`.

        Raises ValueError if the key does not serve the algorithm, UnsupportedAlgorithmError if the library lacks it.
        """
        proof = self._proof(key.public_key, b"", pieces, **account)
        signed = _signed(proof)
        value = provider.sign(key, signed.message, signed.parameters(self.algorithm, self.hash_algorithm))
        return SignatureCheck(attrs.evolve(proof, value=value), is_ours=True, slot=slot)

    def verify(
        self, public_key: PublicKey, signature: bytes, pieces: Pieces, *, slot: int | None, **account: Any
    ) -> SignatureCheck:
        """Check a signature over a transcript. Raises CheckFailedError if it does not hold."""
        check = SignatureCheck(self._proof(public_key, signature, pieces, **account), slot=slot)
        if not check.proof.holds:
            raise CheckFailedError(check)
        return check

    def _proof(self, public_key: PublicKey, value: bytes, pieces: Pieces, **account: Any) -> SignatureProof:
        return SignatureProof(
            version=self.version,
            algorithm=self.algorithm,
            hash_algorithm=self.hash_algorithm,
            pieces=pieces,
            value=value,
            key=public_key,
            **account,
        )


def _signed(proof: SignatureProof) -> SigningInput:
    return signing_input(proof.version, proof.context, proof.digest)


def made_hmac(schedule: KeySchedule, finished_key: KeyMaterial, what: str, pieces: Pieces) -> HmacCheck:
    """Return verify data over a transcript, and its account."""
    proof = _hmac_proof(schedule, what, pieces, b"")
    return HmacCheck(attrs.evolve(proof, value=schedule.finished_hmac(finished_key, proof.digest)), is_ours=True)


def check_hmac(
    schedule: KeySchedule, finished_key: KeyMaterial, what: str, pieces: Pieces, received: bytes
) -> HmacCheck:
    """Return the account of verify data, compared in constant time. Raises CheckFailedError if they do not hold."""
    check = HmacCheck(_hmac_proof(schedule, what, pieces, received))
    keyed = attrs.evolve(check.proof, keys=(Secret(finished_key),))
    if not keyed.holds:
        raise CheckFailedError(check, find_mistake(keyed))
    return check


def _hmac_proof(schedule: KeySchedule, what: str, pieces: Pieces, value: bytes) -> HmacProof:
    """Return an account without the key."""
    return HmacProof(
        what=what, version=schedule.version, hash_algorithm=schedule.hash_algorithm, pieces=pieces, value=value
    )

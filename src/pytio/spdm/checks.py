"""What a signature or an HMAC covers, made or checked, so that it can be explained (DSP0274).

An engine reports every one of them as an event, good or bad, with its pieces: which bytes of which message, and the
rule that put them there. This file signs, verifies and keeps account. It does not know what enters a transcript
(`pytio.spdm.transcript`), nor when a check is due.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs

from pytio.crypto import HashAlgorithm, Provider, PublicKey, Secret, SignatureAlgorithm, byte_reversed, digest
from pytio.errors import VerificationError
from pytio.spdm.codes import SpdmVersion
from pytio.spdm.explain import FAILS, HOLDS, explain_outcome
from pytio.spdm.mistakes import Fit, find_mistake
from pytio.spdm.proofs import Background, HmacProof, SignatureProof
from pytio.spdm.signing import SigningContext, signing_input
from pytio.spdm.transcript import Pieces

if TYPE_CHECKING:
    from pytio.crypto import KeyMaterial, SigningKey
    from pytio.spdm.key_schedule import KeySchedule

__all__ = ("CheckFailedError", "HmacCheck", "SignatureCheck", "Signer", "check_hmac", "check_signature", "made_hmac")


_MADE: Final = "made"


@attrs.frozen
class SignatureCheck:
    """A signature over a transcript."""

    what: str
    """The message and its field, such as ``CHALLENGE_AUTH signature``."""
    context: SigningContext
    """Who signs what for; part of what is signed from 1.2 on."""
    version: int
    """The negotiated SPDM version."""
    algorithm: SignatureAlgorithm
    """The signature algorithm."""
    hash_algorithm: HashAlgorithm
    """The negotiated base hash."""
    pieces: Pieces
    """What is covered, in order."""
    signature: bytes
    """In wire encoding."""
    public_key: PublicKey
    """The key it is to hold under."""
    slot: int | None
    """The slot the key belongs to; None for a key that was provisioned out of band."""
    is_ours: bool = False
    """Whether this side made it, rather than checked it."""
    background: Background = attrs.field(default=Background(), repr=False, eq=False)
    """What helps to find out why it fails."""

    @property
    def proof(self) -> SignatureProof:
        """The same as a proof, which can be asked for more."""
        return SignatureProof(
            what=self.what,
            version=self.version,
            hash_algorithm=self.hash_algorithm,
            pieces=self.pieces,
            value=self.signature,
            context=self.context,
            algorithm=self.algorithm,
            key=self.public_key,
            background=self.background,
        )

    def explain(self) -> str:
        """Return what it covers and how it was made, message by message."""
        return explain_outcome(self.proof, _MADE if self.is_ours else HOLDS)

    @property
    def digest(self) -> bytes:
        """Hash(transcript)."""
        return digest(self.hash_algorithm, *(piece.data for piece in self.pieces))

    @property
    def message(self) -> bytes:
        """What the signature algorithm is given: the digest alone up to 1.1, the digest behind its prefix after."""
        return signing_input(self.version, self.context, self.digest).message


@attrs.frozen
class HmacCheck:
    """Verify data: an HMAC over the hash of a transcript. The key is no part of it."""

    what: str
    """The message and its field, such as ``FINISH RequesterVerifyData``."""
    hash_algorithm: HashAlgorithm
    """The negotiated base hash."""
    pieces: Pieces
    """What is covered, in order."""
    value: bytes
    """The field."""
    is_ours: bool = False
    """Whether this side made it, rather than checked it."""

    @property
    def proof(self) -> HmacProof:
        """The same as a proof; it cannot be checked, since the key is no part of it."""
        vca = [piece for piece in self.pieces if piece.rule == "A"]
        return HmacProof(
            what=self.what,
            version=vca[-1].data[0] if vca else SpdmVersion.V1_1,
            hash_algorithm=self.hash_algorithm,
            pieces=self.pieces,
            value=self.value,
        )

    def explain(self) -> str:
        """Return what it covers, message by message."""
        return explain_outcome(self.proof, _MADE if self.is_ours else HOLDS)

    @property
    def digest(self) -> bytes:
        """Hash(transcript), which the HMAC is over."""
        return digest(self.hash_algorithm, *(piece.data for piece in self.pieces))


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

    def sign(self, provider: Provider, key: SigningKey, pieces: Pieces, **account: Any) -> SignatureCheck:
        """Sign a transcript; ``account`` is ``what``, ``context`` and ``slot`` of the `SignatureCheck` returned.

        Raises ValueError if the key does not serve the algorithm, UnsupportedAlgorithmError if the library lacks it.
        """
        check = self._account(pieces, b"", key.public_key, is_ours=True, **account)
        given = signing_input(self.version, check.context, check.digest)
        parameters = given.parameters(self.algorithm, self.hash_algorithm)
        return attrs.evolve(check, signature=provider.sign(key, given.message, parameters))

    def verify(self, public_key: PublicKey, signature: bytes, pieces: Pieces, **account: Any) -> SignatureCheck:
        """Check a signature over a transcript. Raises CheckFailedError if it does not hold."""
        check = self._account(pieces, signature, public_key, is_ours=False, **account)
        check_signature(check)
        return check

    def _account(
        self, pieces: Pieces, signature: bytes, public_key: PublicKey, *, is_ours: bool, **account: Any
    ) -> SignatureCheck:
        return SignatureCheck(
            version=self.version,
            algorithm=self.algorithm,
            hash_algorithm=self.hash_algorithm,
            pieces=pieces,
            signature=signature,
            public_key=public_key,
            is_ours=is_ours,
            **account,
        )


def check_signature(check: SignatureCheck) -> None:
    """Raise CheckFailedError unless the signature holds.

    Up to 1.1 the byte order of RSA and ECDSA signatures is open (SPDM_U5), so either one is accepted.
    """
    given = signing_input(check.version, check.context, check.digest)
    parameters = given.parameters(check.algorithm, check.hash_algorithm)
    candidates = [check.signature]
    if check.version < SpdmVersion.V1_2:
        candidates.append(byte_reversed(check.algorithm, check.signature))
    for candidate in candidates:
        try:
            check.public_key.verify(candidate, given.message, parameters, what=check.what)
        except VerificationError:
            continue
        return
    raise CheckFailedError(check)


def made_hmac(schedule: KeySchedule, finished_key: KeyMaterial, what: str, pieces: Pieces) -> HmacCheck:
    """Return verify data over a transcript, and its account."""
    check = HmacCheck(what, schedule.hash_algorithm, pieces, b"", is_ours=True)
    return attrs.evolve(check, value=schedule.finished_hmac(finished_key, check.digest))


def check_hmac(
    schedule: KeySchedule, finished_key: KeyMaterial, what: str, pieces: Pieces, received: bytes
) -> HmacCheck:
    """Return the account of verify data, compared in constant time. Raises CheckFailedError if they do not hold."""
    check = HmacCheck(what, schedule.hash_algorithm, pieces, received)
    try:
        schedule.verify_finished_hmac(finished_key, check.digest, received, what)
    except VerificationError:
        keyed = attrs.evolve(check.proof, keys=(Secret(finished_key),))
        raise CheckFailedError(check, find_mistake(keyed)) from None
    return check

"""A signature or an HMAC with everything it takes to check it, and to say what it covers (DSP0274).

Requester, responder and listener make the same objects: the pieces come from `pytio.spdm.transcript`, keys and sizes
from whoever knows them. This file checks. Why a proof fails is looked for in `pytio.spdm.mistakes`; how one is shown is
`pytio.spdm.explain`'s.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Self

import attrs

from pytio.crypto import byte_reversed, digest, verify_hmac
from pytio.errors import VerificationError
from pytio.spdm.codes import SpdmVersion
from pytio.spdm.signing import SigningContext, SigningInput, combined_spdm_prefix, signing_input
from pytio.spdm.transcript import Pieces, Transcript

if TYPE_CHECKING:
    from pytio.crypto import HashAlgorithm, PublicKey, Secret, SignatureAlgorithm

__all__ = ("Background", "HmacProof", "Proof", "SignatureProof")

_NO_KEYS: Final[Mapping[str, PublicKey]] = MappingProxyType({})


@attrs.frozen
class Background:
    """What else was said around a proof: what a mistaken peer may have covered, or signed with, instead."""

    vca: Pieces = ()
    """A, whether the proof covers it or not."""
    dropped: tuple[Pieces, ...] = ()
    """What resets have removed from this transcript, one run for each reset, oldest first."""
    strays: Pieces = ()
    """Requests of this transcript that were not answered, or answered by ERROR, and those ERRORs."""
    digests: Pieces = ()
    """The first DIGESTS, whether the proof covers it or not."""
    other_keys: Mapping[str, PublicKey] = _NO_KEYS
    """Public keys of other slots and of the other side, by what they are."""
    roots: tuple[bytes, ...] = ()
    """Root certificates, DER, that a chain may have left out."""

    @classmethod
    def of(
        cls,
        transcript: Transcript,
        context: SigningContext | None = None,
        session: Hashable = None,
        *,
        other_keys: Mapping[str, PublicKey] = _NO_KEYS,
        roots: tuple[bytes, ...] = (),
    ) -> Self:
        """Return what a transcript remembers of the way to a signature, and what else is known."""
        rule = _RESET_TRANSCRIPTS.get(context)
        return cls(
            vca=transcript.vca,
            dropped=transcript.dropped(rule, session) if rule else (),
            strays=transcript.strays(rule, session) if rule else (),
            digests=(transcript.first_digests,) if transcript.first_digests else (),
            other_keys=other_keys,
            roots=roots,
        )


_RESET_TRANSCRIPTS: Final[Mapping[SigningContext | None, str]] = {
    SigningContext.RESPONDER_CHALLENGE_AUTH: "B",
    SigningContext.REQUESTER_CHALLENGE_AUTH: "mutB",
    SigningContext.RESPONDER_MEASUREMENTS: "L",
}
"""The transcripts that resets end, by what is signed."""


@attrs.frozen(kw_only=True)
class Proof:
    """What a signature and an HMAC have in common."""

    what: str
    """The message and the field, as in ``CHALLENGE_AUTH signature``."""
    version: int
    """The negotiated SPDM version."""
    hash_algorithm: HashAlgorithm
    """The negotiated base hash."""
    pieces: Pieces
    """What it covers, in order."""
    value: bytes = attrs.field(repr=lambda value: f"<{len(value)} bytes>")
    """The signature or the HMAC itself, as it was sent."""
    background: Background = attrs.field(default=Background(), repr=False, eq=False)
    """What helps to find out why it fails."""

    @property
    def digest(self) -> bytes:
        """The hash of the pieces. Raises UnsupportedAlgorithmError if the library lacks the hash."""
        return self.digest_of(self.pieces)

    def digest_of(self, pieces: Pieces) -> bytes:
        """Return the hash of pieces, one after the other."""
        return digest(self.hash_algorithm, *(piece.data for piece in pieces))

    @property
    def can_be_checked(self) -> bool:
        """Whether a key is there to check it with."""
        raise NotImplementedError

    def holds_over(self, pieces: Pieces) -> bool:
        """Return whether it would hold if it covered ``pieces``.

        Raises UnsupportedAlgorithmError if the library lacks an algorithm.
        """
        raise NotImplementedError

    @property
    def holds(self) -> bool:
        """Whether it holds. Raises UnsupportedAlgorithmError if the library lacks an algorithm."""
        return self.holds_over(self.pieces)

    def verify(self) -> None:
        """Raise VerificationError, which carries the pieces, if it does not hold, or no key is there to check it with.

        Raises UnsupportedAlgorithmError if the library lacks an algorithm.
        """
        if not self.can_be_checked or not self.holds:
            raise VerificationError(self.what, self.pieces)

    def explain(self) -> str:
        """Return what it covers and, if it does not hold, which known mistake would explain it; see `explain`."""
        from pytio.spdm.explain import explain  # noqa: PLC0415  explanations need proofs

        return explain(self)


@attrs.frozen(kw_only=True)
class SignatureProof(Proof):
    """A signature and what it covers."""

    context: SigningContext
    """Who signs which message."""
    algorithm: SignatureAlgorithm
    """The negotiated signature algorithm of the signer."""
    key: PublicKey | None = None
    """The public key of the slot that signs; None where it is not known."""
    chain: Pieces = attrs.field(default=(), repr=False)
    """The certificate chain that the key was taken from, in the portions in which it was read."""

    @property
    def can_be_checked(self) -> bool:
        """Whether the signer's public key is known."""
        return self.key is not None

    @property
    def prefix(self) -> bytes:
        """What stands before the digest in what is signed, ``PREFIX_SIZE`` bytes; none up to 1.1."""
        return combined_spdm_prefix(self.version, self.context) if self.version >= SpdmVersion.V1_2 else b""

    def holds_over(self, pieces: Pieces) -> bool:
        """Return whether it would hold if it covered ``pieces``; False without a key.

        Up to 1.1 the byte order of RSA and ECDSA signatures is open (SPDM_U5), so either one holds. Raises
        UnsupportedAlgorithmError if the library lacks an algorithm.
        """
        signed = signing_input(self.version, self.context, self.digest_of(pieces))
        values = [self.value]
        if self.version < SpdmVersion.V1_2:
            values.append(byte_reversed(self.algorithm, self.value))
        return any(self.accepts(signed, value=value) for value in values)

    def accepts(
        self,
        signed: SigningInput,
        *,
        hash_algorithm: HashAlgorithm | None = None,
        value: bytes | None = None,
        key: PublicKey | None = None,
    ) -> bool:
        """Return whether the signature is one of ``signed``; the other arguments stand in for the proof's own.

        Raises UnsupportedAlgorithmError if the library lacks an algorithm.
        """
        key = key or self.key
        if key is None:
            return False
        try:
            parameters = signed.parameters(self.algorithm, hash_algorithm or self.hash_algorithm)
            key.verify(value or self.value, signed.message, parameters, what=self.what)
        except (VerificationError, ValueError):  # a form that the algorithm does not have was not signed, either
            return False
        return True


@attrs.frozen(kw_only=True)
class HmacProof(Proof):
    """Verify data, which is an HMAC, and what it covers."""

    keys: tuple[Secret, ...] = attrs.field(default=(), repr=False)
    """The finished key of the sender's direction, or where nothing has settled it yet, all that are possible."""
    other_direction: tuple[Secret, ...] = attrs.field(default=(), repr=False)
    """The finished keys of the other direction."""

    @property
    def can_be_checked(self) -> bool:
        """Whether a finished key is known."""
        return bool(self.keys)

    def holds_over(self, pieces: Pieces) -> bool:
        """Return whether it would hold if it covered ``pieces``: it is the HMAC of their hash."""
        return self.accepts(self.digest_of(pieces))

    def accepts(self, hashed: bytes, *, keys: tuple[Secret, ...] | None = None) -> bool:
        """Return whether it is the HMAC of ``hashed`` under one of the keys.

        Raises UnsupportedAlgorithmError if the library lacks the hash.
        """
        return any(self._is_hmac(key, hashed) for key in (self.keys if keys is None else keys))

    def _is_hmac(self, key: Secret, hashed: bytes) -> bool:
        try:
            verify_hmac(self.hash_algorithm, key, self.value, hashed, what=self.what)
        except VerificationError:
            return False
        return True

"""Mistakes that implementations of SPDM are known to make when they sign or authenticate, and how each is recognized.

A proof that fails does not say why. But if the peer made one of these mistakes, its proof holds over what the mistake
makes of the transcript; so each is tried, and the one that fits is the reason. A table has one row for each mistake.
This file tries; it decides nothing: a proof that holds only by mistake is a proof that does not hold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import Enum
from itertools import chain
from typing import Final, Self

import attrs

from pytio.spdm import _mistaken_making, _mistaken_pieces
from pytio.spdm.proofs import HmacProof, Proof, SignatureProof
from pytio.spdm.transcript import Pieces, joined

__all__ = ("Fit", "KnownMistake", "find_mistake", "fits")


class KnownMistake(Enum):
    """What the peer did instead, and where it is written how it should be."""

    NO_VCA = "A is left out: the messages from GET_VERSION to ALGORITHMS", "DSP0274, message transcripts"
    WITH_VCA = "A is covered, which this version leaves out here", "DSP0274, message transcripts"
    LAST_PAIR_ONLY = "only the last request and its response are covered", "DSP0274, message transcripts"
    MISSING_RESET = "what a reset removes is covered all the same", "DSP0274, transcript resets"
    FAILED_ATTEMPT = (
        "a request that was sent again, or answered by ERROR, is covered all the same",
        "DSP0274, transcript resets",
    )
    PADDING = "messages are covered with the padding that follows them on the transport", "DSP0274, message transcripts"
    WITHOUT_ROOT = "the hash of a certificate chain leaves out its root certificate", "DSP0274, certificate chain"
    WITH_ROOT = (
        "the hash of a certificate chain has a root certificate that the chain leaves out",
        ("DSP0274, certificate chain"),
    )
    CERTIFICATES_ONLY = (
        "the hash of a certificate chain leaves out length and RootHash",
        "DSP0274, certificate chain",
    )
    CHAIN_NOT_HASHED = "a certificate chain is covered itself, not its hash", "DSP0274, transcript of a session"
    NO_CHAIN = "the hash of the responder's certificate chain is left out", "DSP0274, transcript of a session"
    NO_REQUESTER_CHAIN = "the hash of the requester's certificate chain is left out", "DSP0274, transcript of a session"
    NO_DIGESTS = "the first DIGESTS of a multi-key connection is left out", "DSP0274, transcript of a session"
    WITH_DIGESTS = "DIGESTS is covered, though this is no multi-key connection", "DSP0274, transcript of a session"
    NO_VERIFY_DATA = "ResponderVerifyData of the key exchange is left out", "DSP0274, transcript of a session"
    OLDER_FORM = "it is made the way of SPDM 1.0 and 1.1, without prefix", "DSP0274, signature generation"
    NEWER_FORM = "it is made the way of SPDM 1.2 and later, with a prefix", "DSP0274, signature generation"
    OTHER_VERSION = "the prefix names another version", "DSP0274, signature generation"
    OTHER_PURPOSE = "the prefix names another message or signer", "DSP0274, signature generation"
    NO_CONTEXT = "the context parameter of the signature algorithm is empty", "DSP0274, signature generation"
    NOT_HASHED = "it is made over the transcript itself, not its hash", "DSP0274, signature generation and HMAC"
    OTHER_HASH = "another hash is used", "DSP0274, signature generation"
    LITTLE_ENDIAN = "its integers are in little-endian byte order", "DSP0274, signature encoding"
    S_BEFORE_R = "s stands before r", "DSP0274, signature encoding"
    OTHER_KEY = "it is made with another key", "DSP0274, certificate slots"
    OTHER_DIRECTION = "it is made with the finished key of the other direction", "DSP0274, key schedule"

    def __new__(cls, text: str, section: str) -> Self:
        """Make a member out of its row."""
        member = object.__new__(cls)
        member._value_ = text
        member.section = section
        return member

    section: str

    def __str__(self) -> str:
        """Return the mistake as a clause."""
        return str(self.value)


@attrs.frozen
class Fit:
    """A mistake that explains a proof."""

    mistake: KnownMistake
    detail: str = ""
    """Which hash, key or version it was, where the mistake alone does not say."""
    pieces: Pieces = ()
    """What the proof covers by mistake, where that differs from what it should."""

    def __str__(self) -> str:
        """Say mistake and detail."""
        return f"{self.mistake}: {self.detail}" if self.detail else str(self.mistake)


def find_mistake(proof: Proof) -> Fit | None:
    """Return the known mistake that would explain why a proof does not hold, None if none of them does.

    For a proof that holds there is nothing to explain. Raises UnsupportedAlgorithmError if the library lacks an
    algorithm of the proof.
    """
    return next(fits(proof), None)


def fits(proof: Proof) -> Iterator[Fit]:
    """Yield every known mistake that would explain why a proof does not hold. Raises what ``find_mistake`` raises."""
    if proof.can_be_checked and not proof.holds:
        yield from chain(_covered_by_mistake(proof), _made_by_mistake(proof))


def _covered_by_mistake(proof: Proof) -> Iterator[Fit]:
    for mistake, variants in _COVERED.items():
        for pieces in variants(proof):
            if joined(pieces) != joined(proof.pieces) and proof.holds_over(pieces):
                yield Fit(mistake, pieces=pieces)


def _made_by_mistake(proof: Proof) -> Iterator[Fit]:
    if isinstance(proof, SignatureProof):
        for mistake, details in _SIGNED.items():
            yield from (Fit(mistake, detail) for detail in details(proof))
    if isinstance(proof, HmacProof):
        for mistake, details_of_hmac in _AUTHENTICATED.items():
            yield from (Fit(mistake, detail) for detail in details_of_hmac(proof))


_COVERED: Final[dict[KnownMistake, Callable[[Proof], Iterator[Pieces]]]] = {
    KnownMistake.NO_VCA: _mistaken_pieces.no_vca,
    KnownMistake.WITH_VCA: _mistaken_pieces.with_vca,
    KnownMistake.MISSING_RESET: _mistaken_pieces.missing_reset,
    KnownMistake.FAILED_ATTEMPT: _mistaken_pieces.failed_attempt,
    KnownMistake.LAST_PAIR_ONLY: _mistaken_pieces.last_pair_only,
    KnownMistake.PADDING: _mistaken_pieces.padding,
    KnownMistake.WITHOUT_ROOT: _mistaken_pieces.without_root,
    KnownMistake.WITH_ROOT: _mistaken_pieces.with_root,
    KnownMistake.CERTIFICATES_ONLY: _mistaken_pieces.certificates_only,
    KnownMistake.CHAIN_NOT_HASHED: _mistaken_pieces.chain_not_hashed,
    KnownMistake.NO_CHAIN: _mistaken_pieces.without("Ct"),
    KnownMistake.NO_REQUESTER_CHAIN: _mistaken_pieces.without("ED", "CM"),
    KnownMistake.NO_DIGESTS: _mistaken_pieces.without("D"),
    KnownMistake.WITH_DIGESTS: _mistaken_pieces.with_digests,
    KnownMistake.NO_VERIFY_DATA: _mistaken_pieces.no_verify_data,
}
"""Mistakes about what is covered: each yields what a peer that makes it may cover."""


_SIGNED: Final[dict[KnownMistake, Callable[[SignatureProof], Iterator[str]]]] = {
    KnownMistake.OLDER_FORM: _mistaken_making.older_form,
    KnownMistake.NEWER_FORM: _mistaken_making.newer_form,
    KnownMistake.OTHER_VERSION: _mistaken_making.other_version,
    KnownMistake.OTHER_PURPOSE: _mistaken_making.other_purpose,
    KnownMistake.NO_CONTEXT: _mistaken_making.no_context,
    KnownMistake.NOT_HASHED: _mistaken_making.not_hashed,
    KnownMistake.OTHER_HASH: _mistaken_making.other_hash,
    KnownMistake.LITTLE_ENDIAN: _mistaken_making.little_endian,
    KnownMistake.S_BEFORE_R: _mistaken_making.s_before_r,
    KnownMistake.OTHER_KEY: _mistaken_making.other_key,
}
"""Mistakes about how a signature is made: each yields a detail, or an empty text, where it fits."""


_AUTHENTICATED: Final[dict[KnownMistake, Callable[[HmacProof], Iterator[str]]]] = {
    KnownMistake.NOT_HASHED: _mistaken_making.hmac_not_hashed,
    KnownMistake.OTHER_DIRECTION: _mistaken_making.other_direction,
}
"""The same for HMACs."""

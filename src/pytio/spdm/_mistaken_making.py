"""How a peer may make a signature or an HMAC by mistake, over the right pieces.

Each function yields a detail, or an empty text, where a proof was made that way. The table that names the mistakes is
in `pytio.spdm.mistakes`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import attrs

from pytio.crypto import HashAlgorithm, SignatureScheme, UnsupportedAlgorithmError, byte_reversed, digest
from pytio.spdm.codes import SpdmVersion
from pytio.spdm.proofs import HmacProof, SignatureProof
from pytio.spdm.signing import SigningContext, SigningInput, combined_spdm_prefix, signing_input
from pytio.spdm.transcript import joined

_PREFIXED_VERSIONS: Final = (SpdmVersion.V1_2, SpdmVersion.V1_3, SpdmVersion.V1_4)


def _accepts(proof: SignatureProof, signed: SigningInput, **other: Any) -> bool:
    """Ask the proof; what the library cannot compute was not the mistake."""
    try:
        return proof.accepts(signed, **other)
    except UnsupportedAlgorithmError:
        return False


def older_form(proof: SignatureProof) -> Iterator[str]:
    """Sign the hash of the transcript as 1.0 and 1.1 do."""
    if proof.version >= SpdmVersion.V1_2 and (
        _accepts(proof, SigningInput(proof.digest, is_digest=True, context=b""))
        or _accepts(proof, SigningInput(proof.digest, is_digest=False, context=b""))
    ):
        yield ""


def newer_form(proof: SignatureProof) -> Iterator[str]:
    """Sign prefix and hash as 1.2 and later do."""
    if proof.version >= SpdmVersion.V1_2:
        return
    for version in _PREFIXED_VERSIONS:
        prefix = combined_spdm_prefix(version, proof.context)
        if _accepts(proof, SigningInput(prefix + proof.digest, is_digest=False, context=proof.context.value)):
            yield f"of version 1.{version & 0xF}"


def other_version(proof: SignatureProof) -> Iterator[str]:
    """Name another version in the prefix."""
    if proof.version < SpdmVersion.V1_2:
        return
    for version in _PREFIXED_VERSIONS:
        if version != proof.version and _accepts(proof, signing_input(version, proof.context, proof.digest)):
            yield f"1.{version & 0xF}"


def other_purpose(proof: SignatureProof) -> Iterator[str]:
    """Name another message or signer in the prefix."""
    for context in SigningContext:
        if context is not proof.context and _accepts(proof, signing_input(proof.version, context, proof.digest)):
            yield context.value.decode()


def no_context(proof: SignatureProof) -> Iterator[str]:
    """Leave the context parameter empty."""
    signed = signing_input(proof.version, proof.context, proof.digest)
    if proof.algorithm.scheme.takes_context and _accepts(proof, attrs.evolve(signed, context=b"")):
        yield ""


def not_hashed(proof: SignatureProof) -> Iterator[str]:
    """Sign prefix and transcript, not its hash."""
    message = proof.prefix + joined(proof.pieces)
    if proof.prefix and _accepts(proof, SigningInput(message, is_digest=False, context=proof.context.value)):
        yield ""


def other_hash(proof: SignatureProof) -> Iterator[str]:
    """Use another hash, for transcript and signature or for one of them."""
    own, covered = proof.hash_algorithm, joined(proof.pieces)
    for algorithm in HashAlgorithm:
        if algorithm is own or not algorithm.is_supported():
            continue
        signed = signing_input(proof.version, proof.context, digest(algorithm, covered))
        for places, found in {
            "": _accepts(proof, signed, hash_algorithm=algorithm),
            ", for the transcript": _accepts(proof, signed),
            ", for the signature": _accepts(
                proof, signing_input(proof.version, proof.context, proof.digest), hash_algorithm=algorithm
            ),
        }.items():
            if found:
                yield f"{algorithm}, not {own}{places}"


def little_endian(proof: SignatureProof) -> Iterator[str]:
    """Write the integers with their least significant byte first."""
    signed = signing_input(proof.version, proof.context, proof.digest)
    reversals = (byte_reversed(proof.algorithm, proof.value), proof.value[::-1])
    if any(value != proof.value and _accepts(proof, signed, value=value) for value in reversals):
        yield ""


def s_before_r(proof: SignatureProof) -> Iterator[str]:
    """Exchange r and s."""
    if proof.algorithm.scheme is not SignatureScheme.ECDSA:
        return
    half = len(proof.value) // 2
    signed = signing_input(proof.version, proof.context, proof.digest)
    if _accepts(proof, signed, value=proof.value[half:] + proof.value[:half]):
        yield ""


def other_key(proof: SignatureProof) -> Iterator[str]:
    """Sign with the key of another slot or of the other side."""
    signed = signing_input(proof.version, proof.context, proof.digest)
    for name, key in proof.background.other_keys.items():
        if key != proof.key and _accepts(proof, signed, key=key):
            yield f"that of {name}"


def hmac_not_hashed(proof: HmacProof) -> Iterator[str]:
    """Authenticate the transcript, not its hash."""
    if proof.accepts(joined(proof.pieces)):
        yield ""


def other_direction(proof: HmacProof) -> Iterator[str]:
    """Use the finished key of the other direction."""
    if proof.accepts(proof.digest, keys=proof.other_direction):
        yield ""

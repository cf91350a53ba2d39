"""What a signer signs: the transcript hash alone up to 1.1, prefixed from 1.2 on (DSP0274, Signature generation).

This file knows the context strings and the prefix. It does not know what goes into a transcript, and it computes no
signature.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

import attrs

from pytio.crypto import HashAlgorithm, SignatureAlgorithm, SignatureParameters
from pytio.spdm.codes import SpdmVersion

__all__ = ("PREFIX_SIZE", "SigningContext", "SigningInput", "combined_spdm_prefix", "signing_input")

PREFIX_SIZE: Final = 100
"""Bytes of ``combined_spdm_prefix``."""

_MAJOR_SHIFT: Final = 4
_MINOR_MASK: Final = 0x0F
_VERSION_TEXT_REPEATS: Final = 4
_CONTEXT_FIELD_BYTES: Final = 36


class SigningContext(Enum):
    """Who signs which message: the string that separates signatures by their purpose."""

    RESPONDER_CHALLENGE_AUTH = b"responder-challenge_auth signing"
    REQUESTER_CHALLENGE_AUTH = b"requester-challenge_auth signing"
    RESPONDER_MEASUREMENTS = b"responder-measurements signing"
    RESPONDER_KEY_EXCHANGE_RSP = b"responder-key_exchange_rsp signing"
    REQUESTER_FINISH = b"requester-finish signing"
    RESPONDER_ENDPOINT_INFO = b"responder-endpoint_info signing"
    REQUESTER_ENDPOINT_INFO = b"requester-endpoint_info signing"


@attrs.frozen
class SigningInput:
    """What the signature algorithm is given."""

    message: bytes
    """The message, or its digest if ``is_digest``."""
    is_digest: bool
    """Whether the algorithm's own hashing has been done: up to 1.1 the signed value is Hash(transcript)."""
    context: bytes
    """The context parameter for the algorithms that take one: Ed448, ML-DSA, SLH-DSA."""

    def parameters(self, algorithm: SignatureAlgorithm, hash_algorithm: HashAlgorithm) -> SignatureParameters:
        """Return how to sign ``message`` by the negotiated algorithm and base hash.

        Raises ValueError for a digest and an algorithm that signs messages only: those came with 1.2.
        """
        return SignatureParameters(algorithm, hash_algorithm, self.context, self.is_digest)


def combined_spdm_prefix(version: int, context: SigningContext) -> bytes:
    """Return the ``PREFIX_SIZE`` bytes before the transcript hash: the version four times, the context right-aligned.

    Raises ValueError if ``version`` is below 0x12, where there is no prefix.
    """
    if version < SpdmVersion.V1_2:
        raise ValueError(f"SPDM version {version:#x} signs without a prefix")
    text = f"dmtf-spdm-v{version >> _MAJOR_SHIFT}.{version & _MINOR_MASK}.*".encode()
    return text * _VERSION_TEXT_REPEATS + context.value.rjust(_CONTEXT_FIELD_BYTES, b"\x00")


def signing_input(version: int, context: SigningContext, transcript_hash: bytes) -> SigningInput:
    """Return what is signed over a transcript, given its hash, under the negotiated SPDM version."""
    if version < SpdmVersion.V1_2:
        return SigningInput(message=transcript_hash, is_digest=True, context=b"")
    message = combined_spdm_prefix(version, context) + transcript_hash
    return SigningInput(message=message, is_digest=False, context=context.value)

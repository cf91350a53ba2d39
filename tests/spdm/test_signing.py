"""What is signed: the prefix from 1.2 on, the bare hash before."""

from __future__ import annotations

import pytest

from pytio.crypto import HashAlgorithm, PrivateKey, SignatureAlgorithm, SignatureParameters, digest
from pytio.spdm.signing import PREFIX_SIZE, SigningContext, SigningInput, combined_spdm_prefix, signing_input

TRANSCRIPT_HASH = bytes(range(48))
ZERO_BYTES = {
    SigningContext.RESPONDER_CHALLENGE_AUTH: 4,
    SigningContext.REQUESTER_CHALLENGE_AUTH: 4,
    SigningContext.RESPONDER_MEASUREMENTS: 6,
    SigningContext.RESPONDER_KEY_EXCHANGE_RSP: 2,
    SigningContext.REQUESTER_FINISH: 12,
    SigningContext.RESPONDER_ENDPOINT_INFO: 5,
    SigningContext.REQUESTER_ENDPOINT_INFO: 5,
}


def test_prefix_vector() -> None:
    assert combined_spdm_prefix(0x12, SigningContext.RESPONDER_CHALLENGE_AUTH).hex() == (
        "646d74662d7370646d2d76312e322e2a" * 4
        + "00000000"
        + "726573706f6e6465722d6368616c6c656e67655f61757468207369676e696e67"
    )


@pytest.mark.parametrize("context", SigningContext)
@pytest.mark.parametrize("version", [0x12, 0x13, 0x14])
def test_prefix(version: int, context: SigningContext) -> None:
    prefix = combined_spdm_prefix(version, context)
    assert len(prefix) == PREFIX_SIZE
    assert prefix[:64] == f"dmtf-spdm-v1.{version & 0xF}.*".encode() * 4
    assert prefix[64:] == bytes(ZERO_BYTES[context]) + context.value


@pytest.mark.parametrize("version", [0x12, 0x14])
def test_input_from_1_2(version: int) -> None:
    context = SigningContext.REQUESTER_FINISH
    assert signing_input(version, context, TRANSCRIPT_HASH) == SigningInput(
        message=combined_spdm_prefix(version, context) + TRANSCRIPT_HASH,
        is_digest=False,
        context=b"requester-finish signing",
    )


@pytest.mark.parametrize("version", [0x10, 0x11])
def test_input_up_to_1_1(version: int) -> None:
    context = SigningContext.RESPONDER_MEASUREMENTS
    expected = SigningInput(message=TRANSCRIPT_HASH, is_digest=True, context=b"")
    assert signing_input(version, context, TRANSCRIPT_HASH) == expected
    with pytest.raises(ValueError, match="without a prefix"):
        combined_spdm_prefix(version, context)


@pytest.mark.parametrize("version", [0x10, 0x11, 0x12, 0x13, 0x14])
def test_a_signature_by_the_book(version: int) -> None:
    """Up to 1.1 the transcript is hashed and signed like any message; from 1.2 on its hash is, after the prefix."""
    algorithm, hash_algorithm = SignatureAlgorithm.ECDSA_P384, HashAlgorithm.SHA_384
    key, transcript, context = PrivateKey.generate(algorithm), b"transcript", SigningContext.RESPONDER_CHALLENGE_AUTH
    signed = signing_input(version, context, digest(hash_algorithm, transcript))
    signature = key.sign(signed.message, signed.parameters(algorithm, hash_algorithm))
    message = transcript
    if version >= 0x12:
        message = combined_spdm_prefix(version, context) + digest(hash_algorithm, transcript)
    key.public_key.verify(signature, message, SignatureParameters(algorithm, hash_algorithm))


def test_context_reaches_the_algorithms_that_take_one() -> None:
    signed = signing_input(0x12, SigningContext.REQUESTER_FINISH, TRANSCRIPT_HASH)
    parameters = signed.parameters(SignatureAlgorithm.ED448, HashAlgorithm.SHA_384)
    assert parameters.context == b"requester-finish signing"
    with pytest.raises(ValueError, match="Ed448 signs messages, not digests"):
        signing_input(0x11, SigningContext.REQUESTER_FINISH, TRANSCRIPT_HASH).parameters(
            SignatureAlgorithm.ED448, HashAlgorithm.SHA_384
        )

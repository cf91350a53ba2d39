"""What is signed: the prefix from 1.2 on, the bare hash before."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from pytio.crypto import HashAlgorithm, PrivateKey, SignatureAlgorithm, SignatureParameters, digest, parse_certificates
from pytio.errors import VerificationError
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


# --- signatures that the reference implementation made ----------------------------------------------------------

SESSIONS = Path(__file__).parents[1] / "sessions"
LINK_TYPE_MCTP = 291
CERTIFICATE, CHALLENGE_AUTH = 0x02, 0x03
RECORDED = [
    ("s01-doe12-p384-full", 0x12, SignatureAlgorithm.ECDSA_P384, HashAlgorithm.SHA_384),
    ("s02-mctp10-rsa3072-onebyone", 0x10, SignatureAlgorithm.RSASSA_3072, HashAlgorithm.SHA_256),
    ("s03-mctp11-p256-aes128", 0x11, SignatureAlgorithm.ECDSA_P256, HashAlgorithm.SHA_256),
    ("s04-mctp12-rsapss3072-ffdhe-chacha", 0x12, SignatureAlgorithm.RSAPSS_3072, HashAlgorithm.SHA_384),
    ("s06-doe13-p256-provision", 0x13, SignatureAlgorithm.ECDSA_P256, HashAlgorithm.SHA_256),
    ("s07-doe14-p384", 0x14, SignatureAlgorithm.ECDSA_P384, HashAlgorithm.SHA_384),
]


def messages(name: str) -> Iterator[bytes]:
    """Yield the plain messages of a recording, those over DOE with their padding."""
    capture = (SESSIONS / f"{name}.pcap").read_bytes()
    is_mctp = struct.unpack_from("<I", capture, 20)[0] == LINK_TYPE_MCTP
    at = 24
    while at < len(capture):
        size = struct.unpack_from("<I", capture, at + 8)[0]
        record = capture[at + 16 : at + 16 + size]
        at += 16 + size
        if is_mctp and record[4] == 0x05:
            yield record[5:]
        elif not is_mctp and record[2] == 0x01:
            yield record[8:]


@pytest.mark.parametrize(("name", "version", "algorithm", "hash_algorithm"), RECORDED)
def test_recorded_challenges(
    name: str, version: int, algorithm: SignatureAlgorithm, hash_algorithm: HashAlgorithm
) -> None:
    """CHALLENGE_AUTH verifies under the leaf of slot 0, over the transcript hash that the signer logged."""
    log = dict(json.loads((SESSIONS / f"{name}.json").read_text())["key_schedule"])
    signed = signing_input(version, SigningContext.RESPONDER_CHALLENGE_AUTH, bytes.fromhex(log["m1m2 hash"]))
    said = [message for message in messages(name) if message[0] == version]
    certificate = next(message for message in said if message[1] == CERTIFICATE)
    is_large = bool(certificate[2] & 0x80)
    chain = certificate[16 if is_large else 8 :]
    size = int.from_bytes(chain[:4], "little")
    leaf = parse_certificates(chain[4 + hash_algorithm.digest_size : size])[-1]
    (answer,) = (message for message in said if message[1] == CHALLENGE_AUTH)
    verified = 0
    for padding in range(4):  # as much as DOE may have added
        signature = answer[len(answer) - padding - algorithm.signature_size : len(answer) - padding]
        with suppress(VerificationError):
            leaf.public_key.verify(signature, signed.message, signed.parameters(algorithm, hash_algorithm))
            verified += 1
    assert verified == 1

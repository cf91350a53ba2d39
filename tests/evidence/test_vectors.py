"""Evidence that was written once is read for ever, and a second, short implementation finds the signatures good."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import Final

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature

from pytio.crypto import read_certificates
from pytio.evidence import Evidence, TranscriptForm
from tests.evidence.make_vectors import DATA, REQUESTS

AT: Final = datetime(2026, 11, 25, tzinfo=UTC)
FORMS: Final = {
    "all-1.1": TranscriptForm.SINGLE_REQUEST,
    "one-by-one-1.2": TranscriptForm.MULTIPLE_REQUESTS,
    "all-1.4": TranscriptForm.SINGLE_REQUEST,
}
SIGNATURE_BYTES: Final = 64


@pytest.mark.parametrize("name", REQUESTS)
def test_what_was_written_is_read(name: str) -> None:
    text = (DATA / f"{name}.json").read_text()
    evidence = Evidence.from_json(text)
    assert evidence.to_json() == text
    assert evidence.form is FORMS[name]
    assert evidence.to_transcript() == (DATA / f"{name}.transcript").read_bytes()
    assert evidence.verify(read_certificates((DATA / "root.pem").read_bytes()), at=AT).holds


def signed_by(key: ec.EllipticCurvePublicKey, transcript: bytes, minor: int) -> bool:
    """Check a transcript of ECDSA P-256 with SHA-512, by the letter of the specification."""
    signed, signature = transcript[:-SIGNATURE_BYTES], transcript[-SIGNATURE_BYTES:]
    digest = hashlib.sha512(signed).digest()
    if minor >= 2:
        prefix = f"dmtf-spdm-v1.{minor}.*".encode() * 4 + bytes(6) + b"responder-measurements signing"
        digest = hashlib.sha512(prefix + digest).digest()
    half = SIGNATURE_BYTES // 2
    pair = int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big")
    try:
        key.verify(encode_dss_signature(*pair), digest, ec.ECDSA(Prehashed(hashes.SHA512())))
    except InvalidSignature:
        return False
    return True


@pytest.mark.parametrize("name", REQUESTS)
def test_a_second_implementation_agrees(name: str) -> None:
    plain = json.loads((DATA / f"{name}.json").read_text())
    assert plain["shown"]["algorithms"] == {
        "base_hash": "SHA_512",
        "signature": "ECDSA_P256",
        "measurement_hash": "SHA_512",
    }
    chain = bytes.fromhex(plain["chain"])
    leaf = x509.load_der_x509_certificate(last(chain))
    key = leaf.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    transcript = (DATA / f"{name}.transcript").read_bytes()
    minor = int(name[-1])
    assert signed_by(key, transcript, minor)
    assert not signed_by(key, transcript[:20] + bytes([transcript[20] ^ 1]) + transcript[21:], minor)


def last(chain: bytes) -> bytes:
    """Return the last certificate of a chain, stepping over DER lengths of two bytes."""
    offset = 4 + 64  # length and RootHash
    while True:
        end = offset + 4 + int.from_bytes(chain[offset + 2 : offset + 4], "big")
        if end == len(chain):
            return chain[offset:end]
        offset = end

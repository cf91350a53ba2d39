"""Keys and signatures: published values, wire encodings, standard forms, and every way to be refused."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa, x25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from pytio.crypto import (
    HashAlgorithm,
    PrivateKey,
    PublicKey,
    SignatureAlgorithm,
    SignatureParameters,
    SignatureScheme,
    SigningKey,
    UnsupportedAlgorithmError,
    byte_reversed,
    digest,
)
from pytio.errors import DecodeError, VerificationError
from tests.crypto.published import cases

CURVES = {"ECDSA-P256": ec.SECP256R1(), "ECDSA-P384": ec.SECP384R1(), "ECDSA-P521": ec.SECP521R1()}
CONTEXT = b"responder-measurements signing"
SUPPORTED = [algorithm for algorithm in SignatureAlgorithm if algorithm.is_supported()]
UNSUPPORTED = [algorithm for algorithm in SignatureAlgorithm if not algorithm.is_supported()]


@pytest.fixture(scope="module")
def keys() -> dict[SignatureAlgorithm, PrivateKey]:
    """One key for each algorithm that the library has; those of one RSA size are the same."""
    made: dict[tuple[int, bool], PrivateKey] = {}
    found = {}
    for algorithm in SUPPORTED:
        is_rsa = algorithm.scheme in (SignatureScheme.RSASSA_PKCS1, SignatureScheme.RSASSA_PSS)
        kind = (algorithm.public_key_size, is_rsa)
        if kind not in made or not is_rsa:
            made[kind] = PrivateKey.generate(algorithm)
        found[algorithm] = made[kind]
    return found


def parameters(algorithm: SignatureAlgorithm, *, is_digest: bool = False) -> SignatureParameters:
    context = b"" if algorithm is SignatureAlgorithm.ED448 else CONTEXT  # which the library's Ed448 does not take
    return SignatureParameters(algorithm, HashAlgorithm.SHA_384, context, is_digest)


# --- published values --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", cases("ecdsa"))
def test_ecdsa(case: Any) -> None:
    message, signature = bytes.fromhex(case["message"]), bytes.fromhex(case["signature"])
    hash_algorithm = HashAlgorithm.named(case["hash"])
    chosen = SignatureParameters(SignatureAlgorithm.named(case["algorithm"]), hash_algorithm)
    key = PrivateKey(ec.derive_private_key(int(case["private"], 16), CURVES[case["algorithm"]]))
    key.public_key.verify(signature, message, chosen)
    prehashed = SignatureParameters(chosen.algorithm, hash_algorithm, is_digest=True)
    key.public_key.verify(signature, digest(hash_algorithm, message), prehashed)


@pytest.mark.parametrize("case", cases("eddsa"))
def test_eddsa(case: Any) -> None:
    """EdDSA is deterministic, so signing gives the published value, too."""
    algorithm, private = SignatureAlgorithm.named(case["algorithm"]), bytes.fromhex(case["private"])
    key = PrivateKey(
        ed25519.Ed25519PrivateKey.from_private_bytes(private)
        if algorithm is SignatureAlgorithm.ED25519
        else ed448.Ed448PrivateKey.from_private_bytes(private)
    )
    message, signature = bytes.fromhex(case["message"]), bytes.fromhex(case["signature"])
    chosen = SignatureParameters(algorithm, context=bytes.fromhex(case["context"]))
    assert key.public_key.to_spki().endswith(bytes.fromhex(case["public"]))
    if chosen.context:  # the vector stands here for the day the library can
        with pytest.raises(UnsupportedAlgorithmError, match="Ed448 with a context is not supported"):
            key.sign(message, chosen)
        with pytest.raises(UnsupportedAlgorithmError, match="Ed448 with a context is not supported"):
            key.public_key.verify(signature, message, chosen)
        return
    assert key.sign(message, chosen) == signature
    key.public_key.verify(signature, message, chosen)


# --- all algorithms ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", SUPPORTED, ids=str)
def test_sign_and_verify(algorithm: SignatureAlgorithm, keys: dict[SignatureAlgorithm, PrivateKey]) -> None:
    key: SigningKey = keys[algorithm]
    signature = key.sign(b"message", parameters(algorithm))
    assert len(signature) == algorithm.signature_size
    key.public_key.verify(signature, b"message", parameters(algorithm))
    changed = [
        (signature, b"massage", parameters(algorithm)),
        (bytes([signature[0] ^ 1]) + signature[1:], b"message", parameters(algorithm)),
        (signature[:-1] + bytes([signature[-1] ^ 1]), b"message", parameters(algorithm)),
        (signature[:-1], b"message", parameters(algorithm)),
        (signature + b"\0", b"message", parameters(algorithm)),
        (b"", b"message", parameters(algorithm)),
        (bytes(len(signature)), b"message", parameters(algorithm)),
        (b"\xff" * len(signature), b"message", parameters(algorithm)),
    ]
    if algorithm.scheme.hashes_message:
        changed.append((signature, b"message", SignatureParameters(algorithm, HashAlgorithm.SHA_256)))
    if algorithm.scheme is SignatureScheme.ML_DSA:
        changed.append((signature, b"message", SignatureParameters(algorithm, context=CONTEXT[1:])))
        changed.append((signature, b"message", SignatureParameters(algorithm)))
    for wrong, message, chosen in changed:
        with pytest.raises(VerificationError, match=f"^{algorithm} CHALLENGE_AUTH does not verify$") as caught:
            key.public_key.verify(wrong, message, chosen, what="CHALLENGE_AUTH")
        assert caught.value.pieces == (message,)


@pytest.mark.parametrize("algorithm", SUPPORTED, ids=str)
def test_digests(algorithm: SignatureAlgorithm, keys: dict[SignatureAlgorithm, PrivateKey]) -> None:
    """A signature over a digest is one over the message, where the scheme hashes; elsewhere it is misuse."""
    key, message = keys[algorithm], b"message"
    if not algorithm.scheme.hashes_message:
        with pytest.raises(ValueError, match="signs messages, not digests"):
            parameters(algorithm, is_digest=True)
        return
    message_digest = digest(HashAlgorithm.SHA_384, message)
    signature = key.sign(message_digest, parameters(algorithm, is_digest=True))
    key.public_key.verify(signature, message, parameters(algorithm))
    key.public_key.verify(signature, message_digest, parameters(algorithm, is_digest=True))
    for use in (
        lambda: key.sign(b"too short", parameters(algorithm, is_digest=True)),
        lambda: key.public_key.verify(signature, b"too short", parameters(algorithm, is_digest=True)),
    ):
        with pytest.raises(ValueError, match="a digest of SHA-384 has 48 bytes, not 9"):
            use()
    with pytest.raises(ValueError, match="needs a hash"):
        SignatureParameters(algorithm)


@pytest.mark.parametrize("hash_algorithm", HashAlgorithm, ids=str)
@pytest.mark.parametrize(
    "algorithm",
    [SignatureAlgorithm.RSASSA_2048, SignatureAlgorithm.RSAPSS_2048, SignatureAlgorithm.ECDSA_P521],
    ids=str,
)
def test_every_hash(
    algorithm: SignatureAlgorithm, hash_algorithm: HashAlgorithm, keys: dict[SignatureAlgorithm, PrivateKey]
) -> None:
    if not hash_algorithm.is_supported():
        pytest.skip(f"{hash_algorithm} is not in this library")
    chosen, key = SignatureParameters(algorithm, hash_algorithm), keys[algorithm]
    try:
        signature = key.sign(b"", chosen)
    except UnsupportedAlgorithmError as error:
        assert hash_algorithm is HashAlgorithm.SM3_256
        assert str(error).startswith(f"{algorithm} with SM3-256")  # noqa: PT017
        with pytest.raises(UnsupportedAlgorithmError):
            key.public_key.verify(bytes(algorithm.signature_size), b"", chosen)
    else:
        key.public_key.verify(signature, b"", chosen)


@pytest.mark.parametrize("algorithm", SUPPORTED, ids=str)
def test_standard_forms(algorithm: SignatureAlgorithm, keys: dict[SignatureAlgorithm, PrivateKey]) -> None:
    key = keys[algorithm]
    spki = key.public_key.to_spki()
    again = PublicKey.from_spki(spki)
    assert again == key.public_key
    assert hash(again) == hash(key.public_key)
    assert algorithm in again.algorithms
    assert again != PrivateKey.generate(SignatureAlgorithm.ED25519).public_key
    restored = PrivateKey.from_pkcs8(key.to_pkcs8())
    assert restored.public_key == key.public_key
    again.verify(restored.sign(b"message", parameters(algorithm)), b"message", parameters(algorithm))
    assert repr(key) == repr(key.public_key).replace("Public", "Private")


@pytest.mark.parametrize("algorithm", SUPPORTED, ids=str)
def test_a_key_of_another_kind(algorithm: SignatureAlgorithm, keys: dict[SignatureAlgorithm, PrivateKey]) -> None:
    """Whatever a peer's certificate holds, verifying by the negotiated algorithm fails well."""
    for other, key in keys.items():
        if algorithm in key.public_key.algorithms:
            continue
        with pytest.raises(VerificationError):
            key.public_key.verify(bytes(algorithm.signature_size), b"", parameters(algorithm))
        with pytest.raises(ValueError, match=f"does not sign by {algorithm}"):
            key.sign(b"", parameters(algorithm))
        assert other in key.public_key.algorithms


@pytest.mark.parametrize("algorithm", UNSUPPORTED, ids=str)
def test_what_the_library_lacks_is_named(algorithm: SignatureAlgorithm) -> None:
    with pytest.raises(UnsupportedAlgorithmError, match=str(algorithm)):
        PrivateKey.generate(algorithm)


def test_rsa_serves_both_paddings(keys: dict[SignatureAlgorithm, PrivateKey]) -> None:
    assert keys[SignatureAlgorithm.RSAPSS_3072].public_key.algorithms == {
        SignatureAlgorithm.RSASSA_3072,
        SignatureAlgorithm.RSAPSS_3072,
    }
    assert repr(keys[SignatureAlgorithm.RSAPSS_3072]) == "<PrivateKey for RSAPSS-3072 or RSASSA-3072>"


# --- encodings ---------------------------------------------------------------------------------------------------


def test_rsa_is_what_the_standard_says(keys: dict[SignatureAlgorithm, PrivateKey]) -> None:
    """PSS has salts as long as the digest; both are signed by one key, told apart by padding."""
    public = keys[SignatureAlgorithm.RSASSA_2048].public_key.library_key
    assert isinstance(public, rsa.RSAPublicKey)
    pss = keys[SignatureAlgorithm.RSAPSS_2048].sign(b"m", parameters(SignatureAlgorithm.RSAPSS_2048))
    public.verify(pss, b"m", padding.PSS(padding.MGF1(hashes.SHA384()), 48), hashes.SHA384())
    pkcs1 = keys[SignatureAlgorithm.RSASSA_2048].sign(b"m", parameters(SignatureAlgorithm.RSASSA_2048))
    public.verify(pkcs1, b"m", padding.PKCS1v15(), hashes.SHA384())
    with pytest.raises(InvalidSignature):
        public.verify(pss, b"m", padding.PSS(padding.MGF1(hashes.SHA384()), 32), hashes.SHA384())


def test_ecdsa_integers_keep_their_width() -> None:
    """Over many signatures one has an integer with a leading zero byte; it is not dropped."""
    algorithm = SignatureAlgorithm.ECDSA_P256
    key, chosen = PrivateKey.generate(algorithm), parameters(algorithm)
    starts = set()
    for number in range(3000):
        signature = key.sign(number.to_bytes(2, "big"), chosen)
        assert len(signature) == algorithm.signature_size
        if not signature[0] or not signature[32]:
            key.public_key.verify(signature, number.to_bytes(2, "big"), chosen)
            starts.add((signature[0] == 0, signature[32] == 0))
    assert starts >= {(True, False), (False, True)}


@pytest.mark.parametrize("algorithm", SUPPORTED, ids=str)
def test_byte_reversed(algorithm: SignatureAlgorithm, keys: dict[SignatureAlgorithm, PrivateKey]) -> None:
    signature = keys[algorithm].sign(b"message", parameters(algorithm))
    turned = byte_reversed(algorithm, signature)
    assert byte_reversed(algorithm, turned) == signature
    if algorithm.scheme is SignatureScheme.ECDSA:
        width = len(signature) // 2
        assert [int.from_bytes(half, "little") for half in (turned[:width], turned[width:])] == [
            int.from_bytes(half, "big") for half in (signature[:width], signature[width:])
        ]
    assert (turned == signature) is not algorithm.scheme.hashes_message


# --- malformed and foreign keys ----------------------------------------------------------------------------------


@pytest.mark.parametrize("der", [b"", b"\x30", bytes(40), b"\x30\x03\x02\x01\x00"], ids=bytes.hex)
def test_malformed_keys(der: bytes) -> None:
    with pytest.raises(DecodeError, match="not a SubjectPublicKeyInfo") as public:
        PublicKey.from_spki(der)
    assert public.value.data == der
    with pytest.raises(DecodeError, match="not an unencrypted PrivateKeyInfo") as private:
        PrivateKey.from_pkcs8(der)
    assert private.value.data == bytes(len(der))


@pytest.mark.parametrize("size", range(0, 120, 7))
def test_cut_keys(size: int, keys: dict[SignatureAlgorithm, PrivateKey]) -> None:
    with pytest.raises(DecodeError):
        PublicKey.from_spki(keys[SignatureAlgorithm.ECDSA_P384].public_key.to_spki()[:size])


SM2_KEY = bytes.fromhex("3059301306072a8648ce3d020106082a811ccf5501822d034200") + b"\4" + bytes(64)


def test_keys_that_sign_nothing_here() -> None:
    foreign: list[x25519.X25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey] = [
        x25519.X25519PrivateKey.generate(),
        ec.generate_private_key(ec.SECP256K1()),
        rsa.generate_private_key(65537, 1024),
    ]
    for key in foreign:
        spki = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        with pytest.raises(UnsupportedAlgorithmError):
            PublicKey.from_spki(spki)
        with pytest.raises(UnsupportedAlgorithmError):
            PrivateKey.from_pkcs8(key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()))
    with pytest.raises(UnsupportedAlgorithmError):
        PublicKey.from_spki(SM2_KEY)


def test_parameters_are_checked() -> None:
    with pytest.raises(ValueError, match="a context has at most 255 bytes, not 256"):
        SignatureParameters(SignatureAlgorithm.ED448, context=bytes(256))

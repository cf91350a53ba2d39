"""Every cryptographic algorithm that pytio can name, with its sizes, each fact once.

This file knows what the standards say about an algorithm (FIPS 180-4, 186-5, 197, 202 to 205, RFC 7919, 8017, 8032,
8439, 8998, GB/T 32905, 32907, 32918). It knows no protocol, so no bit positions: the protocols map theirs to these
members. Naming an algorithm needs nothing; whether the installed ``cryptography`` can compute it is a question that
each member answers with ``is_supported()``, and computing with one that it lacks raises ``UnsupportedAlgorithmError``.

All sizes are in bytes.
"""

from __future__ import annotations

from enum import Enum, unique
from typing import Final, Self

from pytio.errors import PytioError

__all__ = (
    "AEAD_NONCE_SIZE",
    "AEAD_TAG_SIZE",
    "AeadAlgorithm",
    "Algorithm",
    "ExchangeAlgorithm",
    "HashAlgorithm",
    "KemAlgorithm",
    "SignatureAlgorithm",
    "SignatureScheme",
    "UnsupportedAlgorithmError",
)

AEAD_NONCE_SIZE: Final = 12
"""Bytes of the nonce, the same for every ``AeadAlgorithm``."""

AEAD_TAG_SIZE: Final = 16
"""Bytes of the full tag, the same for every ``AeadAlgorithm``."""


class Algorithm(Enum):
    """Base of the algorithm enumerations; the value of a member is the standard's own name for it."""

    @classmethod
    def named(cls, title: str) -> Self:
        """Return the member with the standard's name ``title``. Raises ValueError if there is none."""
        for member in cls:
            if member.value == title:
                return member
        raise ValueError(f"{title!r} names no {cls.__name__}")

    def is_supported(self) -> bool:
        """Say whether the installed ``cryptography`` computes this algorithm; asked once, then remembered."""
        from pytio.crypto import _support  # noqa: PLC0415  naming an algorithm must not load the library

        return _support.is_supported(self)

    def __str__(self) -> str:
        """Return the standard's name."""
        return str(self.value)


class UnsupportedAlgorithmError(PytioError):
    """The installed ``cryptography`` cannot compute an algorithm; what needs no computing still works.

    Attributes:
        algorithm: the algorithm that is missing, or a description where it has no name here.
    """

    def __init__(self, algorithm: Algorithm | str) -> None:
        super().__init__(algorithm)
        self.algorithm = algorithm

    def __str__(self) -> str:
        """Name the algorithm."""
        return f"{self.algorithm} is not supported by the installed cryptography library"


@unique
class HashAlgorithm(Algorithm):
    """A hash function.

    Attributes:
        digest_size: bytes of a digest.
    """

    digest_size: int

    def __new__(cls, title: str, digest_size: int) -> Self:
        """Make a member out of its row."""
        member = object.__new__(cls)
        member._value_ = title
        member.digest_size = digest_size
        return member

    SHA_256 = "SHA-256", 32
    SHA_384 = "SHA-384", 48
    SHA_512 = "SHA-512", 64
    SHA3_256 = "SHA3-256", 32
    SHA3_384 = "SHA3-384", 48
    SHA3_512 = "SHA3-512", 64
    SM3_256 = "SM3-256", 32


@unique
class AeadAlgorithm(Algorithm):
    """Authenticated encryption with associated data; nonces are ``AEAD_NONCE_SIZE`` and tags ``AEAD_TAG_SIZE`` bytes.

    Attributes:
        key_size: bytes of a key.
        has_short_tags: whether the algorithm defines tags cut to their first bytes (NIST SP 800-38D, 5.2.1.2).
    """

    key_size: int
    has_short_tags: bool

    def __new__(cls, title: str, key_size: int, has_short_tags: bool) -> Self:
        """Make a member out of its row."""
        member = object.__new__(cls)
        member._value_ = title
        member.key_size = key_size
        member.has_short_tags = has_short_tags
        return member

    AES_128_GCM = "AES-128-GCM", 16, True
    AES_256_GCM = "AES-256-GCM", 32, True
    CHACHA20_POLY1305 = "ChaCha20-Poly1305", 32, False
    SM4_GCM = "SM4-GCM", 16, True


@unique
class SignatureScheme(Enum):
    """The family of a signature algorithm: what decides how it hashes, pads and encodes.

    Attributes:
        hashes_message: whether the caller chooses a hash, which the algorithm applies to the message first.
        takes_context: whether signing and verifying take a context string beside the message.
    """

    hashes_message: bool
    takes_context: bool

    def __new__(cls, title: str, hashes_message: bool, takes_context: bool) -> Self:
        """Make a member out of its row."""
        member = object.__new__(cls)
        member._value_ = title
        member.hashes_message = hashes_message
        member.takes_context = takes_context
        return member

    RSASSA_PKCS1 = "RSASSA-PKCS1-v1_5", True, False
    RSASSA_PSS = "RSASSA-PSS", True, False
    ECDSA = "ECDSA", True, False
    SM2 = "SM2", False, False
    ED25519 = "Ed25519", False, False
    ED448 = "Ed448", False, True
    ML_DSA = "ML-DSA", False, True
    SLH_DSA = "SLH-DSA", False, True


@unique
class SignatureAlgorithm(Algorithm):
    """A signature algorithm with its parameter set.

    Attributes:
        scheme: the family.
        public_key_size: bytes of the bare public key: RSA modulus, X and Y of a point, or the standard's octet string.
        signature_size: bytes of a signature: RSA modulus, r and s at fixed width, or the standard's octet string.
    """

    scheme: SignatureScheme
    public_key_size: int
    signature_size: int

    def __new__(cls, title: str, scheme: SignatureScheme, public_key_size: int, signature_size: int) -> Self:
        """Make a member out of its row."""
        member = object.__new__(cls)
        member._value_ = title
        member.scheme = scheme
        member.public_key_size = public_key_size
        member.signature_size = signature_size
        return member

    RSASSA_2048 = "RSASSA-2048", SignatureScheme.RSASSA_PKCS1, 256, 256
    RSAPSS_2048 = "RSAPSS-2048", SignatureScheme.RSASSA_PSS, 256, 256
    RSASSA_3072 = "RSASSA-3072", SignatureScheme.RSASSA_PKCS1, 384, 384
    RSAPSS_3072 = "RSAPSS-3072", SignatureScheme.RSASSA_PSS, 384, 384
    RSASSA_4096 = "RSASSA-4096", SignatureScheme.RSASSA_PKCS1, 512, 512
    RSAPSS_4096 = "RSAPSS-4096", SignatureScheme.RSASSA_PSS, 512, 512
    ECDSA_P256 = "ECDSA-P256", SignatureScheme.ECDSA, 64, 64
    ECDSA_P384 = "ECDSA-P384", SignatureScheme.ECDSA, 96, 96
    ECDSA_P521 = "ECDSA-P521", SignatureScheme.ECDSA, 132, 132
    SM2_P256 = "SM2-P256", SignatureScheme.SM2, 64, 64
    ED25519 = "Ed25519", SignatureScheme.ED25519, 32, 64
    ED448 = "Ed448", SignatureScheme.ED448, 57, 114
    ML_DSA_44 = "ML-DSA-44", SignatureScheme.ML_DSA, 1312, 2420
    ML_DSA_65 = "ML-DSA-65", SignatureScheme.ML_DSA, 1952, 3309
    ML_DSA_87 = "ML-DSA-87", SignatureScheme.ML_DSA, 2592, 4627
    SLH_DSA_SHA2_128S = "SLH-DSA-SHA2-128s", SignatureScheme.SLH_DSA, 32, 7856
    SLH_DSA_SHAKE_128S = "SLH-DSA-SHAKE-128s", SignatureScheme.SLH_DSA, 32, 7856
    SLH_DSA_SHA2_128F = "SLH-DSA-SHA2-128f", SignatureScheme.SLH_DSA, 32, 17088
    SLH_DSA_SHAKE_128F = "SLH-DSA-SHAKE-128f", SignatureScheme.SLH_DSA, 32, 17088
    SLH_DSA_SHA2_192S = "SLH-DSA-SHA2-192s", SignatureScheme.SLH_DSA, 48, 16224
    SLH_DSA_SHAKE_192S = "SLH-DSA-SHAKE-192s", SignatureScheme.SLH_DSA, 48, 16224
    SLH_DSA_SHA2_192F = "SLH-DSA-SHA2-192f", SignatureScheme.SLH_DSA, 48, 35664
    SLH_DSA_SHAKE_192F = "SLH-DSA-SHAKE-192f", SignatureScheme.SLH_DSA, 48, 35664
    SLH_DSA_SHA2_256S = "SLH-DSA-SHA2-256s", SignatureScheme.SLH_DSA, 64, 29792
    SLH_DSA_SHAKE_256S = "SLH-DSA-SHAKE-256s", SignatureScheme.SLH_DSA, 64, 29792
    SLH_DSA_SHA2_256F = "SLH-DSA-SHA2-256f", SignatureScheme.SLH_DSA, 64, 49856
    SLH_DSA_SHAKE_256F = "SLH-DSA-SHAKE-256f", SignatureScheme.SLH_DSA, 64, 49856


class _Agreement(Algorithm):
    """A way to agree on a secret by one field each way.

    Attributes:
        request_size: bytes of the field that the initiator sends.
        response_size: bytes of the field that answers it.
        shared_secret_size: bytes of the secret.
    """

    request_size: int
    response_size: int
    shared_secret_size: int

    def __new__(cls, title: str, request_size: int, response_size: int, shared_secret_size: int) -> Self:
        """Make a member out of its row."""
        member = object.__new__(cls)
        member._value_ = title
        member.request_size = request_size
        member.response_size = response_size
        member.shared_secret_size = shared_secret_size
        return member


@unique
class ExchangeAlgorithm(_Agreement):
    """A Diffie-Hellman group: both fields are public values, padded to full width and without a point prefix.

    Attributes:
        request_size: bytes of the initiator's public value.
        response_size: the same for the other side.
        shared_secret_size: bytes of the secret: the modulus for FFDHE, one coordinate for the curves, and for SM2 what
            its key derivation is cut to.
    """

    FFDHE_2048 = "ffdhe2048", 256, 256, 256
    FFDHE_3072 = "ffdhe3072", 384, 384, 384
    FFDHE_4096 = "ffdhe4096", 512, 512, 512
    SECP_256_R1 = "secp256r1", 64, 64, 32
    SECP_384_R1 = "secp384r1", 96, 96, 48
    SECP_521_R1 = "secp521r1", 132, 132, 66
    SM2_P256 = "SM2-P256 key exchange", 64, 64, 16

    @property
    def is_finite_field(self) -> bool:
        """Whether this is a group of RFC 7919, whose public values are as long as the secret."""
        return self.request_size == self.shared_secret_size


@unique
class KemAlgorithm(_Agreement):
    """A key encapsulation mechanism.

    Attributes:
        request_size: bytes of the encapsulation key, which the initiator sends.
        response_size: bytes of the ciphertext, which answers it.
        shared_secret_size: bytes of the secret.
    """

    ML_KEM_512 = "ML-KEM-512", 800, 768, 32
    ML_KEM_768 = "ML-KEM-768", 1184, 1088, 32
    ML_KEM_1024 = "ML-KEM-1024", 1568, 1568, 32

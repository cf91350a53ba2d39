"""One class per signature scheme: how it draws keys, which keys it takes, how it signs and verifies.

Signatures are in the encodings that protocols put on the wire: integers big-endian and at fixed width, never DER. This
file knows paddings, hashes and encodings (RFC 8017, FIPS 186-5, RFC 8032, FIPS 204). It knows no protocol.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Final, cast

from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature, encode_dss_signature

from pytio.crypto import _asymmetric, _symmetric, pqc
from pytio.crypto.algorithms import HashAlgorithm, SignatureAlgorithm, SignatureScheme, UnsupportedAlgorithmError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryptography.hazmat.primitives.hashes import HashAlgorithm as LibraryHash

    from pytio.crypto._asymmetric import LibraryPrivateKey, LibraryPublicKey
    from pytio.crypto.signatures import SignatureParameters

__all__ = ("Scheme", "scheme_of")

_RSA_EXPONENT: Final = 65537
_BITS_PER_BYTE: Final = 8


class Scheme(ABC):
    """The operations of one scheme, on keys that serve the algorithm: whoever calls has asked.

    ``verify`` raises the library's ``InvalidSignature``, or ValueError.
    """

    @abstractmethod
    def generate(self, algorithm: SignatureAlgorithm) -> LibraryPrivateKey:
        """Draw a new key."""

    @abstractmethod
    def serves(self, algorithm: SignatureAlgorithm, key: LibraryPublicKey) -> bool:
        """Say whether a public key is one for this algorithm."""

    @abstractmethod
    def sign(self, key: LibraryPrivateKey, message: bytes, parameters: SignatureParameters) -> bytes:
        """Return a signature."""

    @abstractmethod
    def verify(self, key: LibraryPublicKey, signature: bytes, message: bytes, parameters: SignatureParameters) -> None:
        """Return if the signature holds."""


class _Rsa(Scheme):
    """RSASSA-PKCS1-v1_5 and, with salts as long as the digest, RSASSA-PSS (RFC 8017, 8)."""

    def __init__(self, *, is_pss: bool) -> None:
        self._is_pss = is_pss

    def generate(self, algorithm: SignatureAlgorithm) -> LibraryPrivateKey:
        return rsa.generate_private_key(_RSA_EXPONENT, algorithm.public_key_size * _BITS_PER_BYTE)

    def serves(self, algorithm: SignatureAlgorithm, key: LibraryPublicKey) -> bool:
        return isinstance(key, rsa.RSAPublicKey) and key.key_size == algorithm.public_key_size * _BITS_PER_BYTE

    def sign(self, key: LibraryPrivateKey, message: bytes, parameters: SignatureParameters) -> bytes:
        return cast("rsa.RSAPrivateKey", key).sign(message, self._padding(parameters), _hash(parameters))

    def verify(self, key: LibraryPublicKey, signature: bytes, message: bytes, parameters: SignatureParameters) -> None:
        cast("rsa.RSAPublicKey", key).verify(signature, message, self._padding(parameters), _hash(parameters))

    def _padding(self, parameters: SignatureParameters) -> padding.PSS | padding.PKCS1v15:
        if not self._is_pss:
            return padding.PKCS1v15()
        plain_hash = _symmetric.hash_object(_chosen_hash(parameters))
        return padding.PSS(padding.MGF1(plain_hash), plain_hash.digest_size)


class _Ecdsa(Scheme):
    """ECDSA (FIPS 186-5, 6): r and s, each as wide as a coordinate."""

    def generate(self, algorithm: SignatureAlgorithm) -> LibraryPrivateKey:
        return ec.generate_private_key(_asymmetric.curve(algorithm))

    def serves(self, algorithm: SignatureAlgorithm, key: LibraryPublicKey) -> bool:
        return isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name == _asymmetric.curve(algorithm).name

    def sign(self, key: LibraryPrivateKey, message: bytes, parameters: SignatureParameters) -> bytes:
        der = cast("ec.EllipticCurvePrivateKey", key).sign(message, ec.ECDSA(_hash(parameters)))
        width = parameters.algorithm.signature_size // 2
        return b"".join(number.to_bytes(width, "big") for number in decode_dss_signature(der))

    def verify(self, key: LibraryPublicKey, signature: bytes, message: bytes, parameters: SignatureParameters) -> None:
        width = parameters.algorithm.signature_size // 2
        r, s = (int.from_bytes(half, "big") for half in (signature[:width], signature[width:]))
        der = encode_dss_signature(r, s)
        cast("ec.EllipticCurvePublicKey", key).verify(der, message, ec.ECDSA(_hash(parameters)))


class _Ed25519(Scheme):
    """Ed25519 (RFC 8032, 5.1), pure and without context."""

    def generate(self, algorithm: SignatureAlgorithm) -> LibraryPrivateKey:
        return ed25519.Ed25519PrivateKey.generate()

    def serves(self, algorithm: SignatureAlgorithm, key: LibraryPublicKey) -> bool:
        return isinstance(key, ed25519.Ed25519PublicKey)

    def sign(self, key: LibraryPrivateKey, message: bytes, parameters: SignatureParameters) -> bytes:
        return cast("ed25519.Ed25519PrivateKey", key).sign(message)

    def verify(self, key: LibraryPublicKey, signature: bytes, message: bytes, parameters: SignatureParameters) -> None:
        cast("ed25519.Ed25519PublicKey", key).verify(signature, message)


class _Ed448(Scheme):
    """Ed448 (RFC 8032, 5.2), pure. The library takes no context, so SPDM's signatures from 1.2 on are beyond it."""

    def generate(self, algorithm: SignatureAlgorithm) -> LibraryPrivateKey:
        return ed448.Ed448PrivateKey.generate()

    def serves(self, algorithm: SignatureAlgorithm, key: LibraryPublicKey) -> bool:
        return isinstance(key, ed448.Ed448PublicKey)

    def sign(self, key: LibraryPrivateKey, message: bytes, parameters: SignatureParameters) -> bytes:
        _refuse_context(parameters)
        return cast("ed448.Ed448PrivateKey", key).sign(message)

    def verify(self, key: LibraryPublicKey, signature: bytes, message: bytes, parameters: SignatureParameters) -> None:
        _refuse_context(parameters)
        cast("ed448.Ed448PublicKey", key).verify(signature, message)


def _refuse_context(parameters: SignatureParameters) -> None:
    if parameters.context:
        raise UnsupportedAlgorithmError("Ed448 with a context")


class _MlDsa(Scheme):
    """ML-DSA (FIPS 204, 5), pure and hedged."""

    def generate(self, algorithm: SignatureAlgorithm) -> LibraryPrivateKey:
        return pqc.ml_dsa_classes(algorithm)[0].generate()

    def serves(self, algorithm: SignatureAlgorithm, key: LibraryPublicKey) -> bool:
        return algorithm.is_supported() and isinstance(key, pqc.ml_dsa_classes(algorithm)[1])

    def sign(self, key: LibraryPrivateKey, message: bytes, parameters: SignatureParameters) -> bytes:
        return cast("pqc.MlDsaPrivateKey", key).sign(message, parameters.context)

    def verify(self, key: LibraryPublicKey, signature: bytes, message: bytes, parameters: SignatureParameters) -> None:
        cast("pqc.MlDsaPublicKey", key).verify(signature, message, parameters.context)


_SCHEMES: Final[Mapping[SignatureScheme, Scheme]] = {
    SignatureScheme.RSASSA_PKCS1: _Rsa(is_pss=False),
    SignatureScheme.RSASSA_PSS: _Rsa(is_pss=True),
    SignatureScheme.ECDSA: _Ecdsa(),
    SignatureScheme.ED25519: _Ed25519(),
    SignatureScheme.ED448: _Ed448(),
    SignatureScheme.ML_DSA: _MlDsa(),
}


def scheme_of(algorithm: SignatureAlgorithm) -> Scheme:
    """Return the scheme of an algorithm. Raises UnsupportedAlgorithmError if the library has nothing of that scheme."""
    try:
        return _SCHEMES[algorithm.scheme]
    except KeyError as error:
        raise UnsupportedAlgorithmError(algorithm) from error


def _chosen_hash(parameters: SignatureParameters) -> HashAlgorithm:
    if parameters.hash_algorithm is None:
        raise ValueError(f"{parameters.algorithm} needs a hash")
    return parameters.hash_algorithm


def _hash(parameters: SignatureParameters) -> LibraryHash | Prehashed:
    plain_hash = _symmetric.hash_object(_chosen_hash(parameters))
    return Prehashed(plain_hash) if parameters.is_digest else plain_hash

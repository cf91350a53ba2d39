"""The post-quantum algorithms of the installed ``cryptography``: ML-DSA (FIPS 204) and ML-KEM (FIPS 203).

Older versions lack the modules, some lack parameter sets, and some builds of OpenSSL lack both; all that leaves here as
``UnsupportedAlgorithmError``. So does SLH-DSA (FIPS 205), which no version has. This file knows no protocol.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, Protocol, Self

from cryptography.exceptions import UnsupportedAlgorithm

from pytio.crypto._asymmetric import LibraryPrivateKey, LibraryPublicKey
from pytio.crypto.algorithms import Algorithm, KemAlgorithm, SignatureAlgorithm, UnsupportedAlgorithmError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = (
    "ML_DSA_SEED_SIZE",
    "ML_KEM_SEED_SIZE",
    "MlDsaPrivateKey",
    "MlDsaPublicKey",
    "MlKemPrivateKey",
    "MlKemPublicKey",
    "ml_dsa_classes",
    "ml_kem_classes",
)

ML_DSA_SEED_SIZE: Final = 32
"""Bytes of the seed that an ML-DSA private key is expanded from (FIPS 204, algorithm 1)."""

ML_KEM_SEED_SIZE: Final = 64
"""Bytes of the seed that an ML-KEM decapsulation key is expanded from (FIPS 203, algorithm 19)."""

_PACKAGE: Final = "cryptography.hazmat.primitives.asymmetric"
_PRIVATE: Final = "PrivateKey"
_PUBLIC: Final = "PublicKey"

_CLASSES: Final[Mapping[Algorithm, tuple[str, str]]] = {
    SignatureAlgorithm.ML_DSA_44: ("mldsa", "MLDSA44"),
    SignatureAlgorithm.ML_DSA_65: ("mldsa", "MLDSA65"),
    SignatureAlgorithm.ML_DSA_87: ("mldsa", "MLDSA87"),
    KemAlgorithm.ML_KEM_512: ("mlkem", "MLKEM512"),
    KemAlgorithm.ML_KEM_768: ("mlkem", "MLKEM768"),
    KemAlgorithm.ML_KEM_1024: ("mlkem", "MLKEM1024"),
}
"""Module and class prefix, whether or not the installed version has them."""


class MlDsaPublicKey(LibraryPublicKey, Protocol):
    """What is used of the library's ML-DSA public keys, which older versions do not have."""

    @classmethod
    def from_public_bytes(cls, data: bytes) -> Self:
        """Take the octet string of FIPS 204."""

    def public_bytes_raw(self) -> bytes:
        """Return the octet string of FIPS 204."""

    def verify(self, signature: bytes, data: bytes, context: bytes | None = None) -> None:
        """Raise the library's ``InvalidSignature`` unless the signature holds."""


class MlDsaPrivateKey(LibraryPrivateKey, Protocol):
    """What is used of the library's ML-DSA private keys, which older versions do not have."""

    @classmethod
    def generate(cls) -> Self:
        """Draw a new key."""

    @classmethod
    def from_seed_bytes(cls, data: bytes) -> Self:
        """Expand a seed."""

    def public_key(self) -> MlDsaPublicKey:
        """Return the public half."""

    def sign(self, data: bytes, context: bytes | None = None) -> bytes:
        """Return a signature."""


class MlKemPublicKey(Protocol):
    """What is used of the library's ML-KEM encapsulation keys, which older versions do not have."""

    @classmethod
    def from_public_bytes(cls, data: bytes) -> Self:
        """Take the octet string of FIPS 203."""

    def public_bytes_raw(self) -> bytes:
        """Return the octet string of FIPS 203."""

    def encapsulate(self) -> tuple[bytes, bytes]:
        """Return shared secret and ciphertext."""


class MlKemPrivateKey(Protocol):
    """What is used of the library's ML-KEM decapsulation keys, which older versions do not have."""

    @classmethod
    def generate(cls) -> Self:
        """Draw a new key."""

    @classmethod
    def from_seed_bytes(cls, data: bytes) -> Self:
        """Expand a seed."""

    def private_bytes_raw(self) -> bytes:
        """Return the seed."""

    def public_key(self) -> MlKemPublicKey:
        """Return the public half."""

    def decapsulate(self, ciphertext: bytes) -> bytes:
        """Return the shared secret."""


@cache
def ml_dsa_classes(algorithm: SignatureAlgorithm) -> tuple[type[MlDsaPrivateKey], type[MlDsaPublicKey]]:
    """Return the library's classes of private and public keys. Raises UnsupportedAlgorithmError."""
    private: type[MlDsaPrivateKey] = _library_class(algorithm, _PRIVATE)
    public: type[MlDsaPublicKey] = _library_class(algorithm, _PUBLIC)
    try:
        private.from_seed_bytes(bytes(ML_DSA_SEED_SIZE))
    except UnsupportedAlgorithm as error:
        raise UnsupportedAlgorithmError(algorithm) from error
    return private, public


@cache
def ml_kem_classes(algorithm: KemAlgorithm) -> tuple[type[MlKemPrivateKey], type[MlKemPublicKey]]:
    """Return the library's classes of decapsulation and encapsulation keys. Raises UnsupportedAlgorithmError."""
    private: type[MlKemPrivateKey] = _library_class(algorithm, _PRIVATE)
    public: type[MlKemPublicKey] = _library_class(algorithm, _PUBLIC)
    try:
        private.from_seed_bytes(bytes(ML_KEM_SEED_SIZE))
    except UnsupportedAlgorithm as error:
        raise UnsupportedAlgorithmError(algorithm) from error
    return private, public


def _library_class(algorithm: Algorithm, half: str) -> Any:  # the types that older versions lack
    try:
        module, prefix = _CLASSES[algorithm]
        return getattr(import_module(f"{_PACKAGE}.{module}"), prefix + half)
    except (KeyError, ImportError, AttributeError) as error:
        raise UnsupportedAlgorithmError(algorithm) from error

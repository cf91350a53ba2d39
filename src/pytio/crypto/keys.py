"""Private and public keys that sign, of every kind that the library has.

This file knows their standard forms, SubjectPublicKeyInfo and PKCS #8. How each scheme signs is in
`pytio.crypto._schemes`. It knows no certificate and no protocol.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from pytio.crypto._schemes import scheme_of
from pytio.crypto.algorithms import SignatureAlgorithm, UnsupportedAlgorithmError
from pytio.crypto.secret import KeyMaterial, Secret, octets_of
from pytio.errors import DecodeError, VerificationError

if TYPE_CHECKING:
    from pytio.crypto._asymmetric import LibraryPrivateKey, LibraryPublicKey
    from pytio.crypto.signatures import SignatureParameters

__all__ = ("PrivateKey", "PublicKey")


class PublicKey:
    """A public key that verifies signatures.

    Attributes:
        algorithms: the algorithms it serves; several for RSA, where the padding is not part of the key.
        library_key: the library's object; only this package looks at it.
    """

    __slots__ = ("algorithms", "library_key")

    def __init__(self, library_key: LibraryPublicKey) -> None:
        """Wrap the library's object. Raises UnsupportedAlgorithmError if the key serves no algorithm named here."""
        self.library_key = library_key
        self.algorithms = frozenset(algorithm for algorithm in SignatureAlgorithm if _serves(library_key, algorithm))
        if not self.algorithms:
            raise UnsupportedAlgorithmError(f"a {type(library_key).__name__} of this size or curve")

    @classmethod
    def from_spki(cls, der: bytes) -> Self:
        """Take a DER SubjectPublicKeyInfo (RFC 5280, 4.1), which is also the form of raw public keys (RFC 7250).

        Raises DecodeError if the bytes are none, UnsupportedAlgorithmError if the key serves no algorithm named here.
        """
        try:
            return cls(serialization.load_der_public_key(der))
        except ValueError as error:
            raise DecodeError("not a SubjectPublicKeyInfo", der) from error
        except UnsupportedAlgorithm as error:
            raise UnsupportedAlgorithmError("this kind of public key") from error

    def to_spki(self) -> bytes:
        """Return the DER SubjectPublicKeyInfo."""
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        return self.library_key.public_bytes(serialization.Encoding.DER, form)

    def verify(
        self, signature: bytes, message: bytes, parameters: SignatureParameters, *, what: str = "signature"
    ) -> None:
        """Check a signature in wire encoding.

        Raises VerificationError, which names ``what`` and carries the message, if it does not hold for whatever reason:
        a wrong size and a key of another kind are among them. Raises ValueError if a digest has the wrong size,
        UnsupportedAlgorithmError if the library lacks the hash, or this pair of algorithm and hash.
        """
        _check_digest(message, parameters)
        algorithm = parameters.algorithm
        if algorithm not in self.algorithms or len(signature) != algorithm.signature_size:
            raise VerificationError(f"{algorithm} {what}", (message,))
        try:
            scheme_of(algorithm).verify(self.library_key, signature, message, parameters)
        except (InvalidSignature, ValueError) as error:
            raise VerificationError(f"{algorithm} {what}", (message,)) from error
        except UnsupportedAlgorithm as error:
            raise UnsupportedAlgorithmError(_pair(parameters)) from error

    def __eq__(self, other: object) -> bool:
        """Compare by value."""
        return isinstance(other, PublicKey) and self.to_spki() == other.to_spki()

    def __hash__(self) -> int:
        """Hash by value."""
        return hash(self.to_spki())

    def __repr__(self) -> str:
        """Name the algorithms."""
        return f"<PublicKey for {_names(self.algorithms)}>"


class PrivateKey:
    """A private key that signs, held in memory.

    Attributes:
        public_key: its public half.
        library_key: the library's object; only this package looks at it.
    """

    __slots__ = ("library_key", "public_key")

    def __init__(self, library_key: LibraryPrivateKey) -> None:
        """Wrap the library's object. Raises UnsupportedAlgorithmError if the key serves no algorithm named here."""
        self.library_key = library_key
        self.public_key = PublicKey(library_key.public_key())

    @classmethod
    def generate(cls, algorithm: SignatureAlgorithm) -> Self:
        """Draw a new key from the library. Raises UnsupportedAlgorithmError if the library lacks the algorithm."""
        try:
            return cls(scheme_of(algorithm).generate(algorithm))
        except UnsupportedAlgorithm as error:
            raise UnsupportedAlgorithmError(algorithm) from error

    @classmethod
    def from_pkcs8(cls, der: KeyMaterial) -> Self:
        """Take an unencrypted DER PrivateKeyInfo (RFC 5958).

        Raises DecodeError, which does not carry the bytes, if they are none; UnsupportedAlgorithmError if the key
        serves no algorithm named here.
        """
        octets = octets_of(der)
        try:
            library_key = serialization.load_der_private_key(octets, password=None)
        except (ValueError, TypeError):
            raise DecodeError("not an unencrypted PrivateKeyInfo", bytes(len(octets))) from None
        except UnsupportedAlgorithm as error:
            raise UnsupportedAlgorithmError("this kind of private key") from error
        return cls(library_key)

    def sign(self, message: bytes, parameters: SignatureParameters) -> bytes:
        """Return a signature of ``parameters.algorithm.signature_size`` bytes, in wire encoding.

        Raises ValueError if the key does not serve the algorithm or a digest has the wrong size,
        UnsupportedAlgorithmError if the library lacks the hash, or this pair of algorithm and hash.
        """
        _check_digest(message, parameters)
        if parameters.algorithm not in self.public_key.algorithms:
            raise ValueError(f"{self!r} does not sign by {parameters.algorithm}")
        try:
            return scheme_of(parameters.algorithm).sign(self.library_key, message, parameters)
        except UnsupportedAlgorithm as error:
            raise UnsupportedAlgorithmError(_pair(parameters)) from error

    def to_pkcs8(self) -> Secret:
        """Return the unencrypted DER PrivateKeyInfo."""
        form, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        return Secret(self.library_key.private_bytes(serialization.Encoding.DER, form, plain))

    def __repr__(self) -> str:
        """Name the algorithms."""
        return f"<PrivateKey for {_names(self.public_key.algorithms)}>"


def _serves(key: LibraryPublicKey, algorithm: SignatureAlgorithm) -> bool:
    try:
        return scheme_of(algorithm).serves(algorithm, key)
    except UnsupportedAlgorithmError:
        return False


def _check_digest(message: bytes, parameters: SignatureParameters) -> None:
    hash_algorithm = parameters.hash_algorithm
    if parameters.is_digest and hash_algorithm and len(message) != hash_algorithm.digest_size:
        raise ValueError(f"a digest of {hash_algorithm} has {hash_algorithm.digest_size} bytes, not {len(message)}")


def _pair(parameters: SignatureParameters) -> str:
    return f"{parameters.algorithm} with {parameters.hash_algorithm}"


def _names(algorithms: frozenset[SignatureAlgorithm]) -> str:
    return " or ".join(sorted(map(str, algorithms)))

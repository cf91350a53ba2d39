"""Agreeing on a secret: Diffie-Hellman in finite fields and on curves, and key encapsulation.

All three have one shape here: the initiator holds an `Exchange` and sends its ``request`` field, the other side answers
by `encapsulate`, and the initiator completes with that answer. Fields are in wire encoding: integers big-endian and
padded to full width (RFC 7919), points as X and Y without a prefix, ML-KEM as in FIPS 203. This file knows no protocol;
it draws its keys from the library, and a protocol reaches it through `pytio.crypto.Provider`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Final, TypeAlias

import attrs
from cryptography.hazmat.primitives.asymmetric import ec

from pytio.crypto import _asymmetric, ffdhe, pqc
from pytio.crypto.algorithms import ExchangeAlgorithm, KemAlgorithm
from pytio.crypto.secret import KeyMaterial, Secret, octets_of
from pytio.errors import VerificationError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.dh import DHPrivateKey

__all__ = ("Agreement", "Encapsulation", "Exchange", "encapsulate", "load_exchange", "new_exchange")

Agreement: TypeAlias = ExchangeAlgorithm | KemAlgorithm
"""Any way to agree on a secret."""

_UNCOMPRESSED: Final = b"\x04"
"""The prefix that standard encodings have (SEC 1, 2.3.3) and the wire has not."""


class Exchange(ABC):
    """The initiator's half, which lives from its request to the answer.

    Attributes:
        algorithm: what is being done.
        request: the field to send, ``algorithm.request_size`` bytes.
    """

    algorithm: Agreement
    request: bytes

    @abstractmethod
    def complete(self, response: bytes) -> Secret:
        """Return the shared secret, ``algorithm.shared_secret_size`` bytes, given the field that answers.

        Raises VerificationError if the field has the wrong size, or holds no valid public value or ciphertext.
        """

    @abstractmethod
    def private_value(self) -> Secret:
        """Return the exponent, scalar or seed that ``load_exchange`` takes."""

    def __repr__(self) -> str:
        """Name the algorithm."""
        return f"<Exchange by {self.algorithm}>"


@attrs.frozen
class Encapsulation:
    """The other side's half: done as soon as it is made."""

    response: bytes
    """The field that answers, ``response_size`` bytes."""
    secret: Secret
    """The shared secret, ``shared_secret_size`` bytes."""


class _FiniteField(Exchange):
    """A group of RFC 7919."""

    algorithm: ExchangeAlgorithm

    def __init__(self, algorithm: ExchangeAlgorithm, key: DHPrivateKey) -> None:
        self.algorithm = algorithm
        self.request = self._padded(key.public_key().public_numbers().y)
        self._key = key

    def complete(self, response: bytes) -> Secret:
        _check_size(self.algorithm, response, self.algorithm.response_size)
        try:
            peer = ffdhe.load_public_key(self.algorithm, int.from_bytes(response, "big"))
            secret = self._key.exchange(peer)  # some versions of OpenSSL look at the peer's value only here
        except ValueError as error:
            raise VerificationError(f"{self.algorithm} public value", (response,)) from error
        return Secret(secret.rjust(self.algorithm.shared_secret_size, b"\0"))

    def private_value(self) -> Secret:
        return Secret(self._padded(self._key.private_numbers().x))

    def _padded(self, number: int) -> bytes:
        return number.to_bytes(self.algorithm.request_size, "big")


class _Curve(Exchange):
    """A curve of NIST SP 800-186."""

    algorithm: ExchangeAlgorithm

    def __init__(self, algorithm: ExchangeAlgorithm, key: ec.EllipticCurvePrivateKey) -> None:
        self.algorithm = algorithm
        numbers = key.public_key().public_numbers()
        self.request = b"".join(self._padded(coordinate) for coordinate in (numbers.x, numbers.y))
        self._key = key

    def complete(self, response: bytes) -> Secret:
        _check_size(self.algorithm, response, self.algorithm.response_size)
        try:
            point = _UNCOMPRESSED + response
            peer = ec.EllipticCurvePublicKey.from_encoded_point(_asymmetric.curve(self.algorithm), point)
        except ValueError as error:
            raise VerificationError(f"{self.algorithm} public value", (response,)) from error
        return Secret(self._key.exchange(ec.ECDH(), peer))

    def private_value(self) -> Secret:
        return Secret(self._padded(self._key.private_numbers().private_value))

    def _padded(self, number: int) -> bytes:
        return number.to_bytes(self.algorithm.shared_secret_size, "big")


class _Kem(Exchange):
    """A key encapsulation mechanism."""

    algorithm: KemAlgorithm

    def __init__(self, algorithm: KemAlgorithm, key: pqc.MlKemPrivateKey) -> None:
        self.algorithm = algorithm
        self.request = key.public_key().public_bytes_raw()
        self._key = key

    def complete(self, response: bytes) -> Secret:
        _check_size(self.algorithm, response, self.algorithm.response_size)
        return Secret(self._key.decapsulate(response))

    def private_value(self) -> Secret:
        return Secret(self._key.private_bytes_raw())


def new_exchange(algorithm: Agreement) -> Exchange:
    """Draw a key pair from the library. Raises UnsupportedAlgorithmError if it lacks the algorithm."""
    if isinstance(algorithm, KemAlgorithm):
        return _Kem(algorithm, pqc.ml_kem_classes(algorithm)[0].generate())
    if algorithm.is_finite_field:
        return _FiniteField(algorithm, ffdhe.generate_private_key(algorithm))
    return _Curve(algorithm, ec.generate_private_key(_asymmetric.curve(algorithm)))


def load_exchange(algorithm: Agreement, private_value: KeyMaterial) -> Exchange:
    """Return the exchange with a given exponent or scalar, big-endian, or ML-KEM seed: what ``private_value`` returned.

    Raises ValueError if the value is out of range, UnsupportedAlgorithmError if the library lacks the algorithm.
    """
    octets = octets_of(private_value)
    if isinstance(algorithm, KemAlgorithm):
        return _Kem(algorithm, pqc.ml_kem_classes(algorithm)[0].from_seed_bytes(octets))
    number = int.from_bytes(octets, "big")
    if algorithm.is_finite_field:
        return _FiniteField(algorithm, ffdhe.load_private_key(algorithm, number))
    return _Curve(algorithm, ec.derive_private_key(number, _asymmetric.curve(algorithm)))


def encapsulate(algorithm: Agreement, request: bytes) -> Encapsulation:
    """Answer an initiator's request field.

    Raises VerificationError if it has the wrong size, or holds no valid public value or encapsulation key;
    UnsupportedAlgorithmError if the library lacks the algorithm.
    """
    if isinstance(algorithm, KemAlgorithm):
        return _encapsulate(algorithm, request)
    exchange = new_exchange(algorithm)
    return Encapsulation(exchange.request, exchange.complete(request))


def _encapsulate(algorithm: KemAlgorithm, request: bytes) -> Encapsulation:
    public_class = pqc.ml_kem_classes(algorithm)[1]
    _check_size(algorithm, request, algorithm.request_size)
    try:
        secret, ciphertext = public_class.from_public_bytes(request).encapsulate()
    except ValueError as error:
        raise VerificationError(f"{algorithm} encapsulation key", (request,)) from error
    return Encapsulation(ciphertext, Secret(secret))


def _check_size(algorithm: Agreement, received: bytes, size: int) -> None:
    if len(received) != size:
        raise VerificationError(f"{algorithm} field of {len(received)} instead of {size} bytes", (received,))

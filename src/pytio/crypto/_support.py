"""Which algorithms the installed ``cryptography`` computes, found out by trying.

This file knows a smallest trial for each kind of algorithm. It knows no protocol.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ed448, ed25519

from pytio.crypto import _asymmetric, _symmetric, ffdhe, pqc
from pytio.crypto.algorithms import (
    AeadAlgorithm,
    Algorithm,
    ExchangeAlgorithm,
    HashAlgorithm,
    KemAlgorithm,
    SignatureAlgorithm,
    SignatureScheme,
    UnsupportedAlgorithmError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ("is_supported",)


@cache
def is_supported(algorithm: Algorithm) -> bool:
    """Say whether the library computes an algorithm."""
    try:
        _TRIALS[type(algorithm)](algorithm)
    except (UnsupportedAlgorithmError, UnsupportedAlgorithm):
        return False
    return True


def _try_aead(algorithm: AeadAlgorithm) -> None:
    _symmetric.aead_box(algorithm, bytes(algorithm.key_size))


def _try_signature(algorithm: SignatureAlgorithm) -> None:
    if algorithm.scheme not in _SIGNATURE_TRIALS:
        raise UnsupportedAlgorithmError(algorithm)
    _SIGNATURE_TRIALS[algorithm.scheme](algorithm)


def _try_exchange(algorithm: ExchangeAlgorithm) -> None:
    if algorithm.is_finite_field:
        ffdhe.generate_private_key(algorithm)
    else:
        _asymmetric.curve(algorithm)


def _try_nothing(_algorithm: SignatureAlgorithm) -> None:
    """RSA is in every version."""


def _try_ed25519(algorithm: SignatureAlgorithm) -> None:
    ed25519.Ed25519PrivateKey.from_private_bytes(bytes(algorithm.public_key_size))


def _try_ed448(algorithm: SignatureAlgorithm) -> None:
    ed448.Ed448PrivateKey.from_private_bytes(bytes(algorithm.public_key_size))


_SIGNATURE_TRIALS: Final[Mapping[SignatureScheme, Callable[[SignatureAlgorithm], object]]] = {
    SignatureScheme.RSASSA_PKCS1: _try_nothing,
    SignatureScheme.RSASSA_PSS: _try_nothing,
    SignatureScheme.ECDSA: _asymmetric.curve,
    SignatureScheme.ED25519: _try_ed25519,
    SignatureScheme.ED448: _try_ed448,
    SignatureScheme.ML_DSA: pqc.ml_dsa_classes,
}

_TRIALS: Final[Mapping[type[Algorithm], Callable[..., object]]] = {
    HashAlgorithm: _symmetric.hash_object,
    AeadAlgorithm: _try_aead,
    SignatureAlgorithm: _try_signature,
    ExchangeAlgorithm: _try_exchange,
    KemAlgorithm: pqc.ml_kem_classes,
}

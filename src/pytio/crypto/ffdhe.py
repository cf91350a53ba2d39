"""The finite-field Diffie-Hellman groups of RFC 7919, and the library's keys in them.

This file knows primes and generators, and that ``cryptography`` announced (in version 50) that it will drop the whole
kind; where it has, every group raises ``UnsupportedAlgorithmError``. It knows no encoding and no protocol.
"""

from __future__ import annotations

import warnings
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.utils import CryptographyDeprecationWarning

from pytio.crypto.algorithms import ExchangeAlgorithm, UnsupportedAlgorithmError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryptography.hazmat.primitives.asymmetric.dh import DHParameterNumbers, DHPrivateKey, DHPublicKey

__all__ = ("GENERATOR", "generate_private_key", "load_private_key", "load_public_key", "prime")

GENERATOR: Final = 2
"""Of every group; it generates the subgroup of order (p - 1) / 2."""

_OFFSETS: Final[Mapping[ExchangeAlgorithm, int]] = {
    ExchangeAlgorithm.FFDHE_2048: 560316,
    ExchangeAlgorithm.FFDHE_3072: 2625351,
    ExchangeAlgorithm.FFDHE_4096: 5736041,
}
"""X of the formula: the smallest that makes p a safe prime (RFC 7919, appendix A)."""

_BITS_OF_ONES: Final = 64
"""At either end of a prime."""

_GUARD_BITS: Final = 64
"""Beyond the bits of e that are used, so that cutting the series short changes none of them."""


@cache
def prime(group: ExchangeAlgorithm) -> int:
    """Return p = 2^b - 2^(b-64) + (floor(2^(b-130) e) + X) 2^64 - 1, for b bits (RFC 7919, appendix A).

    Raises UnsupportedAlgorithmError if ``group`` is no finite-field group.
    """
    if group not in _OFFSETS:
        raise UnsupportedAlgorithmError(group)
    bits = group.request_size * 8
    middle = _scaled_e(bits - 2 * _BITS_OF_ONES - 2) + _OFFSETS[group]
    return (1 << bits) - (1 << bits - _BITS_OF_ONES) + (middle << _BITS_OF_ONES) - 1


def generate_private_key(group: ExchangeAlgorithm) -> DHPrivateKey:
    """Draw a private key. Raises UnsupportedAlgorithmError if the library lacks the group."""
    return _parameters(group).parameters().generate_private_key()


def load_private_key(group: ExchangeAlgorithm, exponent: int) -> DHPrivateKey:
    """Return the private key with a given exponent.

    Raises ValueError if the exponent is not between 0 and p - 1, both excluded; UnsupportedAlgorithmError if the
    library lacks the group.
    """
    if not 0 < exponent < prime(group) - 1:
        raise ValueError(f"not a private value of {group}")
    public = _numbers("Public")(pow(GENERATOR, exponent, prime(group)), _parameters(group))
    key: DHPrivateKey = _numbers("Private")(exponent, public).private_key()
    return key


def load_public_key(group: ExchangeAlgorithm, value: int) -> DHPublicKey:
    """Return the public key with a given value.

    Raises ValueError if the value is not between 1 and p - 1, both excluded (RFC 7919, 5.1); UnsupportedAlgorithmError
    if the library lacks the group.
    """
    if not 1 < value < prime(group) - 1:
        raise ValueError(f"not a public value of {group}")
    key: DHPublicKey = _numbers("Public")(value, _parameters(group)).public_key()
    return key


@cache
def _parameters(group: ExchangeAlgorithm) -> DHParameterNumbers:
    try:
        numbers: DHParameterNumbers = _numbers("Parameter")(prime(group), GENERATOR)
        numbers.parameters()
    except (ImportError, AttributeError, UnsupportedAlgorithm) as error:
        raise UnsupportedAlgorithmError(group) from error
    return numbers


@cache
def _numbers(kind: str) -> Any:
    """Return one of the library's three classes of numbers, without its warning, which is for whoever can choose."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        return getattr(import_module("cryptography.hazmat.primitives.asymmetric.dh"), f"DH{kind}Numbers")


def _scaled_e(bits: int) -> int:
    """Return floor(2^bits e), as the sum of 1/n!."""
    term = total = 1 << bits + _GUARD_BITS
    divisor = 0
    while term:
        divisor += 1
        term //= divisor
        total += term
    return total >> _GUARD_BITS

"""Cryptography for every layer: algorithms by name, digests, key derivation, authenticated encryption.

The only package that imports the ``cryptography`` library. The names below resolve on first use, so that a codec which
merely names an algorithm does not load it. The package knows no protocol: bit positions, labels, transcripts and record
formats are the business of the layers above.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pytio.crypto.aead import Aead
    from pytio.crypto.algorithms import (
        AEAD_NONCE_SIZE,
        AEAD_TAG_SIZE,
        AeadAlgorithm,
        Algorithm,
        ExchangeAlgorithm,
        HashAlgorithm,
        KemAlgorithm,
        SignatureAlgorithm,
        SignatureScheme,
        UnsupportedAlgorithmError,
    )
    from pytio.crypto.digests import Digest, digest
    from pytio.crypto.kdf import hkdf_expand, hkdf_extract, hmac, verify_hmac
    from pytio.crypto.secret import KeyMaterial, Secret

__all__ = (
    "AEAD_NONCE_SIZE",
    "AEAD_TAG_SIZE",
    "Aead",
    "AeadAlgorithm",
    "Algorithm",
    "Digest",
    "ExchangeAlgorithm",
    "HashAlgorithm",
    "KemAlgorithm",
    "KeyMaterial",
    "Secret",
    "SignatureAlgorithm",
    "SignatureScheme",
    "UnsupportedAlgorithmError",
    "digest",
    "hkdf_expand",
    "hkdf_extract",
    "hmac",
    "verify_hmac",
)

_MODULES: Final = ("algorithms", "secret", "digests", "kdf", "aead")
"""Where the names live, cheapest to import first."""


if not TYPE_CHECKING:  # a type checker that saw this would believe in every misspelt name

    def __getattr__(name: str) -> object:
        """Import the module that defines a public name, on the first use of that name."""
        if name in __all__:
            for module_name in _MODULES:
                module = import_module(f"{__name__}.{module_name}")
                if name in module.__all__:
                    return globals().setdefault(name, getattr(module, name))
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """List the public names, resolved or not."""
    return sorted({*globals(), *__all__})

"""Cryptography for every layer: algorithms by name, digests, keys, agreements, certificates, and where entropy enters.

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
    from pytio.crypto.chain_rules import ChainModel, ChainPolicy, ChainRole, ChainRule
    from pytio.crypto.chains import ChainError, Finding, build_path, examine_chain, verify_chain
    from pytio.crypto.digests import Digest, digest
    from pytio.crypto.exchange import Agreement, Encapsulation, Exchange, encapsulate, load_exchange, new_exchange
    from pytio.crypto.kdf import hkdf_expand, hkdf_extract, hmac, verify_hmac
    from pytio.crypto.keys import PrivateKey, PublicKey
    from pytio.crypto.provider import LibraryProvider, Provider, RecordedProvider, Recording, RecordingProvider
    from pytio.crypto.secret import KeyMaterial, Secret
    from pytio.crypto.signatures import SignatureParameters, SigningKey, byte_reversed
    from pytio.crypto.x509 import Certificate, parse_certificates, read_certificates

__all__ = (
    "AEAD_NONCE_SIZE",
    "AEAD_TAG_SIZE",
    "Aead",
    "AeadAlgorithm",
    "Agreement",
    "Algorithm",
    "Certificate",
    "ChainError",
    "ChainModel",
    "ChainPolicy",
    "ChainRole",
    "ChainRule",
    "Digest",
    "Encapsulation",
    "Exchange",
    "ExchangeAlgorithm",
    "Finding",
    "HashAlgorithm",
    "KemAlgorithm",
    "KeyMaterial",
    "LibraryProvider",
    "PrivateKey",
    "Provider",
    "PublicKey",
    "RecordedProvider",
    "Recording",
    "RecordingProvider",
    "Secret",
    "SignatureAlgorithm",
    "SignatureParameters",
    "SignatureScheme",
    "SigningKey",
    "UnsupportedAlgorithmError",
    "build_path",
    "byte_reversed",
    "digest",
    "encapsulate",
    "examine_chain",
    "hkdf_expand",
    "hkdf_extract",
    "hmac",
    "load_exchange",
    "new_exchange",
    "parse_certificates",
    "read_certificates",
    "verify_chain",
    "verify_hmac",
)

_MODULES: Final = (
    "algorithms",
    "secret",
    "signatures",
    "digests",
    "kdf",
    "aead",
    "keys",
    "exchange",
    "provider",
    "x509",
    "chain_rules",
    "chains",
)
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

"""Who does the cryptography of IDE: Intel's multi-buffer library, OpenSSL, or plain Python over ``cryptography``.

A provider makes a `UnitKey` of an AES key and the fixed part of the IV. The first of them that works here is chosen
when the first key is made, and stays; ``PYTIO_IDE_PROVIDER`` in the environment forces one. All give the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from types import MappingProxyType
from typing import Any, Final, Protocol

import attrs

from pytio._accel import IS_PURE_WANTED, WANTED_IDE_PROVIDER
from pytio.crypto import Aead, AeadAlgorithm
from pytio.errors import BackendUnavailableError
from pytio.ide.codes import KEY_BYTES, MAC_BYTES

__all__ = ("PROVIDERS", "Provider", "UnitKey", "new_key", "provider", "providers")

PROVIDERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "ipsec_mb": "Intel's multi-buffer library (Debian: libipsec-mb-dev), x86-64 with AES-NI",
        "libcrypto": "OpenSSL (Debian: libssl-dev)",
        "pure": "plain Python over the package `cryptography`; always there, and cannot overwrite keys in memory",
    }
)
"""What there is, the fastest first: what it is, and what its headers are called when pytio is built from source."""


class UnitKey(Protocol):
    """One key of one sub-stream in one direction.

    Every call raises ValueError once the key is closed, or for a number that does not fit in 64 bits.
    """

    next_invocation: int
    """The lowest number that `seal` still takes; a number is used once."""

    def seal(self, invocation: int, plaintext: bytes, aad: bytes) -> bytes:
        """Return ciphertext and MAC of a unit; raises ValueError if the number was used."""

    def open(self, invocation: int, sealed: bytes, aad: bytes) -> bytes:
        """Return the plaintext of ciphertext and MAC; raises VerificationError if the MAC does not hold."""

    def crypt(self, invocation: int, text: bytes) -> bytes:
        """Return text encrypted, or decrypted, without a MAC: for a unit that is not complete."""

    def close(self) -> None:
        """Forget the key; a compiled provider overwrites it."""

    @property
    def is_closed(self) -> bool:
        """Whether the key is gone."""


@attrs.frozen
class Provider:
    """One provider, on this machine."""

    name: str
    """One of `PROVIDERS`."""
    version: str | None
    """Of its library; None where it is not available."""
    reason: str
    """Why it is not available; empty where it is."""
    make: Callable[[bytes, bytes], UnitKey] | None = attrs.field(default=None, repr=False, eq=False)
    """Makes a key; None where it is not available."""

    @property
    def is_available(self) -> bool:
        """Whether it works here."""
        return self.make is not None


def _pure() -> Provider:
    from cryptography import __version__  # noqa: PLC0415  only to say it

    from pytio._accel import pure_units  # noqa: PLC0415  one of three

    def make(key: bytes, fixed: bytes) -> UnitKey:
        if len(key) != KEY_BYTES:
            raise ValueError(f"a key has {KEY_BYTES} bytes, not {len(key)}")
        return pure_units.UnitKey(Aead(AeadAlgorithm.AES_256_GCM, key, MAC_BYTES), fixed)

    return Provider("pure", f"cryptography {__version__}", "", make)


def _compiled(name: str) -> Provider:
    if IS_PURE_WANTED:
        return Provider(name, None, "PYTIO_PURE is set")
    try:
        units: Any = import_module("pytio._accel.units")
        library: Any = import_module(f"pytio._accel.{name}")
    except ImportError as error:
        return Provider(name, None, str(error))

    def make(key: bytes, fixed: bytes) -> UnitKey:
        made: UnitKey = units.UnitKey(library.CIPHER, key, fixed)
        return made

    return Provider(name, library.VERSION, "", make)


@cache
def _known(name: str) -> Provider:
    return _pure() if name == "pure" else _compiled(name)


def providers() -> list[Provider]:
    """Return all providers, the fastest first, and why one is not available."""
    return [_known(name) for name in PROVIDERS]


@cache
def provider() -> Provider:
    """Return the provider in use.

    Raises:
        BackendUnavailableError: the environment asks for one that does not exist, or is not available.
    """
    if not WANTED_IDE_PROVIDER:
        return next(found for name in PROVIDERS if (found := _known(name)).is_available)
    if WANTED_IDE_PROVIDER not in PROVIDERS:
        raise BackendUnavailableError(WANTED_IDE_PROVIDER, "no such provider", f"there are {', '.join(PROVIDERS)}")
    wanted = _known(WANTED_IDE_PROVIDER)
    if not wanted.is_available:
        raise BackendUnavailableError(wanted.name, wanted.reason, PROVIDERS[wanted.name])
    return wanted


def new_key(key: bytes, fixed: bytes) -> UnitKey:
    """Return a key of the provider in use.

    Raises:
        ValueError: the key does not have 32 bytes, or the fixed part of the IV not 4.
        BackendUnavailableError: as `provider`.
    """
    make = provider().make
    assert make is not None
    return make(key, fixed)

"""The wrapper that keeps key material out of texts and out of ``==``.

This file knows neither algorithms nor protocols.
"""

from __future__ import annotations

from hmac import compare_digest
from typing import Any, NoReturn, final

__all__ = ("KeyMaterial", "Secret", "equal_in_constant_time", "octets_of")


@final
class Secret:
    """Immutable bytes that show only when asked by name.

    Its repr gives the length, comparison takes the same time wherever two secrets of one length differ, and it is
    neither hashable nor picklable: whoever wants to store it says ``reveal()``.
    """

    __slots__ = ("_octets",)
    __hash__ = None  # type: ignore[assignment]  # a hash would be a short, unsalted function of the secret

    def __init__(self, octets: KeyMaterial) -> None:
        """Wrap a copy of bytes, or of another secret."""
        self._octets = octets_of(octets)

    def reveal(self) -> bytes:
        """Return the bytes themselves."""
        return self._octets

    def __len__(self) -> int:
        """Return the number of bytes."""
        return len(self._octets)

    def __eq__(self, other: object) -> bool:
        """Compare with another secret in constant time; anything else is never equal."""
        if not isinstance(other, Secret):
            return NotImplemented
        return equal_in_constant_time(self._octets, other._octets)

    def __repr__(self) -> str:
        """Say the length and nothing else."""
        return f"<Secret of {len(self)} bytes>"

    def __copy__(self) -> Secret:
        """Return the object itself: it is immutable."""
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Secret:
        """Return the object itself: it is immutable."""
        return self

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled."""
        raise TypeError("a Secret is not pickled; say reveal() where it is meant to be stored")


KeyMaterial = Secret | bytes
"""What functions that consume a key accept."""


def octets_of(material: KeyMaterial) -> bytes:
    """Return the bytes of key material, wrapped or not."""
    return material.reveal() if isinstance(material, Secret) else bytes(material)


def equal_in_constant_time(left: bytes, right: bytes) -> bool:
    """Compare bytes in a time that depends on their lengths only."""
    return compare_digest(left, right)

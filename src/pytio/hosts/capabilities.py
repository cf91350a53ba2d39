"""Where the extended capabilities of a live function are, read one double word at a time.

Document: PCIe Base 6.x section 7.6.3. Drivers need three numbers of a capability before they use it; whoever wants to
read one uses `pytio.pci`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pytio.pci import ConfigAccess

__all__ = ("DOE", "IDE", "extended_capabilities")

DOE: Final = 0x2E
"""Data Object Exchange."""
IDE: Final = 0x30
"""Integrity and Data Encryption."""
_FIRST: Final = 0x100
_END: Final = 0x1000
_ID_MASK: Final = 0xFFFF
_VERSION_SHIFT: Final = 16
_VERSION_MASK: Final = 0xF
_NEXT_SHIFT: Final = 20
_NEXT_MASK: Final = 0xFFC
_ABSENT: Final = (0, 0xFFFF_FFFF)


def extended_capabilities(config: ConfigAccess) -> Iterator[tuple[int, int, int]]:
    """Yield id, version and offset of each extended capability; a list that loops ends where it does.

    Raises what the configuration space raises where it ends at 64 or at 256 bytes.
    """
    at, visited = _FIRST, set[int]()
    while _FIRST <= at < _END and at not in visited:
        visited.add(at)
        header = int.from_bytes(config.read(at, 4), "little")
        if header in _ABSENT:
            return
        yield header & _ID_MASK, header >> _VERSION_SHIFT & _VERSION_MASK, at
        at = header >> _NEXT_SHIFT & _NEXT_MASK

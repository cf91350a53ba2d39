"""Physical memory: sparse pages, and the engine that encrypts those of a guest.

Document: AMD 24593, "Secure Encrypted Virtualization": a page that is accessed with an ASID is encrypted with the key
of that ASID, and its address is part of it. Whoever reads with another ASID, or without, sees ciphertext. Details
of the real engine are not public; here it is AES-XTS, page by page. Who may access what is the RMP's to say.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pytio.crypto import LibraryProvider, Provider
from pytio.crypto.xts import XTS_KEY_BYTES, Xts
from pytio.errors import PytioError
from pytio.sev.tio_codes import PAGE_BYTES

__all__ = ("HOST_ASID", "Memory", "MemoryRangeError")

HOST_ASID: Final = 0
"""The ASID of the host: its pages are not encrypted."""
_BLANK: Final = bytes(PAGE_BYTES)


class MemoryRangeError(PytioError, ValueError):
    """An access outside of memory."""

    def __init__(self, paddr: int, size: int) -> None:
        """Name address and size, in bytes."""
        super().__init__(paddr, size)
        self.paddr = paddr
        self.size = size

    def __str__(self) -> str:
        """Say where."""
        return f"there is no memory at {self.paddr:#x}, or it ends within {self.size} bytes"


class Memory:
    """Memory as the hardware sees it: only the range is checked.

    Attributes:
        size_bytes: how much there is, from address 0 on.
    """

    def __init__(self, size_bytes: int, *, provider: Provider | None = None) -> None:
        """Make memory full of zeros, of a whole number of pages; raises ValueError for another size.

        ``provider`` draws the keys of guests.
        """
        if size_bytes <= 0 or size_bytes % PAGE_BYTES:
            raise ValueError(f"{size_bytes} bytes are no whole number of pages")
        self.size_bytes = size_bytes
        self._provider = provider or LibraryProvider()
        self._pages: dict[int, bytes] = {}
        self._keys: dict[int, Xts] = {}

    def read(self, paddr: int, size: int, asid: int = HOST_ASID) -> bytes:
        """Return ``size`` bytes, decrypted with the key of an ASID other than 0.

        Raises:
            MemoryRangeError: some of them are outside of memory.
        """
        self._check(paddr, size)
        return b"".join(self._load(page, asid)[first:last] for page, first, last in _parts(paddr, size))

    def write(self, paddr: int, data: bytes, asid: int = HOST_ASID) -> None:
        """Write bytes, encrypted with the key of an ASID other than 0.

        Raises:
            MemoryRangeError: some of them are outside of memory.
        """
        self._check(paddr, len(data))
        at = 0
        for page, first, last in _parts(paddr, len(data)):
            old = b"" if last - first == PAGE_BYTES else self._load(page, asid)
            self._store(page, old[:first] + data[at : at + last - first] + old[last:], asid)
            at += last - first

    def discard(self, asid: int) -> None:
        """Forget the key of an ASID: what it encrypted is lost."""
        self._keys.pop(asid, None)

    def _load(self, page: int, asid: int) -> bytes:
        raw = self._pages.get(page, _BLANK)
        return raw if asid == HOST_ASID else self._key(asid).decrypt(page, raw)

    def _store(self, page: int, data: bytes, asid: int) -> None:
        self._pages[page] = data if asid == HOST_ASID else self._key(asid).encrypt(page, data)

    def _key(self, asid: int) -> Xts:
        if asid not in self._keys:
            self._keys[asid] = Xts(self._provider.nonce(XTS_KEY_BYTES))
        return self._keys[asid]

    def _check(self, paddr: int, size: int) -> None:
        if paddr < 0 or size < 0 or paddr + size > self.size_bytes:
            raise MemoryRangeError(paddr, size)


def _parts(paddr: int, size: int) -> Iterator[tuple[int, int, int]]:
    """Yield the number of each page of a range, and where the range begins and ends in it."""
    end = paddr + size
    while paddr < end:
        page, first = divmod(paddr, PAGE_BYTES)
        last = min(PAGE_BYTES, first + end - paddr)
        yield page, first, last
        paddr += last - first

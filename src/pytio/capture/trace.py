"""A capture as an object: iterate its records, or ask for one of them.

A trace holds the file's name and the secrets; records are made anew whenever it is iterated, so memory stays bounded
however large the file is. Asking for a record by its position keeps all of them from then on.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import overload

from pytio.capture.dissector import Dissector
from pytio.capture.pcap import read_pcap
from pytio.capture.records import Record
from pytio.capture.secrets import SecretStore
from pytio.crypto import KeyMaterial

__all__ = ("Trace", "open_capture")


class Trace:
    """The records of one capture file, in order."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        psk: Iterable[KeyMaterial] = (),
        dhe_secret: Iterable[KeyMaterial] = (),
        kem_secret: Iterable[KeyMaterial] = (),
    ) -> None:
        """Name the file; nothing is read yet. Secrets repeat in the order in which sessions start."""
        self.path = Path(path)
        self._psk = tuple(psk)
        self._dhe = tuple(dhe_secret)
        self._kem = tuple(kem_secret)
        self._records: list[Record] | None = None

    def __iter__(self) -> Iterator[Record]:
        """Yield the records, reading the file from its start.

        Raises:
            CaptureError: the file is no capture.
            OSError: the file cannot be read.
        """
        if self._records is not None:
            yield from self._records
            return
        dissector = Dissector(SecretStore(psk=self._psk, dhe=self._dhe, kem=self._kem))
        with self.path.open("rb") as stream:
            for frame in read_pcap(stream):
                yield dissector.read(frame)

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> list[Record]: ...
    def __getitem__(self, index: int | slice) -> Record | list[Record]:
        """Return the record at a position, from 0, or a slice of them; reads the whole file the first time."""
        return self._all()[index]

    def __len__(self) -> int:
        """Return the number of records; reads the whole file the first time."""
        return len(self._all())

    def _all(self) -> list[Record]:
        if self._records is None:
            self._records = [*iter(self)]  # not list(), which would ask for the length first
        return self._records

    def __repr__(self) -> str:
        """Name the file, and say nothing of secrets."""
        return f"<Trace {self.path.name}>"


def open_capture(
    path: str | os.PathLike[str],
    *,
    psk: Iterable[KeyMaterial] = (),
    dhe_secret: Iterable[KeyMaterial] = (),
    kem_secret: Iterable[KeyMaterial] = (),
) -> Trace:
    """Open a capture of SPDM traffic.

    Args:
        path: a pcap file, link type MCTP (291) or PCI_DOE (292).
        psk: pre-shared keys, one for each PSK session, in the order in which the sessions start.
        dhe_secret: raw Diffie-Hellman secrets, one for each session that KEY_EXCHANGE started, in order.
        kem_secret: secrets of key encapsulation, likewise.

    Raises:
        CaptureError: the file is no capture.
        OSError: the file cannot be read.
    """
    trace = Trace(path, psk=psk, dhe_secret=dhe_secret, kem_secret=kem_secret)
    next(iter(trace), None)  # a file that is no capture is refused here, not at the first use
    return trace

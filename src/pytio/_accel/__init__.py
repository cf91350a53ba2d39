"""Hot loops, compiled where the installation could compile them, in plain Python elsewhere; `IS_COMPILED` says which.

``PYTIO_PURE=1`` in the environment selects plain Python, and ``PYTIO_IDE_PROVIDER`` names who does the cryptography of
IDE (`pytio.ide.unit_keys` chooses). This is the one place below the hosts that reads the environment: the choice has to
fall before the first import of a function, and both choices behave the same. Scanners need a C compiler, what opens
records needs OpenSSL's headers, too; each is chosen for itself.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pytio._accel import pure
from pytio._accel.pure_openers import BIG, LITTLE, AnyRecordOpener, AnySessionOpener, RecordOpener, SessionOpener
from pytio._accel.pure_records import RecordTable

if TYPE_CHECKING:
    from types import ModuleType

__all__ = (
    "BIG",
    "IS_COMPILED",
    "IS_PURE_WANTED",
    "LITTLE",
    "PURE",
    "AnyRecordOpener",
    "AnySessionOpener",
    "Twins",
    "WANTED_IDE_PROVIDER",
    "chosen",
    "compiled",
    "index_pcap",
    "provider",
)

IS_PURE_WANTED = os.environ.get("PYTIO_PURE", "") not in {"", "0"}
"""Whether the environment selects plain Python."""
WANTED_IDE_PROVIDER = os.environ.get("PYTIO_IDE_PROVIDER", "")
"""The provider of IDE's cryptography that the environment asks for; empty for the first that works."""
IS_COMPILED = False
"""Whether the scanners here are the compiled twins."""

index_pcap = pure.index_pcap


class Twins:
    """One set of twins: the scanners, and what opens records.

    Attributes:
        scan: the module of the scanners.
        openers: the module of compiled openers, or None.
        records: the module of the record table that goes with them.
        hkdf: the module that derives keys, or None.
    """

    def __init__(
        self,
        scan: ModuleType,
        openers: ModuleType | None = None,
        records: ModuleType | None = None,
        hkdf: ModuleType | None = None,
    ) -> None:
        self.scan = scan
        self.openers = openers
        self.records = records
        self.hkdf = hkdf

    def session_opener(self, request: AnyRecordOpener, response: AnyRecordOpener) -> AnySessionOpener:
        """Return what opens both directions of a session."""
        if self.openers is not None and isinstance(request, self.openers.RecordOpener):
            made: AnySessionOpener = self.openers.SessionOpener(request, response)
            return made
        assert isinstance(request, RecordOpener)
        assert isinstance(response, RecordOpener)
        return SessionOpener(request, response)

    def record_table(self) -> RecordTable:
        """Return a table of sessions whose records can be opened in bulk."""
        made: RecordTable = RecordTable() if self.records is None else self.records.RecordTable()
        return made


PURE = Twins(pure)
"""The pure twins."""
chosen = PURE
"""The twins in use."""


def compiled() -> Twins:
    """Return what was compiled when this was installed, and the pure twins of the rest."""
    try:
        from pytio._accel import scan  # noqa: PLC0415  it may not be there
    except ImportError:
        return PURE
    try:
        from pytio._accel import openers, records  # noqa: PLC0415  they may not be there
    except ImportError:  # OpenSSL's headers were not there, or its library is not there now
        return Twins(scan)
    try:
        from pytio._accel import hkdf  # noqa: PLC0415  it may not be there
    except ImportError:  # OpenSSL is older than 3.0
        return Twins(scan, openers, records)
    return Twins(scan, openers, records, hkdf)


if not IS_PURE_WANTED:
    chosen = compiled()
    IS_COMPILED = chosen is not PURE
    index_pcap = chosen.scan.index_pcap


def provider() -> str:
    """Return ``"compiled"`` or ``"pure"``, for a bug report or a benchmark row."""
    return "compiled" if IS_COMPILED else "pure"

"""The TSM's files of the two SEV-TIO RFCs.

Facts: the RFC of August 2024 (R1) has ``tsm_*`` files right in a function's folder; that of February 2025 (R2) has
objects, ``tdev:BDF`` for the device and ``tdi:BDF`` for the interface. Both connect with a number and have one TSM.
"""

from __future__ import annotations

import errno
from abc import abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from pytio.backends.sysfs.attribute import read_bytes, read_text, write_once
from pytio.backends.sysfs.meanings import RFC_CONNECT, RFC_UNCHANGED, RFC_VALIDATE
from pytio.backends.sysfs.tsm import EvidenceFiles, InterfaceFiles, TsmFiles, TsmShape
from pytio.errors import BackendError, BackendUnavailableError

__all__ = ("R1InterfaceFiles", "R1TsmFiles", "R2InterfaceFiles", "R2TsmFiles", "parse_status")

_NONE: Final = "none"


class _RfcTsmFiles(TsmFiles):
    """What both RFCs share: ``tsm_dev_connect`` holds 0 or 1, and there is one TSM."""

    @property
    @abstractmethod
    def _folder(self) -> Path: ...

    def connected_to(self) -> str | None:
        """Read ``tsm_dev_connect``; the TSM has no choice of names."""
        return "tsm0" if read_text(self._folder / "tsm_dev_connect") == "1" else None

    def connect(self, tsm: str) -> None:
        """Write 1, whatever the name; the RFC has one TSM."""
        self._change("1", is_already=lambda: self.connected_to() is not None)

    def disconnect(self) -> None:
        """Write 0."""
        self._change("0", is_already=lambda: self.connected_to() is None)

    def _change(self, value: str, is_already: Callable[[], bool]) -> None:
        path = self._folder / "tsm_dev_connect"
        try:
            write_once(path, value, RFC_CONNECT)
        except BackendError as error:
            if getattr(error.__cause__, "errno", 0) != errno.EIO or not is_already():
                raise
            meaning = RFC_UNCHANGED[value]
            raise meaning.error(str(path), meaning.reason, meaning.hint) from error.__cause__

    def status(self) -> Mapping[str, str]:
        """Read ``tsm_dev_status``, as the firmware reports it.

        Raises:
            BackendError: the file cannot be read.
        """
        return parse_status(read_text(self._folder / "tsm_dev_status"))


class R1TsmFiles(_RfcTsmFiles):
    """Files of the first RFC, right in the function's folder."""

    shape = TsmShape.R1

    @property
    def _folder(self) -> Path:
        return self._function.directory

    def evidence(self) -> EvidenceFiles:
        """Read the texts ``tsm_certs``, ``tsm_meas`` and ``tsm_report``."""
        certificates, measurements, report = (
            _blob(self._folder / name) for name in ("tsm_certs", "tsm_meas", "tsm_report")
        )
        return EvidenceFiles(certificates, measurements, report, is_text=True)


class R2TsmFiles(_RfcTsmFiles):
    """Files of the second RFC, in the object ``tdev:BDF``; the report is in ``tdi:BDF``."""

    shape = TsmShape.R2

    @property
    def _folder(self) -> Path:
        return self._function.directory / f"tsm-dev/tdev:{self._function.bdf}"

    def set_nonce(self, nonce: bytes) -> None:
        """Write the nonce that the next measurements are made with.

        Raises:
            BackendError: the file is absent or refuses.
        """
        write_once(self._folder / "tsm_nonce", nonce)

    def evidence(self) -> EvidenceFiles:
        """Read the bytes of ``tsm_certs``, ``tsm_meas`` (measured anew) and ``tsm_report``."""
        interface = self._function.directory / f"tsm-tdi/tdi:{self._function.bdf}"
        return EvidenceFiles(
            _blob(self._folder / "tsm_certs"), _blob(self._folder / "tsm_meas"), _blob(interface / "tsm_report")
        )


class R1InterfaceFiles(InterfaceFiles):
    """``tsm_tdi_validate`` of both RFCs: one write locks, checks and starts (`LINUX_U5` for where R2 has it)."""

    shape = TsmShape.R1

    @property
    def _folder(self) -> Path:
        return self._function.directory

    def is_accepted(self) -> bool:
        """Read ``tsm_tdi_validate``."""
        return read_text(self._folder / "tsm_tdi_validate") == "1"

    def lock(self, tsm: str) -> None:
        """Refuse: the host has locked the interface when it bound it, and the guest only validates."""
        raise BackendUnavailableError(
            str(self._folder),
            "the guest does not lock in this kernel",
            "the host's bind has done so: accept validates it",
        )

    def accept(self) -> None:
        """Write 1 to ``tsm_tdi_validate``."""
        write_once(self._folder / "tsm_tdi_validate", "1", RFC_VALIDATE)

    def stop(self) -> None:
        """Write 0 to ``tsm_tdi_validate``."""
        write_once(self._folder / "tsm_tdi_validate", "0", RFC_VALIDATE)


class R2InterfaceFiles(R1InterfaceFiles):
    """The same control, on the object ``tdi:BDF``."""

    shape = TsmShape.R2

    @property
    def _folder(self) -> Path:
        return self._function.directory / f"tsm-tdi/tdi:{self._function.bdf}"


def parse_status(text: str) -> Mapping[str, str]:
    """Return the ``name=value`` pairs of a status text, in their order; other words are left out."""
    return {name: value for name, equals, value in (word.partition("=") for word in text.split()) if equals}


def _blob(path: Path) -> bytes | None:
    """Return a blob; None where the file is absent, empty, or says that there is none."""
    if not path.exists():
        return None
    raw = read_bytes(path)
    return None if raw.strip() in {b"", _NONE.encode()} else raw

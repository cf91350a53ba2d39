"""Reports through configfs: ``/sys/kernel/config/tsm/report``, the same for every vendor of confidential computing.

Facts: Documentation/ABI/testing/configfs-tsm-report. What is written to ``inblob`` takes effect when the file is
closed, and errors there are lost; so the generation counter is compared before and after. A report is kept until the
next write.
"""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Final

import attrs

from pytio.backends.errnos import Meaning, Meanings, translated
from pytio.backends.sysfs.attribute import read_bytes, read_int, read_text, write_once
from pytio.errors import (
    BackendBusyError,
    BackendError,
    BackendPermissionError,
    BackendRefusedError,
    BackendUnavailableError,
)

__all__ = ("ConfigfsReport", "ConfigfsReports")

_FOLDER: Final = Path("tsm/report")
_MAX_INPUT_BYTES: Final = 64
_MAKE: Final[Meanings] = {
    errno.ENOENT: Meaning(
        BackendUnavailableError,
        "the kernel has no configfs reports, or configfs is not mounted",
        "kernel 6.7 or newer, module tsm loaded, mount -t configfs none /sys/kernel/config",
    ),
    errno.ENXIO: Meaning(
        BackendUnavailableError, "no provider is registered", "load the guest's driver, such as sev-guest"
    ),
    errno.EEXIST: Meaning(BackendBusyError, "a report of this name exists", "another program uses it: choose another"),
    errno.EACCES: Meaning(BackendPermissionError, "reports are for root", "run as root"),
}
_USE: Final[Meanings] = {
    errno.EINVAL: Meaning(
        BackendRefusedError,
        "the input or the privilege level is not acceptable",
        "sev_guest takes exactly 64 bytes, and a level from privlevel_floor to 3",
    ),
    errno.ENXIO: Meaning(
        BackendUnavailableError, "the provider is gone, or the firmware refused", "look at the kernel log"
    ),
    errno.EBUSY: Meaning(BackendBusyError, "the generation counter would wrap", "read the report, or make another one"),
    errno.ENOTTY: Meaning(
        BackendUnavailableError,
        "the guest's key is disabled",
        "an earlier failure erased it: reload sev-guest with another vmpck_id, or restart the guest",
    ),
    errno.EFBIG: Meaning(BackendRefusedError, "too large", "the input is at most 64 bytes"),
}


@attrs.frozen
class ConfigfsReport:
    """What a provider answered.

    Attributes:
        provider: ``sev_guest``, ``tdx_guest``, …
        generation: how many writes the report had seen.
        outblob: the report; of ``sev_guest`` the bare attestation report.
        auxblob: what belongs to it; of ``sev_guest`` the certificate table, empty where the host gave none.
        manifestblob: services of an SVSM, where there is one.
    """

    provider: str
    generation: int
    outblob: bytes = attrs.field(repr=lambda blob: f"<{len(blob)} bytes>")
    auxblob: bytes = attrs.field(repr=lambda blob: f"<{len(blob)} bytes>")
    manifestblob: bytes | None = None


class ConfigfsReports:
    """Makes reports.

    Guarantees: a report is over the input given and no other, or `make` raises.
    """

    def __init__(self, root: str | Path = "/sys/kernel/config") -> None:
        self._folder = Path(root) / _FOLDER

    def make(self, inblob: bytes, *, name: str = "pytio", privlevel: int | None = None) -> ConfigfsReport:
        """Get a report over ``inblob``, 64 bytes at most; ``sev_guest`` wants exactly 64.

        Raises:
            BackendUnavailableError: this kernel or this machine has no reports.
            BackendBusyError: a report of this name exists, or another program changed it meanwhile.
            BackendRefusedError: input or privilege level are not acceptable.
            ValueError: the input is too large.
        """
        if not 0 < len(inblob) <= _MAX_INPUT_BYTES:
            raise ValueError(f"{len(inblob)} bytes of input, not 1 to {_MAX_INPUT_BYTES}")
        entry = self._folder / name
        with translated(str(entry), _MAKE):
            entry.mkdir()
        try:
            return _fill(entry, inblob, privlevel)
        finally:
            with translated(str(entry), _USE):
                entry.rmdir()


def _fill(entry: Path, inblob: bytes, privlevel: int | None) -> ConfigfsReport:
    before = read_int(entry / "generation")
    writes = 1
    if privlevel is not None:
        write_once(entry / "privlevel", str(privlevel), _USE)
        writes += 1
    write_once(entry / "inblob", inblob, _USE)
    _check_generation(entry, before + writes, "the input was not taken", "its size may be wrong: sev_guest takes 64")
    outblob = read_bytes(entry / "outblob", _USE)
    auxblob = read_bytes(entry / "auxblob", _USE)
    manifest = entry / "manifestblob"
    manifestblob = read_bytes(manifest, _USE) if manifest.exists() else None
    _check_generation(entry, before + writes, "another program changed the report", "choose a name of your own")
    return ConfigfsReport(read_text(entry / "provider"), before + writes, outblob, auxblob, manifestblob)


def _check_generation(entry: Path, expected: int, reason: str, hint: str) -> None:
    found = read_int(entry / "generation")
    if found != expected:
        kind = BackendBusyError if found > expected else BackendError
        raise kind(str(entry), f"{reason}: generation {found} instead of {expected}", hint)

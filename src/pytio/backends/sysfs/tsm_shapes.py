"""Which of the three sets of TSM files a function has."""

from __future__ import annotations

import errno
from collections.abc import Callable

from pytio.backends.sysfs.function import SysfsFunction
from pytio.backends.sysfs.meanings import LOCK
from pytio.backends.sysfs.tree import Sysfs
from pytio.backends.sysfs.tsm import InterfaceFiles, TsmFiles
from pytio.backends.sysfs.tsm_rfc import R1InterfaceFiles, R1TsmFiles, R2InterfaceFiles, R2TsmFiles
from pytio.backends.sysfs.tsm_upstream import UpstreamInterfaceFiles, UpstreamTsmFiles
from pytio.errors import BackendUnavailableError

__all__ = ("interface_files", "tsm_files")


def tsm_files(sysfs: Sysfs, function: SysfsFunction) -> TsmFiles:
    """Return the TSM files that ``function`` has, whichever kernel's they are.

    Raises:
        BackendUnavailableError: it has none; the hint says whether no TSM is registered or the function is not the one.
    """
    marks: dict[str, Callable[[Sysfs, SysfsFunction], TsmFiles]] = {
        "tsm/connect": UpstreamTsmFiles,
        f"tsm-dev/tdev:{function.bdf}": R2TsmFiles,
        "tsm_dev_connect": R1TsmFiles,
    }
    for mark, files in marks.items():
        if function.has(mark):
            return files(sysfs, function)
    raise _no_files(sysfs, function)


def interface_files(sysfs: Sysfs, function: SysfsFunction) -> InterfaceFiles:
    """Return the files with which a confidential guest accepts ``function``.

    Raises:
        BackendUnavailableError: it has none.
    """
    marks: dict[str, Callable[[Sysfs, SysfsFunction], InterfaceFiles]] = {
        "tsm/lock": UpstreamInterfaceFiles,
        f"tsm-tdi/tdi:{function.bdf}/tsm_tdi_validate": R2InterfaceFiles,
        "tsm_tdi_validate": R1InterfaceFiles,
    }
    for mark, files in marks.items():
        if function.has(mark):
            return files(sysfs, function)
    meaning = LOCK[errno.ENOENT]
    raise meaning.error(str(function.directory), meaning.reason, meaning.hint)


def _no_files(sysfs: Sysfs, function: SysfsFunction) -> BackendUnavailableError:
    if not sysfs.tsms():
        hint = "wait for a uevent of /sys/class/tsm, or see `pytio doctor` for why the platform has none"
        return BackendUnavailableError(str(function.directory), "no TSM is registered", hint)
    return BackendUnavailableError(
        str(function.directory),
        "a TSM is registered, but it does not take this function",
        "it must be function 0, not a virtual one, of a device with usable IDE or the TEE-IO bit",
    )

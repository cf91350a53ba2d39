"""The TSM's files of the upstream kernel: the folder ``tsm/`` of a function.

Facts: the kernel's PCI/TSM core and Documentation/ABI/testing/sysfs-bus-pci. ``lock``, ``accept`` and ``unlock`` are in
development trees only (`LINUX_U4`).
"""

from __future__ import annotations

import errno

from pytio.backends.sysfs.attribute import write_once
from pytio.backends.sysfs.meanings import ALREADY_CONNECTED, CONNECT, DISCONNECT, LOCK, NO_SUCH_TSM
from pytio.backends.sysfs.tsm import EvidenceFiles, InterfaceFiles, TsmFiles, TsmShape
from pytio.errors import BackendError, BackendUnavailableError

__all__ = ("UpstreamInterfaceFiles", "UpstreamTsmFiles")


class UpstreamTsmFiles(TsmFiles):
    """``tsm/connect``, ``tsm/disconnect`` and ``authenticated`` of function 0."""

    shape = TsmShape.UPSTREAM

    def connected_to(self) -> str | None:
        """Read ``tsm/connect``, which holds a name or nothing."""
        return self._function.text("tsm/connect") or None

    def authenticated_by(self) -> str | None:
        """Read ``authenticated``, which the kernel keeps the same as ``tsm/connect``.

        Raises:
            BackendError: the file cannot be read.
        """
        return self._function.text("authenticated") or None

    def connect(self, tsm: str) -> None:
        """Write the TSM's name; tell the two meanings of EBUSY and of ENXIO apart."""
        path = self._function.directory / "tsm/connect"
        try:
            write_once(path, tsm, CONNECT)
        except BackendError as error:
            number = getattr(error.__cause__, "errno", 0)
            meaning = None
            if number == errno.EBUSY and self.connected_to():
                meaning = ALREADY_CONNECTED
            elif number == errno.ENXIO and tsm not in {found.name for found in self._sysfs.tsms()}:
                meaning = NO_SUCH_TSM
            if meaning is None:
                raise
            raise meaning.error(str(path), meaning.reason, meaning.hint) from error.__cause__

    def disconnect(self) -> None:
        """Write the name that ``tsm/connect`` reads; of an unconnected device let the kernel say so."""
        write_once(self._function.directory / "tsm/disconnect", self.connected_to() or "tsm0", DISCONNECT)

    def evidence(self) -> EvidenceFiles:
        """Refuse: upstream has no file for it."""
        raise BackendUnavailableError(
            str(self._function.directory),
            "this kernel gives evidence in no file",
            "kernels that give it do so over generic netlink, family pci-tsm, to CAP_NET_ADMIN",
        )


class UpstreamInterfaceFiles(InterfaceFiles):
    """``tsm/lock``, ``tsm/accept`` and ``tsm/unlock``, of kernels that have them (`LINUX_U4`)."""

    shape = TsmShape.UPSTREAM

    def is_accepted(self) -> bool:
        """Read ``tsm/accept``."""
        return self._function.text("tsm/accept") == "1"

    def lock(self, tsm: str) -> None:
        """Write the TSM's name to ``tsm/lock``."""
        write_once(self._function.directory / "tsm/lock", tsm, LOCK)

    def accept(self) -> None:
        """Write 1 to ``tsm/accept``."""
        write_once(self._function.directory / "tsm/accept", "1", LOCK)

    def stop(self) -> None:
        """Write the name that ``tsm/lock`` reads to ``tsm/unlock``."""
        write_once(self._function.directory / "tsm/unlock", self._function.text("tsm/lock") or "tsm0", LOCK)

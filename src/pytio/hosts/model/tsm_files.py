"""The TSM's files in a model host's tree, in the three shapes that kernels have: upstream, the first RFC, the second.

Facts: the kernel's PCI/TSM core for the checks of each write and their order, AMD's link TSM, and both RFCs. Files that
only a confidential guest has are here, too: lock, accept and unlock, or validate. The texts for people are in
`pytio.hosts.model.tsm_texts`.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Callable, Mapping
from typing import Final, Protocol

from pytio.backends.sysfs import TsmShape
from pytio.hosts.model.file_nodes import Binary, Directory, Link, Text
from pytio.hosts.model.tree import ModelTree, as_errno, read_only, write_only
from pytio.hosts.model.tsm_texts import certificates_text, measurements_text, report_text
from pytio.ids import Bdf

__all__ = ("InterfaceDriver", "TsmDriver", "add_guest_files", "add_tsm_files")

_NAME: Final = re.compile(r"tsm(\d+)")
_PAGE_BYTES: Final = 4096
_FEATURES: Final = ("0001:00", "0001:01", "0001:02")
_TRUE: Final = frozenset({"1", "y", "Y", "t", "on"})


class TsmDriver(Protocol):
    """The kernel's driver of a TSM. Verbs raise OSError, or a PytioError that `as_errno` translates."""

    def connect(self, device: Bdf, tsm: str) -> None:
        """Connect a device to the TSM of this name."""

    def disconnect(self, device: Bdf) -> None:
        """Undo it."""

    def connected_to(self, device: Bdf) -> str:
        """Return the TSM's name, nothing if there is none."""

    def authenticated_by(self, device: Bdf) -> str:
        """Return the same, as ``authenticated`` says it."""

    def streams(self, device: Bdf) -> tuple[str, ...]:
        """Return the names of the streams that are registered for it: ``stream0.0.0``."""

    def refresh(self, device: Bdf) -> None:
        """Have the keys of its streams changed."""

    def status(self, device: Bdf) -> str:
        """Return what ``tsm_dev_status`` says."""

    def certificates(self, device: Bdf) -> bytes:
        """Return the certificate chain, nothing if there is none."""

    def measurements(self, device: Bdf) -> bytes:
        """Return the measurements as they were taken last."""

    def measure(self, device: Bdf) -> bytes:
        """Take them anew."""

    def report(self, interface: Bdf) -> bytes:
        """Return an interface's report."""


class InterfaceDriver(Protocol):
    """The driver of a TSM inside a guest. Verbs raise OSError, or a PytioError that `as_errno` translates."""

    def lock(self, interface: Bdf) -> None:
        """Have an interface locked."""

    def accept(self, interface: Bdf) -> None:
        """Let it run."""

    def stop(self, interface: Bdf) -> None:
        """Unlock it."""

    def has_locked(self, interface: Bdf) -> bool:
        """Return whether it is locked, or runs."""

    def is_accepted(self, interface: Bdf) -> bool:
        """Return whether it runs."""

    def report(self, interface: Bdf) -> bytes:
        """Return its report, nothing before there is one."""


def add_tsm_files(
    tree: ModelTree, driver: TsmDriver, device: Bdf, shape: TsmShape, *, tsms: int = 1
) -> Callable[[], None]:
    """Give function 0 of a device the files of a host's TSM.

    Returns:
        What to call when the device was connected or disconnected otherwise, for the stream links to follow.
    """
    for index in range(tsms):
        tree.root.add(f"class/tsm/tsm{index}/uevent", read_only(""))
    changes = _Changes(tree, driver, device)
    _HOST_FILES[shape](tree, driver, changes)
    return changes.follow


def add_guest_files(tree: ModelTree, driver: InterfaceDriver, interface: Bdf, shape: TsmShape) -> None:
    """Give an interface the files of a confidential guest."""
    _GUEST_FILES[shape](tree.functions[str(interface)], driver, interface)


class _Changes:
    """The rules of connecting, which all shapes share: one TSM at a time, and links that come and go with it."""

    def __init__(self, tree: ModelTree, driver: TsmDriver, device: Bdf) -> None:
        self._tree = tree
        self._driver = driver
        self.device = device
        self._links: tuple[str, ...] = ()

    @property
    def is_connected(self) -> bool:
        return bool(self._driver.connected_to(self.device))

    def connect(self, tsm: str) -> None:
        with as_errno():
            self._driver.connect(self.device, tsm)
        self.follow()

    def disconnect(self) -> None:
        with as_errno():
            self._driver.disconnect(self.device)
        self.follow()

    def follow(self) -> None:
        """Make the stream links what the driver says."""
        bridge = self._tree.bridge(self.device)
        for name in self._links:
            bridge.entries.pop(name, None)
        self._links = self._driver.streams(self.device)
        for name in self._links:
            bridge.add(name, Link(self._tree.path_below_bridge(self.device)))


# upstream


def _add_upstream(tree: ModelTree, driver: TsmDriver, changes: _Changes) -> None:
    device = changes.device

    def connect(value: str) -> None:
        found = _NAME.match(value)
        if found is None:
            raise OSError(errno.EINVAL, "")
        if changes.is_connected:
            raise OSError(errno.EBUSY, "")
        classes = tree.root.find("class/tsm")
        assert isinstance(classes, Directory)
        if found[0] not in classes.entries:
            raise OSError(errno.ENXIO, "")
        changes.connect(found[0])

    def disconnect(value: str) -> None:
        if not changes.is_connected:
            raise OSError(errno.ENXIO, "")
        if value.removesuffix("\n") != driver.connected_to(device):
            raise OSError(errno.EINVAL, "")
        changes.disconnect()

    folder = tree.functions[str(device)]
    folder.add("tsm/connect", Text(lambda: driver.connected_to(device), store=connect))
    folder.add("tsm/disconnect", write_only(disconnect))
    folder.add("tsm/bound", read_only(""))
    folder.add("tsm/dsm", read_only(lambda: str(device) if changes.is_connected else ""))
    folder.add("authenticated", read_only(lambda: driver.authenticated_by(device)))
    for feature in _FEATURES:
        folder.add(f"doe_features/{feature}", read_only(feature))


def _add_upstream_guest(folder: Directory, driver: InterfaceDriver, interface: Bdf) -> None:
    names: list[str] = []  # the TSM that holds the lock

    def lock(value: str) -> None:
        found = _NAME.match(value)
        if found is None:
            raise OSError(errno.EINVAL, "")
        if driver.has_locked(interface) or "driver" in folder.entries:
            raise OSError(errno.EBUSY, "")
        with as_errno():
            driver.lock(interface)
        names[:] = [found[0]]

    def accept(value: str) -> None:
        if value.strip() not in _TRUE or not driver.has_locked(interface):
            raise OSError(errno.EINVAL, "")
        if "driver" in folder.entries:
            raise OSError(errno.EBUSY, "")
        with as_errno():
            driver.accept(interface)

    def unlock(value: str) -> None:
        if not driver.has_locked(interface) or [value.strip()] != names:
            raise OSError(errno.EINVAL, "")
        if "driver" in folder.entries:
            raise OSError(errno.EBUSY, "")
        with as_errno():
            driver.stop(interface)

    folder.add("tsm/lock", Text(lambda: names[0] if driver.has_locked(interface) and names else "", store=lock))
    folder.add("tsm/accept", Text(lambda: str(int(driver.is_accepted(interface))), store=accept))
    folder.add("tsm/unlock", write_only(unlock))


# the two RFCs


def _rfc_connect(changes: _Changes) -> Text:
    def change(value: str) -> None:
        if not value.strip().isdigit():
            raise OSError(errno.EINVAL, "")
        if bool(int(value)) == changes.is_connected:
            raise OSError(errno.EIO, "")
        if int(value):
            changes.connect("tsm0")
        else:
            changes.disconnect()

    return Text(lambda: str(int(changes.is_connected)), store=change)


def _add_r1(tree: ModelTree, driver: TsmDriver, changes: _Changes) -> None:
    device = changes.device
    folder = tree.functions[str(device)]
    folder.add("tsm_dev_connect", _rfc_connect(changes))
    folder.add("tsm_dev_status", read_only(lambda: driver.status(device)))
    folder.add("tsm_ide_refresh", write_only(lambda value: _refresh(driver, device)))
    folder.add("tsm_certs", read_only(lambda: certificates_text(driver.certificates(device))))
    folder.add("tsm_meas", read_only(lambda: measurements_text(driver.measurements(device))))


def _refresh(driver: TsmDriver, device: Bdf) -> None:
    with as_errno():
        driver.refresh(device)


def _add_r2(tree: ModelTree, driver: TsmDriver, changes: _Changes) -> None:
    device = changes.device
    folder = Directory()
    tree.functions[str(device)].add(f"tsm-dev/tdev:{device}", folder)
    folder.add("tsm_dev_connect", _rfc_connect(changes))
    folder.add("tsm_dev_status", read_only(lambda: driver.status(device)))
    folder.add("tsm_certs", Binary(lambda: driver.certificates(device)[:_PAGE_BYTES]))
    folder.add("tsm_meas", Binary(lambda: driver.measure(device)[:_PAGE_BYTES]))
    folder.add("tsm_certs_user", read_only(lambda: certificates_text(driver.certificates(device))))
    folder.add("tsm_meas_user", read_only(lambda: measurements_text(driver.measure(device), has_length=True)))
    tree.functions[str(device)].add(
        f"tsm-tdi/tdi:{device}/tsm_report", Binary(lambda: driver.report(device)[:_PAGE_BYTES])
    )


def _validate(driver: InterfaceDriver, interface: Bdf) -> Text:
    def change(value: str) -> None:
        if not value.strip().isdigit():
            raise OSError(errno.EINVAL, "")
        with as_errno():
            if int(value):
                driver.accept(interface)
            else:
                driver.stop(interface)

    return Text(lambda: str(int(driver.is_accepted(interface))), store=change)


def _add_r1_guest(folder: Directory, driver: InterfaceDriver, interface: Bdf) -> None:
    folder.add("tsm_tdi_validate", _validate(driver, interface))
    folder.add("tsm_report", read_only(lambda: report_text(driver.report(interface))))


def _add_r2_guest(folder: Directory, driver: InterfaceDriver, interface: Bdf) -> None:
    folder.add(f"tsm-tdi/tdi:{interface}/tsm_tdi_validate", _validate(driver, interface))
    folder.add(f"tsm-tdi/tdi:{interface}/tsm_report", Binary(lambda: driver.report(interface)[:_PAGE_BYTES]))
    folder.add(f"tsm-tdi/tdi:{interface}/tsm_report_user", read_only(lambda: report_text(driver.report(interface))))


_HOST_FILES: Final[Mapping[TsmShape, Callable[[ModelTree, TsmDriver, _Changes], None]]] = {
    TsmShape.UPSTREAM: _add_upstream,
    TsmShape.R1: _add_r1,
    TsmShape.R2: _add_r2,
}
_GUEST_FILES: Final[Mapping[TsmShape, Callable[[Directory, InterfaceDriver, Bdf], None]]] = {
    TsmShape.UPSTREAM: _add_upstream_guest,
    TsmShape.R1: _add_r1_guest,
    TsmShape.R2: _add_r2_guest,
}

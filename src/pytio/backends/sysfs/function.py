"""One PCI function under ``/sys/bus/pci/devices``: who it is, who drives it, and what can be done to it.

Facts: the kernel's PCI sysfs (Documentation/ABI/testing/sysfs-bus-pci). Identity comes from the text files, the
kernel's corrected view; a virtual function's own registers read as all ones there.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from pytio.backends.errnos import translated
from pytio.backends.sysfs.attribute import read_int, read_text, write_once
from pytio.backends.sysfs.bar import MappedBar, PortBar, Resource, ResourceFlags, read_resources
from pytio.backends.sysfs.config_space import SysfsConfigSpace
from pytio.backends.sysfs.meanings import ABSENT_FUNCTION, BIND, ENABLE, REMOVE, RESET, SRIOV, UNBIND
from pytio.errors import BackendBusyError, BackendError, BackendRefusedError, BackendUnavailableError
from pytio.ids import Bdf

__all__ = ("SysfsFunction",)

_UNSET: Final = "(null)"
_VFIO: Final = "vfio-pci"
_COMMAND: Final = 0x04
_IO_SPACE_ENABLE: Final = 1 << 0
_MEMORY_SPACE_ENABLE: Final = 1 << 1


class SysfsFunction:
    """One function.

    Guarantees: what is read is read now; each write is one ``write()``, never repeated. A reset or a write to
    ``sriov_numvfs`` blocks until the kernel is done, a minute at worst.

    Attributes:
        bdf: its address.
        directory: its folder in sysfs.
    """

    def __init__(self, root: Path, bdf: Bdf) -> None:
        """Name the function.

        Raises:
            BackendUnavailableError: there is none at this address.
        """
        self.bdf = bdf
        self._root = root
        self.directory = root / "bus/pci/devices" / str(bdf)
        with translated(str(self.directory), ABSENT_FUNCTION):
            self.directory.stat()

    def text(self, name: str) -> str:
        """Return a text attribute without its newline.

        Raises:
            BackendError: it is absent, or may not be read.
        """
        return read_text(self.directory / name)

    def number(self, name: str) -> int:
        """Return an attribute that holds one number, decimal or ``0x``.

        Raises:
            BackendError: as `text`, or it is no number.
        """
        return read_int(self.directory / name)

    def has(self, name: str) -> bool:
        """Whether there is such an attribute now."""
        return (self.directory / name).exists()

    @property
    def driver(self) -> str | None:
        """The driver that is bound, if any."""
        return self._link_name("driver")

    @property
    def iommu_group(self) -> int | None:
        """The number of the IOMMU group, where there is an IOMMU."""
        name = self._link_name("iommu_group")
        return None if name is None else int(name)

    @property
    def physical_function(self) -> Bdf | None:
        """The physical function, if this is a virtual one."""
        name = self._link_name("physfn")
        return None if name is None else Bdf.parse(name)

    @property
    def virtual_functions(self) -> tuple[Bdf, ...]:
        """The virtual functions that are enabled, in their order."""
        links = sorted(self.directory.glob("virtfn*"), key=lambda link: int(link.name.removeprefix("virtfn")))
        return tuple(Bdf.parse(link.resolve().name) for link in links)

    @property
    def parent(self) -> Bdf | None:
        """The bridge or port above, None right below a host bridge."""
        above = self.directory.resolve().parent.name
        return None if above.startswith("pci") else Bdf.parse(above)

    @property
    def root_port(self) -> Bdf | None:
        """The topmost port above: where an IDE stream of this function ends. None right below a host bridge."""
        ports = [part for part in self.directory.resolve().parent.parts if part.count(":") > 1]
        return Bdf.parse(ports[0]) if ports else None

    @property
    def host_bridge(self) -> Path:
        """The folder of the host bridge, ``pciDDDD:BB``."""
        path = self.directory.resolve()
        while not path.name.startswith("pci") and path != path.parent:
            path = path.parent
        return path

    @property
    def doe_features(self) -> tuple[str, ...] | None:
        """What the kernel found in all DOE mailboxes, as ``0001:01``; None where it made no mailbox, or is too old."""
        folder = self.directory / "doe_features"
        return tuple(sorted(found.name for found in folder.iterdir())) if folder.is_dir() else None

    def open_config(self, *, writable: bool = False) -> SysfsConfigSpace:
        """Open the configuration space.

        Raises:
            BackendError: as `SysfsConfigSpace`.
        """
        return SysfsConfigSpace(self.directory / "config", writable=writable, root=self._root)

    def resources(self) -> tuple[Resource, ...]:
        """Return the BARs, windows and so on that are in use.

        Raises:
            BackendError: as `read_resources`.
        """
        return read_resources(self.directory)

    def open_bar(self, index: int, *, encrypted: bool = False) -> MappedBar | PortBar:
        """Open a BAR: mapped, or by port; ``encrypted`` takes ``resourceN_enc``.

        Raises:
            BackendUnavailableError: there is no such BAR.
            BackendRefusedError: the function does not decode its addresses, so that loads would return all ones.
            BackendError: as `MappedBar`.
        """
        found = next((resource for resource in self.resources() if resource.index == index), None)
        if found is None or not found.is_bar:
            raise BackendUnavailableError(
                str(self.directory), f"there is no BAR {index}", "look at its `resource` file"
            )
        is_io = bool(found.flags & ResourceFlags.IO)
        self._check_decoding(_IO_SPACE_ENABLE if is_io else _MEMORY_SPACE_ENABLE)
        path = self.directory / (f"resource{index}_enc" if encrypted else f"resource{index}")
        return PortBar(path, root=self._root) if is_io else MappedBar(path, root=self._root)

    def _check_decoding(self, enable: int) -> None:
        with self.open_config() as config:
            command = int.from_bytes(config.read(_COMMAND, 2), "little")
        if not command & enable:
            reason = f"Command is {command:#06x}: the function does not decode its addresses"
            raise BackendRefusedError(str(self.directory), reason, "enable it first, or bind a driver that does")

    def enable(self) -> None:
        """Turn on decoding of memory and I/O; not bus mastering.

        Raises:
            BackendError: BackendPermissionError without CAP_SYS_ADMIN, BackendBusyError while a driver is bound.
        """
        write_once(self.directory / "enable", "1", ENABLE)

    def disable(self) -> None:
        """Take back one `enable`.

        Raises:
            BackendError: as `enable`; BackendRefusedError where it was not enabled.
        """
        write_once(self.directory / "enable", "0", ENABLE)

    def reset(self) -> None:
        """Reset the function with the method that the kernel prefers. Keys and SPDM sessions may be lost with it.

        Raises:
            BackendUnavailableError: there is no reset method, or the function did not come back.
        """
        write_once(self.directory / "reset", "1", RESET)

    def remove(self) -> None:
        """Take the function out of the kernel, as hot-unplug does.

        Raises:
            BackendUnavailableError: this is a virtual function.
        """
        write_once(self.directory / "remove", "1", REMOVE)

    def set_virtual_functions(self, count: int, *, autoprobe: bool = False) -> None:
        """Enable exactly ``count`` virtual functions; another count that is active goes through 0 first.

        ``autoprobe`` lets the host's own drivers take them at once.

        Raises:
            BackendUnavailableError: the function has no SR-IOV, or its driver does not offer it.
            BackendRefusedError: more than there can be.
            BackendBusyError: the kernel still has another count active.
        """
        path = self.directory / "sriov_numvfs"
        if read_text(path, SRIOV) == str(count):
            return
        write_once(self.directory / "sriov_drivers_autoprobe", "1" if autoprobe else "0", SRIOV)
        if count and read_int(path):
            write_once(path, "0", SRIOV)
        write_once(path, str(count), SRIOV)

    def unbind(self) -> None:
        """Take the driver off, if one is bound.

        Raises:
            BackendGoneError: the driver no longer owns the function.
        """
        if self.driver is not None:
            write_once(self.directory / "driver/unbind", str(self.bdf), UNBIND)

    def bind(self, driver: str = _VFIO) -> None:
        """Bind ``driver`` and no other: override, unbind what is there, probe, and look whether it took.

        Raises:
            BackendUnavailableError: the driver's module is not loaded.
            BackendBusyError: another driver is bound at the end.
            BackendError: the driver did not take the function.
        """
        if self.driver == driver:
            return
        if not (self._root / "bus/pci/drivers" / driver).exists():
            raise BackendUnavailableError(
                str(self.directory), f"there is no driver {driver}", f"load its module: modprobe {driver}"
            )
        write_once(self.directory / "driver_override", driver, BIND)
        self.unbind()
        write_once(self._root / "bus/pci/drivers_probe", str(self.bdf), BIND)
        if self.driver == driver:
            return
        if self.driver is not None:
            reason = f"{self.driver} is bound instead of {driver}"
            raise BackendBusyError(
                str(self.directory), reason, "a rule of udev may have bound it: look at driver_override"
            )
        raise BackendError(
            str(self.directory), f"{driver} did not take the function", "look at the kernel log for what its probe said"
        )

    def clear_override(self) -> None:
        """Let the kernel choose the driver again; does not unbind anything.

        Raises:
            BackendError: the file is absent.
        """
        if self.text("driver_override") != _UNSET:
            write_once(self.directory / "driver_override", "\n", BIND)

    @property
    def vfio_device(self) -> Path | None:
        """The character device of VFIO for this function, where it is bound to vfio-pci and the kernel makes one."""
        nodes = sorted((self.directory / "vfio-dev").glob("vfio*")) if self.has("vfio-dev") else []
        return Path("/dev/vfio/devices") / nodes[0].name if nodes else None

    def _link_name(self, name: str) -> str | None:
        link = self.directory / name
        return link.readlink().name if link.is_symlink() else None

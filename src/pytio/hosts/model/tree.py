"""The sysfs-shaped tree of a model host: functions, drivers, virtual functions, host bridges and their streams.

Facts: the kernel's PCI core, what each write does and in which order it checks. The files of the TSM are in
`pytio.hosts.model.tsm_files`; what stands behind both is a `Kernel`. The tree can be mounted where FUSE is.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Protocol

from pytio.errors import (
    BackendError,
    DoePeerError,
    LocalProtocolError,
    PytioError,
)
from pytio.hosts.model.file_nodes import Config, Directory, Link, Live, Text
from pytio.ids import Bdf

__all__ = ("Kernel", "ModelTree", "as_errno", "bridge_of", "read_only", "write_only")

_BAR_ROWS: Final = 7
_EMPTY_RESOURCE: Final = " ".join(["0x" + "0" * 16] * 3)
_ID_BYTES: Final = 2
_READ_ONLY: Final = 0o444
_WRITE_ONLY: Final = 0o200


class Kernel(Protocol):
    """What stands behind the tree. Verbs raise OSError, or a PytioError that `as_errno` translates."""

    def space(self, function: Bdf) -> Live:
        """Return a function's configuration space."""

    def root_port(self, function: Bdf) -> Bdf | None:
        """Return the root port above a function, None for a root port."""

    def most_virtual_functions(self, function: Bdf) -> int:
        """Return how many virtual functions it can have; 0 without SR-IOV."""

    def enable_virtual_functions(self, function: Bdf, count: int) -> tuple[Bdf, ...]:
        """Enable as many, none for 0; return where they are."""

    def reset(self, function: Bdf) -> None:
        """Reset a function."""

    def free_streams(self, function: Bdf) -> int | None:
        """Return how many secure streams the host bridge above a function has left, None if it has none at all."""


_ERRNOS: Final[tuple[tuple[type[PytioError], int], ...]] = (
    (DoePeerError, errno.EIO),
    (LocalProtocolError, errno.EFAULT),
    (BackendError, errno.ENODEV),
    (PytioError, errno.EINVAL),
)
"""What the kernel's TSM driver returns for what went wrong inside, the first that fits: spec of AMD's link TSM."""


@contextmanager
def as_errno() -> Iterator[None]:
    """Turn a library's error into the OSError that a kernel would give; the cause stays with it."""
    try:
        yield
    except PytioError as error:
        number = next(number for kind, number in _ERRNOS if isinstance(error, kind))
        raise OSError(number, str(error)) from error


def read_only(show: str | Callable[[], str]) -> Text:
    """Return an attribute that is only read."""
    return Text(show, mode=_READ_ONLY)


def write_only(store: Callable[[str], None]) -> Text:
    """Return an attribute that is only written."""
    return Text(store=store, mode=_WRITE_ONLY)


def bridge_of(root_port: Bdf) -> str:
    """Return the name of a root port's host bridge: domain and bus."""
    return str(root_port)[: -len(":00.0")]


class ModelTree:
    """A tree.

    Attributes:
        root: the tree itself.
        functions: the folder of each function, by its address.
    """

    def __init__(self, kernel: Kernel, functions: tuple[Bdf, ...]) -> None:
        """Make the tree of these functions; virtual functions come when they are enabled."""
        self.root = Directory()
        self.functions: dict[str, Directory] = {}
        self._kernel = kernel
        self._bus = Directory()
        self._virtual: dict[Bdf, tuple[Bdf, ...]] = {}
        self._bridges: dict[str, Directory] = {}
        self.root.add("bus/pci/devices", self._bus)
        self.root.add("bus/pci/drivers_probe", write_only(self._probe))
        self.root.add("kernel/security/lockdown", Text("[none] integrity confidentiality"))
        for function in functions:
            self.add(function)

    def bridge(self, function: Bdf) -> Directory:
        """Return the folder of the host bridge that a function is below."""
        return self._bridges[bridge_of(self._kernel.root_port(function) or function)]

    def path_below_bridge(self, function: Bdf) -> str:
        """Return where a function's folder is, from its host bridge's."""
        port = self._kernel.root_port(function)
        return str(function) if port is None else f"{port}/{function}"

    def text(self, function: Bdf | str, name: str) -> Text:
        """Return an attribute of a function; raises FileNotFoundError."""
        found = self.functions[str(function)].find(name)
        assert isinstance(found, Text)
        return found

    def config(self, function: Bdf | str) -> Config:
        """Return a function's ``config`` file."""
        found = self.functions[str(function)].find("config")
        assert isinstance(found, Config)
        return found

    def add_driver(self, name: str) -> None:
        """Load a driver's module."""
        driver = Directory()
        self.root.add(f"bus/pci/drivers/{name}", driver)
        driver.add("unbind", write_only(lambda address: self._unbind(name, address.strip())))

    def bind(self, function: Bdf | str, driver: str) -> None:
        """Bind a driver to a function, as its probe would."""
        self.functions[str(function)].add("driver", Link(f"../../../../bus/pci/drivers/{driver}"))

    def driver(self, function: Bdf | str) -> str:
        """Return the name of a function's driver, nothing if it has none."""
        link = self.functions[str(function)].entries.get("driver")
        return link.target.rsplit("/", 1)[1] if isinstance(link, Link) else ""

    def probe(self, function: Bdf | str) -> None:
        """Write ``drivers_probe``: the driver that ``driver_override`` names is bound."""
        found = self.root.find("bus/pci/drivers_probe")
        assert isinstance(found, Text)
        found.write(str(function))

    def add(self, function: Bdf) -> Directory:
        """Add a function that has come, and return its folder."""
        bridge = bridge_of(self._kernel.root_port(function) or function)
        path = f"devices/pci{bridge}/{self.path_below_bridge(function)}"
        folder = Directory()
        self.root.add(path, folder)
        self._bus.add(str(function), Link(f"../../../{path}"))
        self.functions[str(function)] = folder
        if bridge not in self._bridges:
            self._add_bridge(bridge, function)
        space = self._kernel.space(function)
        for at, name in ((0, "vendor"), (_ID_BYTES, "device")):
            folder.add(name, read_only(f"{int.from_bytes(space.read(at, _ID_BYTES), 'little'):#06x}"))
        folder.add("config", Config(space))
        folder.add("driver_override", Text("(null)", store=lambda value: self._override(function, value)))
        folder.add("enable", Text("0", store=lambda value: None))
        folder.add("reset", write_only(lambda value: self._reset(function, value)))
        folder.add("resource", read_only("\n".join([_EMPTY_RESOURCE] * _BAR_ROWS)))
        if self._kernel.most_virtual_functions(function):
            self._add_sr_iov(function, folder)
        return folder

    def remove(self, function: Bdf) -> None:
        """Remove a function that is gone."""
        above = self.root.find(f"devices/pci{bridge_of(self._kernel.root_port(function) or function)}")
        *folders, name = self.path_below_bridge(function).split("/")
        for folder in folders:
            assert isinstance(above, Directory)
            above = above.child(folder)
        assert isinstance(above, Directory)
        del above.entries[name], self._bus.entries[str(function)], self.functions[str(function)]

    def _add_bridge(self, name: str, function: Bdf) -> None:
        found = self.root.find(f"devices/pci{name}")
        assert isinstance(found, Directory)
        self._bridges[name] = found
        if self._kernel.free_streams(function) is not None:
            found.add("available_secure_streams", read_only(lambda: str(self._kernel.free_streams(function))))

    def _reset(self, function: Bdf, value: str) -> None:
        if value.strip() != "1":
            raise OSError(errno.EINVAL, "")
        with as_errno():
            self._kernel.reset(function)

    # drivers

    def _override(self, function: Bdf, value: str) -> None:
        self.text(function, "driver_override").show = value.strip() or "(null)"

    def _unbind(self, name: str, address: str) -> None:
        entries = self.functions[address].entries if address in self.functions else {}
        link = entries.get("driver")
        if not isinstance(link, Link) or not link.target.endswith(f"/{name}"):
            raise OSError(errno.ENODEV, "")
        del entries["driver"]

    def _probe(self, address: str) -> None:
        override = self.text(address.strip(), "driver_override").show
        assert isinstance(override, str)
        self.bind(address.strip(), override)

    # SR-IOV

    def _add_sr_iov(self, function: Bdf, folder: Directory) -> None:
        most = self._kernel.most_virtual_functions(function)
        self._virtual[function] = ()
        folder.add("sriov_totalvfs", read_only(str(most)))
        folder.add("sriov_drivers_autoprobe", Text("1", store=lambda value: None))
        folder.add(
            "sriov_numvfs",
            Text(lambda: str(len(self._virtual[function])), store=lambda value: self._set_virtual(function, value)),
        )

    def _set_virtual(self, function: Bdf, value: str) -> None:
        if not value.strip().isdigit():
            raise OSError(errno.EINVAL, "")
        count, current = int(value), len(self._virtual[function])
        if count > self._kernel.most_virtual_functions(function):
            raise OSError(errno.ERANGE, "")
        if count == current:
            return
        if count and current:
            raise OSError(errno.EBUSY, "")
        folder = self.functions[str(function)]
        for index, gone in enumerate(self._virtual[function]):
            del folder.entries[f"virtfn{index}"]
            self.remove(gone)
        with as_errno():
            self._virtual[function] = self._kernel.enable_virtual_functions(function, count)
        for index, new in enumerate(self._virtual[function]):
            self.add(new).add("physfn", Link(f"../{function}"))
            folder.add(f"virtfn{index}", Link(f"../{new}"))

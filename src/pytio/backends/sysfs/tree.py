"""The whole of sysfs as TEE-IO needs it: functions, TSMs, lockdown. Its root is a parameter.

Facts: the kernel's PCI sysfs and ``/sys/class/tsm``. A copy or a model of the tree serves as well as ``/sys``.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import attrs

from pytio.backends.errnos import translated
from pytio.backends.sysfs.attribute import read_text
from pytio.backends.sysfs.function import SysfsFunction
from pytio.backends.sysfs.lockdown import Lockdown, read_lockdown
from pytio.ids import Bdf

__all__ = ("StreamLink", "Sysfs", "TsmClassDevice", "available_secure_streams", "stream_links")

_TSM_NAME: Final = re.compile(r"tsm(\d+)")
_STREAM: Final = re.compile(r"stream(\d+)\.(\d+)\.(\d+)")


@attrs.frozen
class TsmClassDevice:
    """A TSM that is registered.

    Attributes:
        name: ``tsm0``.
        pci_mode: ``link`` or ``devsec`` where the kernel says so, else None.
    """

    name: str
    pci_mode: str | None


@attrs.frozen
class StreamLink:
    """A selective IDE stream that the kernel registered: ``streamH.R.E`` in a host bridge's folder.

    Attributes:
        host_bridge_slot: which of the host bridge's streams.
        root_port_block: index of the register block in the root port.
        endpoint_block: index of the register block in the endpoint.
        endpoint: the function at the other end.
    """

    host_bridge_slot: int
    root_port_block: int
    endpoint_block: int
    endpoint: Bdf


class Sysfs:
    """A sysfs tree.

    Attributes:
        root: where it is mounted, or copied to.
    """

    def __init__(self, root: str | Path = "/sys") -> None:
        self.root = Path(root)

    def functions(self) -> tuple[Bdf, ...]:
        """Return the addresses of all PCI functions, in order.

        Raises:
            BackendUnavailableError: there is no PCI here.
        """
        folder = self.root / "bus/pci/devices"
        with translated(str(folder)):
            return tuple(sorted(Bdf.parse(entry.name) for entry in folder.iterdir()))

    def function(self, bdf: Bdf | str) -> SysfsFunction:
        """Return one function.

        Raises:
            BackendUnavailableError: there is none at this address.
        """
        return SysfsFunction(self.root, Bdf.parse(bdf) if isinstance(bdf, str) else bdf)

    def tsms(self) -> tuple[TsmClassDevice, ...]:
        """Return the TSMs that are registered, by number; none where the kernel has no such class."""
        folder = self.root / "class/tsm"
        if not folder.is_dir():
            return ()
        names = sorted(
            (int(found[1]), found[0]) for entry in folder.iterdir() if (found := _TSM_NAME.fullmatch(entry.name))
        )
        return tuple(TsmClassDevice(name, _optional_text(folder / name / "pci_mode")) for _, name in names)

    def lockdown(self) -> Lockdown:
        """Return how far the kernel is locked down."""
        return read_lockdown(self.root)


def stream_links(host_bridge: Path) -> tuple[StreamLink, ...]:
    """Return the streams that are registered at a host bridge."""
    found = []
    for entry in sorted(host_bridge.glob("stream*")):
        if (match := _STREAM.fullmatch(entry.name)) and entry.is_symlink():
            slot, port, endpoint = (int(number) for number in match.groups())
            found.append(StreamLink(slot, port, endpoint, Bdf.parse(entry.resolve().name)))
    return tuple(found)


def available_secure_streams(host_bridge: Path) -> int | None:
    """Return how many streams a host bridge has left, None where it has none at all or the kernel is too old."""
    text = _optional_text(host_bridge / "available_secure_streams")
    return None if text is None else int(text)


def _optional_text(path: Path) -> str | None:
    return read_text(path) if path.exists() else None

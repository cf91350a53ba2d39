"""A host with a TSM, as a sysfs tree: one host bridge, a root port, a device with one virtual function.

The tree and its files are those of every model host; the TSM behind them can be made to fail with any errno, and to
lie.
"""

from __future__ import annotations

import errno
from typing import Final

from pytio.backends.sysfs import TsmShape
from pytio.hosts.model.file_nodes import Config, Directory, Live, Text
from pytio.hosts.model.tree import ModelTree
from pytio.hosts.model.tsm_files import add_guest_files as add_interface_files
from pytio.hosts.model.tsm_files import add_tsm_files
from pytio.ids import Bdf
from tests.fakes.ports import Port

BRIDGE: Final = "0000:e0"
ROOT_PORT: Final = "0000:e0:01.1"
DEVICE: Final = "0000:e1:00.0"
VIRTUAL: Final = "0000:e1:04.0"
FAR_PORT: Final = "10000:00:00.0"
FAR_DEVICE: Final = "10000:01:00.0"
"""In a domain of the kernel's own, with five digits."""
STREAMS: Final = 4
CERTIFICATES: Final = bytes.fromhex("08000000 3082abcd")
MEASUREMENTS: Final = bytes.fromhex("0101070081040001020304")
REPORT: Final = bytes(20)


class Platform:
    """The tree, and the kernel and the TSM's driver behind it.

    Attributes:
        root: the tree, to be mounted.
        fails: the errno that the TSM's driver gives on connect; 0 for none.
        lies: ``port`` and ``device`` stay insecure, ``link`` is not made, ``authenticated`` does not follow.
        connected: the TSM that the device is connected to.
    """

    def __init__(self, shape: TsmShape = TsmShape.UPSTREAM, *, tsms: int = 1) -> None:
        self.shape = shape
        self.fails = 0
        self.lies: set[str] = set()
        self.connected = ""
        self.accepted = False
        self.locked = ""
        self.port = Port(0x1022, 0x14AB, is_root_port=True)
        self.device = Port(0x1234, 0xD0E1, is_root_port=False, with_mailbox=True)
        self.far = Port(0x1234, 0xD0E1, is_root_port=False)
        self._ports = {ROOT_PORT: self.port, DEVICE: self.device, FAR_DEVICE: self.far}
        self.tree = ModelTree(self, tuple(map(Bdf.parse, self._ports)))
        self._follow = add_tsm_files(self.tree, self, Bdf.parse(DEVICE), shape, tsms=tsms)

    @property
    def root(self) -> Directory:
        return self.tree.root

    @property
    def functions(self) -> dict[str, Directory]:
        return self.tree.functions

    def text(self, function: str, name: str) -> Text:
        return self.tree.text(function, name)

    def config(self, function: str = DEVICE) -> Config:
        return self.tree.config(function)

    def add_driver(self, name: str) -> None:
        self.tree.add_driver(name)

    def bind(self, address: str, name: str) -> None:
        self.tree.bind(address, name)

    def connect_device(self, name: str) -> None:
        """Connect the device behind the files' back."""
        self.connect(Bdf.parse(DEVICE), name)
        self._follow()

    def disconnect_device(self) -> None:
        """Disconnect it behind the files' back."""
        self.disconnect(Bdf.parse(DEVICE))
        self._follow()

    # ------------------------------------------------------------------ the kernel

    def space(self, function: Bdf) -> Live:
        return self._ports.setdefault(str(function), Port(0xFFFF, 0xFFFF, is_root_port=False))

    def root_port(self, function: Bdf) -> Bdf | None:
        above = {ROOT_PORT: None, FAR_DEVICE: FAR_PORT}.get(str(function), ROOT_PORT)
        return None if above is None else Bdf.parse(above)

    def most_virtual_functions(self, function: Bdf) -> int:
        return int(str(function) == DEVICE)

    def enable_virtual_functions(self, function: Bdf, count: int) -> tuple[Bdf, ...]:
        return (Bdf.parse(VIRTUAL),) * count

    def reset(self, function: Bdf) -> None:
        """Lose nothing: the kernel's files do not notice."""

    def free_streams(self, function: Bdf) -> int | None:
        return None if str(function) == FAR_DEVICE else STREAMS - bool(self.connected)

    # ------------------------------------------------------------------ the TSM's driver

    def connect(self, device: Bdf, tsm: str) -> None:
        """Do what a TSM's driver does on connect, or what it pretends to do."""
        if self.fails:
            raise OSError(self.fails, "")
        self.connected = tsm
        for lie, port in (("port", self.port), ("device", self.device)):
            port.is_liar = lie in self.lies
            port.write(port.control, (0x0000_0001).to_bytes(4, "little"))

    def disconnect(self, device: Bdf) -> None:
        self.connected = ""
        for port in (self.port, self.device):
            port.write(port.control, bytes(4))

    def connected_to(self, device: Bdf) -> str:
        return self.connected

    def authenticated_by(self, device: Bdf) -> str:
        return "" if "authenticated" in self.lies else self.connected

    def streams(self, device: Bdf) -> tuple[str, ...]:
        return ("stream0.0.0",) if self.connected and "link" not in self.lies else ()

    def refresh(self, device: Bdf) -> None:
        raise OSError(errno.EPERM, "")

    def status(self, device: Bdf) -> str:
        return "ret=0\nctx_state=1\ntc_mask=1\ncerts_slot=0\ndevice_id=e1:0.0\nsegment_id=0\nno_fw_update=1"

    def certificates(self, device: Bdf) -> bytes:
        return CERTIFICATES

    def measurements(self, device: Bdf) -> bytes:
        return MEASUREMENTS if self.shape is TsmShape.R2 else b""

    def measure(self, device: Bdf) -> bytes:
        return self.measurements(device)

    def report(self, interface: Bdf) -> bytes:
        return REPORT

    def lock(self, interface: Bdf) -> None:
        self.locked = "tsm0"

    def accept(self, interface: Bdf) -> None:
        self.accepted = True

    def stop(self, interface: Bdf) -> None:
        self.locked, self.accepted = "", False

    def has_locked(self, interface: Bdf) -> bool:
        return bool(self.locked)

    def is_accepted(self, interface: Bdf) -> bool:
        return self.accepted


def add_guest_files(platform: Platform) -> None:
    """Add what a confidential guest of this kernel has: lock, accept and unlock, or validate."""
    add_interface_files(platform.tree, platform, Bdf.parse(DEVICE), platform.shape)

"""A host with a TSM, as a sysfs tree: one host bridge, a root port, a device with one virtual function.

Facts: the kernel's PCI/TSM core for what each write does and in which order it checks; the two RFCs for their files.
The TSM can be made to fail with any errno, and to lie.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Callable
from typing import Final

from pytio.backends.sysfs import TsmShape
from pytio.hosts.file_nodes import Binary, Config, Directory, Link, Text
from tests.fakes.ports import Port

BRIDGE: Final = "0000:e0"
ROOT_PORT: Final = "0000:e0:01.1"
DEVICE: Final = "0000:e1:00.0"
VIRTUAL: Final = "0000:e1:04.0"
FAR_DEVICE: Final = "10000:01:00.0"
"""In a domain of the kernel's own, with five digits."""
STREAMS: Final = 4
CERTIFICATES: Final = bytes.fromhex("08000000 3082abcd")
MEASUREMENTS: Final = bytes.fromhex("0101070081040001020304")
REPORT: Final = bytes(16)
_NAME: Final = re.compile(r"tsm(\d+)")


class Platform:
    """The tree and its TSM.

    Attributes:
        root: the tree, to be mounted.
        fails: the errno that the TSM's driver gives on connect; 0 for none.
        lies: ``port`` and ``device`` stay insecure, ``link`` is not made, ``authenticated`` does not follow.
        connected: the TSM that the device is connected to.
    """

    def __init__(self, shape: TsmShape = TsmShape.UPSTREAM, *, tsms: int = 1) -> None:
        self.shape = shape
        self.root = Directory()
        self.fails = 0
        self.lies: set[str] = set()
        self.connected = ""
        self.accepted = False
        self.locked = ""
        self.port = Port(0x1022, 0x14AB, is_root_port=True)
        self.device = Port(0x1234, 0xD0E1, is_root_port=False, with_mailbox=True)
        self.far = Port(0x1234, 0xD0E1, is_root_port=False)
        self._bus = Directory()
        self.root.add("bus/pci/devices", self._bus)
        self.root.add("bus/pci/drivers_probe", Text(store=self._probe, mode=0o200))
        self.root.add("kernel/security/lockdown", Text("[none] integrity confidentiality", mode=0o644))
        self.bridge = Directory()
        self.root.add(f"devices/pci{BRIDGE}", self.bridge)
        self.bridge.add("available_secure_streams", Text(lambda: str(STREAMS - bool(self.connected)), mode=0o444))
        self.functions = {
            ROOT_PORT: self._function(f"devices/pci{BRIDGE}/{ROOT_PORT}", self.port),
            DEVICE: self._function(f"devices/pci{BRIDGE}/{ROOT_PORT}/{DEVICE}", self.device),
            FAR_DEVICE: self._function(f"devices/pci10000:00/10000:00:00.0/{FAR_DEVICE}", self.far),
        }
        self._add_sriov()
        for index in range(tsms):
            self.root.add(f"class/tsm/tsm{index}/uevent", Text("", mode=0o444))
        _SHAPES[shape](self)

    def text(self, function: str, name: str) -> Text:
        """Return an attribute of a function."""
        found = self.functions[function].find(name)
        assert isinstance(found, Text)
        return found

    def config(self, function: str = DEVICE) -> Config:
        """Return the configuration space of a function."""
        found = self.functions[function].find("config")
        assert isinstance(found, Config)
        return found

    def _function(self, path: str, port: Port) -> Directory:
        folder = Directory()
        self.root.add(path, folder)
        address = path.rsplit("/", 1)[1]
        self._bus.add(address, Link(f"../../../{path}"))
        vendor, device = (port.function.space.peek(at, 2) for at in (0, 2))
        folder.add("vendor", Text(f"{vendor:#06x}", mode=0o444))
        folder.add("device", Text(f"{device:#06x}", mode=0o444))
        folder.add("config", Config(port))
        folder.add("driver_override", Text("(null)", store=lambda value: self._override(folder, value)))
        folder.add("enable", Text("0", store=lambda value: None))
        folder.add("reset", Text(store=_reset, mode=0o200))
        folder.add("resource", Text("\n".join(["0x" + "0" * 16 + " 0x" + "0" * 16 + " 0x" + "0" * 16] * 7), mode=0o444))
        return folder

    # ------------------------------------------------------------------ drivers, SR-IOV

    def _override(self, folder: Directory, value: str) -> None:
        text = folder.find("driver_override")
        assert isinstance(text, Text)
        text.show = value.strip() or "(null)"

    def add_driver(self, name: str) -> None:
        """Load a driver's module."""
        driver = Directory()
        self.root.add(f"bus/pci/drivers/{name}", driver)
        driver.add("unbind", Text(store=lambda address: self._unbind(name, address), mode=0o200))

    def bind(self, address: str, name: str) -> None:
        """Bind a driver to a function, as its probe would."""
        self.functions[address].add("driver", Link(f"../../../../bus/pci/drivers/{name}"))

    def _unbind(self, name: str, address: str) -> None:
        entries = self.functions[address].entries
        link = entries.get("driver")
        if not isinstance(link, Link) or not link.target.endswith(f"/{name}"):
            raise OSError(errno.ENODEV, "")
        del entries["driver"]

    def _probe(self, address: str) -> None:
        override = self.text(address, "driver_override").show
        assert isinstance(override, str)
        self.bind(address, override)

    def _add_sriov(self) -> None:
        self._virtual = 0
        folder = self.functions[DEVICE]
        folder.add("sriov_totalvfs", Text("1", mode=0o444))
        folder.add("sriov_numvfs", Text(lambda: str(self._virtual), store=self._set_virtual))
        folder.add("sriov_drivers_autoprobe", Text("1", store=lambda value: None))

    def _set_virtual(self, value: str) -> None:
        if not value.isdigit():
            raise OSError(errno.EINVAL, "")
        count = int(value)
        if count > 1:
            raise OSError(errno.ERANGE, "")
        if count and self._virtual:
            raise OSError(errno.EBUSY, "")
        self._virtual = count
        entries = self.functions[DEVICE].entries
        if count:
            path = f"devices/pci{BRIDGE}/{ROOT_PORT}/{VIRTUAL}"
            self.functions[VIRTUAL] = self._function(path, Port(0xFFFF, 0xFFFF, is_root_port=False))
            self.functions[VIRTUAL].add("physfn", Link(f"../{DEVICE}"))
            entries["virtfn0"] = Link(f"../{VIRTUAL}")
        else:
            del entries["virtfn0"], self._bus.entries[VIRTUAL], self.functions[VIRTUAL]

    # ------------------------------------------------------------------ the TSM

    def connect_device(self, name: str) -> None:
        """Do what a TSM's driver does on connect, or what it pretends to do."""
        if self.fails:
            raise OSError(self.fails, "")
        self.connected = name
        for lie, port in (("port", self.port), ("device", self.device)):
            port.is_liar = lie in self.lies
            port.write(port.control, (0x0000_0001).to_bytes(4, "little"))
        if "link" not in self.lies:
            self.bridge.add("stream0.0.0", Link(f"{ROOT_PORT}/{DEVICE}"))

    def disconnect_device(self) -> None:
        """Undo a connect."""
        self.connected = ""
        for port in (self.port, self.device):
            port.write(port.control, bytes(4))
        self.bridge.entries.pop("stream0.0.0", None)


def _reset(value: str) -> None:
    if value != "1":
        raise OSError(errno.EINVAL, "")


def _add_upstream(platform: Platform) -> None:
    def connect(value: str) -> None:
        found = _NAME.match(value)
        if found is None:
            raise OSError(errno.EINVAL, "")
        if platform.connected:
            raise OSError(errno.EBUSY, "")
        classes = platform.root.find("class/tsm")
        assert isinstance(classes, Directory)
        if found[0] not in classes.entries:
            raise OSError(errno.ENXIO, "")
        platform.connect_device(found[0])

    def disconnect(value: str) -> None:
        if not platform.connected:
            raise OSError(errno.ENXIO, "")
        if value.removesuffix("\n") != platform.connected:
            raise OSError(errno.EINVAL, "")
        platform.disconnect_device()

    folder = platform.functions[DEVICE]
    folder.add("tsm/connect", Text(lambda: platform.connected, store=connect))
    folder.add("tsm/disconnect", Text(store=disconnect, mode=0o200))
    folder.add("tsm/bound", Text("", mode=0o444))
    folder.add("tsm/dsm", Text(lambda: DEVICE if platform.connected else "", mode=0o444))
    authenticated: Callable[[], str] = lambda: "" if "authenticated" in platform.lies else platform.connected  # noqa: E731
    folder.add("authenticated", Text(authenticated, mode=0o444))
    for feature in ("0001:00", "0001:01", "0001:02"):
        folder.add(f"doe_features/{feature}", Text(feature, mode=0o444))


def _rfc_connect(platform: Platform) -> Text:
    def change(value: str) -> None:
        if not value.strip().isdigit():
            raise OSError(errno.EINVAL, "")
        if bool(int(value)) == bool(platform.connected):
            raise OSError(errno.EIO, "")
        if int(value):
            platform.connect_device("tsm0")
        else:
            platform.disconnect_device()

    return Text(lambda: str(int(bool(platform.connected))), store=change)


def _rfc_status() -> Text:
    return Text(
        "ret=0\nctx_state=1\ntc_mask=1\ncerts_slot=0\ndevice_id=e1:0.0\nsegment_id=0\nno_fw_update=1", mode=0o444
    )


def _add_r1(platform: Platform) -> None:
    folder = platform.functions[DEVICE]
    folder.add("tsm_dev_connect", _rfc_connect(platform))
    folder.add("tsm_dev_status", _rfc_status())
    folder.add("tsm_certs", Text("[0] len=8:\n30 82 ab cd  0...", mode=0o444))
    folder.add("tsm_meas", Text("none", mode=0o444))


def _add_r2(platform: Platform) -> None:
    folder = platform.functions[DEVICE]
    device = f"tsm-dev/tdev:{DEVICE}"
    folder.add(f"{device}/tsm_dev_connect", _rfc_connect(platform))
    folder.add(f"{device}/tsm_dev_status", _rfc_status())
    folder.add(f"{device}/tsm_certs", Binary(CERTIFICATES))
    folder.add(f"{device}/tsm_meas", Binary(MEASUREMENTS))
    folder.add(f"tsm-tdi/tdi:{DEVICE}/tsm_report", Binary(REPORT))


def add_guest_files(platform: Platform) -> None:
    """Add what a confidential guest of this kernel has: lock, accept and unlock, or validate."""
    _GUESTS[platform.shape](platform)


def _add_upstream_guest(platform: Platform) -> None:
    def lock(value: str) -> None:
        if platform.locked:
            raise OSError(errno.EBUSY, "")
        platform.locked = value

    def accept(value: str) -> None:
        if value != "1" or not platform.locked:
            raise OSError(errno.EINVAL, "")
        platform.accepted = True

    def unlock(value: str) -> None:
        if not platform.locked or value != platform.locked:
            raise OSError(errno.EINVAL, "")
        platform.locked, platform.accepted = "", False

    folder = platform.functions[DEVICE]
    folder.add("tsm/lock", Text(lambda: platform.locked, store=lock))
    folder.add("tsm/accept", Text(lambda: str(int(platform.accepted)), store=accept))
    folder.add("tsm/unlock", Text(store=unlock, mode=0o200))


def _validate(platform: Platform) -> Text:
    def change(value: str) -> None:
        if not value.isdigit():
            raise OSError(errno.EINVAL, "")
        platform.accepted = bool(int(value))

    return Text(lambda: str(int(platform.accepted)), store=change)


def _add_r1_guest(platform: Platform) -> None:
    platform.functions[DEVICE].add("tsm_tdi_validate", _validate(platform))


def _add_r2_guest(platform: Platform) -> None:
    platform.functions[DEVICE].add(f"tsm-tdi/tdi:{DEVICE}/tsm_tdi_validate", _validate(platform))


_SHAPES: Final = {TsmShape.UPSTREAM: _add_upstream, TsmShape.R1: _add_r1, TsmShape.R2: _add_r2}
_GUESTS: Final = {TsmShape.UPSTREAM: _add_upstream_guest, TsmShape.R1: _add_r1_guest, TsmShape.R2: _add_r2_guest}

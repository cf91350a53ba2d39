"""The kernel of a model host: its PCI core, and the TSM's driver that connects devices with the PSP's help.

What it does about a device is in `pytio.clients.psp`; this file remembers what is connected, and answers what the files
of the tree ask. Locking and accepting are a guest's, whose driver is in `pytio.hosts.model.guest_driver`.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from typing import Final

import attrs

from pytio.clients.ide_streams import StreamSlots
from pytio.clients.psp import ConnectOptions, Device, PspClient, find_ports
from pytio.errors import BackendUnavailableError
from pytio.hosts.capabilities import extended_capabilities
from pytio.hosts.model.machine import FunctionSpace, Machine
from pytio.hosts.model.resources import VF_BARS, BarPlace, assign
from pytio.hosts.psp_port import drive_psp
from pytio.ids import Bdf
from pytio.sev.tio_codes import Revision

__all__ = ("BUS_MASTER_ENABLE", "COMMAND", "MEMORY_SPACE_ENABLE", "STREAM_SLOTS", "TSM", "ModelKernel")

COMMAND: Final = 0x04
"""Command register."""
MEMORY_SPACE_ENABLE: Final = 1 << 1
"""Its bit: BARs answer."""
BUS_MASTER_ENABLE: Final = 1 << 2
"""Its bit: the function may send requests."""

STREAM_SLOTS: Final = 4
"""Secure streams of the model's host bridge."""
TSM: Final = "tsm0"
"""The name of the TSM."""
_SR_IOV: Final = 0x10
_CONTROL: Final = 0x08
_TOTAL_VFS: Final = 0x0E
_NUM_VFS: Final = 0x10
_FIRST_VF_OFFSET: Final = 0x14
_VF_STRIDE: Final = 0x16
_VF_ENABLE: Final = 1 << 0 | 1 << 3
"""VF Enable and VF Memory Space Enable."""
_CAPABILITIES: Final = 0x34
_PCI_EXPRESS: Final = 0x10
_DEVICE_CONTROL: Final = 0x08
_INITIATE_FLR: Final = 1 << 15
_WORD: Final = 2


class ModelKernel:
    """PCI core and TSM driver of one machine.

    Attributes:
        machine: the hardware.
        client: the dealings with the firmware.
        slots: the streams that the host bridge has left.
    """

    def __init__(self, machine: Machine, revision: Revision) -> None:
        """Boot: initialize SNP and SEV-TIO. Raises as `PspClient.init`."""
        self.machine = machine
        self.client = PspClient(revision)
        self.slots = StreamSlots(STREAM_SLOTS)
        self.tio_status = drive_psp(self.client.init(), machine.port)
        self._bars: dict[Bdf, Mapping[int, BarPlace]] = {}
        self._virtual_bars: dict[Bdf, Mapping[int, BarPlace]] = {}
        self._enumerate(machine.device.bdf)

    def _enumerate(self, function: Bdf) -> None:
        """Give the physical function and the virtual functions to come their addresses, and enable memory."""
        space = self.space(function)
        base, _ = self.machine.root_port.window
        self._bars[function], base = assign(space, base)
        if (at := self._sr_iov(function)) is not None:
            count = self.most_virtual_functions(function)
            self._virtual_bars[function], base = assign(space, base, at=at + VF_BARS, count=count)
        command = int.from_bytes(space.read(COMMAND, _WORD), "little")
        space.write(COMMAND, (command | MEMORY_SPACE_ENABLE).to_bytes(_WORD, "little"))

    def bars(self, function: Bdf) -> Mapping[int, BarPlace]:
        """Return the memory BARs of a function by index; raises KeyError if there is no such function."""
        return self._bars[function]

    # what the tree's files of functions ask

    def functions(self) -> tuple[Bdf, ...]:
        """Return every function that is there: the root port, the physical function, virtual functions."""
        return (self.machine.root_port.bdf, *self.machine.device.functions)

    def space(self, function: Bdf) -> FunctionSpace:
        """Return a function's configuration space."""
        return self.machine.space(function)

    def root_port(self, function: Bdf) -> Bdf | None:
        """Return the root port above a function, None for the root port."""
        port = self.machine.root_port.bdf
        return None if function == port else port

    def most_virtual_functions(self, function: Bdf) -> int:
        """Return TotalVFs; 0 without SR-IOV."""
        at = self._sr_iov(function)
        return 0 if at is None else self._word(function, at + _TOTAL_VFS)

    def enable_virtual_functions(self, function: Bdf, count: int) -> tuple[Bdf, ...]:
        """Write NumVFs and VF Enable, or clear VF Enable; return where the virtual functions are."""
        at = self._sr_iov(function)
        if at is None:
            raise OSError(errno.ENOENT, f"{function} has no SR-IOV")
        space = self.space(function)
        space.write(at + _CONTROL, bytes(_WORD))
        if count:
            space.write(at + _NUM_VFS, count.to_bytes(_WORD, "little"))
            space.write(at + _CONTROL, _VF_ENABLE.to_bytes(_WORD, "little"))
        first, stride = (self._word(function, at + register) for register in (_FIRST_VF_OFFSET, _VF_STRIDE))
        found = []
        for number in range(count):
            rid = function.requester_id + first + stride * number
            found.append(Bdf.from_requester_id(rid, segment=function.segment))
            self._bars[found[-1]] = {
                bar.index: attrs.evolve(bar, address=bar.address + number * bar.size_bytes)
                for bar in self._virtual_bars[function].values()
            }
        return tuple(found)

    def reset(self, function: Bdf) -> None:
        """Reset a function: FLR. The TSM is not asked, and its files do not notice."""
        space = self.space(function)
        at = space.read(_CAPABILITIES, 1)[0]
        while at and (header := space.read(at, _WORD))[0] != _PCI_EXPRESS:
            at = header[1]
        space.write(at + _DEVICE_CONTROL, _INITIATE_FLR.to_bytes(_WORD, "little"))

    def free_streams(self, function: Bdf) -> int | None:
        """Return how many secure streams are left."""
        return len(self.slots)

    def _sr_iov(self, function: Bdf) -> int | None:
        return next((at for kind, _, at in extended_capabilities(self.space(function)) if kind == _SR_IOV), None)

    def _word(self, function: Bdf, offset: int) -> int:
        return int.from_bytes(self.space(function).read(offset, _WORD), "little")

    # what the TSM's files ask

    def connect(self, device: Bdf, tsm: str = TSM, options: ConnectOptions | None = None) -> None:
        """Connect a device; raises as `PspClient.connect`."""
        ports = drive_psp(find_ports(device, self.machine.root_port.bdf, self.slots), self.machine.port)
        drive_psp(self.client.connect(ports, options), self.machine.port)

    def disconnect(self, device: Bdf) -> None:
        """Disconnect it, by force where it does not go otherwise; raises as `PspClient.disconnect`."""
        drive_psp(self.client.disconnect(self.connected(device)), self.machine.port)

    def connected(self, device: Bdf) -> Device:
        """Return what the client knows of a connected device; raises BackendUnavailableError if it is not connected."""
        found = self.client.devices.get(device)
        if found is None or not found.is_connected:
            raise BackendUnavailableError(str(device), "it is not connected", "connect it first")
        return found

    def connected_to(self, device: Bdf) -> str:
        """Return the TSM's name, nothing if the device is not connected."""
        found = self.client.devices.get(device)
        return TSM if found is not None and found.is_connected else ""

    def authenticated_by(self, device: Bdf) -> str:
        """Return the same."""
        return self.connected_to(device)

    def streams(self, device: Bdf) -> tuple[str, ...]:
        """Return the names of its streams, as the kernel links them."""
        found = self.client.devices.get(device)
        return () if found is None or found.stream is None or not found.is_connected else (found.stream.name,)

    def refresh(self, device: Bdf) -> None:
        """Have the keys of its streams changed. Raises SevCommandError."""
        drive_psp(self.connected(device).roll_key(), self.machine.port)

    def status(self, device: Bdf) -> str:
        """Return what ``tsm_dev_status`` says, in the words of the RFCs."""
        found = drive_psp(self.connected(device).status(), self.machine.port)
        bus, slot, function = found.device_id >> 8, found.device_id >> 3 & 0x1F, found.device_id & 7
        facts = {
            "ret": "0",
            "ctx_state": f"{int(found.ctx_state):x}",
            "tc_mask": f"{found.tc_mask:x}",
            "certs_slot": f"{found.certs_slot:x}",
            "device_id": f"{bus:x}:{slot:x}.{function:d}",
            "segment_id": f"{found.segment_id:x}",
            "no_fw_update": f"{found.no_fw_update:x}",
        }
        return "\n".join(f"{name}={value}" for name, value in facts.items())

    def certificates(self, device: Bdf) -> bytes:
        """Return the certificate chain that the firmware gave last."""
        found = self.connected(device).certificates
        return b"" if found is None else found.data

    def measurements(self, device: Bdf) -> bytes:
        """Return the measurements that the firmware gave last."""
        found = self.connected(device).measurements
        return b"" if found is None else found.data

    def measure(self, device: Bdf) -> bytes:
        """Return measurements, taken anew; what was attested before is attested no more. Raises SevCommandError."""
        return drive_psp(self.connected(device).measure(), self.machine.port).data

    def report(self, interface: Bdf) -> bytes:
        """Return an interface's report, nothing for one that is not bound."""
        for device in self.client.devices.values():
            if (found := device.interfaces.get(interface)) is not None and found.report is not None:
                return found.report.data
        return b""

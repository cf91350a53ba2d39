"""A confidential VM of a model host: its launch, its memory, and the interfaces that are plugged into it.

It plays what KVM and the virtual machine monitor play: which pages are behind which address, what the guest sees of a
function's configuration space, and the exits that are handed to `pytio.clients.psp.Relay`. What happens in the guest is
in `pytio.hosts.model.guest`.
"""

from __future__ import annotations

from typing import Final

import attrs

from pytio.clients.psp import Assignment, GuestOperation, GuestReply, GuestRequest, LaunchPage, Relay
from pytio.errors import LocalProtocolError, PytioError
from pytio.hosts.model.kernel import ModelKernel
from pytio.hosts.model.resources import BARS, BarPlace
from pytio.hosts.psp_port import drive_psp
from pytio.ids import Bdf
from pytio.mock.platform import DeviceTableEntry, IoPageTable
from pytio.sev.tio_codes import PAGE_BYTES, LaunchPageType

__all__ = ("BAR_WINDOW", "IMAGE", "SECRETS_PAGE", "ModelVm", "Plugged")

SECRETS_PAGE: Final = 0x0080_0000
"""Where the guest finds its secrets page."""
BAR_WINDOW: Final = 0x3800_0000_0000
"""From where on the guest has the BARs of its functions."""
IMAGE: Final = 0x0010_0000
"""Where the image that a VM is launched with begins."""
_SHARED: Final = 0x4000_0000
_BAR_WINDOW_BYTES: Final = 1 << 32
_FIRST_SLOT: Final = 2
_BARS_END: Final = 0x28
_DW_BYTES: Final = 4
_DW_MASK: Final = 0xFFFF_FFFF


@attrs.frozen
class Plugged:
    """A function that a VM was given.

    Attributes:
        function: which, on the host.
        guest_bdf: where the guest has it.
        bars: its memory, at the addresses that the guest has.
    """

    function: Bdf
    guest_bdf: Bdf
    bars: dict[int, BarPlace]


class ModelVm:
    """A VM that runs.

    Attributes:
        kernel: of the host.
        asid: of the guest.
        memory: the guest's address space.
        guest: what the host's client knows of it.
        relay: what answers its exits.
        plugged: its functions, by where the guest has them.
    """

    def __init__(self, kernel: ModelKernel, asid: int, image: bytes) -> None:
        """Launch a guest with an image, which is measured, and run it. Raises as `PspClient.launch`.

        Args:
            kernel: of the host.
            asid: an ASID that nobody has.
            image: what its memory begins with, at 1 MiB.
        """
        self.kernel = kernel
        self.asid = asid
        self.plugged: dict[Bdf, Plugged] = {}
        platform = kernel.machine.platform
        self.memory = platform.guest(asid)
        self._pages: list[tuple[int, int]] = []
        self._dma = IoPageTable()
        """What devices of the guest reach, by the guest's own addresses."""
        pages = [LaunchPage(SECRETS_PAGE, self._back(SECRETS_PAGE, 1), page_type=LaunchPageType.SECRETS)]
        for at in range(0, len(image), PAGE_BYTES):
            gpa = IMAGE + at
            pages.append(LaunchPage(gpa, self._back(gpa, 1), image[at : at + PAGE_BYTES]))
        try:
            self.guest = drive_psp(kernel.client.launch(asid, tuple(pages)), kernel.machine.port)
        except PytioError:
            self._free()
            raise
        self._next_shared = _SHARED
        self.relay = Relay(kernel.client, self.guest, self.memory.find, {})

    def _back(self, gpa: int, pages: int) -> int:
        """Put pages of the host's behind an address of the guest's."""
        paddr = self.kernel.machine.platform.host.allocate(pages)
        self._pages.append((paddr, pages))
        self.memory.map(gpa, paddr, pages)
        self._dma.map(gpa, paddr, pages)
        return paddr

    def share(self, pages: int) -> int:
        """Give the guest pages that it shares with the hypervisor; return where it has them."""
        gpa = self._next_shared
        self._next_shared += pages * PAGE_BYTES
        self._back(gpa, pages)
        return gpa

    # plugging

    def plug(self, function: Bdf) -> Plugged:
        """Give the guest a function, as a hotplug does; it is shared until the guest has it bound.

        Raises:
            LocalProtocolError: a VM has it already.
            BackendUnavailableError: the device that it belongs to is not connected.
        """
        if any(each.function == function for each in self.plugged.values()):
            raise LocalProtocolError(f"the VM has {function}", "plug")
        device = self.kernel.connected(self.kernel.machine.device.bdf)
        guest_bdf = Bdf.parse(f"0000:00:{_FIRST_SLOT + len(self.plugged):02x}.0")
        bars, at = {}, BAR_WINDOW + len(self.plugged) * _BAR_WINDOW_BYTES
        for bar in self.kernel.bars(function).values():
            at = -(-at // bar.size_bytes) * bar.size_bytes
            self.memory.map(at, bar.address, bar.size_bytes // PAGE_BYTES)
            bars[bar.index] = attrs.evolve(bar, address=at)
            at += bar.size_bytes
        entry = DeviceTableEntry(domain_id=self.asid, page_table=self._dma)
        self.kernel.machine.platform.iommu.set_dte(function.requester_id, entry)
        plugged = self.plugged[guest_bdf] = Plugged(function, guest_bdf, bars)
        pages = {bar.index: bar.size_bytes // PAGE_BYTES for bar in bars.values()}
        self.relay.assignments[guest_bdf.requester_id] = Assignment(device, function, pages)
        return plugged

    def unplug(self, guest_bdf: Bdf) -> None:
        """Take a function away, which the guest no longer trusts; what is bound still is unbound. Raises PytioError."""
        plugged, rid = self.plugged[guest_bdf], guest_bdf.requester_id
        if rid in self.relay.interfaces:
            drive_psp(self.relay.interfaces[rid].unbind(), self.kernel.machine.port)
            del self.relay.interfaces[rid]
        del self.relay.assignments[rid]
        self.kernel.machine.platform.iommu.set_dte(plugged.function.requester_id, None)
        for bar in plugged.bars.values():
            self.memory.unmap(bar.address, bar.size_bytes // PAGE_BYTES)
        del self.plugged[guest_bdf]

    # what the guest's exits reach

    def request(self, request: GuestRequest) -> GuestReply:
        """Answer a guest request."""
        return drive_psp(self.relay.request(request), self.kernel.machine.port)

    def operate(self, operation: GuestOperation) -> GuestReply:
        """Answer a TIO operation."""
        return drive_psp(self.relay.operation(operation), self.kernel.machine.port)

    # what the guest sees of configuration space: the function's own, but for the BARs, where it has its addresses

    def read(self, function: Bdf, offset: int, size: int) -> bytes:
        """Read configuration space of a function, by its address in the guest."""
        plugged = self.plugged[function]
        if BARS <= offset < _BARS_END:
            return self._bar_register(plugged, offset)[:size]
        return self.kernel.space(plugged.function).read(offset, size)

    def write(self, function: Bdf, offset: int, data: bytes) -> None:
        """Write configuration space of a function, by its address in the guest; its BARs stay where they are."""
        if not BARS <= offset < _BARS_END:
            self.kernel.space(self.plugged[function].function).write(offset, data)

    @staticmethod
    def _bar_register(plugged: Plugged, offset: int) -> bytes:
        index = (offset - BARS) // _DW_BYTES
        bar, high = plugged.bars.get(index), plugged.bars.get(index - 1)
        value = bar.address if bar is not None else high.address >> 32 if high is not None else 0
        return (value & _DW_MASK).to_bytes(_DW_BYTES, "little")

    def destroy(self) -> None:
        """End the guest, and give its pages back. Raises as `PspClient.destroy`."""
        drive_psp(self.kernel.client.destroy(self.guest), self.kernel.machine.port)
        self._free()

    def _free(self) -> None:
        """Give every page back that was put behind an address of the guest's."""
        for paddr, pages in self._pages:
            self.kernel.machine.platform.host.free(paddr, pages)
        self._pages.clear()

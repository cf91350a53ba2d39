"""What runs inside a model VM: its kernel, with the guest's side of SEV-TIO, and a driver that uses the interface.

The guest sees addresses of its own, shared memory and private memory; everything else it has to ask for, by exits. What
it asks, and when it trusts an answer, is in `pytio.clients.guest`.
"""

from __future__ import annotations

import errno
from typing import Final

import attrs

from pytio.backends.sysfs import TsmShape
from pytio.capture.sev_records import GhcbRegisters, GuestDirection, GuestRecord, RecordedRevision
from pytio.clients.guest import Attestation, Channel, GuestBar, GuestClient, GuestInterface, Policy
from pytio.clients.psp import GuestOperation, GuestReply, GuestRequest
from pytio.errors import BackendUnavailableError
from pytio.hosts.guest_port import GuestPort, drive_guest
from pytio.hosts.model.file_nodes import Live
from pytio.hosts.model.kernel import BUS_MASTER_ENABLE, COMMAND, MEMORY_SPACE_ENABLE
from pytio.hosts.model.tree import ModelTree, read_only
from pytio.hosts.model.tsm_files import add_guest_files
from pytio.hosts.model.vm import SECRETS_PAGE, ModelVm, Plugged
from pytio.ids import Bdf
from pytio.sev.ghcb import SW_EXIT_TIO_GUEST_REQUEST, SW_EXIT_TIO_OPERATION
from pytio.sev.guest_envelope import SecretsPage
from pytio.sev.tio_codes import PAGE_BYTES

__all__ = ("ModelGuest",)

_COMMAND_BYTES: Final = 2
_TSMS: Final = 1


class _Shared:
    """Pages that the guest shares with the hypervisor."""

    def __init__(self, vm: ModelVm) -> None:
        self._vm = vm

    def allocate(self, pages: int) -> int:
        return self._vm.share(pages)

    def read(self, gpa: int, size: int) -> bytes:
        return self._vm.memory.read(gpa, size, private=False)

    def write(self, gpa: int, data: bytes) -> None:
        self._vm.memory.write(gpa, data, private=False)


class _GuestKernel:
    """What stands behind a guest's tree: functions in its slots, below a host bridge of its own."""

    def __init__(self, vm: ModelVm) -> None:
        self._vm = vm

    def space(self, function: Bdf) -> Live:
        return _GuestSpace(self._vm, function)

    def root_port(self, function: Bdf) -> Bdf | None:
        return None

    def most_virtual_functions(self, function: Bdf) -> int:
        return 0

    def enable_virtual_functions(self, function: Bdf, count: int) -> tuple[Bdf, ...]:
        raise OSError(errno.ENOENT, f"{function} has no SR-IOV in the guest")

    def reset(self, function: Bdf) -> None:
        self._vm.kernel.reset(self._vm.plugged[function].function)

    def free_streams(self, function: Bdf) -> int | None:
        return None


@attrs.frozen
class _GuestSpace:
    _vm: ModelVm
    _function: Bdf

    def read(self, offset: int, size: int) -> bytes:
        return self._vm.read(self._function, offset, size)

    def write(self, offset: int, data: bytes) -> None:
        self._vm.write(self._function, offset, data)


class ModelGuest:
    """A guest that runs.

    Attributes:
        vm: what it runs in.
        client: its dealings with the firmware.
        interfaces: what it knows of the functions that it has, by its own addresses of them.
        tree: its own sysfs-shaped tree, with the files of a guest's TSM.
    """

    def __init__(self, vm: ModelVm, shape: TsmShape = TsmShape.UPSTREAM) -> None:
        """Boot a kernel of some shape: read the secrets page."""
        self._shape = shape
        self.vm = vm
        self.interfaces: dict[Bdf, GuestInterface] = {}
        secrets, _ = SecretsPage.parse_prefix(vm.memory.read(SECRETS_PAGE, PAGE_BYTES))
        revision = vm.kernel.client.manner.revision
        self.client = GuestClient(Channel.from_secrets(secrets), revision)
        self._port = GuestPort(_Shared(vm), self._request, self._operation, vm)
        self.tree = ModelTree(_GuestKernel(vm), ())
        for number in range(_TSMS):
            self.tree.root.add(f"class/tsm/tsm{number}/pci_mode", read_only("devsec"))

    def _request(self, request: GuestRequest) -> GuestReply:
        """Exit with a request, and record both ways, pages and data area included."""
        registers = GhcbRegisters(sw_exitcode=SW_EXIT_TIO_GUEST_REQUEST, **attrs.asdict(request))
        self._record(GuestDirection.REQUEST, registers, request.sw_exitinfo1)
        reply = self.vm.request(request)
        answered = registers.replace(sw_exitinfo2=reply.sw_exitinfo2, rbx=reply.rbx or request.rbx, rdx=reply.rdx)
        area = (request.rax, request.rbx * PAGE_BYTES) if request.rbx else None
        self._record(GuestDirection.RESPONSE, answered, request.sw_exitinfo2, area)
        return reply

    def _operation(self, operation: GuestOperation) -> GuestReply:
        """Exit with an operation, and record both ways."""
        registers = GhcbRegisters(sw_exitcode=SW_EXIT_TIO_OPERATION, sw_exitinfo1=operation.sw_exitinfo1)
        self._record(GuestDirection.REQUEST, registers)
        reply = self.vm.operate(operation)
        answered = registers.replace(sw_exitinfo2=reply.sw_exitinfo2, rcx=reply.rcx)
        self._record(GuestDirection.RESPONSE, answered)
        return reply

    def _record(
        self,
        direction: GuestDirection,
        registers: GhcbRegisters,
        page: int | None = None,
        area: tuple[int, int] | None = None,
    ) -> None:
        recorder = self.vm.kernel.machine.recorder
        if recorder is None:
            return
        read = self.vm.memory.read
        record = GuestRecord(
            revision=RecordedRevision[self.vm.kernel.client.manner.revision.name],
            direction=direction,
            registers=registers,
            page=b"" if page is None else read(page, PAGE_BYTES, private=False),
            area=b"" if area is None else read(*area, private=False),
        )
        recorder.add_guest(str(self.vm.asid), record)

    # functions

    def plug(self, function: Bdf) -> GuestInterface:
        """Have a function hotplugged; raises as `ModelVm.plug`."""
        plugged = self.vm.plug(function)
        bars = {bar.index: GuestBar(bar.address, bar.size_bytes) for bar in plugged.bars.values()}
        found = self.interfaces[plugged.guest_bdf] = GuestInterface(plugged.guest_bdf, bars)
        self.tree.add(plugged.guest_bdf)
        add_guest_files(self.tree, self, plugged.guest_bdf, self._shape)
        return found

    def unplug(self, function: Bdf) -> None:
        """Give a function back; raises as `ModelVm.unplug`."""
        plugged = self._plugged(function)
        self.vm.unplug(plugged.guest_bdf)
        del self.interfaces[plugged.guest_bdf]
        self.tree.remove(plugged.guest_bdf)

    def has(self, function: Bdf) -> bool:
        """Return whether the guest has a function of the host."""
        return any(each.function == function for each in self.vm.plugged.values())

    def interface(self, function: Bdf) -> GuestInterface:
        """Return what the guest knows of a function, by the host's address or its own."""
        return self.interfaces[self._plugged(function).guest_bdf]

    def _plugged(self, function: Bdf) -> Plugged:
        for each in self.vm.plugged.values():
            if function in {each.guest_bdf, each.function}:
                return each
        raise BackendUnavailableError(str(function), "the guest has no such function", "plug it in")

    # the driver of the function

    def load_driver(self, function: Bdf, *, bus_master: bool = True) -> None:
        """Do what a driver's probe does: enable memory, then Bus Master."""
        self.set_command(function, MEMORY_SPACE_ENABLE)
        if bus_master:
            self.set_command(function, MEMORY_SPACE_ENABLE | BUS_MASTER_ENABLE)

    def set_command(self, function: Bdf, value: int) -> None:
        """Write a function's Command register."""
        guest_bdf = self._plugged(function).guest_bdf
        self.vm.write(guest_bdf, COMMAND, value.to_bytes(_COMMAND_BYTES, "little"))

    def read_mmio(self, function: Bdf, bar: int, offset: int, size: int, *, is_private: bool = True) -> bytes:
        """Read a BAR through a mapping with the encryption attribute, or without."""
        return self.vm.memory.read(self.interface(function).bars[bar].gpa + offset, size, private=is_private)

    def write_mmio(self, function: Bdf, bar: int, offset: int, data: bytes, *, is_private: bool = True) -> None:
        """Write a BAR through a mapping with the encryption attribute, or without."""
        self.vm.memory.write(self.interface(function).bars[bar].gpa + offset, data, private=is_private)

    # trust

    def has_locked(self, function: Bdf) -> bool:
        """Return whether the guest has it locked, or running."""
        return self.interface(function).attestation is not None

    def is_accepted(self, function: Bdf) -> bool:
        """Return whether the guest's memory is open to it."""
        return self.interface(function).is_dma_open

    def report(self, function: Bdf) -> bytes:
        """Return the report that it was attested with, nothing before."""
        attestation = self.interface(function).attestation
        return b"" if attestation is None else attestation.report

    def validate(self, function: Bdf, policy: Policy) -> Attestation:
        """Go all the way to an interface that runs, in the verbs of the revision; raises as `GuestClient`'s verbs."""
        interface = self.interface(function)
        if self.client.manner.validate:
            drive_guest(self.client.validate(interface, policy), self._port)
        else:
            drive_guest(self.client.lock(interface, policy), self._port)
            drive_guest(self.client.accept(interface), self._port)
        assert interface.attestation is not None
        return interface.attestation

    def lock(self, function: Bdf, policy: Policy = lambda attestation: None) -> None:
        """Have it locked, and see that its evidence is what the firmware vouches for; raises as `GuestClient.lock`."""
        drive_guest(self.client.lock(self.interface(function), policy), self._port)

    def accept(self, function: Bdf) -> None:
        """Let it run; raises as `GuestClient.accept`. Before P2, where nobody locks, it is attested first."""
        if self.client.manner.validate:
            self.validate(function, lambda attestation: None)
        else:
            drive_guest(self.client.accept(self.interface(function)), self._port)

    def stop(self, function: Bdf) -> None:
        """Take the trust back; raises as the client's verb."""
        interface = self.interface(function)
        drive_guest(self.client.invalidate(interface), self._port)

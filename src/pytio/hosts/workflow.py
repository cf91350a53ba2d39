"""The RFC's workflow, end to end, on a model host: from the platform's start to a device in a confidential VM and back.

Each step does what the 21 patches do, looks whether it is so, and says what it saw. A step that finds something else
raises `WorkflowError`; what firmware, device or guest refuse, they raise themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

import attrs

from pytio.clients.guest import Attestation
from pytio.crypto import HashAlgorithm, digest
from pytio.errors import PytioError
from pytio.hosts.mock import MockDevice, MockHost
from pytio.hosts.model.guest import ModelGuest
from pytio.hosts.model.kernel import BUS_MASTER_ENABLE, MEMORY_SPACE_ENABLE
from pytio.hosts.model.vm import IMAGE
from pytio.ide import Tlp
from pytio.ids import Bdf
from pytio.sev.rmp import PageState
from pytio.sev.tio_codes import TioStatusFlags
from pytio.tdisp import InterfaceReport, TdiState

__all__ = ("STEPS", "Step", "Teller", "Workflow", "WorkflowError", "play")

Teller: TypeAlias = Callable[[str], object]
"""Is told what happened, a line each."""

_IMAGE: Final = b"a guest's kernel, which is measured when it is launched".ljust(4096, b".")
_BAR: Final = 4
_OFFSET: Final = 0x100
_PATTERN: Final = bytes.fromhex("cdab")
"""0xabcd, as the RFC's test writes it."""
_DMA_OFFSET: Final = 0x800
_SECRET: Final = b"private data of the guest, seen by its device alone"


class WorkflowError(PytioError):
    """A step did not lead to what it has to lead to."""

    def __init__(self, what: str) -> None:
        """Say what ought to be so."""
        super().__init__(what)
        self.what = what

    def __str__(self) -> str:
        """Say what is not so."""
        return f"it is not so: {self.what}"


@attrs.frozen
class Step:
    """One step: its name, what it is about, and what it does; that yields what there is to tell."""

    name: str
    title: str
    do: Callable[[Workflow], Iterator[str]]


class Workflow:
    """One run, as far as it has come.

    Attributes:
        host: the model host.
        device: the physical device.
        function: the virtual function that the VM gets.
        guest: the VM, once it runs.
        attestation: what the guest trusted the interface for.
    """

    def __init__(self, host: MockHost) -> None:
        """Begin on a host that has booted."""
        self.host = host
        self.device: MockDevice = host.device(host.machine.device.bdf)
        self.function: Bdf | None = None
        self.guest: ModelGuest | None = None
        self.attestation: Attestation | None = None

    def _expect(self, is_so: bool, what: str) -> str:
        if not is_so:
            raise WorkflowError(what)
        return what

    def _given(self) -> tuple[Bdf, ModelGuest]:
        if self.function is None or self.guest is None:
            raise WorkflowError("a step was left out: there is no function, or no guest")
        return self.function, self.guest

    # the steps

    def init(self) -> Iterator[str]:
        """Look at what the boot has initialized: SNP with SEV-TIO, then SEV-TIO."""
        status = self.host.kernel.tio_status
        both = TioStatusFlags.TIO_EN | TioStatusFlags.TIO_INIT_DONE
        yield self._expect(status.flags == both, "TIO_STATUS says TIO_EN and TIO_INIT_DONE")
        yield f"buffers: requests {status.spdm_req_size_max}, results {status.spdm_out_size_max} bytes at most"

    def connect(self) -> Iterator[str]:
        """Connect the device, and look at both ports."""
        sight = self.device.connect()
        yield self._expect(not sight.problems(), f"{self.device.bdf} is connected to {sight.connected_to}")
        for port in sight.ports:
            yield self._expect(port.is_secure, str(port))
        evidence = self.device.evidence()
        sizes = (len(piece or b"") for piece in (evidence.certificates, evidence.measurements))
        yield "certificates: {} bytes, measurements: {}".format(*sizes)

    def assign(self) -> Iterator[str]:
        """Enable one virtual function, and give it to vfio-pci."""
        (self.function,) = self.device.enable_virtual_functions(1)
        address = str(self.function)
        self.host.tree.add_driver("vfio-pci")
        self.host.tree.text(address, "driver_override").write("vfio-pci")
        self.host.tree.probe(address)
        driver = self.host.tree.driver(address)
        yield self._expect(driver == "vfio-pci", f"{address} is bound to {driver}")
        yield self._expect(self._state() is TdiState.CONFIG_UNLOCKED, "its interface is CONFIG_UNLOCKED: it is shared")

    def launch(self) -> Iterator[str]:
        """Launch a VM without the device; its image is measured."""
        guest = self.guest = self.host.launch(_IMAGE)
        page = self.host.machine.platform.rmp.state(guest.vm.memory.find(IMAGE))
        yield self._expect(
            page is PageState.GUEST_VALID, f"the VM runs with ASID {guest.vm.asid}; its memory is {page.value}"
        )
        yield self._expect(
            not guest.interfaces, "it has no device, so that nothing of its memory was mapped before the measurement"
        )
        is_hidden = self.host.machine.platform.memory.read(guest.vm.memory.find(IMAGE), 16) != _IMAGE[:16]
        yield self._expect(is_hidden, "the host sees ciphertext where the guest has its image")

    def plug(self) -> Iterator[str]:
        """Hotplug the function; it works, shared."""
        function, guest = self._given()
        interface = guest.plug(function)
        bar = interface.bars[_BAR]
        yield f"{function} is {interface.function} in the guest, BAR {_BAR} at {bar.gpa:#x}"
        before = guest.read_mmio(function, _BAR, _OFFSET, 2, is_private=False)
        yield self._expect(before == bytes(2), "the device works, shared: BAR 4 reads zeros")

    def load_driver(self) -> Iterator[str]:
        """Enable memory, as a driver's probe does first."""
        function, guest = self._given()
        guest.set_command(function, MEMORY_SPACE_ENABLE)
        yield self._expect(self._state() is TdiState.CONFIG_UNLOCKED, "the driver is loaded, memory is enabled")

    def trust(self) -> Iterator[str]:
        """Enable Bus Master; attest the interface, and open memory and MMIO to it."""
        function, guest = self._given()
        guest.set_command(function, MEMORY_SPACE_ENABLE | BUS_MASTER_ENABLE)
        yield "Bus Master is enabled: the guest's kernel asks for the evidence, and judges it"
        attestation = self.attestation = guest.validate(function, self._judge)
        report = InterfaceReport.parse(attestation.report)
        yield f"certificates, measurements and report hash to the firmware's digests; {len(report.mmio_ranges)} ranges"
        yield self._expect(
            guest.is_accepted(function), "the secure device table entry is written: DMA may reach the guest's memory"
        )
        bar = self.host.machine.platform.rmp.state(guest.vm.memory.find(guest.interface(function).bars[_BAR].gpa))
        yield self._expect(bar is PageState.GUEST_VALID, f"the pages of BAR {_BAR} are {bar.value}")
        yield self._expect(self._state() is TdiState.RUN, "the interface is in RUN")

    def _judge(self, attestation: Attestation) -> None:
        """Accept a device whose evidence is what the host connected, and whose report has the memory to be used."""
        owned = self.host.kernel.certificates(self.device.bdf)
        if digest(HashAlgorithm.SHA_384, attestation.certificates) != digest(HashAlgorithm.SHA_384, owned):
            raise WorkflowError("the certificates are not those of the device")
        if not any(each.range_id == _BAR for each in InterfaceReport.parse(attestation.report).mmio_ranges):
            raise WorkflowError(f"the report has no BAR {_BAR}")

    def use(self) -> Iterator[str]:
        """Write and read a BAR through both mappings, and let the device reach private memory."""
        function, guest = self._given()
        seen: list[bytes] = []
        self.host.machine.root_port.link.taps.append(lambda direction, raw: seen.append(raw))
        try:
            guest.write_mmio(function, _BAR, _OFFSET, _PATTERN)
            private = guest.read_mmio(function, _BAR, _OFFSET, len(_PATTERN))
            yield self._expect(
                private == _PATTERN,
                f"0x{_PATTERN[::-1].hex()} written to BAR {_BAR} through the private mapping, and read back",
            )
            tlps = [Tlp.parse(raw) for raw in seen]
            yield self._expect(
                bool(tlps) and all(tlp.ide is not None and tlp.ide.t for tlp in tlps),
                f"{len(tlps)} TLPs on the link, all encrypted, all with T=1",
            )
            yield self._expect(not any(_PATTERN in raw for raw in seen), "none of them has the value in clear")
            shared = guest.read_mmio(function, _BAR, _OFFSET, len(_PATTERN), is_private=False)
            yield self._expect(shared == b"\xff\xff", "the same offset through the shared mapping reads all ones")
            yield from self._use_dma(seen)
        finally:
            self.host.machine.root_port.link.taps.pop()

    def _use_dma(self, seen: list[bytes]) -> Iterator[str]:
        function, guest = self._given()
        device, at = self.host.machine.device, IMAGE + _DMA_OFFSET
        seen.clear()
        device.dma_write(function, at, _SECRET)
        yield self._expect(
            guest.vm.memory.read(at, len(_SECRET)) == _SECRET, "the device wrote into private memory of the guest"
        )
        yield self._expect(device.dma_read(function, at, len(_SECRET)) == _SECRET, "and reads it back")
        in_host = self.host.machine.platform.memory.read(guest.vm.memory.find(at), len(_SECRET))
        is_hidden = in_host != _SECRET and not any(_SECRET[:16] in raw for raw in seen)
        yield self._expect(is_hidden, "neither the host's memory nor the link shows it")

    def unbind(self) -> Iterator[str]:
        """Take the trust back, unplug the function, and end the VM."""
        function, guest = self._given()
        guest.stop(function)
        guest.unplug(function)
        yield self._expect(
            self._state() is TdiState.CONFIG_UNLOCKED, f"{function} is CONFIG_UNLOCKED, and the host's again"
        )
        guest.vm.destroy()
        self.host.guests.remove(guest)
        self.guest = None
        yield "the VM is gone"

    def disconnect(self) -> Iterator[str]:
        """Disconnect the device; nothing of it is left."""
        sight = self.device.disconnect()
        yield self._expect(
            sight.connected_to is None and not sight.ports, f"{self.device.bdf} is disconnected, its stream torn down"
        )
        left = self.host.kernel.client.devices
        yield self._expect(not left, "every page is back with the host")

    def _state(self) -> TdiState:
        assert self.function is not None
        return self.host.tdi(self.function).state()


STEPS: Final = (
    Step("init", "SNP and SEV-TIO are initialized", Workflow.init),
    Step("connect", "the device is connected, and both ports are secure", Workflow.connect),
    Step("assign", "a virtual function goes to vfio-pci", Workflow.assign),
    Step("launch", "a VM is launched without the device, and measured", Workflow.launch),
    Step("plug", "the function is hotplugged, shared", Workflow.plug),
    Step("load-driver", "the guest's driver loads", Workflow.load_driver),
    Step("trust", "Bus Master is enabled: report, device table entry, MMIO, run", Workflow.trust),
    Step("use", "private MMIO and private DMA", Workflow.use),
    Step("unbind", "the interface is stopped and unbound", Workflow.unbind),
    Step("disconnect", "the device is disconnected and reclaimed", Workflow.disconnect),
)
"""The whole of it, in order."""


def play(host: MockHost, tell: Teller = lambda line: None) -> Workflow:
    """Play every step, and tell what happens.

    Raises:
        WorkflowError: a step did not lead to what it has to lead to.
        PytioError: firmware, device or guest refused.
    """
    workflow = Workflow(host)
    for number, step in enumerate(STEPS, 1):
        tell(f"{number:2} {step.title}")
        for line in step.do(workflow):
            tell(f"     {line}")
    return workflow

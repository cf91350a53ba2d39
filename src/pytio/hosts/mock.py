"""``mock:``: a host that is all model, with the verbs of the real one.

Its PSP is firmware that acts on command buffers in a model of memory, its device answers SPDM, IDE_KM and TDISP, and
the link between them is really encrypted. In front of it is a sysfs-shaped tree, of upstream's kernel or of either RFC,
that `pytio.hosts.linux` takes for a machine's where it is mounted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Final
from urllib.parse import parse_qs

from pytio.backends.sysfs import TsmShape
from pytio.clients import tsm as client
from pytio.clients.ide_streams import survey
from pytio.clients.tsm import GivenEvidence, PortSight, Sight
from pytio.doe import Feature
from pytio.errors import BackendUnavailableError
from pytio.hosts.capabilities import DOE, IDE, extended_capabilities
from pytio.hosts.mailbox import MailboxDriver
from pytio.hosts.model.guest import ModelGuest
from pytio.hosts.model.kernel import TSM, ModelKernel
from pytio.hosts.model.machine import Machine
from pytio.hosts.model.tree import ModelTree
from pytio.hosts.model.tsm_files import add_tsm_files
from pytio.hosts.model.vm import ModelVm
from pytio.hosts.psp_port import drive_psp
from pytio.hosts.recorder import Recorder
from pytio.hosts.tsm import drive
from pytio.ide_registers import IdeStreamStatus
from pytio.ids import Bdf
from pytio.pci.views import ConfigView
from pytio.sev.tio_codes import PAGE_BYTES, Revision
from pytio.tdisp import TdiState

__all__ = ("MockDevice", "MockHost", "MockTdi", "MockTsm", "MockWitness", "open_host")

_SCHEME: Final = "mock:"
_STATUS: Final = 0x08
_STATUS_BYTES: Final = 4
_REVISIONS: Final = {TsmShape.UPSTREAM: Revision.P2, TsmShape.R1: Revision.R1, TsmShape.R2: Revision.R2}
"""What a kernel of each shape speaks to the firmware."""


class MockTsm:
    """The model's TSM as any other: a host's verbs by the PSP, an interface's by the guest that has it."""

    def __init__(self, host: MockHost) -> None:
        self._host = host

    def connect(self, device: Bdf) -> None:
        """Connect a device; raises as `pytio.clients.psp.PspClient.connect`."""
        self._host.kernel.connect(device)
        self._host.follow()

    def lock(self, interface: Bdf) -> None:
        """Have the guest lock an interface; raises BackendUnavailableError where no guest has it."""
        self._host.guest_of(interface).lock(interface)

    def evidence(self, device: Bdf) -> GivenEvidence:
        """Return what the firmware gave of a device or an interface."""
        kernel = self._host.kernel
        owner = self._host.machine.device.bdf
        report = kernel.report(device)
        return GivenEvidence(device, kernel.certificates(owner), kernel.measurements(owner), report or None)

    def accept(self, interface: Bdf) -> None:
        """Have the guest accept an interface; raises as `lock`."""
        self._host.guest_of(interface).accept(interface)

    def stop(self, target: Bdf) -> None:
        """Have the guest stop an interface; disconnect a device otherwise."""
        if self._host.has_guest(target):
            self._host.guest_of(target).stop(target)
        else:
            self._host.kernel.disconnect(target)
            self._host.follow()


class MockWitness:
    """What the registers of both ports and the kernel's links show."""

    def __init__(self, host: MockHost) -> None:
        self._host = host

    def look(self, device: Bdf) -> Sight:
        """Return what is to be seen of a device's connection."""
        kernel = self._host.kernel
        is_upstream = self._host.shape is TsmShape.UPSTREAM
        return Sight(
            device,
            kernel.connected_to(device) or None,
            (kernel.authenticated_by(device) or None) if is_upstream else None,
            is_upstream,
            kernel.streams(device) if is_upstream else None,
            tuple(self._ports(device)),
        )

    def _ports(self, device: Bdf) -> Iterator[PortSight]:
        own = tuple(self._enabled_streams(device))
        yield from own
        port = self._host.kernel.root_port(device)
        if port is not None:
            mine = {seen.stream_id for seen in own}
            yield from (seen for seen in self._enabled_streams(port) if seen.stream_id in mine)

    def _enabled_streams(self, port: Bdf) -> Iterator[PortSight]:
        space = self._host.kernel.space(port)
        for kind, _, at in extended_capabilities(space):
            if kind == IDE:
                for block in drive_psp(survey(port, at), self._host.machine.port).blocks:
                    if block.control.enable:
                        state = IdeStreamStatus.parse(space.read(block.offset + _STATUS, _STATUS_BYTES)).state
                        yield PortSight(port, block.index, block.control.stream_id, True, state)


class MockDevice:
    """One function of the model host."""

    def __init__(self, host: MockHost, bdf: Bdf) -> None:
        """Name it; raises BackendUnavailableError if there is none."""
        if bdf not in host.devices():
            raise BackendUnavailableError(str(bdf), "there is no such function", "`pytio pci show` lists them")
        self.bdf = bdf
        self._host = host

    @cached_property
    def config(self) -> ConfigView:
        """Its configuration space by the specification's names: ``config.ide``, ``config.doe``, ``config.tee_io``."""
        return ConfigView(self._host.kernel.space(self.bdf))

    def connect(self, tsm: str | None = None) -> Sight:
        """Connect the device to the TSM, and look whether both ports are secure; raises as `clients.tsm.connect`."""
        if tsm not in {None, TSM}:
            raise BackendUnavailableError(str(tsm), "there is no such TSM", f"the model has {TSM}")
        return drive(client.connect(self.bdf), MockTsm(self._host), MockWitness(self._host))

    def disconnect(self) -> Sight:
        """Disconnect the device, and look whether it is; raises as `clients.tsm.disconnect`."""
        return drive(client.disconnect(self.bdf), MockTsm(self._host), MockWitness(self._host))

    def status(self) -> Sight:
        """Return what is to be seen of the connection."""
        return MockWitness(self._host).look(self.bdf)

    def evidence(self) -> GivenEvidence:
        """Return certificates and measurements; raises BackendUnavailableError before it is connected."""
        return MockTsm(self._host).evidence(self.bdf)

    def refresh_keys(self) -> None:
        """Change the keys of its IDE streams, under whatever traffic there is. Raises SevCommandError."""
        self._host.kernel.refresh(self.bdf)

    def enable_virtual_functions(self, count: int) -> tuple[Bdf, ...]:
        """Write ``sriov_numvfs``; return where the virtual functions are. Raises OSError, as the kernel does."""
        self._host.tree.text(self.bdf, "sriov_numvfs").write(str(count))
        return tuple(each for each in self._host.devices() if self._host.is_virtual(each))

    def reset(self) -> None:
        """Reset the function: FLR."""
        self._host.kernel.reset(self.bdf)

    def discover(self) -> dict[int, tuple[Feature, ...]]:
        """Return what each DOE mailbox takes, by the offset of its capability."""
        space = self._host.kernel.space(self.bdf)
        found = [(at, version) for kind, version, at in extended_capabilities(space) if kind == DOE]
        return {at: MailboxDriver(space, at, capability_version=version).discover() for at, version in found}


class MockTdi:
    """One interface, with a host's verbs and, once a VM has it, a guest's."""

    def __init__(self, host: MockHost, bdf: Bdf) -> None:
        """Name it; raises BackendUnavailableError if there is none."""
        self.bdf = MockDevice(host, bdf).bdf
        self._host = host

    def state(self) -> TdiState:
        """Return the state of the interface, as the device has it."""
        return self._host.machine.device.state(self.bdf)

    def is_accepted(self) -> bool:
        """Return whether it runs as a trusted interface."""
        return self._host.has_guest(self.bdf) and self._host.guest_of(self.bdf).is_accepted(self.bdf)

    def lock(self) -> None:
        """Have it locked by the guest that has it; raises BackendUnavailableError where none does."""
        MockTsm(self._host).lock(self.bdf)

    def accept(self) -> None:
        """Let it run; raises as `lock`. Judge its evidence first: `clients.tsm.accept` does both."""
        MockTsm(self._host).accept(self.bdf)

    def stop(self) -> None:
        """Take the trust back; raises as `lock`."""
        self._host.guest_of(self.bdf).stop(self.bdf)


class MockHost:
    """The host.

    Attributes:
        machine: its hardware.
        kernel: what connects devices.
        shape: of its tree's TSM files.
        tree: the sysfs-shaped tree.
        guests: the VMs that run.
    """

    def __init__(
        self,
        *,
        shape: TsmShape = TsmShape.UPSTREAM,
        revision: Revision | None = None,
        machine: Machine | None = None,
        recorder: Recorder | None = None,
    ) -> None:
        """Boot a host.

        Args:
            shape: of the TSM's files in the tree.
            revision: what host and firmware speak; that of the shape's kernel without it.
            machine: the hardware, of the same revision; one with the default device without it.
            recorder: takes down what goes over the wires of a machine that is made here.
        """
        self.shape = shape
        self.revision = revision or _REVISIONS[shape]
        self.machine = machine or Machine(revision=self.revision, recorder=recorder)
        self.kernel = ModelKernel(self.machine, self.revision)
        self.tree = ModelTree(self.kernel, self.kernel.functions())
        self.follow: Callable[[], None] = add_tsm_files(self.tree, self.kernel, self.machine.device.bdf, shape)
        self.guests: list[ModelGuest] = []

    def devices(self) -> tuple[Bdf, ...]:
        """Return the addresses of all functions, in order."""
        return tuple(sorted(self.kernel.functions()))

    def device(self, bdf: Bdf | str) -> MockDevice:
        """Return a device; raises BackendUnavailableError if there is none."""
        return MockDevice(self, Bdf.parse(bdf) if isinstance(bdf, str) else bdf)

    def tdi(self, bdf: Bdf | str) -> MockTdi:
        """Return an interface; raises BackendUnavailableError if there is none."""
        return MockTdi(self, Bdf.parse(bdf) if isinstance(bdf, str) else bdf)

    def is_virtual(self, function: Bdf) -> bool:
        """Return whether it is a virtual function."""
        return "physfn" in self.tree.functions[str(function)].entries

    def launch(self, image: bytes = b"") -> ModelGuest:
        """Launch a confidential VM with an image, without a device; raises as `ModelVm`."""
        taken = {guest.vm.asid for guest in self.guests}
        asid = next(number for number in range(1, len(taken) + 2) if number not in taken)
        guest = ModelGuest(ModelVm(self.kernel, asid, image or bytes(PAGE_BYTES)), self.shape)
        self.guests.append(guest)
        return guest

    def has_guest(self, interface: Bdf) -> bool:
        """Return whether a VM has an interface."""
        return any(guest.has(interface) for guest in self.guests)

    def guest_of(self, interface: Bdf) -> ModelGuest:
        """Return the guest that has an interface; raises BackendUnavailableError where none does."""
        for guest in self.guests:
            if guest.has(interface):
                return guest
        raise BackendUnavailableError(
            str(interface), "no VM has this interface", "launch one, and plug the function into it"
        )

    def close(self) -> None:
        """Let go of it; a model leaves nothing behind."""


def open_host(uri: str) -> MockHost:
    """Open ``mock:``, or ``mock:?shape=r1&revision=R1`` for another kernel.

    Raises:
        ValueError: there is no such shape, revision or option.
    """
    query = uri.removeprefix(_SCHEME).removeprefix("?")
    options = {name: values[-1] for name, values in parse_qs(query, strict_parsing=bool(query)).items()}
    if unknown := options.keys() - {"shape", "revision"}:
        raise ValueError(f"{', '.join(sorted(unknown))} is no option of a mock: URI")
    try:
        shape = TsmShape[options.get("shape", "UPSTREAM").upper()]
        revision = Revision[options["revision"].upper()] if "revision" in options else None
    except KeyError as error:
        raise ValueError(f"{error.args[0]} is no shape or revision of a mock: URI") from error
    return MockHost(shape=shape, revision=revision)

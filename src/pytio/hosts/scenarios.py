"""The hard cases that the RFC's thread argued about, each a short story on the model host that ends with a rule.

A scenario begins with a host whose device is connected; it tells what happens, looks whether it is so, and says whose
rule was met: TDISP's, that of the device's security manager (DSM), or that of the platform's (TSM). What is not so
raises `pytio.hosts.workflow.WorkflowError`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final, TypeAlias

import attrs

from pytio.clients.guest import Attestation
from pytio.errors import LocalProtocolError, PytioError, RemoteProtocolError, VerificationError
from pytio.hosts.mock import MockHost
from pytio.hosts.model.guest import ModelGuest
from pytio.hosts.model.kernel import BUS_MASTER_ENABLE, MEMORY_SPACE_ENABLE
from pytio.hosts.model.machine import Machine
from pytio.hosts.model.vm import IMAGE
from pytio.hosts.psp_port import drive_psp
from pytio.hosts.workflow import Teller, WorkflowError
from pytio.mock.device import Quirk, default_device_config
from pytio.mock.platform import RmpViolation
from pytio.tdisp import TdiState

__all__ = ("SCENARIOS", "Scenario", "Scene", "expect", "play_scenario")

_BAR: Final = 4
_OFFSET: Final = 0x40
_BOTH: Final = MEMORY_SPACE_ENABLE | BUS_MASTER_ENABLE
_SECRET: Final = b"for the device alone"


class Scene:
    """A host with a connected device, and a VM that has its virtual function.

    Attributes:
        host: the model host.
        function: the virtual function.
        guest: the VM.
    """

    def __init__(self, host: MockHost) -> None:
        """Connect, launch, and plug; nothing is trusted yet."""
        self.host = host
        self.device = host.device(host.machine.device.bdf)
        self.device.connect()
        (self.function,) = self.device.enable_virtual_functions(1)
        self.guest: ModelGuest = host.launch(b"a guest")
        self.guest.plug(self.function)

    def run(self) -> Attestation:
        """Load the driver, and go all the way to RUN."""
        self.guest.load_driver(self.function)
        return self.guest.validate(self.function, lambda attestation: None)

    @property
    def state(self) -> TdiState:
        """The state of the interface, as the device has it."""
        return self.host.tdi(self.function).state()

    def mmio(self, *, is_private: bool = True) -> bytes:
        """Read two bytes of the device's memory."""
        return self.guest.read_mmio(self.function, _BAR, _OFFSET, 2, is_private=is_private)

    def works(self) -> bool:
        """Say whether private MMIO and private DMA get through."""
        self.guest.write_mmio(self.function, _BAR, _OFFSET, b"\xcd\xab")
        device, at = self.host.machine.device, IMAGE + 0x100
        device.dma_write(self.function, at, _SECRET)
        is_written = self.guest.vm.memory.read(at, len(_SECRET)) == _SECRET
        return is_written and device.dma_read(self.function, at, len(_SECRET)) == _SECRET and self.mmio() == b"\xcd\xab"


_Story: TypeAlias = Iterator[str]


@attrs.frozen
class Scenario:
    """One story.

    Attributes:
        name: what it is called.
        title: what it is about.
        rule: whose rule is met in the end, and which.
        tell: the story; it yields what happens.
        machine: what the machine is made with.
    """

    name: str
    title: str
    rule: str
    tell: Callable[[Scene], _Story]
    machine: Mapping[str, Any] = MappingProxyType({})


def expect(is_so: bool, what: str) -> str:
    """Return what is so; raises WorkflowError if it is not."""
    if not is_so:
        raise WorkflowError(what)
    return what


def _refused(attempt: Callable[[], object], *kinds: type[PytioError]) -> str:
    try:
        attempt()
    except kinds as error:
        return str(error)
    return ""


# Bus Master and Memory Space


def _bme_cleared(scene: Scene) -> _Story:
    scene.run()
    yield expect(scene.works(), "the interface runs: private MMIO and DMA work")
    scene.guest.set_command(scene.function, MEMORY_SPACE_ENABLE)
    yield expect(scene.state is TdiState.ERROR, "the guest clears Bus Master: the interface is in ERROR")
    yield expect(scene.mmio() == b"\xff\xff", "private MMIO reads all ones")
    blocked = _refused(scene.works, LocalProtocolError, RemoteProtocolError)
    yield expect(bool(blocked), f"DMA does not leave the device: {blocked}")


def _error_recovered(scene: Scene) -> _Story:
    yield from _bme_cleared(scene)
    scene.guest.stop(scene.function)
    yield expect(scene.state is TdiState.CONFIG_UNLOCKED, "the guest lets go of it: it is CONFIG_UNLOCKED, scrubbed")
    scene.run()
    yield expect(scene.works(), "it is bound anew, attested anew, and works")


def _locked(scene: Scene) -> None:
    scene.guest.lock(scene.function)


def _bme_zero_written_when_zero(scene: Scene) -> _Story:
    _locked(scene)
    yield expect(scene.state is TdiState.CONFIG_LOCKED, "the interface is locked before the driver loads")
    scene.guest.set_command(scene.function, MEMORY_SPACE_ENABLE)
    yield expect(
        scene.state is TdiState.ERROR,
        "the driver enables Memory Space, Bus Master still 0: this device takes that for clearing it, and is in ERROR",
    )


def _mse_then_bme(scene: Scene) -> _Story:
    _locked(scene)
    scene.guest.set_command(scene.function, MEMORY_SPACE_ENABLE)
    yield expect(
        scene.state is TdiState.CONFIG_LOCKED, "Memory Space is enabled, Bus Master stays 0: nothing was cleared"
    )
    scene.guest.set_command(scene.function, _BOTH)
    scene.guest.accept(scene.function)
    yield expect(scene.works(), "Bus Master is enabled, the interface is started, and works")


def _coalesced(scene: Scene) -> _Story:
    _locked(scene)
    scene.guest.set_command(scene.function, _BOTH)
    yield expect(scene.state is TdiState.CONFIG_LOCKED, "both are enabled in one write: even this device stays locked")
    scene.guest.accept(scene.function)
    yield expect(scene.works(), "it is started, and works")


# resets and losses


def _flr_while_bound(scene: Scene) -> _Story:
    scene.run()
    scene.host.device(scene.function).reset()
    yield expect(scene.state is TdiState.ERROR, "a function-level reset of the virtual function: ERROR")
    streams = scene.device.status().ports
    yield expect(
        all(seen.is_secure for seen in streams), "the link's stream is of the physical function, and stays secure"
    )
    scene.guest.stop(scene.function)
    yield expect(scene.state is TdiState.CONFIG_UNLOCKED, "the guest lets go of it: it is the host's again")


def _pf_reset(scene: Scene) -> _Story:
    scene.run()
    scene.device.reset()
    state = scene.host.machine.device.state(scene.function)
    yield expect(
        state is TdiState.ERROR,
        "a reset of the physical function: its interfaces are in ERROR, and gone with VF Enable",
    )
    yield expect(bool(scene.device.status().problems()), "and the stream is not enabled at both ports any more")


def _reset_silently_loses_state(scene: Scene) -> _Story:
    scene.run()
    scene.host.machine.root_port.link.hot_reset()
    sight = scene.device.status()
    yield expect(sight.connected_to is not None, f"after a hot reset the kernel's file still says {sight.connected_to}")
    yield expect(bool(sight.problems()), f"the registers say otherwise: {sight.problems()[0]}")
    drive_psp(scene.host.kernel.client.recover(), scene.host.machine.port)
    yield expect(not scene.host.kernel.client.devices, "recover() disconnects by force, and every page is back")


def _hot_unplug_while_bound(scene: Scene) -> _Story:
    scene.run()
    scene.host.machine.root_port.link.set_up(False)
    yield expect(scene.mmio() == b"\xff\xff", "the device is pulled: MMIO reads all ones")
    drive_psp(scene.host.kernel.client.recover(), scene.host.machine.port)
    yield expect(not scene.host.kernel.client.devices, "recover() needs no word of the device: every page is back")
    scene.host.machine.root_port.link.set_up(True)


def _key_refresh_under_traffic(scene: Scene) -> _Story:
    scene.run()
    for number in range(1, 4):
        yield expect(scene.works(), f"traffic before change {number} of the keys")
        scene.device.refresh_keys()
    yield expect(scene.works(), "and after the last: no TLP was lost, and no counter began anew under an old key")


# memory


def _private_mmio_fault(scene: Scene) -> _Story:
    scene.guest.load_driver(scene.function)
    refused = _refused(scene.mmio, RmpViolation)
    yield expect(bool(refused), f"private MMIO before it is validated: {refused}")
    yield expect(scene.mmio(is_private=False) == bytes(2), "the shared mapping works until then")
    scene.guest.validate(scene.function, lambda attestation: None)
    yield expect(scene.mmio() == bytes(2), "once validated, the private mapping works")
    yield expect(scene.mmio(is_private=False) == b"\xff\xff", "and the shared one reads all ones")


def _dte_not_updated(scene: Scene) -> _Story:
    scene.run()
    machine = scene.host.machine
    entry = machine.platform.iommu.dte(scene.function.requester_id)
    assert entry is not None
    machine.platform.iommu.set_dte(scene.function.requester_id, attrs.evolve(entry, is_trusted=False))
    try:
        blocked = not scene.works()
    except PytioError:
        blocked = True
    fault = machine.platform.iommu.events[-1].fault
    yield expect(blocked, f"the host's device table entry is not of the trusted domain: DMA is blocked ({fault.name})")


def _foreign_evidence(scene: Scene) -> _Story:
    other = MockHost(revision=scene.host.revision, shape=scene.host.shape)
    other.device(other.machine.device.bdf).connect()
    foreign = other.kernel.connected(other.machine.device.bdf).certificates
    device = scene.host.kernel.connected(scene.device.bdf)
    device.certificates = foreign
    yield "the hypervisor hands the guest the certificates of another device"
    refused = _refused(scene.run, VerificationError)
    yield expect(bool(refused), f"the guest does not believe it: {refused}")
    yield expect(not scene.guest.interface(scene.function).is_trusted, "nothing of the guest is open to the device")


def _hotplug(scene: Scene) -> _Story:
    yield expect(
        scene.mmio(is_private=False) == bytes(2), "the function is plugged into a VM that runs: it works, shared"
    )
    scene.run()
    yield expect(scene.works(), "later the guest attests it, and it works, private")


_QUIRKY: Final = MappingProxyType(
    {"device": default_device_config(quirks=frozenset({Quirk.BUS_MASTER_WRITTEN_AS_ZERO}))}
)

SCENARIOS: Final[Mapping[str, Scenario]] = MappingProxyType(
    {
        each.name: each
        for each in (
            Scenario(
                "bme-cleared", "a driver clears Bus Master", "TDISP: a cleared Bus Master Enable is ERROR", _bme_cleared
            ),
            Scenario(
                "bme-zero-written-when-zero",
                "a device that takes a written 0 for a clearing",
                "DSM: this device is stricter than the specification's words",
                _bme_zero_written_when_zero,
                _QUIRKY,
            ),
            Scenario(
                "mse-then-bme",
                "a driver enables Memory Space first",
                "TDISP: only a change from 1 to 0 breaks the lock",
                _mse_then_bme,
            ),
            Scenario(
                "coalesced",
                "both in one write",
                "DSM: even the strict device has nothing to object to",
                _coalesced,
                _QUIRKY,
            ),
            Scenario(
                "error-recovered",
                "back from ERROR",
                "TDISP: STOP leads out of ERROR, and everything begins anew",
                _error_recovered,
            ),
            Scenario(
                "hotplug", "plugged in shared, private later", "TSM: nothing is private before the guest asks", _hotplug
            ),
            Scenario(
                "hot-unplug-while-bound",
                "the device is pulled",
                "TSM: FORCE needs no word of the device",
                _hot_unplug_while_bound,
            ),
            Scenario(
                "flr-while-bound", "the function is reset", "TDISP: FLR of a bound function is ERROR", _flr_while_bound
            ),
            Scenario(
                "pf-reset",
                "the physical function is reset",
                "TDISP: all its interfaces and streams go with it",
                _pf_reset,
            ),
            Scenario(
                "reset-silently-loses-state",
                "the kernel's files do not notice a reset",
                "TSM: only the registers of both ports tell",
                _reset_silently_loses_state,
            ),
            Scenario(
                "key-refresh-under-traffic",
                "keys change while the device works",
                "TSM: the other key set, and K in the prefix",
                _key_refresh_under_traffic,
            ),
            Scenario(
                "private-mmio-fault",
                "a private access too early",
                "TSM: the RMP, and not the hypervisor, says whose a page is",
                _private_mmio_fault,
            ),
            Scenario(
                "dte-not-updated-after-realize",
                "the host forgets its part of the device table",
                "TSM: both entries have to agree",
                _dte_not_updated,
            ),
            Scenario(
                "relay-of-foreign-evidence",
                "a hypervisor that lies about the device",
                "TSM: evidence has to hash to the firmware's word",
                _foreign_evidence,
            ),
        )
    }
)
"""All of them, by name."""


def play_scenario(scenario: Scenario, tell: Teller = lambda line: None, **machine: Any) -> None:
    """Play one on a machine of its own; ``machine`` are further arguments of `Machine`. Raises WorkflowError."""
    tell(f"{scenario.name}: {scenario.title}")
    scene = Scene(MockHost(machine=Machine(**{**scenario.machine, **machine})))
    for line in scenario.tell(scene):
        tell(f"  {line}")
    tell(f"rule: {scenario.rule}")

"""The clients on firmware, platform and device: the whole way, in every revision, and back to where it began."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any

import attrs
import pytest

from pytio.clients.guest import Attestation, require_verdict
from pytio.clients.guest.actions import Operation
from pytio.clients.psp import ConnectOptions
from pytio.clients.psp.actions import Allocate, DoeExchange, Free, Issue, RmpUpdate
from pytio.errors import (
    BackendError,
    LocalProtocolError,
    PytioError,
    SevCommandError,
    SevMessageError,
    VerificationError,
)
from pytio.evidence import Expectations
from pytio.hosts.psp_port import _VERBS
from pytio.sev.codes import SevStatus
from pytio.sev.commands import COMMANDS
from pytio.sev.rmp import PageState
from pytio.sev.sdte import Sdte
from pytio.sev.structures import DeviceStatus
from pytio.sev.tio_codes import (
    DeviceContextState,
    MmioConfigFlags,
    Revision,
    SdteWriteStatus,
    SevCommand,
    TdiBindState,
    TioOperation,
)
from pytio.spdm.codes import MeasurementValueType
from pytio.spdm.configuration import Measurement
from pytio.tdisp import TdiState
from tests.clients.machine import BARS_GPA, MEMORY_GPA, PF, VF, VF_BARS, Guest, Machine, identity, root

ALL = pytest.mark.parametrize("revision", list(Revision), ids=lambda revision: revision.name)
GUESTS = [each for each in Revision if each is not Revision.U]
WITH_GUESTS = pytest.mark.parametrize("revision", GUESTS, ids=lambda revision: revision.name)
LATER = [Revision.P2, Revision.N]
WITH_LOCK = pytest.mark.parametrize("revision", LATER, ids=lambda revision: revision.name)


def pcimem(machine: Machine, value: bytes = b"\xcd\xab\0\0") -> None:
    """Write and read back through the encrypted mapping; the shared one shows nothing."""
    machine.memory.write(BARS_GPA[4] + 8, value)
    assert machine.memory.read(BARS_GPA[4] + 8, 4) == value
    assert machine.memory.read(BARS_GPA[4] + 8, 4, private=False) == b"\xff" * 4


def end(machine: Machine, guest: Guest) -> None:
    """Take everything back, and count."""
    machine.run(guest.relay.end())
    machine.run(machine.client.destroy(guest.host))
    machine.run(machine.client.disconnect(guest.device))
    machine.run(machine.client.shutdown())
    machine.port.close()
    assert not machine.client.devices
    assert not machine.client.guests
    assert not machine.client.firmware.pool.lost
    assert machine.used_pages == guest_pages(machine)
    assert len(machine.slots) == 4
    assert all(machine.platform.rmp.state(page) is PageState.HYPERVISOR for page in VF_BARS.values())


def guest_pages(machine: Machine) -> int:
    """Return how many pages the virtual machine monitor itself took: the guest's own, and its shared ones."""
    return len(machine.memory._pages) - sum(size // 4096 for size in (0x4000, 0x4000, 0x10000))


@ALL
def test_connect_and_disconnect_leave_nothing(revision: Revision) -> None:
    machine = Machine(revision)
    device = machine.connect()
    assert device.certificates is not None
    assert device.certificates.data
    machine.run(machine.client.disconnect(device))
    machine.run(machine.client.shutdown())
    machine.port.close()
    assert machine.used_pages == 0
    assert len(machine.slots) == 4


@WITH_GUESTS
def test_the_whole_way_and_back(revision: Revision) -> None:
    machine = Machine(revision)
    guest = machine.start()
    guest.trust()
    assert machine.device.state(VF) is TdiState.RUN
    pcimem(machine)
    machine.device.dma_write(VF, MEMORY_GPA, b"from the device")
    assert machine.memory.read(MEMORY_GPA, 15) == b"from the device"
    assert machine.device.dma_read(VF, MEMORY_GPA, 15) == b"from the device"
    guest.run(guest.client.invalidate(guest.interface))
    assert not guest.interface.is_trusted
    assert guest.channel.is_usable
    end(machine, guest)
    assert machine.device.state(VF) is TdiState.CONFIG_UNLOCKED


@WITH_GUESTS
def test_a_guest_that_dies_leaves_nothing(revision: Revision) -> None:
    machine = Machine(revision)
    guest = machine.start()
    guest.trust()
    end(machine, guest)
    assert machine.device.state(VF) is TdiState.CONFIG_UNLOCKED


@WITH_GUESTS
def test_trust_comes_and_goes_more_than_once(revision: Revision) -> None:
    machine = Machine(revision)
    guest = machine.start()
    for _ in range(3):
        guest.trust()
        pcimem(machine)
        guest.run(guest.client.invalidate(guest.interface))
        if not machine.client.manner.starts_on_request:  # R1 and R2: the host unbinds when the function is taken away
            machine.run(guest.relay.end())
    assert guest.channel.sequence > 30
    end(machine, guest)


def test_a_second_guest_gets_the_asid_of_the_first() -> None:
    machine = Machine()
    guest = machine.start()
    machine.run(machine.client.destroy(guest.host))
    again = machine.launch()
    assert machine.run(again.status()).asid == again.asid


# while it runs


def all_traffic(machine: Machine, value: bytes) -> None:
    """Have all six sub-streams carry something: MMIO and DMA, each written and read."""
    pcimem(machine, value)
    machine.device.dma_write(VF, MEMORY_GPA, value)
    assert machine.device.dma_read(VF, MEMORY_GPA, 4) == machine.memory.read(MEMORY_GPA, 4) == value


@WITH_GUESTS
def test_keys_are_rolled_under_traffic(revision: Revision) -> None:
    machine = Machine(revision)
    guest = machine.start()
    guest.trust()
    for round_number in range(4):
        plan = guest.device.roll_key()
        outcome: Any = None
        with suppress(StopIteration):
            while True:  # traffic between any two steps of it
                action = plan.send(outcome)
                outcome = _VERBS[type(action)](machine.port, action)
                all_traffic(machine, bytes([round_number, 4, 5, 6]))
        all_traffic(machine, bytes([round_number, 1, 2, 3]))
    end(machine, guest)


@WITH_LOCK
def test_keys_that_nothing_was_sent_with_are_not_rolled_again(revision: Revision) -> None:
    """The other end cannot know which keys are in use; the refusal is typed, and the stream stays secure."""
    machine = Machine(revision)
    guest = machine.start()
    guest.trust()
    machine.run(guest.device.roll_key())
    with pytest.raises(SevCommandError, match="TIO_ROLL_KEY failed with SPDM_ERROR"):
        machine.run(guest.device.roll_key())
    all_traffic(machine, b"1234")
    machine.run(guest.device.roll_key())
    all_traffic(machine, b"5678")


@pytest.mark.parametrize("revision", [Revision.R1, Revision.P2], ids=lambda revision: revision.name)
def test_evidence_is_refreshed(revision: Revision) -> None:
    machine = Machine(revision)
    device = machine.connect()
    before = device.measurements
    machine.run(device.refresh(bytes(range(32))))
    assert device.measurements is not None
    assert before is not None
    if revision is Revision.P2:
        assert device.measurements.data != before.data  # signed over another nonce
        assert bytes(range(32)) in device.measurements.data
    status = machine.run(device.status())
    assert status.ctx_state is DeviceContextState.CONNECTED
    assert status.device_id == PF.requester_id
    assert status.meas_digest_valid


def with_much_to_say() -> Machine:
    """Return a machine whose device has a manifest that does not fit into the least output buffer."""
    manifest = Measurement(0xFD, MeasurementValueType.FREEFORM_MANIFEST, b"m" * 9000, is_raw_only=True)
    return Machine(spdm=attrs.evolve(identity(), measurements=(manifest,)))


def test_small_buffers_grow_as_the_firmware_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = Broken(monkeypatch)
    machine = with_much_to_say()
    device = machine.connect(small_buffers=True, raw_bitstream=True)
    assert device.measurements is not None
    assert b"m" * 9000 in device.measurements.data
    assert device.bounce.buffers.spdm_output.size_bytes > 4096
    assert SevStatus.EXPAND_BUFFER_LENGTH_REQUEST in broken.statuses
    machine.run(machine.client.disconnect(device))
    machine.port.close()
    assert machine.used_pages == 0


@pytest.mark.parametrize("back", range(1, 40, 3))
def test_whatever_fails_while_a_buffer_grows_nothing_is_left(back: int, monkeypatch: pytest.MonkeyPatch) -> None:
    counted = Broken(monkeypatch)
    with_much_to_say().connect(small_buffers=True, raw_bitstream=True)
    broken = Broken(monkeypatch)
    broken.fails_at = counted.count - back
    machine = with_much_to_say()
    with pytest.raises(BackendError, match="failed"):
        machine.connect(small_buffers=True, raw_bitstream=True)
    broken.fails_at = None
    machine.run(machine.client.recover())
    machine.port.close()
    assert machine.used_pages == 0
    assert not machine.psp.devices


@WITH_LOCK
def test_the_evidence_verifies_in_the_guest(revision: Revision) -> None:
    machine = Machine(revision)
    guest = machine.start(nonce=bytes(range(32)))
    seen: list[Attestation] = []
    verify = require_verdict([root()], at=datetime.now(UTC), expectations=Expectations(nonce=bytes(range(32))))

    def policy(attestation: Attestation) -> None:
        verify(attestation)
        seen.append(attestation)

    guest.run(guest.client.lock(guest.interface, policy))
    [attestation] = seen
    assert attestation.has_message_log
    assert str(guest.interface.function) in attestation.evidence.reports
    with pytest.raises(VerificationError, match="nonce"):
        require_verdict([root()], at=datetime.now(UTC), expectations=Expectations(nonce=bytes(32)))(attestation)


def test_before_p2_there_is_only_a_record() -> None:
    machine = Machine(Revision.R1)
    guest = machine.start()
    seen: list[Attestation] = []
    guest.trust(seen.append)
    with pytest.raises(VerificationError, match="without its messages"):
        _ = seen[0].evidence
    assert seen[0].interface_report.mmio_ranges


def test_n_takes_fresh_measurements_with_the_guests_own_nonce() -> None:
    machine = Machine(Revision.N)
    guest = machine.start()
    nonce = bytes(range(100, 132))
    verify = require_verdict([root()], at=datetime.now(UTC), expectations=Expectations(nonce=nonce))
    guest.run(guest.client.lock(guest.interface, verify, nonce=nonce))
    attestation = guest.interface.attestation
    assert attestation is not None
    assert attestation.are_measurements_fresh


@WITH_LOCK
def test_a_policy_that_says_no_unbinds(revision: Revision) -> None:
    machine = Machine(revision)
    guest = machine.start()

    def refuse(attestation: Attestation) -> None:
        raise VerificationError("the firmware version")

    with pytest.raises(VerificationError, match="the firmware version"):
        guest.run(guest.client.lock(guest.interface, refuse))
    assert not guest.interface.is_bound
    assert machine.device.state(VF) is TdiState.CONFIG_UNLOCKED
    with pytest.raises(LocalProtocolError, match="lock it first"):
        guest.run(guest.client.accept(guest.interface))
    guest.trust()  # another policy may say yes
    end(machine, guest)


@WITH_GUESTS
def test_what_the_hypervisor_swaps_is_noticed(revision: Revision) -> None:
    machine = Machine(revision)
    guest = machine.start()
    assert guest.device.certificates is not None
    guest.device.certificates = guest.device.certificates.replace(data=guest.device.certificates.data[:-1] + b"!")
    with pytest.raises(VerificationError, match="certificates, held against the firmware's digest"):
        guest.trust()
    assert not guest.interface.is_trusted
    assert guest.channel.is_usable


@WITH_LOCK
def test_an_interface_that_changed_since_is_not_accepted(revision: Revision) -> None:
    machine = Machine(revision)
    guest = machine.start()
    guest.run(guest.client.lock(guest.interface, lambda attestation: None))
    machine.run(guest.device.measure(bytes(range(32))))  # other measurements than those that were judged
    with pytest.raises(VerificationError, match="meas_digest has changed"):
        guest.run(guest.client.accept(guest.interface))
    assert not guest.interface.is_trusted
    assert not guest.interface.is_started


@WITH_GUESTS
def test_attributes_of_a_range_are_told(revision: Revision) -> None:
    machine = Machine(revision)
    guest = machine.start()
    guest.trust()
    assert guest.run(guest.client.mmio_config(guest.interface, 4)) == MmioConfigFlags(0)
    with pytest.raises(SevMessageError, match="MMIO_CONFIG is answered with COULD_NOT_CHANGE"):
        guest.run(guest.client.mmio_config(guest.interface, 4, non_tee_mem=True))
    with pytest.raises(SevMessageError, match="NOT_REPORTED"):
        guest.run(guest.client.mmio_config(guest.interface, 5))
    assert guest.channel.is_usable


@WITH_GUESTS
def test_a_stray_bit_in_the_entry_is_refused_by_the_firmware(revision: Revision) -> None:
    machine = Machine(revision)
    guest = machine.start()
    guest.trust()
    with pytest.raises(SevMessageError) as caught:
        guest.run(guest.client.sdte_write(guest.interface, Sdte(v=True, asid=1)))
    assert caught.value.status is SdteWriteStatus.RESERVED


@WITH_GUESTS
def test_the_host_knows_what_is_bound(revision: Revision) -> None:
    machine = Machine(revision)
    guest = machine.start()
    guest.trust()
    [interface] = guest.relay.interfaces.values()
    assert interface.report is not None
    info = machine.run(interface.info())
    assert machine.run(interface.status()) is TdiState.RUN
    assert machine.run(interface.read_report()).data == interface.report.data
    if revision is not Revision.R1:
        assert info.tdi_status is TdiBindState.BIND_RUN
        assert info.asid == guest.host.asid
    assert machine.run(machine.client.platform_status()).guest_count == 1
    with pytest.raises(SevCommandError) as caught:
        machine.run(interface.clear_fence())
    assert caught.value.status is SevStatus.IN_USE
    with pytest.raises(LocalProtocolError, match="unbind them first"):
        machine.run(machine.client.destroy(guest.host))
    with pytest.raises(LocalProtocolError, match="unbind them first"):
        machine.run(machine.client.disconnect(guest.device))


def test_the_device_is_busy_while_another_command_speaks_to_it() -> None:
    machine = Machine()
    guest = machine.start()
    guest.run(guest.client.lock(guest.interface, lambda attestation: None))
    rolling = guest.device.roll_key()
    outcome: Any = None
    while not isinstance(action := rolling.send(outcome), DoeExchange):
        outcome = _VERBS[type(action)](machine.port, action)

    def go_on(seconds: float) -> None:
        """Finish the other command while the guest waits."""
        guest.waited += seconds
        machine.run(_continued(rolling, action, machine))

    guest.port.wait = go_on
    guest.run(guest.client.tdi_info(guest.interface))
    assert guest.waited == 2.0
    assert guest.channel.is_usable


def _continued(plan: Any, action: Any, machine: Machine) -> Iterator[Any]:
    """Go on with a plan whose last action was not performed yet."""
    try:
        while True:
            outcome = yield action
            action = plan.send(outcome)
    except StopIteration:
        return


@WITH_LOCK
def test_operations_out_of_order_are_typed(revision: Revision) -> None:
    machine = Machine(revision)
    guest = machine.start()
    rid = guest.interface.guest_rid
    for action in (TioOperation.RUN, TioOperation.STOP, TioOperation.UNBIND):
        reply = guest.port.exit_operation(Operation(action, rid))
        assert reply.result.fw_err is SevStatus.INVALID_TDI
    assert guest.port.exit_operation(Operation(TioOperation.BIND, rid)).result.fw_err is SevStatus.SUCCESS
    assert guest.port.exit_operation(Operation(TioOperation.BIND, rid)).result.fw_err is SevStatus.IN_USE
    assert guest.port.exit_operation(Operation(TioOperation.BIND, rid + 1)).result.fw_err is SevStatus.INVALID_TDI
    assert guest.port.exit_operation(Operation(TioOperation(9), rid)).result.fw_err is SevStatus.INVALID_PARAM


# failures


class Broken:
    """A port's verbs, one of whose actions fails."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        self.fails_at: int | None = None
        self.statuses: set[Any] = set()
        for kind in (Allocate, Free, RmpUpdate, DoeExchange, Issue):
            monkeypatch.setitem(_VERBS, kind, partial(self._perform, _VERBS[kind]))

    def _perform(self, verb: Any, port: Any, action: Any) -> Any:
        self.count += 1
        if self.count == self.fails_at:
            raise BackendError("test", f"{type(action).__name__} failed")
        outcome = verb(port, action)
        if isinstance(action, Issue):
            self.statuses.add(outcome)
        return outcome


@pytest.mark.parametrize("revision", [Revision.R1, Revision.P2], ids=lambda revision: revision.name)
@pytest.mark.parametrize("step", range(0, 180, 9))
def test_whatever_fails_on_the_way_recover_brings_everything_back(
    revision: Revision, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = Broken(monkeypatch)
    machine = Machine(revision)
    machine.init()
    broken.count, broken.fails_at = 0, step + 1
    guest: Guest | None = None
    with suppress(PytioError):  # whatever came of it, all has to come back
        device = machine.run(machine.client.connect(machine.ports(), ConnectOptions()))
        guest = Guest(machine, device, machine.launch())
        guest.trust()
    assert broken.count > step
    broken.fails_at = None
    if guest is not None:
        with suppress(PytioError):  # a session that broke lets nobody ask the device; recover does without
            machine.run(guest.relay.end())
    machine.run(machine.client.recover())
    for each in tuple(machine.client.guests.values()):
        machine.run(machine.client.destroy(each))
    assert not machine.client.devices
    assert not machine.psp.devices
    assert not machine.psp.guests
    assert not machine.client.firmware.pool.lost
    assert len(machine.slots) == 4
    machine.run(machine.client.shutdown())


@WITH_GUESTS
def test_recover_takes_a_running_interface_back(revision: Revision) -> None:
    machine = Machine(revision)
    guest = machine.start()
    guest.trust()
    machine.device.reset()  # the session is gone: the device takes no part any more
    machine.run(machine.client.recover())
    assert not machine.client.devices
    assert not machine.psp.devices
    machine.run(machine.client.destroy(guest.host))
    machine.run(machine.client.shutdown())


def test_the_status_of_a_device_that_waits() -> None:
    machine = Machine()
    device = machine.connect()
    plan = device.read_certificates()
    outcome: Any = None
    while not isinstance(action := plan.send(outcome), DoeExchange):
        outcome = _VERBS[type(action)](machine.port, action)
    status: DeviceStatus = machine.run(device.status())
    assert status.request_pending
    assert status.request_pending_command is SevCommand.TIO_DEV_CERTIFICATES
    plan.close()


@pytest.mark.parametrize("revision", [Revision.R1, Revision.P2], ids=lambda revision: revision.name)
def test_every_command_of_a_revision_is_issued(revision: Revision, monkeypatch: pytest.MonkeyPatch) -> None:
    """One life of everything needs them all, but for what SEV-TIO does not: a page's other states, reports of SNP."""
    issued: set[SevCommand] = set()
    perform = _VERBS[Issue]

    def note(port: Any, action: Issue) -> Any:
        issued.add(action.command)
        return perform(port, action)

    monkeypatch.setitem(_VERBS, Issue, note)
    machine = Machine(revision)
    guest = machine.start()
    guest.trust()
    all_traffic(machine, b"1234")
    machine.run(guest.device.roll_key())
    all_traffic(machine, b"5678")
    machine.run(guest.device.refresh())
    machine.run(guest.device.status())
    machine.run(guest.host.status())
    [interface] = guest.relay.interfaces.values()
    machine.run(interface.status())
    machine.run(interface.info())
    machine.run(interface.read_report())
    end(machine, guest)
    assert set(COMMANDS[revision]) - issued <= {SevCommand.SNP_GUEST_REQUEST, SevCommand.SNP_PAGE_SET_STATE}

"""One suite for the administrator's client, on the model host and on the real one, in every shape of sysfs.

The real host runs on the model's own tree, mounted by FUSE, by real system calls; so both have the same PSP, device and
link behind them, and what they are asked goes two different ways.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import attrs
import pytest

from pytio.backends.sysfs import Sysfs, TsmShape
from pytio.clients import tsm as client
from pytio.clients.tsm import GivenEvidence, Tsm, Witness
from pytio.errors import BackendError, BackendUnavailableError, LocalProtocolError, PytioError, VerificationError
from pytio.hosts.linux import LinuxTsm, LinuxWitness
from pytio.hosts.mock import MockHost, MockTsm, MockWitness
from pytio.hosts.model.guest import ModelGuest
from pytio.hosts.tsm import drive
from pytio.ids import Bdf
from pytio.tdisp import InterfaceReport, TdiState
from tests.fakes.fuse import Mount, why_not

DEVICE = Bdf.parse("0000:e1:00.0")


@attrs.frozen
class Side:
    """One way to a host and its guest."""

    model: MockHost
    tsm: Tsm
    witness: Witness
    kind: str
    folder: Path
    stack: ExitStack

    def connect(self) -> client.Sight:
        return drive(client.connect(DEVICE), self.tsm, self.witness)

    def disconnect(self) -> client.Sight:
        return drive(client.disconnect(DEVICE), self.tsm, self.witness)

    def plug(self) -> tuple[ModelGuest, Bdf, Tsm]:
        """Give a new VM the virtual function; return the way to its TSM, and the function's name there."""
        (function,) = self.model.device(DEVICE).enable_virtual_functions(1)
        guest = self.model.launch()
        interface = guest.plug(function)
        guest.load_driver(function)
        if self.kind == "mock":
            return guest, function, self.tsm
        below = self.folder / "guest"
        below.mkdir()
        self.stack.enter_context(Mount(below, guest.tree.root))
        return guest, interface.function, LinuxTsm(Sysfs(below))


@pytest.fixture(params=list(TsmShape), ids=lambda shape: str(shape.name))
def shape(request: pytest.FixtureRequest) -> TsmShape:
    found: TsmShape = request.param
    return found


@pytest.fixture(params=["mock", "linux"])
def side(request: pytest.FixtureRequest, shape: TsmShape, tmp_path: Path) -> Iterator[Side]:
    model = MockHost(shape=shape)
    with ExitStack() as stack:
        if request.param == "mock":
            yield Side(model, MockTsm(model), MockWitness(model), "mock", tmp_path, stack)
            return
        if reason := why_not():
            pytest.skip(f"a live sysfs needs FUSE: {reason}")
        root = tmp_path / "sys"
        root.mkdir()
        stack.enter_context(Mount(root, model.tree.root))
        sysfs = Sysfs(root)
        yield Side(model, LinuxTsm(sysfs), LinuxWitness(sysfs), "linux", tmp_path, stack)


def test_connect_is_secure_on_both_ports(side: Side) -> None:
    sight = side.connect()
    assert sight.problems() == ()
    assert {seen.port for seen in sight.ports} == {DEVICE, side.model.machine.root_port.bdf}
    assert all(seen.is_secure for seen in sight.ports)


def test_connect_twice_is_refused_and_changes_nothing(side: Side) -> None:
    before = side.connect()
    with pytest.raises(LocalProtocolError, match="disconnect it first"):
        side.connect()
    assert side.witness.look(DEVICE) == before


def test_disconnect_leaves_nothing(side: Side) -> None:
    side.connect()
    sight = side.disconnect()
    assert sight.connected_to is None
    assert not sight.ports
    assert not side.model.kernel.client.devices
    assert side.connect().problems() == ()


def test_a_disconnected_device_cannot_be_disconnected(side: Side) -> None:
    with pytest.raises(BackendError):
        side.disconnect()


def test_a_device_that_does_not_answer_is_not_connected(side: Side) -> None:
    mailbox = side.model.machine.device.mailbox
    assert mailbox is not None
    mailbox.fail()
    mailbox.is_deferred = True
    with pytest.raises(PytioError):
        side.connect()
    assert side.witness.look(DEVICE).connected_to is None
    assert not side.model.kernel.client.devices


def test_a_connect_without_a_secure_stream_is_taken_back(side: Side, monkeypatch: pytest.MonkeyPatch) -> None:
    """The model's kernel says that it has connected, and a port says that it has not."""
    kernel = side.model.kernel
    honest = kernel.connect

    def connect_and_break(device: Bdf, tsm: str = "tsm0") -> None:
        honest(device, tsm)
        port = side.model.machine.root_port
        stream = side.model.kernel.client.devices[device].stream
        assert stream is not None
        at = stream.root_port_block.offset + 0x04
        side.model.kernel.space(port.bdf).write(at, bytes(4))

    monkeypatch.setattr(kernel, "connect", connect_and_break)
    with pytest.raises(VerificationError):
        side.connect()
    assert side.witness.look(DEVICE).connected_to is None


def test_evidence_of_the_device(side: Side, shape: TsmShape) -> None:
    side.connect()
    if side.kind == "linux" and shape is TsmShape.UPSTREAM:
        with pytest.raises(BackendUnavailableError, match="gives evidence in no file"):
            side.tsm.evidence(DEVICE)
        return
    evidence = side.tsm.evidence(DEVICE)
    assert evidence.certificates
    assert evidence.measurements
    if not evidence.is_text:
        assert evidence.certificates == side.model.kernel.certificates(DEVICE)


def test_accept_lets_the_interface_run(side: Side, shape: TsmShape) -> None:
    side.connect()
    guest, interface, tsm = side.plug()
    judged: list[GivenEvidence] = []
    has_evidence = side.kind == "mock"
    if has_evidence:
        drive(client.accept(interface, judged.append, lock_first=shape is TsmShape.UPSTREAM), tsm, side.witness)
        assert judged[0].certificates
    else:
        if shape is TsmShape.UPSTREAM:
            tsm.lock(interface)
        tsm.accept(interface)
    function = next(iter(guest.vm.plugged.values())).function
    assert side.model.tdi(function).state() is TdiState.RUN
    assert side.model.tdi(function).is_accepted()
    assert InterfaceReport.parse(guest.report(function)).mmio_ranges
    tsm.stop(interface)
    assert not side.model.tdi(function).is_accepted()
    guest.unplug(function)
    assert side.model.tdi(function).state() is TdiState.CONFIG_UNLOCKED


def test_a_policy_that_says_no_closes_everything(side: Side, shape: TsmShape) -> None:
    if side.kind == "linux":
        pytest.skip("a guest's tree has no evidence for a policy to judge: its kernel judges")
    side.connect()
    guest, function, tsm = side.plug()

    def refuse(evidence: GivenEvidence) -> None:
        raise VerificationError("the policy", ())

    with pytest.raises(VerificationError, match="the policy"):
        drive(client.accept(function, refuse, lock_first=shape is TsmShape.UPSTREAM), tsm, side.witness)
    assert not guest.is_accepted(function)
    assert not guest.interface(function).is_trusted


def test_an_interface_that_is_not_locked_is_not_accepted(side: Side, shape: TsmShape) -> None:
    if shape is not TsmShape.UPSTREAM:
        pytest.skip("before upstream the host's bind locks, and accepting does all of it")
    side.connect()
    guest, interface, tsm = side.plug()
    with pytest.raises(PytioError):
        tsm.accept(interface)
    assert not guest.interface(interface).is_trusted

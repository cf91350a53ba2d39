"""The security manager, with real sessions through the registers of the mailbox; pytio answers, or somebody else."""

from __future__ import annotations

from typing import Any

import pytest

from pytio import ide, idekm, tdisp
from pytio.crypto import Secret
from pytio.doe import VendorId
from pytio.errors import BackendTimeoutError, DoePeerError, TdispPeerError
from pytio.hosts import Driver
from pytio.hosts.mailbox import MailboxDriver, MailboxTransport
from pytio.hosts.steps import VendorEngine
from pytio.idekm import KeyProg, KSetGo, KSetStop, Query
from pytio.ids import Bdf, InterfaceId
from pytio.mock.device import Device
from pytio.mock.example import EXAMPLE_HEARTBEAT_S, EXAMPLE_PSK, EXAMPLE_PSK_HINT
from pytio.pci.codes import ExtendedCapabilityId
from pytio.spdm import Requester, RequesterConfig, SpdmVersion
from pytio.spdm.capabilities import RequesterCapabilities
from pytio.spdm.events import SessionEstablished
from pytio.spdm.requests import Connect, LeaveSession, StartPskSession
from pytio.tdisp import TdiState
from tests.mock.device.bench import (
    COMMAND,
    MEMORY_AND_BUS_MASTER,
    PF,
    SLOTS,
    VF,
    VF_BARS,
    Bench,
    partner,
    small_config,
)

PSK = RequesterConfig().capabilities | RequesterCapabilities.PSK_CAP


class ConfigSpaceOf:
    """A function's configuration space, as a mailbox driver wants it."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self.visible_bytes = 4096

    def read(self, offset: int, size: int, /) -> bytes:
        return self.device.config_read(self.device.bdf, offset, size)

    def write(self, offset: int, data: bytes, /) -> None:
        self.device.config_write(self.device.bdf, offset, data)


class Shown:
    """An engine whose requests and answers somebody else sees."""

    def __init__(self, engine: VendorEngine, host: Host, protocol_id: int) -> None:
        self.engine, self.host, self.protocol = engine, host, bytes([protocol_id])
        self.request = b""

    def send(self, request: Any, *, now: float) -> None:
        self.engine.send(request, now=now)

    def bytes_to_send(self) -> bytes | None:
        payload = self.engine.bytes_to_send()
        self.request = payload or self.request
        return payload

    def receive(self, payload: bytes, *, now: float) -> list[Any]:
        told = self.protocol + self.request, self.protocol + payload
        for device in self.host.followers:
            self.host.followed += device.dsm.follow(*told, self.host.session)
        return self.engine.receive(payload, now=now)


class Host:
    """A TSM's side of a device: a session through the mailbox, IDE_KM and TDISP in it, keys at the root port."""

    def __init__(self, bench: Bench, *, followers: tuple[Device, ...] = (), port_index: int = 0) -> None:
        self.bench = bench
        self.followers = followers
        self.followed: list[Any] = []
        self.port_index = port_index
        self.now = 0.0
        offset = bench.capability(ExtendedCapabilityId.DATA_OBJECT_EXCHANGE)
        mailbox = MailboxDriver(
            ConfigSpaceOf(bench.device), offset, capability_version=2, clock=lambda: self.now, sleep=self.sleep
        )
        assert [(one.vendor_id, one.data_object_type) for one in mailbox.discover()] == [
            (VendorId.PCI_SIG, kind) for kind in (0, 1, 2)
        ]
        config = RequesterConfig(
            versions=(SpdmVersion.V1_2,), pre_shared_keys={EXAMPLE_PSK_HINT: EXAMPLE_PSK}, capabilities=PSK
        )
        self.driver = Driver(Requester(config), MailboxTransport(mailbox), clock=lambda: 0.0)
        self.driver.ask(Connect())
        events = self.driver.ask(StartPskSession(hint=EXAMPLE_PSK_HINT))
        self.session = next(event.session for event in events if isinstance(event, SessionEstablished))
        self.ide = Shown(idekm.Requester(), self, idekm.PROTOCOL_ID)
        self.tdi = Shown(tdisp.Requester(), self, tdisp.PROTOCOL_ID)

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def ask_ide(self, request: idekm.IdeKmMessage) -> list[Any]:
        return self.driver.ask_vendor(self.ide, idekm.PROTOCOL_ID, request, session=self.session)

    def ask(self, request: tdisp.TdispMessage) -> list[Any]:
        return self.driver.ask_vendor(self.tdi, tdisp.PROTOCOL_ID, request, session=self.session)

    def connect(self) -> None:
        self.bench.set_up_functions()
        self.bench.set_up_stream()
        for slot in SLOTS:
            key = bytes([1 + slot.build()[0]]) * 32
            self.ask_ide(KeyProg.of(stream_id=0, slot=slot, port_index=self.port_index, aes_key=key))
            self.bench.root.program(0, partner(slot), Secret(key), 1)
        for slot in SLOTS:
            self.ask_ide(KSetGo(stream_id=0, slot=slot, port_index=self.port_index))
            self.bench.root.go(0, partner(slot))
        self.bench.enable_stream()

    def run(self, bdf: Bdf) -> tdisp.InterfaceReport:
        interface = InterfaceId.of(bdf)
        self.ask(tdisp.GetTdispVersion(interface_id=interface))
        self.ask(tdisp.LockInterfaceRequest(interface_id=interface))
        [*_, reported] = self.ask(tdisp.GetDeviceInterfaceReport(interface_id=interface))
        engine = self.tdi.engine
        assert isinstance(engine, tdisp.Requester)
        self.ask(engine.start_request(interface))
        return tdisp.InterfaceReport.parse(reported.report)


def test_a_session_brings_an_interface_to_run() -> None:
    bench = Bench()
    host = Host(bench)
    host.connect()
    assert bench.device.ide.state_of(0) is ide.StreamState.SECURE
    report = host.run(VF)
    assert report.mmio_ranges[0].address == VF_BARS[0]
    assert bench.device.state(VF) is TdiState.RUN
    assert bench.mmio_read(VF_BARS[0], tee=True) == b"pTIO"


def test_query_reads_the_live_registers() -> None:
    bench = Bench()
    host = Host(bench)
    host.connect()
    [described] = host.ask_ide(Query())
    assert isinstance(described, idekm.PortDescribed)
    assert described.response.ide == bench.device.ide.registers()
    assert described.response.bus == PF.bus


@pytest.mark.parametrize("end", [LeaveSession(), Connect()])
def test_a_session_takes_stream_and_interface_with_it(end: LeaveSession | Connect) -> None:
    bench = Bench()
    host = Host(bench)
    host.connect()
    host.run(VF)
    host.driver.ask(end, session=host.session if isinstance(end, LeaveSession) else None)
    assert bench.device.state(VF) is TdiState.ERROR
    assert bench.device.ide.state_of(0) is ide.StreamState.INSECURE


def test_a_session_dies_of_silence() -> None:
    now = [0.0]
    bench = Bench(clock=lambda: now[0])
    host = Host(bench)
    host.connect()
    host.run(VF)
    bench.device.dsm.wake()
    assert bench.device.state(VF) is TdiState.RUN
    now[0] = 10 * EXAMPLE_HEARTBEAT_S
    bench.device.dsm.wake()
    assert bench.device.state(VF) is TdiState.ERROR
    assert bench.device.ide.state_of(0) is ide.StreamState.INSECURE


def test_k_set_stop_by_message() -> None:
    bench = Bench()
    host = Host(bench)
    host.connect()
    host.run(VF)
    for slot in SLOTS:
        host.ask_ide(KSetStop(stream_id=0, slot=slot))
    assert bench.device.state(VF) is TdiState.ERROR
    assert bench.device.ide.state_of(0) is ide.StreamState.INSECURE


def test_no_lock_without_keys() -> None:
    bench = Bench()
    bench.set_up_functions()
    bench.set_up_stream()
    host = Host(bench)
    host.ask(tdisp.GetTdispVersion(interface_id=InterfaceId.of(VF)))
    with pytest.raises(TdispPeerError, match="INVALID_REQUEST"):
        host.ask(tdisp.LockInterfaceRequest(interface_id=InterfaceId.of(VF)))


# somebody else behind the mailbox


def behind(other: Device) -> Bench:
    """Return a device of which ``other`` is the responder: it sees data objects and no register."""
    return Bench(small_config(), answer=other.dsm.answer)


def other_device() -> Bench:
    """Return a device whose responder is lent out; its own port is keyed as its configuration says."""
    lent = Bench()
    lent.set_up_functions()
    lent.set_up_stream()
    return lent


def test_a_device_follows_what_another_responder_says() -> None:
    lent = other_device()
    bench = behind(lent.device)
    host = Host(bench, followers=(bench.device,))
    host.connect()
    assert bench.device.dsm.endpoint is None
    assert bench.device.ide.state_of(0) is ide.StreamState.SECURE
    host.run(VF)
    assert bench.device.state(VF) is lent.device.state(VF) is TdiState.RUN
    assert bench.mmio_read(VF_BARS[0], tee=True) == b"pTIO"
    bench.device.dma_write(VF, 0x100, b"work")
    assert not any(isinstance(one, tdisp.RequestRefused | idekm.RequestIgnored) for one in host.followed)
    host.ask(tdisp.StopInterfaceRequest(interface_id=InterfaceId.of(VF)))
    assert bench.device.state(VF) is TdiState.CONFIG_UNLOCKED
    host.driver.ask(LeaveSession(), session=host.session)
    bench.device.dsm.session_ended(host.session)
    assert bench.device.ide.state_of(0) is ide.StreamState.INSECURE


def test_without_being_shown_nothing_happens() -> None:
    lent = other_device()
    bench = behind(lent.device)
    host = Host(bench)
    host.connect()
    host.run(VF)
    assert lent.device.state(VF) is TdiState.RUN
    assert bench.device.state(VF) is TdiState.CONFIG_UNLOCKED
    assert bench.device.ide.state_of(0) is ide.StreamState.INSECURE


def test_what_the_device_finds_out_closes_it_whatever_the_responder_says() -> None:
    lent = other_device()
    bench = behind(lent.device)
    host = Host(bench, followers=(bench.device,))
    host.connect()
    host.run(VF)
    bench.write(VF, COMMAND, b"\0\0")
    bench.write(VF, COMMAND, MEMORY_AND_BUS_MASTER)
    assert (bench.device.state(VF), lent.device.state(VF)) == (TdiState.ERROR, TdiState.RUN)
    assert bench.mmio_read(VF_BARS[0], tee=True) is None


def test_a_responder_that_grants_too_much_is_told_of() -> None:
    lent = other_device()
    bench = behind(lent.device)
    host = Host(bench, followers=(bench.device,))
    host.connect()
    bench.write(PF, bench.device.functions[PF].pci_express + 8, b"\x10\x2a")  # phantom functions, which it cannot see
    host.run(VF)
    refused = [one for one in host.followed if isinstance(one, tdisp.RequestRefused)]
    assert refused[0].code is tdisp.TdispErrorCode.INVALID_DEVICE_CONFIGURATION
    assert bench.device.state(VF) is TdiState.CONFIG_UNLOCKED


def test_refusals_are_not_followed() -> None:
    bench = Bench()
    request = bytes([tdisp.PROTOCOL_ID]) + tdisp.GetTdispVersion(interface_id=InterfaceId.of(VF)).build()
    refusal = tdisp.TdispError(interface_id=InterfaceId.of(VF), error_code=tdisp.TdispErrorCode.BUSY)
    assert bench.device.dsm.follow(request, bytes([tdisp.PROTOCOL_ID]) + refusal.build(), 1) == []
    program = KeyProg.of(stream_id=0, slot=SLOTS[0], aes_key=bytes(32))
    failed = idekm.KpAck(stream_id=0, slot=SLOTS[0], status=idekm.KpAckStatus.UNSPECIFIED_FAILURE)
    assert bench.device.dsm.follow(b"\0" + program.build(), b"\0" + failed.build(), 1) == []
    for request, response in ((b"", b""), (b"\0", None), (b"\x77", b"\0"), (b"\1\x10", b"\1"), (b"\1\x10", b"")):
        assert bench.device.dsm.follow(request, response, 1) == []


def test_a_device_without_a_mailbox_says_nothing() -> None:
    bench = Bench(small_config(mailbox=False))
    assert bench.device.mailbox is None
    with pytest.raises(LookupError):
        Host(bench)


# resets


def test_a_conventional_reset_ends_everything() -> None:
    bench = Bench()
    host = Host(bench)
    host.connect()
    host.run(VF)
    bench.mmio_write(VF_BARS[4], b"secret", tee=True)
    bench.device.reset()
    assert bench.device.state(VF) is TdiState.CONFIG_UNLOCKED
    assert bench.device.ide.state_of(0) is ide.StreamState.INSECURE
    assert list(bench.device.functions) == [PF]
    assert bench.read(PF, COMMAND, 2) == 0
    with pytest.raises((DoePeerError, BackendTimeoutError)):
        host.ask(tdisp.GetTdispVersion(interface_id=InterfaceId.of(VF)))
    again = Host(bench)
    bench.root.happen(ide.StreamCause.LINK_DOWN)
    bench.write_stream(bench.root, 4, 0)
    again.connect()
    again.run(VF)
    assert bench.mmio_read(VF_BARS[4], 6, tee=True) == bytes(6)


def test_a_hot_reset_comes_over_the_link() -> None:
    bench = Bench.secure()
    bench.run(VF)
    bench.link.hot_reset()
    assert bench.device.state(VF) is TdiState.CONFIG_UNLOCKED
    assert list(bench.device.functions) == [PF]


def test_a_session_outlives_function_level_resets() -> None:
    bench = Bench()
    host = Host(bench)
    host.connect()
    host.run(VF)
    bench.write(PF, bench.device.functions[PF].pci_express + 8, b"\0\x80")
    assert bench.device.state(VF) is TdiState.ERROR
    host.ask(tdisp.StopInterfaceRequest(interface_id=InterfaceId.of(VF)))
    assert bench.device.state(VF) is TdiState.CONFIG_UNLOCKED

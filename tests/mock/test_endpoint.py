"""A device's endpoint: discovery, what it drops, and what its responders do to one another."""

from __future__ import annotations

from collections import deque

import pytest

from pytio import doe, idekm, tdisp
from pytio.backends.bindings import BINDINGS, MCTP, PCI_DOE, TCP, Binding
from pytio.errors import BackendTimeoutError, SpdmPeerError, TdispPeerError
from pytio.hosts import Driver
from pytio.idekm import KeyProg, KSetGo, KSetStop, Query
from pytio.ids import Direction, InterfaceId, KeySlot, SubStream
from pytio.mock import Endpoint, KeyedPort
from pytio.mock.endpoint import PCI_SIG_VENDOR_ID
from pytio.mock.example import EXAMPLE_FUNCTION, EXAMPLE_PSK, EXAMPLE_PSK_HINT, example_config, example_endpoint
from pytio.spdm import Requester, RequesterConfig, SpdmVersion
from pytio.spdm.algorithms import BaseAsymAlgo
from pytio.spdm.capabilities import RequesterCapabilities
from pytio.spdm.codes import RegistryId
from pytio.spdm.events import Dropped, SessionEstablished
from pytio.spdm.requests import Connect, LeaveSession, StartPskSession, VendorRequest

PSK = RequesterConfig().capabilities | RequesterCapabilities.PSK_CAP
SLOTS = [KeySlot(direction=direction, sub_stream=one) for direction in Direction for one in SubStream]
GET_VERSION = bytes.fromhex("10840000")


def discover(endpoint: Endpoint, index: int, version: doe.DiscoveryVersion) -> doe.DiscoveryResponse:
    asked = doe.DiscoveryRequest(index=index, version=version).build()
    assert endpoint.receive(doe.DataObject.wrap(doe.DataObjectType.DISCOVERY, asked).build(), now=0.0) == []
    unit = endpoint.bytes_to_send()
    assert unit is not None
    return doe.DiscoveryResponse.parse(doe.DataObject.parse(unit).payload)


@pytest.mark.parametrize("version", [doe.DiscoveryVersion.V1, doe.DiscoveryVersion.V2])
def test_discovery_names_both_kinds_of_spdm(version: doe.DiscoveryVersion) -> None:
    endpoint = example_endpoint(example_config())
    found, index = [], 0
    while True:
        one = discover(endpoint, index, version)
        found.append((one.vendor_id, one.data_object_type))
        if one.is_last:
            break
        index = one.next_index
    assert found == [(doe.VendorId.PCI_SIG, kind) for kind in (0, 1, 2)]
    assert discover(endpoint, 3, version).vendor_id is doe.VendorId.NONE


def test_get_version_is_answered_behind_every_transport() -> None:
    for binding in BINDINGS.values():
        endpoint = example_endpoint(example_config(), binding=binding)
        endpoint.receive(binding.wrap(GET_VERSION, False), now=0.0)
        unit = endpoint.bytes_to_send()
        assert unit is not None
        assert binding.unwrap(unit).message[:2] == bytes.fromhex("1004")
        assert endpoint.bytes_to_send() is None


@pytest.mark.parametrize(
    ("binding", "unit"),
    [
        (PCI_DOE, b""),
        (PCI_DOE, doe.DataObject.wrap(doe.DataObjectType.DISCOVERY, b"").build()),
        (PCI_DOE, doe.DataObject.wrap(0, bytes(4), vendor_id=doe.VendorId.CXL).build()),
        (MCTP, b"\x01\0\0"),
        (MCTP, b""),
        (TCP, bytes.fromhex("0000 01 bf")),
        (TCP, b"\xff"),
        (MCTP, MCTP.wrap(bytes(20), True)),
    ],
)
def test_what_is_no_message_is_dropped(binding: object, unit: bytes) -> None:
    endpoint = example_endpoint(example_config(), binding=binding)  # type: ignore[arg-type]  # one of the bindings
    [event] = endpoint.receive(unit, now=0.0)
    assert isinstance(event, Dropped)
    assert endpoint.bytes_to_send() is None


# IDE_KM and TDISP in sessions


class Loop:
    """A transport to an endpoint in the same process."""

    def __init__(self, binding: Binding = PCI_DOE) -> None:
        self.binding = binding
        self.endpoint = example_endpoint(example_config(BaseAsymAlgo.ECDSA_P256), binding=binding)
        self.events: list[object] = []
        self.units: deque[bytes] = deque()

    def write(self, unit: bytes) -> None:
        self.events += self.endpoint.receive(unit, now=0.0)
        self.units += iter(self.endpoint.bytes_to_send, None)

    def read(self, *, timeout_s: float | None = None) -> bytes:
        if not self.units:
            raise BackendTimeoutError("loop", "silence")
        return self.units.popleft()

    def close(self) -> None: ...


class Host:
    """A requester with a session, and engines of IDE_KM and TDISP in it."""

    def __init__(self, binding: Binding = PCI_DOE, version: SpdmVersion = SpdmVersion.V1_2) -> None:
        assert binding.record_format is not None
        self.loop = Loop(binding)
        config = RequesterConfig(versions=(version,), pre_shared_keys={EXAMPLE_PSK_HINT: EXAMPLE_PSK}, capabilities=PSK)
        self.driver = Driver(Requester(config, record_format=binding.record_format), self.loop, clock=lambda: 0.0)
        self.driver.ask(Connect())
        self.session = self.open()
        self.ide, self.tdi = idekm.Requester(), tdisp.Requester()
        self.interface = InterfaceId.of(EXAMPLE_FUNCTION)

    def open(self) -> int:
        events = self.driver.ask(StartPskSession(hint=EXAMPLE_PSK_HINT))
        return next(event.session for event in events if isinstance(event, SessionEstablished))

    def give_keys(self) -> None:
        for slot in SLOTS:
            key = KeyProg.of(stream_id=0, slot=slot, port_index=1, aes_key=bytes([slot.build()[0]]) * 32)
            self.driver.ask_vendor(self.ide, idekm.PROTOCOL_ID, key, session=self.session)
        for slot in SLOTS:
            go = KSetGo(stream_id=0, slot=slot, port_index=1)
            self.driver.ask_vendor(self.ide, idekm.PROTOCOL_ID, go, session=self.session)

    def ask(self, request: tdisp.TdispMessage) -> list[object]:
        return self.driver.ask_vendor(self.tdi, tdisp.PROTOCOL_ID, request, session=self.session)

    def lock(self) -> None:
        self.ask(tdisp.GetTdispVersion(interface_id=self.interface))
        self.ask(tdisp.LockInterfaceRequest(interface_id=self.interface))

    @property
    def state(self) -> tdisp.TdiState:
        assert self.loop.endpoint.tdisp is not None
        return self.loop.endpoint.tdisp.tdi_state(EXAMPLE_FUNCTION)


@pytest.mark.parametrize("binding", [PCI_DOE, MCTP, TCP], ids=lambda binding: binding.name)
@pytest.mark.parametrize("version", [SpdmVersion.V1_2, SpdmVersion.V1_4])
def test_an_interface_runs_once_its_stream_has_keys(binding: Binding, version: SpdmVersion) -> None:
    host = Host(binding, version)
    host.give_keys()
    host.lock()
    [*_, reported] = host.ask(tdisp.GetDeviceInterfaceReport(interface_id=host.interface))
    assert isinstance(reported, tdisp.InterfaceReported)
    host.ask(host.tdi.start_request(host.interface))
    assert host.state is tdisp.TdiState.RUN


def test_no_lock_without_keys() -> None:
    host = Host()
    with pytest.raises(TdispPeerError, match="INVALID_REQUEST"):
        host.lock()
    assert host.state is tdisp.TdiState.CONFIG_UNLOCKED


def test_the_keys_have_to_come_over_the_session_that_locks() -> None:
    host = Host()
    host.give_keys()
    host.session = host.open()
    with pytest.raises(TdispPeerError, match="INVALID_REQUEST"):
        host.lock()


def test_a_stream_that_loses_a_key_takes_its_interface_with_it() -> None:
    host = Host()
    host.give_keys()
    host.lock()
    stop = KSetStop(stream_id=0, slot=SLOTS[0], port_index=1)
    host.driver.ask_vendor(host.ide, idekm.PROTOCOL_ID, stop, session=host.session)
    assert host.state is tdisp.TdiState.ERROR


@pytest.mark.parametrize("end", [LeaveSession(), Connect()])
def test_a_session_takes_its_keys_and_locks_with_it(end: LeaveSession | Connect) -> None:
    host = Host()
    host.give_keys()
    host.lock()
    host.driver.ask(end, session=host.session if isinstance(end, LeaveSession) else None)
    assert host.state is tdisp.TdiState.ERROR
    ide = host.loop.endpoint.idekm
    assert ide is not None
    assert ide.session_of(0, port_index=1) is None
    assert isinstance(port := ide.ports[1], KeyedPort)
    assert port.keys == {}


def test_cxl_and_strangers_are_refused() -> None:
    host = Host()
    for vendor_id, payload in ((bytes.fromhex("981e"), b"\0\0"), (PCI_SIG_VENDOR_ID, b"\x77")):
        with pytest.raises(SpdmPeerError, match="UNSUPPORTED_REQUEST"):
            host.driver.ask(VendorRequest(RegistryId.PCI_SIG, vendor_id, payload), session=host.session)


def test_outside_a_session_nobody_acts() -> None:
    host = Host()
    query = VendorRequest(RegistryId.PCI_SIG, PCI_SIG_VENDOR_ID, bytes([idekm.PROTOCOL_ID]) + Query().build())
    with pytest.raises(BackendTimeoutError):
        host.driver.ask(query)
    assert any(isinstance(event, idekm.RequestIgnored) for event in host.loop.events)

"""Both drivers against a server, over real sockets and every transport."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import Any

import pytest

from pytio import idekm
from pytio.backends import BINDINGS, Binding, Transport
from pytio.backends.bindings import MCTP, NONE, PCI_DOE
from pytio.backends.socket import AsyncSocketTransport, SocketTransport
from pytio.errors import BackendTimeoutError, SpdmPeerError
from pytio.hosts import Driver, aio
from pytio.mock.example import example_config, example_endpoint
from pytio.spdm import Requester, RequesterConfig, SpdmCode
from pytio.spdm.events import Authenticated, CertificateRead, Connected, Measured, SessionEstablished
from pytio.spdm.requests import Authenticate, Connect, Measure, ReadCertificate, StartSession
from tests.hosts.serving import address_of, requester_for, served

INTENTS = (Connect(), ReadCertificate(), Authenticate(), Measure())
LEARNT = [Connected, CertificateRead, Authenticated, Measured]


def test_a_requester_asks_over_every_transport() -> None:
    for binding in BINDINGS.values():
        with served(binding) as server, SocketTransport.open(address_of(server)) as transport:
            driver = Driver(requester_for(server), transport)
            assert [type(driver.ask(intent)[-1]) for intent in INTENTS] == LEARNT


def test_the_asyncio_driver_learns_the_same() -> None:
    async def ask(server: Any) -> list[type]:
        transport = await AsyncSocketTransport.open(address_of(server))
        async with aio.Driver(requester_for(server), transport) as driver:
            learnt = [type((await driver.ask(intent))[-1]) for intent in INTENTS]
            await transport.end()
        return learnt

    for binding in BINDINGS.values():
        with served(binding) as server:
            assert asyncio.run(ask(server)) == LEARNT


def test_a_device_outlives_its_connections() -> None:
    with served() as server:
        for _ in range(2):
            with SocketTransport.open(address_of(server)) as transport:
                Driver(requester_for(server), transport).ask(Connect())


class Loop:
    """A transport of one's own: it carries units to an endpoint in the same process."""

    binding = PCI_DOE

    def __init__(self, config: Any) -> None:
        self.endpoint = example_endpoint(config)
        self.units: deque[bytes] = deque()

    def write(self, unit: bytes) -> None:
        self.endpoint.receive(unit, now=time.monotonic())
        self.units += iter(self.endpoint.bytes_to_send, None)

    def read(self, *, timeout_s: float | None = None) -> bytes:
        if not self.units:
            raise BackendTimeoutError("loop", "silence")
        return self.units.popleft()

    def close(self) -> None: ...


def test_whatever_has_three_methods_and_a_binding_is_a_transport() -> None:
    loop = Loop(example_config())
    assert isinstance(loop, Transport)
    with Driver(Requester(RequesterConfig()), loop) as driver:
        assert [type(driver.ask(intent)[-1]) for intent in INTENTS] == LEARNT


def test_the_driver_waits_as_long_as_the_peer_asks() -> None:
    """ResponseNotReady is waited out, not polled."""
    loop = Loop(example_config(deferred_s={SpdmCode.CHALLENGE: 0.02}))
    with Driver(Requester(RequesterConfig()), loop) as driver:
        driver.ask(Connect())
        driver.ask(ReadCertificate())
        assert isinstance(driver.ask(Authenticate())[-1], Authenticated)


def test_a_refusal_leaves_the_driver_of_use() -> None:
    loop = Loop(example_config())
    with Driver(Requester(RequesterConfig()), loop) as driver:
        driver.ask(Connect())
        with pytest.raises(SpdmPeerError):
            driver.ask(ReadCertificate(slot=5))
        assert isinstance(driver.ask(ReadCertificate())[-1], CertificateRead)


def test_a_bare_transport_carries_no_records() -> None:
    with pytest.raises(ValueError, match="no sessions"):
        NONE.wrap(b"record", True)


@pytest.mark.parametrize("binding", BINDINGS.values(), ids=lambda binding: binding.name)
def test_a_binding_gives_back_what_it_carries(binding: Binding) -> None:
    for is_secured in (False, True) if binding is not NONE else (False,):
        carried = binding.unwrap(binding.wrap(b"\x12\x84\0\0", is_secured))
        assert (carried.message, carried.is_secured) == (b"\x12\x84\0\0", is_secured)


def test_a_session_dies_of_silence_while_its_connection_waits() -> None:
    """The server wakes the device when a heartbeat is overdue, although nobody says anything."""
    config = example_config(heartbeat_period_s=1)
    endpoint = example_endpoint(config, binding=MCTP)
    clock = iter(range(0, 1000, 1))
    with served(MCTP, endpoint, clock=lambda: float(next(clock))) as server:
        transport = SocketTransport.open(address_of(server))
        driver = Driver(requester_for(server), transport)
        driver.ask(Connect())
        driver.ask(ReadCertificate())
        driver.ask(StartSession())
        until = time.monotonic() + 10
        while endpoint.spdm.sessions and time.monotonic() < until:
            time.sleep(0.01)
        assert not endpoint.spdm.sessions
        transport.end()


def test_the_asyncio_driver_carries_vendors_protocols() -> None:
    async def describe(server: Any) -> list[Any]:
        transport = await AsyncSocketTransport.open(address_of(server))
        async with aio.Driver(requester_for(server), transport) as driver:
            for intent in (Connect(), ReadCertificate()):
                await driver.ask(intent)
            events = await driver.ask(StartSession())
            [session] = [event.session for event in events if isinstance(event, SessionEstablished)]
            return await driver.ask_vendor(idekm.Requester(), idekm.PROTOCOL_ID, idekm.Query(), session=session)

    with served(PCI_DOE) as server:
        [described] = asyncio.run(describe(server))
    assert isinstance(described, idekm.PortDescribed)

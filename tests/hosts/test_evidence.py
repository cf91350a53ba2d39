"""Evidence over a real socket, by either driver, outside a session and in one."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from pytio.backends.bindings import MCTP, PCI_DOE
from pytio.backends.socket import AsyncSocketTransport, SocketTransport
from pytio.crypto import Certificate
from pytio.errors import SpdmPeerError
from pytio.evidence import Evidence
from pytio.hosts import Driver, Server, aio
from pytio.mock import Endpoint
from pytio.spdm.requests import Connect, ReadCertificate, StartSession
from tests.hosts.serving import address_of, requester_for, served

AT = datetime(2026, 6, 1, tzinfo=UTC)


def judge(evidence: Evidence, server: Server) -> None:
    """Evidence holds under the root of the device."""
    endpoint = server.responder
    assert isinstance(endpoint, Endpoint)
    root = Certificate(endpoint.spdm.config.slots[0].certificates[0])
    assert evidence.verify([root], at=AT).holds


def test_a_driver_collects_what_is_missing() -> None:
    with served(MCTP) as server, SocketTransport.open(address_of(server)) as transport:
        driver = Driver(requester_for(server), transport)
        first = driver.evidence()
        judge(first, server)
        again = driver.evidence()
        judge(again, server)
        assert first.nonce != again.nonce
        assert first.chain == again.chain


def test_measurements_are_signed_in_a_session_too() -> None:
    with served(PCI_DOE) as server, SocketTransport.open(address_of(server)) as transport:
        driver = Driver(requester_for(server), transport)
        for intent in (Connect(), ReadCertificate(), StartSession()):
            driver.ask(intent)
        [session] = driver.requester.sessions  # type: ignore[attr-defined]  # SPDM's requester
        judge(driver.evidence(session=session), server)


def test_the_asyncio_driver_collects_the_same() -> None:
    async def collected(server: Any) -> Evidence:
        transport = await AsyncSocketTransport.open(address_of(server))
        async with aio.Driver(requester_for(server), transport) as driver:
            evidence = await driver.evidence()
            await transport.end()
        return evidence

    with served(PCI_DOE) as server:
        judge(asyncio.run(collected(server)), server)


def test_an_empty_slot_gives_none() -> None:
    with served(MCTP) as server, SocketTransport.open(address_of(server)) as transport:
        driver = Driver(requester_for(server), transport)
        with pytest.raises(SpdmPeerError):
            driver.evidence(6)


def test_another_engine_collects_none() -> None:
    with served(MCTP) as server, SocketTransport.open(address_of(server)) as transport:
        requester: Any = object()
        with pytest.raises(TypeError, match="object collects no evidence"):
            Driver(requester, transport).evidence()

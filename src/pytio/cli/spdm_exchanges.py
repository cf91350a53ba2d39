"""The exchanges that `pytio spdm` knows by name, each a few lines over a driver.

What may be said in a session is said in the one that was opened last, until ``end-session``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, TypeAlias

import attrs

from pytio import idekm, tdisp
from pytio.crypto import LibraryProvider, Provider
from pytio.errors import LocalProtocolError
from pytio.hosts import Driver
from pytio.hosts.example import EXAMPLE_FUNCTION, EXAMPLE_PSK_HINT
from pytio.idekm.codes import AES_KEY_BYTES
from pytio.ids import Direction, InterfaceId, KeySlot, SubStream
from pytio.spdm.codes import CertificateModel, KeyUpdateOperation, MeasurementSummaryHashType
from pytio.spdm.events import CertificateRead, SessionEstablished
from pytio.spdm.requests import (
    AnswerEncapsulated,
    Authenticate,
    Connect,
    InstallCertificate,
    Intent,
    KeepAlive,
    LeaveSession,
    Measure,
    ReadCertificate,
    ReadDigests,
    ReadEndpointInfo,
    ReadKeyPair,
    ReadMeasurementLog,
    RequestCertificate,
    StartPskSession,
    StartSession,
    UpdateKeys,
)

__all__ = ("EXCHANGES", "Conversation", "Exchange")

_SUB_STREAMS: Final = (SubStream.PR, SubStream.NPR, SubStream.CPL)
_PORT: Final = 1
"""Hosts in the wild ask for port 1."""


@attrs.define
class Conversation:
    """What the exchanges of one run share."""

    driver: Driver
    slot: int = 0
    """The responder's slot."""
    session: int | None = None
    """The session that was opened last."""
    known_slots: set[int] = attrs.field(factory=set)
    """Slots whose chain was read."""
    interface: InterfaceId = attrs.field(factory=lambda: InterfaceId.of(EXAMPLE_FUNCTION))
    """The interface that TDISP is about."""
    provider: Provider = attrs.field(factory=LibraryProvider)
    """Draws the keys of IDE streams."""
    ide: idekm.Requester = attrs.field(factory=idekm.Requester)
    tdi: tdisp.Requester = attrs.field(factory=tdisp.Requester)

    def ask(self, request: Intent, *, is_in_session: bool = False) -> Iterator[Any]:
        """Ask, in the session if one is open and the request may be said there; yield what was learnt."""
        for event in self.driver.ask(request, session=self.session if is_in_session else None):
            if isinstance(event, SessionEstablished):
                self.session = event.session
            yield event

    def ask_ide(self, request: Any) -> Iterator[Any]:
        """Ask the device's IDE_KM."""
        yield from self.driver.ask_vendor(self.ide, idekm.PROTOCOL_ID, request, session=self._open("IDE_KM"))

    def ask_tdisp(self, request: Any) -> Iterator[Any]:
        """Ask the device's TDISP."""
        yield from self.driver.ask_vendor(self.tdi, tdisp.PROTOCOL_ID, request, session=self._open("TDISP"))

    def _open(self, what: str) -> int:
        if self.session is None:
            raise LocalProtocolError("no session", what, "open one before: --exchange session")
        return self.session


Exchange: TypeAlias = Callable[[Conversation], Iterator[Any]]
"""Asks something, and yields what was learnt."""


def _simple(make: Callable[[Conversation], Intent], *, is_in_session: bool = False) -> Exchange:
    return lambda conversation: conversation.ask(make(conversation), is_in_session=is_in_session)


def _signed(make: Callable[[Conversation], Intent], *, is_in_session: bool = False) -> Exchange:
    """Return an exchange whose signature needs the responder's chain, which is read before if nobody has."""

    def run(conversation: Conversation) -> Iterator[Any]:
        if conversation.slot not in conversation.known_slots:
            yield from _read_certificate(conversation)
        yield from conversation.ask(make(conversation), is_in_session=is_in_session)

    return run


def _read_certificate(conversation: Conversation) -> Iterator[Any]:
    conversation.known_slots.add(conversation.slot)
    yield from conversation.ask(ReadCertificate(slot=conversation.slot), is_in_session=True)


def _end_session(conversation: Conversation) -> Iterator[Any]:
    yield from conversation.ask(LeaveSession(), is_in_session=True)
    conversation.session = None
    conversation.ide.reset()
    conversation.tdi.reset()


def _key_of(conversation: Conversation) -> dict[str, Any]:
    """Return what names the first key pair, where the responder uses several."""
    several = conversation.driver.requester.negotiated.is_responder_multi_key
    return {"key_pair_id": 1, "model": CertificateModel.DEVICE_CERT} if several else {}


def _csr(conversation: Conversation) -> Iterator[Any]:
    yield from conversation.ask(RequestCertificate(**_key_of(conversation)))


def _install(conversation: Conversation) -> Iterator[Any]:
    """Install the chain that the slot has already: nothing changes, but everything is tried."""
    chains = [event.chain for event in _read(conversation)]
    yield from conversation.ask(
        InstallCertificate(conversation.slot, chains[-1], **_key_of(conversation)), is_in_session=True
    )


def _read(conversation: Conversation) -> Iterator[CertificateRead]:
    return (event for event in _read_certificate(conversation) if isinstance(event, CertificateRead))


def _ide_km(conversation: Conversation) -> Iterator[Any]:
    """Ask for the port's registers, give it a key for each slot of key set 0, and switch them on: receive first."""
    yield from conversation.ask_ide(idekm.Query(port_index=_PORT))
    slots = [KeySlot(direction=direction, sub_stream=one) for direction in Direction for one in _SUB_STREAMS]
    for slot in slots:
        key = conversation.provider.nonce(AES_KEY_BYTES)
        yield from conversation.ask_ide(idekm.KeyProg.of(stream_id=0, slot=slot, port_index=_PORT, aes_key=key))
    for slot in slots:
        yield from conversation.ask_ide(idekm.KSetGo(stream_id=0, slot=slot, port_index=_PORT))


def _tdisp(conversation: Conversation) -> Iterator[Any]:
    """Lock the interface, read its report, start it, and stop it."""
    interface = conversation.interface
    for request in (tdisp.GetTdispVersion, tdisp.GetTdispCapabilities, tdisp.GetDeviceInterfaceState):
        yield from conversation.ask_tdisp(request(interface_id=interface))
    yield from conversation.ask_tdisp(tdisp.LockInterfaceRequest(interface_id=interface))
    yield from conversation.ask_tdisp(tdisp.GetDeviceInterfaceReport(interface_id=interface))
    yield from conversation.ask_tdisp(conversation.tdi.start_request(interface))
    yield from conversation.ask_tdisp(tdisp.GetDeviceInterfaceState(interface_id=interface))
    yield from conversation.ask_tdisp(tdisp.StopInterfaceRequest(interface_id=interface))


EXCHANGES: Final[Mapping[str, Exchange]] = {
    "connect": _simple(lambda _: Connect()),
    "digests": _simple(lambda _: ReadDigests(), is_in_session=True),
    "certificate": _read_certificate,
    "challenge": _signed(lambda one: Authenticate(slot=one.slot, summary=MeasurementSummaryHashType.ALL)),
    "measurements": _signed(lambda one: Measure(slot=one.slot), is_in_session=True),
    "measurement-log": _simple(lambda _: ReadMeasurementLog(), is_in_session=True),
    "endpoint-info": _signed(lambda one: ReadEndpointInfo(slot=one.slot), is_in_session=True),
    "csr": _csr,
    "set-certificate": _install,
    "key-pair": _simple(lambda _: ReadKeyPair(), is_in_session=True),
    "session": _signed(lambda one: StartSession(slot=one.slot, summary=MeasurementSummaryHashType.ALL)),
    "psk-session": _simple(lambda _: StartPskSession(hint=EXAMPLE_PSK_HINT)),
    "heartbeat": _simple(lambda _: KeepAlive(), is_in_session=True),
    "key-update": _simple(lambda _: UpdateKeys(), is_in_session=True),
    "request-key-update": _simple(lambda _: UpdateKeys(KeyUpdateOperation.UPDATE_KEY), is_in_session=True),
    "encapsulated": _simple(lambda _: AnswerEncapsulated(), is_in_session=True),
    "ide-km": _ide_km,
    "tdisp": _tdisp,
    "end-session": _end_session,
}
"""Exchanges by name."""

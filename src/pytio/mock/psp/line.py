"""The firmware's line to one device: SPDM, and IDE_KM and TDISP inside its session, as conversations.

Documents: DSP0274, DSP0277; PCIe Base 6.x chapters 6 and 11. A conversation yields what the host has to carry; which
requests it makes, and in which order, is decided above (`pytio.mock.psp.connecting`, `…binding`). Firmware has no clock
here: a device that asks for time is asked again at once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol

from pytio import idekm, spdm, tdisp
from pytio.crypto import Provider, Secret
from pytio.errors import RemoteProtocolError
from pytio.mock.psp.contexts import Carry, Conversation
from pytio.spdm import KeyExchange
from pytio.spdm.codes import RegistryId
from pytio.spdm.configuration import RequesterConfig
from pytio.spdm.events import Event, SessionStarted, VendorResponseReceived
from pytio.spdm.messages.base import SpdmMessage
from pytio.spdm.requests import Intent, StartSession, VendorRequest
from pytio.spdm.session import Side
from pytio.spdm.state import ConnectionState

__all__ = ("Line", "OnSecret", "OnVendor", "VendorEngine")

OnSecret = Callable[[str, str, Secret], None]
"""Takes the kind, the key and the value of a secret, as a key log has them."""
OnVendor = Callable[[bytes, bytes, int], object]
"""Takes a vendor-defined request and its answer, both from the protocol id on, and the session they went in."""

_PCI_SIG: Final = bytes.fromhex("0100")
_HANDSHAKE: Final = {Side.REQUEST: "SPDM_REQUEST_HANDSHAKE", Side.RESPONSE: "SPDM_RESPONSE_HANDSHAKE"}
_DATA: Final = {Side.REQUEST: "SPDM_REQUEST_DATA", Side.RESPONSE: "SPDM_RESPONSE_DATA"}


class VendorEngine(Protocol):
    """`pytio.idekm.Requester` or `pytio.tdisp.Requester`."""

    def send(self, request: Any, *, now: float) -> None:
        """Ask for something."""

    def receive(self, payload: bytes, *, now: float) -> list[Any]:
        """Take an answer."""

    def bytes_to_send(self) -> bytes | None:
        """Return the next payload, or None."""


class Line:
    """The requesters of one connection.

    Attributes:
        spdm: the SPDM requester.
        idekm: the IDE_KM requester.
        tdisp: the TDISP requester.
        session: the session; None before it starts.
    """

    def __init__(
        self, config: RequesterConfig, *, provider: Provider | None, on_secret: OnSecret, on_vendor: OnVendor
    ) -> None:
        """Start without a connection; every secret of a session is told, and what IDE_KM and TDISP say in it."""
        self.spdm = spdm.Requester(config, provider=provider)
        self.idekm = idekm.Requester()
        self.tdisp = tdisp.Requester()
        self.session: int | None = None
        self._on_secret = on_secret
        self._on_vendor = on_vendor
        self._now = 0.0

    @property
    def is_alive(self) -> bool:
        """Whether there is a session."""
        return self.session in self.spdm.sessions and self.spdm.state is not ConnectionState.ERROR

    def abandon(self) -> None:
        """Give up waiting for an answer: in a session its records are out of step then, and it ends."""
        self.spdm.abandon()

    def forget_keys(self) -> None:
        """Begin anew with IDE_KM: keys that were replaced are gone at the device, which says nothing of it."""
        self.idekm = idekm.Requester()

    def ask(self, request: Intent | SpdmMessage, *, in_session: bool = False) -> Conversation[list[Event]]:
        """Ask the device, in the session or outside of any; return what was learnt. Raises what the engine raises."""
        self.spdm.send(request, session=self.session if in_session else None, now=self._now)
        return (yield from self._settle())

    def start_session(self, slot: int) -> Conversation[None]:
        """Start the session. Raises what the engine raises."""
        learnt = yield from self.ask(StartSession(slot=slot, stops_before_finish=True))
        [started] = [event for event in learnt if isinstance(event, SessionStarted)]
        self.session = started.session
        self._tell_secrets(_HANDSHAKE)
        self.spdm.finish(started.session, now=self._now)
        yield from self._settle()
        self._tell_secrets(_DATA)

    def ask_vendor(self, engine: VendorEngine, protocol_id: int, request: Any) -> Conversation[list[Any]]:
        """Send a request of IDE_KM or TDISP in the session, and whatever its engine sends after it.

        Raises what the engines raise, RemoteProtocolError if another protocol answers.
        """
        engine.send(request, now=self._now)
        events: list[Any] = []
        while (payload := engine.bytes_to_send()) is not None:
            wrapped = VendorRequest(RegistryId.PCI_SIG, _PCI_SIG, bytes([protocol_id]) + payload)
            learnt = yield from self.ask(wrapped, in_session=True)
            [answer] = [event.message.payload for event in learnt if isinstance(event, VendorResponseReceived)]
            if answer[:1] != bytes([protocol_id]):
                raise RemoteProtocolError(f"protocol {protocol_id}", "VENDOR_DEFINED_RESPONSE", "of another protocol")
            if self.session is not None:
                self._on_vendor(wrapped.payload, answer, self.session)
            events += engine.receive(answer[1:], now=self._now)
        return events

    def ask_idekm(self, request: idekm.IdeKmMessage) -> Conversation[list[idekm.Event]]:
        """Ask the device's IDE_KM responder."""
        return (yield from self.ask_vendor(self.idekm, idekm.PROTOCOL_ID, request))

    def ask_tdisp(self, request: tdisp.TdispMessage) -> Conversation[list[tdisp.Event]]:
        """Ask the device's TDISP responder."""
        return (yield from self.ask_vendor(self.tdisp, tdisp.PROTOCOL_ID, request))

    def _settle(self) -> Conversation[list[Event]]:
        events: list[Event] = []
        while True:
            while (message := self.spdm.bytes_to_send()) is not None:
                answer = yield Carry(bytes(message), message.is_secured)
                events += self.spdm.receive(answer, now=self._now, is_secured=message.is_secured)
            if self.spdm.is_idle:
                return events
            due = self.spdm.wake_at()
            if due is None:
                raise RemoteProtocolError(self.spdm.state, "nothing", "the device owes an answer")
            self._now = max(self._now, due)
            events += self.spdm.wake(self._now)

    def _tell_secrets(self, kinds: dict[Side, str]) -> None:
        session = self.spdm.session(self.session or 0)
        exchange, _ = self.spdm.parse(KeyExchange, session.transcript.exchange.data, None, from_requester=True)
        assert isinstance(exchange, KeyExchange)
        for side, kind in kinds.items():
            self._on_secret(kind, exchange.random_data.hex(), session.direction(side).secret)

"""How an SPDM requester is driven, as steps: what to write, when to read, how long to wait.

A step is what a driver does; these generators decide which comes next, and both drivers, `pytio.hosts.run` and
`pytio.hosts.aio`, perform them. So there is one logic and no I/O in it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, Final, Protocol, TypeAlias, TypeVar

import attrs

from pytio.backends.bindings import Binding
from pytio.errors import RemoteProtocolError
from pytio.spdm.codes import RegistryId
from pytio.spdm.events import Event, VendorResponseReceived
from pytio.spdm.negotiated import Negotiated
from pytio.spdm.requests import VendorRequest

__all__ = (
    "PCI_SIG_VENDOR_ID",
    "Clock",
    "Read",
    "Requester",
    "Sleep",
    "Step",
    "Steps",
    "VendorEngine",
    "Write",
    "ask",
    "ask_vendor",
    "settle",
)

T = TypeVar("T")

PCI_SIG_VENDOR_ID: Final = bytes.fromhex("0100")
"""PCI-SIG's vendor id, as it stands in vendor-defined messages that carry IDE_KM and TDISP."""


@attrs.frozen
class Write:
    """Send a unit."""

    unit: bytes = attrs.field(repr=lambda unit: f"<{len(unit)} bytes>")


@attrs.frozen
class Read:
    """Wait for a unit; the outcome is the unit."""

    timeout_s: float | None


@attrs.frozen
class Sleep:
    """Wait."""

    seconds: float


Step: TypeAlias = Write | Read | Sleep
"""What a driver does next."""
Steps: TypeAlias = Generator[Step, Any, T]
"""Steps that end in a result; each is sent its outcome."""
Clock: TypeAlias = Callable[[], float]
"""Seconds that only grow, from anywhere."""


class Requester(Protocol):
    """What is driven: `pytio.spdm.Requester`, or whatever has its shape."""

    @property
    def is_idle(self) -> bool:
        """Whether nothing is unanswered."""

    @property
    def negotiated(self) -> Negotiated:
        """What the connection agreed on."""

    def send(self, request: Any, *, session: int | None = None, now: float) -> None:
        """Ask for something."""

    def receive(self, message: bytes, *, now: float, is_secured: bool = False) -> list[Event]:
        """Take what came."""

    def bytes_to_send(self) -> Any:
        """Return the next message, which says whether it is a record, or None."""

    def wake_at(self) -> float | None:
        """Return when something is due."""

    def wake(self, now: float) -> list[Event]:
        """Do what is due."""


class VendorEngine(Protocol):
    """What travels in vendor-defined messages: `pytio.idekm.Requester`, `pytio.tdisp.Requester`, or another's."""

    def send(self, request: Any, *, now: float) -> None:
        """Ask for something."""

    def receive(self, payload: bytes, *, now: float) -> list[Any]:
        """Take an answer."""

    def bytes_to_send(self) -> bytes | None:
        """Return the next payload, or None."""


def ask(
    requester: Requester,
    binding: Binding,
    request: Any,
    *,
    session: int | None,
    clock: Clock,
    timeout_s: float | None,
) -> Steps[list[Event]]:
    """Send a request and go on until everything that follows from it is answered; return what was learnt.

    Raises what the engine raises, and what the transport does.
    """
    requester.send(request, session=session, now=clock())
    return (yield from settle(requester, binding, clock=clock, timeout_s=timeout_s))


def settle(requester: Requester, binding: Binding, *, clock: Clock, timeout_s: float | None) -> Steps[list[Event]]:
    """Write what waits to be sent, and read until nothing is unanswered."""
    events: list[Event] = []
    while True:
        while (message := requester.bytes_to_send()) is not None:
            yield Write(binding.wrap(bytes(message), message.is_secured))
        if requester.is_idle:
            return events
        due = requester.wake_at()
        if due is not None:  # the peer asked for time
            yield Sleep(max(due - clock(), 0.0))
            events += requester.wake(max(clock(), due))
            continue
        carried = binding.unwrap((yield Read(timeout_s)))
        events += requester.receive(carried.message, now=clock(), is_secured=carried.is_secured)


def ask_vendor(
    requester: Requester,
    binding: Binding,
    engine: VendorEngine,
    protocol_id: int,
    request: Any,
    *,
    session: int,
    clock: Clock,
    timeout_s: float | None,
) -> Steps[list[Any]]:
    """Send a request of IDE_KM or TDISP in a session, and whatever its engine sends after it.

    Raises what the engines raise, RemoteProtocolError if another protocol answers, and what the transport does.
    """
    engine.send(request, now=clock())
    events: list[Any] = []
    while (payload := engine.bytes_to_send()) is not None:
        wrapped = VendorRequest(RegistryId.PCI_SIG, PCI_SIG_VENDOR_ID, bytes([protocol_id]) + payload)
        learnt = yield from ask(requester, binding, wrapped, session=session, clock=clock, timeout_s=timeout_s)
        [answer] = [event.message.payload for event in learnt if isinstance(event, VendorResponseReceived)]
        if answer[:1] != bytes([protocol_id]):
            raise RemoteProtocolError(f"protocol {protocol_id}", "VENDOR_DEFINED_RESPONSE", "of another protocol")
        events += engine.receive(answer[1:], now=clock())
    return events

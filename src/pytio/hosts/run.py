"""The synchronous driver: protocol meets I/O here, and in its asyncio twin `pytio.hosts.aio`.

What to do next is decided in `pytio.hosts.steps`; this file writes, reads and waits.
"""

from __future__ import annotations

import time
from typing import Any, Self, TypeVar

from pytio.backends.base import Transport
from pytio.evidence import Evidence
from pytio.hosts.evidence import collect
from pytio.hosts.steps import Clock, Read, Requester, Sleep, Step, Steps, VendorEngine, Write, ask, ask_vendor
from pytio.spdm.events import Event

__all__ = ("Driver", "perform")

T = TypeVar("T")


def perform(steps: Steps[T], transport: Transport) -> T:
    """Perform steps until they end, and return what they return; raises what they and the transport raise."""
    outcome: bytes | None = None
    while True:
        try:
            step = steps.send(outcome)
        except StopIteration as done:
            result: T = done.value
            return result
        outcome = _do(step, transport)


def _do(step: Step, transport: Transport) -> bytes | None:
    match step:
        case Write(unit):
            transport.write(unit)
        case Read(timeout_s):
            return transport.read(timeout_s=timeout_s)
        case Sleep(seconds):
            time.sleep(seconds)
    return None


class Driver:
    """An SPDM requester on a transport.

    Attributes:
        requester: the engine.
        transport: what it speaks through.
        timeout_s: how long to wait for an answer; None leaves it to the transport.
    """

    def __init__(
        self,
        requester: Requester,
        transport: Transport,
        *,
        timeout_s: float | None = None,
        clock: Clock = time.monotonic,
    ) -> None:
        """Put the two together; nothing is sent yet."""
        self.requester = requester
        self.transport = transport
        self.timeout_s = timeout_s
        self._clock = clock

    def ask(self, request: Any, *, session: int | None = None) -> list[Event]:
        """Ask for something (`pytio.spdm.requests`, or a message), and return what was learnt.

        Raises LocalProtocolError, RemoteProtocolError, SpdmPeerError, VerificationError and SpdmDecodeError as the
        engine does, BackendError as the transport does.
        """
        return perform(
            ask(
                self.requester,
                self.transport.binding,
                request,
                session=session,
                clock=self._clock,
                timeout_s=self.timeout_s,
            ),
            self.transport,
        )

    def ask_vendor(self, engine: VendorEngine, protocol_id: int, request: Any, *, session: int) -> list[Any]:
        """Ask something of IDE_KM or TDISP in a session, and return what their engine learnt; raises as `ask`."""
        return perform(
            ask_vendor(
                self.requester,
                self.transport.binding,
                engine,
                protocol_id,
                request,
                session=session,
                clock=self._clock,
                timeout_s=self.timeout_s,
            ),
            self.transport,
        )

    def evidence(self, slot: int = 0, *, session: int | None = None) -> Evidence:
        """Have all measurements signed with the key of a slot, and return them with its certificate chain.

        Connects and reads the chain first, unless that was done. Raises as `ask`.
        """
        steps = collect(
            self.requester,
            self.transport.binding,
            slot=slot,
            session=session,
            clock=self._clock,
            timeout_s=self.timeout_s,
        )
        return perform(steps, self.transport)

    def close(self) -> None:
        """Close the transport."""
        self.transport.close()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the transport."""
        self.close()

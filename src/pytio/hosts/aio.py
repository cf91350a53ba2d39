"""The asyncio driver, twin of `pytio.hosts.run`.

What to do next is decided in `pytio.hosts.steps`; this file writes, reads and waits.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any, Self, TypeVar

from pytio.backends.base import AsyncTransport
from pytio.evidence import Evidence
from pytio.hosts.evidence import collect
from pytio.hosts.steps import Clock, Read, Requester, Sleep, Step, Steps, VendorEngine, Write, ask, ask_vendor
from pytio.spdm.events import Event

__all__ = ("Driver", "perform")

T = TypeVar("T")


async def perform(steps: Steps[T], transport: AsyncTransport) -> T:
    """Perform steps until they end, and return what they return; raises what they and the transport raise."""
    outcome: bytes | None = None
    while True:
        try:
            step = steps.send(outcome)
        except StopIteration as done:
            result: T = done.value
            return result
        outcome = await _do(step, transport)


async def _do(step: Step, transport: AsyncTransport) -> bytes | None:
    match step:
        case Write(unit):
            await transport.write(unit)
        case Read(timeout_s):
            return await transport.read(timeout_s=timeout_s)
        case Sleep(seconds):
            await asyncio.sleep(seconds)
    return None


class Driver:
    """An SPDM requester on a transport of asyncio; one task at a time may ask.

    Attributes:
        requester: the engine.
        transport: what it speaks through.
        timeout_s: how long to wait for an answer; None leaves it to the transport.
    """

    def __init__(
        self,
        requester: Requester,
        transport: AsyncTransport,
        *,
        timeout_s: float | None = None,
        clock: Clock = time.monotonic,
    ) -> None:
        """Put the two together; nothing is sent yet."""
        self.requester = requester
        self.transport = transport
        self.timeout_s = timeout_s
        self._clock = clock

    async def ask(self, request: Any, *, session: int | None = None) -> list[Event]:
        """As `pytio.hosts.run.Driver.ask`."""
        steps = ask(
            self.requester,
            self.transport.binding,
            request,
            session=session,
            clock=self._clock,
            timeout_s=self.timeout_s,
        )
        return await perform(steps, self.transport)

    async def ask_vendor(self, engine: VendorEngine, protocol_id: int, request: Any, *, session: int) -> list[Any]:
        """As `pytio.hosts.run.Driver.ask_vendor`."""
        steps = ask_vendor(
            self.requester,
            self.transport.binding,
            engine,
            protocol_id,
            request,
            session=session,
            clock=self._clock,
            timeout_s=self.timeout_s,
        )
        return await perform(steps, self.transport)

    async def evidence(self, slot: int = 0, *, session: int | None = None) -> Evidence:
        """As `pytio.hosts.run.Driver.evidence`."""
        steps = collect(
            self.requester,
            self.transport.binding,
            slot=slot,
            session=session,
            clock=self._clock,
            timeout_s=self.timeout_s,
        )
        return await perform(steps, self.transport)

    async def close(self) -> None:
        """Close the transport."""
        await self.transport.close()

    async def __aenter__(self) -> Self:
        """Return itself."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the transport."""
        await self.close()

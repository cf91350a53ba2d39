"""What a backend promises: one Protocol for each resource, bytes in and bytes out.

Drivers (`pytio.hosts`) and clients know these Protocols and no implementation. Whoever has a transport of their own
writes one class with three methods and a binding.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from pytio.backends.bindings import Binding

__all__ = ("AsyncTransport", "Transport")


@runtime_checkable
class Transport(Protocol):
    """Moves units, which its binding makes of SPDM messages, to one peer and back.

    Guarantees order and whole units, and says so when it cannot keep that. Does not guarantee that a unit is answered:
    peers may stay silent, so `read` takes a limit.
    """

    @property
    def binding(self) -> Binding:
        """What a unit is: one of `pytio.backends.bindings`, or one's own."""

    def write(self, unit: bytes) -> None:
        """Send a unit; it may be on its way still when this returns. Raises BackendError if that fails."""

    def read(self, *, timeout_s: float | None = None) -> bytes:
        """Return the next unit; wait at most ``timeout_s`` seconds, or for ever.

        Raises BackendTimeoutError if none came, BackendError if none will come any more.
        """

    def close(self) -> None:
        """Let go of the resource; harmless the second time."""


@runtime_checkable
class AsyncTransport(Protocol):
    """The same for asyncio."""

    @property
    def binding(self) -> Binding:
        """As `Transport.binding`."""

    async def write(self, unit: bytes) -> None:
        """As `Transport.write`."""

    async def read(self, *, timeout_s: float | None = None) -> bytes:
        """As `Transport.read`."""

    async def close(self) -> None:
        """As `Transport.close`."""

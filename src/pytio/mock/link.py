"""The wire between two ports: TLPs as bytes, in order, with taps to listen and filters to tamper.

What travels here is what an analyser on the link would see: a TLP of an IDE stream is ciphertext with a MAC. Data link
layer and physical layer are left out; a link that is up loses nothing by itself.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from enum import Enum
from typing import Protocol, TypeAlias

__all__ = ("Filter", "Link", "LinkDirection", "LinkEnd", "LinkEvent", "LinkWatcher", "Tap")


class LinkDirection(Enum):
    """Which way a TLP goes."""

    DOWN = "down"
    """From the root port to the device."""
    UP = "up"
    """From the device to the root port."""


class LinkEvent(Enum):
    """What happens to a link as a whole."""

    DOWN = "the link went down"
    UP = "the link came up"
    HOT_RESET = "the root port resets what is below it"


class LinkEnd(Protocol):
    """What is at an end of a link."""

    def receive(self, raw: bytes, /) -> object:
        """Take one TLP from the wire."""


Tap: TypeAlias = Callable[[LinkDirection, bytes], object]
"""Is told of every TLP that arrives, before it does."""
Filter: TypeAlias = Callable[[LinkDirection, bytes], Iterable[bytes]]
"""Says what arrives instead of a TLP: nothing, the TLP itself, another one, or several."""
LinkWatcher: TypeAlias = Callable[[LinkEvent], object]
"""Is told what happens to the link."""


class Link:
    """Two ends, and the TLPs between them.

    A TLP is delivered when it is sent, behind those that wait before it. An end that sends while it receives may wait
    for the answer: what it sends, and what comes back, is delivered before its call returns.

    Attributes:
        is_up: whether TLPs arrive; a link that is down drops them.
        taps: are told of what arrives, after the filters.
        filters: what happens to TLPs on the way, in this order.
        watchers: are told when the link goes down, comes up, or carries a reset.
    """

    def __init__(self) -> None:
        """Make a link that is up, with nothing at its ends."""
        self.is_up = True
        self.taps: list[Tap] = []
        self.filters: list[Filter] = []
        self.watchers: list[LinkWatcher] = []
        self._ends: dict[LinkDirection, LinkEnd] = {}
        self._waiting: deque[tuple[LinkDirection, bytes]] = deque()

    def attach(self, upstream: LinkEnd | None = None, downstream: LinkEnd | None = None) -> None:
        """Attach the root port (upstream), the device (downstream), or both; another end takes the place of one."""
        if upstream is not None:
            self._ends[LinkDirection.UP] = upstream
        if downstream is not None:
            self._ends[LinkDirection.DOWN] = downstream

    def detach(self, direction: LinkDirection) -> None:
        """Take away what receives in a direction, as when a device is pulled: what is sent there is lost."""
        self._ends.pop(direction, None)

    def down(self, raw: bytes) -> None:
        """Send a TLP to the device; returns when nothing is under way any more. Raises what an end raises."""
        self._send(LinkDirection.DOWN, raw)

    def up(self, raw: bytes) -> None:
        """Send a TLP to the root port; returns when nothing is under way any more. Raises what an end raises."""
        self._send(LinkDirection.UP, raw)

    def set_up(self, is_up: bool) -> None:
        """Let the link go down, or come up; TLPs under way are lost."""
        if is_up is not self.is_up:
            self.is_up = is_up
            self._waiting.clear()
            self._tell(LinkEvent.UP if is_up else LinkEvent.DOWN)

    def hot_reset(self) -> None:
        """Carry a reset from the root port to what is below it."""
        self._waiting.clear()
        self._tell(LinkEvent.HOT_RESET)

    def _tell(self, event: LinkEvent) -> None:
        for watcher in self.watchers:
            watcher(event)

    def _send(self, direction: LinkDirection, raw: bytes) -> None:
        if not self.is_up:
            return
        self._waiting.extend((direction, arriving) for arriving in self._filtered(direction, raw))
        while self._waiting:
            self._deliver(*self._waiting.popleft())

    def _filtered(self, direction: LinkDirection, raw: bytes) -> Iterable[bytes]:
        arriving = [raw]
        for each in self.filters:
            arriving = [after for before in arriving for after in each(direction, before)]
        return arriving

    def _deliver(self, direction: LinkDirection, raw: bytes) -> None:
        for tap in self.taps:
            tap(direction, raw)
        if (end := self._ends.get(direction)) is not None:
            end.receive(raw)

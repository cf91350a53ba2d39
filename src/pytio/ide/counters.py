"""The ordering counters of a stream: how many posted requests went before a non-posted one, or a completion.

Document: PCIe Base 6.x chapter 6, "IDE TLP Sub-Streams" and "IDE Sync". A receiver that finds fewer posted requests
than were sent before knows that one was overtaken, or dropped. More is legal: posted requests may overtake the others.
"""

from __future__ import annotations

from typing import Final

import attrs

from pytio.ide.codes import IdeError
from pytio.ids import SubStream

__all__ = ("COUNTER_LIMIT", "POSTED_COUNTER", "ReceivedCounters", "SentCounters")

COUNTER_LIMIT: Final = 255
"""Counters have 8 bits. IDE Sync counts itself, so it has to go out while there is room for one more."""
POSTED_COUNTER: Final = 0
"""What the prefix of a posted request says (`PCIE_A27`)."""


@attrs.define
class SentCounters:
    """A transmitter's counters; entering Secure zeroes them, a key refresh does not touch them (`PCIE_A28`)."""

    npr: int = 0
    cpl: int = 0

    def of(self, sub_stream: SubStream) -> int:
        """Return what goes into the prefix of the next TLP of a sub-stream, and count that TLP."""
        if sub_stream is SubStream.PR:
            self.npr += 1
            self.cpl += 1
            return POSTED_COUNTER
        if sub_stream is SubStream.NPR:
            value, self.npr = self.npr, 0
        else:
            value, self.cpl = self.cpl, 0
        return value

    @property
    def is_sync_due(self) -> bool:
        """Whether IDE Sync has to go next."""
        return max(self.npr, self.cpl) + 1 >= COUNTER_LIMIT

    def synchronise(self) -> tuple[int, int]:
        """Return what IDE Sync says, itself counted, and start again."""
        said = self.npr + 1, self.cpl + 1
        self.npr = self.cpl = 0
        return said


@attrs.define
class ReceivedCounters:
    """A receiver's counters; entering Secure zeroes them, a key refresh does not touch them (`PCIE_A28`)."""

    npr: int = 0
    cpl: int = 0

    def take(self, sub_stream: SubStream, said: int) -> IdeError | None:
        """Count a TLP that arrived, whose prefix says ``said``; return what is wrong, if anything."""
        if sub_stream is SubStream.PR:
            self.npr += 1
            self.cpl += 1
        elif sub_stream is SubStream.NPR:
            self.npr -= said
        else:
            self.cpl -= said
        return self._verdict()

    def synchronise(self, npr: int, cpl: int) -> IdeError | None:
        """Count an IDE Sync that arrived, and take what it says; return what is wrong, if anything."""
        self.npr += 1 - npr
        self.cpl += 1 - cpl
        return self._verdict()

    def _verdict(self) -> IdeError | None:
        if min(self.npr, self.cpl) < 0:
            return IdeError.COUNTER_UNDERFLOW
        return IdeError.COUNTER_OVERFLOW if max(self.npr, self.cpl) > COUNTER_LIMIT else None

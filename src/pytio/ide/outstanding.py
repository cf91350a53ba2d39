"""Requests that wait for their completions: on which stream they went, so that nothing else answers them.

Document: PCIe Base 6.x, 2.2.9 "Completion Rules" and chapter 6, "IDE"; and what CVE-2025-9613 and CVE-2025-9614
taught: a tag is not used again while a completion for it may still be under way.
"""

from __future__ import annotations

from typing import Final

import attrs

from pytio.ide.codes import BYTES_PER_DW, IdeError
from pytio.ide.flit import FlitCompletion
from pytio.ide.header import AnyHeader, Completion
from pytio.ids import StreamId

__all__ = ("Outstanding", "Waiting")

_MOST_BYTES: Final = 4096


@attrs.define
class Waiting:
    """One request."""

    stream_id: StreamId | None
    """Where it went; None for a request without IDE."""
    is_tee: bool
    is_abandoned: bool = False
    """Whether nobody waits any more, while a completion may still come."""


class Outstanding:
    """The requests of one port, by requester id and tag."""

    def __init__(self) -> None:
        """Start without any."""
        self._waiting: dict[tuple[int, int], Waiting] = {}

    def __len__(self) -> int:
        """Return how many requests wait, or block their tag."""
        return len(self._waiting)

    def is_taken(self, transaction: tuple[int, int]) -> bool:
        """Whether a request with this requester id and tag waits, or a completion for one may still come."""
        return transaction in self._waiting

    def add(self, header: AnyHeader, stream_id: StreamId | None, is_tee: bool) -> None:
        """Note a non-posted request."""
        if header.transaction is not None:
            self._waiting[header.transaction] = Waiting(stream_id, is_tee)

    def expire(self, transaction: tuple[int, int]) -> None:
        """Give a request up, as after a timeout; its tag stays taken until a completion comes, or `forget`."""
        if transaction in self._waiting:
            self._waiting[transaction].is_abandoned = True

    def expire_stream(self, stream_id: StreamId) -> None:
        """Give up all requests of a stream, as when it becomes Insecure."""
        for waiting in self._waiting.values():
            waiting.is_abandoned |= waiting.stream_id == stream_id

    def forget(self, transaction: tuple[int, int]) -> None:
        """Free a tag: nothing of it can come any more."""
        self._waiting.pop(transaction, None)

    def stream_of(self, header: AnyHeader) -> StreamId | None:
        """Return the stream on which the request of a completion went, if it is known and went on one."""
        waiting = self._waiting.get(header.transaction) if header.transaction is not None else None
        return None if waiting is None else waiting.stream_id

    def judge(
        self, header: AnyHeader, stream_id: StreamId | None, is_tee: bool, *, checks_tee: bool
    ) -> IdeError | None:
        """Return what is wrong with a completion that came on a stream, if anything; take it into account if not."""
        assert header.transaction is not None
        waiting = self._waiting.get(header.transaction)
        if waiting is None:
            return IdeError.UNEXPECTED_COMPLETION
        if waiting.stream_id != stream_id:
            return IdeError.COMPLETION_STREAM_MISMATCH
        if checks_tee and waiting.is_tee != is_tee:
            return IdeError.COMPLETION_TEE_MISMATCH
        if _is_last(header):
            self.forget(header.transaction)
        return IdeError.UNEXPECTED_COMPLETION if waiting.is_abandoned else None


def _is_last(header: AnyHeader) -> bool:
    """Whether no completion follows: Byte Count is what is left, this one included."""
    if not header.has_data or not isinstance(header, Completion | FlitCompletion):
        return True
    before = header.lower_address % BYTES_PER_DW if isinstance(header, Completion) else 0  # in the first dword
    return header.payload_bytes - before >= (header.byte_count or _MOST_BYTES)

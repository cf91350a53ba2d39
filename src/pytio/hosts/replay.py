"""A capture that answers as the device did: a transport of data objects whose peer is a recording.

Each request has to be the one that was recorded then, to the byte; who draws nonces and keys from a
`crypto.RecordedProvider` asks the same again. The answers are whatever was recorded, so every check of the requester
runs as it did.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import zip_longest
from typing import Final

from pytio.backends.bindings import PCI_DOE, Binding
from pytio.capture import Direction, Record, open_capture
from pytio.errors import BackendTimeoutError, BackendUnavailableError, LocalProtocolError

__all__ = ("ReplayTransport", "open_transport")

_SCHEME: Final = "replay:"


class ReplayTransport:
    """A `Transport` that hands out recorded answers, in their order.

    Guarantees that an answer belongs to the very request that drew it. Where a request drew none, nothing can be read.
    """

    def __init__(self, records: Iterable[Record], name: str = "replay") -> None:
        """Take the data objects of a trace.

        Raises:
            BackendUnavailableError: there are none.
        """
        self._name = name
        self._turns = deque(_turns(records))
        self._answers: deque[bytes] = deque()
        if not self._turns:
            raise BackendUnavailableError(name, "the capture holds no DOE data object", "replay captures of a mailbox")

    @property
    def binding(self) -> Binding:
        """Data objects."""
        return PCI_DOE

    @property
    def remaining(self) -> int:
        """How many exchanges have not been asked for."""
        return len(self._turns)

    def write(self, unit: bytes) -> None:
        """Ask what was asked then.

        Raises:
            LocalProtocolError: another request was recorded here, or none any more; nothing was used up.
        """
        if not self._turns:
            raise LocalProtocolError("the end of the recording", "write", "it has no further request")
        number, request, answers = self._turns[0]
        if unit != request:
            pairs = enumerate(zip_longest(unit, request))
            at = next(place for place, (ours, theirs) in pairs if ours != theirs)
            raise LocalProtocolError(
                f"record {number} of the recording", "another request", _difference(unit, request, at)
            )
        self._turns.popleft()
        self._answers = deque(answers)

    def read(self, *, timeout_s: float | None = None) -> bytes:
        """Return the next answer that was recorded.

        Raises:
            BackendTimeoutError: none was.
        """
        if not self._answers:
            raise BackendTimeoutError(self._name, "the device did not answer then", "ask something else")
        return self._answers.popleft()

    def close(self) -> None:
        """Forget the rest."""
        self._turns.clear()
        self._answers.clear()


def _turns(records: Iterable[Record]) -> Iterator[tuple[int, bytes, list[bytes]]]:
    """Yield each request with the number of its record, and what answered it."""
    turn: tuple[int, bytes, list[bytes]] | None = None
    for record in records:
        layer = next((layer for layer in record.layers if layer.name == "doe" and layer.message is not None), None)
        if layer is None or layer.message is None:
            continue
        unit = layer.message.build()
        is_answer = record.direction is Direction.RESPONSE or (record.direction is None and turn and not turn[2])
        if is_answer and turn is not None:
            turn[2].append(unit)
        else:
            if turn is not None:
                yield turn
            turn = record.number, unit, []
    if turn is not None:
        yield turn


def _difference(ours: bytes, theirs: bytes, at: int) -> str:
    end = at + 8
    return f"at byte {at}: {ours[at:end].hex(' ') or 'nothing'} instead of {theirs[at:end].hex(' ') or 'nothing'}"


def open_transport(uri: str) -> ReplayTransport:
    """Open ``replay:FILE``, a pcap or pcapng file with data objects.

    Raises:
        BackendUnavailableError: the file is absent, or holds no data object.
        CaptureError: the file is no capture.
    """
    path = uri.removeprefix(_SCHEME)
    try:
        return ReplayTransport(open_capture(path), uri)
    except OSError as error:
        raise BackendUnavailableError(uri, f"it cannot be read: {error.strerror}", "name a capture file") from error

"""The answering side of the emulators' socket, without the socket: what to send back for what came.

Source: DMTF's spdm-emu. Frames in NORMAL carry units for the endpoint; the rest of the commands are for the server.
Performs no I/O.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Final, Protocol

from pytio.backends.bindings import Binding
from pytio.errors import TransportDecodeError
from pytio.transports import CLIENT_HELLO, SERVER_HELLO, PlatformCommand, PlatformFrame, PlatformSplitter

__all__ = ("After", "PlatformServer", "UnitResponder")

_MOST_FRAME_BYTES: Final = 1 << 22
"""A peer that claims more is no peer."""


class UnitResponder(Protocol):
    """What answers units: `pytio.mock.Endpoint`, or another's."""

    @property
    def binding(self) -> Binding:
        """What a unit is."""

    def receive(self, unit: bytes, *, now: float) -> Sequence[object]:
        """Take a unit; raises nothing for what a peer may send."""

    def bytes_to_send(self) -> bytes | None:
        """Return the next unit for the peer, or None."""

    def wake_at(self) -> float | None:
        """Return when `wake` is due, None if nothing is."""

    def wake(self, now: float) -> Sequence[object]:
        """Do what is due; nothing is sent for it."""

    def ask_for_key_update(self, session: int) -> None:
        """Ask for a key update as soon as the requester lets the responder ask."""

    def ask_for_endpoint_info(self) -> None:
        """Ask for endpoint info as soon as the requester lets the responder ask."""


class After(Enum):
    """What a connection is to do after what came."""

    GO_ON = "go on"
    CLOSE = "close it; the next one may come"
    STOP = "close it, and take no other"


class PlatformServer:
    """One connection of the emulators' socket, from the answering side.

    Attributes:
        after: what the connection is to do.
    """

    def __init__(self, responder: UnitResponder) -> None:
        """Start with nothing said."""
        self.after = After.GO_ON
        self._responder = responder
        self._splitter = PlatformSplitter(max_frame_bytes=_MOST_FRAME_BYTES)

    def receive(self, data: bytes, *, now: float) -> list[bytes]:
        """Take what came over the socket; return the frames to send back, each for one write."""
        try:
            frames = self._splitter.feed(data)
        except TransportDecodeError:
            self.after = After.CLOSE
            return []
        return [answer for frame in frames for answer in self._take(frame, now)]

    def _take(self, frame: PlatformFrame, now: float) -> list[bytes]:
        if self.after is not After.GO_ON or frame.transport != self._responder.binding.platform:
            self.after = After.CLOSE if self.after is After.GO_ON else self.after
            return []
        answer = _ANSWERS.get(frame.command)
        return answer(self, frame, now) if answer else [self._frame(PlatformCommand.UNKNOWN)]

    def _normal(self, frame: PlatformFrame, now: float) -> list[bytes]:
        self._responder.receive(frame.payload, now=now)
        return [self._frame(PlatformCommand.NORMAL, unit) for unit in iter(self._responder.bytes_to_send, None)]

    def _test(self, frame: PlatformFrame, now: float) -> list[bytes]:
        if frame.payload != CLIENT_HELLO:
            self.after = After.CLOSE
            return []
        return [self._frame(PlatformCommand.TEST, SERVER_HELLO)]

    def _key_update(self, frame: PlatformFrame, now: float) -> list[bytes]:
        self._responder.ask_for_key_update(int.from_bytes(frame.payload, "little"))
        return [self._frame(frame.command)]

    def _endpoint_info(self, frame: PlatformFrame, now: float) -> list[bytes]:
        self._responder.ask_for_endpoint_info()
        return [self._frame(frame.command)]

    def _continue(self, frame: PlatformFrame, now: float) -> list[bytes]:
        self.after = After.CLOSE
        return [self._frame(frame.command)]

    def _shutdown(self, frame: PlatformFrame, now: float) -> list[bytes]:
        self.after = After.STOP
        return [self._frame(frame.command)]

    def _frame(self, command: PlatformCommand, payload: bytes = b"") -> bytes:
        return PlatformFrame(command=command, transport=self._responder.binding.platform, payload=payload).build()


_ANSWERS: Final = {
    PlatformCommand.NORMAL: PlatformServer._normal,  # noqa: SLF001  the class's own table
    PlatformCommand.TEST: PlatformServer._test,  # noqa: SLF001
    PlatformCommand.OOB_ENCAP_KEY_UPDATE: PlatformServer._key_update,  # noqa: SLF001
    PlatformCommand.OOB_ENCAP_ENDPOINT_INFO: PlatformServer._endpoint_info,  # noqa: SLF001
    PlatformCommand.CONTINUE: PlatformServer._continue,  # noqa: SLF001
    PlatformCommand.SHUTDOWN: PlatformServer._shutdown,  # noqa: SLF001
}

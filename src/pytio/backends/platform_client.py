"""The asking side of the emulators' socket, without the socket: which frames to send, and what frames that came mean.

Source: DMTF's spdm-emu. The greeting comes first (but not on a bare transport), then units in NORMAL frames, and last
a frame that ends the connection, or the responder with it. Performs no I/O.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from pytio.backends.bindings import Binding
from pytio.errors import BackendError, TransportDecodeError
from pytio.transports import (
    CLIENT_HELLO,
    SERVER_HELLO,
    PlatformCommand,
    PlatformFrame,
    PlatformSplitter,
    PlatformTransport,
)

__all__ = ("PlatformClient",)

_SESSION_ID_BYTES: Final = 4


class PlatformClient:
    """One connection to an emulator, or to `pytio respond`.

    Attributes:
        uri: names the connection in errors.
        units: units that came and nobody has taken yet.
    """

    def __init__(self, uri: str, binding: Binding) -> None:
        """Start with nothing said."""
        self.uri = uri
        self.units: deque[bytes] = deque()
        self._binding = binding
        self._splitter = PlatformSplitter()
        self._acknowledged: deque[PlatformCommand] = deque()

    @property
    def hello(self) -> bytes | None:
        """The greeting, which the peer acknowledges with its own; None where there is none."""
        if self._binding.platform is PlatformTransport.NONE:
            return None
        return self._frame(PlatformCommand.TEST, CLIENT_HELLO)

    def unit(self, unit: bytes) -> bytes:
        """Return the frame for a unit."""
        return self._frame(PlatformCommand.NORMAL, unit)

    def ask_for_key_update(self, session: int) -> bytes:
        """Return the frame that makes the responder ask for a key update; it is acknowledged."""
        return self._frame(PlatformCommand.OOB_ENCAP_KEY_UPDATE, session.to_bytes(_SESSION_ID_BYTES, "little"))

    def ask_for_endpoint_info(self) -> bytes:
        """Return the frame that makes the responder ask for endpoint info; it is acknowledged."""
        return self._frame(PlatformCommand.OOB_ENCAP_ENDPOINT_INFO)

    def goodbye(self, *, stops_peer: bool) -> bytes:
        """Return the last frame, which ends the connection or the responder as well; it is acknowledged."""
        return self._frame(PlatformCommand.SHUTDOWN if stops_peer else PlatformCommand.CONTINUE)

    def feed(self, data: bytes) -> None:
        """Take what came over the socket.

        Raises BackendError if that is no frame, or a frame of another transport or of no known command.
        """
        try:
            frames = self._splitter.feed(data)
        except TransportDecodeError as error:
            raise BackendError(self.uri, f"the peer sent no frame: {error}") from error
        for frame in frames:
            self._take(frame)

    def is_acknowledged(self) -> bool:
        """Say, once for each, whether a frame that is no unit has been acknowledged."""
        if not self._acknowledged:
            return False
        self._acknowledged.popleft()
        return True

    def _take(self, frame: PlatformFrame) -> None:
        if frame.transport != self._binding.platform:
            raise BackendError(self.uri, f"the peer speaks transport {frame.transport.name}", "set transport= to it")
        if frame.command is PlatformCommand.NORMAL:
            self.units.append(frame.payload)
        elif frame.command is PlatformCommand.TEST and frame.payload != SERVER_HELLO:
            raise BackendError(self.uri, "the peer does not greet as a responder does")
        elif frame.command is PlatformCommand.UNKNOWN:
            raise BackendError(self.uri, "the peer does not know the command")
        else:
            self._acknowledged.append(frame.command)

    def _frame(self, command: PlatformCommand, payload: bytes = b"") -> bytes:
        return PlatformFrame(command=command, transport=self._binding.platform, payload=payload).build()

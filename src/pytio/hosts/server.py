"""Serving an endpoint on the emulators' socket: one connection after another, until stopped.

What to answer is decided in `pytio.hosts.platform_server`; this file listens, reads and writes. Each frame goes out in
one write, with TCP_NODELAY.
"""

from __future__ import annotations

import contextlib
import socket
import time
from typing import Final, Self

from pytio.errors import BackendUnavailableError
from pytio.hosts.platform_server import After, PlatformServer, UnitResponder
from pytio.hosts.steps import Clock

__all__ = ("Server",)

_READ_BYTES: Final = 1 << 16
_SHORTEST_S: Final = 0.001  # since 0 stands for not waiting at all


class Server:
    """A listening socket and the endpoint behind it; the endpoint outlives connections, as a device does.

    Attributes:
        address: where it listens: host and port, the port that was found free if 0 was asked for.
        responder: what answers.
        stops_when_told: whether SHUTDOWN ends the server, and not only the connection.
    """

    def __init__(
        self,
        responder: UnitResponder,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        stops_when_told: bool = False,
        clock: Clock = time.monotonic,
    ) -> None:
        """Listen. Raises BackendUnavailableError if the address cannot be had."""
        try:
            self._socket = socket.create_server((host, port))
        except OSError as error:
            raise BackendUnavailableError(f"{host}:{port}", str(error), "choose another address") from error
        self.address: tuple[str, int] = self._socket.getsockname()[:2]
        self.responder = responder
        self.stops_when_told = stops_when_told
        self._clock = clock
        self._is_closed = False

    def serve(self) -> None:
        """Take connections until `close` is called, or a peer says SHUTDOWN and the server does what it is told."""
        while not self._is_closed:
            if self.serve_one() is After.STOP and self.stops_when_told:
                break

    def serve_one(self) -> After:
        """Take one connection and serve it to its end; say whether the peer asked the server to stop."""
        try:
            connection, _ = self._socket.accept()
        except OSError:  # closed meanwhile
            return After.STOP
        with connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return self._serve(connection)

    def _serve(self, connection: socket.socket) -> After:
        dialogue = PlatformServer(self.responder)
        while dialogue.after is After.GO_ON:
            try:
                connection.settimeout(self._patience())
                data = connection.recv(_READ_BYTES)
                connection.settimeout(None)
                for frame in dialogue.receive(data, now=self._clock()):
                    connection.sendall(frame)
            except TimeoutError:
                self.responder.wake(self._clock())
                continue
            except OSError:  # the peer is gone; the next one may come
                return After.CLOSE
            if not data:
                return After.CLOSE
        return dialogue.after

    def _patience(self) -> float | None:
        """Return how long to wait for the peer before something is due; None for ever."""
        due = self.responder.wake_at()
        return None if due is None else max(due - self._clock(), _SHORTEST_S)

    def close(self) -> None:
        """Stop listening; a connection that is being served ends by itself."""
        self._is_closed = True
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes a thread that waits for a connection
        self._socket.close()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop listening."""
        self.close()

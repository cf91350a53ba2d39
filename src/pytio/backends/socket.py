"""The emulators' socket as a backend: DMTF's spdm-emu, its validator's peer, and `pytio respond` speak it.

Each frame goes out in one write, with TCP_NODELAY; what comes may come in pieces of any size. Guarantees order and
whole units; a responder that has nothing to say sends nothing, so every read has a limit, here or at the caller.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Callable
from typing import Final, Self
from urllib.parse import parse_qs, urlsplit

from pytio.backends.bindings import BINDINGS, TCP, Binding
from pytio.backends.platform_client import PlatformClient
from pytio.errors import BackendError, BackendTimeoutError, BackendUnavailableError
from pytio.transports.platform_socket import DEFAULT_PORT
from pytio.transports.tcp import DEFAULT_PORT as TCP_DEFAULT_PORT

__all__ = ("AsyncSocketTransport", "SocketAddress", "SocketTransport", "open_transport")

_READ_BYTES: Final = 1 << 16
_DEFAULT_TIMEOUT_S: Final = 30.0


class SocketAddress:
    """Where a responder listens, and what it speaks: ``socket://HOST:PORT?transport=pci-doe|mctp|tcp|none``.

    Attributes:
        host: name or address.
        port: 2323 unless told otherwise, 4194 for TCP.
        binding: the transport.
        timeout_s: how long to wait for a connection, and for a unit that no other limit was given for.
    """

    def __init__(self, host: str, port: int | None, binding: Binding, *, timeout_s: float = _DEFAULT_TIMEOUT_S) -> None:
        """Name the responder."""
        self.host = host
        self.port = port if port is not None else TCP_DEFAULT_PORT if binding is TCP else DEFAULT_PORT
        self.binding = binding
        self.timeout_s = timeout_s

    @classmethod
    def parse(cls, uri: str) -> Self:
        """Read a URI; ``timeout=`` may follow ``transport=``.

        Raises ValueError if it names no host, no transport that is known, or something else than that.
        """
        parts = urlsplit(uri)
        asked = {key: values[-1] for key, values in parse_qs(parts.query, keep_blank_values=True).items()}
        name, timeout = asked.pop("transport", "pci-doe"), asked.pop("timeout", str(_DEFAULT_TIMEOUT_S))
        if parts.scheme != "socket" or not parts.hostname or parts.path.strip("/"):
            raise ValueError(f"{uri!r} is not socket://HOST:PORT?transport=NAME")
        if name not in BINDINGS:
            raise ValueError(f"transport {name!r} is none of {', '.join(BINDINGS)}")
        if asked:
            raise ValueError(f"{uri!r} asks for {', '.join(asked)}, which a socket does not have")
        return cls(parts.hostname, parts.port, BINDINGS[name], timeout_s=float(timeout))

    def __str__(self) -> str:
        """Return the URI."""
        return f"socket://{self.host}:{self.port}?transport={self.binding.name}"


class SocketTransport:
    """A connection to a responder; `SocketTransport.open` greets it."""

    def __init__(self, connection: socket.socket, address: SocketAddress) -> None:
        """Take a connected socket, on which nothing has been said yet."""
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = connection
        self._address = address
        self._client = PlatformClient(str(address), address.binding)

    @classmethod
    def open(cls, address: SocketAddress) -> Self:
        """Connect and greet.

        Raises BackendUnavailableError if nobody listens, BackendTimeoutError or BackendError if the greeting fails.
        """
        try:
            connection = socket.create_connection((address.host, address.port), address.timeout_s)
        except OSError as error:
            raise BackendUnavailableError(str(address), str(error), "is a responder listening there?") from error
        opened = cls(connection, address)
        try:
            hello = opened._client.hello
            if hello is not None:
                opened._ask(hello)
        except BackendError:
            opened.close()
            raise
        return opened

    @property
    def binding(self) -> Binding:
        """What the address says."""
        return self._address.binding

    def write(self, unit: bytes) -> None:
        """Send a unit in one frame, and the frame in one write. Raises BackendError if the connection is gone."""
        self._send(self._client.unit(unit))

    def read(self, *, timeout_s: float | None = None) -> bytes:
        """Return the next unit; the address's limit holds where none is given.

        Raises BackendTimeoutError if none came, BackendError if the connection is gone or the peer breaks its rules.
        """
        limit = self._address.timeout_s if timeout_s is None else timeout_s
        self._wait(lambda: bool(self._client.units), limit)
        return self._client.units.popleft()

    def ask_for_key_update(self, session: int) -> None:
        """Make an emulator ask for a key update in the encapsulated flow, and wait until it has taken note."""
        self._ask(self._client.ask_for_key_update(session))

    def ask_for_endpoint_info(self) -> None:
        """Make an emulator ask for endpoint info in the encapsulated flow, and wait until it has taken note."""
        self._ask(self._client.ask_for_endpoint_info())

    def end(self, *, stops_peer: bool = False) -> None:
        """Say goodbye and close; ``stops_peer`` ends the responder, too."""
        with contextlib.suppress(BackendError):  # a peer that is gone already has said enough
            self._ask(self._client.goodbye(stops_peer=stops_peer))
        self.close()

    def close(self) -> None:
        """Close the connection without another word."""
        self._socket.close()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Say goodbye and close."""
        self.end()

    def _ask(self, frame: bytes) -> None:
        self._send(frame)
        self._wait(self._client.is_acknowledged, self._address.timeout_s)

    def _send(self, frame: bytes) -> None:
        try:
            self._socket.settimeout(self._address.timeout_s)
            self._socket.sendall(frame)
        except OSError as error:
            raise BackendError(str(self._address), f"the connection is gone: {error}") from error

    def _wait(self, is_done: Callable[[], bool], limit_s: float) -> None:
        until = time.monotonic() + limit_s
        while not is_done():
            try:
                self._socket.settimeout(max(until - time.monotonic(), 0.001))
                data = self._socket.recv(_READ_BYTES)
            except TimeoutError as error:
                raise BackendTimeoutError(str(self._address), f"no answer in {limit_s:g} s") from error
            except OSError as error:
                raise BackendError(str(self._address), f"the connection is gone: {error}") from error
            if not data:
                raise BackendError(str(self._address), "the peer closed the connection")
            self._client.feed(data)


class AsyncSocketTransport:
    """The same for asyncio."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, address: SocketAddress) -> None:
        """Take a connected stream, on which nothing has been said yet."""
        self._reader = reader
        self._writer = writer
        self._address = address
        self._client = PlatformClient(str(address), address.binding)

    @classmethod
    async def open(cls, address: SocketAddress) -> Self:
        """Connect and greet; raises as `SocketTransport.open`."""
        try:
            async with asyncio.timeout(address.timeout_s):
                reader, writer = await asyncio.open_connection(address.host, address.port)
        except OSError as error:
            raise BackendUnavailableError(str(address), str(error), "is a responder listening there?") from error
        opened = cls(reader, writer, address)
        try:
            hello = opened._client.hello
            if hello is not None:
                await opened._ask(hello)
        except BackendError:
            await opened.close()
            raise
        return opened

    @property
    def binding(self) -> Binding:
        """What the address says."""
        return self._address.binding

    async def write(self, unit: bytes) -> None:
        """As `SocketTransport.write`."""
        await self._send(self._client.unit(unit))

    async def read(self, *, timeout_s: float | None = None) -> bytes:
        """As `SocketTransport.read`."""
        await self._wait(lambda: bool(self._client.units), self._address.timeout_s if timeout_s is None else timeout_s)
        return self._client.units.popleft()

    async def end(self, *, stops_peer: bool = False) -> None:
        """As `SocketTransport.end`."""
        with contextlib.suppress(BackendError):
            await self._ask(self._client.goodbye(stops_peer=stops_peer))
        await self.close()

    async def close(self) -> None:
        """As `SocketTransport.close`."""
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    async def _ask(self, frame: bytes) -> None:
        await self._send(frame)
        await self._wait(self._client.is_acknowledged, self._address.timeout_s)

    async def _send(self, frame: bytes) -> None:
        try:
            self._writer.write(frame)
            await self._writer.drain()
        except OSError as error:
            raise BackendError(str(self._address), f"the connection is gone: {error}") from error

    async def _wait(self, is_done: Callable[[], bool], limit_s: float) -> None:
        try:
            async with asyncio.timeout(limit_s):
                while not is_done():
                    data = await self._reader.read(_READ_BYTES)
                    if not data:
                        raise BackendError(str(self._address), "the peer closed the connection")
                    self._client.feed(data)
        except TimeoutError as error:
            raise BackendTimeoutError(str(self._address), f"no answer in {limit_s:g} s") from error
        except OSError as error:
            raise BackendError(str(self._address), f"the connection is gone: {error}") from error


def open_transport(uri: str) -> SocketTransport:
    """Open ``socket://HOST:PORT?transport=…``; raises ValueError for a bad URI, else as `SocketTransport.open`."""
    return SocketTransport.open(SocketAddress.parse(uri))

"""The emulators' socket, both sides: frames in pieces, silence, nonsense and other people's transports."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from pytio.backends.bindings import MCTP, NONE, Binding
from pytio.backends.socket import SocketAddress, SocketTransport
from pytio.errors import BackendError, BackendTimeoutError
from pytio.hosts.platform_server import After, PlatformServer
from pytio.mock.example import example_config, example_endpoint
from pytio.transports import (
    CLIENT_HELLO,
    SERVER_HELLO,
    PlatformCommand,
    PlatformFrame,
    PlatformSplitter,
    PlatformTransport,
)

GET_VERSION = bytes.fromhex("05 10840000")
Frame = tuple[PlatformCommand, bytes]


def frame(
    command: PlatformCommand, payload: bytes = b"", transport: PlatformTransport = PlatformTransport.MCTP
) -> bytes:
    return PlatformFrame(command=command, transport=transport, payload=payload).build()


def at(listening: socket.socket, binding: Binding) -> SocketAddress:
    host, port = listening.getsockname()
    return SocketAddress(host, port, binding, timeout_s=2.0)


@contextmanager
def peer(answer: Callable[[socket.socket, PlatformFrame], None]) -> Iterator[SocketAddress]:
    """Serve one connection by hand, in a thread."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                splitter = PlatformSplitter()
                while data := connection.recv(4096):
                    for one in splitter.feed(data):
                        answer(connection, one)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield at(listening, MCTP)
        thread.join(timeout=5)


def greeting(connection: socket.socket, one: PlatformFrame) -> None:
    """Greet, echo units, acknowledge the rest; each byte in a write of its own, as slow peers send them."""
    payload = SERVER_HELLO if one.command is PlatformCommand.TEST else one.payload
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for byte in frame(one.command, payload):
        connection.send(bytes([byte]))


def test_frames_come_in_pieces() -> None:
    with peer(greeting) as address, SocketTransport.open(address) as transport:
        for unit in (GET_VERSION, b"", bytes(5000)):
            transport.write(unit)
            assert transport.read() == unit
        transport.ask_for_key_update(0xFFFEFFFF)
        transport.ask_for_endpoint_info()


def test_a_frame_goes_out_in_one_write() -> None:
    """Emulators that wait for a frame in one read would else wait for ever."""
    sizes: list[int] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = at(listening, NONE)
        with SocketTransport.open(address) as transport:
            connection, _ = listening.accept()
            with connection:
                transport.write(bytes(1000))
                sizes.append(len(connection.recv(1 << 16)))
                connection.sendall(frame(PlatformCommand.CONTINUE, transport=PlatformTransport.NONE))
    assert sizes == [1012]


def test_silence_ends_in_time() -> None:
    def only_greet(connection: socket.socket, one: PlatformFrame) -> None:
        if one.command is not PlatformCommand.NORMAL:
            greeting(connection, one)

    with peer(only_greet) as address, SocketTransport.open(address) as transport:
        transport.write(GET_VERSION)
        with pytest.raises(BackendTimeoutError, match=r"no answer in 0\.05 s"):
            transport.read(timeout_s=0.05)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (frame(PlatformCommand.TEST, b"Good day"), "does not greet"),
        (frame(PlatformCommand.UNKNOWN), "does not know the command"),
        (frame(PlatformCommand.TEST, SERVER_HELLO, PlatformTransport.TCP), "the peer speaks transport TCP"),
        (b"", "closed the connection"),
    ],
)
def test_a_peer_that_is_none(answer: bytes, reason: str) -> None:
    def respond(connection: socket.socket, _: PlatformFrame) -> None:
        connection.sendall(answer)
        connection.shutdown(socket.SHUT_WR)

    with peer(respond) as address, pytest.raises(BackendError, match=reason):
        SocketTransport.open(address)


# the answering side


def served(*received: bytes) -> tuple[list[Frame], After]:
    """Return what the server answers to pieces, and what it does then."""
    server = PlatformServer(example_endpoint(example_config(), binding=MCTP))
    answers = [PlatformFrame.parse(one) for piece in received for one in server.receive(piece, now=0.0)]
    return [(one.command, one.payload) for one in answers], server.after


def test_the_server_answers_command_by_command() -> None:
    hello = frame(PlatformCommand.TEST, CLIENT_HELLO)
    assert served(hello) == ([(PlatformCommand.TEST, SERVER_HELLO)], After.GO_ON)
    [(command, unit)], after = served(frame(PlatformCommand.NORMAL, GET_VERSION))
    assert (command, unit[:3], after) == (PlatformCommand.NORMAL, bytes.fromhex("051004"), After.GO_ON)
    assert served(frame(PlatformCommand.CONTINUE)) == ([(PlatformCommand.CONTINUE, b"")], After.CLOSE)
    assert served(frame(PlatformCommand.SHUTDOWN)) == ([(PlatformCommand.SHUTDOWN, b"")], After.STOP)
    assert served(frame(PlatformCommand(0x77))) == ([(PlatformCommand.UNKNOWN, b"")], After.GO_ON)


def test_the_server_takes_bytes_one_by_one() -> None:
    both = frame(PlatformCommand.TEST, CLIENT_HELLO) + frame(PlatformCommand.NORMAL, GET_VERSION)
    assert served(*(bytes([byte]) for byte in both)) == served(both)


@pytest.mark.parametrize(
    "received",
    [
        frame(PlatformCommand.TEST, b"What?"),
        frame(PlatformCommand.NORMAL, GET_VERSION, PlatformTransport.PCI_DOE),
        bytes.fromhex("00000001 00000001 ffffffff"),
    ],
)
def test_the_server_closes_on_what_is_no_peer(received: bytes) -> None:
    assert served(received) == ([], After.CLOSE)


def test_what_is_no_message_gets_no_answer() -> None:
    assert served(frame(PlatformCommand.NORMAL, b"")) == ([], After.GO_ON)
    assert served(frame(PlatformCommand.NORMAL, b"\x7e\0\0\0")) == ([], After.GO_ON)


def test_a_greeting_is_not_for_a_bare_transport() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        transport = SocketTransport.open(at(listening, NONE))
        transport.close()
        with pytest.raises(BackendError, match="gone"):
            transport.write(b"\x10\x84\0\0")

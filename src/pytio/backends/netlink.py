"""Generic netlink: messages, attributes, and a socket that asks one question at a time.

Document: the kernel's ``linux/netlink.h`` and ``linux/genetlink.h``. Numbers are in the byte order of the machine,
little-endian wherever these interfaces exist. This file knows no family but the one that names the others.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from types import TracebackType
from typing import Final, Protocol, Self

from pytio.backends.errnos import Meaning, Meanings, explain, translated
from pytio.errors import BackendError, BackendUnavailableError, DecodeError
from pytio.wire import (
    AUTO,
    REST,
    U16,
    U32,
    Array,
    Byte,
    Bytes,
    Integer,
    Nested,
    WireStruct,
    computed,
    message,
    this,
    wire,
)

__all__ = (
    "CONTROL_FAMILY",
    "Attribute",
    "GenericMessage",
    "Netlink",
    "NetlinkHeader",
    "NetlinkMessage",
    "NetlinkSocket",
    "open_netlink",
    "split_messages",
)

CONTROL_FAMILY: Final = 0x10
"""The family that names the others, ``nlctrl``."""
_ERROR: Final = 2
_DONE: Final = 3
_REQUEST: Final = 0x0001
_DUMP: Final = 0x0300
_MULTI: Final = 0x0002
_HEADER_BYTES: Final = 16
_ATTRIBUTE_HEADER_BYTES: Final = 4
_GET_FAMILY: Final = 3
_FAMILY_ID: Final = 1
_FAMILY_NAME: Final = 2
_NETLINK_GENERIC: Final = 16
_MOST_BYTES: Final = 1 << 17
_S32: Final = Integer(4, signed=True)


def _padding(length: int) -> int:
    return -length % _ATTRIBUTE_HEADER_BYTES


@message
class Attribute(WireStruct, errors=DecodeError):
    """struct nlattr: its length counts its own header, and it is padded to 4 bytes."""

    length: int = wire(U16, default=AUTO)
    type: int = wire(U16)
    payload: bytes = wire(Bytes(this.length - _ATTRIBUTE_HEADER_BYTES), default=b"")
    reserved_padding: bytes = wire(Bytes(computed(_padding, this.length)), default=AUTO)


@message
class NetlinkHeader(WireStruct, errors=DecodeError):
    """struct nlmsghdr, 16 bytes."""

    length: int = wire(U32)
    """Of the whole message, this header included."""
    type: int = wire(U16)
    flags: int = wire(U16, default=0)
    sequence: int = wire(U32, default=0)
    port: int = wire(U32, default=0)


@message
class NetlinkMessage(WireStruct, errors=DecodeError):
    """One message: its header, and what it carries."""

    length: int = wire(U32, default=AUTO)
    type: int = wire(U16)
    flags: int = wire(U16, default=0)
    sequence: int = wire(U32, default=0)
    port: int = wire(U32, default=0)
    payload: bytes = wire(Bytes(this.length - _HEADER_BYTES), default=b"")


@message
class GenericMessage(WireStruct, errors=DecodeError):
    """struct genlmsghdr and the attributes after it."""

    command: int = wire(Byte)
    version: int = wire(Byte, default=1)
    reserved: bytes = wire(Bytes(2), default=bytes(2))
    attributes: tuple[Attribute, ...] = wire(Array(REST, Nested(Attribute)), default=())


@message
class _ErrorCode(WireStruct, errors=DecodeError):
    """The number at the start of NLMSG_ERROR and NLMSG_DONE: 0, or an errno, negative."""

    code: int = wire(_S32)


def split_messages(data: bytes) -> Iterator[NetlinkMessage]:
    """Yield the messages of a datagram.

    Raises:
        DecodeError: one is malformed or cut short.
    """
    at = 0
    while at < len(data):
        header = NetlinkHeader.parse(data[at : at + _HEADER_BYTES])
        yield NetlinkMessage.parse(data[at : at + max(header.length, _HEADER_BYTES)])
        at += header.length + _padding(header.length)


class NetlinkSocket(Protocol):
    """What a question needs: datagrams out and in. `open_netlink` makes the real one."""

    def send(self, data: bytes, /) -> int:
        """Send a datagram."""

    def recv(self, size: int, /) -> bytes:
        """Wait for a datagram."""

    def close(self) -> None:
        """Let go of it."""


class Netlink:
    """Asks questions of generic families, one after the other; a context manager that closes the socket.

    Guarantees: a question is sent once; answers to others are passed over. A call blocks until the kernel has answered.
    """

    def __init__(self, opened: NetlinkSocket) -> None:
        """Use a socket that is open."""
        self._socket = opened
        self._sequence = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: object, traceback: TracebackType | None) -> None:
        self._socket.close()

    def family(self, name: str) -> int:
        """Return the number of a family.

        Raises:
            BackendUnavailableError: the kernel has no such family.
        """
        meanings = {
            errno.ENOENT: Meaning(
                BackendUnavailableError,
                f"the kernel has no netlink family {name}",
                "only some kernels have it: look at how yours gives evidence",
            )
        }
        asked = (Attribute(type=_FAMILY_NAME, payload=name.encode() + b"\0"),)
        for answer in self.ask(
            CONTROL_FAMILY, GenericMessage(command=_GET_FAMILY, attributes=asked), meanings=meanings
        ):
            for attribute in answer.attributes:
                if attribute.type == _FAMILY_ID:
                    return int.from_bytes(attribute.payload, "little")
        raise BackendError(f"netlink family {name}", "the kernel gave no number", "is this a Linux kernel?")

    def ask(
        self, family: int, question: GenericMessage, *, is_dump: bool = False, meanings: Meanings | None = None
    ) -> Iterator[GenericMessage]:
        """Ask a family; yield the answers, one, or as many as the dump has.

        Raises:
            BackendError: by the errno that the kernel answered with.
            DecodeError: an answer is malformed.
        """
        self._sequence += 1
        flags = _REQUEST | (_DUMP if is_dump else 0)
        request = NetlinkMessage(type=family, flags=flags, sequence=self._sequence, payload=question.build())
        with translated("netlink", meanings):
            self._socket.send(request.build())
        while True:
            with translated("netlink", meanings):
                data = self._socket.recv(_MOST_BYTES)
            for answer in split_messages(data):
                if answer.sequence != self._sequence:
                    continue
                if answer.type in {_ERROR, _DONE}:
                    _check(answer, meanings)
                    return
                yield GenericMessage.parse(answer.payload)
                if not answer.flags & _MULTI:
                    return


def _check(answer: NetlinkMessage, meanings: Meanings | None) -> None:
    """Raise what an error says; nothing where it says that all is well."""
    code, _ = _ErrorCode.parse_prefix(answer.payload or bytes(4))
    if code.code < 0:
        error = OSError(-code.code, os.strerror(-code.code))
        raise explain(error, "netlink", meanings) from error


def open_netlink() -> Netlink:
    """Open a generic netlink socket.

    Raises:
        BackendUnavailableError: this system has none.
    """
    if not hasattr(socket, "AF_NETLINK"):
        raise BackendUnavailableError("netlink", "this system has no netlink", "it is Linux's own")
    with translated("netlink"):
        opened = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_GENERIC)
        opened.bind((0, 0))
    return Netlink(opened)

"""The socket of DMTF's emulators: big-endian frames that say what to do, over which transport, with how many bytes.

Source: DMTF's spdm-emu, the "platform" protocol between its requester and responder. The same frames travel both ways
and carry any transport: an MCTP message from its type byte, a DOE data object, a TCP binding frame, or a bare message.
"""

from __future__ import annotations

from typing import ClassVar, Final

from pytio.errors import TransportDecodeError
from pytio.transports.framing import FrameSplitter
from pytio.wire import AUTO, U32BE, Bytes, OpenCode, OpenEnum, WireStruct, message, this, wire

__all__ = (
    "CLIENT_HELLO",
    "DEFAULT_PORT",
    "SERVER_HELLO",
    "PlatformCommand",
    "PlatformFrame",
    "PlatformHeader",
    "PlatformSplitter",
    "PlatformTransport",
)

DEFAULT_PORT: Final = 2323
"""For every transport but TCP, which keeps its own."""
CLIENT_HELLO: Final = b"Client Hello!\0"
"""What a requester sends with TEST."""
SERVER_HELLO: Final = b"Server Hello!\0"
"""What a responder answers to it."""
_HEADER_BYTES: Final = 12


class PlatformCommand(OpenEnum):
    """What a frame is for."""

    #: A message of the transport.
    NORMAL = 0x00000001
    #: Makes the responder ask for a key update; the payload is the session id, 4 bytes little-endian.
    OOB_ENCAP_KEY_UPDATE = 0x00008001
    #: Makes the responder ask for endpoint info.
    OOB_ENCAP_ENDPOINT_INFO = 0x00008002
    #: The connection ends, the responder waits for the next one.
    CONTINUE = 0x0000FFFD
    #: The connection ends, and the responder with it.
    SHUTDOWN = 0x0000FFFE
    #: Answer to a command that is not known.
    UNKNOWN = 0x0000FFFF
    #: The greeting, first in both directions.
    TEST = 0x0000DEAD


class PlatformTransport(OpenEnum):
    """Which transport a connection carries."""

    NONE = 0
    MCTP = 1
    PCI_DOE = 2
    TCP = 3


@message
class PlatformHeader(WireStruct, errors=TransportDecodeError):
    """The twelve bytes before a payload."""

    command: PlatformCommand = wire(OpenCode(U32BE, PlatformCommand))
    transport: PlatformTransport = wire(OpenCode(U32BE, PlatformTransport))
    payload_size: int = wire(U32BE, default=0)


@message
class PlatformFrame(WireStruct, errors=TransportDecodeError):
    """One frame: command, transport and payload; the size fills itself."""

    command: PlatformCommand = wire(OpenCode(U32BE, PlatformCommand), default=PlatformCommand.NORMAL)
    transport: PlatformTransport = wire(OpenCode(U32BE, PlatformTransport))
    payload_size: int = wire(U32BE, default=AUTO)
    payload: bytes = wire(Bytes(this.payload_size), default=b"")


class PlatformSplitter(FrameSplitter[PlatformFrame]):
    """Cuts one direction of an emulator's connection into `PlatformFrame` s."""

    FRAME: ClassVar[type[PlatformFrame]] = PlatformFrame
    HEADER_BYTES: ClassVar[int] = _HEADER_BYTES

    def frame_bytes(self, header: bytes) -> int:
        """Return the size of the frame."""
        return _HEADER_BYTES + PlatformHeader.parse(header).payload_size

"""SPDM over TCP: a header with a length before each message, and the frames that say nothing but their type.

Document: DSP0287, "SPDM over TCP Binding Specification". The length counts the binding version, the message type and
the message, so it is the size of the frame less its own two bytes.
"""

from __future__ import annotations

from typing import ClassVar, Final

from pytio.errors import TransportDecodeError
from pytio.transports.framing import FrameSplitter
from pytio.wire import AUTO, U16, Byte, Bytes, OpenCode, OpenEnum, Switch, WireStruct, message, this, wire

__all__ = ("DEFAULT_PORT", "TcpBindingVersion", "TcpFrame", "TcpHeader", "TcpMessageType", "TcpSplitter")

DEFAULT_PORT: Final = 4194
"""The port of a responder, unless it says otherwise."""
_LENGTH_BYTES: Final = 2
_HEADER_BYTES: Final = 4
_COUNTED_HEADER_BYTES: Final = _HEADER_BYTES - _LENGTH_BYTES
_HEADER_ONLY: Final = range(0xBF, 0xCF + 1)
"""Role inquiry and the range of errors: frames without a message.

SPDM_U3: libspdm writes length 0 into them and expects it, where the definition gives 2. Their size does not depend on
it, so both are accepted; frames that are built have 0 unless told otherwise.
"""


class TcpBindingVersion(OpenEnum):
    """Version of the binding."""

    V1 = 0x01


class TcpMessageType(OpenEnum):
    """What a frame carries."""

    #: An SPDM message outside a session.
    OUT_OF_SESSION = 0x05
    #: A secured message.
    IN_SESSION = 0x06
    ROLE_INQUIRY = 0xBF
    ERROR_TOO_LARGE = 0xC0
    ERROR_NOT_SUPPORTED = 0xC1
    ERROR_CANNOT_OPERATE_AS_REQUESTER = 0xC2
    ERROR_CANNOT_OPERATE_AS_RESPONDER = 0xC3

    @property
    def is_header_only(self) -> bool:
        """Whether such a frame ends with its header: role inquiry, and every error, also those without a name yet."""
        return self in _HEADER_ONLY


@message
class TcpHeader(WireStruct, errors=TransportDecodeError):
    """The four bytes before a message; inside a secured message, too, they come first (SPDM_U3)."""

    payload_length: int = wire(U16, default=0)
    binding_version: TcpBindingVersion = wire(OpenCode(Byte, TcpBindingVersion), default=TcpBindingVersion.V1)
    message_type: TcpMessageType = wire(OpenCode(Byte, TcpMessageType))

    @property
    def frame_bytes(self) -> int:
        """The size of the whole frame, header included."""
        return _HEADER_BYTES if self.message_type.is_header_only else _LENGTH_BYTES + self.payload_length


@message
class TcpFrame(WireStruct, errors=TransportDecodeError):
    """One frame: header and message; the length fills itself."""

    payload_length: int = wire(U16, default=AUTO)
    """Bytes that follow it: version, type and message; 0 in frames that are header only."""
    binding_version: TcpBindingVersion = wire(OpenCode(Byte, TcpBindingVersion), default=TcpBindingVersion.V1)
    message_type: TcpMessageType = wire(OpenCode(Byte, TcpMessageType))
    message: bytes = wire(
        Switch(
            this.message_type,
            dict.fromkeys(_HEADER_ONLY, Bytes(0)),
            default=Bytes(this.payload_length - _COUNTED_HEADER_BYTES),
        ),
        default=b"",
    )


class TcpSplitter(FrameSplitter[TcpFrame]):
    """Cuts one direction of a TCP connection into `TcpFrame` s."""

    FRAME: ClassVar[type[TcpFrame]] = TcpFrame
    HEADER_BYTES: ClassVar[int] = _HEADER_BYTES

    def frame_bytes(self, header: bytes) -> int:
        """Return the size of the frame; no frame is shorter than its header, whatever its length says."""
        return max(TcpHeader.parse(header).frame_bytes, _HEADER_BYTES)

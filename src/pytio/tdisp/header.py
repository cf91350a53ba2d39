"""What every TDISP message begins with.

Document: PCIe Base 6.x chapter 11, "TDISP Messages", message header: 16 bytes, of which the second says which message
it is, and the last twelve which interface it is about.
"""

from __future__ import annotations

from typing import Final

from pytio.errors import TdispDecodeError
from pytio.ids import InterfaceId
from pytio.tdisp.codes import MessageType, ProtocolVersion
from pytio.wire import Byte, Bytes, Code, Nested, OpenCode, WireStruct, message, wire

__all__ = ("INTERFACE_ID", "RESERVED", "TYPE", "VERSION", "TdispHeader", "TdispMessage")

VERSION: Final = OpenCode(Byte, ProtocolVersion)
"""TDISPVersion, the first byte."""
TYPE: Final = Code(Byte, MessageType)
"""MessageType, the second byte."""
RESERVED: Final = Bytes(2)
"""The two bytes after it."""
INTERFACE_ID: Final = Nested(InterfaceId)
"""INTERFACE_ID, the twelve bytes after those; a response echoes its request's."""


class TdispMessage(WireStruct, errors=TdispDecodeError):
    """Base of every TDISP message: a header of 16 bytes, of which the second says which message it is."""

    __slots__ = ()

    version: ProtocolVersion
    message_type: MessageType
    interface_id: InterfaceId


@message
class TdispHeader(WireStruct, errors=TdispDecodeError):
    """The header alone: what a responder needs to answer a request that it does not know."""

    version: ProtocolVersion = wire(VERSION, default=ProtocolVersion.V1_0)
    message_type: int = wire(Byte)
    reserved: bytes = wire(RESERVED, default=bytes(2))
    interface_id: InterfaceId = wire(INTERFACE_ID)

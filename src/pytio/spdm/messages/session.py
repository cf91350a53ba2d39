"""HEARTBEAT, KEY_UPDATE, END_SESSION with their acknowledgements, and RESPOND_IF_READY (DSP0274).

All of them are four bytes; what a session does on them is not this file's to know.
"""

from __future__ import annotations

from pytio.spdm.codes import EndSessionAttributes, KeyUpdateOperation, SpdmCode, SpdmVersion
from pytio.spdm.messages.base import CODE, VERSION, SpdmMessage
from pytio.wire import Byte, Flags, OpenCode, fixed, message, wire

__all__ = ("EndSession", "EndSessionAck", "Heartbeat", "HeartbeatAck", "KeyUpdate", "KeyUpdateAck", "RespondIfReady")


@message
class Heartbeat(SpdmMessage):
    """HEARTBEAT: keep the session alive (DSP0274, HEARTBEAT)."""

    version: SpdmVersion = wire(VERSION)
    code: SpdmCode = fixed(CODE, SpdmCode.HEARTBEAT)
    reserved_param1: int = wire(Byte, default=0)
    reserved_param2: int = wire(Byte, default=0)


@message
class HeartbeatAck(SpdmMessage):
    """HEARTBEAT_ACK (DSP0274, HEARTBEAT_ACK)."""

    version: SpdmVersion = wire(VERSION)
    code: SpdmCode = fixed(CODE, SpdmCode.HEARTBEAT_ACK)
    reserved_param1: int = wire(Byte, default=0)
    reserved_param2: int = wire(Byte, default=0)


@message
class KeyUpdate(SpdmMessage):
    """KEY_UPDATE: change the keys of one direction or both, or try out the new ones (DSP0274, KEY_UPDATE)."""

    version: SpdmVersion = wire(VERSION)
    code: SpdmCode = fixed(CODE, SpdmCode.KEY_UPDATE)
    key_operation: KeyUpdateOperation = wire(OpenCode(Byte, KeyUpdateOperation))
    tag: int = wire(Byte)
    """Chosen by whoever asks; tells one KEY_UPDATE from its repetition."""


@message
class KeyUpdateAck(SpdmMessage):
    """KEY_UPDATE_ACK: repeats operation and tag (DSP0274, KEY_UPDATE_ACK)."""

    version: SpdmVersion = wire(VERSION)
    code: SpdmCode = fixed(CODE, SpdmCode.KEY_UPDATE_ACK)
    key_operation: KeyUpdateOperation = wire(OpenCode(Byte, KeyUpdateOperation))
    tag: int = wire(Byte)


@message
class EndSession(SpdmMessage):
    """END_SESSION: close the session (DSP0274, END_SESSION)."""

    version: SpdmVersion = wire(VERSION)
    code: SpdmCode = fixed(CODE, SpdmCode.END_SESSION)
    attributes: EndSessionAttributes = wire(Flags(Byte, EndSessionAttributes), default=EndSessionAttributes(0))
    reserved_param2: int = wire(Byte, default=0)


@message
class EndSessionAck(SpdmMessage):
    """END_SESSION_ACK: the last message under the session's keys (DSP0274, END_SESSION_ACK)."""

    version: SpdmVersion = wire(VERSION)
    code: SpdmCode = fixed(CODE, SpdmCode.END_SESSION_ACK)
    reserved_param1: int = wire(Byte, default=0)
    reserved_param2: int = wire(Byte, default=0)


@message
class RespondIfReady(SpdmMessage):
    """RESPOND_IF_READY: ask for the response that an ERROR ResponseNotReady put off (DSP0274, RESPOND_IF_READY)."""

    version: SpdmVersion = wire(VERSION)
    code: SpdmCode = fixed(CODE, SpdmCode.RESPOND_IF_READY)
    original_request_code: SpdmCode = wire(CODE)
    token: int = wire(Byte)
    """As in the ERROR."""

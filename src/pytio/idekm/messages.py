"""IDE_KM objects: asking a port about its IDE registers, giving it keys, switching key sets on and off.

Document: PCIe Base 6.x chapter 6, "IDE Key Management (IDE_KM)". An object is what follows the protocol id in a
vendor-defined SPDM message. This module knows layouts; who may send what when is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Self

from pytio.errors import IdeKmDecodeError
from pytio.ide_registers import IdeRegisters
from pytio.idekm.byte_order import InvocationField, aes_key_from_wire, aes_key_to_wire
from pytio.idekm.codes import AES_KEY_BYTES, INITIAL_INVOCATION_FIELD, KpAckStatus, ObjectId
from pytio.ids import Bdf, KeySlot
from pytio.wire import REST, Byte, Bytes, Code, Nested, OpenCode, WireStruct, fixed, message, wire

__all__ = (
    "MESSAGES",
    "REQUESTS",
    "RESPONSES",
    "IdeKmMessage",
    "KGostopAck",
    "KSetGo",
    "KSetStop",
    "KeyProg",
    "KpAck",
    "Query",
    "QueryResp",
    "parse",
)

_OBJECT_ID: Final = Code(Byte, ObjectId)


class IdeKmMessage(WireStruct, errors=IdeKmDecodeError):
    """Base of every IDE_KM object; the first byte says which one it is."""

    __slots__ = ()

    object_id: ObjectId
    port_index: int


@message
class Query(IdeKmMessage):
    """QUERY: ask which IDE registers a port has."""

    object_id: ObjectId = fixed(_OBJECT_ID, ObjectId.QUERY)
    reserved: int = wire(Byte, default=0)
    port_index: int = wire(Byte, default=0)


@message
class QueryResp(IdeKmMessage):
    """QUERY_RESP: where the port is, and its IDE registers.

    The registers follow their own counts; ``trailing`` keeps what a responder sends beyond them.
    """

    object_id: ObjectId = fixed(_OBJECT_ID, ObjectId.QUERY_RESP)
    reserved: int = wire(Byte, default=0)
    port_index: int = wire(Byte, default=0)
    device_function: int = wire(Byte)
    bus: int = wire(Byte)
    segment: int = wire(Byte, default=0)
    max_port_index: int = wire(Byte, default=0)
    """The largest port index of the device; 0 where there is one port."""
    ide: IdeRegisters = wire(Nested(IdeRegisters))
    trailing: bytes = wire(Bytes(REST), default=b"")
    """What the registers did not announce; to be ignored."""

    @property
    def bdf(self) -> Bdf:
        """The address of the function that has the registers."""
        return Bdf.from_requester_id(self.bus << 8 | self.device_function, self.segment)


@message
class KeyProg(IdeKmMessage):
    """KEY_PROG: give a port one key of a stream. Erase what was received once the key is in place."""

    object_id: ObjectId = fixed(_OBJECT_ID, ObjectId.KEY_PROG)
    reserved: bytes = wire(Bytes(2), default=bytes(2))
    stream_id: int = wire(Byte)
    reserved_status: int = wire(Byte, default=0)
    slot: KeySlot = wire(Nested(KeySlot))
    port_index: int = wire(Byte, default=0)
    key: bytes = wire(Bytes(AES_KEY_BYTES), secret=True)
    """As on the wire: each four bytes of the AES key reversed."""
    ifv: InvocationField = wire(Nested(InvocationField), default=InvocationField.of(INITIAL_INVOCATION_FIELD))

    @classmethod
    def of(
        cls,
        *,
        stream_id: int,
        slot: KeySlot,
        aes_key: bytes,
        port_index: int = 0,
        ifv: int = INITIAL_INVOCATION_FIELD,
    ) -> Self:
        """Return the message for a key in the byte order of AES, and an invocation field as a number.

        Raises:
            ValueError: the key does not have 32 bytes.
        """
        key = aes_key_to_wire(aes_key)
        return cls(stream_id=stream_id, slot=slot, port_index=port_index, key=key, ifv=InvocationField.of(ifv))

    @property
    def aes_key(self) -> bytes:
        """The key in the byte order of AES; ``key`` holds it as on the wire."""
        return aes_key_from_wire(self.key)


@message
class KpAck(IdeKmMessage):
    """KP_ACK: what became of a KEY_PROG."""

    object_id: ObjectId = fixed(_OBJECT_ID, ObjectId.KP_ACK)
    reserved: bytes = wire(Bytes(2), default=bytes(2))
    stream_id: int = wire(Byte)
    status: KpAckStatus = wire(OpenCode(Byte, KpAckStatus), default=KpAckStatus.SUCCESS)
    slot: KeySlot = wire(Nested(KeySlot))
    port_index: int = wire(Byte, default=0)


@message
class KSetGo(IdeKmMessage):
    """K_SET_GO: start using a key that was programmed."""

    object_id: ObjectId = fixed(_OBJECT_ID, ObjectId.K_SET_GO)
    reserved: bytes = wire(Bytes(2), default=bytes(2))
    stream_id: int = wire(Byte)
    reserved_status: int = wire(Byte, default=0)
    slot: KeySlot = wire(Nested(KeySlot))
    port_index: int = wire(Byte, default=0)


@message
class KSetStop(IdeKmMessage):
    """K_SET_STOP: stop using a key, and forget it."""

    object_id: ObjectId = fixed(_OBJECT_ID, ObjectId.K_SET_STOP)
    reserved: bytes = wire(Bytes(2), default=bytes(2))
    stream_id: int = wire(Byte)
    reserved_status: int = wire(Byte, default=0)
    slot: KeySlot = wire(Nested(KeySlot))
    port_index: int = wire(Byte, default=0)


@message
class KGostopAck(IdeKmMessage):
    """K_GOSTOP_ACK: K_SET_GO or K_SET_STOP was done; it echoes the request."""

    object_id: ObjectId = fixed(_OBJECT_ID, ObjectId.K_GOSTOP_ACK)
    reserved: bytes = wire(Bytes(2), default=bytes(2))
    stream_id: int = wire(Byte)
    reserved_status: int = wire(Byte, default=0)
    slot: KeySlot = wire(Nested(KeySlot))
    port_index: int = wire(Byte, default=0)


REQUESTS: Final[Mapping[int, type[IdeKmMessage]]] = MappingProxyType(
    {
        ObjectId.QUERY: Query,
        ObjectId.KEY_PROG: KeyProg,
        ObjectId.K_SET_GO: KSetGo,
        ObjectId.K_SET_STOP: KSetStop,
    }
)
"""What a requester sends, by object id."""

RESPONSES: Final[Mapping[int, type[IdeKmMessage]]] = MappingProxyType(
    {ObjectId.QUERY_RESP: QueryResp, ObjectId.KP_ACK: KpAck, ObjectId.K_GOSTOP_ACK: KGostopAck}
)
"""What a responder sends, by object id."""

MESSAGES: Final[Mapping[int, type[IdeKmMessage]]] = MappingProxyType({**REQUESTS, **RESPONSES})
"""Every object, by object id."""


def parse(payload: bytes) -> IdeKmMessage:
    """Parse any IDE_KM object.

    Raises:
        IdeKmDecodeError: the object id is not known, or the object is malformed.
    """
    cls = MESSAGES.get(payload[0]) if payload else None
    if cls is None:
        reason = f"{payload[0]:#x} is not an ObjectId" if payload else "needs 1 byte, 0 left"
        shown = payload[:1].ljust(len(payload), b"\0")  # what is not known may carry a key
        raise IdeKmDecodeError(reason, shown, 0, "IdeKmMessage.object_id")
    return cls.parse(payload)

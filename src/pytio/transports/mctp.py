"""MCTP: the message type that says what a message is, and the packet header that a capture carries before it.

Documents: DSP0236 (packet header), DSP0239 (message types), DSP0275 and DSP0276 (SPDM and secured messages over MCTP).
Putting a message together from several packets needs the order of packets, so it is done where captures are read.
"""

from __future__ import annotations

from typing import Final, Self

from pytio.errors import TransportDecodeError
from pytio.wire import REST, Bit, Bits, Byte, Bytes, Nested, OpenEnum, WireStruct, message, wire

__all__ = ("HEADER_VERSION", "MctpMessage", "MctpMessageType", "MctpPacket", "MctpPacketHeader")

HEADER_VERSION: Final = 1
"""What packets on a link say; DMTF's emulators record 0."""


class MctpMessageType(OpenEnum):
    """What an MCTP message is: seven bits of its first byte."""

    CONTROL = 0x00
    PLDM = 0x01
    NC_SI = 0x02
    ETHERNET = 0x03
    NVME_MI = 0x04
    SPDM = 0x05
    SECURED_MESSAGE = 0x06
    VENDOR_PCI = 0x7E
    VENDOR_IANA = 0x7F


@message
class MctpMessage(WireStruct, errors=TransportDecodeError):
    """An MCTP message: its type and its payload; inside a secured message, too, a type byte comes first."""

    message_type: MctpMessageType = wire(Bits(7, MctpMessageType))
    integrity_check: bool = wire(Bit, default=False)
    payload: bytes = wire(Bytes(REST))


@message
class MctpPacketHeader(WireStruct, errors=TransportDecodeError):
    """The four bytes before a packet: who to, who from, and which part of which message it is."""

    header_version: int = wire(Bits(4), default=HEADER_VERSION)
    reserved: int = wire(Bits(4), default=0)
    destination_endpoint_id: int = wire(Byte, default=0)
    source_endpoint_id: int = wire(Byte, default=0)
    message_tag: int = wire(Bits(3), default=0)
    tag_owner: bool = wire(Bit, default=False)
    packet_sequence: int = wire(Bits(2), default=0)
    end_of_message: bool = wire(Bit, default=True)
    start_of_message: bool = wire(Bit, default=True)


@message
class MctpPacket(WireStruct, errors=TransportDecodeError):
    """One packet as captured; the payload of a packet that starts a message begins with the message's type."""

    header: MctpPacketHeader = wire(Nested(MctpPacketHeader))
    payload: bytes = wire(Bytes(REST))

    @classmethod
    def wrap(cls, content: MctpMessage) -> Self:
        """Return one packet with the whole message, version and endpoint ids 0, as DMTF's emulators record it."""
        return cls(header=MctpPacketHeader(header_version=0), payload=content.build())

    @property
    def is_whole_message(self) -> bool:
        """Whether the payload is a whole message, from its type byte to its end."""
        return self.header.start_of_message and self.header.end_of_message

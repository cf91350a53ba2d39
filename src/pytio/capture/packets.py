"""From a captured packet to its TCP segment, or to the MCTP packet that a Linux interface was seen to carry.

Documents: the link types of pcap files (LINKTYPE_ETHERNET, _NULL, _LOOP, _LINUX_SLL, _LINUX_SLL2, _RAW), IEEE 802.1Q,
RFC 791, RFC 8200, RFC 9293. Headers only: nothing is put in order here, and fragments of IP are not put together.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

import attrs

from pytio.capture.frames import Endpoint, LinkType
from pytio.errors import CaptureError
from pytio.wire import U16BE, U32BE, Bit, Bits, Byte, Bytes, OpenCode, OpenEnum, WireStruct, message, wire

__all__ = (
    "COOKED_MCTP_BYTES",
    "PACKET_LINK_TYPES",
    "CookedHeader",
    "CookedHeader2",
    "EtherType",
    "EthernetHeader",
    "Ipv4Header",
    "Ipv6Extension",
    "Ipv6Header",
    "OtherPacketError",
    "Segment",
    "TcpSegmentHeader",
    "VlanTag",
    "carried",
    "cooked_mctp",
    "segment_of",
)

_ADDRESS_BYTES: Final = 6
_WORD_BYTES: Final = 4
_IPV6_UNIT_BYTES: Final = 8
_TCP: Final = 6
_FRAGMENT: Final = 44
_EXTENSIONS: Final = frozenset({0, 43, 60})  # hop-by-hop options, routing, destination options
_MCTP_HARDWARE: Final = 290
_FRAGMENT_BITS: Final = 0x3FFF  # of the IPv4 field: more fragments, and the offset


class EtherType(OpenEnum):
    """What a link layer carries."""

    MCTP = 0x00FA  #: Linux' own number
    IPV4 = 0x0800
    ARP = 0x0806
    VLAN = 0x8100
    IPV6 = 0x86DD
    SERVICE_VLAN = 0x88A8


@message
class EthernetHeader(WireStruct, errors=CaptureError):
    """Before every Ethernet packet."""

    destination: bytes = wire(Bytes(_ADDRESS_BYTES))
    source: bytes = wire(Bytes(_ADDRESS_BYTES))
    ether_type: EtherType = wire(OpenCode(U16BE, EtherType))


@message
class VlanTag(WireStruct, errors=CaptureError):
    """Between an Ethernet header and what it carries, once or more often."""

    control: int = wire(U16BE)
    ether_type: EtherType = wire(OpenCode(U16BE, EtherType))


@message
class CookedHeader(WireStruct, errors=CaptureError):
    """What Linux writes in place of a link header when it captures on any interface, version 1."""

    packet_type: int = wire(U16BE, default=0)
    hardware_type: int = wire(U16BE)
    address_length: int = wire(U16BE, default=0)
    address: bytes = wire(Bytes(8), default=bytes(8))
    ether_type: EtherType = wire(OpenCode(U16BE, EtherType))


@message
class CookedHeader2(WireStruct, errors=CaptureError):
    """The same, version 2."""

    ether_type: EtherType = wire(OpenCode(U16BE, EtherType))
    reserved: int = wire(U16BE, default=0)
    interface_index: int = wire(U32BE, default=0)
    hardware_type: int = wire(U16BE)
    packet_type: int = wire(Byte, default=0)
    address_length: int = wire(Byte, default=0)
    address: bytes = wire(Bytes(8), default=bytes(8))


@message
class Ipv4Header(WireStruct, errors=CaptureError, msb_first=True):
    """The fixed part of an IPv4 header; options follow."""

    version: int = wire(Bits(4), default=4)
    header_words: int = wire(Bits(4), default=5)
    service: int = wire(Byte, default=0)
    total_bytes: int = wire(U16BE)
    identification: int = wire(U16BE, default=0)
    fragment: int = wire(U16BE, default=0)
    hops: int = wire(Byte, default=64)
    protocol: int = wire(Byte, default=_TCP)
    checksum: int = wire(U16BE, default=0)
    source: bytes = wire(Bytes(4))
    destination: bytes = wire(Bytes(4))


@message
class Ipv6Header(WireStruct, errors=CaptureError):
    """The IPv6 header; extensions may follow."""

    version_class_flow: int = wire(U32BE, default=6 << 28)
    payload_bytes: int = wire(U16BE)
    next_header: int = wire(Byte, default=_TCP)
    hops: int = wire(Byte, default=64)
    source: bytes = wire(Bytes(16))
    destination: bytes = wire(Bytes(16))


@message
class Ipv6Extension(WireStruct, errors=CaptureError):
    """What every IPv6 extension begins with; its length counts 8 bytes each, the first ones left out."""

    next_header: int = wire(Byte)
    length: int = wire(Byte)


@message
class TcpSegmentHeader(WireStruct, errors=CaptureError, msb_first=True):
    """The fixed part of a TCP header; options follow."""

    source_port: int = wire(U16BE)
    destination_port: int = wire(U16BE)
    sequence: int = wire(U32BE)
    acknowledged: int = wire(U32BE, default=0)
    header_words: int = wire(Bits(4), default=5)
    reserved: int = wire(Bits(4), default=0)
    cwr: bool = wire(Bit, default=False)
    ece: bool = wire(Bit, default=False)
    urg: bool = wire(Bit, default=False)
    ack: bool = wire(Bit, default=True)
    psh: bool = wire(Bit, default=False)
    rst: bool = wire(Bit, default=False)
    syn: bool = wire(Bit, default=False)
    fin: bool = wire(Bit, default=False)
    window: int = wire(U16BE, default=0xFFFF)
    checksum: int = wire(U16BE, default=0)
    urgent: int = wire(U16BE, default=0)


class OtherPacketError(Exception):
    """A packet that is whole, and is neither TCP nor MCTP; its text says what it is."""


@attrs.frozen
class Segment:
    """One TCP segment.

    Attributes:
        source: who sent it.
        destination: who it was sent to.
        header: its TCP header.
        payload: what of its data was captured.
    """

    source: Endpoint
    destination: Endpoint
    header: TcpSegmentHeader
    payload: bytes


class _Carried(NamedTuple):
    ether_type: EtherType
    payload: bytes


def carried(link_type: int, data: bytes) -> _Carried:
    """Return what a packet of one of `PACKET_LINK_TYPES` carries.

    Raises CaptureError if the packet is too short for its headers.
    """
    return PACKET_LINK_TYPES[link_type](data)


def _ethernet(data: bytes) -> _Carried:
    header, at = EthernetHeader.parse_prefix(data)
    ether_type = header.ether_type
    while ether_type in _VLANS:
        tag, size = VlanTag.parse_prefix(data[at:])
        ether_type, at = tag.ether_type, at + size
    return _Carried(ether_type, data[at:])


_VLANS: Final = frozenset({EtherType.VLAN, EtherType.SERVICE_VLAN})


def _cooked(data: bytes) -> _Carried:
    header, at = CookedHeader.parse_prefix(data)
    return _Carried(header.ether_type, data[at:])


def _cooked2(data: bytes) -> _Carried:
    header, at = CookedHeader2.parse_prefix(data)
    return _Carried(header.ether_type, data[at:])


def _raw(data: bytes) -> _Carried:
    if not data:
        raise CaptureError("an empty packet", data)
    return _Carried(_IP_VERSIONS.get(data[0] >> _WORD_BYTES, EtherType(0)), data)


_IP_VERSIONS: Final = {4: EtherType.IPV4, 6: EtherType.IPV6}


def _loopback(data: bytes) -> _Carried:
    """Take off the address family, whose number depends on the system: the packet says what it is, too."""
    if len(data) < _WORD_BYTES:
        raise CaptureError(f"a loopback header has {_WORD_BYTES} bytes", data)
    return _raw(data[_WORD_BYTES:])


PACKET_LINK_TYPES: Final[dict[int, Callable[[bytes], _Carried]]] = {
    LinkType.ETHERNET: _ethernet,
    LinkType.NULL: _loopback,
    LinkType.LOOP: _loopback,
    LinkType.RAW: _raw,
    LinkType.IPV4: _raw,
    LinkType.IPV6: _raw,
    LinkType.LINUX_SLL: _cooked,
    LinkType.LINUX_SLL2: _cooked2,
}
"""The link types below TCP, and what takes off their headers."""


def cooked_mctp(packet: bytes) -> bytes:
    """Return an MCTP packet as Linux captures it: behind a cooked header that says so."""
    return CookedHeader(hardware_type=_MCTP_HARDWARE, ether_type=EtherType.MCTP).build() + packet


COOKED_MCTP_BYTES: Final = CookedHeader.minimum_size()
"""How many bytes `cooked_mctp` puts before a packet."""


def segment_of(packet: _Carried) -> Segment:
    """Return the TCP segment in what a link carries.

    Raises:
        CaptureError: the headers are malformed or cut short.
        OtherPacketError: it is something else, or a fragment.
    """
    if packet.ether_type is EtherType.IPV4:
        return _ipv4(packet.payload)
    if packet.ether_type is EtherType.IPV6:
        return _ipv6(packet.payload)
    raise OtherPacketError(f"EtherType {int(packet.ether_type):#06x} ({packet.ether_type.name})")


def _ipv4(data: bytes) -> Segment:
    header, fixed = Ipv4Header.parse_prefix(data)
    size = header.header_words * _WORD_BYTES
    if size < fixed or len(data) < size:
        raise CaptureError(f"an IPv4 header of {size} bytes in {len(data)}", data, 0, "Ipv4Header.header_words")
    if header.fragment & _FRAGMENT_BITS:
        raise OtherPacketError("fragments of IP")
    end = header.total_bytes or len(data)  # 0 where the network card cuts the segments
    return _tcp(header.protocol, header.source, header.destination, data[size : max(end, size)])


def _ipv6(data: bytes) -> Segment:
    header, at = Ipv6Header.parse_prefix(data)
    end = at + (header.payload_bytes or len(data))
    kind = header.next_header
    while kind in _EXTENSIONS:
        extension, _ = Ipv6Extension.parse_prefix(data[at:end])
        kind, at = extension.next_header, at + (extension.length + 1) * _IPV6_UNIT_BYTES
    if kind == _FRAGMENT:
        raise OtherPacketError("fragments of IP")
    return _tcp(kind, header.source, header.destination, data[at:end])


def _tcp(protocol: int, source: bytes, destination: bytes, data: bytes) -> Segment:
    if protocol != _TCP:
        raise OtherPacketError(f"IP protocol {protocol}")
    header, fixed = TcpSegmentHeader.parse_prefix(data)
    size = header.header_words * _WORD_BYTES
    if size < fixed or len(data) < size:
        raise CaptureError(f"a TCP header of {size} bytes in {len(data)}", data, 0, "TcpSegmentHeader.header_words")
    return Segment(
        Endpoint(source, header.source_port), Endpoint(destination, header.destination_port), header, data[size:]
    )

"""TCP captures made to order: messages become segments, and segments packets of any link type."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final

import attrs

from pytio.capture import LinkType, PcapngWriter, Trace, open_capture
from pytio.capture.packets import (
    CookedHeader,
    CookedHeader2,
    EthernetHeader,
    EtherType,
    Ipv4Header,
    Ipv6Header,
    TcpSegmentHeader,
    VlanTag,
)
from pytio.transports.platform_socket import (
    CLIENT_HELLO,
    SERVER_HELLO,
    PlatformCommand,
    PlatformFrame,
    PlatformTransport,
)

V4: Final = ("10.0.0.1", "10.0.0.2")
V6: Final = ("fe80::1", "fe80::2")


@attrs.define
class Talk:
    """Two ends of a TCP connection; what each says becomes segments, numbered and acknowledged as TCP does."""

    ports: tuple[int, int] = (50_000, 2323)
    addresses: tuple[str, str] = V4
    sequences: list[int] = attrs.field(factory=lambda: [1000, 9000])
    segments: list[bytes] = attrs.field(factory=list)

    def handshake(self) -> Talk:
        """Open the connection."""
        for sender, flags in ((0, {"syn": True, "ack": False}), (1, {"syn": True}), (0, {})):
            self.segment(sender, b"", **flags)
        return self

    def say(self, sender: int, data: bytes, size: int | None = None) -> Talk:
        """Send bytes, cut into segments of ``size`` bytes."""
        step = size or max(len(data), 1)
        for start in range(0, len(data), step):
            self.segment(sender, data[start : start + step])
        return self

    def segment(self, sender: int, payload: bytes, **flags: bool) -> None:
        """Send one segment."""
        header = TcpSegmentHeader(
            source_port=self.ports[sender],
            destination_port=self.ports[1 - sender],
            sequence=self.sequences[sender],
            acknowledged=self.sequences[1 - sender],
            **flags,
        )
        advance = len(payload) + flags.get("syn", False) + flags.get("fin", False)
        self.sequences[sender] = (self.sequences[sender] + advance) % (1 << 32)
        self.segments.append(self.internet(sender, header.build() + payload))

    def internet(self, sender: int, data: bytes) -> bytes:
        """Return an IP packet."""
        ends = [ip_address(address).packed for address in self.addresses]
        ends = ends if sender == 0 else ends[::-1]
        if len(ends[0]) == 4:
            return Ipv4Header(total_bytes=20 + len(data), source=ends[0], destination=ends[1]).build() + data
        return Ipv6Header(payload_bytes=len(data), source=ends[0], destination=ends[1]).build() + data


def linked(link_type: int, packet: bytes) -> bytes:
    """Return an IP packet as an interface of some link type would show it."""
    ether_type = EtherType.IPV4 if packet[0] >> 4 == 4 else EtherType.IPV6
    ethernet = {"destination": bytes(6), "source": bytes(6)}
    match link_type:
        case LinkType.ETHERNET:
            return (
                EthernetHeader(**ethernet, ether_type=ether_type).build() + packet + bytes(6)
            )  # padded, as is allowed
        case LinkType.NULL:
            return (2 if ether_type is EtherType.IPV4 else 30).to_bytes(4, "little") + packet
        case LinkType.LOOP:
            return (2 if ether_type is EtherType.IPV4 else 30).to_bytes(4, "big") + packet
        case LinkType.LINUX_SLL:
            return CookedHeader(hardware_type=772, ether_type=ether_type).build() + packet
        case LinkType.LINUX_SLL2:
            return CookedHeader2(hardware_type=772, ether_type=ether_type).build() + packet
        case _:
            return packet


def vlan(packet: bytes, *tags: int) -> bytes:
    """Return an Ethernet packet with VLAN tags."""
    kinds = [EtherType.SERVICE_VLAN] * (len(tags) - 1) + [EtherType.VLAN]
    written = EthernetHeader(destination=bytes(6), source=bytes(6), ether_type=kinds[0]).build()
    for tag, inside in zip(tags, [*kinds[1:], EtherType.IPV4], strict=True):
        written += VlanTag(control=tag, ether_type=inside).build()
    return written + packet


def capture(
    path: Path, packets: Iterable[bytes], link_type: int = LinkType.ETHERNET, *, snapped: int | None = None
) -> Path:
    """Write packets, already of their link type, a microsecond apart."""
    with path.open("wb") as stream:
        writer = PcapngWriter(stream)
        writer.add_interface(link_type)
        for number, packet in enumerate(packets):
            writer.write_packet(packet[:snapped], time_ns=1000 * number, original_size=len(packet))
    return path


def trace(path: Path, packets: Iterable[bytes], link_type: int = LinkType.RAW, **options: Any) -> Trace:
    """Write IP packets as they are seen on an interface, and open the file."""
    file = capture(path / "capture.pcapng", (linked(link_type, packet) for packet in packets), link_type)
    return open_capture(file, **options)


def platform(payload: bytes, transport: int = PlatformTransport.TCP, command: int = PlatformCommand.NORMAL) -> bytes:
    """Return a frame of the emulators' socket."""
    return PlatformFrame(
        command=PlatformCommand(command), transport=PlatformTransport(transport), payload=payload
    ).build()


def greetings(transport: int) -> Sequence[tuple[int, bytes]]:
    """Return what the emulators say first: who, and what."""
    return (
        (0, platform(CLIENT_HELLO, transport, PlatformCommand.TEST)),
        (1, platform(SERVER_HELLO, transport, PlatformCommand.TEST)),
    )

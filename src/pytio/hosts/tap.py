"""A tap around any transport: what goes by becomes a pcapng file that carries its own secrets.

Data objects and MCTP messages are written as DMTF's tools write them (link types 292 and 291). TCP and bare units have
no link type of their own, so they are written as the connection they would have travelled in: frames of the emulators'
socket, in TCP segments, in IP packets.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from ipaddress import ip_address
from types import TracebackType
from typing import BinaryIO, Final, Self, TypeAlias

from pytio.backends.base import Transport
from pytio.backends.bindings import MCTP, PCI_DOE, TCP, Binding
from pytio.capture import KeyLog, KeyLogEntry, LinkType, PcapngWriter
from pytio.capture.keylog import SECRETS_TYPE
from pytio.capture.packets import Ipv4Header, TcpSegmentHeader
from pytio.transports import MctpMessage, MctpPacket, PlatformCommand, PlatformFrame
from pytio.transports.platform_socket import DEFAULT_PORT
from pytio.transports.tcp import DEFAULT_PORT as TCP_DEFAULT_PORT

__all__ = ("ClockNs", "SecretSource", "Tap", "TappedTransport")

_LINK_TYPES: Final = {PCI_DOE.name: LinkType.PCI_DOE, MCTP.name: LinkType.MCTP}
_ADDRESSES: Final = (ip_address("127.0.0.1").packed, ip_address("127.0.0.2").packed)
_REQUESTER_PORT: Final = 49152
_MOST_SEGMENT_BYTES: Final = 1 << 15
_IPV4_HEADER_BYTES: Final = 20
_SEQUENCES: Final = 1 << 32

ClockNs: TypeAlias = Callable[[], int]
"""Nanoseconds since 1970."""
SecretSource: TypeAlias = Callable[[], Iterable[KeyLogEntry]]
"""What a tap asks, before each packet, for the secrets that exist by now."""


class Tap:
    """Writes what goes by, in both directions.

    A unit is written when the next one goes by, or with `flush`: what an engine makes of a unit, such as the secrets of
    a session, belongs before it. What has been written is of use when a program dies.
    """

    def __init__(
        self,
        stream: BinaryIO,
        binding: Binding,
        *,
        name: str | None = None,
        secrets: SecretSource = tuple,
        clock_ns: ClockNs = time.time_ns,
    ) -> None:
        """Begin the file. ``name`` is the interface's; ``secrets`` says, unit by unit, which there are by now."""
        self._writer = PcapngWriter(stream)
        self._secrets = secrets
        self._known = KeyLog()
        self._clock_ns = clock_ns
        link_type = _LINK_TYPES.get(binding.name, LinkType.RAW)
        self._writer.add_interface(link_type, name)
        self._packets = _Connection(binding) if link_type == LinkType.RAW else None
        self._is_mctp = link_type == LinkType.MCTP
        self._pending: tuple[bytes, bool, int] | None = None
        for packet in self._packets.open() if self._packets is not None else ():
            self._writer.write_packet(packet, time_ns=clock_ns())

    def note(self, unit: bytes, *, is_request: bool) -> None:
        """Take note of a unit, and write the one before it."""
        self.flush()
        self._pending = unit, is_request, self._clock_ns()

    def flush(self) -> None:
        """Write the secrets that have become known, and the unit that waits."""
        self._write_secrets()
        if self._pending is None:
            return
        unit, is_request, time_ns = self._pending
        self._pending = None
        for packet in self._packets_of(unit, is_request=is_request):
            self._writer.write_packet(packet, time_ns=time_ns)

    def _packets_of(self, unit: bytes, *, is_request: bool) -> Iterable[bytes]:
        if self._packets is not None:
            return self._packets.say(unit, is_request=is_request)
        return [MctpPacket.wrap(MctpMessage.parse(unit)).build() if self._is_mctp else unit]

    def _write_secrets(self) -> None:
        known = {(entry.kind, entry.key) for entry in self._known}
        fresh = [entry for entry in self._secrets() if (entry.kind, entry.key) not in known]
        if fresh:
            self._known.extend(fresh)
            self._writer.write_secrets(SECRETS_TYPE, KeyLog(fresh).build())


class _Connection:
    """A TCP connection as a capture would show it."""

    def __init__(self, binding: Binding) -> None:
        self._transport = binding.platform
        self._ports = (_REQUESTER_PORT, TCP_DEFAULT_PORT if binding is TCP else DEFAULT_PORT)
        self._sequences = [0, 0]

    def open(self) -> Iterator[bytes]:
        """Return the packets that open it."""
        yield self._packet(0, b"", syn=True, ack=False)
        yield self._packet(1, b"", syn=True)
        yield self._packet(0, b"")

    def say(self, unit: bytes, *, is_request: bool) -> Iterator[bytes]:
        """Return the packets that carry a unit."""
        frame = PlatformFrame(command=PlatformCommand.NORMAL, transport=self._transport, payload=unit).build()
        for start in range(0, len(frame), _MOST_SEGMENT_BYTES):
            yield self._packet(0 if is_request else 1, frame[start : start + _MOST_SEGMENT_BYTES])

    def _packet(self, sender: int, payload: bytes, *, syn: bool = False, ack: bool = True) -> bytes:
        segment = TcpSegmentHeader(
            source_port=self._ports[sender],
            destination_port=self._ports[1 - sender],
            sequence=self._sequences[sender],
            acknowledged=self._sequences[1 - sender],
            syn=syn,
            ack=ack,
        ).build()
        self._sequences[sender] = (self._sequences[sender] + len(payload) + syn) % _SEQUENCES
        ends = _ADDRESSES if sender == 0 else _ADDRESSES[::-1]
        size = _IPV4_HEADER_BYTES + len(segment) + len(payload)
        return Ipv4Header(total_bytes=size, source=ends[0], destination=ends[1]).build() + segment + payload


class TappedTransport:
    """A transport of a requester with a tap around it."""

    def __init__(self, transport: Transport, tap: Tap) -> None:
        """Note what goes through ``transport`` from now on."""
        self._transport = transport
        self._tap = tap

    @property
    def binding(self) -> Binding:
        """The transport's."""
        return self._transport.binding

    def write(self, unit: bytes) -> None:
        """Note a unit and send it; raises as the transport does."""
        self._tap.note(unit, is_request=True)
        self._transport.write(unit)

    def read(self, *, timeout_s: float | None = None) -> bytes:
        """Return the next unit, noted; raises as the transport does."""
        unit = self._transport.read(timeout_s=timeout_s)
        self._tap.note(unit, is_request=False)
        return unit

    def close(self) -> None:
        """Write what waits, and close the transport; the file is its owner's to close."""
        self._tap.flush()
        self._transport.close()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the transport."""
        self.close()

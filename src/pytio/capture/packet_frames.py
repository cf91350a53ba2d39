"""Frames of packets become frames of messages: TCP connections are put together, everything else passes.

A packet that carries nothing for us leaves at most one trace in its capture: one entry for each TCP connection without
SPDM in it, and one for each kind of packet that is not TCP.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import attrs

from pytio.capture.frames import Endpoint, Frame, LinkType, Problem
from pytio.capture.packets import PACKET_LINK_TYPES, EtherType, OtherPacketError, carried, segment_of
from pytio.capture.stream_frames import Connection
from pytio.errors import CaptureError

__all__ = ("Messages", "message_frames")

_MOST_CONNECTIONS: Final = 4096
"""How many are kept open at a time; beyond that the one that was opened first is closed."""


def message_frames(frames: Iterator[Frame], *, port: int | None = None) -> Iterator[Frame]:
    """Yield frames that are messages each, numbered from 1; those of packets that are messages are what they were.

    ``port`` names the TCP connections that carry SPDM; without it, they are told by what they carry.
    """
    messages = Messages(port)
    number, last = 0, None
    for last in frames:
        for frame in messages.read(last):
            number += 1
            yield frame if frame.number == number else attrs.evolve(frame, number=number)
    for frame in messages.finish(last) if last is not None else ():
        number += 1
        yield attrs.evolve(frame, number=number)


_Key = tuple[str | None, Endpoint, Endpoint]


class Messages:
    """Makes frames of messages out of frames of packets; knows the connections that packets belong to."""

    def __init__(self, port: int | None) -> None:
        """Start with no connection; ``port`` is that of `message_frames`."""
        self._port = port
        self._connections: dict[_Key, Connection] = {}
        self._opened = 0
        self._others: set[str] = set()

    def read(self, packet: Frame) -> Iterable[Frame]:
        """Return the messages that a packet completes."""
        if packet.link_type not in PACKET_LINK_TYPES or packet.problem is not None:
            return (packet,)
        return self._read(packet)

    def _read(self, packet: Frame) -> Iterator[Frame]:
        try:
            inside = carried(packet.link_type, packet.data)
            if inside.ether_type is EtherType.MCTP:
                yield _as_mctp(packet, inside.payload)
                return
            segment = segment_of(inside)
        except CaptureError as error:
            reason = f"{error.path}: {error.reason}" if error.path else error.reason
            yield attrs.evolve(packet, problem=Problem(0, reason))
            return
        except OtherPacketError as other:
            yield from self._other(packet, str(other))
            return
        if self._port in (None, segment.source.port, segment.destination.port):
            ends = sorted((segment.source, segment.destination))
            key = (packet.interface, ends[0], ends[1])
            if key in self._connections and self._connections[key].begins_again(segment):
                yield from self._connections.pop(key).finish(packet)
            if key not in self._connections:
                yield from self._open(key, packet)
            yield from self._connections[key].take(segment, packet)

    def finish(self, last: Frame) -> Iterator[Frame]:
        """Yield what is incomplete at the end."""
        for connection in self._connections.values():
            yield from connection.finish(last)

    def _open(self, key: _Key, packet: Frame) -> Iterator[Frame]:
        if len(self._connections) >= _MOST_CONNECTIONS:
            yield from self._connections.pop(next(iter(self._connections))).finish(packet)
        self._opened += 1
        self._connections[key] = Connection(self._opened, key[1:], is_ours=self._port is not None)

    def _other(self, packet: Frame, kind: str) -> Iterator[Frame]:
        if kind not in self._others and self._port is None:
            self._others.add(kind)
            note = f"{kind}: not read, here and in all packets that follow"
            yield attrs.evolve(packet, notes=(*packet.notes, note))


def _as_mctp(packet: Frame, payload: bytes) -> Frame:
    header = len(packet.data) - len(payload)
    return attrs.evolve(
        packet, link_type=LinkType.MCTP, data=payload, original_size=max(packet.original_size - header, len(payload))
    )

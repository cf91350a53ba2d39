"""How the peers' messages reach a capture: as MCTP packets, or as DOE data objects."""

from __future__ import annotations

from pathlib import Path

import attrs

from pytio.capture import LinkType
from pytio.capture.pcap import pcap_header, pcap_record
from pytio.doe import DataObject, DataObjectType
from pytio.transports.mctp import MctpMessage, MctpMessageType, MctpPacket, MctpPacketHeader

__all__ = ("Doe", "Mctp", "Route", "write")


@attrs.define
class Mctp:
    """A pair of MCTP endpoints; a message of more than ``unit`` bytes travels in several packets."""

    frames: list[bytes] = attrs.field(factory=list)
    requester: int = 8
    responder: int = 9
    unit: int = 1 << 16
    sequence_bytes: int = 2
    link_type: LinkType = LinkType.MCTP

    def clear(self, raw: bytes, *, is_request: bool) -> None:
        """Send a message in clear."""
        self._send(MctpMessageType.SPDM, raw, is_request)

    def record(self, raw: bytes, *, is_request: bool) -> None:
        """Send a record."""
        self._send(MctpMessageType.SECURED_MESSAGE, raw, is_request)

    def inner(self, raw: bytes) -> bytes:
        """Return a message with its type before it."""
        return MctpMessage(message_type=MctpMessageType.SPDM, payload=raw).build()

    def _send(self, message_type: MctpMessageType, raw: bytes, is_request: bool) -> None:
        whole = MctpMessage(message_type=message_type, payload=raw).build()
        ends = (self.requester, self.responder) if is_request else (self.responder, self.requester)
        starts = range(0, len(whole), self.unit)
        for number, start in enumerate(starts):
            header = MctpPacketHeader(
                source_endpoint_id=ends[0],
                destination_endpoint_id=ends[1],
                tag_owner=is_request,
                packet_sequence=number % 4,
                start_of_message=number == 0,
                end_of_message=number == len(starts) - 1,
            )
            self.frames.append(MctpPacket(header=header, payload=whole[start : start + self.unit]).build())


@attrs.define
class Doe:
    """A DOE mailbox."""

    frames: list[bytes] = attrs.field(factory=list)
    sequence_bytes: int = 0
    link_type: LinkType = LinkType.PCI_DOE

    def clear(self, raw: bytes, *, is_request: bool) -> None:
        """Send a message in clear."""
        self._send(DataObjectType.CMA_SPDM, raw)

    def record(self, raw: bytes, *, is_request: bool) -> None:
        """Send a record."""
        self._send(DataObjectType.SECURED_CMA_SPDM, raw)

    def inner(self, raw: bytes) -> bytes:
        """Return a message as it is."""
        return raw

    def _send(self, kind: DataObjectType, raw: bytes) -> None:
        self.frames.append(DataObject.wrap(kind, raw).build())


Route = Mctp | Doe


def write(path: Path, frames: list[bytes], link_type: int) -> Path:
    """Write a capture file."""
    path.write_bytes(pcap_header(link_type) + b"".join(pcap_record(frame) for frame in frames))
    return path

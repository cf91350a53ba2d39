"""The recorded session over TCP, read with the codecs alone: its messages as frames, and who reads those."""

from __future__ import annotations

from functools import cache
from typing import Final

from pytio.capture import Direction, Frame, Layer, LinkType, Record
from pytio.capture.conversation import Conversation, Signed
from pytio.capture.draft import Draft
from pytio.capture.pcap import read_pcap
from pytio.capture.secrets import SecretStore
from pytio.spdm.secured import RecordHeader, RecordPlaintext
from pytio.transports.platform_socket import PlatformCommand, PlatformSplitter
from pytio.transports.tcp import TcpFrame, TcpHeader, TcpMessageType
from tests.capture.recorded import path

NAME: Final = "s09-tcp12-loopback"
ETHERNET_BYTES: Final = 14
BINDING_BYTES: Final = 4


@cache
def frames() -> tuple[Frame, ...]:
    """Return the messages of the TCP binding, in the order in which they were complete."""
    splitters: dict[bytes, PlatformSplitter] = {}
    found = []
    with path(NAME).open("rb") as stream:
        for captured in read_pcap(stream):
            ports, payload = segment(captured.data)
            splitter = splitters.setdefault(ports, PlatformSplitter())
            found += [frame.payload for frame in splitter.feed(payload) if frame.command is PlatformCommand.NORMAL]
    return tuple(Frame(number, 0, LinkType.NULL, raw, len(raw)) for number, raw in enumerate(found, start=1))


def segment(data: bytes) -> tuple[bytes, bytes]:
    """Return the ports of a TCP segment and what it brings; on loopback nothing is lost, repeated or out of order."""
    packet = data[ETHERNET_BYTES:]
    packet = packet[: int.from_bytes(packet[2:4], "big")]
    tcp = packet[4 * (packet[0] & 0xF) :]
    return tcp[:4], tcp[4 * (tcp[12] >> 4) :]


class TcpReader:
    """Reads messages of the TCP binding; of one connection."""

    def __init__(self, secrets: SecretStore, signed: Signed | None = None) -> None:
        self.conversation = Conversation(secrets, signed)

    def read(self, frame: Frame) -> Record:
        """Return the record of a message."""
        draft = Draft(frame)
        message = TcpFrame.parse(frame.data)
        if message.message_type is TcpMessageType.IN_SESSION:
            self._secured(draft, message.message)
        else:
            self.conversation.read(draft, message.message, self.conversation.outside, base=BINDING_BYTES, padding=0)
        return draft.finish()

    def _secured(self, draft: Draft, raw: bytes) -> None:
        header, size = RecordHeader.parse_prefix(raw, sequence=0)
        session = self.conversation.sessions[header.session_id]
        assert session.keys is not None
        opened = session.keys.open(raw[:size], raw[size:], b"")
        assert opened is not None
        draft.direction = Direction(opened[0])
        draft.add(Layer("secured", raw, None, {"session_id": header.session_id, "decrypted": True}))
        inner = RecordPlaintext.parse(opened[1]).application_data
        assert TcpHeader.parse(inner[:BINDING_BYTES]).message_type is TcpMessageType.OUT_OF_SESSION
        self.conversation.read(draft, inner[BINDING_BYTES:], session.channel, base=0, padding=0)

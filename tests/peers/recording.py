"""A conversation with a live peer, as a file that replays: a pcapng capture with its secrets and its draws.

Each packet's comment says its direction, and what was said out of band before it. The last section holds what the
engine drew, as a Decryption Secrets Block of a type of its own; with it the engine says the same again, byte for byte.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Final

import attrs

from pytio.backends.bindings import MCTP, PCI_DOE, Binding
from pytio.capture import KeyLog, KeyLogEntry, LinkType, PcapngWriter
from pytio.capture.keylog import SECRETS_TYPE
from pytio.capture.pcapng import read_pcapng
from pytio.crypto import Recording
from pytio.hosts.tap import _Connection
from pytio.transports import MctpMessage, MctpPacket, PlatformFrame

__all__ = ("SESSIONS", "Said", "SessionFile", "read_session")

SESSIONS: Final = Path(__file__).parents[1] / "sessions" / "peers"
DRAWS_TYPE: Final = int.from_bytes(b"PTIR", "big")
_LINK_TYPES: Final = {PCI_DOE.name: LinkType.PCI_DOE, MCTP.name: LinkType.MCTP}
_IP_AND_TCP_BYTES: Final = 40
_MCTP_HEADER_BYTES: Final = 4


@attrs.frozen
class Said:
    """A unit, who said it, and what was said out of band before it."""

    unit: bytes
    is_request: bool
    out_of_band: str = ""


class SessionFile:
    """Writes a session."""

    def __init__(self, stream: BinaryIO, binding: Binding, secrets: Callable[[], Iterable[KeyLogEntry]]) -> None:
        self._stream = stream
        self._binding = binding
        self._secrets = secrets
        self._known: set[tuple[str, str]] = set()
        self._writer = PcapngWriter(stream)
        self._writer.add_interface(_LINK_TYPES.get(binding.name, LinkType.RAW))
        self._connection = None if binding.name in _LINK_TYPES else _Connection(binding)
        self._pending: Said | None = None
        for packet in self._connection.open() if self._connection is not None else ():
            self._writer.write_packet(packet)

    def note(self, said: Said) -> None:
        """Take note of a unit, and write the one before it."""
        self._flush()
        self._pending = said

    def close(self, recording: Recording) -> None:
        """Write the last unit, and what was drawn."""
        self._flush()
        PcapngWriter(self._stream).write_secrets(DRAWS_TYPE, gzip.compress(recording.reveal_json().encode(), mtime=0))

    def _flush(self) -> None:
        fresh = [entry for entry in self._secrets() if (entry.kind, entry.key) not in self._known]
        if fresh:
            self._known |= {(entry.kind, entry.key) for entry in fresh}
            self._writer.write_secrets(SECRETS_TYPE, KeyLog(fresh).build())
        said, self._pending = self._pending, None
        if said is None:
            return
        comment = ("request" if said.is_request else "response") + (f" {said.out_of_band}" if said.out_of_band else "")
        for packet in self._packets(said):
            self._writer.write_packet(packet, comment=comment)

    def _packets(self, said: Said) -> Iterable[bytes]:
        if self._connection is not None:
            return self._connection.say(said.unit, is_request=said.is_request)
        is_mctp = self._binding is MCTP
        return [MctpPacket.wrap(MctpMessage.parse(said.unit)).build() if is_mctp else said.unit]


def read_session(path: Path, binding: Binding) -> tuple[list[Said], Recording]:
    """Return what was said, and what was drawn."""
    draws: list[bytes] = []

    def on_secrets(kind: int, data: bytes) -> None:
        if kind == DRAWS_TYPE:
            draws.append(data)

    with path.open("rb") as stream:
        packets = [(frame.data, frame.comment or "") for frame in read_pcapng(stream, on_secrets=on_secrets)]
    [drawn] = draws
    return list(_said(packets, binding)), Recording.from_json(gzip.decompress(drawn).decode())


def _said(packets: list[tuple[bytes, str]], binding: Binding) -> Iterator[Said]:
    frame = b""
    for data, comment in packets:
        if not comment:
            continue  # of the connection's opening
        direction, _, out_of_band = comment.partition(" ")
        unit = data[_MCTP_HEADER_BYTES:] if binding is MCTP else data
        if binding.name not in _LINK_TYPES:
            frame += data[_IP_AND_TCP_BYTES:]
            size = 12 + int.from_bytes(frame[8:12], "big")
            if len(frame) < size:
                continue
            unit, frame = PlatformFrame.parse(frame).payload, b""
        yield Said(unit, direction == "request", out_of_band)

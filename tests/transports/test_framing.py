"""Byte streams become frames, however they were cut: a recorded connection, hostile lengths, errors between frames."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytio.errors import TransportDecodeError
from pytio.transports import (
    CLIENT_HELLO,
    SERVER_HELLO,
    FrameSplitter,
    PlatformCommand,
    PlatformFrame,
    PlatformSplitter,
    PlatformTransport,
    TcpFrame,
    TcpMessageType,
    TcpSplitter,
)

RECORDED = Path(__file__).parents[1] / "sessions" / "s09-tcp12-loopback.pcap"
FILE_HEADER_BYTES, RECORD_HEADER_BYTES, ETHERNET_HEADER_BYTES = 24, 16, 14
REQUEST_CODES = "84 e1 e3 81 82 82 83 ea eb eb eb 81 82 81 e0 e4 ea eb eb e5 e4 ea eb eb e5"
RESPONSE_CODES = "04 61 63 01 02 02 03 6a 6b 6b 6b 01 02 01 60 64 6a 6b 6b 65 64 6a 6b 6b 65"

INQUIRY = TcpFrame(message_type=TcpMessageType.ROLE_INQUIRY)
HELLO = TcpFrame(message_type=TcpMessageType.OUT_OF_SESSION, message=bytes.fromhex("10840000"))
LONG = TcpFrame(message_type=TcpMessageType.IN_SESSION, message=bytes(0xFFFD))


@cache
def recorded_segments() -> dict[int, list[bytes]]:
    """Return what each port sent in the recorded connection over loopback, segment by segment."""
    data = RECORDED.read_bytes()
    segments: dict[int, list[bytes]] = {}
    at = FILE_HEADER_BYTES
    while at < len(data):
        captured = struct.unpack_from("<8xII", data, at)[0]
        packet = data[at + RECORD_HEADER_BYTES + ETHERNET_HEADER_BYTES : at + RECORD_HEADER_BYTES + captured]
        tcp = packet[4 * (packet[0] & 0xF) : int.from_bytes(packet[2:4], "big")]
        if content := tcp[4 * (tcp[12] >> 4) :]:
            segments.setdefault(int.from_bytes(tcp[:2], "big"), []).append(content)
        at += RECORD_HEADER_BYTES + captured
    return segments


def fed(pieces: Iterable[bytes]) -> list[PlatformFrame]:
    """Feed pieces to a fresh splitter, which must be empty afterwards."""
    splitter = PlatformSplitter()
    frames = [frame for piece in pieces for frame in splitter.feed(piece)]
    assert splitter.pending_bytes == 0
    return frames


def test_the_recorded_connection() -> None:
    """Hello, 33 messages, shutdown in each direction; the SPDM codes are those in the requester's own log."""
    requester, responder = map(fed, recorded_segments().values())
    for frames, hello, codes in ((requester, CLIENT_HELLO, REQUEST_CODES), (responder, SERVER_HELLO, RESPONSE_CODES)):
        assert {frame.transport for frame in frames} == {PlatformTransport.TCP}
        assert (frames[0].command, frames[0].payload) == (PlatformCommand.TEST, hello)
        assert (frames[-1].command, frames[-1].payload) == (PlatformCommand.SHUTDOWN, b"")
        inner = [TcpFrame.parse(frame.payload) for frame in frames if frame.command is PlatformCommand.NORMAL]
        assert Counter(frame.message_type.name for frame in inner) == {"OUT_OF_SESSION": 25, "IN_SESSION": 8}
        plain = [frame.message for frame in inner if frame.message_type is TcpMessageType.OUT_OF_SESSION]
        assert bytes(message[1] for message in plain).hex(" ") == codes
        stream = TcpSplitter()
        assert stream.feed(b"".join(frame.build() for frame in inner)) == inner


@pytest.mark.parametrize("piece_bytes", [1, 2, 3, 7, 11, 12, 13, 1460, 1 << 20])
def test_segmentation_does_not_matter(piece_bytes: int) -> None:
    for segments in recorded_segments().values():
        stream = b"".join(segments)
        pieces = [stream[at : at + piece_bytes] for at in range(0, len(stream), piece_bytes)]
        frames = fed(pieces)
        assert frames == fed(segments)
        assert b"".join(frame.build() for frame in frames) == stream


@given(st.lists(st.sampled_from([INQUIRY, HELLO, LONG]), max_size=6), st.lists(st.integers(0, 400), max_size=40))
def test_any_frames_in_any_pieces(frames: list[TcpFrame], cuts: list[int]) -> None:
    """What goes in as frames comes out as the same frames, and nothing waits at the end."""
    stream = b"".join(frame.build() for frame in frames)
    places = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    splitter = TcpSplitter()
    found = [
        frame
        for start, end in zip(places, [*places[1:], len(stream)], strict=True)
        for frame in splitter.feed(stream[start:end])
    ]
    assert found == frames
    assert splitter.pending_bytes == 0


def test_a_frame_waits_for_its_last_byte() -> None:
    splitter = TcpSplitter()
    raw = HELLO.build()
    assert splitter.feed(raw[:-1]) == []
    assert splitter.pending_bytes == len(raw) - 1
    assert splitter.feed(raw[-1:] + raw[:2]) == [HELLO]
    assert splitter.pending_bytes == 2


@pytest.mark.parametrize("length", ["00", "01"])
def test_a_length_below_its_header_ends_the_stream(length: str) -> None:
    """What came before is handed out first; after that every call says what is wrong."""
    splitter = TcpSplitter()
    assert splitter.feed(HELLO.build() + bytes.fromhex(f"{length}000105")) == [HELLO]
    for more in (b"", HELLO.build()):
        with pytest.raises(TransportDecodeError, match="negative"):
            splitter.feed(more)


def test_a_hostile_size_allocates_nothing() -> None:
    splitter = PlatformSplitter()
    assert splitter.feed(bytes.fromhex("0000000100000001ffffffff")) == []
    assert splitter.pending_bytes == 12


def test_a_receiver_may_limit_frames() -> None:
    header = bytes.fromhex("000000010000000100000009")
    assert PlatformSplitter(max_frame_bytes=21).feed(header) == []
    with pytest.raises(TransportDecodeError, match="frame of 21 bytes, at most 20 are accepted"):
        PlatformSplitter(max_frame_bytes=20).feed(header)


def test_a_binding_says_how_long_its_frames_are() -> None:
    with pytest.raises(TypeError, match="abstract"):
        FrameSplitter[TcpFrame]()  # type: ignore[abstract]  # that is the point

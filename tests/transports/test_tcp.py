"""DSP0287: a length that counts part of its header, and frames that are header only."""

from __future__ import annotations

import pytest

from pytio.errors import EncodeError, TransportDecodeError
from pytio.transports import TcpFrame, TcpHeader, TcpMessageType, TcpSplitter


@pytest.mark.parametrize(("size", "length"), [(0, 2), (4, 6), (0xFFFD, 0xFFFF)])
def test_the_length_counts_version_type_and_message(size: int, length: int) -> None:
    frame = TcpFrame(message_type=TcpMessageType.OUT_OF_SESSION, message=bytes(size))
    assert frame.payload_length == length
    assert len(frame.build()) == length + 2
    assert TcpHeader.parse_prefix(frame.build())[0].frame_bytes == length + 2


def test_a_message_that_is_too_long_does_not_build() -> None:
    with pytest.raises(EncodeError, match="payload_length"):
        TcpFrame(message_type=TcpMessageType.OUT_OF_SESSION, message=bytes(0xFFFE)).build()


@pytest.mark.parametrize("message_type", range(0xBF, 0xD0))
@pytest.mark.parametrize("length", [0, 2])
def test_role_inquiry_and_errors_are_header_only(message_type: int, length: int) -> None:
    """SPDM_U3: libspdm writes 0 where the definition gives 2."""
    raw = bytes([length, 0, 1, message_type])
    frame = TcpFrame.parse(raw)
    assert (frame.payload_length, frame.message, frame.build()) == (length, b"", raw)
    assert TcpSplitter().feed(raw) == [frame]
    assert TcpFrame(message_type=TcpMessageType(message_type)).payload_length == 0
    with pytest.raises(EncodeError):
        TcpFrame(message_type=TcpMessageType(message_type), message=b"x").build()


@pytest.mark.parametrize("message_type", [0x05, 0x06, 0xBE, 0xD0])
def test_everything_else_has_a_message(message_type: int) -> None:
    with pytest.raises(TransportDecodeError):
        TcpFrame.parse(bytes([0, 0, 1, message_type]))
    assert TcpFrame.parse(bytes([3, 0, 1, message_type, 7])).message == b"\x07"

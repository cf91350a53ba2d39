"""The emulators' frames: big-endian numbers around payloads of any transport."""

from __future__ import annotations

import pytest

from pytio.doe import DataObject, DataObjectType
from pytio.transports import (
    CLIENT_HELLO,
    SERVER_HELLO,
    PlatformCommand,
    PlatformFrame,
    PlatformHeader,
    PlatformTransport,
)


def test_greetings_have_14_bytes() -> None:
    assert len(CLIENT_HELLO) == len(SERVER_HELLO) == 14


def test_a_frame_counts_its_payload() -> None:
    content = DataObject.wrap(DataObjectType.CMA_SPDM, bytes.fromhex("10840000")).build()
    frame = PlatformFrame(transport=PlatformTransport.PCI_DOE, payload=content)
    assert frame.build().hex() == "00000001000000020000000c" + content.hex()
    assert PlatformHeader.parse_prefix(frame.build())[0].payload_size == len(content)


@pytest.mark.parametrize(
    ("command", "value"),
    [
        (PlatformCommand.OOB_ENCAP_KEY_UPDATE, 0x8001),
        (PlatformCommand.OOB_ENCAP_ENDPOINT_INFO, 0x8002),
        (PlatformCommand.CONTINUE, 0xFFFD),
        (PlatformCommand.SHUTDOWN, 0xFFFE),
        (PlatformCommand.UNKNOWN, 0xFFFF),
    ],
)
def test_commands_without_payload(command: PlatformCommand, value: int) -> None:
    raw = value.to_bytes(4, "big") + bytes.fromhex("0000000100000000")
    assert PlatformFrame.parse(raw) == PlatformFrame(command=command, transport=PlatformTransport.MCTP)

"""MCTP: what the recorded sessions carry, and which packets are whole messages."""

from __future__ import annotations

from collections import Counter

import pytest

from pytio.transports import MctpMessage, MctpMessageType, MctpPacket, MctpPacketHeader
from tests.doe.test_data_object import packets


@pytest.mark.parametrize(
    ("name", "types"),
    [
        ("s02-mctp10-rsa3072-onebyone", {"SPDM": 546}),
        ("s03-mctp11-p256-aes128", {"SPDM": 52, "SECURED_MESSAGE": 50}),
        ("s04-mctp12-rsapss3072-ffdhe-chacha", {"SPDM": 38, "SECURED_MESSAGE": 20}),
        ("s05-mctp12-chunk", {"SPDM": 130, "SECURED_MESSAGE": 86}),
    ],
)
def test_recorded_packets(name: str, types: dict[str, int]) -> None:
    found: Counter[str] = Counter()
    for raw in packets(name):
        packet = MctpPacket.parse(raw)
        assert packet.is_whole_message
        content = MctpMessage.parse(packet.payload)
        assert MctpPacket.wrap(content) == packet
        assert packet.build() == raw
        found[content.message_type.name] += 1
    assert found == types


@pytest.mark.parametrize(
    ("start", "end", "is_whole"),
    [(True, True, True), (True, False, False), (False, True, False), (False, False, False)],
)
def test_which_packets_are_whole_messages(start: bool, end: bool, is_whole: bool) -> None:
    header = MctpPacketHeader(start_of_message=start, end_of_message=end)
    assert MctpPacket(header=header, payload=b"").is_whole_message is is_whole


def test_a_packet_for_a_link_says_version_1() -> None:
    assert MctpPacketHeader(destination_endpoint_id=8, source_endpoint_id=9, tag_owner=True).build().hex() == "010809c8"


def test_later_types_survive() -> None:
    assert MctpMessage.parse(b"\x42").message_type.name == "UNKNOWN_0x42"
    assert MctpMessage(message_type=MctpMessageType.VENDOR_IANA, payload=b"").build() == b"\x7f"

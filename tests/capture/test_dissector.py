"""Frames and what is in them: transports in pieces, traffic of others, what nobody knows."""

from __future__ import annotations

import random

import pytest

from pytio import doe
from pytio.capture import Direction, Frame, LinkType, Record
from pytio.capture.dissector import Dissector
from pytio.capture.secrets import SecretStore
from pytio.spdm.messages.version import GetVersion, Version, VersionNumber
from pytio.transports.mctp import MctpMessage, MctpMessageType, MctpPacket, MctpPacketHeader
from tests.capture.peers import Peers, Terms
from tests.capture.routes import Mctp

SECRET = bytes(48)
GET_VERSION = GetVersion().build()
VERSION = Version(version_number_entries=(VersionNumber.of(0x12), VersionNumber.of(0x11))).build()


def read(frames: list[bytes], link_type: int = LinkType.MCTP, **kinds: list[bytes]) -> list[Record]:
    """Return the records of frames."""
    dissector = Dissector(SecretStore(**kinds))
    return [
        dissector.read(Frame(number, 0, LinkType(link_type), data, len(data)))
        for number, data in enumerate(frames, start=1)
    ]


def mctp(payload: bytes, kind: int = MctpMessageType.SPDM) -> bytes:
    """Return a whole MCTP message in one packet."""
    return MctpPacket.wrap(MctpMessage(message_type=MctpMessageType(kind), payload=payload)).build()


# --- link types ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("link_type", [0xFFFE, 250])
def test_unknown_link_types_are_reported(link_type: int) -> None:
    [record] = read([b"whatever"], link_type)
    assert record.layers == ()
    assert record.problems == ()
    assert record.transport is None
    assert record.direction is None
    assert f"link type {link_type}" in record.notes[0]
    assert record.summary().endswith("8 bytes")
    assert record.to_dict()["layers"] == []


# --- DOE -----------------------------------------------------------------------------------------------------------


def data_object(kind: int, payload: bytes, vendor_id: int = doe.VendorId.PCI_SIG) -> bytes:
    """Return a data object."""
    return doe.DataObject.wrap(kind, payload, vendor_id=doe.VendorId(vendor_id)).build()


def test_data_objects_of_other_vendors_are_left_alone() -> None:
    [record] = read([data_object(1, b"\x10\x84\0\0", vendor_id=0x8086)], LinkType.PCI_DOE)
    assert [layer.title for layer in record.layers] == ["DATA_OBJECT"]
    assert record.notes == ("data objects of vendor 0x8086 are not read",)
    assert not record.problems


def test_data_objects_of_other_types_are_left_alone() -> None:
    [record] = read([data_object(0x77, b"data")], LinkType.PCI_DOE)
    assert record.notes == ("data object type 0x77 is not read",)
    assert not record.problems


@pytest.mark.parametrize("raw", [b"", b"\x01", bytes(7), bytes.fromhex("0100010004000000 10840000")])
def test_broken_data_objects_are_problems(raw: bytes) -> None:
    [record] = read([raw], LinkType.PCI_DOE)
    assert len(record.problems) == 1
    assert 0 <= record.problems[0].offset <= len(raw)
    assert record.layers[0].message is None


def test_discovery_is_told_apart_by_turns() -> None:
    frames = [data_object(0, bytes(4)), data_object(0, bytes.fromhex("01000001"))] * 2
    records = read(frames, LinkType.PCI_DOE)
    assert [record.layers[-1].title for record in records] == ["DISCOVERY_REQUEST", "DISCOVERY_RESPONSE"] * 2
    assert [record.direction for record in records] == [Direction.REQUEST, Direction.RESPONSE] * 2


def test_padding_of_data_objects_is_silent_and_what_else_follows_is_not() -> None:
    padded = VERSION + bytes(-len(VERSION) % 4)
    assert len(padded) == len(VERSION) + 2
    for payload, problems in ((padded, 0), (padded + bytes(4), 1), (VERSION + b"\0\1", 1)):
        [record] = read([data_object(1, payload)], LinkType.PCI_DOE)
        assert len(record.problems) == problems
        assert record.layers[-1].data == VERSION
        assert [problem.offset for problem in record.problems] == [8 + len(VERSION)] * problems


# --- MCTP ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [MctpMessageType.CONTROL, MctpMessageType.NVME_MI, 0x55])
def test_other_messages_over_mctp_are_left_alone(kind: int) -> None:
    [record] = read([mctp(b"data", kind)])
    assert [layer.name for layer in record.layers] == ["mctp"]
    assert not record.problems
    assert "is not read" in record.notes[0]


@pytest.mark.parametrize("raw", [b"", b"\0\0\0"])
def test_broken_packets_are_problems(raw: bytes) -> None:
    [record] = read([raw])
    assert len(record.problems) == 1


def test_bytes_after_a_message_are_a_problem() -> None:
    [record] = read([mctp(GET_VERSION + b"\0")])
    assert [problem.offset for problem in record.problems] == [9]
    assert record.layers[-1].title == "GET_VERSION"


@pytest.mark.parametrize("size", range(4))
def test_a_message_without_its_header_is_a_problem(size: int) -> None:
    [record] = read([mctp(GET_VERSION[:size])])
    assert len(record.problems) == 1
    assert record.layers[-1].message is None


@pytest.mark.parametrize("unit", [1, 3, 64, 100])
def test_messages_in_several_packets(unit: int) -> None:
    whole, pieces = (Peers(Terms(), Mctp(unit=unit)) for unit in (1 << 16, unit))
    for peers in (whole, pieces):
        peers.connect()
        peers.authenticate()
        peers.key_exchange(SECRET).finish().beat(2)
    expected = [record.layers[1:] for record in read(whole.route.frames, dhe=[SECRET])]
    records = read(pieces.route.frames, dhe=[SECRET])
    assert [record.layers[1:] for record in records if len(record.layers) > 1] == expected
    assert not [record for record in records if record.problems or record.notes]
    assert len(records) > len(expected)


def packets(payload: bytes, tag: int, unit: int = 2) -> list[bytes]:
    """Return the packets of an SPDM message."""
    raw = MctpMessage(message_type=MctpMessageType.SPDM, payload=payload).build()
    starts = range(0, len(raw), unit)
    return [
        MctpPacket(
            header=MctpPacketHeader(
                message_tag=tag,
                packet_sequence=number % 4,
                start_of_message=not number,
                end_of_message=number == len(starts) - 1,
            ),
            payload=raw[start : start + unit],
        ).build()
        for number, start in enumerate(starts)
    ]


def test_packets_of_several_messages_may_be_mixed() -> None:
    streams = [packets(VERSION, tag) for tag in range(8)]
    dice = random.Random(7)
    mixed = []
    while any(streams):
        mixed.append(dice.choice([stream for stream in streams if stream]).pop(0))
    records = read(mixed)
    assert [record.layers[-1].title for record in records].count("VERSION") == 8
    assert not [record for record in records if record.problems or record.notes]


@pytest.mark.parametrize("lost", [0, 1, 2])
def test_a_lost_packet_breaks_its_message_and_no_other(lost: int) -> None:
    broken = packets(GET_VERSION, tag=1)
    del broken[lost]
    records = read([*broken, *packets(GET_VERSION, tag=1)])
    titles = [record.layers[-1].title for record in records]
    assert titles.count("GET_VERSION") == 1
    assert titles[-1] == "GET_VERSION"
    notes = [record.notes for record in records if record.notes]
    assert notes == ([] if lost == 2 else [("this packet does not continue a message",)] * (2 if lost == 0 else 1))


# --- records -------------------------------------------------------------------------------------------------------


def test_records_of_unknown_sessions_stay_closed() -> None:
    record_bytes = bytes.fromhex("efbeadde 0000 1200") + bytes(18)
    [record] = read([mctp(record_bytes, MctpMessageType.SECURED_MESSAGE)])
    assert record.session_id == 0xDEADBEEF
    assert record.is_decrypted is False
    assert not record.problems
    assert not record.notes


@pytest.mark.parametrize(
    ("raw", "offset"),
    [
        ("", 5),
        ("efbeadde", 9),
        ("efbeadde 0000 12", 11),
        ("efbeadde 0000 1200" + 17 * "00", 11),
        ("efbeadde 0000 0f00" + 15 * "00", 11),
    ],
)
def test_broken_records_are_problems(raw: str, offset: int) -> None:
    [record] = read([mctp(bytes.fromhex(raw), MctpMessageType.SECURED_MESSAGE)])
    assert [problem.offset for problem in record.problems] == [offset]
    assert record.is_decrypted is False


@pytest.mark.parametrize(("padding", "problems"), [(b"", 0), (b"\0", 0), (b"\1", 1), (bytes(5), 1)])
def test_padding_after_a_record_is_silent_and_what_else_follows_is_not(padding: bytes, problems: int) -> None:
    record_bytes = bytes.fromhex("efbeadde 1100") + bytes(17)
    [record] = read([data_object(2, record_bytes + padding)], LinkType.PCI_DOE)
    assert record.layers[-1].data == record_bytes
    assert [problem.offset for problem in record.problems] == [8 + len(record_bytes)] * problems

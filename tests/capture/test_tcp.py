"""TCP: every link type, segments in any order, holes, the start in the middle, other people's connections."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from pytio.capture import Direction, LinkType, Record, open_capture
from pytio.capture.packets import CookedHeader, EtherType, cooked_mctp
from pytio.transports.platform_socket import PlatformTransport
from pytio.transports.tcp import TcpFrame, TcpMessageType
from tests.capture.network import V4, V6, Talk, capture, greetings, linked, platform, trace, vlan
from tests.capture.recorded import SESSIONS, frames, opened, path, records, secrets

NAME = "s09-tcp12-loopback"
PACKETS = (LinkType.ETHERNET, LinkType.NULL, LinkType.LOOP, LinkType.RAW, LinkType.LINUX_SLL, LinkType.LINUX_SLL2)
GET_VERSION = bytes.fromhex("10840000")
VERSION = bytes.fromhex("1004000000010012")


@cache
def recorded() -> tuple[Record, ...]:
    """Return the recorded session over TCP."""
    return tuple(opened(NAME))


@cache
def said() -> tuple[tuple[int, bytes], ...]:
    """Return the frames of the recorded session, and who sent them."""
    asks = {Direction.REQUEST: 0, Direction.RESPONSE: 1}
    return tuple((asks[record.direction], record.data) for record in recorded() if record.direction)


def titles(found: Iterable[Record]) -> list[str]:
    """Return what each record says, innermost."""
    return [record.layers[-1].title or record.layers[-1].name if record.layers else "" for record in found]


def plain(record: Record) -> dict[str, Any]:
    """Return a record without what depends on who talked when."""
    made = record.to_dict()
    for layer in made["layers"]:
        layer.pop("source", None)
        layer.pop("destination", None)
    return {key: value for key, value in made.items() if key not in {"time_ns", "record"}}


def talk(messages: tuple[tuple[int, bytes], ...] = (), size: int | None = None, **ends: Any) -> Talk:
    """Return a connection in which these messages were sent."""
    made = Talk(**ends).handshake()
    for sender, data in messages:
        made.say(sender, data, size)
    return made


# --- the recorded session ------------------------------------------------------------------------------------------


def test_the_messages_are_those_of_the_requesters_log() -> None:
    """Compare every decrypted message with the log of the peer that sent or received it, byte for byte."""
    logged = json.loads((SESSIONS / f"{NAME}.messages.json").read_text())
    found = []
    for record in recorded():
        layer = next((layer for layer in record.layers if layer.name == "spdm"), None)
        if layer is not None:
            digest = hashlib.sha256(layer.data).hexdigest()
            found.append([layer.title, f"{record.session_id or 0:x}", len(layer.data), digest])
    assert found == logged


def test_a_record_is_a_message_with_the_time_of_the_segment_that_completes_it() -> None:
    assert [record.number for record in recorded()] == list(range(1, 71))
    assert [record.problems for record in recorded()] == [()] * 70
    assert [record.notes for record in recorded()] == [()] * 70
    assert recorded()[0].time_ns < recorded()[1].time_ns < recorded()[69].time_ns
    assert {record.transport for record in recorded()} == {"tcp"}


def test_layers_say_where_the_message_travelled() -> None:
    record = recorded()[2]
    assert [layer.name for layer in record.layers] == ["socket", "tcp", "spdm"]
    assert record.layers[0].facts == {"source": "127.0.0.1:49744", "destination": "127.0.0.1:42091"}
    assert recorded()[3].layers[0].facts == {"source": "127.0.0.1:42091", "destination": "127.0.0.1:49744"}
    assert [layer.name for layer in recorded()[60].layers] == ["socket", "tcp", "secured", "spdm"]


def test_the_emulators_commands_have_a_direction() -> None:
    told = [(record.direction, record.summary().split()[-2]) for record in recorded() if len(record.layers) == 1]
    assert told == [
        (Direction.REQUEST, "command=TEST"),
        (Direction.RESPONSE, "command=TEST"),
        (Direction.REQUEST, "command=SHUTDOWN"),
        (Direction.RESPONSE, "command=SHUTDOWN"),
    ]


def test_a_converted_capture_needs_no_options(tmp_path: Path) -> None:
    copy = tmp_path / "copy.pcapng"
    opened(NAME).save(copy, secrets=True)
    assert [record.to_dict() for record in open_capture(copy)] == [record.to_dict() for record in recorded()]


# --- segments ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("link_type", PACKETS)
@pytest.mark.parametrize("addresses", [V4, V6], ids=["IPv4", "IPv6"])
def test_every_link_type(link_type: int, addresses: tuple[str, str], tmp_path: Path) -> None:
    found = trace(tmp_path, talk(said(), addresses=addresses).segments, link_type, **secrets(NAME))
    assert [plain(record) for record in found] == [plain(record) for record in recorded()]
    first, second = ("[fe80::1]", "[fe80::2]") if addresses is V6 else addresses
    assert found[0].layers[0].facts == {"source": f"{first}:50000", "destination": f"{second}:2323"}


@pytest.mark.parametrize("tags", [(5,), (7, 5)])
def test_vlan_tags(tags: tuple[int, ...], tmp_path: Path) -> None:
    file = capture(tmp_path / "file", (vlan(packet, *tags) for packet in talk(said()).segments))
    assert titles(open_capture(file, **secrets(NAME))) == titles(recorded())


@pytest.mark.parametrize("size", [1, 4, 13, 1448])
def test_segments_of_any_size(size: int, tmp_path: Path) -> None:
    found = trace(tmp_path, talk(said()[:24], size).segments)
    assert [record.data for record in found] == [data for _, data in said()[:24]]


@pytest.mark.parametrize("seed", range(20))
def test_segments_out_of_order_and_sent_again(seed: int, tmp_path: Path) -> None:
    """Swap neighbours, repeat segments and overlap them; the sequence numbers wrap, too."""
    dice = random.Random(seed)
    made = talk(said()[:24], dice.randint(5, 900), sequences=[(1 << 32) - 300, (1 << 32) - 2000])
    opening, packets = made.segments[:3], made.segments[3:]
    order = sorted(range(len(packets)), key=lambda at: at + dice.random() * 3)
    shuffled = [packets[at] for at in order]
    for _ in range(len(packets) // 3):
        shuffled.insert(dice.randrange(len(shuffled)), dice.choice(shuffled[-10:]))
    found = [*trace(tmp_path, [*opening, *shuffled])]
    wanted = [data for _, data in said()[:24]]
    # what the two ends say may now be in another order, what each of them says may not
    for sender in (0, 1):
        mine = [data for who, data in said()[:24] if who == sender]
        whole = [record.data for record in found if not record.problems and record.data in mine]
        assert [data for data in whole if data in wanted] == whole
        if not any(record.problems for record in found):
            assert whole == mine


def segments_of(made: Talk, sender: int) -> list[bytes]:
    """Return what one end sent."""
    port = made.ports[sender].to_bytes(2, "big")
    return [packet for packet in made.segments if packet[20:22] == port]


@pytest.mark.parametrize("seed", range(10))
def test_one_direction_in_any_order(seed: int, tmp_path: Path) -> None:
    dice = random.Random(seed)
    made = Talk(sequences=[(1 << 32) - 500, 5])
    made.segment(0, b"", syn=True, ack=False)
    for _, data in said()[:24]:
        made.say(0, data, dice.randint(1, 400))
    first, *rest = segments_of(made, 0)
    rest += dice.choices(rest, k=20)
    dice.shuffle(rest)
    assert [record.data for record in trace(tmp_path, [first, *rest])] == [data for _, data in said()[:24]]


def test_bytes_that_overlap_count_once(tmp_path: Path) -> None:
    frame = platform(TcpFrame(message_type=TcpMessageType.OUT_OF_SESSION, message=GET_VERSION).build())
    made = Talk().handshake()
    for start, end in ((4, 9), (0, 6), (2, 12), (11, len(frame)), (0, len(frame))):
        made.sequences[0] = 1001 + start
        made.segment(0, frame[start:end])
    made.sequences[0] = 1000
    made.segment(0, b"\0")  # a keep-alive
    [record] = trace(tmp_path, made.segments)
    assert (record.data, record.problems) == (frame, ())


def test_a_message_is_complete_when_the_hole_before_it_is_filled(tmp_path: Path) -> None:
    made = Talk().handshake()
    for _, data in said()[:6]:
        made.say(0, data)
    packets = [*made.segments[:4], *made.segments[5:], made.segments[4]]
    times = [record.time_ns for record in trace(tmp_path, packets)]
    assert times == [3000] + [8000] * 5


@pytest.mark.parametrize("late", [1, 4, 8])
def test_an_acknowledgement_may_be_captured_before_what_it_acknowledges(late: int, tmp_path: Path) -> None:
    """The other end had the whole message; it is its first half that comes late here, and takes nothing with it."""
    made = Talk().handshake()
    data = [data for _, data in said()[:12:2]]
    made.say(0, data[0], len(data[0]) // 2)
    for message in said()[1:12]:
        made.say(*message)
    packets = made.segments
    packets.insert(4 + late, packets.pop(3))
    found = [*trace(tmp_path, packets)]
    assert [record.problems for record in found] == [()] * 12
    assert [record.data for record in found] == [data for _, data in said()[:12]]


def test_an_acknowledgement_does_not_wait_for_ever(tmp_path: Path) -> None:
    made = Talk().handshake()
    made.say(0, said()[0][1], len(said()[0][1]) // 2)
    for message in said()[1:12]:
        made.say(*message)
    packets = made.segments
    packets.insert(4 + 9, packets.pop(3))
    found = [*trace(tmp_path, packets)]
    assert [record.data for record in found if not record.notes] == [data for _, data in said()[1:12]]
    [rest] = [record for record in found if record.notes]
    assert (rest.notes, rest.data) == (
        ("13 bytes: the rest of a message whose beginning was not captured",),
        said()[0][1][-13:],
    )


# --- what is missing -----------------------------------------------------------------------------------------------


def test_a_lost_segment_is_reported_and_the_rest_is_read(tmp_path: Path) -> None:
    made = talk(said()[:10])
    del made.segments[3 + 6]  # GET_DIGESTS or so: its answer acknowledges it
    found = [*trace(tmp_path, made.segments)]
    size = len(said()[6][1])
    assert [record.problems[0].reason for record in found if record.problems] == [
        f"{size} bytes of the stream were not captured"
    ]
    whole = [record.data for record in found if not record.problems]
    assert whole == [data for at, (_, data) in enumerate(said()[:10]) if at != 6]


def test_a_message_that_lost_its_middle_keeps_its_entry(tmp_path: Path) -> None:
    sender, certificate = max(said()[:20], key=lambda message: len(message[1]))
    made = talk(((sender, certificate),), 500).say(1 - sender, said()[0][1]).say(sender, said()[2][1])
    del made.segments[3 + 1]
    found = [*trace(tmp_path, made.segments)]
    reasons = [record.problems[0].reason for record in found if record.problems]
    assert reasons == [f"500 bytes of the stream were not captured, of {len(certificate)} bytes here 500"]
    assert found[0].data == certificate[:500]
    assert [record.data for record in found if not record.problems and not record.notes] == [
        said()[0][1],
        said()[2][1],
    ]
    assert [record.notes[0] for record in found if record.notes] == [
        f"{len(certificate) - 1000} bytes: the rest of a message whose beginning was not captured"
    ]


def test_a_capture_that_begins_in_the_middle(tmp_path: Path) -> None:
    made = talk(said()[:12], 10)
    found = [*trace(tmp_path, made.segments[4:])]
    assert [note for record in found for note in record.notes] == [
        "16 bytes: the rest of a message that began before the capture"
    ]
    whole = [record.data for record in found if not record.notes]
    assert whole == [data for _, data in said()[:12]][-len(whole) :]
    assert len(whole) >= 9
    assert not [record for record in found if record.problems]


def test_a_capture_that_ends_in_the_middle(tmp_path: Path) -> None:
    made = talk(said()[:3], 15)
    *before, last = trace(tmp_path, made.segments[:-1])
    assert [record.problems for record in before] == [(), ()]
    size = len(said()[2][1])
    assert [problem.reason for problem in last.problems] == [
        f"the stream ends inside a message, of {size} bytes here {len(last.data)}"
    ]
    assert said()[2][1].startswith(last.data)


def test_packets_that_were_cut_while_captured(tmp_path: Path) -> None:
    packets = [linked(LinkType.RAW, packet) for packet in talk(said()[:8]).segments]
    found = [*open_capture(capture(tmp_path / "file", packets, LinkType.RAW, snapped=60))]
    reasons = [record.problems[0].reason for record in found if record.problems]
    assert reasons
    assert all("were not captured" in reason or "ends inside" in reason for reason in reasons)


def test_a_connection_that_is_reset_ends_at_once(tmp_path: Path) -> None:
    made = talk(((0, said()[2][1][:15]),))
    made.segment(1, b"", rst=True)
    made.segment(1, b"late")
    [record] = trace(tmp_path, made.segments, port=2323)
    assert record.problems[0].reason.startswith("the stream ends inside a message")


def test_ports_that_are_used_again_make_another_connection(tmp_path: Path) -> None:
    first, second = talk(said()[:4]), talk(said()[:4], sequences=[70_000, 80_000])
    found = trace(tmp_path, first.segments + second.segments)
    assert [record.data for record in found] == [data for _, data in said()[:4]] * 2


def test_bytes_that_are_no_frame_end_with_the_next_segment_that_begins_one(tmp_path: Path) -> None:
    made = talk(said()[:4]).say(0, b"rubbish").say(0, said()[4][1])
    found = [*trace(tmp_path, made.segments)]
    assert [problem.reason for record in found for problem in record.problems] == ["7 bytes that are no frame"]
    assert [record.data for record in found] == [data for _, data in said()[:4]] + [b"rubbish", said()[4][1]]


# --- whose connection it is ----------------------------------------------------------------------------------------


def test_other_connections_and_packets_leave_one_entry_each(tmp_path: Path) -> None:
    web = talk(((0, b"GET / HTTP/1.1\r\n\r\n"), (1, b"HTTP/1.1 200 OK\r\n\r\n" * 300)), 700, ports=(60_000, 80))
    ours = talk(said()[:4])
    arp = bytes(12) + EtherType.ARP.to_bytes(2, "big") + bytes(46)
    udp = linked(LinkType.ETHERNET, ours.segments[0])
    udp = udp[:23] + bytes([17]) + udp[24:]
    mixed = [
        linked(LinkType.ETHERNET, packet)
        for at in range(max(len(web.segments), len(ours.segments)))
        for packet in web.segments[at : at + 1] + ours.segments[at : at + 1]
    ]
    file = capture(tmp_path / "file", [arp, udp, *mixed, arp, udp])
    found = [*open_capture(file)]
    assert [record.number for record in found] == list(range(1, len(found) + 1))
    assert [record.data for record in found if record.transport] == [data for _, data in said()[:4]]
    assert [record.notes for record in found if not record.transport] == [
        ("EtherType 0x0806 (ARP): not read, here and in all packets that follow",),
        ("IP protocol 17: not read, here and in all packets that follow",),
        ("TCP connection between 10.0.0.1:60000 and 10.0.0.2:80: no frames of SPDM in it, so it is left out",),
    ]
    assert [record.data for record in open_capture(file, port=2323)] == [data for _, data in said()[:4]]


def test_with_a_port_bytes_that_are_no_frame_are_a_problem(tmp_path: Path) -> None:
    packets = talk(((0, b"SSH-2.0\r\n"),)).segments
    [record] = trace(tmp_path, packets, port=2323)
    assert record.problems[0].reason == "9 bytes that are no frame"
    assert len(trace(tmp_path, packets, port=22)) == 0


def test_empty_connections_leave_nothing(tmp_path: Path) -> None:
    assert len(trace(tmp_path, talk().segments)) == 0


def test_fragments_and_damaged_packets_have_entries(tmp_path: Path) -> None:
    [whole] = talk(((0, GET_VERSION),)).segments[3:]
    fragment = whole[:6] + b"\x20\x00" + whole[8:]
    packets = [fragment, whole[:12], whole[:30], b"", b"\x4f" + whole[1:40]]
    found = [*open_capture(capture(tmp_path / "file", packets, LinkType.RAW))]
    assert found[0].notes == ("fragments of IP: not read, here and in all packets that follow",)
    assert all(record.problems for record in found[1:])
    assert len(found) == 5


# --- what is in it -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "transport", "skipped"),
    [
        ("s01-doe12-p384-full", PlatformTransport.PCI_DOE, 0),
        ("s08-doe12-psk-only", PlatformTransport.PCI_DOE, 0),
        ("s03-mctp11-p256-aes128", PlatformTransport.MCTP, 4),
    ],
)
def test_other_transports_on_the_socket(name: str, transport: int, skipped: int, tmp_path: Path) -> None:
    """What the emulators record as DOE or MCTP packets went over their socket: put it back there."""
    asks = {Direction.REQUEST: 0, Direction.RESPONSE: 1}
    messages = [*greetings(transport)]
    for record, frame in zip(records(name), frames(name), strict=True):
        assert record.direction is not None
        messages.append((asks[record.direction], platform(frame.data[skipped:], transport)))
    found = trace(tmp_path, talk(tuple(messages)).segments, **secrets(name))
    inner = [
        [layer for layer in plain(record)["layers"] if layer["layer"] not in ("socket", "mctp")] for record in found
    ]
    wanted = [[layer for layer in plain(record)["layers"] if layer["layer"] != "mctp"] for record in records(name)]
    assert inner[2:] == wanted
    assert {record.transport for record in found} == {records(name)[0].transport}
    assert [record.direction for record in found][2:] == [record.direction for record in records(name)]


def test_bare_messages_on_the_socket(tmp_path: Path) -> None:
    messages = tuple((who, platform(data, PlatformTransport.NONE)) for who, data in ((0, GET_VERSION), (1, VERSION)))
    found = [*trace(tmp_path, talk(messages).segments)]
    assert titles(found) == ["GET_VERSION", "VERSION"]
    assert [record.transport for record in found] == ["none", "none"]


def binding() -> tuple[tuple[int, bytes], ...]:
    """Return the recorded session as it is without the emulators' socket."""
    asks = {Direction.REQUEST: 0, Direction.RESPONSE: 1}
    return tuple(
        (asks[record.direction], record.layers[1].data)
        for record in recorded()
        if len(record.layers) > 1 and record.direction
    )


@pytest.mark.parametrize("size", [3, 100, None])
def test_the_binding_without_a_socket(size: int | None, tmp_path: Path) -> None:
    found = trace(tmp_path, talk(binding(), size, ports=(50_000, 4194)).segments, **secrets(NAME))
    assert titles(found) == titles(record for record in recorded() if len(record.layers) > 1)
    assert [layer.name for layer in found[-1].layers] == ["tcp", "secured", "spdm"]
    assert all(record.is_decrypted is not False for record in found)


@pytest.mark.parametrize("length", [0, 2])
def test_a_role_inquiry_comes_bare(length: int, tmp_path: Path) -> None:
    """The responder connects, says its role, and is asked by frames of the socket from then on."""
    inquiry = TcpFrame(payload_length=length, message_type=TcpMessageType.ROLE_INQUIRY).build()
    found = [*trace(tmp_path, talk(((1, inquiry), *said()[:4])).segments)]
    assert [record.layers[0].name for record in found] == ["tcp", "socket", "socket", "socket", "socket"]
    assert "ROLE_INQUIRY" in found[0].summary()
    assert not [record for record in found if record.problems]


def test_either_end_may_ask(tmp_path: Path) -> None:
    """What one end asks and what the other asks are two conversations."""
    asked = TcpFrame(message_type=TcpMessageType.OUT_OF_SESSION, message=GET_VERSION).build()
    answered = TcpFrame(message_type=TcpMessageType.OUT_OF_SESSION, message=VERSION).build()
    made = talk(((0, asked), (1, asked), (0, answered), (1, answered)))
    found = [*trace(tmp_path, made.segments)]
    assert [(record.direction, record.layers[0].facts["source"][-5:]) for record in found] == [
        (Direction.REQUEST, "50000"),
        (Direction.REQUEST, ":2323"),
        (Direction.RESPONSE, "50000"),
        (Direction.RESPONSE, ":2323"),
    ]


def test_mctp_packets_that_linux_captured(tmp_path: Path) -> None:
    name = "s03-mctp11-p256-aes128"
    packets = [cooked_mctp(frame.data) for frame in frames(name)]
    file = capture(tmp_path / "file", packets, LinkType.LINUX_SLL)
    assert [plain(record) for record in open_capture(file, **secrets(name))] == [
        plain(record) for record in records(name)
    ]
    assert CookedHeader.parse(packets[0][:16]).hardware_type == 290


def test_the_capture_file_is_the_recorded_one() -> None:
    assert len(path(NAME).read_bytes()) == 54266

"""Streams: what two ends of a link make of traffic of every kind, of refreshes, and of the published vectors."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from pytio import ide
from pytio.errors import LocalProtocolError
from pytio.ide import IdeError, StreamCause, StreamState, Tlp
from pytio.ids import Direction, KeySlot, SubStream
from tests.ide.links import (
    ENDPOINT_ID,
    ROOT_PORT_ID,
    STREAM,
    Link,
    Traffic,
    configs,
    deliver,
    drain,
    errors,
    link,
    received,
    reorder_legally,
    slots,
)

pytestmark = pytest.mark.usefixtures("on_provider")

KEY = bytes.fromhex("df254152056e02e0ef8b7feb9739d4d96a4eb80103241df7cd5e24b49ccd2720")
WRITE = Tlp.parse(bytes.fromhex("60000004 010005ff 00000012 34567000") + bytes(range(16)))
READ = Tlp.parse(bytes.fromhex("20000001 0100060f 00000012 34567000"))
AGGREGATED = [
    Tlp.parse(bytes.fromhex("60000001 0100070f 00000012 34567000 deadbeef")),
    Tlp.parse(bytes.fromhex("60000001 0100080f 00000012 34567004 cafef00d")),
]


def stream_with_one_key(ifv: int = 1, **changes: Any) -> ide.Stream:
    """Return a stream that sends under the key of the vectors."""
    stream = ide.Stream(configs(**changes)[0])
    for direction in Direction:
        for slot in slots(0, direction):
            stream.program(slot, KEY, ifv)
            stream.go(slot)
    stream.enable()
    return stream


def test_the_write_of_the_vectors() -> None:
    stream = stream_with_one_key()
    stream.send(WRITE, tee=True)
    assert drain(stream) == [
        bytes.fromhex(
            "9200bc05 60000004 010005ff 00000012 345670004d92f890 a4421e8e 6ac2d565 b7886648 e69dbc3e 78e41592 7376c22e"
        )
    ]


def test_the_write_with_pcrc_of_the_vectors() -> None:
    stream = stream_with_one_key(ifv=2, pcrc=True)
    stream.send(WRITE, tee=True)
    assert drain(stream) == [
        bytes.fromhex(
            "9200bc0d 60000004 010005ff 00000012 34567000"
            "42577301 7171099c cef7046f 2cbbd8ce f60d4fab 275a4358 a7babce5 b988beef"
        )
    ]


def test_the_read_of_the_vectors() -> None:
    """The counter is 2: two posted requests went before."""
    stream = stream_with_one_key()
    for _ in range(2):
        stream.send(WRITE, tee=True)
    stream.send(READ, tee=True)
    assert drain(stream)[2] == bytes.fromhex("9202bc15 20000001 0100060f 00000012 34567000 578ccd42 059efa5b 32909929")


def test_the_aggregated_writes_of_the_vectors() -> None:
    stream = stream_with_one_key(ifv=3, aggregation=2)
    for write in AGGREGATED:
        stream.send(write, tee=True)
    assert drain(stream) == [
        bytes.fromhex("9200bc01 60000001 0100070f 00000012 34567000 d48e575e"),
        bytes.fromhex("9200bc05 60000001 0100080f 00000012 34567004 b4726dd6 7c2f9a30 78be3bd1 aac34add"),
    ]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"aggregation": 2},
        {"aggregation": {SubStream.PR: 8, SubStream.NPR: 1, SubStream.CPL: 4}},
        {"pcrc": True},
        {"aggregation": 8, "pcrc": True},
        {"header_encryption": ide.HeaderEncryption.ADDRESS_25_2},
        {"aggregation": 4, "pcrc": True, "header_encryption": ide.HeaderEncryption.ADDRESS_41_2},
        {"aggregation": 8, "early_release": True},
        {"kind": ide.StreamKind.LINK, "aggregation": 4},
    ],
    ids=str,
)
def test_traffic_of_every_kind_arrives(changes: dict[str, Any], soak_rounds: int) -> None:
    """In both directions, reordered as is legal, with a refresh now and then: nothing fails, nothing is lost."""
    exchange(link(7, **changes), soak_rounds)


def exchange(made: Link, rounds: int) -> None:
    random = made.random
    ends = (made.endpoint, made.root_port)
    traffic = (Traffic(random, ENDPOINT_ID, is_root_port=False), Traffic(random, ROOT_PORT_ID, is_root_port=True))
    key_set = 0
    for turn in range(rounds):
        if turn % 40 == 39 and made.is_settled(key_set):
            key_set = 1 - key_set
            made.refresh(key_set)
        for number, end in enumerate(ends):
            sent = []
            for _ in range(random.randint(0, 12)):
                tlp = traffic[number].next()
                tee = random.random() < 0.5
                end.send(tlp, tee=tee)
                sent.append((tlp, tee))
            wire = drain(end)
            other = ends[1 - number]
            events = deliver(other, reorder_legally(random, wire))
            assert errors(events) == []
            got = received(events)
            for sub_stream in SubStream:
                assert [each for each in got if each[0].header.sub_stream is sub_stream] == [
                    each for each in sent if each[0].header.sub_stream is sub_stream
                ]
            traffic[1 - number].asked += [tlp for tlp, _ in got if tlp.header.sub_stream is SubStream.NPR]
        assert {end.state for end in ends} == {StreamState.SECURE}


def test_traffic_in_flit_mode_arrives() -> None:
    made = link(3, flit_mode=True, aggregation=4, pcrc=True, header_encryption=ide.HeaderEncryption.ADDRESS_33_2)
    random = Random(5)
    sent = []
    for number in range(200):
        payload = random.randbytes(4 * random.randint(1, 8))
        fields: dict[str, Any] = {"length": len(payload) // 4, "requester_id": ENDPOINT_ID, "tag": number}
        ohc = (ide.OhcA1(pasid_valid=True, pasid=number, first_dw_be=0xF),) if number % 2 else ()
        if number % 3:
            header = ide.FlitMemoryRequest64(
                tlp_type=ide.FlitType.MWR64, address_63_2=random.getrandbits(50), ohc_a=bool(ohc), **fields
            )
            tlp = Tlp(header=header, payload=payload, ohc=ohc)
        else:
            read = ide.FlitMemoryRequest32(
                tlp_type=ide.FlitType.MRD32, address_31_2=random.getrandbits(30), ohc_a=bool(ohc), **fields
            )
            tlp = Tlp(header=read, ohc=ohc)
        made.endpoint.send(tlp, tee=True)
        sent.append((tlp, True))
    events = deliver(made.root_port, drain(made.endpoint))
    assert errors(events) == []
    assert received(events) == sent


def test_the_requester_segment_survives_flit_mode() -> None:
    made = link(3, flit_mode=True)
    header = ide.FlitMemoryRequest32(tlp_type=ide.FlitType.MRD32, address_31_2=4, length=1, ohc_c=True)
    segment = ide.OhcC(requester_segment=3, requester_segment_valid=True)
    made.root_port.send(Tlp(header=header, ohc=(segment,)))
    (got,) = received(deliver(made.endpoint, drain(made.root_port)))
    assert got[0].ohc == (segment,)
    assert got[0] == Tlp(header=header, ohc=(segment,))


def test_a_unit_takes_what_is_waiting_and_no_more() -> None:
    made = link(aggregation=4)
    for _ in range(6):
        made.endpoint.send(WRITE)
    assert [bool(Tlp.parse(message).mac) for message in drain(made.endpoint)] == [
        False,
        False,
        False,
        True,
        False,
        True,
    ]
    made.endpoint.send(WRITE)
    assert [bool(Tlp.parse(message).mac) for message in drain(made.endpoint)] == [True]


def test_units_of_different_sub_streams_interleave_and_arrive_in_order() -> None:
    """A read whose MAC holds waits for a write before it whose MAC has not come yet."""
    made = link(aggregation=2)
    for tlp in (WRITE, READ, WRITE):
        made.endpoint.send(tlp)
    first, second, third = drain(made.endpoint)
    assert deliver(made.root_port, [first, second]) == []
    assert [tlp for tlp, _ in received(deliver(made.root_port, [third]))] == [WRITE, READ, WRITE]


def test_early_release_says_that_it_is_early() -> None:
    made = link(aggregation=2, early_release=True)
    for write in AGGREGATED:
        made.endpoint.send(write)
    first, second = drain(made.endpoint)
    (early,) = made.root_port.receive(first)
    assert isinstance(early, ide.TlpReceived)
    assert (early.tlp, early.is_verified) == (AGGREGATED[0], False)
    verified, late = made.root_port.receive(second)
    assert verified == ide.UnitVerified(STREAM, 2)
    assert isinstance(late, ide.TlpReceived)
    assert late.is_verified


def test_a_sync_goes_out_before_a_counter_is_full() -> None:
    made = link()
    for _ in range(600):
        made.endpoint.send(AGGREGATED[0])
    wire = drain(made.endpoint)
    syncs = [tlp.header for tlp in map(Tlp.parse, wire) if isinstance(tlp.header, ide.IdeMessage)]
    assert [(sync.pr_sent_counter_npr, sync.pr_sent_counter_cpl) for sync in syncs] == [(255, 255), (255, 255)]
    assert [sync.destination_id for sync in syncs] == [ROOT_PORT_ID] * 2
    assert len(received(deliver(made.root_port, wire))) == 600


def test_a_link_stream_sends_its_messages_to_the_other_end_of_the_link() -> None:
    made = link(kind=ide.StreamKind.LINK)
    for _ in range(254):
        made.endpoint.send(AGGREGATED[0])
    assert Tlp.parse(drain(made.endpoint)[-1]).header.tlp_type is ide.TlpType.MSG_LOCAL


# states


def test_a_stream_becomes_ready_then_secure() -> None:
    stream = ide.Stream(configs()[0])
    all_slots = [slot for direction in Direction for slot in slots(0, direction)]
    for slot in all_slots[:-1]:
        assert stream.program(slot, KEY) == []
    assert stream.program(all_slots[-1], KEY) == [
        ide.StateChanged(STREAM, StreamState.READY, StreamCause.KEYS_COMPLETE)
    ]
    assert stream.enable() == []
    for slot in all_slots[:-1]:
        assert stream.go(slot) == []
    assert stream.go(all_slots[-1]) == [ide.StateChanged(STREAM, StreamState.SECURE, StreamCause.SECURED)]


def test_without_a_rid_association_a_selective_stream_is_never_secure() -> None:
    made = link(enabled=False, rid_range=None)
    made.endpoint.enable()
    assert made.endpoint.state is StreamState.READY
    other = link(enabled=False, rid_range=None, kind=ide.StreamKind.LINK)
    other.endpoint.enable()
    assert other.endpoint.state is StreamState.SECURE


def test_a_switched_on_key_that_is_not_there_changes_nothing() -> None:
    stream = ide.Stream(configs()[0])
    assert stream.go(slots(0, Direction.TX)[0]) == []
    assert stream.state is StreamState.INSECURE


@pytest.mark.parametrize("cause", sorted(set(StreamCause) - {StreamCause.KEYS_COMPLETE, StreamCause.SECURED}, key=str))
def test_whatever_makes_a_stream_insecure_destroys_its_keys(cause: StreamCause) -> None:
    made = link()
    held = [made.endpoint._keys.active(direction, each) for direction in Direction for each in SubStream]
    assert made.endpoint.happen(cause) == [ide.StateChanged(STREAM, StreamState.INSECURE, cause)]
    assert all(key is not None and key.key.is_closed for key in held)
    assert not made.endpoint._keys.has_all(is_on=False)
    with pytest.raises(LocalProtocolError, match="not Secure"):
        made.endpoint.send(WRITE)
    made.root_port.send(READ)
    assert errors(deliver(made.endpoint, drain(made.root_port))) == [IdeError.MISROUTED]


def test_every_transition_is_of_a_state_and_a_cause() -> None:
    for (before, cause), after in ide.TRANSITIONS.items():
        assert after is not StreamState.SECURE or (before, cause) == (StreamState.READY, StreamCause.SECURED)
    with pytest.raises(ValueError, match="does not make"):
        link().endpoint.happen(StreamCause.SECURED)


def test_a_stream_recovers_with_new_keys() -> None:
    made = link()
    made.endpoint.disable()
    made.root_port.disable()
    made.program(0)
    made.go(0)
    made.endpoint.enable()
    made.root_port.enable()
    made.endpoint.send(WRITE)
    assert received(deliver(made.root_port, drain(made.endpoint))) == [(WRITE, False)]


def test_stopping_the_key_set_in_use_ends_security_and_stopping_the_other_does_not() -> None:
    made = link()
    made.program(1)
    assert made.endpoint.stop(slots(1, Direction.TX)[0]) == []
    assert made.endpoint.state is StreamState.SECURE
    events = made.endpoint.stop(slots(0, Direction.TX)[0])
    assert events == [ide.StateChanged(STREAM, StreamState.INSECURE, StreamCause.KEY_SET_STOPPED)]


def test_the_key_in_use_cannot_be_programmed() -> None:
    made = link()
    with pytest.raises(ValueError, match="K0/TX/PR is in use"):
        made.endpoint.program(slots(0, Direction.TX)[0], KEY)


@pytest.mark.parametrize("slot", [KeySlot(direction=Direction.TX, sub_stream=SubStream(5))])
def test_keys_that_cannot_be(slot: KeySlot) -> None:
    stream = ide.Stream(configs()[0])
    with pytest.raises(ValueError, match="no sub-stream 5"):
        stream.program(slot, KEY)
    with pytest.raises(ValueError, match="32 bytes, not 31"):
        stream.program(slots(0, Direction.TX)[0], KEY[:31])


def test_a_refresh_toggles_k_with_the_next_unit_and_loses_nothing() -> None:
    made = link(aggregation=2)
    made.program(1)
    made.go(1, Direction.RX)
    for _ in range(3):
        made.endpoint.send(WRITE)
    first = made.endpoint.bytes_to_send()
    made.go(1, Direction.TX)  # in the middle of a unit
    assert first is not None
    wire = [first, *drain(made.endpoint)]
    assert [Tlp.parse(message).ide.k for message in wire] == [0, 0, 1]  # type: ignore[union-attr]
    events = deliver(made.root_port, wire)
    assert len(received(events)) == 3
    assert [event.slot.key_set for event in events if isinstance(event, ide.KeySetChanged)] == [1]
    assert [str(event.slot) for event in made.endpoint.events() if isinstance(event, ide.KeySetChanged)] == ["K1/TX/PR"]
    old = KeySlot(key_set=0, direction=Direction.RX, sub_stream=SubStream.PR)
    assert made.root_port._keys.held(old.direction, old.sub_stream, 0) is None


def test_the_last_iv_stops_the_stream() -> None:
    made = link(ifv=(1 << 64) - 2)
    for _ in range(3):
        made.endpoint.send(WRITE)
    wire = drain(made.endpoint)
    assert len(wire) == 2
    assert made.endpoint.events() == [ide.StateChanged(STREAM, StreamState.INSECURE, StreamCause.INVOCATIONS_EXHAUSTED)]
    events = deliver(made.root_port, wire)
    assert len(received(events)) == 2
    assert made.root_port.state is StreamState.INSECURE


# what cannot be sent


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("02000001 0100050f 0000cf8c", "selective streams do not carry it"),
        ("04000001 0100050f 02000010", "selective streams do not carry it"),
        ("05000001 0100050f 02000010", "bit 9"),
        ("40100001 0100050f 12345678 deadbeef", "for TC 0"),
        ("40008001 0100050f 12345678 deadbeef 01020304", "ECRC"),
        ("9200bc01 40000001 0100050f 12345678 deadbeef", "IDE prefix"),
        ("32000000 01000054 02000000 bc050700", "IDE messages"),
    ],
)
def test_what_a_selective_stream_does_not_send(raw: str, reason: str) -> None:
    with pytest.raises(LocalProtocolError, match=reason):
        link().endpoint.send(Tlp.parse(bytes.fromhex(raw)))


def test_t_needs_tee_io() -> None:
    with pytest.raises(LocalProtocolError, match="T means nothing"):
        link(is_tee_io_supported=False).endpoint.send(WRITE, tee=True)


def test_the_other_mode_is_refused() -> None:
    with pytest.raises(LocalProtocolError, match="other mode"):
        link(flit_mode=True).endpoint.send(WRITE)


def test_a_tag_is_taken_until_its_completion_came() -> None:
    made = link()
    made.endpoint.send(READ)
    with pytest.raises(LocalProtocolError, match="tag is taken"):
        made.endpoint.send(READ)
    deliver(made.root_port, drain(made.endpoint))
    for part, left in ((8, 16), (8, 8)):
        answer = ide.completion(READ, bytes(part))
        header = answer.header.replace(byte_count=left)
        made.root_port.send(answer.replace(header=header))
    assert len(received(deliver(made.endpoint, drain(made.root_port)))) == 2
    made.endpoint.send(READ)


@pytest.mark.parametrize("changes", [{"stream_id": 256}, {"stream_id": 1, "aggregation": 3}])
def test_configurations_that_cannot_be(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"256|aggregation"):
        ide.StreamConfig(**changes)


def test_a_stream_has_no_deadline_and_shows_no_key() -> None:
    stream = link().endpoint
    assert stream.wake_at() is None
    assert stream.wake(1.0) == []
    assert repr(stream) == "<Stream 0xbc SECURE>"

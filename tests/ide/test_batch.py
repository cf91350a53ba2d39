"""Batches: the same bytes, the same TLPs and the same failures as one TLP at a time, compiled or not."""

from __future__ import annotations

import threading
from array import array
from random import Random
from typing import Any

import pytest

from pytio import ide
from pytio.errors import IdeDecodeError, LocalProtocolError
from pytio.ide import HeaderEncryption, IdeError, StreamState, Tlp, index_of
from pytio.ide.unit_keys import Provider
from pytio.ids import Direction, SubStream
from tests.ide.links import (
    ENDPOINT_ID,
    ROOT_PORT_ID,
    Link,
    Traffic,
    drain,
    link,
    reorder_legally,
)

pytestmark = pytest.mark.usefixtures("on_provider")

WRITE = ide.memory_write(0x12_3456_7000, bytes(range(16)), requester_id=ENDPOINT_ID).build()
READ = ide.memory_read(0x12_3456_7000, 4, requester_id=ENDPOINT_ID, tag=7).build()
CONFIGS: list[dict[str, Any]] = [
    {},
    {"aggregation": 2},
    {"aggregation": {SubStream.PR: 8, SubStream.NPR: 1, SubStream.CPL: 4}},
    {"pcrc": True},
    {"aggregation": 8, "pcrc": True},
    {"header_encryption": HeaderEncryption.ADDRESS_17_2},
    {"aggregation": 4, "pcrc": True, "header_encryption": HeaderEncryption.ADDRESS_41_2},
    {"kind": ide.StreamKind.LINK, "aggregation": 4},
]


def one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Send batches through the engine from now on."""
    monkeypatch.setattr("pytio.ide.batch.IS_PURE_WANTED", True)


def traffic_of(made: Link, seed: int, count: int) -> tuple[list[bytes], bytearray]:
    """Return TLPs of every kind, and T of each, for the endpoint to send."""
    source = Traffic(Random(seed), ENDPOINT_ID, is_root_port=False)
    other = Traffic(Random(seed + 1), ROOT_PORT_ID, is_root_port=False)
    tlps = []
    for _ in range(count):
        if (asked := other.next()).header.sub_stream is SubStream.NPR:
            source.asked.append(asked)
        tlps.append(source.next().build())
    return tlps, bytearray(made.random.randrange(2) for _ in tlps)


@pytest.mark.parametrize("changes", CONFIGS, ids=str)
def test_a_batch_is_what_one_at_a_time_makes(changes: dict[str, Any]) -> None:
    batched, single = link(3, **changes), link(3, **changes)
    tlps, tee = traffic_of(batched, 5, 400)
    tlps += [WRITE] * 600
    tee += bytes(600)
    wire = batched.endpoint.send_batch(*index_of(tlps), tee=tee)
    for tlp, t in zip(tlps, tee, strict=True):
        single.endpoint._transmitter.push(Tlp.parse(tlp), bool(t))
    assert list(wire) == drain(single.endpoint)
    assert len(wire) == len(tlps) + 2, "there are more than 508 posted requests in a row, so IDE Sync is among them"
    received = batched.root_port.receive_batch(wire.data, wire.index)
    assert list(received) == tlps
    assert bytes(received.is_tee) == bytes(tee)
    assert received.taken == len(wire)
    assert received.events == ()
    assert batched.root_port._receiver.counters == ide.ReceivedCounters(
        batched.endpoint._transmitter.counters.npr, batched.endpoint._transmitter.counters.cpl
    )


@pytest.mark.parametrize("changes", CONFIGS, ids=str)
def test_many_batches_with_refreshes_and_legal_reordering(changes: dict[str, Any], soak_rounds: int) -> None:
    """Nothing fails, and nothing is lost; units do not go beyond a batch."""
    made = link(9, **changes)
    random, key_set = made.random, 0
    for turn in range(soak_rounds // 10):
        tlps, tee = traffic_of(made, turn, random.randrange(60))
        wire = made.endpoint.send_batch(*index_of(tlps), tee=tee)
        mixed = reorder_legally(random, list(wire))
        received = made.root_port.receive_batch(*index_of(mixed))
        assert sorted(received) == sorted(tlps)
        assert all(isinstance(event, ide.KeySetChanged) for event in received.events)
        if turn % 5 == 4 and made.is_settled_one_way(key_set):
            key_set = 1 - key_set
            made.refresh(key_set)


def test_one_at_a_time_and_batches_mix() -> None:
    made = link(aggregation=2)
    for _ in range(3):
        wire = made.endpoint.send_batch(*index_of([WRITE, READ, WRITE]))
        for message in wire:
            assert not [event for event in made.root_port.receive(message) if isinstance(event, ide.ErrorDetected)]
        made.endpoint._transmitter.push(Tlp.parse(WRITE), is_tee=False)
        received = made.root_port.receive_batch(*index_of(drain(made.endpoint)))
        assert list(received) == [WRITE]


def test_a_unit_whose_mac_is_not_there_yet_is_left() -> None:
    made = link(aggregation=4)
    wire = list(made.endpoint.send_batch(*index_of([READ, WRITE, WRITE, WRITE, WRITE, READ])))
    first = made.root_port.receive_batch(*index_of(wire[:3]))
    assert (first.taken, list(first)) == (0, [])  # the reads are a unit, too, which ends with the batch
    rest = made.root_port.receive_batch(*index_of(wire))
    assert (rest.taken, len(rest)) == (6, 6)


def test_two_units_one_of_them_whole() -> None:
    made = link(aggregation=2)
    wire = list(made.endpoint.send_batch(*index_of([WRITE, WRITE, WRITE, WRITE])))
    first = made.root_port.receive_batch(*index_of(wire[:3]))
    assert (first.taken, len(first)) == (2, 2)
    assert len(made.root_port.receive_batch(*index_of(wire[2:]))) == 2


def test_an_empty_batch_is_nothing() -> None:
    made = link()
    assert list(made.endpoint.send_batch(b"", array("Q", [0]))) == []
    received = made.root_port.receive_batch(b"", array("Q", [0]))
    assert (list(received), received.taken, received.events) == ([], 0, ())


# attacks


def damaged(random: Random, wire: list[bytes]) -> list[bytes]:
    """Return what an attacker makes of a batch."""
    made = list(wire)
    at = random.randrange(len(made))
    match random.choice(("flip", "flip", "drop", "twice", "swap", "foreign", "none")):
        case "flip":
            raw = bytearray(made[at])
            raw[random.randrange(len(raw))] ^= 1 << random.randrange(8)
            made[at] = bytes(raw)
        case "drop":
            del made[at]
        case "twice":
            made.insert(random.randrange(len(made)), made[at])
        case "swap":
            other = random.randrange(len(made))
            made[at], made[other] = made[other], made[at]
        case "foreign":
            made[at] = made[at][:2] + bytes([made[at][2] ^ 5]) + made[at][3:]
    return made


@pytest.mark.parametrize("changes", [*CONFIGS, {"rid_range": ide.RidRange(0x0200, 0x02FF)}], ids=str)
def test_attacks_end_the_same_way_compiled_or_not(
    changes: dict[str, Any], soak_rounds: int, monkeypatch: pytest.MonkeyPatch, on_provider: Provider
) -> None:
    """Same TLPs, same errors, same state, whatever was done to the batch."""
    if on_provider.name == "pure":
        pytest.skip("plain Python goes one by one anyway")
    random = Random(11)
    errors = set()
    for turn in range(soak_rounds):
        fast, slow = link(turn, **changes), link(turn, **changes)
        tlps, tee = traffic_of(fast, turn, random.randint(1, 60))
        wire = list(fast.endpoint.send_batch(*index_of(tlps), tee=tee))
        attacked = damaged(random, wire)
        outcomes = []
        for made in (fast, slow):
            with monkeypatch.context() as patch:
                if made is slow:
                    one_by_one(patch)
                outcomes.append(outcome(made, attacked))
        assert outcomes[0] == outcomes[1]
        errors |= {error for error, _ in outcomes[0][2]}
    assert IdeError.MAC_MISMATCH in errors


def outcome(made: Link, wire: list[bytes]) -> tuple[Any, ...]:
    try:
        received = made.root_port.receive_batch(*index_of(wire))
    except IdeDecodeError as error:
        return ("malformed", error.offset, ())
    errors = sorted(
        (event.error, str(event.header)) for event in received.events if isinstance(event, ide.ErrorDetected)
    )
    rest = [event for event in received.events if isinstance(event, ide.StateChanged)]
    return (list(received), bytes(received.is_tee), errors, rest, made.root_port.state, received.taken)


def test_what_does_not_verify_is_not_in_the_buffer() -> None:
    made = link()
    secret = ide.memory_write(0x1000, b"attack at dawn!!", requester_id=ENDPOINT_ID).build()
    wire = made.endpoint.send_batch(*index_of([WRITE, secret, secret]))
    raw = bytearray(wire.data[: wire.index[-1]])
    raw[wire.index[1] + 30] ^= 1
    out = bytearray(len(raw))
    received = made.root_port.receive_batch(raw, wire.index, out=out)
    assert list(received) == [WRITE]
    assert b"dawn" not in out
    assert made.root_port.state is StreamState.INSECURE
    with pytest.raises(LocalProtocolError, match="not Secure"):
        made.root_port.receive_batch(raw, wire.index)


def test_the_tlp_that_failed_is_told() -> None:
    made = link()
    wire = made.endpoint.send_batch(*index_of([WRITE] * 40))
    raw = bytearray(wire.data[: wire.index[-1]])
    raw[wire.index[35] + 30] ^= 1
    received = made.root_port.receive_batch(raw, wire.index)
    assert (len(received), received.taken) == (35, 40)
    assert [event.error for event in received.events if isinstance(event, ide.ErrorDetected)] == [IdeError.MAC_MISMATCH]
    (fail,) = drain(made.root_port)
    assert made.endpoint.receive(fail)


# misuse


def test_one_batch_on_a_used_number_is_refused() -> None:
    made = link()
    made.endpoint.send_batch(*index_of([WRITE, WRITE]))
    held = made.endpoint._keys.active(Direction.TX, SubStream.PR)
    assert held is not None
    assert (held.invocation, held.key.next_invocation) == (3, 3)
    held.invocation = 2
    with pytest.raises(ValueError, match="invocation 2 was used"):
        made.endpoint.send_batch(*index_of([WRITE]))


@pytest.mark.parametrize(
    "bad",
    [
        WRITE[:-1],
        WRITE + b"\0",
        b"",
        b"\x1f" + WRITE[1:],
        bytes.fromhex("02000001 0100050f 0000cf8c"),  # I/O
        bytes.fromhex("40100001 0100050f 12345678 deadbeef"),  # another traffic class
        bytes.fromhex("9200bc01 40000001 0100050f 12345678 deadbeef"),
        bytes.fromhex("32000000 01000054 02000000 bc050700"),
        bytes.fromhex("40008001 0100050f 12345678 deadbeef 01020304"),  # ECRC
        bytes.fromhex("05000001 0100050f 02000010"),
    ],
)
def test_what_is_not_sent_stops_the_batch_before_it_begins(bad: bytes) -> None:
    made = link()
    with pytest.raises(ValueError, match="TLP 1 is malformed, or of a kind that the stream does not send"):
        made.endpoint.send_batch(*index_of([WRITE, bad, WRITE]))
    wire = made.endpoint.send_batch(*index_of([WRITE]))
    assert list(made.root_port.receive_batch(wire.data, wire.index)) == [WRITE]


@pytest.mark.parametrize("cut", [1, 12, 20, 28])
def test_a_malformed_tlp_stops_what_is_received_before_it_begins(cut: int) -> None:
    made = link()
    wire = list(made.endpoint.send_batch(*index_of([WRITE, WRITE])))
    with pytest.raises(IdeDecodeError, match="TLP 1 of the batch is malformed") as caught:
        made.root_port.receive_batch(*index_of([wire[0], wire[1][:-cut]]))
    assert caught.value.offset == len(wire[0])
    assert len(made.root_port.receive_batch(*index_of(wire))) == 2


@pytest.mark.parametrize("index", [[], [0, 33], [40, 0], [0, 64], [0, 1 << 63, 32], [1, 33]])
def test_an_index_that_lies_is_refused(index: list[int]) -> None:
    made = link()
    with pytest.raises(ValueError, match=r"malformed|offset|backwards"):
        made.endpoint.send_batch(WRITE, array("Q", index))
    wire = made.endpoint.send_batch(*index_of([WRITE]))
    with pytest.raises(ValueError, match=r"malformed|offset|backwards"):
        made.root_port.receive_batch(bytes(wire.data[: wire.index[-1]]), array("Q", index))


def test_buffers_have_to_fit() -> None:
    made = link()
    with pytest.raises(ValueError, match="64-bit"):
        made.endpoint.send_batch(WRITE, array("I", [0, 32]))
    with pytest.raises(ValueError, match="T is one byte"):
        made.endpoint.send_batch(*index_of([WRITE]), tee=b"\0\1")
    with pytest.raises(ValueError, match="output buffer needs"):
        made.endpoint.send_batch(*index_of([WRITE]), out=bytearray(10))
    with pytest.raises(ValueError, match="output buffer needs"):
        made.endpoint.send_batch(*index_of([WRITE]), out=bytes(1000))
    wire = made.endpoint.send_batch(*index_of([WRITE]), out=bytearray(1000))
    with pytest.raises(ValueError, match="output buffer needs"):
        made.root_port.receive_batch(wire.data[: wire.index[-1]], wire.index, out=bytearray(1))
    with pytest.raises(IndexError):
        wire[1]


def test_something_that_waits_goes_first() -> None:
    made = link()
    made.endpoint.send(Tlp.parse(WRITE))
    with pytest.raises(LocalProtocolError, match="waits to be sent"):
        made.endpoint.send_batch(*index_of([WRITE]))
    with pytest.raises(LocalProtocolError, match="not Secure"):
        link(enabled=False).endpoint.send_batch(*index_of([WRITE]))
    with pytest.raises(LocalProtocolError, match="T means nothing"):
        link(is_tee_io_supported=False).endpoint.send_batch(*index_of([WRITE]), tee=True)


def test_the_last_ivs_are_used_and_no_more() -> None:
    made = link(ifv=(1 << 64) - 2)
    wire = made.endpoint.send_batch(*index_of([WRITE] * 5))
    assert len(wire) == 2
    assert made.endpoint.state is StreamState.INSECURE
    received = made.root_port.receive_batch(wire.data, wire.index)
    assert len(received) == 2
    assert made.root_port.state is StreamState.INSECURE


def test_flit_mode_goes_one_by_one() -> None:
    made = link(flit_mode=True)
    header = ide.FlitMemoryRequest32(tlp_type=ide.FlitType.MWR32, address_31_2=4, length=1)
    tlp = Tlp(header=header, payload=b"data").build()
    wire = made.endpoint.send_batch(*index_of([tlp] * 3))
    assert list(made.root_port.receive_batch(wire.data, wire.index)) == [tlp] * 3


def test_early_release_goes_one_by_one() -> None:
    made = link(early_release=True, aggregation=2)
    wire = made.endpoint.send_batch(*index_of([WRITE] * 2))
    received = made.root_port.receive_batch(wire.data, wire.index)
    assert list(received) == [WRITE] * 2
    assert received.events == (ide.UnitVerified(0xBC, 2),)


# threads


def test_two_streams_in_two_threads_do_not_disturb_each_other() -> None:
    """Each thread has its own link; the results are those of one thread."""
    results: dict[int, bool] = {}

    def work(seed: int) -> None:
        made = link(seed)
        tlps, tee = traffic_of(made, seed, 300)
        for _ in range(10):
            wire = made.endpoint.send_batch(*index_of(tlps), tee=tee)
            results[seed] = list(made.root_port.receive_batch(wire.data, wire.index)) == tlps

    threads = [threading.Thread(target=work, args=(seed,)) for seed in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {1: True, 2: True}


def test_a_second_call_on_a_stream_at_work_is_refused() -> None:
    made = link()
    with made.endpoint._alone():
        with pytest.raises(LocalProtocolError, match="another call is at work"):
            made.endpoint.send_batch(*index_of([WRITE]))
        with pytest.raises(LocalProtocolError, match="another call is at work"):
            made.endpoint.receive_batch(*index_of([WRITE]))
        with pytest.raises(LocalProtocolError, match="another call is at work"):
            made.endpoint.send(Tlp.parse(WRITE))
        with pytest.raises(LocalProtocolError, match="another call is at work"):
            made.endpoint.receive(WRITE)
        with pytest.raises(LocalProtocolError, match="another call is at work"):
            made.endpoint.disable()
    assert made.endpoint.send_batch(*index_of([WRITE]))


def test_a_second_thread_on_a_stream_at_work_is_refused(on_provider: Provider) -> None:
    """Whenever two calls meet one of them is refused, the other one goes on, and no number is used twice."""
    made, told, gate = link(), set[str](), threading.Barrier(2)
    count = 200 if on_provider.name == "pure" else 50_000
    batches = [index_of([WRITE] * count)] * 2
    sent = [0, 0]

    def work(who: int) -> None:
        gate.wait()
        for _ in range(100):
            try:
                sent[who] += len(made.endpoint.send_batch(*batches[who]))
            except LocalProtocolError as error:
                told.add(str(error))
            if told:
                break

    threads = [threading.Thread(target=work, args=(who,)) for who in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all("another call is at work" in each for each in told)
    assert told
    held = made.endpoint._keys.active(Direction.TX, SubStream.PR)
    assert held is not None
    assert held.invocation == sum(sent) + 1


def test_numpy_is_welcome_and_not_needed() -> None:
    numpy = pytest.importorskip("numpy", reason="numpy is not installed")
    made = link()
    data, index = index_of([WRITE, READ])
    wire = made.endpoint.send_batch(numpy.frombuffer(data, numpy.uint8), numpy.array(index, numpy.uint64))
    received = made.root_port.receive_batch(numpy.asarray(wire.data), numpy.asarray(wire.index))
    assert list(received) == [WRITE, READ]

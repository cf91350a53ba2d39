"""IDE_KM engines: back to back, against recorded peers, by the table, and with whatever else may come."""

from __future__ import annotations

import contextlib
import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytio import idekm
from pytio.crypto import Secret
from pytio.errors import IdeKmDecodeError, IdeKmPeerError, LocalProtocolError, RemoteProtocolError
from pytio.idekm import KeyProg, KeyState, KpAckStatus, KSetGo, KSetStop, ObjectId, Query, StreamEvent
from pytio.idekm.state import TRANSITIONS, Reach, next_key_state
from pytio.ids import Bdf, Direction, KeySlot, SubStream
from tests.vendor_sessions import conversations

SESSION = 0xFFFFFFFF
SLOTS = [
    KeySlot(key_set=key_set, direction=direction, sub_stream=sub_stream)
    for key_set in (0, 1)
    for direction in Direction
    for sub_stream in SubStream
]
FIRST = SLOTS[0]
REGISTERS = idekm.IdeRegisters.parse(
    bytes.fromhex("42e00001 00000000 01000000 01004000 02000000 00ffff00 01000000 0100f0ff ffffffff 00000000")
)


class NotedPort:
    """Holds keys, and refuses what ``refusal`` says."""

    bdf = Bdf.parse("0000:01:00.0")

    def __init__(self) -> None:
        self.refusal: KpAckStatus | None = None
        self.keys: dict[tuple[int, str], tuple[Secret, int]] = {}
        self.active: set[tuple[int, str]] = set()

    def registers(self) -> idekm.IdeRegisters:
        return REGISTERS

    def program(self, stream_id: int, slot: KeySlot, key: Secret, ifv: int) -> None:
        if self.refusal is not None:
            raise IdeKmPeerError(self.refusal)
        self.keys[stream_id, str(slot)] = key, ifv

    def go(self, stream_id: int, slot: KeySlot) -> None:
        self.active.add((stream_id, str(slot)))

    def stop(self, stream_id: int, slot: KeySlot) -> None:
        self.keys.pop((stream_id, str(slot)), None)
        self.active.discard((stream_id, str(slot)))


class Pair:
    """A requester and a responder, wired to one another."""

    def __init__(self, *, is_order_checked: bool = True) -> None:
        self.port = NotedPort()
        self.requester = idekm.Requester(is_order_checked=is_order_checked)
        self.responder = idekm.Responder({0: self.port})

    def ask(self, *requests: idekm.Query | KeyProg | KSetGo | KSetStop) -> list[idekm.Event]:
        events: list[idekm.Event] = []
        for request in requests:
            self.requester.send(request)
        while (payload := self.requester.bytes_to_send()) is not None:
            answer = self.responder.handle(payload, SESSION)
            assert answer is not None
            events += self.requester.receive(answer)
        return events


def key_for(slot: KeySlot, stream_id: int = 0) -> bytes:
    return bytes([stream_id, slot.build()[0]]) * 16


def prog(slot: KeySlot = FIRST, stream_id: int = 0) -> KeyProg:
    return KeyProg.of(stream_id=stream_id, slot=slot, aes_key=key_for(slot, stream_id))


def go(slot: KeySlot = FIRST, stream_id: int = 0) -> KSetGo:
    return KSetGo(stream_id=stream_id, slot=slot)


def stop(slot: KeySlot = FIRST, stream_id: int = 0) -> KSetStop:
    return KSetStop(stream_id=stream_id, slot=slot)


def pair_in(state: KeyState) -> Pair:
    pair = Pair(is_order_checked=False)
    steps: dict[KeyState, list[KeyProg | KSetGo]] = {
        KeyState.EMPTY: [],
        KeyState.PROGRAMMED: [prog()],
        KeyState.ACTIVE: [prog(), go()],
    }
    pair.ask(*steps[state])
    return pair


def in_order(make: Any, key_set: int) -> list[Any]:
    """Return a request for each key of a set, what is received before what is sent."""
    return [make(slot) for slot in sorted(SLOTS, key=lambda slot: slot.direction) if slot.key_set == key_set]


# the life of a stream


def test_a_stream_gets_its_keys_is_refreshed_and_stopped() -> None:
    pair = Pair()
    [described] = pair.ask(Query())
    assert isinstance(described, idekm.PortDescribed)
    assert (described.response.ide, described.response.bdf) == (REGISTERS, NotedPort.bdf)
    pair.ask(*in_order(prog, 0), *in_order(go, 0))
    assert len(pair.port.active) == 6
    assert {slot: key.reveal() for (_, slot), (key, ifv) in pair.port.keys.items() if ifv == 1} == {
        str(slot): key_for(slot) for slot in SLOTS if slot.key_set == 0
    }
    pair.ask(*in_order(prog, 1), *in_order(go, 1))
    for slot in SLOTS[:6]:  # the first TLP with the new K bit, of each sub-stream
        pair.responder.happen(StreamEvent.KEY_SET_SUPERSEDED, stream_id=0, slot=slot)
    assert pair.port.active == {(0, str(slot)) for slot in SLOTS[6:]}
    pair.ask(*in_order(stop, 1))
    assert pair.port.keys == {}
    assert pair.responder.session_of(0) is None
    assert all(pair.requester.key_state(0, slot) is KeyState.EMPTY for slot in SLOTS[6:])


@pytest.mark.parametrize("said", conversations("idekm"))
def test_the_reference_peers_say_what_the_engines_say(said: tuple[bytes, ...]) -> None:
    """The requester sends every recorded request, and the responder every recorded answer, byte for byte.

    But for what QUERY_RESP says of registers: the reference responder sends 296 zero bytes.
    """
    requester, port = idekm.Requester(), NotedPort()
    responder = idekm.Responder(dict.fromkeys(range(8), port))
    for request, answer in zip(said[::2], said[1::2], strict=True):
        asked = idekm.parse(request)
        assert isinstance(asked, Query | KeyProg | KSetGo | KSetStop)
        requester.send(asked)
        assert requester.bytes_to_send() == request
        ours = responder.handle(request, SESSION)
        assert ours is not None
        assert ours[:3] == answer[:3]
        assert ours == answer or isinstance(asked, Query)
        requester.receive(answer)
    assert port.keys == {}


# the table


def test_the_table_names_every_cause() -> None:
    named = {cause for _, cause in TRANSITIONS}
    assert named == {ObjectId.KEY_PROG, ObjectId.K_SET_GO, ObjectId.K_SET_STOP, *StreamEvent}
    assert set(idekm.Responder._HANDLERS) == set(idekm.REQUESTS.values())


@pytest.mark.parametrize(("state", "make"), list(itertools.product(KeyState, [prog, go, stop])))
def test_every_request_in_every_state(state: KeyState, make: Any) -> None:
    pair = pair_in(state)
    request = make()
    after = next_key_state(state, request.object_id)
    answer = idekm.parse(pair.responder.handle(request.build(), SESSION) or b"")
    assert pair.responder.key_state(0, FIRST) is (state if after is None else after)
    if isinstance(answer, idekm.KpAck):
        expected = KpAckStatus.UNSPECIFIED_FAILURE if after is None else KpAckStatus.SUCCESS  # PCIE_A11
        assert answer.status is expected
    else:
        assert isinstance(answer, idekm.KGostopAck)
    assert bool(pair.port.keys) is (pair.responder.key_state(0, FIRST) is not KeyState.EMPTY)
    assert bool(pair.port.active) is (pair.responder.key_state(0, FIRST) is KeyState.ACTIVE)


@pytest.mark.parametrize(("state", "event"), list(itertools.product(KeyState, StreamEvent)))
def test_every_event_in_every_state(state: KeyState, event: StreamEvent) -> None:
    pair = pair_in(state)
    pair.responder.happen(event, stream_id=0, slot=FIRST, session=SESSION)
    after = next_key_state(state, event)
    assert pair.responder.key_state(0, FIRST) is (state if after is None else after)
    assert bool(pair.port.keys) is (after is None and state is not KeyState.EMPTY)


def test_events_elsewhere_do_not_reach() -> None:
    pair = pair_in(KeyState.ACTIVE)
    for event, at in [
        (StreamEvent.KEY_SET_SUPERSEDED, {"stream_id": 0, "slot": SLOTS[1]}),
        (StreamEvent.STREAM_INSECURE, {"stream_id": 1}),
        (StreamEvent.STREAM_INSECURE, {"stream_id": 0, "port_index": 1}),
        (StreamEvent.SESSION_ENDED, {"session": 1}),
    ]:
        pair.responder.happen(event, **at)  # type: ignore[arg-type]  # of several kinds on purpose
    assert pair.responder.key_state(0, FIRST) is KeyState.ACTIVE
    assert StreamEvent.CONVENTIONAL_RESET.reach is Reach.DEVICE


def test_an_event_needs_to_know_what_it_reaches() -> None:
    with pytest.raises(ValueError, match="KEY_SET_SUPERSEDED needs stream_id and slot"):
        Pair().responder.happen(StreamEvent.KEY_SET_SUPERSEDED)


# sessions


def test_a_stream_belongs_to_the_session_that_programmed_it() -> None:
    pair = pair_in(KeyState.PROGRAMMED)
    for request in (prog(SLOTS[1]), go(), stop()):
        assert pair.responder.handle(request.build(), SESSION - 1) is None
    assert pair.responder.key_state(0, FIRST) is KeyState.PROGRAMMED
    assert pair.responder.session_of(0) == SESSION
    assert pair.responder.handle(prog(stream_id=1).build(), SESSION - 1)
    pair.responder.session_ended(SESSION)
    assert pair.responder.key_state(0, FIRST) is KeyState.EMPTY
    assert pair.responder.key_state(1, FIRST) is KeyState.PROGRAMMED
    assert pair.responder.handle(prog().build(), SESSION - 1)
    assert pair.responder.session_of(0) == SESSION - 1


def test_nothing_is_answered_outside_a_session() -> None:
    pair = Pair()
    assert pair.responder.handle(prog().build(), None) is None
    assert pair.port.keys == {}


# what is refused


def status_of(payload: bytes | None) -> KpAckStatus:
    answer = idekm.parse(payload or b"")
    assert isinstance(answer, idekm.KpAck)
    return answer.status


def test_key_prog_is_refused_with_its_reason() -> None:
    pair = Pair()
    good = prog().build()
    ifv = KeyProg.of(stream_id=0, slot=FIRST, aes_key=key_for(FIRST), ifv=2).build()
    for request, status in [
        (good[:-1], KpAckStatus.INCORRECT_LENGTH),
        (good + b"\0", KpAckStatus.INCORRECT_LENGTH),
        (good[:4], KpAckStatus.INCORRECT_LENGTH),
        (good[:6] + b"\7" + good[7:], KpAckStatus.UNSUPPORTED_PORT_INDEX),
        (good[:5] + b"\x30" + good[6:], KpAckStatus.UNSUPPORTED_VALUE),
        (ifv, KpAckStatus.UNSUPPORTED_VALUE),
    ]:
        assert status_of(pair.responder.handle(request, SESSION)) is status
        assert pair.port.keys == {}
    pair.responder.is_ifv_checked = False
    assert status_of(pair.responder.handle(ifv, SESSION)) is KpAckStatus.SUCCESS


def test_an_acknowledgement_echoes_what_was_there() -> None:
    raw = KeyProg.of(stream_id=0x11, slot=SLOTS[5], port_index=3, aes_key=key_for(FIRST)).build()
    answer = idekm.parse(Pair().responder.handle(raw, SESSION) or b"")
    assert isinstance(answer, idekm.KpAck)
    assert (answer.stream_id, answer.slot, answer.port_index) == (0x11, SLOTS[5], 3)


def test_what_has_no_error_of_its_own() -> None:
    pair = Pair()
    for request in (Query(port_index=1), KSetGo(stream_id=0, slot=FIRST, port_index=1)):  # PCIE_A10
        with pytest.raises(RemoteProtocolError, match="port 1"):
            pair.responder.handle(request.build(), SESSION)
    for raw in (Query().build(), go().build(), stop().build()):
        assert pair.responder.handle(raw + b"\0", SESSION) is None
        assert pair.responder.handle(raw[:-1], SESSION) is None
    for payload in (b"", b"\3", b"\xff" + bytes(32)):
        with pytest.raises(IdeKmDecodeError):
            pair.responder.handle(payload, SESSION)


def test_going_without_a_key_is_acknowledged_and_does_nothing() -> None:
    pair = Pair()  # PCIE_A12
    [ignored] = pair.responder.receive(go().build(), session=SESSION)
    assert isinstance(ignored, idekm.RequestIgnored)
    assert pair.responder.bytes_to_send() is not None
    assert pair.port.active == set()


def test_what_a_port_refuses_is_an_error_for_the_requester() -> None:
    pair = Pair()
    pair.port.refusal = KpAckStatus.UNSUPPORTED_VALUE
    with pytest.raises(IdeKmPeerError, match="UNSUPPORTED_VALUE") as caught:
        pair.ask(prog())
    assert caught.value.code is KpAckStatus.UNSUPPORTED_VALUE
    assert pair.requester.key_state(0, FIRST) is KeyState.EMPTY
    pair.port.refusal = None
    pair.ask(prog(SLOTS[1]))  # it goes on


def test_a_device_has_a_port() -> None:
    with pytest.raises(ValueError, match="has a port"):
        idekm.Responder({})


# the requester


def test_the_requester_keeps_to_the_rules_itself() -> None:
    requester = idekm.Requester()
    with pytest.raises(LocalProtocolError, match="K_SET_GO is illegal in state EMPTY"):
        requester.send(go())
    requester.send(prog())
    with pytest.raises(LocalProtocolError, match="key of its own"):
        requester.send(KeyProg.of(stream_id=0, slot=SLOTS[1], aes_key=key_for(FIRST)))
    transmit = KeySlot(key_set=0, direction=Direction.TX, sub_stream=SubStream.PR)
    requester.send(prog(transmit))
    with pytest.raises(LocalProtocolError, match="receive before transmit"):
        requester.send(go(transmit))
    requester.send(go())
    with pytest.raises(LocalProtocolError, match="KEY_PROG is illegal in state ACTIVE"):
        requester.send(KeyProg.of(stream_id=0, slot=FIRST, aes_key=bytes(32)))


STRAY = [
    (idekm.KGostopAck(stream_id=0, slot=FIRST), "waiting for KP_ACK"),
    (idekm.KpAck(stream_id=1, slot=FIRST), "for K0/RX/PR of 1"),
    (idekm.KpAck(stream_id=0, slot=SLOTS[1]), "for K0/RX/NPR of 0"),
    (idekm.KpAck(stream_id=0, slot=FIRST, port_index=1), "for port 1"),
]


@pytest.mark.parametrize(("answer", "reason"), STRAY)
def test_answers_to_something_else(answer: idekm.IdeKmMessage, reason: str) -> None:
    pair = Pair()
    pair.requester.send(prog())
    assert pair.requester.bytes_to_send()
    with pytest.raises(RemoteProtocolError, match=reason):
        pair.requester.receive(answer.build())
    with pytest.raises(LocalProtocolError, match="only a reset"):
        pair.requester.send(Query())
    pair.requester.reset()
    pair.ask(Query())


def test_an_answer_to_nothing() -> None:
    requester = idekm.Requester()
    for payload in (idekm.KpAck(stream_id=0, slot=FIRST).build(), b"", b"\xff"):
        with pytest.raises(RemoteProtocolError, match="nothing outstanding"):
            requester.receive(payload)


# secrets, and going on elsewhere


def test_no_key_shows() -> None:
    pair = Pair()
    secret = "5ec2e7" * 10 + "0000"
    wire = idekm.aes_key_to_wire(bytes.fromhex(secret)).hex()
    pair.requester.send(KeyProg.of(stream_id=0, slot=FIRST, aes_key=bytes.fromhex(secret)))
    payload = pair.requester.bytes_to_send()
    assert payload is not None
    shown = [repr(pair.requester), repr(vars(pair.requester))]
    events = pair.responder.receive(payload, session=SESSION)
    shown += [repr(events), repr(vars(pair.responder)), repr(pair.port.keys), pair.responder.save().decode()]
    with pytest.raises(IdeKmDecodeError) as caught:
        pair.responder.handle(b"\xff" + payload[1:], SESSION)
    shown += [str(caught.value), repr(caught.value.data)]
    with pytest.raises(LocalProtocolError, match="with_secrets"):
        pair.requester.save()
    pair.requester.receive(pair.responder.handle(payload, SESSION) or b"")
    shown.append(pair.requester.save().decode())
    for text in shown:
        assert secret not in text
        assert wire not in text
        assert "\\xc2\\xe7" not in text


def test_both_halves_go_on_in_another_process() -> None:
    pair = pair_in(KeyState.PROGRAMMED)
    pair.requester.send(go())
    pair.requester.send(prog(SLOTS[1]))
    sent = pair.requester.bytes_to_send()
    assert sent is not None
    answer = pair.responder.handle(sent, SESSION)
    requester = idekm.Requester.load(pair.requester.save(with_secrets=True))
    pair.responder = idekm.Responder.load(pair.responder.save(), {0: pair.port})
    pair.requester = requester
    requester.receive(answer or b"")
    pair.ask()
    for half in (requester, pair.responder):
        assert half.key_state(0, FIRST) is KeyState.ACTIVE
        assert half.key_state(0, SLOTS[1]) is KeyState.PROGRAMMED
    assert pair.responder.session_of(0) == SESSION
    with pytest.raises(LocalProtocolError, match="key of its own"):
        requester.send(KeyProg.of(stream_id=1, slot=FIRST, aes_key=key_for(FIRST)))


# whatever may come


@given(st.lists(st.tuples(st.sampled_from(["prog", "go", "stop"]), st.sampled_from(SLOTS)), max_size=20))
def test_any_sequence_leaves_the_halves_in_agreement(steps: list[tuple[str, KeySlot]]) -> None:
    pair = Pair()
    for number, (what, slot) in enumerate(steps):
        made = {
            "prog": KeyProg.of(stream_id=0, slot=slot, aes_key=bytes([number]) * 32),
            "go": go(slot),
            "stop": stop(slot),
        }[what]
        with contextlib.suppress(LocalProtocolError):
            pair.ask(made)  # type: ignore[arg-type]  # one of the three
        for one in SLOTS:
            assert pair.requester.key_state(0, one) is pair.responder.key_state(0, one)
    held = {(0, str(one)) for one in SLOTS if pair.responder.key_state(0, one) is not KeyState.EMPTY}
    assert held == set(pair.port.keys)


@given(st.binary(max_size=64), st.sampled_from([0, 2, 4, 5]))
def test_any_bytes_are_answered_dropped_or_raise_what_is_documented(payload: bytes, code: int) -> None:
    responder = idekm.Responder({0: NotedPort()})
    for data in (payload, bytes([code]) + payload):
        try:
            answer = responder.handle(data, SESSION)
        except (IdeKmDecodeError, RemoteProtocolError):
            continue
        if answer is not None:
            idekm.parse(answer)


@given(st.binary(max_size=64))
def test_any_answer_is_taken_or_raises_what_is_documented(payload: bytes) -> None:
    requester = idekm.Requester()
    requester.send(Query())
    assert requester.bytes_to_send()
    try:
        requester.receive(payload)
    except (IdeKmDecodeError, RemoteProtocolError):
        assert requester.is_failed

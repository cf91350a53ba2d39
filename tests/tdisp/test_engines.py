"""TDISP engines: back to back, against recorded peers, by the table, and with whatever else may come."""

from __future__ import annotations

import itertools
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytio import tdisp
from pytio.crypto import LibraryProvider
from pytio.errors import LocalProtocolError, RemoteProtocolError, TdispDecodeError, TdispPeerError
from pytio.ids import Bdf, FunctionId, InterfaceId
from pytio.tdisp import MessageType, TdiEvent, TdispErrorCode, TdiState
from pytio.tdisp.device import DsmCapabilities
from pytio.tdisp.state import TRANSITIONS, Reach, next_tdi_state
from tests.tdisp.device import EVERYTHING, FUNCTION, INTERFACE, REPORT, SESSION, NotedTdi, Pair, plain
from tests.vendor_sessions import conversations

LOCK = tdisp.LockInterfaceRequest
START = tdisp.StartInterfaceRequest
STOP = tdisp.StopInterfaceRequest
STATE = tdisp.GetDeviceInterfaceState
VERSION = tdisp.GetTdispVersion
CAPABILITIES = tdisp.GetTdispCapabilities
REPORTED = tdisp.GetDeviceInterfaceReport

WAYS: dict[TdiState, list[type[tdisp.TdispMessage]]] = {
    TdiState.CONFIG_UNLOCKED: [],
    TdiState.CONFIG_LOCKED: [LOCK],
    TdiState.RUN: [LOCK, START],
    TdiState.ERROR: [LOCK],
}
"""How to get an interface into each state; into ERROR an event leads."""


def pair_in(state: TdiState, **options: Any) -> Pair:
    pair = Pair(**options)
    pair.ask_in_turn(VERSION, CAPABILITIES, *WAYS[state])
    if state is TdiState.ERROR:
        pair.responder.happen(TdiEvent.TRUST_LOST)
    pair.tdi.noted.clear()
    assert pair.responder.tdi_state(FUNCTION) is state
    return pair


def error_of(payload: bytes | None) -> TdispErrorCode | None:
    assert payload is not None
    answer = tdisp.parse(payload)
    return answer.error_code if isinstance(answer, tdisp.TdispError) else None


# the life of an interface


def test_an_interface_lives_and_both_halves_agree() -> None:
    pair = Pair()
    pair.ask_in_turn(VERSION, CAPABILITIES, STATE)
    assert pair.states == (TdiState.CONFIG_UNLOCKED, TdiState.CONFIG_UNLOCKED)
    pair.ask(LOCK(interface_id=INTERFACE, flags=tdisp.LockFlags.LOCK_MSIX))
    assert pair.states == (TdiState.CONFIG_LOCKED, TdiState.CONFIG_LOCKED)
    [*_, reported] = pair.ask(REPORTED(interface_id=INTERFACE))
    assert isinstance(reported, tdisp.InterfaceReported)
    assert tdisp.InterfaceReport.parse(reported.report) == REPORT
    pair.ask_in_turn(START, STATE)
    assert pair.states == (TdiState.RUN, TdiState.RUN)
    pair.ask_in_turn(STOP)
    assert pair.states == (TdiState.CONFIG_UNLOCKED, TdiState.CONFIG_UNLOCKED)
    assert pair.tdi.noted == [("lock", tdisp.LockFlags.LOCK_MSIX, SESSION), "start", "stop"]


def test_a_report_comes_in_portions() -> None:
    pair = pair_in(TdiState.CONFIG_LOCKED, capabilities=attrs.evolve(EVERYTHING, report_portion_bytes=20))
    events = pair.ask(REPORTED(interface_id=INTERFACE))
    answers = [event.response for event in events if isinstance(event, tdisp.ResponseReceived)]
    portions = [one for one in answers if isinstance(one, tdisp.DeviceInterfaceReport)]
    sizes = [(len(one.report_bytes), one.remainder_length) for one in portions]
    whole = REPORT.build()
    assert sizes == [(min(20, len(whole) - at), max(len(whole) - at - 20, 0)) for at in range(0, len(whole), 20)]
    assert events[-1] == tdisp.InterfaceReported(INTERFACE, whole)


def test_a_part_of_a_report_can_be_read_alone() -> None:
    pair = pair_in(TdiState.RUN)
    [received] = pair.ask(REPORTED(interface_id=INTERFACE, offset=4, length=8))
    assert isinstance(received, tdisp.ResponseReceived)
    assert isinstance(received.response, tdisp.DeviceInterfaceReport)
    assert received.response.report_bytes == REPORT.build()[4:12]


def test_optional_requests() -> None:
    pair = Pair()
    pair.ask_in_turn(VERSION, CAPABILITIES)
    pair.ask(LOCK(interface_id=INTERFACE, flags=tdisp.LockFlags.BIND_P2P))
    pair.ask_in_turn(START)
    pair.ask(tdisp.BindP2pStreamRequest(interface_id=INTERFACE, p2p_stream_id=3))
    with pytest.raises(TdispPeerError, match="INVALID_REQUEST"):
        pair.ask(tdisp.BindP2pStreamRequest(interface_id=INTERFACE, p2p_stream_id=3))
    assert pair.responder.happen(TdiEvent.STREAM_REGISTERS_WRITTEN, stream_id=4) == []
    pair.ask(tdisp.UnbindP2pStreamRequest(interface_id=INTERFACE, p2p_stream_id=3))
    with pytest.raises(TdispPeerError, match="INVALID_REQUEST"):
        pair.ask(tdisp.UnbindP2pStreamRequest(interface_id=INTERFACE, p2p_stream_id=3))
    pair.ask(tdisp.SetMmioAttributeRequest(interface_id=INTERFACE, mmio_range=REPORT.mmio_ranges[0]))
    [received] = pair.ask(tdisp.VdmRequest(interface_id=INTERFACE, vendor_data=b"abc"))
    assert isinstance(received, tdisp.ResponseReceived)
    assert isinstance(received.response, tdisp.VdmResponse)
    assert received.response.vendor_data == b"cba"
    assert pair.tdi.noted[2:] == [("bind", 3, SESSION), ("unbind", 3), REPORT.mmio_ranges[0]]


def test_streams_for_peers_need_their_flag_and_their_session() -> None:
    pair = pair_in(TdiState.RUN)
    bind = tdisp.BindP2pStreamRequest(interface_id=INTERFACE, p2p_stream_id=3).build()
    assert error_of(pair.responder.handle(bind, SESSION)) is TdispErrorCode.INVALID_REQUEST
    pair.ask_in_turn(STOP)
    pair.ask(LOCK(interface_id=INTERFACE, flags=tdisp.LockFlags.BIND_P2P))
    pair.ask_in_turn(START)
    assert error_of(pair.responder.handle(bind, SESSION - 1)) is TdispErrorCode.INVALID_REQUEST
    assert error_of(pair.responder.handle(bind, SESSION)) is None


# recorded peers


@pytest.mark.parametrize("said", conversations("tdisp"))
def test_the_reference_peers_say_what_the_engines_say(said: tuple[bytes, ...]) -> None:
    """The requester sends every recorded request, and the responder every recorded answer, byte for byte."""
    nonces = [one.nonce for one in map(tdisp.parse, said) if isinstance(one, tdisp.LockInterfaceResponse)]
    report = b"".join(
        one.report_bytes for one in map(tdisp.parse, said) if isinstance(one, tdisp.DeviceInterfaceReport)
    )
    tdi = NotedTdi(tdisp.InterfaceReport.parse(report))

    class Recorded(LibraryProvider):
        def nonce(self, size: int) -> bytes:
            assert size == 32
            return nonces.pop(0)

    requester = tdisp.Requester()
    interface = tdisp.parse(said[0]).interface_id
    responder = tdisp.Responder(
        {interface.function_id.bdf: tdi},
        capabilities=DsmCapabilities(dev_addr_width=48, num_req_this=0, num_req_all=0, report_portion_bytes=0x40),
        provider=Recorded(),
    )
    follows = False  # whether the requester goes on by itself
    for request, answer in zip(said[::2], said[1::2], strict=True):
        if not follows:
            is_start = tdisp.parse(request).message_type == MessageType.START_INTERFACE_REQUEST
            requester.send(requester.start_request(interface) if is_start else tdisp.parse(request))
        assert requester.bytes_to_send() == request
        assert responder.handle(request, SESSION) == answer
        requester.receive(answer)
        response = tdisp.parse(answer)
        follows = isinstance(response, tdisp.DeviceInterfaceReport) and response.remainder_length > 0
    assert requester.bytes_to_send() is None
    assert requester.tdi_state(interface) is responder.tdi_state(interface.function_id.bdf) is TdiState.CONFIG_UNLOCKED


# the table


def test_the_table_is_complete_and_nothing_leads_out_of_it() -> None:
    requests = set(tdisp.REQUESTS) - {MessageType.SET_TDISP_CONFIG_REQUEST}
    assert {cause for _, cause in TRANSITIONS if isinstance(cause, MessageType)} == requests
    assert {cause for _, cause in TRANSITIONS if isinstance(cause, TdiEvent)} == set(TdiEvent)
    assert set(tdisp.Responder._HANDLERS) == {tdisp.REQUESTS[code] for code in requests}
    ways_to_lock = [
        key for key, after in TRANSITIONS.items() if after is TdiState.CONFIG_LOCKED and key[0] is not after
    ]
    assert ways_to_lock == [(TdiState.CONFIG_UNLOCKED, MessageType.LOCK_INTERFACE_REQUEST)]
    ways_to_run = [key for key, after in TRANSITIONS.items() if after is TdiState.RUN and key[0] is not after]
    assert ways_to_run == [(TdiState.CONFIG_LOCKED, MessageType.START_INTERFACE_REQUEST)]


def request_of(code: int, pair: Pair) -> tdisp.TdispMessage:
    cls = tdisp.REQUESTS[code]
    known = pair.responder._interfaces[FUNCTION].nonce
    more: dict[str, Any] = {
        "nonce": known.reveal() if known else bytes(32),
        "p2p_stream_id": 9,
        "mmio_range": REPORT.mmio_ranges[0],
    }
    return plain(cls, **{key: more[key] for key in more if key in {one.name for one in cls.FIELDS}})


@pytest.mark.parametrize("state", TdiState)
@pytest.mark.parametrize("code", sorted(set(tdisp.REQUESTS) - {MessageType.SET_TDISP_CONFIG_REQUEST}))
def test_every_request_in_every_state(state: TdiState, code: MessageType) -> None:
    """What the table allows is done or refused for another reason; what it does not allow changes nothing."""
    pair = pair_in(state)
    after = next_tdi_state(state, code)
    answer = pair.responder.handle(request_of(code, pair).build(), SESSION)
    if after is None:
        assert error_of(answer) is TdispErrorCode.INVALID_INTERFACE_STATE
        assert pair.responder.tdi_state(FUNCTION) is state
        assert pair.tdi.noted == []
    else:
        assert error_of(answer) in {None, TdispErrorCode.INVALID_REQUEST}  # not locked with BIND_P2P
        assert pair.responder.tdi_state(FUNCTION) is after
    assert answer is not None
    assert answer[4:8] == INTERFACE.build()[:4]


def test_stop_is_legal_everywhere_and_says_nothing_where_it_changes_nothing() -> None:
    for state in TdiState:
        pair = pair_in(state)
        events = pair.responder.receive(STOP(interface_id=INTERFACE).build(), session=SESSION)
        assert [event.after for event in events if isinstance(event, tdisp.StateChanged)] == (
            [] if state is TdiState.CONFIG_UNLOCKED else [TdiState.CONFIG_UNLOCKED]
        )
        assert pair.responder.tdi_state(FUNCTION) is TdiState.CONFIG_UNLOCKED


@pytest.mark.parametrize(("state", "event"), list(itertools.product(TdiState, TdiEvent)))
def test_every_event_in_every_state(state: TdiState, event: TdiEvent) -> None:
    pair = Pair()
    pair.ask_in_turn(VERSION)
    if state is not TdiState.CONFIG_UNLOCKED:
        pair.ask(LOCK(interface_id=INTERFACE, flags=tdisp.LockFlags.LOCK_MSIX, default_stream_id=5))
    if state is TdiState.RUN:
        pair.ask_in_turn(START)
    elif state is TdiState.ERROR:
        pair.responder.happen(TdiEvent.TRUST_LOST)
    pair.tdi.noted.clear()
    changes = pair.responder.happen(event, functions=[FUNCTION], stream_id=5, session=SESSION)
    after = next_tdi_state(state, event)
    after = state if after is None else after
    assert pair.responder.tdi_state(FUNCTION) is after
    assert [change.after for change in changes if isinstance(change, tdisp.StateChanged)] == (
        [after] if after is not state else []
    )
    if after is TdiState.ERROR and state is not after:
        assert pair.tdi.noted == [("fail", event)]


@pytest.mark.parametrize(
    ("event", "at"),
    [
        (TdiEvent.BASE_ADDRESS_WRITTEN, {"functions": [Bdf.parse("01:00.1")]}),
        (TdiEvent.STREAM_INSECURE, {"stream_id": 1}),
        (TdiEvent.SESSION_ENDED, {"session": SESSION - 1}),
    ],
)
def test_events_elsewhere_do_not_reach(event: TdiEvent, at: dict[str, Any]) -> None:
    pair = pair_in(TdiState.RUN)
    assert pair.responder.happen(event, **at) == []
    assert event.reach is not Reach.DEVICE
    assert pair.responder.tdi_state(FUNCTION) is TdiState.RUN


def test_a_table_that_is_not_locked_may_change() -> None:
    pair = pair_in(TdiState.RUN)  # locked without LOCK_MSIX
    assert pair.responder.happen(TdiEvent.MSI_X_CHANGED, functions=[FUNCTION]) == []


def test_a_session_takes_with_it_what_it_locked() -> None:
    second = Bdf.parse("0000:01:00.1")
    pair = Pair({FUNCTION: NotedTdi(), second: NotedTdi()})
    lock = LOCK(interface_id=INTERFACE).build()
    other = LOCK(interface_id=InterfaceId.of(second)).build()
    assert error_of(pair.responder.handle(lock, 1)) is None
    assert error_of(pair.responder.handle(other, 2)) is None
    pair.responder.session_ended(1)
    assert pair.responder.tdi_state(FUNCTION) is TdiState.ERROR
    assert pair.responder.tdi_state(second) is TdiState.CONFIG_LOCKED


# nonces


def test_a_nonce_starts_once_and_for_its_lock_only() -> None:
    pair = pair_in(TdiState.CONFIG_LOCKED)
    good = pair.requester.start_request(INTERFACE)
    wrong = START(interface_id=INTERFACE, nonce=bytes(31) + b"\1")
    assert error_of(pair.responder.handle(wrong.build(), SESSION)) is TdispErrorCode.INVALID_NONCE
    assert pair.responder.tdi_state(FUNCTION) is TdiState.CONFIG_LOCKED  # a failed start leaves it locked
    pair.ask(good)
    assert error_of(pair.responder.handle(good.build(), SESSION)) is TdispErrorCode.INVALID_INTERFACE_STATE
    pair.ask_in_turn(STOP, LOCK)
    assert error_of(pair.responder.handle(good.build(), SESSION)) is TdispErrorCode.INVALID_NONCE
    with pytest.raises(LocalProtocolError, match="no nonce"):
        Pair().requester.start_request(INTERFACE)


def test_no_nonce_shows() -> None:
    pair = pair_in(TdiState.CONFIG_LOCKED)
    nonce = pair.requester.start_request(INTERFACE).nonce.hex()
    shown = [repr(pair.requester), repr(pair.responder), repr(vars(pair.requester)), repr(vars(pair.responder))]
    shown += [pair.requester.save().decode(), pair.responder.save().decode()]
    assert not [text for text in shown if nonce in text]


# what is refused


REFUSED = [
    (b"\x20" + LOCK(interface_id=INTERFACE).build()[1:], TdispErrorCode.VERSION_MISMATCH, 0),
    (b"\x11" + STATE(interface_id=INTERFACE).build()[1:], TdispErrorCode.VERSION_MISMATCH, 0),
    (b"\x20" + VERSION(interface_id=INTERFACE).build()[1:], TdispErrorCode.VERSION_MISMATCH, 0),
    (b"\x10\xbf" + STATE(interface_id=INTERFACE).build()[2:], TdispErrorCode.UNSUPPORTED_REQUEST, 0xBF),
    (tdisp.SetTdispConfigRequest(interface_id=INTERFACE).build(), TdispErrorCode.UNSUPPORTED_REQUEST, 0x8C),
    (b"\x10\x03" + STATE(interface_id=INTERFACE).build()[2:], TdispErrorCode.UNSUPPORTED_REQUEST, 0x03),
    (LOCK(interface_id=InterfaceId.of("01:00.1")).build(), TdispErrorCode.INVALID_INTERFACE, 0),
    (LOCK(interface_id=InterfaceId.of("01:00.1")).build()[:-1], TdispErrorCode.INVALID_INTERFACE, 0),
    (LOCK(interface_id=INTERFACE).build()[:-1], TdispErrorCode.INVALID_REQUEST, 0),
    (LOCK(interface_id=INTERFACE).build() + b"\0", TdispErrorCode.INVALID_REQUEST, 0),
    (LOCK(interface_id=INTERFACE, flags=tdisp.LockFlags(0x20)).build(), TdispErrorCode.INVALID_REQUEST, 0),
    (LOCK(interface_id=INTERFACE, flags=tdisp.LockFlags.NO_FW_UPDATE).build(), TdispErrorCode.INVALID_REQUEST, 0),
]


@pytest.mark.parametrize(("request_bytes", "code", "data"), REFUSED)
def test_checks_come_in_their_order(request_bytes: bytes, code: TdispErrorCode, data: int) -> None:
    pair = pair_in(TdiState.CONFIG_UNLOCKED)
    answer = pair.responder.handle(request_bytes, SESSION)
    assert answer is not None
    error = tdisp.parse(answer)
    assert isinstance(error, tdisp.TdispError)
    assert (error.error_code, error.error_data) == (code, data)
    assert pair.responder.tdi_state(FUNCTION) is TdiState.CONFIG_UNLOCKED


def test_the_version_is_told_to_every_1_x() -> None:
    asked = b"\x17" + VERSION(interface_id=INTERFACE).build()[1:]
    assert error_of(Pair().responder.handle(asked, SESSION)) is None


def test_parts_of_a_report_that_are_not_there() -> None:
    pair = pair_in(TdiState.RUN)
    for offset, length in [(len(REPORT.build()), 1), (0xFFFF, 1), (0, 0)]:
        asked = REPORTED(interface_id=INTERFACE, offset=offset, length=length).build()
        assert error_of(pair.responder.handle(asked, SESSION)) is TdispErrorCode.INVALID_REQUEST


def test_what_the_device_refuses_is_answered_with_its_code() -> None:
    pair = pair_in(TdiState.CONFIG_UNLOCKED)
    pair.tdi.refusal = TdispErrorCode.INVALID_DEVICE_CONFIGURATION
    with pytest.raises(TdispPeerError, match="INVALID_DEVICE_CONFIGURATION") as caught:
        pair.ask(LOCK(interface_id=INTERFACE))
    assert caught.value.code is TdispErrorCode.INVALID_DEVICE_CONFIGURATION
    assert pair.states == (None, TdiState.CONFIG_UNLOCKED)


def test_nothing_is_answered_outside_a_session() -> None:
    pair = pair_in(TdiState.CONFIG_UNLOCKED)
    assert pair.responder.handle(LOCK(interface_id=INTERFACE).build(), None) is None
    assert pair.responder.tdi_state(FUNCTION) is TdiState.CONFIG_UNLOCKED


def test_less_than_a_header_has_no_answer_of_its_own() -> None:
    with pytest.raises(TdispDecodeError):
        Pair().responder.handle(bytes(15), SESSION)


def test_segments_count_only_where_they_are_valid() -> None:
    here = Bdf(segment=2, bus=1)
    for function, code in [
        (FunctionId(requester_id=here.requester_id), None),
        (FunctionId.of(here, with_segment=True), None),
        (
            FunctionId(requester_id=here.requester_id, segment=3, is_segment_valid=True),
            TdispErrorCode.INVALID_INTERFACE,
        ),
    ]:
        responder = tdisp.Responder({here: NotedTdi()})
        lock = LOCK(interface_id=InterfaceId(function_id=function))
        assert error_of(responder.handle(lock.build(), SESSION)) is code


def test_an_interface_without_optional_requests_says_so() -> None:
    class Plain:
        def lock(self, request: LOCK, session: int) -> tdisp.InterfaceReport:
            return REPORT

        def start(self) -> None: ...
        def fail(self, cause: object) -> None: ...
        def stop(self) -> None: ...

    pair = pair_in(TdiState.RUN, interfaces={FUNCTION: Plain()})
    vdm = tdisp.VdmRequest(interface_id=INTERFACE).build()
    assert error_of(pair.responder.handle(vdm, SESSION)) is TdispErrorCode.UNSUPPORTED_REQUEST


# the requester


def test_the_requester_keeps_to_the_rules_itself() -> None:
    requester = tdisp.Requester()
    with pytest.raises(LocalProtocolError, match="GET_TDISP_VERSION comes first"):
        requester.send(LOCK(interface_id=INTERFACE))
    pair = pair_in(TdiState.RUN, capabilities=DsmCapabilities())
    with pytest.raises(LocalProtocolError, match="LOCK_INTERFACE_REQUEST is illegal in state RUN"):
        pair.requester.send(LOCK(interface_id=INTERFACE))
    with pytest.raises(LocalProtocolError, match="does not support"):
        pair.requester.send(tdisp.BindP2pStreamRequest(interface_id=INTERFACE, p2p_stream_id=1))
    with pytest.raises(LocalProtocolError, match="no request"):
        pair.requester.send(tdisp.StopInterfaceResponse(interface_id=INTERFACE))
    with pytest.raises(LocalProtocolError, match="no byte"):
        pair.requester.send(REPORTED(interface_id=INTERFACE, length=0))


def test_the_requester_looks_ahead() -> None:
    """A request is judged by the state after what waits before it."""
    pair = pair_in(TdiState.CONFIG_UNLOCKED)
    pair.ask_in_turn(STATE)
    pair.requester.send(LOCK(interface_id=INTERFACE))
    pair.requester.send(REPORTED(interface_id=INTERFACE))
    with pytest.raises(LocalProtocolError):
        pair.requester.send(LOCK(interface_id=INTERFACE))


def test_as_many_requests_are_under_way_as_the_device_takes() -> None:
    second = InterfaceId.of("01:00.1")
    for number, expected in [(0, 1), (1, 1), (2, 2)]:
        interfaces = {FUNCTION: NotedTdi(), second.function_id.bdf: NotedTdi()}
        pair = Pair(interfaces, attrs.evolve(EVERYTHING, num_req_all=number))
        pair.ask_in_turn(VERSION, CAPABILITIES)
        for interface in (INTERFACE, INTERFACE, second):
            pair.requester.send(STATE(interface_id=interface))
        sent = list(iter(pair.requester.bytes_to_send, None))
        assert len(sent) == expected
        while sent:
            answer = pair.responder.handle(sent.pop(), SESSION)
            assert answer is not None
            pair.requester.receive(answer)
            sent += iter(pair.requester.bytes_to_send, None)
        assert pair.requester.tdi_state(second) is TdiState.CONFIG_UNLOCKED


STRAY = [
    (tdisp.StartInterfaceResponse(interface_id=INTERFACE), "waiting for LOCK_INTERFACE_RESPONSE"),
    (tdisp.LockInterfaceResponse(interface_id=InterfaceId.of("01:00.1"), nonce=bytes(32)), "nothing outstanding"),
    (LOCK(interface_id=INTERFACE), "waiting for LOCK_INTERFACE_RESPONSE"),
]


@pytest.mark.parametrize(("answer", "reason"), STRAY)
def test_answers_to_something_else(answer: tdisp.TdispMessage, reason: str) -> None:
    pair = pair_in(TdiState.CONFIG_UNLOCKED)
    pair.requester.send(LOCK(interface_id=INTERFACE))
    assert pair.requester.bytes_to_send()
    with pytest.raises(RemoteProtocolError, match=reason):
        pair.requester.receive(answer.build())
    assert pair.requester.is_failed
    with pytest.raises(LocalProtocolError, match="only a reset"):
        pair.requester.send(STATE(interface_id=INTERFACE))
    assert pair.requester.bytes_to_send() is None
    pair.requester.reset()
    pair.ask_in_turn(VERSION, STATE)


def test_a_report_that_never_ends_is_refused() -> None:
    pair = pair_in(TdiState.CONFIG_LOCKED)
    for size, remainder, reason in [(0, 1, "no byte"), (9, 0, "9 bytes, asked 8")]:
        pair.requester.send(REPORTED(interface_id=INTERFACE, length=8))
        assert pair.requester.bytes_to_send()
        answer = tdisp.DeviceInterfaceReport(
            interface_id=INTERFACE, remainder_length=remainder, report_bytes=bytes(size)
        )
        with pytest.raises(RemoteProtocolError, match=reason):
            pair.requester.receive(answer.build())
        pair = pair_in(TdiState.CONFIG_LOCKED)
    pair.requester.send(REPORTED(interface_id=INTERFACE))
    answer = tdisp.DeviceInterfaceReport(interface_id=INTERFACE, remainder_length=0xFFFF, report_bytes=bytes(0x8000))
    for _ in range(2):
        assert pair.requester.bytes_to_send()
        if _ == 0:
            pair.requester.receive(answer.build())
    with pytest.raises(RemoteProtocolError, match="more bytes than an offset can name"):
        pair.requester.receive(answer.build())


def test_no_common_version() -> None:
    requester = tdisp.Requester()
    requester.send(VERSION(interface_id=INTERFACE))
    assert requester.bytes_to_send()
    answer = tdisp.TdispVersion(interface_id=INTERFACE, versions=(tdisp.ProtocolVersion(0x20),))
    with pytest.raises(RemoteProtocolError, match="no common version"):
        requester.receive(answer.build())
    assert requester.version is None


# going on elsewhere


def test_both_halves_go_on_in_another_process() -> None:
    pair = pair_in(TdiState.CONFIG_LOCKED)
    pair.requester.send(REPORTED(interface_id=INTERFACE, length=20))
    first = pair.requester.bytes_to_send()
    assert first is not None
    answer = pair.responder.handle(first, SESSION)
    assert answer is not None
    resumed = Pair({FUNCTION: pair.tdi})
    resumed.requester = tdisp.Requester.load(pair.requester.save(with_secrets=True))
    resumed.responder = tdisp.Responder.load(
        pair.responder.save(with_secrets=True), {FUNCTION: pair.tdi}, capabilities=EVERYTHING
    )
    resumed.requester.receive(answer)
    resumed.ask(STATE(interface_id=INTERFACE))
    resumed.ask_in_turn(START)
    assert resumed.states == (TdiState.RUN, TdiState.RUN)


def test_without_secrets_nothing_starts_any_more() -> None:
    pair = pair_in(TdiState.CONFIG_LOCKED)
    start = pair.requester.start_request(INTERFACE)
    pair.responder = tdisp.Responder.load(pair.responder.save(), {FUNCTION: pair.tdi})
    assert error_of(pair.responder.handle(start.build(), SESSION)) is TdispErrorCode.INVALID_NONCE
    with pytest.raises(LocalProtocolError):
        tdisp.Requester.load(pair.requester.save()).start_request(INTERFACE)


# whatever may come


@given(st.lists(st.sampled_from([*tdisp.REQUESTS, *TdiEvent]), max_size=20))
def test_any_sequence_leaves_the_halves_in_agreement(sequence: list[int | TdiEvent]) -> None:
    pair = Pair()
    pair.ask_in_turn(VERSION)
    for step in sequence:
        if isinstance(step, TdiEvent):
            pair.responder.happen(step, functions=[FUNCTION], stream_id=0, session=SESSION)
            pair.ask_in_turn(STATE)
        else:
            try:
                pair.ask(request_of(step, pair))
            except (LocalProtocolError, TdispPeerError):
                pair.ask_in_turn(STATE)
        known, actual = pair.states
        assert known in {None, actual}


@given(st.binary(max_size=64), st.sampled_from(TdiState))
def test_any_bytes_are_answered_or_raise_what_is_documented(payload: bytes, state: TdiState) -> None:
    pair = pair_in(state)
    for data in (payload, b"\x10" + payload, STATE(interface_id=INTERFACE).build()[:16] + payload):
        try:
            answer = pair.responder.handle(data, SESSION)
        except TdispDecodeError:
            continue
        assert answer is not None
        tdisp.parse(answer)


@given(st.binary(max_size=64))
def test_any_answer_is_taken_or_raises_what_is_documented(payload: bytes) -> None:
    pair = pair_in(TdiState.CONFIG_LOCKED)
    pair.requester.send(REPORTED(interface_id=INTERFACE))
    assert pair.requester.bytes_to_send()
    with pytest.raises((TdispDecodeError, RemoteProtocolError)):
        pair.requester.receive(payload)
    assert pair.requester.is_failed

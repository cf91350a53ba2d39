"""What an attacker on the link can do, and how it ends: as the specification says, once without any alarm."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from pytio import ide
from pytio.errors import IdeDecodeError, LocalProtocolError
from pytio.ide import AerBit, Event, IdeError, StreamState, Tlp
from pytio.ids import Direction, SubStream
from tests.ide.links import ENDPOINT_ID, ROOT_PORT_ID, STREAM, deliver, drain, errors, link, received

pytestmark = pytest.mark.usefixtures("on_provider")

WRITE = ide.memory_write(0x12_3456_7000, bytes(range(16)), requester_id=ENDPOINT_ID)
READ = ide.memory_read(0x12_3456_7000, 4, requester_id=ENDPOINT_ID, tag=7)
OTHER_READ = ide.memory_read(0, 4, requester_id=ROOT_PORT_ID)


def sealed(made: Any, *tlps: Tlp) -> list[bytes]:
    for tlp in tlps:
        made.endpoint.send(tlp, tee=True)
    return drain(made.endpoint)


def assert_failed(made: Any, events: list[Event], error: IdeError) -> None:
    """The receiver reports the error with its AER bit, forgets its keys, and tells its partner, which does the same."""
    detected = next(event for event in events if isinstance(event, ide.ErrorDetected))
    assert detected.error is error
    assert detected.effect == ide.EFFECTS[error]
    assert (detected.effect.aer_bit, detected.effect.is_insecure) == (AerBit.IDE_CHECK_FAILED, True)
    assert made.root_port.state is StreamState.INSECURE
    assert made.root_port._keys.active(Direction.RX, SubStream.PR) is None
    (fail,) = drain(made.root_port)
    header = Tlp.parse(fail).header
    assert isinstance(header, ide.IdeMessage)
    assert (header.message_code, header.stream_id) == (ide.MessageCode.IDE_FAIL, STREAM)
    assert Tlp.parse(fail).ide is None
    (change,) = made.endpoint.receive(fail)
    assert change == ide.StateChanged(STREAM, StreamState.INSECURE, ide.StreamCause.PARTNER_FAILED)
    assert made.endpoint.received_fail


@pytest.mark.parametrize("size", [16, 0], ids=["write", "read"])
def test_a_flipped_bit_anywhere_is_noticed(size: int) -> None:
    """Every bit of prefix, header, payload and MAC: never delivered, and nearly always fatal for the stream."""
    tlp = WRITE if size else READ
    raw = sealed(link(), tlp)[0]
    outcomes = set()
    for bit in range(8 * len(raw)):
        made = link()
        damaged = bytearray(raw)
        damaged[bit // 8] ^= 0x80 >> bit % 8
        try:
            events = made.root_port.receive(bytes(damaged))
        except IdeDecodeError:
            outcomes.add("no TLP")
            continue
        assert received(events) == []
        (error,) = errors(events)
        outcomes.add(error.name)
        if error is IdeError.MISROUTED:  # the Stream ID, or the prefix is no IDE prefix any more
            assert bit // 8 in (0, 2)
            assert made.root_port.state is StreamState.SECURE
        else:
            assert_failed(made, events, error)
    assert {"MAC_MISMATCH", "MISROUTED", "WRONG_TRAFFIC_CLASS", "WRONG_SUB_STREAM", "RESERVED_SUB_STREAM"} <= outcomes
    assert {"KEY_SET_MISUSE", "UNSUPPORTED_FIELD", "no TLP"} <= outcomes


def test_a_replay_fails() -> None:
    made = link()
    (raw,) = sealed(made, WRITE)
    assert len(received(made.root_port.receive(raw))) == 1
    assert_failed(made, made.root_port.receive(raw), IdeError.MAC_MISMATCH)


def test_a_dropped_tlp_fails_with_the_next_of_its_sub_stream() -> None:
    made = link()
    wire = sealed(made, WRITE, WRITE)
    assert_failed(made, made.root_port.receive(wire[1]), IdeError.MAC_MISMATCH)


def test_a_dropped_posted_request_fails_with_the_next_read() -> None:
    """The read says that two posted requests went before it; only one came."""
    made = link()
    wire = sealed(made, WRITE, WRITE, READ)
    deliver(made.root_port, wire[:1])
    assert_failed(made, made.root_port.receive(wire[2]), IdeError.COUNTER_UNDERFLOW)


def test_a_read_that_overtakes_a_write_fails() -> None:
    made = link()
    wire = sealed(made, WRITE, READ)
    assert_failed(made, deliver(made.root_port, wire[::-1]), IdeError.COUNTER_UNDERFLOW)


def test_a_completion_that_overtakes_a_write_fails() -> None:
    made = link()
    made.root_port.send(ide.memory_read(0x1000, 4, requester_id=ROOT_PORT_ID))
    deliver(made.endpoint, drain(made.root_port))
    answer = ide.completion(ide.memory_read(0x1000, 4, requester_id=ROOT_PORT_ID), bytes(4), completer_id=ENDPOINT_ID)
    wire = sealed(made, WRITE, answer)
    assert_failed(made, deliver(made.root_port, wire[::-1]), IdeError.COUNTER_UNDERFLOW)


def test_two_writes_in_the_wrong_order_fail() -> None:
    made = link()
    assert_failed(made, deliver(made.root_port, sealed(made, WRITE, WRITE)[::-1]), IdeError.MAC_MISMATCH)


def test_a_write_that_overtakes_a_read_is_legal() -> None:
    made = link()
    events = deliver(made.root_port, sealed(made, READ, WRITE)[::-1])
    assert [tlp.header.tlp_type.name for tlp, _ in received(events)] == ["MWR64", "MRD64"]


def test_the_known_gap_a_read_overtakes_what_an_ide_sync_covers() -> None:
    """CVE-2025-9612: the counters start again with IDE Sync, so a read behind it says 0, and may overtake everything.

    Producer and consumer then disagree: the read finds memory as it was before 254 writes. Nobody notices.
    """
    made = link()
    *writes, sync, read = sealed(made, *[WRITE] * 254, READ)
    header = Tlp.parse(sync).header
    assert isinstance(header, ide.IdeMessage)
    assert header.message_code is ide.MessageCode.IDE_SYNC
    events = deliver(made.root_port, [read, *writes, sync])
    assert errors(events) == []
    assert [tlp.header.tlp_type.name for tlp, _ in received(events)] == ["MRD64", *["MWR64"] * 254]


def test_a_wrong_stream_is_misrouted_and_harms_nobody() -> None:
    made = link()
    (raw,) = sealed(made, WRITE)
    elsewhere = raw[:2] + bytes([STREAM ^ 1]) + raw[3:]
    events = made.root_port.receive(elsewhere)
    assert errors(events) == [IdeError.MISROUTED]
    assert events[0].effect.aer_bit is AerBit.MISROUTED_IDE_TLP  # type: ignore[attr-defined]
    assert made.root_port.state is StreamState.SECURE
    assert len(received(made.root_port.receive(raw))) == 1


@pytest.mark.parametrize("is_programmed", [False, True])
def test_a_key_set_that_is_not_switched_on_fails(is_programmed: bool) -> None:
    made = link()
    if is_programmed:
        made.program(1)
    (raw,) = sealed(made, WRITE)
    assert_failed(made, made.root_port.receive(_with_byte(raw, 3, raw[3] ^ 2)), IdeError.KEY_SET_MISUSE)


def test_a_key_set_that_changes_inside_of_a_unit_fails() -> None:
    made = link(aggregation=2)
    made.program(1)
    made.go(1, Direction.RX)
    first, second = sealed(made, WRITE, WRITE)
    made.root_port.receive(first)
    assert_failed(made, made.root_port.receive(_with_byte(second, 3, second[3] ^ 2)), IdeError.KEY_SET_MISUSE)


def test_a_stale_unit_across_a_refresh_fails() -> None:
    """CVE-2025-9614: a TLP under the old key set, held back until the new one is in use."""
    made = link()
    (stale,) = sealed(made, WRITE)
    (again,) = sealed(made, WRITE)
    made.root_port.receive(stale)
    made.refresh(1)
    made.endpoint.send(WRITE)
    deliver(made.root_port, [again, *drain(made.endpoint)])
    assert_failed(made, made.root_port.receive(again), IdeError.KEY_SET_MISUSE)


def test_a_stale_unit_across_re_keying_fails() -> None:
    """CVE-2025-9614: a TLP from before the stream was keyed anew; half a unit of then does not count either."""
    made = link(aggregation=2)
    first, second = sealed(made, WRITE, WRITE)
    made.root_port.receive(first)
    made.endpoint.disable()
    made.root_port.disable()
    made.program(0)
    made.go(0)
    made.endpoint.enable()
    made.root_port.enable()
    assert not made.root_port._receiver.has_open_unit
    assert_failed(made, made.root_port.receive(second), IdeError.MAC_MISMATCH)


def test_a_completion_after_a_timeout_reaches_nobody() -> None:
    """CVE-2025-9613: the tag of a request that timed out is not given to another while a completion may still come."""
    made = link()
    request = ide.memory_read(0x1000, 4, requester_id=ENDPOINT_ID, tag=9)
    made.endpoint.send(request, tee=True)
    deliver(made.root_port, drain(made.endpoint))
    transaction = request.header.transaction
    assert transaction is not None
    made.endpoint.outstanding.expire(transaction)
    with pytest.raises(LocalProtocolError, match="tag is taken"):
        made.endpoint.send(request)
    made.root_port.send(ide.completion(request, b"late"), tee=True)
    events = deliver(made.endpoint, drain(made.root_port))
    assert errors(events) == [IdeError.UNEXPECTED_COMPLETION]
    assert received(events) == []
    made.endpoint.send(request)  # now nothing of it can come any more


def test_a_completion_that_nobody_asked_for_reaches_nobody() -> None:
    made = link()
    answer = ide.completion(READ, bytes(4), completer_id=ROOT_PORT_ID)
    made.root_port.send(answer)
    assert errors(deliver(made.endpoint, drain(made.root_port))) == [IdeError.UNEXPECTED_COMPLETION]


def test_re_keying_gives_up_what_was_asked() -> None:
    """CVE-2025-9614: requests of the old stream are not answered by the new one."""
    made = link()
    sealed(made, READ)
    made.endpoint.disable()
    made.root_port.disable()
    for end in (made.endpoint, made.root_port):
        assert end.state is StreamState.INSECURE
    made.program(0)
    made.go(0)
    made.endpoint.enable()
    made.root_port.enable()
    made.root_port.send(ide.completion(READ, bytes(4)))
    assert errors(deliver(made.endpoint, drain(made.root_port))) == [IdeError.UNEXPECTED_COMPLETION]


def test_t_is_authenticated() -> None:
    made = link()
    (raw,) = sealed(made, WRITE)
    assert_failed(made, made.root_port.receive(_with_byte(raw, 3, raw[3] ^ 1)), IdeError.MAC_MISMATCH)


def test_without_tee_io_the_t_of_a_completion_has_to_agree() -> None:
    made = link(is_tee_io_supported=False)
    made.endpoint.send(READ)
    deliver(made.root_port, drain(made.endpoint))
    made.endpoint.outstanding._waiting[READ.header.transaction].is_tee = True  # type: ignore[index]
    made.root_port.send(ide.completion(READ, bytes(4)))
    assert IdeError.COMPLETION_TEE_MISMATCH in errors(deliver(made.endpoint, drain(made.root_port)))
    assert made.endpoint.state is StreamState.INSECURE


@pytest.mark.parametrize("is_sent", [False, True])
def test_a_missing_or_wrong_pcrc_is_reported_and_no_more(is_sent: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sender that does not send it, and one that computes it over something else."""
    made = link(pcrc=True)
    made.endpoint._transmitter._config = attrs.evolve(made.endpoint.config, pcrc=is_sent)
    with monkeypatch.context() as wrong:
        wrong.setattr("pytio.ide.transmitter.pcrc_of", lambda payload: bytes(4))
        wire = sealed(made, WRITE)
    events = deliver(made.root_port, wire)
    assert errors(events) == [IdeError.PCRC_MISMATCH]
    assert received(events) == [(WRITE, True)]
    assert made.root_port.state is StreamState.SECURE


def test_aggregation_that_is_not_supported_fails() -> None:
    made = link(aggregation=2, is_aggregation_supported=False)
    wire = sealed(made, WRITE, WRITE)
    assert_failed(made, made.root_port.receive(wire[0]), IdeError.AGGREGATION_MISUSE)


def test_nine_tlps_without_a_mac_fail() -> None:
    made = link(aggregation=8)
    made.endpoint._transmitter._config = attrs.evolve(made.endpoint.config, aggregation=8)
    object.__setattr__(made.endpoint._transmitter._config, "aggregation", dict.fromkeys(SubStream, 16))
    wire = sealed(made, *[WRITE] * 16)
    assert deliver(made.root_port, wire[:8]) == []
    assert_failed(made, made.root_port.receive(wire[8]), IdeError.AGGREGATION_MISUSE)


def test_a_counter_that_overflows_fails() -> None:
    """Whoever holds back every IDE Sync makes it."""
    made = link()
    made.endpoint._transmitter.counters = _NeverDue()
    events = deliver(made.root_port, sealed(made, *[WRITE] * 256))
    assert len(received(events)) == 255
    assert_failed(made, events, IdeError.COUNTER_OVERFLOW)


class _NeverDue(ide.SentCounters):
    is_sync_due = False


@pytest.mark.parametrize(
    ("tlp", "error"),
    [
        (ide.memory_read(0x1000, 4, requester_id=0x0300), IdeError.REQUESTER_OUT_OF_RANGE),
        (
            ide.completion(ide.memory_read(0, 4, requester_id=ROOT_PORT_ID), bytes(4), completer_id=0x0300),
            IdeError.COMPLETER_OUT_OF_RANGE,
        ),
    ],
)
def test_a_function_outside_of_the_range_is_refused_and_the_stream_lives(tlp: Tlp, error: IdeError) -> None:
    made = link(rid_range=ide.RidRange(0x0100, 0x01FF))
    made.endpoint.send(tlp)
    events = deliver(made.root_port, drain(made.endpoint))
    assert errors(events) == [error]
    assert received(events) == []
    assert made.root_port.state is StreamState.SECURE


def test_the_default_stream_of_an_endpoint_looks_at_no_requester() -> None:
    made = link(rid_range=ide.RidRange(0x0100, 0x01FF))
    made.root_port.send(ide.memory_read(0x1000, 4, requester_id=0x0300))
    assert errors(deliver(made.endpoint, drain(made.root_port))) == []


def test_only_a_root_port_sends_configuration_requests() -> None:
    made = link()
    raw = bytes.fromhex("05000001 0100050f 02000010")
    (sealed_read,) = sealed(made, READ)
    forged = sealed_read[:4] + raw + sealed_read[-12:]
    assert_failed(made, made.root_port.receive(forged), IdeError.TYPE_NOT_ALLOWED)


def test_what_comes_after_a_failure_is_dropped() -> None:
    made = link()
    wire = sealed(made, WRITE, WRITE, WRITE)
    events = deliver(made.root_port, [wire[1], wire[0], wire[2]])
    assert errors(events) == [IdeError.MAC_MISMATCH, IdeError.MISROUTED, IdeError.MISROUTED]
    assert received(events) == []


def test_a_plain_tlp_is_none_of_the_streams() -> None:
    assert errors(link().root_port.receive(WRITE.build())) == [IdeError.MISROUTED]


def test_the_write_that_enables_the_stream_may_come_encrypted() -> None:
    """PCIE_A32: keys are switched on, the endpoint is not enabled yet, the root port is."""
    made = link(enabled=False)
    made.root_port.enable()
    write = ide.ConfigurationRequest(
        tlp_type=ide.TlpType.CFGWR1, requester_id=ROOT_PORT_ID, destination_id=ENDPOINT_ID, length=1
    )
    made.root_port.send(Tlp(header=write, payload=bytes(4)))
    assert len(received(deliver(made.endpoint, drain(made.root_port)))) == 1
    made.endpoint.enable()
    assert made.endpoint.state is StreamState.SECURE


def _with_byte(raw: bytes, at: int, value: int) -> bytes:
    return raw[:at] + bytes([value]) + raw[at + 1 :]

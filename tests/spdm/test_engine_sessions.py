"""Back to back in sessions: handshakes of every kind, records, key updates, and what ends a session."""

from __future__ import annotations

from typing import Any

import pytest

from pytio.errors import LocalProtocolError, PytioError, RemoteProtocolError, SpdmPeerError, VerificationError
from pytio.spdm.algorithms import DheGroup, KemAlgo
from pytio.spdm.capabilities import RequesterCapabilities, ResponderCapabilities
from pytio.spdm.codes import KeyUpdateOperation, MeasurementSummaryHashType, SpdmCode, SpdmErrorCode, SpdmVersion
from pytio.spdm.configuration import AlgorithmSet, Limits
from pytio.spdm.endpoint import Outgoing
from pytio.spdm.events import (
    Checked,
    Dropped,
    HeartbeatAcknowledged,
    KeysUpdated,
    OtherDataReceived,
    SessionEnded,
    SessionStarted,
)
from pytio.spdm.messages.error import Error
from pytio.spdm.messages.key_exchange import Finish
from pytio.spdm.messages.psk import PskFinish
from pytio.spdm.messages.session import Heartbeat, KeyUpdate
from pytio.spdm.requests import (
    KeepAlive,
    LeaveSession,
    Measure,
    ReadCertificate,
    ReadDigests,
    StartPskSession,
    StartSession,
    UpdateKeys,
)
from pytio.spdm.secured import RecordTransport
from pytio.spdm.session import Session, Side
from pytio.spdm.state import ConnectionState, SessionState
from pytio.spdm.transcript import joined
from tests.spdm.pair import PSK_HINT, Pair, pair, requester_config, responder_config

R, P = RequesterCapabilities, ResponderCapabilities
FROM_1_1 = [version for version in SpdmVersion if version >= SpdmVersion.V1_1]
TRANSPORTS = [RecordTransport.PCI_DOE, RecordTransport.MCTP, RecordTransport.TCP]


def ready(
    version: SpdmVersion = SpdmVersion.V1_2,
    *,
    requester: int = 0,
    responder: int = 0,
    without: int = 0,
    transport: RecordTransport = RecordTransport.MCTP,
    of_requester: dict[str, Any] | None = None,
    **of_responder: Any,
) -> Pair:
    """Return two endpoints that know each other well enough for any session."""
    asking = requester_config(versions=(version,), **(of_requester or {}))
    answering = responder_config(**of_responder)
    two = pair(
        requester_config(
            versions=(version,),
            capabilities=R((asking.capabilities | requester | R.PSK_CAP) & ~without),
            **(of_requester or {}),
        ),
        responder_config(
            capabilities=P((answering.capabilities | responder | P.PSK_CAP_WITH_CONTEXT) & ~without), **of_responder
        ),
        transport,
    )
    two.connect()
    two.run(ReadCertificate())
    return two


def started(two: Pair, **settings: Any) -> int:
    """Start a session; return its id."""
    events = two.run(StartSession(**settings))
    return next(event.session for event in events if isinstance(event, SessionStarted))


def both(two: Pair, number: int) -> tuple[Session, Session]:
    """Return a session from either side."""
    return two.requester.sessions[number], two.responder.sessions[number]


def assert_agreement(two: Pair, number: int) -> None:
    """Both sides have the same transcript and the same secrets."""
    mine, theirs = both(two, number)
    assert mine.state is theirs.state is SessionState.ESTABLISHED
    assert joined(mine.transcript.th2()) == joined(theirs.transcript.th2())
    assert mine.export_master_secret == theirs.export_master_secret
    for side in Side:
        assert mine.direction(side).secret == theirs.direction(side).secret
        assert mine.direction(side).cipher.sequence == theirs.direction(side).cipher.sequence


@pytest.mark.parametrize("version", FROM_1_1)
@pytest.mark.parametrize("in_clear", [False, True])
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_session_from_certificates(version: SpdmVersion, in_clear: bool, transport: RecordTransport) -> None:
    clear = (R.HANDSHAKE_IN_THE_CLEAR_CAP, P.HANDSHAKE_IN_THE_CLEAR_CAP) if in_clear else (R(0), P(0))
    two = ready(version, requester=clear[0], responder=clear[1], transport=transport)
    number = started(two, summary=MeasurementSummaryHashType.ALL)
    assert number == 0xFFFFFFFF
    assert_agreement(two, number)
    for intent in (Measure(slot=0), ReadDigests(), ReadCertificate()):
        two.run(intent, number)
    assert_agreement(two, number)
    (ended,) = two.run(LeaveSession(), number)
    assert isinstance(ended, SessionEnded)
    assert not two.requester.sessions
    assert not two.responder.sessions


@pytest.mark.parametrize("version", FROM_1_1)
@pytest.mark.parametrize("psk", [P.PSK_CAP, P.PSK_CAP_WITH_CONTEXT])
def test_a_session_from_a_pre_shared_key(version: SpdmVersion, psk: ResponderCapabilities) -> None:
    two = ready(version, responder=psk, without=P.PSK_CAP_WITH_CONTEXT & ~psk)
    two.run(StartPskSession(PSK_HINT))
    (number,) = two.requester.sessions
    assert_agreement(two, number)
    two.run(ReadDigests(), number)
    said = {message[1] for side, message in two.wire if side == "request" and not message.is_secured}
    assert SpdmCode.KEY_EXCHANGE not in said
    assert (two.requester.sessions[number].transcript.finish is None) is (psk is P.PSK_CAP)


@pytest.mark.parametrize("version", FROM_1_1)
def test_checks_of_a_handshake_agree(version: SpdmVersion) -> None:
    two = ready(version)
    events = two.run(StartSession())
    made = {event.check.what: event.check for event in two.answered if isinstance(event, Checked)}
    mine = {event.check.what: event.check for event in events if isinstance(event, Checked)}
    assert set(made) == set(mine)
    assert len(made) == 3
    for what, check in mine.items():
        assert check.digest == made[what].digest
        assert check.is_ours != made[what].is_ours


@pytest.mark.parametrize("kem", [KemAlgo.ML_KEM_768, KemAlgo.ML_KEM_1024])
def test_key_encapsulation(kem: KemAlgo) -> None:
    if not AlgorithmSet().kem:
        pytest.skip("the installed cryptography has no ML-KEM")
    two = ready(SpdmVersion.V1_4, of_requester={"algorithms": AlgorithmSet(dhe=(), kem=(kem,))})
    assert two.requester.negotiated.kem == kem
    assert_agreement(two, started(two))


@pytest.mark.parametrize("dhe", [DheGroup.FFDHE_2048, DheGroup.SECP_256_R1])
def test_groups(dhe: DheGroup) -> None:
    two = ready(of_requester={"algorithms": AlgorithmSet(dhe=(dhe,))})
    assert_agreement(two, started(two))


def test_records_that_are_authenticated_only() -> None:
    two = ready(without=P.ENCRYPT_CAP)
    number = started(two)
    two.run(ReadDigests(), number)
    assert any(bytes(message).find(b"\x12\x81\x00\x00") > 0 for _, message in two.wire if message.is_secured)


@pytest.mark.parametrize("operation", [KeyUpdateOperation.UPDATE_KEY, KeyUpdateOperation.UPDATE_ALL_KEYS])
def test_key_updates(operation: KeyUpdateOperation) -> None:
    two = ready()
    number = started(two)
    mine, _ = both(two, number)
    before = {side: mine.direction(side).secret for side in Side}
    for _ in range(3):
        (event,) = two.run(UpdateKeys(operation), number)
        assert isinstance(event, KeysUpdated)
        assert event.operation is operation
        assert_agreement(two, number)
    assert mine.direction(Side.REQUEST).secret != before[Side.REQUEST]
    is_all = operation is KeyUpdateOperation.UPDATE_ALL_KEYS
    assert (mine.direction(Side.RESPONSE).secret != before[Side.RESPONSE]) is is_all
    two.run(ReadDigests(), number)


def test_a_refused_key_update_changes_nothing() -> None:
    two = ready()
    number = started(two)
    for operation in (KeyUpdateOperation.VERIFY_NEW_KEY, KeyUpdateOperation(0), KeyUpdateOperation(4)):
        with pytest.raises(SpdmPeerError):
            two.run(KeyUpdate(version=SpdmVersion.V1_2, key_operation=operation, tag=1), number)
    two.run(UpdateKeys(), number)
    assert_agreement(two, number)


def test_the_old_key_may_be_used_until_the_new_one_is_verified() -> None:
    """A requester that did not hear the acknowledgement goes on with the old key, once."""
    two = ready()
    number = started(two)
    _, theirs = both(two, number)
    theirs.direction(Side.REQUEST).update()
    two.run(ReadDigests(), number)
    assert not theirs.direction(Side.REQUEST).is_updating


def test_several_sessions_at_once() -> None:
    two = ready(heartbeat_period_s=7)
    numbers = [started(two) for _ in range(3)]
    two.run(StartPskSession(PSK_HINT))
    assert len(set(two.requester.sessions)) == 4
    with pytest.raises(LocalProtocolError):
        two.run(StartSession())
    for number in numbers[::-1]:
        two.run(KeepAlive(), number)
        assert_agreement(two, number)
    two.run(LeaveSession(), numbers[1])
    assert started(two) == numbers[1]


def test_a_responder_has_only_so_many_sessions() -> None:
    two = ready(limits=Limits(max_sessions=1))
    started(two)
    with pytest.raises(SpdmPeerError) as error:
        two.run(StartSession())
    assert error.value.code == SpdmErrorCode.SESSION_LIMIT_EXCEEDED


def test_heartbeats_keep_a_session_alive() -> None:
    two = ready(heartbeat_period_s=5)
    number = started(two)
    for _ in range(5):
        until = two.requester.wake_at()
        assert until == two.now + 5
        two.now = until
        two.requester.wake(two.now)
        events = two.settle()
        assert [type(event) for event in events] == [HeartbeatAcknowledged]
    until = two.responder.wake_at()
    assert until == two.now + 10
    assert two.responder.wake(until - 0.1) == []
    (ended,) = two.responder.wake(until)
    assert isinstance(ended, SessionEnded)
    with pytest.raises(AssertionError, match="waits for ever"):
        two.run(ReadDigests(), number)


def test_without_a_heartbeat_none_is_answered() -> None:
    two = ready()
    number = started(two)
    with pytest.raises(SpdmPeerError) as error:
        two.run(KeepAlive(), number)
    assert error.value.code == SpdmErrorCode.UNEXPECTED_REQUEST


def test_data_that_are_not_spdm() -> None:
    two = ready()
    number = started(two)
    two.requester.send_data(b"\x01pldm", session=number, now=two.now)
    record = two.requester.bytes_to_send()
    assert record is not None
    (dropped,) = two.responder.receive(record, now=two.now, is_secured=True)
    assert isinstance(dropped, Dropped)
    back = two.responder.sessions[number].seal_data(Side.RESPONSE, b"\x01answer", two.responder.provider)
    (event,) = two.requester.receive(back, now=two.now, is_secured=True)
    assert event == OtherDataReceived(number, b"\x01answer")


# hostile peers


def answer_in(two: Pair, number: int, raw: bytes) -> Error:
    """Send bytes in a session that the requester would not; return the ERROR."""
    mine = two.requester.sessions[number]
    two.responder.receive(mine.seal(Side.REQUEST, raw, two.requester.provider), now=two.now, is_secured=True)
    return last_error(two, number)


def last_error(two: Pair, number: int) -> Error:
    """Return the ERROR that the responder answered in a session."""
    record = two.responder.bytes_to_send()
    assert record is not None
    assert record.is_secured
    mine = two.requester.sessions[number]
    return Error.parse(mine.rules.framing.unwrap(mine.open(Side.RESPONSE, record)))


def test_psk_finish_after_key_exchange_and_the_other_way_round() -> None:
    two = ready()
    number = started(two, stops_before_finish=True)
    psk_finish = PskFinish(version=SpdmVersion.V1_2, requester_verify_data=bytes(64)).build()
    assert answer_in(two, number, psk_finish).error_code == SpdmErrorCode.UNEXPECTED_REQUEST
    two.requester.finish(number, now=two.now)
    two.settle()
    assert_agreement(two, number)
    two.run(StartPskSession(PSK_HINT, stops_before_finish=True))
    other = max(two.requester.sessions, key=lambda session: two.requester.sessions[session].is_psk)
    finish = Finish(version=SpdmVersion.V1_2, requester_verify_data=bytes(64)).build()
    assert answer_in(two, other, finish).error_code == SpdmErrorCode.UNEXPECTED_REQUEST
    assert two.responder.sessions[other].state is SessionState.HANDSHAKING


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        ("12840000", SpdmErrorCode.VERSION_MISMATCH),
        ("10840000", SpdmErrorCode.UNEXPECTED_REQUEST),
        ("12830000" + 32 * "00", SpdmErrorCode.UNEXPECTED_REQUEST),
        ("12e10000" + 16 * "00", SpdmErrorCode.UNEXPECTED_REQUEST),
        ("12e40000", SpdmErrorCode.UNEXPECTED_REQUEST),
        ("12e50000", SpdmErrorCode.UNEXPECTED_REQUEST),
        ("12e8000000", SpdmErrorCode.INVALID_REQUEST),
        ("13e80000", SpdmErrorCode.VERSION_MISMATCH),
        ("12ec", SpdmErrorCode.INVALID_REQUEST),
    ],
)
def test_bad_requests_in_a_session_are_answered_in_it(raw: str, code: SpdmErrorCode) -> None:
    two = ready(heartbeat_period_s=5)
    number = started(two)
    assert answer_in(two, number, bytes.fromhex(raw)).error_code == code
    two.run(KeepAlive(), number)


def test_in_a_handshake_nothing_else_is_answered() -> None:
    two = ready(heartbeat_period_s=5)
    number = started(two, stops_before_finish=True)
    for raw in ("12e80000", "12e90101", "12ec0000", "12e000ff", "12810000"):
        assert answer_in(two, number, bytes.fromhex(raw)).error_code == SpdmErrorCode.UNEXPECTED_REQUEST
    with pytest.raises(LocalProtocolError):
        two.run(Heartbeat(version=SpdmVersion.V1_2), number)


@pytest.mark.parametrize("in_clear", [False, True])
def test_wrong_verify_data_end_the_session(in_clear: bool) -> None:
    clear = (R.HANDSHAKE_IN_THE_CLEAR_CAP, P.HANDSHAKE_IN_THE_CLEAR_CAP) if in_clear else (R(0), P(0))
    two = ready(requester=clear[0], responder=clear[1])
    number = started(two, stops_before_finish=True)
    finish = Finish(version=SpdmVersion.V1_2, requester_verify_data=bytes(64)).build()
    if in_clear:
        two.responder.receive(finish, now=two.now)
        raw = two.responder.bytes_to_send()
        assert raw is not None
        error = Error.parse(raw)
    else:
        error = answer_in(two, number, finish)
    assert error.error_code == SpdmErrorCode.DECRYPT_ERROR
    assert not two.responder.sessions


def test_requests_in_clear_that_must_be_secured() -> None:
    two = ready(heartbeat_period_s=5)
    number = started(two, stops_before_finish=True)
    for raw in ("12e80000", "12ec0000", "12e90101", "12e50000" + 64 * "00", "12e70000" + 64 * "00"):
        two.responder.receive(bytes.fromhex(raw), now=two.now)
        answer = two.responder.bytes_to_send()
        assert answer is not None
        assert Error.parse(answer).error_code == SpdmErrorCode.SESSION_REQUIRED
    two.requester.finish(number, now=two.now)
    two.settle()
    assert_agreement(two, number)


def damaged(message: bytes, at: int) -> bytes:
    return message[:at] + bytes([message[at] ^ 1]) + message[at + 1 :]


@pytest.mark.parametrize("at", [4, 5, 8, 12, -1])
def test_a_record_that_does_not_open_ends_its_session(at: int) -> None:
    two = ready()
    number, other = started(two), started(two)
    mine, theirs = both(two, number)
    record = mine.seal(Side.REQUEST, bytes.fromhex("12810000"), two.requester.provider)
    events = two.responder.receive(damaged(record, at % len(record)), now=two.now, is_secured=True)
    assert [type(event) for event in events] == [SessionEnded]
    assert last_error(two, number).error_code == SpdmErrorCode.DECRYPT_ERROR
    assert list(two.responder.sessions) == [other]
    assert theirs.state is SessionState.ENDED
    two.run(ReadDigests(), other)


def test_a_replayed_record_ends_its_session() -> None:
    two = ready()
    number = started(two)
    two.run(ReadDigests(), number)
    record = [message for side, message in two.wire if side == "request"][-1]
    (event,) = two.responder.receive(record, now=two.now, is_secured=True)
    assert isinstance(event, SessionEnded)


def test_a_record_of_no_session_is_dropped() -> None:
    two = ready()
    for record in (b"", b"\x01\x02", bytes(100)):
        (event,) = two.responder.receive(record, now=two.now, is_secured=True)
        assert isinstance(event, Dropped)
        assert two.responder.bytes_to_send() is None


def test_a_damaged_answer_ends_the_session_and_nothing_else() -> None:
    two = ready()
    number, other = started(two), started(two)
    two.tap = lambda side, message: message if side == "request" else damaged(message, len(message) - 1)
    with pytest.raises(VerificationError):
        two.run(ReadDigests(), number)
    two.tap = None
    assert list(two.requester.sessions) == [other]
    assert two.requester.state is not ConnectionState.ERROR
    two.run(ReadDigests(), other)


def test_a_forged_answer_in_clear_does_not_count() -> None:
    two = ready()
    number = started(two)
    two.requester.send(ReadDigests(), session=number, now=two.now)
    with pytest.raises(RemoteProtocolError, match="in clear"):
        two.requester.receive(bytes.fromhex("127f0600"), now=two.now)
    two.settle()
    assert_agreement(two, number)


@pytest.mark.parametrize("version", FROM_1_1)
@pytest.mark.parametrize("code", [SpdmCode.KEY_EXCHANGE_RSP, SpdmCode.PSK_EXCHANGE_RSP])
def test_a_damaged_handshake_leaves_no_session(version: SpdmVersion, code: SpdmCode) -> None:
    """Whichever bit is flipped, the requester has no session afterwards."""
    intent = StartSession() if code is SpdmCode.KEY_EXCHANGE_RSP else StartPskSession(PSK_HINT)
    two = ready(version)
    two.run(intent)
    size = next(len(message) for _, message in two.wire if message[1] == code and not message.is_secured)
    for at in range(2, size, max(size // 40, 1)):
        two = ready(version)

        def flip(side: str, message: Outgoing, at: int = at) -> bytes:
            is_wanted = side == "response" and not message.is_secured and message[1] == code
            return damaged(message, at) if is_wanted else message

        two.tap = flip
        with pytest.raises(PytioError):
            two.run(intent)
        assert not two.requester.sessions
        assert two.requester.state is ConnectionState.ERROR


def test_get_version_ends_every_session() -> None:
    two = ready()
    number = started(two)
    mine, theirs = both(two, number)
    two.connect()
    assert mine.state is theirs.state is SessionState.ENDED
    assert not two.responder.sessions


def test_nothing_shows_a_key() -> None:
    two = ready()
    number = started(two)
    mine, _ = both(two, number)
    shown = repr(mine) + repr(two.requester) + repr(two.responder.config) + repr(two.requester.config)
    for secret in (mine.direction(Side.REQUEST).secret, mine.finished_key(Side.REQUEST), mine.export_master_secret):
        assert secret.reveal().hex() not in shown
    assert "pre-shared" not in shown

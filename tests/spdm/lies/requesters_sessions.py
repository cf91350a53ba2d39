"""How requesters ask for what there is not, and lie in sessions (DSP0274, DSP0277)."""

from __future__ import annotations

from pytio.spdm.capabilities import ResponderCapabilities
from pytio.spdm.codes import KeyUpdateOperation, SpdmErrorCode, SpdmVersion
from pytio.spdm.events import SessionEnded
from pytio.spdm.messages.session import KeyUpdate
from pytio.spdm.requests import ReadDigests, UpdateKeys
from pytio.spdm.secured import RecordHeader, RecordPlaintext
from pytio.spdm.session import Side
from pytio.spdm.state import SessionState
from tests.spdm.lies.telling import flip, lie, refused
from tests.spdm.test_engine_sessions import both, ready, started

P, E = ResponderCapabilities, SpdmErrorCode
V1_2, V1_3 = SpdmVersion.V1_2, SpdmVersion.V1_3


# measurements


@lie
def a_signature_that_the_responder_does_not_make() -> None:
    two = ready(responder=P.MEAS_CAP_NO_SIG, without=P.MEAS_CAP_SIG)
    refused(two, "12e00101" + 32 * "00" + "00", E.INVALID_REQUEST)


@lie
def a_measurement_that_there_is_not() -> None:
    refused(ready(), "12e00077", E.INVALID_REQUEST)


@lie
def a_log_from_behind_its_end() -> None:
    two = ready(V1_3, responder=P.MEL_CAP)
    refused(two, "13ef0000 ffffff7f 10000000", E.INVALID_REQUEST)


@lie
def a_chain_from_behind_its_end() -> None:
    refused(ready(), "12820000 ffff 1000", E.INVALID_REQUEST)


# sessions


@lie
def a_record_that_does_not_open() -> None:
    two = ready()
    number = started(two)
    mine, theirs = both(two, number)
    record = mine.seal(Side.REQUEST, bytes.fromhex("12810000"), two.requester.provider)
    two.responder.receive(flip(-1)(record), now=two.now, is_secured=True)
    assert theirs.state is SessionState.ENDED
    assert not two.responder.sessions


@lie
def a_record_under_the_old_key_after_the_new_one_was_used() -> None:
    two = ready()
    number = started(two)
    mine, theirs = both(two, number)
    old = mine.direction(Side.REQUEST).cipher
    two.run(KeyUpdate(version=V1_2, key_operation=KeyUpdateOperation.UPDATE_KEY, tag=1), number)
    two.run(ReadDigests(), number)
    payload = RecordPlaintext(application_data=theirs.rules.framing.wrap(bytes.fromhex("12810000"))).build()
    size = theirs.rules.form.sequence_bytes
    header = RecordHeader(
        session_id=number, sequence_number=old.sequence_bytes(size), length=old.body_size(len(payload))
    ).build()
    events = two.responder.receive(header + old.seal(header, payload), now=two.now, is_secured=True)
    assert [type(event) for event in events] == [SessionEnded]


@lie
def a_heartbeat_where_there_is_none() -> None:
    two = ready()
    refused(two, "12e80000", E.UNEXPECTED_REQUEST, started(two))


@lie
def a_new_key_verified_that_there_is_not() -> None:
    two = ready()
    refused(two, "12e90301", E.INVALID_REQUEST, started(two))


@lie
def a_key_update_of_no_kind() -> None:
    two = ready()
    refused(two, "12e90401", E.INVALID_REQUEST, started(two))


@lie
def a_second_key_update_before_the_first_was_verified() -> None:
    two = ready()
    number = started(two)
    update = KeyUpdate(version=V1_2, key_operation=KeyUpdateOperation.UPDATE_KEY, tag=1)
    two.run(update, number)
    refused(two, update.build(), E.INVALID_REQUEST, number)
    two.run(KeyUpdate(version=V1_2, key_operation=KeyUpdateOperation.VERIFY_NEW_KEY, tag=2), number)
    two.run(UpdateKeys(), number)

"""How responders lie in handshakes and in sessions (DSP0274, DSP0277)."""

from __future__ import annotations

import attrs
import pytest

from pytio.errors import RemoteProtocolError
from pytio.spdm.capabilities import RequesterCapabilities, ResponderCapabilities
from pytio.spdm.codes import KeyUpdateOperation, MutAuthRequested, SpdmCode, SpdmVersion
from pytio.spdm.configuration import MutualAuthentication
from pytio.spdm.messages.session import KeyUpdateAck
from pytio.spdm.requests import ReadDigests, StartPskSession, StartSession, UpdateKeys
from pytio.spdm.responder import handshake
from pytio.spdm.secured import RecordHeader, RecordPlaintext
from pytio.spdm.secured_negotiation import SecuredTerms
from pytio.spdm.session import Side
from tests.spdm.lies.telling import flip, forged, lie, noticed, on_the_wire, sealed_so
from tests.spdm.pair import PSK_HINT, Pair
from tests.spdm.test_engine_flows import mutual_pair
from tests.spdm.test_engine_sessions import both, ready, started

R, P = RequesterCapabilities, ResponderCapabilities
V1_2 = SpdmVersion.V1_2


# handshakes


@lie
def two_kinds_of_mutual_authentication() -> None:
    two = mutual_pair(V1_2, mutual_authentication=MutualAuthentication.WITH_ENCAPSULATION)
    two.responder.mutual_authentication = lambda: (MutAuthRequested(3), 0)  # type: ignore[method-assign]
    noticed(two, StartSession(), match="MutAuthRequested")


@lie
def a_requester_slot_without_mutual_authentication() -> None:
    two = ready()
    two.responder.mutual_authentication = lambda: (MutAuthRequested(0), 1)  # type: ignore[method-assign]
    noticed(two, StartSession(), match="requester slot")


@lie
def records_of_a_version_that_was_not_offered() -> None:
    two = ready(of_requester={"secured_versions": (0x12,)})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(handshake, "_choose_version", lambda *_: (SecuredTerms((0x11,)), 0x11))
        noticed(two, StartSession(), match="secured messages")


@lie
def a_heartbeat_that_was_not_agreed_on() -> None:
    two = ready(without=R.HBEAT_CAP, heartbeat_period_s=5)
    agreed = two.responder.negotiated
    two.responder._negotiated = attrs.evolve(
        agreed, requester=agreed.requester | R.HBEAT_CAP, responder=agreed.responder | P.HBEAT_CAP
    )
    noticed(two, StartSession(), match="HBEAT_CAP")


def _in_clear() -> Pair:
    return ready(requester=R.HANDSHAKE_IN_THE_CLEAR_CAP, responder=P.HANDSHAKE_IN_THE_CLEAR_CAP)


@lie
def a_key_exchange_without_the_key() -> None:
    two = _in_clear()
    on_the_wire(two, SpdmCode.KEY_EXCHANGE_RSP, flip(-1))
    forged(two, StartSession())


@lie
def a_key_exchange_without_the_secret() -> None:
    two = ready()
    on_the_wire(two, SpdmCode.KEY_EXCHANGE_RSP, flip(-1))
    forged(two, StartSession())


@lie
def a_finish_without_the_secret() -> None:
    two = _in_clear()
    on_the_wire(two, SpdmCode.FINISH_RSP, flip(-1))
    with pytest.raises(Exception, match="FINISH_RSP ResponderVerifyData"):
        two.run(StartSession())
    assert not two.requester.sessions


@lie
def a_psk_exchange_without_the_secret() -> None:
    two = ready()
    on_the_wire(two, SpdmCode.PSK_EXCHANGE_RSP, flip(-1))
    forged(two, StartPskSession(PSK_HINT))


@lie
def a_psk_context_that_was_not_agreed_on() -> None:
    two = ready(responder=P.PSK_CAP, without=P.PSK_CAP_WITH_CONTEXT)
    agreed = two.responder.negotiated
    responder = agreed.responder & ~P.PSK_CAP | P.PSK_CAP_WITH_CONTEXT
    two.responder._negotiated = attrs.evolve(agreed, responder=responder)
    noticed(two, StartPskSession(PSK_HINT), match="PSK_CAP_WITH_CONTEXT")


@lie
def a_question_that_acknowledges_another_answer() -> None:
    two = mutual_pair(V1_2, mutual_authentication=MutualAuthentication.WITH_ENCAPSULATION)
    sealed_so(two, SpdmCode.ENCAPSULATED_RESPONSE_ACK, flip(4))
    with pytest.raises(RemoteProtocolError, match="acknowledges"):
        two.run(StartSession())
    assert not two.requester.sessions


# sessions


@lie
def an_acknowledgement_of_another_key_update() -> None:
    two = ready()
    number = started(two)
    sealed_so(two, SpdmCode.KEY_UPDATE_ACK, flip(3))
    noticed(two, UpdateKeys(), number, match="something else")


@lie
def a_key_update_acknowledged_under_the_old_key() -> None:
    two = ready()
    number = started(two)
    _, theirs = both(two, number)
    two.requester.send(UpdateKeys(KeyUpdateOperation.UPDATE_ALL_KEYS), session=number, now=two.now)
    record = two.requester.bytes_to_send()
    assert record is not None
    update = theirs.rules.framing.unwrap(theirs.open(Side.REQUEST, record))
    ack = KeyUpdateAck(version=V1_2, key_operation=KeyUpdateOperation.UPDATE_ALL_KEYS, tag=update[3]).build()
    old = theirs.seal(Side.RESPONSE, ack, two.responder.provider)
    with pytest.raises(RemoteProtocolError, match="old key"):
        two.requester.receive(old, now=two.now, is_secured=True)
    assert not two.requester.sessions


@lie
def a_record_with_another_sequence_number() -> None:
    """The tag holds over it: whoever says this knows the key."""
    two = ready()
    number = started(two)
    _, theirs = both(two, number)
    two.requester.send(ReadDigests(), session=number, now=two.now)
    cipher = theirs.direction(Side.RESPONSE).cipher
    payload = RecordPlaintext(
        application_data=theirs.rules.framing.wrap(bytes.fromhex("127f0500")), random_padding=b""
    ).build()
    header = RecordHeader(session_id=number, sequence_number=b"\x07\x00", length=cipher.body_size(len(payload))).build()
    with pytest.raises(Exception, match="sequence number"):
        two.requester.receive(header + cipher.seal(header, payload), now=two.now, is_secured=True)
    assert not two.requester.sessions


@lie
def a_record_that_is_authenticated_only_and_changed() -> None:
    two = ready(without=P.ENCRYPT_CAP)
    number = started(two)
    two.tap = lambda side, message: flip(12, 2)(message) if side == "response" else message
    forged(two, ReadDigests(), number)


@lie
def more_records_than_a_key_protects() -> None:
    two = ready(of_requester={"aead_limit_exponent": 2})
    number = started(two)
    mine, _ = both(two, number)
    mine.direction(Side.REQUEST).cipher._last = 1 << 20
    for _ in range(4):
        two.run(ReadDigests(), number)
    noticed(two, ReadDigests(), number, match="limit")

"""What a lying responder says, which the requester has to find (DSP0274; the rules that each lie breaks are named)."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from pytio.crypto import digest
from pytio.errors import RemoteProtocolError
from pytio.spdm.algorithms import BaseAsymAlgo
from pytio.spdm.capabilities import RequesterCapabilities, ResponderCapabilities
from pytio.spdm.codes import (
    CertificateModel,
    KeyUpdateOperation,
    MeasurementValueType,
    MutAuthRequested,
    RegistryId,
    SpdmCode,
    SpdmVersion,
)
from pytio.spdm.configuration import Measurement, MutualAuthentication
from pytio.spdm.messages.session import KeyUpdateAck
from pytio.spdm.requests import (
    Authenticate,
    Connect,
    EraseCertificate,
    KeepAlive,
    Measure,
    ReadCertificate,
    ReadDigests,
    ReadKeyPair,
    RequestCertificate,
    StartPskSession,
    StartSession,
    UpdateKeys,
    VendorRequest,
)
from pytio.spdm.responder import handshake
from pytio.spdm.secured import RecordHeader, RecordPlaintext
from pytio.spdm.secured_negotiation import SecuredTerms
from pytio.spdm.session import Side
from pytio.spdm.state import ConnectionState
from tests.spdm.lying import become, flip, forged, lie, noticed, on_the_wire, put, sealed_so, signed_so
from tests.spdm.pair import PSK_HINT, Pair, identity, pair, requester_config, responder_config
from tests.spdm.test_engine_flows import Echo, mutual_pair, narrow_pair
from tests.spdm.test_engine_sessions import both, ready, started

R, P = RequesterCapabilities, ResponderCapabilities
V1_2, V1_3 = SpdmVersion.V1_2, SpdmVersion.V1_3
VENDOR = VendorRequest(RegistryId.PCI_SIG, b"\x01\x00", b"hello")


def unconnected(version: SpdmVersion = V1_2, **requester: Any) -> Pair:
    """Return two endpoints that have said nothing yet."""
    return pair(requester_config(versions=(version,), **requester), responder_config())


# messages


@lie
def an_answer_of_another_version() -> None:
    two = ready()
    on_the_wire(two, SpdmCode.DIGESTS, put(0, SpdmVersion.V1_1))
    noticed(two, ReadDigests(), match="SPDMVersion")


@lie
def an_answer_to_another_request() -> None:
    two = ready(heartbeat_period_s=5)
    number = started(two)
    sealed_so(two, SpdmCode.HEARTBEAT_ACK, become("126c0000"))
    noticed(two, KeepAlive(), number)


@lie
def an_answer_in_clear_to_what_was_asked_in_a_session() -> None:
    two = ready()
    number = started(two)
    two.run(ReadDigests())
    answer = two.wire[-1][1]
    two.requester.send(ReadDigests(), session=number, now=two.now)
    with pytest.raises(RemoteProtocolError, match="in clear"):
        two.requester.receive(answer, now=two.now)
    two.settle()


@lie
def an_answer_in_another_session() -> None:
    two = ready()
    number, other = started(two), started(two)
    two.run(ReadDigests())
    record = two.responder.sessions[other].seal(Side.RESPONSE, two.wire[-1][1], two.responder.provider)
    two.requester.send(ReadDigests(), session=number, now=two.now)
    with pytest.raises(RemoteProtocolError):
        two.requester.receive(record, now=two.now, is_secured=True)
    assert list(two.requester.sessions) == [number]


@lie
def an_answer_while_the_requester_waits_to_ask_again() -> None:
    two = ready(of_requester={"busy_retries": 1})
    two.run(ReadDigests())
    answer = two.wire[-1][1]
    two.responder.is_busy = True
    two.requester.send(ReadDigests(), now=two.now)
    request = two.requester.bytes_to_send()
    assert request is not None
    two.responder.receive(request, now=two.now)
    busy = two.responder.bytes_to_send()
    assert busy is not None
    two.requester.receive(busy, now=two.now)
    with pytest.raises(RemoteProtocolError, match="nothing was asked"):
        two.requester.receive(answer, now=two.now)


@lie
def not_ready_for_another_request() -> None:
    two = ready()
    on_the_wire(two, SpdmCode.DIGESTS, become("127f42000182 01 02"))
    noticed(two, ReadDigests())


@lie
def not_ready_for_half_a_million_years() -> None:
    two = ready()
    on_the_wire(two, SpdmCode.DIGESTS, become("127f42003f81 01 02"))
    noticed(two, ReadDigests())


@lie
def algorithms_that_are_not_ready() -> None:
    two = unconnected()
    on_the_wire(two, SpdmCode.ALGORITHMS, become("127f420001e3 01 02"))
    noticed(two, Connect())


@lie
def another_vendor_answers() -> None:
    two = ready()
    two.responder.register(Echo(), RegistryId.PCI_SIG, b"\x01\x00")
    on_the_wire(two, SpdmCode.VENDOR_DEFINED_RESPONSE, flip(7, 0xFF))
    noticed(two, VENDOR, match="another vendor")


# negotiation


@lie
def capabilities_that_exclude_one_another() -> None:
    two = unconnected()
    on_the_wire(two, SpdmCode.CAPABILITIES, lambda message: put(8, message[8] | 0x18)(message))
    noticed(two, Connect())


@lie
def a_transfer_size_below_the_least() -> None:
    two = unconnected()
    on_the_wire(two, SpdmCode.CAPABILITIES, lambda message: put(13, 0)(put(12, 41)(message)))
    noticed(two, Connect(), match="DataTransferSize 41")


@lie
def a_largest_message_below_the_transfer_size() -> None:
    two = unconnected()
    on_the_wire(two, SpdmCode.CAPABILITIES, lambda message: message[:16] + bytes([64, 0, 0, 0]) + message[20:])
    noticed(two, Connect(), match="MaxSPDMmsgSize 64")


@lie
def algorithms_that_nobody_asked_for() -> None:
    two = unconnected(V1_3)
    on_the_wire(two, SpdmCode.GET_CAPABILITIES, put(2, 1), side="request")
    noticed(two, Connect(), match="not asked for")


@lie
def two_hashes() -> None:
    two = unconnected()
    on_the_wire(two, SpdmCode.ALGORITHMS, lambda message: put(16, message[16] ^ 0x80)(message))
    noticed(two, Connect(), match="BaseHashSel")


@lie
def two_measurement_hashes() -> None:
    two = unconnected()
    on_the_wire(two, SpdmCode.ALGORITHMS, lambda message: put(8, message[8] ^ 0x06)(message))
    noticed(two, Connect(), match="MeasurementHashAlgo")


@lie
def no_aead() -> None:
    two = unconnected()
    aead = bytes.fromhex("0320")

    def without(message: bytes) -> bytes:
        at = message.index(aead, 36)
        return message[: at + 2] + bytes(2) + message[at + 4 :]

    on_the_wire(two, SpdmCode.ALGORITHMS, without)
    noticed(two, Connect(), match="AEAD")


# identity


@lie
def a_certificate_of_another_slot() -> None:
    two = ready()
    on_the_wire(two, SpdmCode.CERTIFICATE, put(2, 1))
    noticed(two, ReadCertificate(), match="slot 1")


@lie
def more_of_a_chain_than_was_asked_for() -> None:
    two = ready(of_requester={"certificate_portion_bytes": 64})
    on_the_wire(two, SpdmCode.GET_CERTIFICATE, put(6, 128), side="request")
    noticed(two, ReadCertificate(), match="more than was asked for")


@lie
def a_chain_that_grows_while_it_is_read() -> None:
    two = ready(of_requester={"certificate_portion_bytes": 64})
    on_the_wire(two, SpdmCode.CERTIFICATE, flip(6), first=1, only=1)
    noticed(two, ReadCertificate(), match="before")


@lie
def a_chain_without_end() -> None:
    two = ready()

    def nothing(message: bytes) -> bytes:
        return message[:4] + bytes(2) + message[6:8]

    on_the_wire(two, SpdmCode.CERTIFICATE, lambda message: put(6, 1)(nothing(message)))
    noticed(two, ReadCertificate(), match="empty part")


@lie
def a_chain_of_another_digest() -> None:
    two = ready()
    on_the_wire(two, SpdmCode.DIGESTS, flip(10))
    two.run(ReadDigests())
    forged(two, ReadCertificate())


@lie
def a_chain_that_nobody_trusts() -> None:
    two = pair(requester_config(versions=(V1_2,)), _other_chain())
    two.connect()
    forged(two, ReadCertificate())


def _other_chain() -> Any:
    mine = responder_config()
    other = identity(BaseAsymAlgo.ECDSA_P256, number=1)
    slot = attrs.evolve(mine.slots[0], certificates=other.certificates)
    return attrs.evolve(mine, slots={0: slot}, key_pairs=(attrs.evolve(mine.key_pairs[0], key=other.key),))


@lie
def a_provisioned_slot_that_there_is_not() -> None:
    two = ready(V1_3)
    on_the_wire(two, SpdmCode.DIGESTS, put(2, 0))
    noticed(two, ReadDigests(), match="not supported")


@lie
def a_generic_certificate_in_slot_0() -> None:
    two = mutual_pair(V1_3, multi_key=True)
    slot = attrs.evolve(two.responder.slots.slots[0], model=CertificateModel.GENERIC_CERT)
    two.responder.slots.slots[0] = slot
    noticed(two, ReadDigests(), match="generic")


@lie
def a_challenge_answered_for_another_slot() -> None:
    two = ready()
    signed_so(two, SpdmCode.CHALLENGE_AUTH, put(2, 1))
    noticed(two, Authenticate(), match="slot 1")


@lie
def a_challenge_answered_for_a_slot_that_the_mask_lacks() -> None:
    two = ready()
    signed_so(two, SpdmCode.CHALLENGE_AUTH, flip(3))
    noticed(two, Authenticate(), match="mask")


@lie
def a_challenge_answered_with_another_chain_hash() -> None:
    two = ready()
    signed_so(two, SpdmCode.CHALLENGE_AUTH, flip(4))
    forged(two, Authenticate())


@lie
def a_challenge_answered_with_another_context() -> None:
    two = ready(V1_3)
    at = 4 + two.requester.hash_algorithm.digest_size + 32 + 2
    signed_so(two, SpdmCode.CHALLENGE_AUTH, flip(at))
    noticed(two, Authenticate(), match="RequesterContext")


@lie
def a_challenge_answered_by_a_demand_that_cannot_be_met() -> None:
    two = ready()
    signed_so(two, SpdmCode.CHALLENGE_AUTH, flip(2, 0x80))
    noticed(two, Authenticate(), match="BasicMutAuth")


@lie
def a_challenge_answered_without_the_key() -> None:
    two = ready()
    on_the_wire(two, SpdmCode.CHALLENGE_AUTH, flip(-1))
    forged(two, Authenticate())


# measurements


@lie
def a_measurement_of_another_index() -> None:
    two = ready()
    on_the_wire(two, SpdmCode.MEASUREMENTS, flip(8, 0x06))
    noticed(two, Measure(1), match="instead of 1")


@lie
def a_measurement_twice() -> None:
    two = ready()

    def again(message: bytes) -> bytes:
        second = 8 + 4 + int.from_bytes(message[10:12], "little")
        return put(second, message[8])(message)

    on_the_wire(two, SpdmCode.MEASUREMENTS, again)
    noticed(two, Measure(), match="twice")


@lie
def measurements_where_they_were_to_be_counted() -> None:
    two = ready()
    on_the_wire(two, SpdmCode.GET_MEASUREMENTS, put(3, 0xFF), side="request")
    noticed(two, Measure(0), match="only their number")


@lie
def a_measurement_cut_short() -> None:
    short = Measurement(1, MeasurementValueType.HASH_EXTEND, digest(ready().requester.hash_algorithm)[:20])
    two = ready(measurements=(short,))
    noticed(two, Measure(), match="digest of 20 bytes")


@lie
def measurements_with_another_context() -> None:
    two = ready(V1_3)
    on_the_wire(two, SpdmCode.MEASUREMENTS, flip(-1))
    noticed(two, Measure(), match="RequesterContext")


@lie
def measurements_signed_for_another_slot() -> None:
    two = ready()
    signed_so(two, SpdmCode.MEASUREMENTS, flip(3))
    noticed(two, Measure(slot=0), match="slot 1")


@lie
def measurements_that_were_changed_after_they_were_signed() -> None:
    two = ready()
    on_the_wire(two, SpdmCode.MEASUREMENTS, flip(20))
    forged(two, Measure(slot=0))


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


# chunks


@lie
def an_acknowledgement_of_another_chunk() -> None:
    two = narrow_pair(V1_2, 60)
    two.responder.register(Echo(), RegistryId.PCI_SIG, b"\x01\x00")
    on_the_wire(two, SpdmCode.CHUNK_SEND_ACK, flip(4))
    noticed(two, attrs.evolve(VENDOR, payload=bytes(200)), match="chunk")


@lie
def a_large_response_inside_a_large_response() -> None:
    two = narrow_pair(V1_2, 60)
    on_the_wire(two, SpdmCode.CHUNK_RESPONSE, become("127f0f0001"), only=1)
    noticed(two, ReadDigests())


@lie
def a_chunk_that_is_not_the_next() -> None:
    two = narrow_pair(V1_2, 60)
    on_the_wire(two, SpdmCode.CHUNK_RESPONSE, flip(4, 2), first=1)
    noticed(two, ReadDigests(), match="was to come")


@lie
def chunks_of_fewer_bytes_than_announced() -> None:
    two = narrow_pair(V1_2, 60)
    on_the_wire(two, SpdmCode.CHUNK_RESPONSE, lambda message: put(12, message[12] + 8)(message), only=1)
    noticed(two, ReadDigests(), match="bytes of")


@lie
def chunks_of_two_gigabytes() -> None:
    two = narrow_pair(V1_2, 60)
    on_the_wire(two, SpdmCode.CHUNK_RESPONSE, put(15, 0x7F), only=1)
    noticed(two, ReadDigests(), match="at most")
    assert [message[1] for side, message in two.wire if side == "request"].count(SpdmCode.CHUNK_GET) == 1


# provisioning


@lie
def another_key_pair() -> None:
    two = ready(V1_3, responder=P.GET_KEY_PAIR_INFO_CAP)
    on_the_wire(two, SpdmCode.KEY_PAIR_INFO, flip(5, 3))
    noticed(two, ReadKeyPair(1), match="key pair 2")


@lie
def a_key_pair_beyond_the_last() -> None:
    two = ready(V1_3, responder=P.GET_KEY_PAIR_INFO_CAP)
    on_the_wire(two, SpdmCode.KEY_PAIR_INFO, put(4, 0))
    noticed(two, ReadKeyPair(1), match="of 0")


@lie
def another_slot_was_erased() -> None:
    two = ready(V1_3, responder=P.SET_CERT_CAP, is_trusted_environment=True)
    on_the_wire(two, SpdmCode.SET_CERTIFICATE_RSP, flip(2, 3))
    noticed(two, EraseCertificate(1), match="slot 2")


@lie
def a_request_for_a_certificate_of_nothing() -> None:
    two = ready(responder=P.CSR_CAP | P.SET_CERT_CAP)
    on_the_wire(two, SpdmCode.CSR, lambda message: message[:4] + bytes(4))
    noticed(two, RequestCertificate(), match="empty")


# the requester is in no state to go on with after a lie, but to begin anew


@lie
def once_and_then_the_truth() -> None:
    two = ready()
    on_the_wire(two, SpdmCode.DIGESTS, flip(0))
    noticed(two, ReadDigests())
    with pytest.raises(Exception, match="only Connect"):
        two.requester.receive(two.wire[-1][1], now=two.now)
    two.tap = None
    two.connect()
    assert two.requester.state is ConnectionState.NEGOTIATED

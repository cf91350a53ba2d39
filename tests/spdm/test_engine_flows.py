"""Back to back where exchanges nest: mutual authentication, encapsulated requests, chunks, deferred responses."""

from __future__ import annotations

from typing import Any

import pytest

from pytio.crypto import ChainRole, PublicKey
from pytio.errors import LocalProtocolError, PytioError, RemoteProtocolError, SpdmPeerError
from pytio.spdm.algorithms import BaseAsymAlgo
from pytio.spdm.capabilities import RequesterCapabilities, ResponderCapabilities
from pytio.spdm.codes import KeyUpdateOperation, RegistryId, SpdmCode, SpdmErrorCode, SpdmVersion
from pytio.spdm.configuration import KeyPair, Limits, MutualAuthentication, Slot, Trust
from pytio.spdm.events import (
    Checked,
    EncapsulatedFlowEnded,
    EndpointInfoRead,
    KeysUpdated,
    PeerAuthenticated,
    RequestDeferred,
    VendorResponseReceived,
)
from pytio.spdm.messages.certificate import Certificate, GetCertificate
from pytio.spdm.messages.encapsulated import DeliverEncapsulatedResponse, GetEncapsulatedRequest
from pytio.spdm.messages.error import Error
from pytio.spdm.requests import (
    AnswerEncapsulated,
    Authenticate,
    Connect,
    Measure,
    ReadCertificate,
    ReadDigests,
    ReadEndpointInfo,
    StartSession,
    UpdateKeys,
    VendorRequest,
)
from pytio.spdm.responder import NotReadyError
from pytio.spdm.secured import RecordTransport
from pytio.spdm.session import Side
from pytio.spdm.state import ConnectionState
from tests.spdm.pair import Pair, identity, pair, requester_config, responder_config, trust_in
from tests.spdm.test_engine_sessions import FROM_1_1, answer_in, assert_agreement, started

R, P = RequesterCapabilities, ResponderCapabilities
FROM_1_2 = [version for version in SpdmVersion if version >= SpdmVersion.V1_2]
FROM_1_3 = [version for version in SpdmVersion if version >= SpdmVersion.V1_3]
MUTUAL = R.CERT_CAP | R.CHAL_CAP | R.MUT_AUTH_CAP | R.ENCAP_CAP


def mutual_pair(
    version: SpdmVersion,
    *,
    in_clear: bool = False,
    slot: int = 0,
    multi_key: bool = False,
    requester: dict[str, Any] | None = None,
    transport: RecordTransport = RecordTransport.PCI_DOE,
    **responder: Any,
) -> Pair:
    """Return two endpoints either of which has an identity that the other trusts."""
    mine = identity(BaseAsymAlgo.ECDSA_P384, ChainRole.REQUESTER)
    flags, of_responder = MUTUAL, P.MUT_AUTH_CAP | P.ENCAP_CAP
    if in_clear:
        flags, of_responder = flags | R.HANDSHAKE_IN_THE_CLEAR_CAP, of_responder | P.HANDSHAKE_IN_THE_CLEAR_CAP
    if multi_key:
        flags |= R.MULTI_KEY_CAP_NEG
        of_responder |= P.MULTI_KEY_CAP_NEG | P.GET_KEY_PAIR_INFO_CAP
    asking: dict[str, Any] = {
        "versions": (version,),
        "capabilities": requester_config().capabilities | flags,
        "key_pairs": (KeyPair(mine.key),),
        "slots": {slot: Slot(mine.certificates)},
    }
    answering: dict[str, Any] = {
        "capabilities": responder_config().capabilities | of_responder,
        "trust": trust_in(mine),
        "requester_slot": slot,
    }
    two = pair(requester_config(**(asking | (requester or {}))), responder_config(**(answering | responder)), transport)
    two.connect()
    two.run(ReadDigests())
    two.run(ReadCertificate())
    return two


@pytest.mark.parametrize("version", FROM_1_1)
@pytest.mark.parametrize("in_clear", [False, True])
@pytest.mark.parametrize("way", [MutualAuthentication.WITH_ENCAPSULATION, MutualAuthentication.WITH_DIGESTS])
@pytest.mark.parametrize("slot", [0, 3])
def test_sessions_that_authenticate_both_sides(
    version: SpdmVersion, in_clear: bool, way: MutualAuthentication, slot: int
) -> None:
    two = mutual_pair(version, in_clear=in_clear, slot=slot, mutual_authentication=way)
    number = started(two)
    assert_agreement(two, number)
    assert two.requester.sessions[number].is_mutual
    who = [event for event in two.answered if isinstance(event, PeerAuthenticated)]
    assert [(event.slot, event.session) for event in who] == [(slot, number)]
    signed = [e.check.what for e in two.answered if isinstance(e, Checked) and not e.check.is_ours]
    assert signed == ["FINISH signature", "FINISH RequesterVerifyData"]
    two.run(ReadDigests(), number)


@pytest.mark.parametrize("version", FROM_1_3)
@pytest.mark.parametrize("way", [MutualAuthentication.WITH_ENCAPSULATION, MutualAuthentication.WITH_DIGESTS])
def test_several_keys_enter_the_transcript(version: SpdmVersion, way: MutualAuthentication) -> None:
    two = mutual_pair(version, multi_key=True, mutual_authentication=way)
    number = started(two)
    assert_agreement(two, number)
    pieces = two.requester.sessions[number].transcript.th2()
    assert [piece.rule for piece in pieces] == ["A"] * 6 + ["D", "Ct", "K", "K", "ED", "CM", "F", "F"]


@pytest.mark.parametrize("version", FROM_1_1)
def test_without_encapsulation_the_chain_is_known_beforehand(version: SpdmVersion) -> None:
    mine = identity(BaseAsymAlgo.ECDSA_P384, ChainRole.REQUESTER)
    plain = mutual_pair(version)
    chain = Slot(mine.certificates).chain(plain.requester.hash_algorithm)
    trust = Trust(roots=trust_in(mine).roots, chains={0: chain})
    way = MutualAuthentication.WITHOUT_ENCAPSULATION
    two = mutual_pair(version, mutual_authentication=way, trust=trust)
    number = started(two)
    assert_agreement(two, number)
    assert two.requester.sessions[number].is_mutual
    assert not any(message[1] == SpdmCode.GET_ENCAPSULATED_REQUEST for _, message in two.wire)
    with pytest.raises(SpdmPeerError) as error:
        started(mutual_pair(version, mutual_authentication=way, is_mutual_authentication_mandatory=True))
    is_policy = version >= SpdmVersion.V1_3
    assert error.value.code == (SpdmErrorCode.INVALID_POLICY if is_policy else SpdmErrorCode.UNSPECIFIED)


@pytest.mark.parametrize("version", FROM_1_1)
def test_keys_that_were_provisioned_out_of_band(version: SpdmVersion) -> None:
    ours, theirs = identity(BaseAsymAlgo.ECDSA_P384, ChainRole.REQUESTER), identity(BaseAsymAlgo.ECDSA_P256)
    sessions = R.ENCRYPT_CAP | R.MAC_CAP | R.KEY_EX_CAP
    two = pair(
        requester_config(
            versions=(version,),
            capabilities=sessions | R.PUB_KEY_ID_CAP | R.CHAL_CAP | R.MUT_AUTH_CAP | R.ENCAP_CAP,
            key_pairs=(KeyPair(ours.key),),
            raw_public_key_pair=1,
            trust=Trust(public_keys=(PublicKey.from_spki(theirs.key.public_key.to_spki()),)),
        ),
        responder_config(
            capabilities=P(int(sessions))
            | (P.PUB_KEY_ID_CAP | P.CHAL_CAP | P.MEAS_CAP_SIG | P.MUT_AUTH_CAP | P.ENCAP_CAP),
            slots={},
            raw_public_key_pair=1,
            trust=Trust(public_keys=(ours.key.public_key,)),
            mutual_authentication=MutualAuthentication.WITH_ENCAPSULATION,
            has_basic_mutual_authentication=True,
        ),
    )
    two.connect()
    two.run(Authenticate(0xFF))
    two.run(Measure(slot=0xF))
    number = started(two, slot=0xFF)
    assert_agreement(two, number)
    assert [(e.slot, e.session) for e in two.answered if isinstance(e, PeerAuthenticated)] == [
        (0xFF, None),
        (0xFF, number),
    ]


@pytest.mark.parametrize("version", FROM_1_1)
def test_basic_mutual_authentication(version: SpdmVersion) -> None:
    two = mutual_pair(version, has_basic_mutual_authentication=True)
    events = two.run(Authenticate())
    ended = [event for event in events if isinstance(event, EncapsulatedFlowEnded)]
    (flow,) = ended
    asked = [SpdmCode.GET_DIGESTS, SpdmCode.GET_CERTIFICATE, SpdmCode.CHALLENGE]
    assert list(dict.fromkeys(flow.answered)) == asked
    (who,) = [event for event in two.answered if isinstance(event, PeerAuthenticated)]
    assert who.session is None
    made = next(e.check for e in events if isinstance(e, Checked) and e.check.is_ours)
    has_vca = version >= SpdmVersion.V1_2
    assert [p.rule for p in made.pieces] == ["A"] * 6 * has_vca + ["mutB"] * 4 + ["mutC"] * 2
    two.run(Measure(slot=0))


def test_during_mutual_authentication_nothing_else_is_answered() -> None:
    two = mutual_pair(SpdmVersion.V1_2, mutual_authentication=MutualAuthentication.WITH_ENCAPSULATION)
    number = started(two, stops_before_finish=True)
    for raw in ("12e50000" + 64 * "00", "12810000"):
        assert answer_in(two, number, bytes.fromhex(raw)).error_code == SpdmErrorCode.REQUEST_IN_FLIGHT
    two.responder.receive(bytes.fromhex("12810000"), now=two.now)
    answer = two.responder.bytes_to_send()
    assert answer is not None
    assert Error.parse(answer).error_code == SpdmErrorCode.REQUEST_IN_FLIGHT


def test_a_session_is_not_finished_after_mutual_authentication_failed() -> None:
    """Who answers badly cannot go on without a signature."""
    two = mutual_pair(SpdmVersion.V1_2, mutual_authentication=MutualAuthentication.WITH_ENCAPSULATION)
    number = started(two, stops_before_finish=True)
    mine = two.requester.sessions[number]
    get = GetEncapsulatedRequest(version=SpdmVersion.V1_2).build()
    two.responder.receive(mine.seal(Side.REQUEST, get, two.requester.provider), now=two.now, is_secured=True)
    record = two.responder.bytes_to_send()
    assert record is not None
    mine.open(Side.RESPONSE, record)
    bad = DeliverEncapsulatedResponse(
        version=SpdmVersion.V1_2, request_id=1, encapsulated_response=bytes.fromhex("12020000")
    )
    assert answer_in(two, number, bad.build()).error_code == SpdmErrorCode.INVALID_RESPONSE_CODE
    two.requester.finish(number, now=two.now)
    with pytest.raises(SpdmPeerError) as error:
        two.settle()
    assert error.value.code == SpdmErrorCode.UNEXPECTED_REQUEST
    assert number not in two.requester.sessions


def test_a_requester_whose_key_is_not_trusted() -> None:
    two = mutual_pair(
        SpdmVersion.V1_2,
        mutual_authentication=MutualAuthentication.WITH_ENCAPSULATION,
        trust=trust_in(identity(BaseAsymAlgo.ECDSA_P256)),
    )
    with pytest.raises(SpdmPeerError) as error:
        two.run(StartSession())
    assert error.value.code == SpdmErrorCode.INVALID_RESPONSE_CODE


def test_a_requester_without_identity_is_asked_for_none() -> None:
    two = pair(
        requester_config(versions=(SpdmVersion.V1_2,)),
        responder_config(
            capabilities=responder_config().capabilities | P.MUT_AUTH_CAP,
            mutual_authentication=MutualAuthentication.WITH_ENCAPSULATION,
        ),
    )
    two.connect()
    two.run(ReadCertificate())
    started(two)
    assert not any(isinstance(event, PeerAuthenticated) for event in two.answered)


# encapsulated requests


@pytest.mark.parametrize(
    ("version", "code"),
    [
        (SpdmVersion.V1_2, SpdmErrorCode.UNEXPECTED_REQUEST),
        (SpdmVersion.V1_4, SpdmErrorCode.NO_PENDING_REQUESTS),
    ],
)
def test_there_is_nothing_to_ask(version: SpdmVersion, code: SpdmErrorCode) -> None:
    with pytest.raises(SpdmPeerError) as error:
        mutual_pair(version).run(AnswerEncapsulated())
    assert error.value.code == code


@pytest.mark.parametrize("version", FROM_1_1)
@pytest.mark.parametrize("transport", [RecordTransport.PCI_DOE, RecordTransport.MCTP])
def test_the_responder_changes_its_key(version: SpdmVersion, transport: RecordTransport) -> None:
    two = mutual_pair(version, transport=transport)
    number = started(two)
    mine = two.requester.sessions[number]
    before = {side: mine.direction(side).secret for side in Side}
    for _ in range(2):
        two.responder.ask(UpdateKeys(KeyUpdateOperation.UPDATE_KEY), session=number)
        events = two.run(AnswerEncapsulated(), number)
        assert [type(event) for event in events] == [KeysUpdated, EncapsulatedFlowEnded]
        assert_agreement(two, number)
    assert mine.direction(Side.REQUEST).secret == before[Side.REQUEST]
    assert mine.direction(Side.RESPONSE).secret != before[Side.RESPONSE]
    two.run(UpdateKeys(), number)
    assert_agreement(two, number)


@pytest.mark.parametrize("version", FROM_1_3)
@pytest.mark.parametrize("in_session", [False, True])
def test_the_responder_asks_for_endpoint_information(version: SpdmVersion, in_session: bool) -> None:
    flags = requester_config().capabilities | MUTUAL | R.EP_INFO_CAP_SIG
    two = mutual_pair(version, requester={"capabilities": flags})
    number = started(two) if in_session else None
    two.responder.ask(ReadDigests(), ReadCertificate(), ReadEndpointInfo(slot=0), ReadEndpointInfo(), session=number)
    two.run(AnswerEncapsulated(), number)
    infos = [event.is_signed for event in two.answered if isinstance(event, EndpointInfoRead)]
    assert infos == [True, False]


def test_a_requester_asks_for_no_flow_that_there_is_not() -> None:
    two = pair(
        requester_config(capabilities=requester_config().capabilities & ~R.ENCAP_CAP),
    )
    two.connect()
    with pytest.raises(LocalProtocolError):
        two.run(AnswerEncapsulated())
    with pytest.raises(LocalProtocolError):
        two.responder.ask(ReadDigests())


# chunks


def narrow_pair(version: SpdmVersion, size: int, **settings: Any) -> Pair:
    """Return two endpoints that take hardly anything at once."""
    limits = Limits(data_transfer_size=size, max_spdm_msg_size=0x10000)
    asking = requester_config(versions=(version,), limits=limits, **settings)
    two = pair(asking, responder_config(limits=limits), RecordTransport.MCTP)
    two.connect()
    return two


class Echo:
    """Answers with what was asked."""

    def handle(self, payload: bytes, session: int | None) -> bytes:
        return payload


@pytest.mark.parametrize("version", FROM_1_2)
@pytest.mark.parametrize("size", [42, 43, 60, 100, 512])
def test_everything_travels_in_chunks(version: SpdmVersion, size: int) -> None:
    two = narrow_pair(version, size)
    for intent in (ReadDigests(), ReadCertificate(), Authenticate(), Measure(slot=0)):
        two.run(intent)
    number = started(two)
    assert_agreement(two, number)
    two.run(Measure(slot=0), number)
    two.run(ReadCertificate(), number)
    two.responder.register(Echo(), RegistryId.PCI_SIG, b"\x01\x00")
    payload = bytes(range(256)) * 9
    (event,) = two.run(VendorRequest(RegistryId.PCI_SIG, b"\x01\x00", payload), number)
    assert isinstance(event, VendorResponseReceived)
    assert event.message.payload == payload
    assert_agreement(two, number)
    assert max(len(message) for _, message in two.wire if not message.is_secured) <= size


@pytest.mark.parametrize("version", FROM_1_3)
def test_a_list_of_algorithms_travels_in_chunks(version: SpdmVersion) -> None:
    two = narrow_pair(version, 42, asks_for_supported_algorithms=True)
    assert two.requester.is_negotiated
    assert any(message[1] == SpdmCode.CHUNK_GET for _, message in two.wire)


def test_handles_are_those_of_the_reference_implementation() -> None:
    two = narrow_pair(SpdmVersion.V1_2, 60)
    two.run(ReadDigests())
    two.run(ReadCertificate())
    handles = [message[4] for _, message in two.wire if message[1:3] == b"\x7f\x0f"]
    assert handles[:3] == [1, 3]


def test_without_chunks_what_is_too_large_is_refused() -> None:
    flags = requester_config().capabilities & ~R.CHUNK_CAP
    two = pair(
        requester_config(versions=(SpdmVersion.V1_2,), capabilities=flags, limits=Limits(data_transfer_size=60)),
    )
    two.connect()
    with pytest.raises(SpdmPeerError) as error:
        two.run(ReadDigests())
    assert error.value.code == SpdmErrorCode.RESPONSE_TOO_LARGE
    big = VendorRequest(RegistryId.PCI_SIG, b"\x01\x00", bytes(0x2000))
    with pytest.raises(LocalProtocolError, match="the responder takes"):
        two.run(big)
    assert two.requester.is_idle


def sent_raw(two: Pair, raw: str) -> bytes:
    two.responder.receive(bytes.fromhex(raw), now=two.now)
    answer = two.responder.bytes_to_send()
    assert answer is not None
    return answer


FIRST = "12850000 0000 0000 1a000000 64000000" + 26 * "aa"
NEXT = "12850000 0100 0000 1e000000" + 30 * "aa"


@pytest.mark.parametrize(
    "raw",
    [
        "12850100 0000 0000 1a000000 1a000000" + 26 * "aa",
        "12850000 0100 0000 1a000000" + 26 * "aa",
        "12850000 0000 0000 1a000000 2a000000" + 26 * "aa",
        "12850000 0000 0000 02000000 64000000" + 2 * "aa",
        "12850000 0000 0000 1a000000 00000020" + 26 * "aa",
    ],
)
def test_a_bad_first_chunk_is_an_early_error(raw: str) -> None:
    two = narrow_pair(SpdmVersion.V1_2, 100)
    answer = sent_raw(two, raw)
    assert answer[:4] == bytes.fromhex("12050100")
    assert Error.parse(answer[6:]).error_code == SpdmErrorCode.INVALID_REQUEST
    two.run(ReadDigests())


@pytest.mark.parametrize(
    "raw",
    [
        "12850001 0100 0000 1e000000" + 30 * "aa",
        "12850000 0200 0000 1e000000" + 30 * "aa",
        "12850000 0100 0000 02000000" + 2 * "aa",
        "12850100 0100 0000 1e000000" + 30 * "aa",
        "12850000 0100 0000 50000000" + 80 * "aa",
    ],
)
def test_a_bad_next_chunk_is_an_early_error(raw: str) -> None:
    two = narrow_pair(SpdmVersion.V1_2, 100)
    assert sent_raw(two, FIRST)[:6] == bytes.fromhex("120500000000")
    answer = sent_raw(two, raw)
    assert answer[:3] == bytes.fromhex("120501")
    two.run(ReadDigests())


def test_other_requests_during_a_transfer_do_not_disturb_it() -> None:
    two = narrow_pair(SpdmVersion.V1_2, 100)
    sent_raw(two, FIRST)
    assert Error.parse(sent_raw(two, "12810000")).error_code == SpdmErrorCode.UNEXPECTED_REQUEST
    assert sent_raw(two, NEXT)[:6] == bytes.fromhex("120500000100")
    two.run(Connect())
    two.run(ReadDigests())


def test_there_is_nothing_to_fetch() -> None:
    two = narrow_pair(SpdmVersion.V1_2, 100)
    assert Error.parse(sent_raw(two, "128600000000")).error_code == SpdmErrorCode.UNEXPECTED_REQUEST


def test_chunks_of_a_lying_responder() -> None:
    """Whichever field of a chunk is wrong, the requester notices and is in ERROR."""
    for at in (3, 4, 8, 12, 13):
        two = narrow_pair(SpdmVersion.V1_2, 60)
        two.tap = lambda side, message, at=at: (
            message[:at] + bytes([message[at] ^ 0x81]) + message[at + 1 :]
            if message[1] == 6 and side == "response"
            else message
        )
        with pytest.raises(PytioError):
            two.run(ReadDigests())
        assert two.requester.state is ConnectionState.ERROR


# responses that are put off


@pytest.mark.parametrize("version", list(SpdmVersion))
def test_a_response_that_is_put_off(version: SpdmVersion) -> None:
    slow = {SpdmCode.CHALLENGE: 0.5, SpdmCode.GET_MEASUREMENTS: 2.0, SpdmCode.KEY_EXCHANGE: 0.01}
    two = pair(requester_config(versions=(version,)), responder_config(deferred_s=slow))
    two.connect()
    two.run(ReadCertificate())
    before = two.now
    events = two.run(Authenticate())
    assert isinstance(events[0], RequestDeferred)
    assert 0.5 <= two.now - before < 1.1
    two.run(Measure(1))
    two.run(Measure(slot=0))
    if version >= SpdmVersion.V1_1:
        number = started(two)
        assert_agreement(two, number)
        two.run(Measure(slot=0), number)
        assert_agreement(two, number)


class Slow:
    """Is ready at the second call."""

    def __init__(self) -> None:
        self.calls = 0

    def handle(self, payload: bytes, session: int | None) -> bytes:
        self.calls += 1
        if self.calls % 2:
            raise NotReadyError(0.003)
        return payload


def test_vendors_may_put_off_their_answer() -> None:
    two = narrow_pair(SpdmVersion.V1_4, 100)
    two.responder.register(Slow(), RegistryId.PCI_SIG, b"\x01\x00")
    for payload in (b"short", bytes(1000)):
        *_, event = two.run(VendorRequest(RegistryId.PCI_SIG, b"\x01\x00", payload))
        assert isinstance(event, VendorResponseReceived)
        assert event.message.payload == payload


def test_respond_if_ready_for_what_was_not_put_off() -> None:
    two = pair(requester_config(versions=(SpdmVersion.V1_2,)), responder_config(deferred_s={SpdmCode.GET_DIGESTS: 1.0}))
    two.connect()
    assert Error.parse(sent_raw(two, "12ff8101")).error_code == SpdmErrorCode.UNEXPECTED_REQUEST
    assert Error.parse(sent_raw(two, "12810000")).error_code == SpdmErrorCode.RESPONSE_NOT_READY
    assert Error.parse(sent_raw(two, "12ff8201")).error_code == SpdmErrorCode.INVALID_REQUEST
    assert Error.parse(sent_raw(two, "12ff8109")).error_code == SpdmErrorCode.INVALID_REQUEST
    assert Error.parse(sent_raw(two, "12ff8101")).error_code == SpdmErrorCode.RESPONSE_NOT_READY
    two.now += 2
    assert sent_raw(two, "12ff8101")[1] == SpdmCode.DIGESTS


def test_a_response_that_is_never_ready_is_given_up() -> None:
    two = pair(requester_config(versions=(SpdmVersion.V1_2,)))
    two.connect()
    not_ready = bytes.fromhex("127f4200 14 81 01 02")
    two.tap = lambda side, message: not_ready if side == "response" else message
    with pytest.raises(SpdmPeerError) as error:
        two.run(ReadDigests())
    assert error.value.code == SpdmErrorCode.RESPONSE_NOT_READY
    two.tap = None
    two.run(ReadDigests())


@pytest.mark.parametrize("bad", ["127f4200 14 82 01 02", "127f4200 20 81 01 02"])
def test_response_not_ready_that_makes_no_sense(bad: str) -> None:
    two = pair(requester_config(versions=(SpdmVersion.V1_2,)))
    two.connect()
    two.tap = lambda side, message: bytes.fromhex(bad) if side == "response" else message
    with pytest.raises(RemoteProtocolError):
        two.run(ReadDigests())


def test_the_large_form_of_a_chain_needs_only_the_capability_of_who_answers() -> None:
    """The reference requester asks in the large form whenever the responder can, whatever it can itself."""
    without = requester_config().capabilities & ~R.LARGE_RESP_CAP
    two = pair(requester_config(versions=(SpdmVersion.V1_4,), capabilities=without), responder_config())
    two.connect()
    large = GetCertificate(version=SpdmVersion.V1_4, large_cert_chain=True, large_offset=0, large_length=0x1000)
    two.run(large)
    assert Certificate.parse(two.wire[-1][1]).large_cert_chain
    other = responder_config().capabilities & ~P.LARGE_RESP_CAP
    two = pair(requester_config(versions=(SpdmVersion.V1_4,)), responder_config(capabilities=other))
    two.connect()
    with pytest.raises(SpdmPeerError, match="INVALID_REQUEST"):
        two.run(large)

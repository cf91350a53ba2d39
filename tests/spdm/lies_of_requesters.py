"""What a lying requester says, which the responder has to find (DSP0274; the rules that each lie breaks are named)."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import pytest
from cryptography import x509

from pytio.crypto import digest
from pytio.errors import SpdmPeerError
from pytio.spdm.algorithms import BaseAsymAlgo
from pytio.spdm.capabilities import RequesterCapabilities, ResponderCapabilities
from pytio.spdm.certificate_chain import CertificateChain
from pytio.spdm.codes import KeyUpdateOperation, SpdmCode, SpdmErrorCode, SpdmVersion
from pytio.spdm.configuration import Limits, MutualAuthentication
from pytio.spdm.events import PeerAuthenticated, SessionEnded
from pytio.spdm.messages.error import Error
from pytio.spdm.messages.key_exchange import Finish
from pytio.spdm.messages.provisioning import SetCertificate
from pytio.spdm.messages.psk import PskFinish
from pytio.spdm.messages.session import KeyUpdate
from pytio.spdm.requests import (
    Authenticate,
    Connect,
    KeepAlive,
    Measure,
    ReadCertificate,
    ReadDigests,
    StartPskSession,
    StartSession,
    UpdateKeys,
)
from pytio.spdm.secured import RecordHeader, RecordPlaintext
from pytio.spdm.session import Session, Side
from pytio.spdm.state import ConnectionState, SessionState
from pytio.spdm.transcript import Pieces
from tests.crypto.authority import Chain
from tests.spdm.lies_of_responders import unconnected
from tests.spdm.lying import Edit, delivered, delivered_so, flip, in_clear, lie, on_the_wire, put, refused, with_hmac
from tests.spdm.pair import PSK_HINT, Pair, identity
from tests.spdm.test_engine_flows import FIRST, mutual_pair, narrow_pair
from tests.spdm.test_engine_sessions import both, ready, started

R, P, E = RequesterCapabilities, ResponderCapabilities, SpdmErrorCode
V1_2, V1_3 = SpdmVersion.V1_2, SpdmVersion.V1_3
FLOW = MutualAuthentication.WITH_ENCAPSULATION


def turned_away(two: Pair, intent: Connect | StartSession | Authenticate, code: SpdmErrorCode) -> None:
    """The responder refuses what a lie on the wire has made of an intent."""
    with pytest.raises(SpdmPeerError) as error:
        two.run(intent)
    assert error.value.code == code


# messages, and where they come


@lie
def a_request_of_another_version() -> None:
    refused(ready(), "11810000", E.VERSION_MISMATCH)


@lie
def a_request_for_which_the_capability_is_missing() -> None:
    refused(ready(without=P.CHAL_CAP), "12830000" + 32 * "00", E.UNSUPPORTED_REQUEST)


@lie
def capabilities_once_more() -> None:
    two = ready()
    again = next(message for _, message in two.wire if message[1] == SpdmCode.GET_CAPABILITIES)
    refused(two, again, E.UNEXPECTED_REQUEST)


@lie
def a_request_in_a_handshake_that_belongs_behind_it() -> None:
    two = ready()
    number = started(two, stops_before_finish=True)
    refused(two, "12810000", E.UNEXPECTED_REQUEST, number)


@lie
def a_new_connection_inside_a_session() -> None:
    two = ready()
    refused(two, "10840000", E.UNEXPECTED_REQUEST, started(two))


@lie
def a_connection_that_was_lost() -> None:
    two = ready()
    two.responder.require_resynchronization()
    refused(two, "12810000", E.REQUEST_RESYNCH)


@lie
def something_else_during_mutual_authentication() -> None:
    two = mutual_pair(V1_2, mutual_authentication=FLOW)
    started(two, stops_before_finish=True)
    refused(two, "12810000", E.REQUEST_IN_FLIGHT)


@lie
def bytes_behind_a_heartbeat() -> None:
    two = ready(heartbeat_period_s=5)
    refused(two, "12e8000000", E.INVALID_REQUEST, started(two))


# negotiation


@lie
def a_requester_that_takes_hardly_anything() -> None:
    two = unconnected()
    on_the_wire(two, SpdmCode.GET_CAPABILITIES, lambda message: put(13, 0)(put(12, 41)(message)), side="request")
    turned_away(two, Connect(), E.INVALID_REQUEST)


@lie
def a_requester_whose_capabilities_need_others() -> None:
    two = unconnected()
    encrypt_and_mac = 0xC0
    on_the_wire(two, SpdmCode.GET_CAPABILITIES, lambda m: put(8, m[8] & ~encrypt_and_mac)(m), side="request")
    turned_away(two, Connect(), E.INVALID_REQUEST)


@lie
def a_requester_without_a_hash() -> None:
    two = unconnected()
    on_the_wire(two, SpdmCode.NEGOTIATE_ALGORITHMS, lambda m: m[:12] + bytes(4) + m[16:], side="request")
    turned_away(two, Connect(), E.INVALID_REQUEST)


@lie
def algorithms_out_of_order() -> None:
    two = unconnected()
    on_the_wire(two, SpdmCode.NEGOTIATE_ALGORITHMS, lambda m: m[:32] + m[36:40] + m[32:36] + m[40:], side="request")
    turned_away(two, Connect(), E.INVALID_REQUEST)


# handshakes


def handshaking(two: Pair) -> tuple[int, Session]:
    """Start a session, and stop before FINISH."""
    number = started(two, stops_before_finish=True)
    return number, two.requester.sessions[number]


def handshaking_by_psk(two: Pair) -> tuple[int, Session]:
    """Start a session from a pre-shared key, and stop before PSK_FINISH."""
    two.run(StartPskSession(PSK_HINT, stops_before_finish=True))
    return next(iter(two.requester.sessions.items()))


FINISH = Finish(version=V1_2, requester_verify_data=b"")
PSK_FINISH = PskFinish(version=V1_2, requester_verify_data=b"")


@lie
def a_finish_without_the_secret_that_a_session_has() -> None:
    two = ready()
    number, mine = handshaking(two)
    refused(two, flip(-1)(with_hmac(two, mine, FINISH)), E.DECRYPT_ERROR, number)


@lie
def a_finish_for_another_slot() -> None:
    two = ready()
    number, mine = handshaking(two)
    refused(two, with_hmac(two, mine, FINISH.replace(req_slot_id=1)), E.INVALID_REQUEST, number)


@lie
def a_finish_with_a_signature_that_nobody_wants() -> None:
    two = mutual_pair(V1_2)
    number, mine = handshaking(two)
    size = two.responder.signer(of_requester=True).algorithm.signature_size
    signed = FINISH.replace(signature_included=True, signature=bytes(size))
    refused(two, with_hmac(two, mine, signed), E.INVALID_REQUEST, number)


@lie
def a_finish_in_clear() -> None:
    two = ready()
    _, mine = handshaking(two)
    refused(two, with_hmac(two, mine, FINISH), E.SESSION_REQUIRED)


@lie
def a_finish_after_psk_exchange() -> None:
    two = ready()
    number, mine = handshaking_by_psk(two)
    refused(two, with_hmac(two, mine, FINISH), E.UNEXPECTED_REQUEST, number)


@lie
def a_psk_finish_after_key_exchange() -> None:
    two = ready()
    number, mine = handshaking(two)
    refused(two, with_hmac(two, mine, PSK_FINISH), E.UNEXPECTED_REQUEST, number)


@lie
def a_psk_finish_without_the_secret() -> None:
    two = ready()
    number, mine = handshaking_by_psk(two)
    refused(two, flip(-1)(with_hmac(two, mine, PSK_FINISH)), E.DECRYPT_ERROR, number)


@lie
def a_finish_signed_without_the_key() -> None:
    two = mutual_pair(V1_2, mutual_authentication=FLOW)
    sign = two.requester.sign

    def crooked(slot: int, pieces: Pieces) -> object:
        check = sign(slot, pieces)
        return attrs.evolve(check, proof=attrs.evolve(check.proof, value=flip(-1)(check.proof.value)))

    setattr(two.requester, "sign", crooked)  # noqa: B010  a method, on this object alone
    turned_away(two, StartSession(), E.DECRYPT_ERROR)
    assert not two.responder.sessions


@lie
def a_finish_after_mutual_authentication_failed() -> None:
    two = mutual_pair(V1_2, mutual_authentication=FLOW)
    number, mine = handshaking(two)
    ask = mine.seal(Side.REQUEST, bytes.fromhex("12ea0000"), two.requester.provider)
    two.responder.receive(ask, now=two.now, is_secured=True)
    question = two.responder.bytes_to_send()
    assert question is not None
    mine.open(Side.RESPONSE, question)
    refused(two, "12eb0100" + "12020000", E.INVALID_RESPONSE_CODE, number)
    refused(two, with_hmac(two, mine, FINISH), E.UNEXPECTED_REQUEST, number)


@lie
def records_of_no_version_in_common() -> None:
    two = ready(secured_versions=(0x11,), of_requester={"secured_versions": (0x12,)})
    turned_away(two, StartSession(), E.INVALID_REQUEST)


@lie
def one_session_more_than_there_may_be() -> None:
    two = ready(limits=Limits(max_sessions=1))
    started(two)
    turned_away(two, StartSession(), E.SESSION_LIMIT_EXCEEDED)


@lie
def a_summary_of_a_kind_that_there_is_not() -> None:
    refused(ready(), "12830033" + 32 * "00", E.INVALID_REQUEST)


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


# deferred and in chunks


def deferring(two_of: Callable[[], Pair] = ready) -> tuple[Pair, Error]:
    """Return two endpoints one of which was answered ResponseNotReady, outside any session."""
    two = two_of()
    two.responder.config = attrs.evolve(two.responder.config, deferred_s={SpdmCode.GET_DIGESTS: 1})
    error = Error.parse(in_clear(two, "12810000"))
    assert error.error_code == E.RESPONSE_NOT_READY
    two.now += 2
    return two, error


@lie
def ready_by_another_token() -> None:
    two, error = deferring()
    token = error.extended_error_data.token  # type: ignore[union-attr]
    refused(two, bytes.fromhex("12ff81") + bytes([token ^ 1]), E.INVALID_REQUEST)


@lie
def ready_in_clear_for_what_was_asked_in_a_session() -> None:
    two = ready()
    number = started(two)
    mine, _ = both(two, number)
    two.responder.config = attrs.evolve(two.responder.config, deferred_s={SpdmCode.GET_MEASUREMENTS: 1})
    asked = mine.seal(Side.REQUEST, bytes.fromhex("12e000ff"), two.requester.provider)
    two.responder.receive(asked, now=two.now, is_secured=True)
    record = two.responder.bytes_to_send()
    assert record is not None
    error = Error.parse(mine.rules.framing.unwrap(mine.open(Side.RESPONSE, record)))
    two.now += 2
    token = error.extended_error_data.token  # type: ignore[union-attr]
    refused(two, bytes.fromhex("12ffe0") + bytes([token]), E.UNEXPECTED_REQUEST)


@lie
def something_else_than_the_next_chunk() -> None:
    two = narrow_pair(V1_2, 60)
    assert Error.parse(in_clear(two, "12810000")).error_code == E.LARGE_RESPONSE
    refused(two, "12810000", E.UNEXPECTED_REQUEST)


@lie
def a_chunk_out_of_turn() -> None:
    two = narrow_pair(V1_2, 60)
    assert Error.parse(in_clear(two, "12810000")).extended_error_data == 1
    for wrong in ("128600020000", "128600010100"):
        refused(two, wrong, E.INVALID_REQUEST)
    assert in_clear(two, "128600010000")[1] == SpdmCode.CHUNK_RESPONSE


@lie
def chunks_in_clear_of_what_was_asked_in_a_session() -> None:
    two = narrow_pair(V1_2, 60)
    two.run(ReadCertificate())
    number = started(two)
    mine, _ = both(two, number)
    asked = mine.seal(Side.REQUEST, bytes.fromhex("12e000ff"), two.requester.provider)
    two.responder.receive(asked, now=two.now, is_secured=True)
    record = two.responder.bytes_to_send()
    assert record is not None
    handle = Error.parse(mine.rules.framing.unwrap(mine.open(Side.RESPONSE, record))).extended_error_data
    assert isinstance(handle, int)
    refused(two, bytes([0x12, 0x86, 0, handle, 0, 0]), E.UNEXPECTED_REQUEST)


@lie
def a_large_request_while_a_large_response_waits() -> None:
    two = narrow_pair(V1_2, 60)
    assert Error.parse(in_clear(two, "12810000")).error_code == E.LARGE_RESPONSE
    refused(two, FIRST, E.UNEXPECTED_REQUEST)


@lie
def a_large_request_that_goes_on_somewhere_else() -> None:
    two = narrow_pair(V1_2, 60)
    two.run(ReadCertificate())
    number = started(two)
    assert in_clear(two, FIRST)[1] == SpdmCode.CHUNK_SEND_ACK
    refused(two, "12850000 0100 0000 1e000000" + 30 * "aa", E.UNEXPECTED_REQUEST, number)


def in_chunks(two: Pair, whole: bytes, at: int = 26) -> bytes:
    """Send a request in two chunks; return what the last acknowledgement carries."""
    first = bytes.fromhex("1285000000000000") + at.to_bytes(4, "little") + len(whole).to_bytes(4, "little")
    in_clear(two, first + whole[:at])
    rest = whole[at:]
    last = in_clear(two, bytes.fromhex("1285010001000000") + len(rest).to_bytes(4, "little") + rest)
    assert last[1] == SpdmCode.CHUNK_SEND_ACK
    return last[6:]


@lie
def a_new_connection_in_chunks() -> None:
    two = narrow_pair(V1_2, 60)
    inner = in_chunks(two, bytes.fromhex("10840000") + bytes(40))
    assert Error.parse_prefix(inner)[0].error_code == E.INVALID_REQUEST
    assert two.responder.state is ConnectionState.NEGOTIATED


@lie
def a_chunk_larger_than_the_responder_takes() -> None:
    two = narrow_pair(V1_2, 60)
    answer = in_clear(two, "12850000 0000 0000 30000000 64000000" + 48 * "aa")
    assert answer[2] & 1, "no early error"


@lie
def a_chunk_that_skips_one() -> None:
    two = narrow_pair(V1_2, 60)
    in_clear(two, FIRST)
    answer = in_clear(two, "12850000 0200 0000 1e000000" + 30 * "aa")
    assert answer[2] & 1, "no early error"


@lie
def a_large_request_of_two_gigabytes() -> None:
    two = narrow_pair(V1_2, 60)
    answer = in_clear(two, "12850000 0000 0000 1a000000 ffffff7f" + 26 * "aa")
    assert answer[2] & 1, "no early error"


# the encapsulated flow


def asked() -> Pair:
    """Return two endpoints of which the responder has asked for digests, outside any session."""
    two = mutual_pair(V1_2)
    two.responder.ask(ReadDigests())
    assert in_clear(two, "12ea0000")[1] == SpdmCode.ENCAPSULATED_REQUEST
    return two


@lie
def an_answer_to_another_question() -> None:
    two = asked()
    digests = two.requester.identity.digests().build()
    refused(two, bytes.fromhex("12eb0200") + digests, E.INVALID_REQUEST)


@lie
def an_answer_in_a_session_to_a_question_outside() -> None:
    two = mutual_pair(V1_2)
    number = started(two)
    two.responder.ask(ReadDigests())
    assert in_clear(two, "12ea0000")[1] == SpdmCode.ENCAPSULATED_REQUEST
    digests = two.requester.identity.digests().build()
    refused(two, bytes.fromhex("12eb0100") + digests, E.UNEXPECTED_REQUEST, number)


def challenged(edit: Edit | None = None, version: SpdmVersion = V1_3) -> Pair:
    """Return two endpoints of which the requester answers the responder's challenge crookedly."""
    two = mutual_pair(version, has_basic_mutual_authentication=True)
    if edit is not None:
        delivered_so(two, SpdmCode.CHALLENGE_AUTH, edit)
    return two


def unauthenticated(two: Pair) -> None:
    """The responder does not believe who the requester is."""
    turned_away(two, Authenticate(), E.INVALID_RESPONSE_CODE)
    assert not any(isinstance(event, PeerAuthenticated) for event in two.answered)


@lie
def a_challenge_answered_by_something_that_proves_nothing() -> None:
    two = challenged()
    delivered(two, SpdmCode.CHALLENGE_AUTH, lambda message: bytes([V1_3, SpdmCode.EVENT_ACK, 0, 0]))
    unauthenticated(two)


@lie
def a_challenge_of_the_responder_answered_for_another_slot() -> None:
    unauthenticated(challenged(put(2, 1)))


@lie
def a_challenge_of_the_responder_answered_with_another_chain_hash() -> None:
    unauthenticated(challenged(flip(4)))


@lie
def a_challenge_of_the_responder_answered_with_another_context() -> None:
    size = mutual_pair(V1_3).responder.hash_algorithm.digest_size
    unauthenticated(challenged(flip(4 + size + 32 + 2)))


@lie
def a_challenge_of_the_responder_answered_without_the_key() -> None:
    two = challenged()
    delivered(two, SpdmCode.CHALLENGE_AUTH, flip(-1))
    unauthenticated(two)


@lie
def a_requester_chain_of_another_slot() -> None:
    """In a handshake in the clear, where no signature covers CERTIFICATE itself."""
    two = mutual_pair(V1_2, in_clear=True, mutual_authentication=FLOW)
    delivered(two, SpdmCode.CERTIFICATE, put(2, 1))
    turned_away(two, StartSession(), E.INVALID_RESPONSE_CODE)


@lie
def a_key_update_of_the_responder_acknowledged_wrongly() -> None:
    two = mutual_pair(V1_2)
    number = started(two)
    two.responder.ask(UpdateKeys(KeyUpdateOperation.UPDATE_KEY), session=number)
    mine, theirs = both(two, number)
    record = mine.seal(Side.REQUEST, bytes.fromhex("12ea0000"), two.requester.provider)
    two.responder.receive(record, now=two.now, is_secured=True)
    answer = two.responder.bytes_to_send()
    assert answer is not None
    question = mine.rules.framing.unwrap(mine.open(Side.RESPONSE, answer))
    before = theirs.direction(Side.RESPONSE).secret
    wrong = bytes.fromhex("12eb0100 126901") + bytes([question[7] ^ 1])
    refused(two, wrong, E.INVALID_RESPONSE_CODE, number)
    assert theirs.direction(Side.RESPONSE).secret == before


# provisioning


def installing(two: Pair, certificates: tuple[bytes, ...], slot: int = 0) -> bytes:
    """Return SET_CERTIFICATE with a chain."""
    root_hash = digest(two.responder.hash_algorithm, certificates[0])
    chain = CertificateChain(root_hash=root_hash, certificate_list=b"".join(certificates)).build()
    return SetCertificate(version=V1_2, slot_id=slot, chain_content=chain[4:]).build()


def writable() -> Pair:
    """Return two endpoints one of which takes certificates."""
    return ready(responder=P.SET_CERT_CAP)


@lie
def a_slot_written_from_outside() -> None:
    two = writable()
    refused(two, installing(two, identity(BaseAsymAlgo.ECDSA_P256).certificates, 1), E.UNEXPECTED_REQUEST)


@lie
def a_chain_for_another_key() -> None:
    two = writable()
    refused(two, installing(two, identity(BaseAsymAlgo.ECDSA_P256, number=1).certificates), E.UNSPECIFIED)


@lie
def a_chain_that_breaks_a_constraint() -> None:
    """Its root allows no issuer below, and there is one."""
    two = writable()
    two.responder.config = attrs.evolve(two.responder.config, checks_installed_keys=False)
    chain = Chain("P-256")
    chain.root.basic_constraints = x509.BasicConstraints(ca=True, path_length=0)
    refused(two, installing(two, tuple(certificate.der for certificate in chain.issue())), E.UNSPECIFIED)


@lie
def a_chain_whose_leaf_signs_certificates() -> None:
    two = writable()
    two.responder.config = attrs.evolve(two.responder.config, checks_installed_keys=False)
    chain = Chain("P-256")
    chain.leaf.basic_constraints = x509.BasicConstraints(ca=True, path_length=None)
    refused(two, installing(two, tuple(certificate.der for certificate in chain.issue())), E.UNSPECIFIED)


@lie
def a_chain_that_another_issuer_signed() -> None:
    two = writable()
    two.responder.config = attrs.evolve(two.responder.config, checks_installed_keys=False)
    chain, other = Chain("P-256"), Chain("P-256")
    other.issuer.key = other.leaf.key
    leaf = chain.leaf.issued_by(other.issuer, issuer_name=chain.issuer.subject)
    refused(two, installing(two, tuple(one.der for one in (*chain.issue()[:2], leaf))), E.UNSPECIFIED)


# and an honest requester is heard afterwards


@lie
def after_a_lie_an_honest_requester_is_heard() -> None:
    two = ready(heartbeat_period_s=5)
    number = started(two)
    refused(two, "11810000", E.VERSION_MISMATCH)
    refused(two, "12830033" + 32 * "00", E.INVALID_REQUEST)
    refused(two, "12e50000" + 64 * "00", E.SESSION_REQUIRED)
    two.run(KeepAlive(), number)
    two.run(Authenticate())
    two.run(Measure(slot=0))

"""One conversation: what needs its context, what ends it, what a listener does when he came too late."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pytio.capture import Direction, Record
from pytio.spdm.algorithms import AeadSuite, BaseHashAlgo
from pytio.spdm.codes import EncapsulatedPayloadType, RegistryId, SpdmCode, SpdmErrorCode, SpdmVersion
from pytio.spdm.messages.base import SpdmMessage
from pytio.spdm.messages.challenge import Challenge
from pytio.spdm.messages.chunk import ChunkGet, ChunkResponse, ChunkSend, ChunkSendAck
from pytio.spdm.messages.digests import GetDigests
from pytio.spdm.messages.encapsulated import EncapsulatedRequest, EncapsulatedResponseAck
from pytio.spdm.messages.error import Error, ResponseNotReady
from pytio.spdm.messages.measurements import GetMeasurements, Measurements
from pytio.spdm.messages.session import RespondIfReady
from pytio.spdm.messages.vendor_defined import VendorDefinedRequest
from tests.capture.peers import Peers, Terms
from tests.capture.routes import Doe
from tests.capture.test_dissector import read as read_frames

V = SpdmVersion
SECRET = bytes(range(48))
OTHER_SECRET = bytes(48)
PSK = b"a pre-shared key"


def read(peers: Peers, **kinds: list[bytes]) -> list[Record]:
    """Return the records of what peers said."""
    return read_frames(peers.route.frames, peers.route.link_type, **kinds)


def connected(terms: Terms = Terms()) -> Peers:  # noqa: B008  a frozen value
    """Return peers that have negotiated and shown a certificate."""
    peers = Peers(terms)
    peers.connect()
    peers.authenticate()
    return peers


def title(record: Record) -> str | None:
    """Return what the innermost layer is called."""
    return record.layers[-1].title


# --- connections and sessions --------------------------------------------------------------------------------------


def test_get_version_starts_a_new_connection() -> None:
    peers = connected(Terms(base_hash=BaseHashAlgo.SHA_384))
    old = peers.key_exchange(SECRET).finish()
    old.beat()
    peers.terms = Terms(V.V1_1, base_hash=BaseHashAlgo.SHA_256)
    peers.connect()
    old.beat()
    peers.authenticate()
    peers.key_exchange(OTHER_SECRET).finish().beat()
    records = read(peers, dhe=[SECRET, OTHER_SECRET])
    assert [record.is_decrypted for record in records if record.is_decrypted is not None] == [
        *[True] * 4,  # FINISH and a heartbeat
        *[False] * 2,  # a heartbeat of the session that is no more
        *[True] * 4,
    ]
    assert not [record for record in records if record.problems]


def test_session_ids_are_used_again() -> None:
    peers = connected()
    for secret in (SECRET, OTHER_SECRET):
        session = peers.key_exchange(secret, (5, 5)).finish()
        session.beat(2)
        session.end()
    assert all(record.is_decrypted is not False for record in read(peers, dhe=[SECRET, OTHER_SECRET]))


def test_one_psk_makes_many_sessions() -> None:
    peers = connected()
    for number in range(1, 5):
        peers.psk_exchange(PSK, (number, number)).finish().beat()
    assert all(record.is_decrypted is not False for record in read(peers, psk=[b"another", PSK]))


def test_sessions_live_side_by_side() -> None:
    peers = connected()
    first = peers.key_exchange(SECRET, (1, 1)).finish()
    second = peers.psk_exchange(PSK, (2, 2)).finish()
    third = peers.key_exchange(OTHER_SECRET, (3, 3)).finish()
    for session in (first, second, third, second, first):
        session.beat()
        session.update("request", "response")
    assert all(record.is_decrypted is not False for record in read(peers, dhe=[OTHER_SECRET, SECRET], psk=[PSK]))


def test_a_session_opens_with_the_digest_that_stands_for_an_unseen_chain() -> None:
    peers = Peers(Terms())
    peers.connect()
    peers.ask(GetDigests(version=V.V1_2))
    peers.answer(peers.digests_of(peers.certificate_chain))
    peers.key_exchange(SECRET).finish().beat()
    assert all(record.is_decrypted is not False for record in read(peers, dhe=[SECRET]))


@pytest.mark.parametrize("dhe", [[], [SECRET]])
def test_without_any_word_of_the_chain_a_session_stays_closed(dhe: list[bytes]) -> None:
    peers = Peers(Terms())
    peers.connect()
    peers.key_exchange(SECRET).finish().beat()
    records = read(peers, dhe=dhe)
    assert [record.is_decrypted for record in records[-4:]] == [False] * 4
    assert not [record for record in records if record.problems]
    assert "the certificate chain of slot 0 is not known" in records[7].notes[0]


def test_a_session_of_a_provisioned_key_stays_closed() -> None:
    peers = connected()
    peers.slot_id = 0xFF
    peers.key_exchange(SECRET).finish().beat()
    records = read(peers, dhe=[SECRET])
    assert {record.is_decrypted for record in records[-4:]} == {False}
    assert not [record for record in records if record.problems]
    assert "the certificate chain of slot 255 is not known" in records[-5].notes[0]


def test_a_session_of_wrong_secrets_stays_closed() -> None:
    peers = connected()
    peers.key_exchange(SECRET).finish().beat(300)
    peers.psk_exchange(PSK).finish().beat(300)
    records = read(peers, dhe=[OTHER_SECRET], psk=[b"another"])
    assert not [record for record in records if record.is_decrypted or record.problems]


# --- who came too late ---------------------------------------------------------------------------------------------


def talk() -> Peers:
    """Return peers that have said a bit of everything."""
    peers = connected(Terms(is_in_the_clear=True))
    session = peers.key_exchange(SECRET)
    session.show_requester()
    session.finish().beat()
    peers.psk_exchange(PSK).finish().beat()
    return peers


@pytest.mark.parametrize("late", range(27))
def test_a_capture_may_begin_anywhere(late: int) -> None:
    peers = talk()
    whole = read(peers, dhe=[SECRET], psk=[PSK])
    assert len(whole) == 28
    records = read_frames(peers.route.frames[late:], peers.route.link_type, dhe=[SECRET], psk=[PSK])
    assert not [record.summary() for record in records if record.problems]
    for record, expected in zip(records, whole[late:], strict=True):
        if expected.is_decrypted is None:
            assert record.layers[: len(expected.layers) - 1] == expected.layers[: len(record.layers) - 1]
            decoded = record.layers[-1].message is not None
            assert decoded or "is not known" in record.notes[0]
            assert record.direction == expected.direction
        else:
            assert record.is_decrypted is (late == 0)
    if late:
        assert [title(record) for record in records if record.is_decrypted] == []


def test_a_lost_request_is_missed_where_its_response_needs_it() -> None:
    peers = connected()
    frames = peers.route.frames
    peers.key_exchange(SECRET).finish().beat()
    records = read_frames([*frames[:10], *frames[11:]], peers.route.link_type, dhe=[SECRET])
    assert records[10].layers[-1].message is None
    assert records[10].notes == (
        "KEY_EXCHANGE_RSP is not decoded: summary is not known: nothing was negotiated that says it",
    )
    assert {record.is_decrypted for record in records[11:]} == {False}


# --- answers that are put off --------------------------------------------------------------------------------------


def not_ready(peers: Peers, code: SpdmCode) -> None:
    """Put an answer off, and ask for it again."""
    version = peers.terms.version
    data = ResponseNotReady(rdt_exponent=1, request_code=code, token=7, rdtm=2)
    peers.answer(Error(version=version, error_code=SpdmErrorCode.RESPONSE_NOT_READY, extended_error_data=data))
    peers.ask(RespondIfReady(version=version, original_request_code=code, token=7))


@pytest.mark.parametrize("terms", [Terms(), Terms(V.V1_3, is_multi_key=True)])
def test_response_not_ready(terms: Terms) -> None:
    peers = Peers(terms)
    peers.connect()
    peers.ask(GetDigests(version=terms.version))
    not_ready(peers, SpdmCode.GET_DIGESTS)
    raw = peers.answer(peers.digests_of(peers.certificate_chain))
    peers.digests = raw if terms.is_multi_key else b""
    peers.between = lambda: not_ready(peers, SpdmCode.KEY_EXCHANGE)
    session = peers.key_exchange(SECRET)
    peers.between = lambda: None
    session.finish().beat()
    records = read(peers, dhe=[SECRET])
    assert not [record.summary() for record in records if record.problems or record.notes]
    assert all(record.is_decrypted is not False for record in records)
    assert [title(record) for record in records].count("RESPOND_IF_READY") == 2


def test_a_request_that_is_refused_leaves_no_trace() -> None:
    peers = Peers(Terms(V.V1_3, is_multi_key=True))
    peers.connect()
    peers.ask(GetDigests(version=V.V1_3))
    peers.answer(Error(version=V.V1_3, error_code=SpdmErrorCode.BUSY))
    peers.authenticate()
    peers.key_exchange(SECRET).finish().beat()
    assert all(record.is_decrypted is not False for record in read(peers, dhe=[SECRET]))


# --- chunks --------------------------------------------------------------------------------------------------------

Say = Callable[[SpdmMessage], bytes]
CHUNK_BYTES = 30


def parts_of(raw: bytes) -> Iterator[dict[str, Any]]:
    """Yield the fields of the chunks of a message."""
    for number, start in enumerate(range(0, len(raw), CHUNK_BYTES)):
        yield {
            "chunk_seq_no": number,
            "last_chunk": start + CHUNK_BYTES >= len(raw),
            "large_message_size": None if number else len(raw),
            "spdm_chunk": raw[start : start + CHUNK_BYTES],
        }


def ask_in_chunks(ask: Say, answer: Say, request: SpdmMessage) -> None:
    """Send a large request; its last chunk is not answered yet."""
    for part in parts_of(request.build()):
        ask(ChunkSend(version=request.version, handle=4, **part))
        if not part["last_chunk"]:
            answer(ChunkSendAck(version=request.version, handle=4, chunk_seq_no=part["chunk_seq_no"]))


def answer_in_chunks(ask: Say, answer: Say, response: SpdmMessage) -> None:
    """Send a large response."""
    version = response.version
    answer(Error(version=version, error_code=SpdmErrorCode.LARGE_RESPONSE, extended_error_data=9))
    for part in parts_of(response.build()):
        ask(ChunkGet(version=version, handle=9, chunk_seq_no=part["chunk_seq_no"]))
        answer(ChunkResponse(version=version, handle=9, **part))


class PeersInChunks(Peers):
    """Peers whose handshake messages, once they have negotiated, are all too large."""

    def ask(self, message: SpdmMessage) -> bytes:
        """Say a request, in chunks."""
        if not self.vca:
            return super().ask(message)
        ask_in_chunks(super().ask, super().answer, message)
        return message.build()

    def answer(self, message: SpdmMessage) -> bytes:
        """Say a response, in chunks."""
        if not self.vca:
            return super().answer(message)
        answer_in_chunks(super().ask, super().answer, message)
        return message.build()


MEASURE = {
    version: GetMeasurements(version=version, signature_requested=True, nonce=bytes(32)) for version in (V.V1_2, V.V1_4)
}


@pytest.mark.parametrize("version", [V.V1_2, V.V1_4])
@pytest.mark.parametrize("in_session", [False, True])
def test_a_large_request_with_a_large_response(version: SpdmVersion, in_session: bool) -> None:
    peers = connected(Terms(version))
    session = peers.key_exchange(SECRET).finish()
    response = Measurements(version=version, nonce=bytes(32), signature=peers.signature())
    ask, answer = (session.ask, session.answer) if in_session else (peers.ask, peers.answer)
    ask_in_chunks(ask, answer, MEASURE[version])
    answer_in_chunks(ask, answer, response)
    session.beat()
    records = read(peers, dhe=[SECRET])
    assert not [record.summary() for record in records if record.problems or record.notes]
    found = {title(record): record for record in records}
    assert found["GET_MEASUREMENTS"].message == MEASURE[version]
    assert found["GET_MEASUREMENTS"].layers[-2].title == "CHUNK_SEND"
    assert found["MEASUREMENTS"].message == response
    assert found["MEASUREMENTS"].layers[-2].title == "CHUNK_RESPONSE"
    assert found["MEASUREMENTS"].direction is Direction.RESPONSE
    assert [layer.secret for layer in found["MEASUREMENTS"].layers if layer.title == "CHUNK_RESPONSE"] == [in_session]


@pytest.mark.parametrize("terms", [Terms(), Terms(V.V1_4, is_multi_key=True, is_in_the_clear=True)])
def test_transcripts_have_messages_and_no_chunks(terms: Terms) -> None:
    peers = PeersInChunks(terms)
    peers.connect()
    peers.authenticate()
    peers.key_exchange(SECRET).finish().beat()
    records = read(peers, dhe=[SECRET])
    assert sum(record.is_decrypted is True for record in records) == (2 if terms.is_in_the_clear else 4)
    assert not [
        record.summary() for record in records if record.problems or record.notes or record.is_decrypted is False
    ]
    inner = [
        record.layers[-1].title for record in records if record.layers[-2].title in ("CHUNK_SEND", "CHUNK_RESPONSE")
    ]
    assert inner[:4] == ["GET_DIGESTS", "DIGESTS", "GET_CERTIFICATE", "CERTIFICATE"]


def test_an_early_error_gives_a_transfer_up() -> None:
    peers = connected()
    request = MEASURE[V.V1_2].build()
    first = ChunkSend(
        version=V.V1_2, handle=1, chunk_seq_no=0, large_message_size=len(request), spdm_chunk=request[:30]
    )
    rest = ChunkSend(version=V.V1_2, handle=1, chunk_seq_no=1, last_chunk=True, spdm_chunk=request[30:])
    refusal = Error(version=V.V1_2, error_code=SpdmErrorCode.INVALID_REQUEST).build()
    peers.ask(first)
    peers.answer(
        ChunkSendAck(
            version=V.V1_2, early_error_detected=True, handle=1, chunk_seq_no=0, response_to_large_request=refusal
        )
    )
    peers.ask(rest)
    *_, refused, orphan = read(peers)
    assert [layer.title for layer in refused.layers[1:]] == ["CHUNK_SEND_ACK", "ERROR"]
    assert orphan.notes == ("CHUNK_SEND: handle 1, chunk 1 where no transfer was expected",)
    assert not orphan.problems


def test_chunks_inside_chunks_end() -> None:
    peers = connected()
    inner = ChunkSend(version=V.V1_2, handle=0, chunk_seq_no=0, last_chunk=True, large_message_size=4, spdm_chunk=b"")
    for _ in range(200):
        raw = inner.build()
        inner = ChunkSend(
            version=V.V1_2, handle=0, chunk_seq_no=0, last_chunk=True, large_message_size=len(raw), spdm_chunk=raw
        )
    peers.ask(inner)
    record = read(peers)[-1]
    assert record.layers[1].title == "CHUNK_SEND"
    assert len(record.layers) < 20


# --- messages in messages ------------------------------------------------------------------------------------------


def test_carriers_in_carriers_end() -> None:
    peers = connected()
    raw = GetDigests(version=V.V1_2).build()
    for _ in range(5000):
        raw = EncapsulatedRequest(version=V.V1_2, request_id=1, encapsulated_request=raw).build()
    peers.route.clear(raw, is_request=False)
    record = read(peers)[-1]
    assert len(record.layers) < 20
    assert record.problems


def test_padding_is_cut_off_the_innermost_message() -> None:
    peers = Peers(Terms(), Doe())
    peers.connect()
    inner = Challenge(version=V.V1_2, nonce=bytes(31) + b"\1").build()
    carrier = EncapsulatedResponseAck(
        version=V.V1_2, request_id=2, payload_type=EncapsulatedPayloadType.PRESENT, encapsulated_request=inner
    ).build()
    peers.answer(ChunkSendAck(version=V.V1_2, handle=1, chunk_seq_no=1, response_to_large_request=carrier))
    record = read(peers)[-1]
    assert len(record.data) == 8 + 6 + 8 + 36 + 2
    assert record.layers[-1].data == inner
    assert not record.problems


# --- what is known, what is not ------------------------------------------------------------------------------------


def test_unknown_codes_keep_their_entry() -> None:
    peers = connected()
    peers.route.clear(bytes.fromhex("12990000"), is_request=True)
    record = read(peers)[-1]
    assert record.layers[-1].title == "UNKNOWN_0x99"
    assert record.notes == ("UNKNOWN_0x99 is no message of DSP0274 1.0 to 1.4",)
    assert not record.problems
    assert record.direction is Direction.REQUEST


def test_unknown_protocols_of_vendors_are_left_alone() -> None:
    peers = connected()
    for vendor, payload in ((b"\1\0", b"\x77data"), (b"\x34\x12", b"\0data"), (b"\1\0", b""), (b"\x98\x1e", b"")):
        peers.ask(
            VendorDefinedRequest(version=V.V1_2, standard_id=RegistryId.PCI_SIG, vendor_id=vendor, payload=payload)
        )
    assert not [record.summary() for record in read(peers) if record.problems]


def test_a_broken_vendor_payload_is_a_problem_and_hides_what_it_may_hold() -> None:
    peers = connected()
    broken = b"\0\2\0\0\0\0\0\1" + b"KEY MATERIAL" * 2
    peers.ask(VendorDefinedRequest(version=V.V1_2, standard_id=RegistryId.PCI_SIG, vendor_id=b"\1\0", payload=broken))
    record = read(peers)[-1]
    assert len(record.problems) == 1
    assert record.layers[-1].name == "idekm"
    assert b"KEY MATERIAL".hex() not in str(record.to_dict())
    assert b"KEY".hex(" ") not in record.show()


def test_sessions_of_a_connection_without_aead() -> None:
    peers = connected(Terms(aead=AeadSuite(0)))
    frames = peers.route.frames
    template = connected()
    template.key_exchange(SECRET)
    frames += template.route.frames[-2:]
    record = read(peers, dhe=[SECRET])[-1]
    assert not record.problems
    assert record.notes

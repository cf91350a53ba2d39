"""Exchanges: what is paired with what, in recorded sessions, in damaged ones, and between peers made to order."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from pytio.capture import Exchange, ExchangeKind, Record, Turn, open_capture
from pytio.capture.exchanges import exchanges_of
from pytio.spdm.codes import SpdmCode, SpdmErrorCode, SpdmVersion
from pytio.spdm.messages.error import Error, ResponseNotReady
from pytio.spdm.messages.measurements import GetMeasurements
from pytio.spdm.messages.session import RespondIfReady
from tests.capture.network import Talk, platform, trace
from tests.capture.peers import Peers, Terms
from tests.capture.recorded import RECORDED, opened, records
from tests.capture.routes import Mctp, write

ALL = [*RECORDED, "s09-tcp12-loopback"]
DIRECT, ENCAPSULATED, CHUNKED = ExchangeKind
EXPECTED: dict[str, dict[ExchangeKind, int]] = {
    "s01-doe12-p384-full": {DIRECT: 194, ENCAPSULATED: 7},
    "s02-mctp10-rsa3072-onebyone": {DIRECT: 273},
    "s03-mctp11-p256-aes128": {DIRECT: 51, ENCAPSULATED: 7},
    "s04-mctp12-rsapss3072-ffdhe-chacha": {DIRECT: 29, ENCAPSULATED: 3},
    "s05-mctp12-chunk": {DIRECT: 108, ENCAPSULATED: 7, CHUNKED: 14},
    "s06-doe13-p256-provision": {DIRECT: 61, ENCAPSULATED: 10},
    "s07-doe14-p384": {DIRECT: 146, ENCAPSULATED: 8},
    "s08-doe12-psk-only": {DIRECT: 69},
    "s09-tcp12-loopback": {DIRECT: 35, ENCAPSULATED: 7},
}


def numbers(found: list[Exchange]) -> list[tuple[int | None, int | None]]:
    """Return the records that were paired."""
    return [
        (each.request.number if each.request else None, each.response.number if each.response else None)
        for each in found
    ]


@pytest.mark.parametrize("name", ALL)
def test_every_message_of_a_recorded_session_is_answered(name: str) -> None:
    found = [*opened(name).exchanges()]
    assert Counter(exchange.kind for exchange in found) == EXPECTED[name]
    assert all(exchange.is_answered for exchange in found)


@pytest.mark.parametrize("name", ALL)
def test_every_record_is_in_one_direct_exchange(name: str) -> None:
    direct = [exchange for exchange in opened(name).exchanges() if exchange.kind is DIRECT]
    seen = [number or 0 for pair in numbers(direct) for number in pair]
    assert seen == sorted(seen), "the peers took turns"
    assert seen == [record.number for record in opened(name)]


def codes(turn: Turn | None) -> int:
    """Return the code of a turn's SPDM message."""
    assert turn is not None
    return int(turn.layers[0].facts["code"])


@pytest.mark.parametrize("name", RECORDED)
def test_a_response_has_the_code_of_its_request(name: str) -> None:
    compared = 0
    for exchange in opened(name).exchanges():
        assert exchange.request is not None
        if exchange.request.layers[0].name == "spdm":
            assert codes(exchange.response) in (codes(exchange.request) & 0x7F, SpdmCode.ERROR)
            compared += 1
    assert compared > 20


def test_what_comes_in_chunks_is_paired_as_a_whole_and_in_chunks() -> None:
    found = [*opened("s05-mctp12-chunk").exchanges()]
    asked = [exchange for exchange in found if exchange.request is not None and exchange.request.number == 9]
    assert [exchange.summary() for exchange in asked] == [
        "     9     10 SPDM 1.2 GET_CERTIFICATE -> ERROR",
        "     9     18 SPDM 1.2 GET_CERTIFICATE -> CERTIFICATE (chunked)",
    ]
    sent = [exchange.summary() for exchange in found if numbers([exchange]) in ([(51, 52)], [(34, 51)])]
    assert sent == [
        "    34     51 SPDM 1.2 GET_CERTIFICATE -> CERTIFICATE (encapsulated)",
        "    51     52 SPDM 1.2 CHUNK_SEND -> CHUNK_SEND_ACK",
        "    51     52 SPDM 1.2 DELIVER_ENCAPSULATED_RESPONSE -> ENCAPSULATED_RESPONSE_ACK (chunked)",
    ]


def test_what_is_asked_in_a_session_has_its_id_and_its_innermost_message() -> None:
    found = [*opened("s01-doe12-p384-full").exchanges()]
    [lock] = [each for each in found if each.request is not None and each.request.number == 79]
    assert lock.request is not None
    assert lock.session_id == 0xFFFFFFFF
    assert lock.summary() == "    79     80 [ffffffff] TDISP LOCK_INTERFACE_REQUEST -> LOCK_INTERFACE_RESPONSE"
    assert [layer.name for layer in lock.request.layers] == ["spdm", "tdisp"]
    assert type(lock.request.message).__name__ == "LockInterfaceRequest"
    assert repr(lock.request) == "<Turn 79 TDISP LOCK_INTERFACE_REQUEST>"
    assert lock.duration_s == 0, "DMTF's tool writes whole seconds"


def without(name: str, *lost: int) -> list[Record]:
    """Return the records of a session but for some, which were read all the same."""
    return [record for record in records(name) if record.number not in lost]


def test_a_request_without_a_response_is_kept() -> None:
    found = [*exchanges_of(without("s03-mctp11-p256-aes128", 6, 102))]
    unanswered = [exchange for exchange in found if not exchange.is_answered]
    assert numbers(unanswered) == [(5, None), (101, None)]
    assert unanswered[0].summary() == "     5      - SPDM 1.1 NEGOTIATE_ALGORITHMS -> (no response)"
    assert unanswered[0].duration_s is None
    assert numbers(found)[-1] == (101, None), "what still waits comes last"


def test_a_response_without_a_request_is_kept() -> None:
    found = [*exchanges_of(without("s03-mctp11-p256-aes128", 7))]
    [unasked] = [exchange for exchange in found if exchange.request is None]
    assert numbers([unasked]) == [(None, 8)]
    assert unasked.summary() == "     -      8 (no request) -> SPDM 1.1 DIGESTS"


def test_a_response_to_something_else_answers_nothing() -> None:
    found = [*exchanges_of(without("s03-mctp11-p256-aes128", 6, 7))]
    assert numbers([exchange for exchange in found if not exchange.is_answered]) == [(None, 8), (5, None)]


def test_an_answer_in_chunks_that_never_came() -> None:
    found = [*exchanges_of(without("s05-mctp12-chunk", 18))]
    unanswered = [each for each in found if not each.is_answered]
    assert [each.summary() for each in unanswered] == [
        "    17      - SPDM 1.2 CHUNK_GET -> (no response)",
        "     9      - SPDM 1.2 GET_CERTIFICATE -> (no response) (chunked)",
    ]


def test_records_that_no_key_opens_are_in_no_exchange() -> None:
    found = [*open_capture(Path(opened("s08-doe12-psk-only").path)).exchanges()]
    secured = {record.number for record in records("s08-doe12-psk-only") if record.is_decrypted is not None}
    assert not {number for pair in numbers(found) for number in pair} & secured
    assert all(exchange.is_answered for exchange in found)


def test_an_answer_that_was_put_off(tmp_path: Path) -> None:
    version = SpdmVersion.V1_2
    later = ResponseNotReady(rdt_exponent=1, request_code=SpdmCode.GET_MEASUREMENTS, token=7, rdtm=2)
    peers = Peers(Terms())
    peers.connect()
    peers.ask(GetMeasurements(version=version, measurement_operation=0))
    peers.answer(Error(version=version, error_code=SpdmErrorCode.RESPONSE_NOT_READY, extended_error_data=later))
    peers.ask(RespondIfReady(version=version, original_request_code=SpdmCode.GET_MEASUREMENTS, token=7))
    measurements = bytes([version, SpdmCode.MEASUREMENTS]) + bytes(2 + 4 + 32 + 2)
    peers.route.clear(measurements, is_request=False)
    found = paired(tmp_path / "file.pcap", peers.route.frames, peers.route.link_type)
    assert [exchange.summary()[14:] for exchange in found[-2:]] == [
        "SPDM 1.2 GET_MEASUREMENTS -> ERROR",
        "SPDM 1.2 RESPOND_IF_READY -> MEASUREMENTS",
    ]


def paired(file: Path, frames: list[bytes], link_type: int) -> list[Exchange]:
    """Return the exchanges of what peers said."""
    return [*open_capture(write(file, frames, link_type)).exchanges()]


def test_both_ends_of_a_connection_may_ask(tmp_path: Path) -> None:
    """What one MCTP endpoint asks and what the other asks are two channels, however they are mixed."""
    one, other = Peers(Terms(), Mctp(requester=8, responder=9)), Peers(Terms(), Mctp(requester=9, responder=8))
    one.connect()
    other.connect()
    mixed = [frame for pair in zip(one.route.frames, other.route.frames, strict=True) for frame in pair]
    found = paired(tmp_path / "file.pcap", mixed, one.route.link_type)
    assert numbers(found) == [(1, 3), (2, 4), (5, 7), (6, 8), (9, 11), (10, 12)]


def test_commands_of_the_socket_are_paired(tmp_path: Path) -> None:
    found = [*opened("s09-tcp12-loopback").exchanges()]
    assert found[0].summary() == "     1      2 SOCKET PLATFORM_FRAME -> PLATFORM_FRAME"
    made = Talk().handshake().say(0, platform(b"\x10\x84\0\0", 0))
    [alone] = trace(tmp_path, made.segments).exchanges()
    assert alone.summary() == "     1      - SPDM 1.0 GET_VERSION -> (no response)"

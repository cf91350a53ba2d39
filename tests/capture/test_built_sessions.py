"""Sessions that no recording has: encrypted handshakes, MAC-only records, no PSK_FINISH, every algorithm."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from pytio.capture import Direction, Record, Trace, open_capture
from pytio.spdm import algorithms
from pytio.spdm.algorithms import AeadSuite, BaseAsymAlgo, BaseHashAlgo, DheGroup, KemAlgo
from pytio.spdm.codes import MutAuthRequested, SpdmVersion
from pytio.spdm.messages.session import Heartbeat, HeartbeatAck
from pytio.spdm.records import SequenceOrder
from tests.capture.peer_session import PeerSession
from tests.capture.peers import Peers, Terms
from tests.capture.routes import Doe, Mctp, Route, write

VERSIONS = [SpdmVersion.V1_1, SpdmVersion.V1_2, SpdmVersion.V1_3, SpdmVersion.V1_4]
SECRET = bytes(range(48))
PSK = b"a pre-shared key"
WITH_ENCAP = MutAuthRequested.MUT_AUTH_REQUESTED_WITH_ENCAP_REQUEST
ROUTES = {"mctp": Mctp, "doe": Doe}

every_version = pytest.mark.parametrize("version", VERSIONS)
every_route = pytest.mark.parametrize("route", ROUTES)
either = pytest.mark.parametrize


def opened(path: Path, route: Route, **secrets: Any) -> Trace:
    """Write what went over a route, and open it."""
    return open_capture(write(path / "built.pcap", route.frames, route.link_type), **secrets)


def titles(records: list[Record]) -> list[str | None]:
    """Return what the innermost layers are called."""
    return [record.layers[-1].title for record in records]


def check_all_open(trace: Trace) -> list[Record]:
    """Check that every record of a session was opened, and nothing is remarkable; return them."""
    records = [*trace]
    assert not [record.summary() for record in records if record.problems or record.notes]
    assert not [record.summary() for record in records if record.is_decrypted is False]
    return [record for record in records if record.is_decrypted]


@every_version
@every_route
@either("is_in_the_clear", [False, True], ids=["handshake encrypted", "handshake in the clear"])
@either("is_encrypted", [False, True], ids=["MAC only", "encrypted"])
def test_key_exchange_sessions(
    version: SpdmVersion, route: str, is_in_the_clear: bool, is_encrypted: bool, tmp_path: Path
) -> None:
    peers = Peers(Terms(version, is_in_the_clear=is_in_the_clear, is_encrypted=is_encrypted), ROUTES[route]())
    peers.connect()
    peers.authenticate()
    session = peers.key_exchange(SECRET).finish()
    session.beat(2)
    session.update("request", "response")
    session.beat(2)
    session.end()
    inside = check_all_open(opened(tmp_path, peers.route, dhe_secret=[SECRET]))
    assert len(inside) == 14 + (0 if is_in_the_clear else 2)
    assert titles(inside)[-2:] == ["END_SESSION", "END_SESSION_ACK"]
    closed = [*opened(tmp_path, peers.route)]
    assert sum(record.is_decrypted is False for record in closed) == len(inside)
    assert not [record for record in closed if record.problems]


@every_version
@every_route
@either("is_encrypted", [False, True], ids=["MAC only", "encrypted"])
@either("has_psk_context", [False, True], ids=["without PSK_FINISH", "with PSK_FINISH"])
def test_psk_sessions(
    version: SpdmVersion, route: str, is_encrypted: bool, has_psk_context: bool, tmp_path: Path
) -> None:
    peers = Peers(Terms(version, is_encrypted=is_encrypted, has_psk_context=has_psk_context), ROUTES[route]())
    peers.connect()
    session = peers.psk_exchange(PSK).finish()
    session.beat()
    session.update("request")
    session.beat()
    inside = check_all_open(opened(tmp_path, peers.route, psk=[PSK]))
    assert titles(inside)[: 2 * has_psk_context] == ["PSK_FINISH", "PSK_FINISH_RSP"][: 2 * has_psk_context]
    assert len(inside) == 8 + 2 * has_psk_context


@every_version
@either("is_in_the_clear", [False, True], ids=["handshake encrypted", "handshake in the clear"])
@either("is_multi_key", [False, True], ids=["one key", "several keys"])
def test_mutual_authentication(version: SpdmVersion, is_in_the_clear: bool, is_multi_key: bool, tmp_path: Path) -> None:
    if is_multi_key and version < SpdmVersion.V1_3:
        pytest.skip("several keys exist from 1.3 on")
    peers = Peers(Terms(version, is_in_the_clear=is_in_the_clear, is_multi_key=is_multi_key), Doe())
    peers.connect()
    peers.authenticate()
    session = peers.key_exchange(SECRET, mut_auth=WITH_ENCAP)
    session.show_requester()
    session.finish().beat()
    inside = check_all_open(opened(tmp_path, peers.route, dhe_secret=[SECRET]))
    assert len(inside) == 2 + (0 if is_in_the_clear else 8)


@either("base_hash", BaseHashAlgo, ids=lambda selected: selected.name)
@either("aead", AeadSuite, ids=lambda selected: selected.name)
def test_every_hash_and_aead(base_hash: BaseHashAlgo, aead: AeadSuite, tmp_path: Path) -> None:
    peers = Peers(Terms(base_hash=base_hash, aead=aead))
    if not algorithms.hash_algorithm(base_hash).is_supported() or not algorithms.aead_algorithm(aead).is_supported():
        pytest.skip("not in this library")
    peers.connect()
    peers.authenticate()
    peers.key_exchange(SECRET).finish().beat()
    peers.psk_exchange(PSK).finish().beat()
    inside = check_all_open(opened(tmp_path, peers.route, dhe_secret=[SECRET], psk=[PSK]))
    assert len(inside) == 8


EXCHANGES = [
    *(Terms(dhe=dhe) for dhe in DheGroup),
    *(Terms(SpdmVersion.V1_4, dhe=DheGroup(0), kem=kem) for kem in KemAlgo),
    *(Terms(asym=asym) for asym in BaseAsymAlgo),
]


@either("terms", EXCHANGES, ids=lambda terms: f"{terms.dhe.name or terms.kem.name} {terms.asym.name}")
def test_every_exchange_and_signature(terms: Terms, tmp_path: Path) -> None:
    peers = Peers(terms)
    peers.connect()
    peers.authenticate()
    peers.key_exchange(SECRET).finish().beat()
    kind = "kem_secret" if terms.kem else "dhe_secret"
    assert len(check_all_open(opened(tmp_path, peers.route, **{kind: [SECRET]}))) == 4


@either("secured_version", [0x10, 0x11, 0x12])
@every_version
def test_secured_message_versions(version: SpdmVersion, secured_version: int, tmp_path: Path) -> None:
    peers = Peers(Terms(version, secured_version=secured_version), Doe())
    peers.connect()
    peers.authenticate()
    peers.key_exchange(SECRET).finish().beat(3)
    assert len(check_all_open(opened(tmp_path, peers.route, dhe_secret=[SECRET]))) == 8


@every_route
@either("secured_version", [0x10, 0x11])
def test_sequence_numbers_the_other_way_round(route: str, secured_version: int, tmp_path: Path) -> None:
    terms = Terms(secured_version=secured_version, sequence_order=SequenceOrder.BIG)
    peers = Peers(terms, ROUTES[route]())
    peers.connect()
    peers.authenticate()
    session = peers.key_exchange(SECRET).finish()
    session.beat(3)
    session.update("request", "response")
    session.beat(2)
    del peers.route.frames[-5:-2]
    session.beat(1)
    assert len(check_all_open(opened(tmp_path, peers.route, dhe_secret=[SECRET]))) == 2 + 6 + 4 + 1 + 2


def test_from_1_2_on_they_are_one_way_round(tmp_path: Path) -> None:
    peers = Peers(Terms(secured_version=0x12, sequence_order=SequenceOrder.BIG))
    peers.connect()
    peers.authenticate()
    peers.key_exchange(SECRET).finish().beat(2)
    opened_ones = [record.is_decrypted for record in opened(tmp_path, peers.route, dhe_secret=[SECRET])][-4:]
    assert opened_ones == [True, True, False, False]  # number 0 looks the same either way


def test_a_connection_of_1_0(tmp_path: Path) -> None:
    peers = Peers(Terms(SpdmVersion.V1_0))
    peers.connect()
    peers.authenticate()
    assert check_all_open(opened(tmp_path, peers.route)) == []


# --- key updates ---------------------------------------------------------------------------------------------------


@every_route
@either("is_encrypted", [False, True], ids=["MAC only", "encrypted"])
def test_key_updates_of_every_kind_one_after_another(route: str, is_encrypted: bool, tmp_path: Path) -> None:
    peers = Peers(Terms(is_encrypted=is_encrypted), ROUTES[route]())
    peers.connect()
    peers.authenticate()
    session = peers.key_exchange(SECRET).finish()
    for kind in itertools.permutations(["all", "one", "encapsulated"], 2):
        for step in kind:
            if step == "encapsulated":
                session.update_encapsulated()
            else:
                session.update(*(["request", "response"] if step == "all" else ["request"]))
            session.beat(3)
    inside = check_all_open(opened(tmp_path, peers.route, dhe_secret=[SECRET]))
    assert len(inside) == 2 + 12 * 6 + 8 * 4 + 4 * 6
    assert [record.direction for record in inside] == [Direction.REQUEST, Direction.RESPONSE] * (len(inside) // 2)


def test_updates_that_follow_at_once(tmp_path: Path) -> None:
    peers = Peers(Terms())
    peers.connect()
    peers.authenticate()
    session = peers.key_exchange(SECRET).finish()
    for _ in range(5):
        session.update("request", "response")
        session.update_encapsulated()
    assert len(check_all_open(opened(tmp_path, peers.route, dhe_secret=[SECRET]))) == 2 + 5 * 10


# --- several sessions and connections ------------------------------------------------------------------------------


def test_six_sessions_on_two_interleaved_connections(tmp_path: Path) -> None:
    frames: list[bytes] = []
    left = Peers(Terms(), Mctp(frames, requester=8, responder=9), seed=1)
    right = Peers(
        Terms(SpdmVersion.V1_4, BaseHashAlgo.SHA_256, aead=AeadSuite.CHACHA20_POLY1305, is_encrypted=False),
        Mctp(frames, requester=20, responder=30),
        seed=2,
    )
    both = (left, right)
    for peers in both:
        peers.connect()
    for peers in both:
        peers.authenticate()
    dhe = [bytes([number]) * 48 for number in range(4)]
    psk = [b"first key", b"second key"]
    sessions = []
    for number, peers in enumerate(both):
        sessions.append(peers.key_exchange(dhe[2 * number], (1, 1)).finish())
        sessions.append(peers.psk_exchange(psk[number], (2, 2)).finish())
    sessions += [peers.key_exchange(dhe[2 * number + 1], (3, 3)).finish() for number, peers in enumerate(both)]
    for _ in range(3):
        for here, there in itertools.product(sessions[::2], sessions[1::2]):
            heartbeat(here, there)
        for session in reversed(sessions):
            session.update("request", "response")
    for session in sessions:
        session.end()
    shuffled = [dhe[3], dhe[0], dhe[2], dhe[1]]
    trace = opened(tmp_path, left.route, dhe_secret=shuffled, psk=psk[::-1])
    inside = check_all_open(trace)
    assert len(inside) == 3 * 9 * 4 + 6 * (2 + 3 * 4 + 2)
    assert {record.session_id for record in inside} == {0x00010001, 0x00020002, 0x00030003}


def heartbeat(*sessions: PeerSession) -> None:
    """Exchange a heartbeat in several sessions at once: first all ask, then all are answered."""
    for session in sessions:
        session.ask(Heartbeat(version=session.peers.terms.version))
    for session in sessions:
        session.answer(HeartbeatAck(version=session.peers.terms.version))


def test_two_endpoints_that_ask_each_other(tmp_path: Path) -> None:
    frames: list[bytes] = []
    forth = Peers(Terms(), Mctp(frames, requester=8, responder=9), seed=1)
    back = Peers(Terms(SpdmVersion.V1_3), Mctp(frames, requester=9, responder=8), seed=2)
    secrets = {"forth": bytes(48), "back": SECRET}
    for peers in (forth, back):
        peers.connect()
    for peers in (forth, back):
        peers.authenticate()
    started = [
        peers.key_exchange(secret, (7, 7)) for peers, secret in zip((forth, back), secrets.values(), strict=True)
    ]
    sessions = [session.finish() for session in started]
    for _ in range(3):
        heartbeat(*sessions)
        for session in sessions:
            session.update("request", "response")
    inside = check_all_open(opened(tmp_path, forth.route, dhe_secret=[*secrets.values()]))
    assert len(inside) == 2 * (2 + 3 * (2 + 4))

"""Captures with holes: whatever is missing, what is left decodes as far as its own bytes and keys allow."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import pytest

from pytio.capture import Frame, LinkType, Record
from pytio.capture.dissector import Dissector
from pytio.capture.secrets import SecretStore
from tests.capture.peer_session import PeerSession
from tests.capture.peers import Peers, Terms
from tests.capture.recorded import frames as recorded_frames
from tests.capture.recorded import records as recorded_records
from tests.capture.recorded import secrets
from tests.capture.routes import Doe, Mctp, Route

PSK = b"a pre-shared key"
LONGEST_GAP = 8
ROUTES: dict[str, type[Route]] = {"mctp": Mctp, "doe": Doe}


def read(frames: list[bytes], link_type: LinkType, **kinds: list[bytes]) -> list[Record]:
    """Return the records of frames."""
    dissector = Dissector(SecretStore(**kinds))
    return [
        dissector.read(Frame(number, 0, link_type, frame, len(frame))) for number, frame in enumerate(frames, start=1)
    ]


def only_beats(session: PeerSession) -> None:
    session.beat(15)


def one_update(session: PeerSession) -> None:
    session.beat(5)
    session.update("request", "response")
    session.beat(8)


def spaced_updates(session: PeerSession) -> None:
    session.beat(3)
    session.update("request")
    session.beat(5)
    session.update_encapsulated()
    session.beat(3)


def updates_at_once(session: PeerSession) -> None:
    session.beat(1)
    for _ in range(4):
        session.update("request", "response")
    session.beat(3)


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("talk", [only_beats, one_update, spaced_updates, updates_at_once])
def test_up_to_eight_lost_records_in_a_row(route: str, talk: Callable[[PeerSession], None]) -> None:
    peers = Peers(Terms(has_psk_context=False), ROUTES[route]())
    peers.connect()
    session = peers.psk_exchange(PSK)
    start = len(peers.route.frames)
    talk(session)
    frames, link_type = peers.route.frames, peers.route.link_type
    whole = [record.layers for record in read(frames, link_type, psk=[PSK])]
    for count in range(1, LONGEST_GAP + 1):
        for first in range(start, len(frames) - count + 1):
            left = read(frames[:first] + frames[first + count :], link_type, psk=[PSK])
            assert [record.layers for record in left] == whole[:first] + whole[first + count :], (first, count)


@pytest.mark.parametrize("name", ["s03-mctp11-p256-aes128", "s07-doe14-p384", "s08-doe12-psk-only"])
def test_gaps_in_recorded_sessions(name: str) -> None:
    frames, whole = recorded_frames(name), recorded_records(name)
    given = secrets(name)
    dice = random.Random(name)
    gaps = [*gaps_of(whole)]
    for first, count in dice.sample(gaps, 25):
        dissector = Dissector(SecretStore(psk=given["psk"], dhe=given["dhe_secret"]))
        left = [dissector.read(frame) for frame in (*frames[:first], *frames[first + count :])]
        expected = [*whole[:first], *whole[first + count :]]
        assert [record.is_decrypted for record in left] == [record.is_decrypted for record in expected]
        different = [number for number, pair in enumerate(zip(left, expected, strict=True)) if pair[0] != pair[1]]
        assert different in ([], [first])  # a response may need its request


def gaps_of(records: tuple[Record, ...]) -> Iterator[tuple[int, int]]:
    """Yield where a gap of application records may be, and how long: only they depend on nothing but their keys."""
    is_free = [
        bool(record.is_decrypted) and record.layers[-1].title not in ("PSK_FINISH", "PSK_FINISH_RSP")
        for record in records
    ]
    for first in range(len(records)):
        for count in range(1, LONGEST_GAP + 1):
            if all(is_free[first : first + count]) and first + count <= len(records):
                yield first, count

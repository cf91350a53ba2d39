"""A capture for each known mistake: the mistake is named, and no other."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pytio.capture import Check, Frame, Record
from pytio.capture.dissector import Dissector
from pytio.capture.secrets import SecretStore
from pytio.spdm.codes import SpdmVersion
from pytio.spdm.mistakes import KnownMistake, find_mistake, fits
from pytio.spdm.proofs import Proof
from tests.capture.mistaken import CAPTURES, MORE, SECRET, connected, exchanged
from tests.capture.peers import Terms
from tests.capture.signing_peers import SigningPeers


def read(peers: SigningPeers) -> list[Record]:
    """Return the verified records of what peers said."""
    dissector = Dissector(SecretStore(dhe=[SECRET]), verify=True)
    route = peers.route
    return [
        dissector.read(Frame(number, 0, route.link_type, data, len(data)))
        for number, data in enumerate(route.frames, start=1)
    ]


def proof_of(check: Check) -> Proof:
    assert isinstance(check.proof, Proof)
    return check.proof


def test_there_is_a_capture_for_each_mistake() -> None:
    assert set(CAPTURES) == set(KnownMistake)


@pytest.mark.parametrize(("mistake", "make"), [*CAPTURES.items(), *MORE], ids=lambda given: getattr(given, "name", ""))
def test_the_mistake_is_named_and_no_other(mistake: KnownMistake, make: Callable[[], SigningPeers]) -> None:
    records = read(make())
    assert not [problem for record in records for problem in record.problems]
    failed = [check for record in records for check in record.checks if not check.ok]
    assert len(failed) == 1
    found = find_mistake(proof_of(failed[0]))
    assert found is not None
    assert found.mistake is mistake
    assert {fit.mistake for fit in fits(proof_of(failed[0]))} == {mistake}
    assert f"known mistake: {mistake}" in failed[0].explain()


@pytest.mark.parametrize("version", [SpdmVersion.V1_1, SpdmVersion.V1_2, SpdmVersion.V1_3])
def test_peers_that_make_none_make_none(version: SpdmVersion) -> None:
    peers = connected(Terms(version))
    peers.challenge()
    peers.measure(1, is_signed=False)
    peers.measure(2)
    exchanged(peers)
    checks = [check for record in read(peers) for check in record.checks]
    assert [check.check for check in checks] == [
        "CHALLENGE_AUTH signature",
        "MEASUREMENTS signature",
        "KEY_EXCHANGE_RSP signature",
        "KEY_EXCHANGE_RSP ResponderVerifyData",
        "FINISH RequesterVerifyData",
    ]
    for check in checks:
        assert check.ok
        assert find_mistake(proof_of(check)) is None


def test_a_signature_of_nothing_known_is_no_known_mistake() -> None:
    peers = connected(making=lambda peers, purpose, transcript: peers.signed(purpose))
    peers.challenge()
    [check] = [check for record in read(peers) for check in record.checks]
    assert not check.ok
    assert find_mistake(proof_of(check)) is None
    assert check.explain().endswith("known mistake: none of the known")

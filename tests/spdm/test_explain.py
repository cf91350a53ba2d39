"""The engines explain what they sign, what they check, and why a check fails."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from pytio.crypto import hmac
from pytio.spdm.checks import CheckFailedError, HmacCheck, made_hmac
from pytio.spdm.codes import SpdmVersion
from pytio.spdm.events import Checked
from pytio.spdm.explain import RULES
from pytio.spdm.key_schedule import KeySchedule
from pytio.spdm.mistakes import KnownMistake
from pytio.spdm.requests import Authenticate, Measure, ReadCertificate, ReadDigests, StartSession
from pytio.spdm.responder import handshake
from pytio.spdm.transcript import Pieces, joined
from tests.spdm.pair import Pair, connected_pair


def identified(version: SpdmVersion = SpdmVersion.V1_2) -> Pair:
    """Return two endpoints of which one knows the other's chain."""
    two = connected_pair(version)
    two.run(ReadDigests())
    two.run(ReadCertificate())
    return two


def test_what_was_made_and_what_was_checked_read_the_same() -> None:
    two = identified()
    [checked] = [event for event in two.run(Authenticate()) if isinstance(event, Checked)]
    [made] = [event for event in two.answered if isinstance(event, Checked)]
    ours, theirs = made.check.explain().splitlines(), checked.check.explain().splitlines()
    assert ours[0] == "CHALLENGE_AUTH signature: made"
    assert theirs[0] == "CHALLENGE_AUTH signature: holds"
    assert ours[1:] == theirs[1:]
    assert "M1/M2 = A || B || C" in theirs[2]
    assert checked.check.proof.holds


@pytest.mark.parametrize("version", [version for version in SpdmVersion if version > SpdmVersion.V1_0])
def test_every_piece_of_a_session_has_its_rule(version: SpdmVersion) -> None:
    two = identified(version)
    checks = [event.check for event in two.run(StartSession()) if isinstance(event, Checked)]
    assert checks
    for check in checks:
        assert {piece.rule for piece in check.pieces} <= RULES.keys()
        assert check.explain().startswith(f"{check.what}: ")


def without_vca(pieces: Pieces) -> Pieces:
    """Forget A."""
    return tuple(piece for piece in pieces if piece.rule != "A")


@pytest.mark.parametrize(
    ("method", "request_of"), [("m1m2", Authenticate()), ("l1l2", Measure(slot=0))], ids=["challenge", "measurements"]
)
def test_the_requester_names_the_mistake_of_the_responder(
    monkeypatch: pytest.MonkeyPatch, method: str, request_of: Any
) -> None:
    two = identified()
    right = getattr(two.responder.transcript, method)
    monkeypatch.setattr(two.responder.transcript, method, lambda *some, **more: without_vca(right(*some, **more)))
    with pytest.raises(CheckFailedError) as caught:
        two.run(request_of)
    assert caught.value.fit is not None
    assert caught.value.fit.mistake is KnownMistake.NO_VCA
    assert str(caught.value).endswith(str(KnownMistake.NO_VCA))
    assert "known mistake: A is left out" in caught.value.explain()


def test_what_a_reset_removed_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """A responder that does not forget measurements when certificates are read."""
    two = identified()
    two.run(Measure(1))
    kept: list[Any] = []
    right = two.responder.transcript.l1l2

    def forgetful(*some: Any, **more: Any) -> Pieces:
        pieces = right(*some, **more)
        return (*pieces[:6], *kept, *pieces[6:])

    monkeypatch.setattr(two.responder.transcript, "l1l2", forgetful)
    kept += two.responder.transcript._measurements[None]
    two.run(ReadDigests())
    with pytest.raises(CheckFailedError) as caught:
        two.run(Measure(slot=0))
    assert caught.value.fit is not None
    assert caught.value.fit.mistake is KnownMistake.MISSING_RESET


def test_an_hmac_over_the_transcript_itself_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Verify data is explained without showing a key."""
    two = identified()
    seen: list[Any] = []

    def mistaken(schedule: KeySchedule, key: Any, what: str, pieces: Pieces) -> HmacCheck:
        seen.append(key)
        right = made_hmac(schedule, key, what, pieces)
        value = hmac(schedule.hash_algorithm, key, joined(pieces))
        return attrs.evolve(right, proof=attrs.evolve(right.proof, value=value))

    monkeypatch.setattr(handshake, "made_hmac", mistaken)
    with pytest.raises(CheckFailedError) as caught:
        two.run(StartSession())
    assert caught.value.fit is not None
    assert caught.value.fit.mistake is KnownMistake.NOT_HASHED
    shown = f"{caught.value.explain()} {caught.value!r} {caught.value}"
    assert seen
    assert not any(key.reveal().hex() in shown for key in seen)

"""Every signature and HMAC of a capture is checked, and a check notices exactly the bits that it depends on."""

from __future__ import annotations

import random
from collections import Counter
from functools import cache
from typing import Any, Final

import pytest

from pytio.capture import Record, open_capture
from pytio.crypto import Secret, digest
from pytio.errors import VerificationError
from pytio.spdm.proofs import HmacProof, Proof, SignatureProof
from pytio.spdm.transcript import joined
from tests.capture.flips import Map, checks, flipped, verified
from tests.capture.recorded import RECORDED, log, path, secrets

SIGNATURES: Final = {
    "CHALLENGE_AUTH signature": 13,
    "MEASUREMENTS signature": 30,
    "KEY_EXCHANGE_RSP signature": 12,
    "FINISH signature": 12,
    "ENDPOINT_INFO signature": 8,
}
HMACS: Final = {
    "FINISH RequesterVerifyData": 12,
    "FINISH_RSP ResponderVerifyData": 12,
    "PSK_EXCHANGE_RSP ResponderVerifyData": 7,
    "PSK_FINISH RequesterVerifyData": 7,
}
IN_CLEAR: Final = {
    "CHALLENGE_AUTH signature": 13,
    "MEASUREMENTS signature": 15,
    "KEY_EXCHANGE_RSP signature": 12,
    "FINISH signature": 12,
    "ENDPOINT_INFO signature": 4,
}
"""What can be checked without any secret."""
FLIPS: Final = 500


@cache
def read(name: str, *, with_secrets: bool = True) -> list[Record]:
    """Return the verified records of a recorded session."""
    given: dict[str, Any] = secrets(name) if with_secrets else {}
    return list(open_capture(path(name), **given, verify=True))


def counted(*, with_secrets: bool) -> Counter[tuple[str, bool]]:
    """Count the checks of all recorded sessions by name and outcome."""
    return Counter(
        (check.check, check.ok)
        for name in RECORDED
        for record in read(name, with_secrets=with_secrets)
        for check in record.checks
    )


def test_everything_that_is_signed_or_authenticated_holds() -> None:
    assert counted(with_secrets=True) == {(name, True): count for name, count in (SIGNATURES | HMACS).items()}


def test_without_secrets_what_is_in_clear_is_checked() -> None:
    assert counted(with_secrets=False) == {(name, True): count for name, count in IN_CLEAR.items()}


def test_nothing_is_checked_unless_asked() -> None:
    trace = open_capture(path("s07-doe14-p384"), **secrets("s07-doe14-p384"))
    assert not [record for record in trace if record.checks]


def test_what_cannot_be_checked_says_why() -> None:
    notes = [note for record in read("s01-doe12-p384-full", with_secrets=False) for note in record.notes]
    assert "FINISH RequesterVerifyData is not checked: no secret of the session is known" in notes


def test_digests_are_those_that_the_peers_logged() -> None:
    for name in RECORDED:
        logged = {value for entry, value in log(name)["key_schedule"] if entry.endswith("hash")}
        for record in read(name):
            for check in record.checks:
                by_requester = any(piece.rule == "mutC" for piece in check.pieces)  # which nobody logged
                if isinstance(check.proof, SignatureProof) and not by_requester:
                    assert check.proof.digest.hex() in logged, (name, record.number, check.check)


def test_wrong_secrets_fail_and_do_not_show() -> None:
    name, wrong = "s01-doe12-p384-full", bytes(range(48))
    records = list(open_capture(path(name), dhe_secret=[wrong], psk=[wrong], verify=True))
    failed = [check for record in records for check in record.checks if not check.ok]
    assert {check.check for check in failed} == HMACS.keys() - {"PSK_FINISH RequesterVerifyData"}
    for check in failed:
        assert isinstance(check.proof, HmacProof)
        with pytest.raises(VerificationError) as caught:
            check.proof.verify()
        shown = f"{check!r} {check.to_dict()} {check.explain()} {caught.value!r}"
        for key in (*check.proof.keys, Secret(wrong)):
            assert key.reveal().hex() not in shown
            assert repr(key.reveal()) not in shown


@cache
def maps() -> list[Map]:
    """Return where the checks of every recorded session depend on what."""
    return [Map(name) for name in RECORDED]


def test_a_flipped_bit_fails_the_checks_that_depend_on_it_and_no_other() -> None:
    """A bit may also end up in a check that it was not in: it may say where a transcript begins.

    A check that is no longer there is one whose record no longer opens, decodes, or has a key to check with.
    """
    seeded = random.Random(2026)
    spots = [(found, place) for found in maps() for place in sorted(set().union(*found.depends.values()))]
    exact = 0
    for _ in range(FLIPS):
        found, place = seeded.choice(spots)
        damaged = flipped(found.frames, place, seeded.randrange(8))
        records = verified(damaged, found.name)
        after = checks(records)
        failing = {key for key, check in after.items() if not check.ok}
        gone = found.checks.keys() - after.keys()
        depending = found.depending(place)
        if not failing <= depending:
            assert failing <= depending | Map(found.name, damaged).depending(place), (found.name, place)
        assert depending <= failing | gone, (found.name, place)
        for number, what in gone:
            assert is_excused(records[number - 1], what), (found.name, place, number, what)
        exact += failing == depending
    assert exact > FLIPS * 3 // 4


def is_excused(record: Record, what: str) -> bool:
    """Return whether a record says why something in it was not checked."""
    undecoded = any(layer.message is None and layer.title != "PCI_DOE" for layer in record.layers)
    return bool(record.problems or record.notes or record.is_decrypted is False or undecoded or what not in SIGNATURES)


def test_bits_that_no_check_depends_on_fail_none() -> None:
    seeded = random.Random(7)
    for found in maps():
        depended_on = set().union(*found.depends.values())
        quiet = [record for record in found.records if record.is_decrypted and (record.number, 8) not in depended_on]
        for record in seeded.sample(quiet, min(8, len(quiet))):
            place = record.number, seeded.randrange(8, len(record.data))
            assert place not in depended_on
            after = checks(verified(flipped(found.frames, place, 0), found.name))
            assert not [key for key, check in after.items() if not check.ok], (found.name, place)


def test_a_failed_check_carries_what_was_hashed() -> None:
    found = next(found for found in maps() if found.name.startswith("s03"))
    place = next(iter(sorted(found.depends[21, "CHALLENGE_AUTH signature"])))
    records = verified(flipped(found.frames, place, 0), found.name)
    failed = checks(records)[21, "CHALLENGE_AUTH signature"]
    plain = failed.to_dict()
    assert (plain["check"], plain["ok"]) == ("CHALLENGE_AUTH signature", False)
    assert b"".join(bytes.fromhex(piece["bytes"]) for piece in plain["pieces"]) == joined(failed.pieces)
    assert {"what", "rule", "record", "bytes"} == set(plain["pieces"][0])
    assert isinstance(failed.proof, Proof)
    assert failed.proof.digest == digest(failed.proof.hash_algorithm, joined(failed.pieces))
    assert "does not hold" in failed.explain()
    assert "none of the known" in failed.explain()
    passed = found.checks[21, "CHALLENGE_AUTH signature"].to_dict()
    assert passed == {"check": "CHALLENGE_AUTH signature", "ok": True}

"""Damaged captures, verified: no check raises, every failed one explains itself, and evidence is what it says.

Two hundred seeded rounds run with every test run, ``make soak`` runs as many as it is told.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from datetime import UTC, datetime

from pytio.capture import Frame
from pytio.capture.collect import evidence_of
from pytio.errors import DecodeError
from pytio.evidence import Evidence
from tests.capture.flips import verified
from tests.capture.recorded import frames
from tests.soak.mutations import damage_packets
from tests.soak.test_capture_mutations import NAMES

EXPLAINED_EVERY = 8
AT = datetime(2026, 11, 22, tzinfo=UTC)


def test_what_is_damaged_is_still_verified(soak_rounds: int) -> None:
    figures: Counter[str] = Counter()
    for seed in range(soak_rounds):
        figures += one_round(random.Random(f"verified {seed}"))
    assert figures["failed"] > soak_rounds // 4
    assert figures["held"] > soak_rounds


def one_round(dice: random.Random) -> Counter[str]:
    """Damage a capture, verify it, and return a few figures."""
    name = dice.choice(NAMES)
    whole = frames(name)
    damaged = damage_packets(tuple(frame.data for frame in whole), dice)
    link_type = whole[0].link_type
    packets = enumerate((packet.data for packet in damaged.packets), start=1)
    records = verified(tuple(Frame(number, 0, link_type, data, len(data)) for number, data in packets), name)
    checks = [check for record in records for check in record.checks]
    failed = [check for check in checks if not check.ok]
    for check in failed[:: dice.randrange(1, EXPLAINED_EVERY)]:
        assert "known mistake: " in check.explain()
        assert json.loads(json.dumps(check.to_dict()))["pieces"]
    if collected := list(evidence_of(records, name)):
        judge(dice.choice(collected))
    return Counter(failed=len(failed), held=len(checks) - len(failed))


def judge(evidence: Evidence) -> None:
    """Write evidence down, read it, and judge it: it holds only if its signature does."""
    assert Evidence.from_json(evidence.to_json()) == evidence
    try:
        roots = evidence.certificates[:1]
    except DecodeError:
        roots = ()
    verdict = evidence.verify(roots, at=AT)
    assert str(verdict)
    if verdict.holds:
        evidence.proof.verify()

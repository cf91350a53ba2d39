"""Hostile peers: whatever comes, an engine raises only what it documents, moves only by what held, and shows no secret.

A sequence draws a kind of lie and a scene from its seed, tells the lie, has the victim judged, and has an honest peer
begin anew. Two thousand against each role run with every test run; ``make soak`` runs a hundred thousand, and prints
how many of each kind there were. `tests.soak.hostile` has the kinds, by role and by what they are about.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Final

import pytest

from tests.soak.hostile.judging import Kind, every_kind

SEED: Final = 44
PER_ROUND: Final = 10
"""Sequences against a role in one round of a soak; the default of ``make soak`` makes 100,000 of them."""
ROLES: Final[dict[str, Mapping[str, Kind]]] = {role: every_kind(role) for role in ("requesters", "responders")}


def tell(role: str, seed: int) -> tuple[str, int]:
    """Tell one lie; return its kind, and how many messages it took. What goes wrong says which one it was."""
    dice = random.Random(f"{SEED} {role} {seed}")
    kinds = list(ROLES[role].values())
    (kind,) = dice.choices(kinds, [one.weight for one in kinds])
    try:
        return kind.name, kind.tell(dice)
    except Exception as error:
        error.add_note(f"hostile {role}, sequence {seed}: {kind.name}")
        raise


@pytest.mark.parametrize("role", ROLES)
def test_hostile_peers(role: str, soak_rounds: int, record_property: Callable[[str, object], None]) -> None:
    told: Counter[str] = Counter()
    messages = 0
    for seed in range(soak_rounds * PER_ROUND):
        name, count = tell(role, seed)
        told[name] += 1
        messages += count
    assert set(told) == set(ROLES[role]), "a kind never came"
    total = told.total()
    record_property("soak", f"hostile {role}: {total:,} sequences, {messages:,} messages, {len(told)} kinds")
    for name, count in told.most_common():
        record_property("soak", f"  {count / total:6.2%}  {count:>7,}  {name}")

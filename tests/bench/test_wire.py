"""How fast the straight-line readers and writers are, beside construct on the same bytes.

The unit is a DOE header, an ALGORITHMS message with arrays of arrays, and an interface report. construct makes plain
containers of plain numbers of it; pytio makes frozen, keyword-only messages with codes and flags as members, and keeps
every check.
"""

from __future__ import annotations

from tests.bench.reference_unit import by_construct
from tests.bench.reference_unit.by_pytio import Unit
from tests.bench.reference_unit.sample import DATA
from tests.conftest import Bench


def test_decode_the_unit(bench: Bench) -> None:
    bench("construct", lambda: by_construct.UNIT.parse(DATA))
    bench("pytio", lambda: Unit.parse(DATA))


def test_encode_the_unit(bench: Bench) -> None:
    container, unit = by_construct.UNIT.parse(DATA), Unit.parse(DATA)
    assert by_construct.UNIT.build(container) == unit.build() == DATA
    bench("construct", lambda: by_construct.UNIT.build(container))
    bench("pytio", unit.build)

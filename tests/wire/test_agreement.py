"""Every vector, whole, cut and changed in many places: the derived reader and construct make the same of it."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from pytio.wire.derive import reader_source, writer_source
from tests.test_vectors import INVALID, VALID, VECTORS, load
from tests.wire.agreement import check_building, check_parsing
from tests.wire.samples import Nest, Point

PLACES = 24
"""How many cuts, and how many changes, one vector gets; short ones get all cuts."""


@pytest.mark.parametrize("path", [*VALID, *INVALID], ids=lambda path: str(path.relative_to(VECTORS).with_suffix("")))
def test_a_vector_means_the_same_to_both(path: Path) -> None:
    cls, raw, given, vector = load(path)
    error = check_parsing(cls, raw, given)
    if "error" not in vector:
        assert error is None
        assert check_building(cls.parse(raw, **given)) == raw
    places = random.Random(str(path.relative_to(VECTORS)))
    for size in places.sample(range(len(raw)), min(PLACES, len(raw))):
        check_parsing(cls, raw[:size], given)
        changed = bytearray(raw)
        changed[places.randrange(len(raw))] = places.choice((0, 1, 2, 0x10, 0x7F, 0x80, 0xFF, size & 0xFF))
        check_parsing(cls, bytes(changed), given)


def test_the_source_of_both_can_be_read() -> None:
    """One ``struct`` call for a run, across the structures in it; codes by table."""
    assert "unpack_from" not in reader_source(Point)
    assert reader_source(Point).splitlines()[0] == "def read(data, given, o=0):"
    assert reader_source(Nest).count("unpack_") < len(Nest.FIELDS) + len(Point.FIELDS)
    assert writer_source(Point).splitlines()[0] == "def write(x):"

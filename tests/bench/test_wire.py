"""How fast the straight-line readers and writers are, beside construct on the same bytes.

The unit is a DOE header, an ALGORITHMS message with arrays of arrays, and an interface report. construct makes plain
containers of plain numbers of it; pytio makes frozen, keyword-only messages with codes and flags as members, and keeps
every check. The vectors are those of all messages, one after the other.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from pytio.errors import DecodeError
from pytio.wire import WireStruct
from pytio.wire.derive.reading import make_reader
from pytio.wire.derive.writing import make_writer
from tests.bench.plain_construct import plain
from tests.bench.reference_unit import by_construct, by_hand
from tests.bench.reference_unit.by_others import CODECS
from tests.bench.reference_unit.by_pytio import Unit
from tests.bench.reference_unit.sample import DATA
from tests.conftest import Bench
from tests.test_vectors import VALID, load


def test_decode_the_unit(bench: Bench) -> None:
    bench("construct", lambda: by_construct.UNIT.parse(DATA))
    bench("struct by hand", lambda: by_hand.decode(DATA))
    bench("pytio", lambda: Unit.parse(DATA))


def test_encode_the_unit(bench: Bench) -> None:
    container, plainly, unit = by_construct.UNIT.parse(DATA), by_hand.decode(DATA), Unit.parse(DATA)
    assert by_construct.UNIT.build(container) == by_hand.encode(plainly) == unit.build() == DATA
    bench("construct", lambda: by_construct.UNIT.build(container))
    bench("struct by hand", lambda: by_hand.encode(plainly))
    bench("pytio", unit.build)


@pytest.mark.parametrize("package", sorted(CODECS))
def test_the_unit_in_other_packages(bench: Bench, package: str) -> None:
    pytest.importorskip(package, reason=f"{package} is not installed, and need not be")
    decode, encode = CODECS[package]()
    unit = decode(DATA)
    assert encode(unit) == DATA
    bench("decode", lambda: decode(DATA))
    bench("encode", lambda: encode(unit))


def test_refuse_the_unit_cut_short(bench: Bench) -> None:
    """What an error costs: the straight line, then construct."""

    def refuse() -> None:
        with pytest.raises(DecodeError):
            Unit.parse(DATA[:-1])

    bench("pytio", refuse)


@cache
def vectors() -> list[tuple[type[WireStruct], bytes, dict[str, int]]]:
    """Return the class, bytes and facts of every valid vector."""
    return [load(path)[:3] for path in VALID]


def test_decode_all_vectors(bench: Bench) -> None:
    plainly = [(plain(cls).parse, raw, given) for cls, raw, given in vectors()]
    straight = [(cls.parse, raw, given) for cls, raw, given in vectors()]

    def decode(rows: list[tuple[Any, bytes, dict[str, int]]]) -> None:
        for parse, raw, given in rows:
            parse(raw, **given)

    bench("construct", lambda: decode(plainly))
    bench("pytio", lambda: decode(straight))


def test_encode_all_vectors(bench: Bench) -> None:
    plainly = [(plain(cls), plain(cls).parse(raw, **given), given) for cls, raw, given in vectors()]
    straight = [cls.parse(raw, **given) for cls, raw, given in vectors()]
    for (schema, container, given), (_, raw, _) in zip(plainly, vectors(), strict=True):
        assert schema.build(container, **given) == raw

    def encode() -> None:
        for schema, container, given in plainly:
            schema.build(container, **given)

    def encode_straight() -> None:
        for message in straight:
            message.build()

    bench("construct", encode)
    bench("pytio", encode_straight)


def test_derive_a_reader_and_a_writer(bench: Bench) -> None:
    """What the first use of a message costs."""
    bench("pytio", lambda: (make_reader(Unit), make_writer(Unit)))

"""What holds for every message: build and parse are inverse, and the straight line says what construct says."""

from __future__ import annotations

import os
from typing import Any

import hypothesis
import pytest
from hypothesis import HealthCheck
from hypothesis import strategies as st

from pytio.errors import DecodeError
from pytio.wire import WireStruct
from tests.strategies import all_messages, damaged, messages
from tests.wire import samples, test_automatic, test_vocabulary
from tests.wire.agreement import check_building, check_parsing, shape

LOCAL = [
    value
    for module in (samples, test_automatic, test_vocabulary)
    for value in vars(module).values()
    if isinstance(value, type) and issubclass(value, WireStruct) and value.FIELDS
]
CLASSES = [*dict.fromkeys(LOCAL), *all_messages()]
EXAMPLES = [6, pytest.param(max(int(os.environ.get("PYTIO_SOAK", "10000")) // 50, 6), marks=pytest.mark.soak)]

every_message = pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: f"{cls.__module__}.{cls.__name__}")
as_often = pytest.mark.parametrize("examples", EXAMPLES)


def check(property_: Any, examples: int) -> None:
    """Hold a property of drawn data to so many examples."""
    settings = hypothesis.settings(
        max_examples=examples,
        derandomize=True,
        deadline=None,
        suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
    )
    settings(hypothesis.given(st.data())(property_))()


@as_often
@every_message
def test_a_message_survives_its_bytes(cls: type[WireStruct], examples: int) -> None:
    def property_(data: st.DataObject) -> None:
        message, facts = data.draw(messages(cls))
        raw = check_building(message)
        assert raw is not None
        assert check_parsing(cls, raw, facts) is None
        parsed = cls.parse(raw, **facts)
        assert shape(parsed) == shape(message)
        assert hash(parsed) == hash(message)
        assert cls.parse(raw, **message.given()) == message
        assert cls.parse_prefix(raw, **facts) == (message, len(raw))
        assert cls.minimum_size() <= len(raw)
        assert cls.fixed_size() in (None, len(raw))
        assert parsed.show()

    check(property_, examples)


@as_often
@every_message
def test_damaged_bytes_mean_the_same_to_both(cls: type[WireStruct], examples: int) -> None:
    def property_(data: st.DataObject) -> None:
        message, facts = data.draw(messages(cls))
        raw = message.build()
        for size in {0, 1, len(raw) // 2, len(raw) - 1} & set(range(len(raw))):
            check_parsing(cls, raw[:size], facts)
        for _ in range(4):
            check_parsing(cls, data.draw(damaged(raw)), facts)

    check(property_, examples)


@as_often
@every_message
def test_any_bytes_parse_or_raise_the_layers_error(cls: type[WireStruct], examples: int) -> None:
    def property_(data: st.DataObject) -> None:
        raw = data.draw(st.binary(max_size=2 * cls.minimum_size() + 16))
        facts = {name: data.draw(st.integers(0, 64)) for name in sorted(cls.GIVEN)}
        error = check_parsing(cls, raw, facts)
        if error is not None:
            with pytest.raises(cls.ERROR) as caught:
                cls.parse(raw, **facts)
            assert (caught.value.reason, caught.value.path, caught.value.offset) == (
                error.reason,
                error.path,
                error.offset,
            )
        elif cls.parse_prefix(raw, **facts)[1] != len(raw):
            with pytest.raises(DecodeError, match="bytes left over"):
                cls.parse(raw, **facts)

    check(property_, examples)


class Number:
    """Something that stands for an integer exactly, and equals none: ``struct`` takes it, a comparison does not."""

    def __init__(self, value: int) -> None:
        self._value = value

    def __index__(self) -> int:
        return self._value

    def __int__(self) -> int:
        return self._value


STRANGE: list[Any] = [
    *(None, -1, 0, 1, 7, 255, 256, 1 << 32, 1 << 64, -(1 << 63), True, 1.0, 0.5, "", "ab", Number(1), Number(300)),
    *(b"", b"a", bytes(300), bytearray(b"ab"), memoryview(b"ab"), (), (0,), (0, 1), [0], (None,), (b"a", b""), {}),
    *((1.0,), ("a",), (-1,), (256, 1), samples.Point(), samples.Label(), (samples.Point(),), samples.Fruit(200)),
]


@as_often
@every_message
def test_strange_values_mean_the_same_to_both(cls: type[WireStruct], examples: int) -> None:
    def property_(data: st.DataObject) -> None:
        message, _ = data.draw(messages(cls))
        victims = [message, *(v for f in cls.FIELDS if isinstance(v := getattr(message, f.name), WireStruct))]
        victim = data.draw(st.sampled_from(victims))
        free = [field.name for field in victim.FIELDS if field.constant is None]
        if free:
            for _ in range(3):
                name = data.draw(st.sampled_from(free))
                before = getattr(victim, name)
                object.__setattr__(victim, name, data.draw(st.sampled_from(STRANGE)))
                check_building(message, must_be_straight=False)
                object.__setattr__(victim, name, before)

    check(property_, examples)

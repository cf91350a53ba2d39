"""JSON straight from bytes is the JSON of the parsed message, for every message there is."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytio.errors import DecodeError
from pytio.wire import WireStruct
from pytio.wire.derive.json_text import json_reader
from tests.strategies import all_messages, damaged, messages

WITHOUT_FACTS = [cls for cls in all_messages() if not cls.GIVEN]


def expected(cls: type[WireStruct], raw: bytes) -> tuple[str, int] | tuple[str, int, str]:
    """Return what parsing gives: JSON and size, or reason, offset and path."""
    try:
        parsed, size = cls.parse_prefix(raw)
    except DecodeError as error:
        return error.reason, error.offset, error.path
    return json.dumps(parsed.to_dict()), size


def actual(cls: type[WireStruct], raw: bytes) -> tuple[str, int] | tuple[str, int, str]:
    try:
        return json_reader(cls)(raw)
    except DecodeError as error:
        return error.reason, error.offset, error.path


@pytest.mark.parametrize("cls", WITHOUT_FACTS, ids=lambda cls: f"{cls.__module__}.{cls.__name__}")
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(data=st.data())
def test_json_is_that_of_the_message(cls: type[WireStruct], data: st.DataObject) -> None:
    message, _ = data.draw(messages(cls))
    raw = message.build()
    assert actual(cls, raw) == expected(cls, raw)
    hurt = data.draw(damaged(raw))
    assert actual(cls, hurt) == expected(cls, hurt)

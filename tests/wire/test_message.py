"""Parsing and building as a caller sees it: misuse, what cannot be laid out, copies, pickles."""

from __future__ import annotations

import copy
import pickle
import weakref
from typing import Any

import attrs
import pytest

from pytio.errors import EncodeError
from pytio.wire import WireStruct
from tests.checks import check_refused
from tests.wire.samples import (
    Arrays,
    Choice,
    Codes,
    Color,
    Facts,
    Fruit,
    Halves,
    Integers,
    Label,
    Mood,
    Nest,
    OneByte,
    Outer,
    Point,
    Presence,
    Records,
    Tail,
    Unknown,
)

RAW = bytes.fromhex("0100 0002 83")
POINT = Point(x=1, y=2, color=Color.BLUE)


@pytest.mark.parametrize("data", [RAW, bytearray(RAW), memoryview(RAW), memoryview(b"?" + RAW)[1:]])
def test_bytes_of_every_kind_parse(data: bytes | bytearray | memoryview) -> None:
    assert Point.parse(data) == POINT
    assert Point.parse_prefix(data) == (POINT, 5)


def test_bytes_in_a_message_outlive_the_buffer_they_came_from() -> None:
    buffer = bytearray(b"\3abc")
    label = Label.parse(buffer)
    buffer[1] = 0
    assert (label.text, type(label.text)) == (b"abc", bytes)


def test_a_view_of_larger_items_parses_by_its_bytes() -> None:
    words = memoryview(RAW + b"\0").cast("H")
    assert Point.parse_prefix(words) == (POINT, 5)
    assert check_refused(Point, words, 5, "1 bytes left over").data == RAW + b"\0"  # type: ignore[arg-type]


@pytest.mark.parametrize("data", [5, "0100000283", None, [1, 2], (1, 2)])
def test_only_bytes_parse(data: Any) -> None:
    for parse in (Point.parse, Point.parse_prefix):
        with pytest.raises(TypeError, match=f"Point.parse takes bytes, not {type(data).__name__}"):
            parse(data)


def test_the_error_for_a_wrong_fact_names_it() -> None:
    with pytest.raises(TypeError, match=r"Facts.parse needs digest=, multi="):
        Facts.parse(b"")
    with pytest.raises(TypeError, match=r"Facts.parse needs multi="):
        Facts.parse_prefix(b"", digest=1)
    with pytest.raises(TypeError, match=r"Point.parse does not take digest="):
        Point.parse(b"", digest=1)


def test_a_fact_may_be_anything_that_counts() -> None:
    """A bool is a fact; a negative size is an error of the data's layer, not a crash."""
    raw = bytes.fromhex("0b00") + b"abcd" + b"\x01" + b"xyz" + b"efgh" + b"\x02\x00"
    assert Facts.parse(raw, digest=4, multi=True) == Facts.parse(raw, digest=4, multi=1)
    assert check_refused(Facts, raw, 2, "size -1 is negative", digest=-1, multi=0).path == "Facts.digest"
    check_refused(Facts, raw, 2, "needs 1000000000000000000000 bytes", digest=10**21, multi=0)


def test_prefix_leaves_the_rest_and_parse_refuses_it() -> None:
    assert Point.parse_prefix(RAW + b"xy") == (POINT, 5)
    error = check_refused(Point, RAW + b"xy", 5, "2 bytes left over")
    assert error.path == "Point"


def test_elements_of_no_bytes_do_not_loop() -> None:
    """A size of zero and a hostile count: nothing would bound the loop."""
    assert check_refused(Unknown, b"\xff\xff\xff\xff\0", 5, "an element takes no bytes").path == "Unknown.items[0]"
    assert check_refused(Unknown, b"\0\0\0\0\0x", 5, "an element takes no bytes").path == "Unknown.more[0]"
    assert Unknown.parse(b"\2\0\0\0\1abcd") == Unknown(size=1, items=(b"a", b"b"), more=(b"c", b"d"))
    with pytest.raises(EncodeError, match="an element takes no bytes"):
        Unknown(size=0, items=(b"",)).build()


BAD: list[tuple[WireStruct, str, str]] = [
    (POINT.replace(x=1 << 16), "x", "65536 does not fit in 2 bytes"),
    (POINT.replace(x=-1), "x", "-1 does not fit in 2 bytes"),
    (POINT.replace(y=1.0), "y", "1.0 is not an integer"),
    (POINT.replace(y=None), "y", "None is not an integer"),
    (POINT.replace(y="2"), "y", "'2' is not an integer"),
    (POINT.replace(color=7), "color", "0x7 is not a Color"),
    (POINT.replace(color=1.0), "color", "1.0 is not a Color"),
    (POINT.replace(color=None), "color", "None is not a Color"),
    (OneByte(low=8), "low", "8 does not fit in 3 bits"),
    (OneByte(low=-1), "low", "-1 does not fit in 3 bits"),
    (OneByte(low=1.0), "low", "1.0 is not an integer"),  # type: ignore[arg-type]
    (OneByte(flag=2), "flag", "2 does not fit in 1 bit"),  # type: ignore[arg-type]
    (OneByte(color=0), "color", "0x0 is not a Color"),  # type: ignore[arg-type]
    (OneByte(fruit=Fruit.PLUM), "fruit", "127 does not fit in 2 bits"),
    (Halves(whole=1 << 24), "whole", "16777216 does not fit in 24 bits"),
    (Codes(color=Color.RED, fruit=Fruit(256)), "fruit", "256 does not fit in 1 byte"),
    (Codes(color=Color.RED, fruit=-1), "fruit", "-0x1 is not a Fruit"),  # type: ignore[arg-type]
    (Codes(color=Color.RED, open_signed=-1), "open_signed", "-0x1 is not a Fruit"),  # type: ignore[arg-type]
    (Codes(color=Color.RED, mood=-1), "mood", "-1 does not fit in 1 byte"),  # type: ignore[arg-type]
    (Codes(color=Color.RED, mood=Mood(256)), "mood", "256 does not fit in 1 byte"),
    (Label(size=2, text=b"abc"), "text", "3 bytes, but size is 2"),
    (Label(text=b"x" * 256), "size", "256 does not fit in 1 byte"),
    (Label(size=1, text="x"), "text", "str is not bytes"),  # type: ignore[arg-type]
    (Label(size=1, text=None), "text", "NoneType is not bytes"),  # type: ignore[arg-type]
    (Nest(bits=OneByte(), point=RAW, label=Label(), halves=Halves()), "point", "bytes is not a Point"),  # type: ignore[arg-type]
    (Nest(bits=None, point=POINT, label=Label(), halves=Halves()), "bits", "NoneType is not a OneByte"),  # type: ignore[arg-type]
    (
        Nest(bits=OneByte(), point=Point(y=-1), label=Label(), halves=Halves()),
        "point.y",
        "-1 does not fit in 2 bytes",
    ),
    (Tail(first=0, points=(POINT, Point(x=-1))), "points[1].x", "-1 does not fit in 2 bytes"),
    (Tail(first=0, points=(POINT, None)), "points[1]", "NoneType is not a Point"),  # type: ignore[arg-type]
    (Tail(first=0, points={POINT}), "points", "set is not a tuple"),  # type: ignore[arg-type]
    (Arrays(labels=()), "labels", "0 elements, but pairs \\+ 1 is 1"),
    (Arrays(labels=(Label(),), octets=(1, 2)), "octets", "2 elements, but the field has 3"),
    (Arrays(labels=(Label(),), octets=(1, 2, 256)), "octets[2]", "256 does not fit in 1 byte"),
    (Arrays(labels=(Label(),), octets=b"abc"), "octets", "bytes is not a tuple"),  # type: ignore[arg-type]
    (Arrays(labels=(Label(),), many=(0,) * 19 + (-1,)), "many[19]", "-1 does not fit in 4 bytes"),
    (Arrays(labels=(Label(),), words=(0.5,)), "words[0]", "0.5 is not an integer"),  # type: ignore[arg-type]
    (Arrays(pairs=1, labels=(Label(),) * 2), "wide", "0 elements, but pairs is 1"),
    (Records(box=Tail(first=0, points=()), exact=POINT, padded=(1, 2, 3)), "padded", "3 bytes, but the field has 4"),
    (
        Records(box=Tail(first=0, points=()), exact=POINT, size=1, labels=(Label(text=b"a"),)),
        "labels",
        "2 bytes, but size is 1",
    ),
    (Presence(version=0x11, color=None), "color", "is missing, but belongs there: 1.1 and later"),
    (Presence(version=0x10, large=5), "large", "does not belong there: only with flag set"),
    (Presence(version=0x10, mood=Mood.LOUD), "nested", "is missing, but belongs there: mood has LOUD"),
    (Facts(digest=b"a", second=b"bc"), "second", "2 bytes, but digest is 1"),
    (Facts(digest=b"a", second=b"b", extra=1), "also", "is missing, but belongs there: multi set"),
    (Facts(digest=b"a", second=b"b", also=1), "also", "does not belong there: only with multi set"),
    (Outer(facts=(Facts(digest=b"a", second=b"b"),), digest=b"ab"), "digest", "2 bytes, but digest is 1"),
    (
        Outer(facts=(Facts(digest=b"a", second=b"b"), Facts(digest=b"a", second=b"bc")), digest=b"a"),
        "facts[1].second",
        "2 bytes, but digest is 1",
    ),
    (Choice(fruit=Fruit.APPLE, color=Color.RED, body=b"", strict=1, table=b"ab"), "body", "b'' is not an integer"),
    (Choice(fruit=Fruit.APPLE, color=Color.BLUE, body=1, strict=1, table=b""), "strict", "no layout is known"),
    (Choice(fruit=Fruit.APPLE, color=Color.RED, body=1, strict=1, table=b""), "table", "0 bytes, but <lambda>"),
    (
        Choice(fruit=Fruit(6), color=Color.GREEN, body=(1,), strict=b"xx", table=b"abcd"),
        "body",
        "1 elements, but color is 2",
    ),
]


@pytest.mark.parametrize(("bad", "field", "reason"), BAD, ids=lambda value: value if isinstance(value, str) else "")
def test_what_cannot_be_laid_out_is_an_encode_error(bad: WireStruct, field: str, reason: str) -> None:
    with pytest.raises(EncodeError, match=reason) as caught:
        bad.build()
    assert (caught.value.message, caught.value.field) == (type(bad).__name__, field)


def test_a_length_that_nothing_can_fill_is_an_encode_error() -> None:
    with pytest.raises(EncodeError, match="int cannot be measured") as caught:
        Label(text=5)  # type: ignore[arg-type]
    assert (caught.value.message, caught.value.field) == ("Label", "text")


def test_whatever_stands_for_an_integer_exactly_is_one() -> None:
    """As in ``struct``: numbers of other libraries go in, fractions do not."""

    class Number:
        def __init__(self, value: int) -> None:
            self._value = value

        def __index__(self) -> int:
            return self._value

        def __int__(self) -> int:
            return self._value

    three: Any = Number(3)
    assert Point(x=three, color=Color.RED).build() == b"\3\0\0\0\1"
    assert OneByte(low=three).build() == OneByte(low=3).build()
    assert Integers(**dict.fromkeys((field.name for field in Integers.FIELDS), three)).build()[:3] == b"\3\3\0"
    with pytest.raises(EncodeError):
        Point(x=Number(1 << 16), color=Color.RED).build()  # type: ignore[arg-type]


def test_lists_and_views_build_too() -> None:
    assert Tail(first=1, points=[POINT]).build() == b"\1" + RAW  # type: ignore[arg-type]
    view: Any = memoryview(b"abcd")
    assert Label(text=view).build() == b"\4abcd"
    assert Label(text=bytearray(b"ab")).build() == b"\2ab"  # type: ignore[arg-type]
    assert Label(size=4, text=view.cast("H")).build() == b"\4abcd"
    assert Label.parse(b"\4abcd") == Label(text=b"abcd")


def test_a_parsed_message_is_like_any_other() -> None:
    parsed = Point.parse(RAW)
    assert type(parsed) is Point
    assert (parsed, hash(parsed), repr(parsed)) == (POINT, hash(POINT), repr(POINT))
    assert attrs.evolve(parsed, x=9) == POINT.replace(x=9) == Point(x=9, y=2, color=Color.BLUE)  # type: ignore[misc]  # made by @message
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        parsed.x = 9  # type: ignore[misc]
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        del parsed.x
    assert weakref.ref(parsed)() is parsed
    assert parsed.__sizeof__() == POINT.__sizeof__()


@pytest.mark.parametrize(
    "whole",
    [
        POINT,
        Nest(bits=OneByte(), point=POINT, label=Label(text=b"a"), halves=Halves()),
        Codes(color=Color.RED, fruit=Fruit(0x99), mood=Mood(0x50)),
        Records(box=Tail(first=1, points=(POINT,)), exact=POINT, labels=(Label(),)),
    ],
)
def test_messages_copy_and_pickle(whole: WireStruct) -> None:
    parsed = type(whole).parse(whole.build())
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        again = pickle.loads(pickle.dumps(parsed, protocol))
        assert (again, type(again), again.build()) == (whole, type(whole), whole.build())
    assert copy.copy(parsed) == copy.deepcopy(parsed) == whole

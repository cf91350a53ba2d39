"""What a declaration must keep to, and what a class tells about itself."""

from __future__ import annotations

from enum import IntEnum, IntFlag
from typing import Any

import attrs
import pytest

from pytio.wire import AUTO, REST, U16, Array, Bits, Byte, Bytes, Code, Flags, OpenCode, WireStruct, message, this, wire
from tests.wire.samples import (
    Arrays,
    Codes,
    Color,
    Envelope,
    Facts,
    Halves,
    Integers,
    Key,
    Label,
    Nest,
    OneByte,
    Outer,
    Point,
    Presence,
    SampleDecodeError,
    Tail,
)


class Remembering(IntFlag):
    """Flags of the kind that remembers."""

    ONE = 1


class Plain(IntEnum):
    """A closed code space."""

    ONE = 1


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"a": wire(Bits(3)), "b": wire(Byte)}, "a run of bits must end on a byte boundary"),
        ({"a": wire(Bits(3))}, "a run of bits must end on a byte boundary"),
        ({"a": wire(Byte), "b": wire(Bits(8), when=this.a, default=None)}, "b: bits share bytes"),
        ({"a": wire(Array(2, Bits(8)))}, "a: bits stand on their own"),
        ({"a": wire(Bytes(this.b)), "b": wire(Byte)}, "a: b is not a number among the earlier fields"),
        ({"a": wire(Bytes(2)), "b": wire(Bytes(this.a))}, "b: a is not a number among the earlier fields"),
        ({"a": wire(Byte, when=this.nobody, default=None)}, "a: nobody is not a number"),
        ({"a": wire(Byte, default=AUTO)}, "a is AUTO, but no size or count refers to it"),
        ({"parse": wire(Byte)}, "parse: the name is taken"),
        ({"build": wire(Byte)}, "build: the name is taken"),
        ({"_hidden": wire(Byte)}, "_hidden: the name is taken"),
        ({"a": wire(U16, secret=True)}, "a: key material is bytes"),
        ({"a": wire(Code(Byte, Remembering))}, "a: a code is one value, not flags"),  # type: ignore[type-var]
        ({"a": wire(Flags(Byte, Remembering))}, "a: flags need a WireFlag"),  # type: ignore[type-var]
        ({"a": wire(OpenCode(Byte, Plain))}, "a: an open code needs an OpenEnum"),  # type: ignore[type-var]
        ({"a": attrs.field()}, "a is declared neither by wire"),
    ],
)
def test_a_declaration_that_makes_no_sense_is_a_type_error(fields: dict[str, Any], problem: str) -> None:
    body = {"__annotations__": dict.fromkeys(fields, "int"), **fields}
    with pytest.raises(TypeError, match=problem):
        message(type("Broken", (WireStruct,), body))


def test_a_message_must_not_replace_what_fills_it() -> None:
    body = {"__annotations__": {"a": "int"}, "a": wire(Byte), "__attrs_post_init__": lambda self: None}
    with pytest.raises(TypeError, match="__attrs_post_init__"):
        message(type("Broken", (WireStruct,), body))


def test_a_class_knows_its_name_its_errors_and_its_facts() -> None:
    assert (Facts.NAME, Presence.NAME, OneByte.NAME) == ("FACTS", "PRESENCE", "ONE_BYTE")
    assert Facts.ERROR is SampleDecodeError
    assert Facts.GIVEN == Outer.GIVEN == {"digest", "multi"}
    assert not Point.GIVEN
    assert (Key.HAS_SECRETS, Envelope.HAS_SECRETS, Point.HAS_SECRETS) == (True, True, False)
    assert Halves.MSB_FIRST
    assert not OneByte.MSB_FIRST


@pytest.mark.parametrize(
    ("cls", "minimum", "fixed"),
    [
        (Integers, 62, 62),
        (Codes, 14, 14),
        (OneByte, 1, 1),
        (Halves, 7, 7),
        (Point, 5, 5),
        (Label, 1, None),
        (Nest, 17, None),
        (Arrays, 87, None),
        (Tail, 1, None),
        (Presence, 4, None),
        (Facts, 2, None),
        (Key, 9, None),
    ],
)
def test_sizes(cls: type[WireStruct], minimum: int, fixed: int | None) -> None:
    assert (cls.minimum_size(), cls.fixed_size()) == (minimum, fixed)


def test_describe_says_offset_size_type_and_condition() -> None:
    rows = Presence.describe()
    assert rows[0] == ("0", "1", "version", "u8", "")
    assert rows[1] == ("1 [0]", "1", "flag", "1 bit", "")
    assert rows[2] == ("1 [7:1]", "1", "reserved", "7 bits", "")
    assert rows[4] == ("3", "1", "color", "u8 Color", "1.1 and later")
    assert rows[5] == ("…", "2", "by_color", "u16", "1.1 and later and color == GREEN")
    assert rows[7][3:] == ("Point", "mood has LOUD")
    assert Halves.describe()[1][0] == "1 [7:3]"
    assert Tail.describe()[1] == ("1", "rest", "points", "Point[rest]", "")


def test_a_message_is_frozen_keyword_only_and_slotted() -> None:
    point = Point(x=1)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        point.x = 2  # type: ignore[misc]  # that is the point
    with pytest.raises(TypeError):
        Point(1)  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        Codes(color=Color.RED, magic=b"XX")  # type: ignore[call-arg]
    assert not hasattr(point, "__dict__")


def test_a_subclass_reads_and_writes_its_own_fields() -> None:
    """Each class derives its own reader, whichever class was used first."""
    Point.parse(bytes(4) + b"\1")

    @message
    class Wider(Point):
        """A point with a tail."""

        tail: bytes = wire(Bytes(REST), default=b"")

    class Undecorated(Point):
        __slots__ = ()

    wider = Wider.parse(bytes(4) + b"\1xy")
    assert (type(wider), wider.tail, wider.build()) == (Wider, b"xy", bytes(4) + b"\1xy")
    assert type(Undecorated.parse(bytes(4) + b"\1")) is Undecorated
    assert type(Point.parse(bytes(4) + b"\1")) is Point


def test_replace_fills_lengths_again() -> None:
    label = Label(text=b"abc")
    assert label.replace(text=b"a").build() == b"\1a"
    assert label.replace(size=9).size == 9
    with pytest.raises(TypeError):
        label.replace(nothing=1)

"""Each word of the vocabulary: its bytes, and the error at its offset."""

from __future__ import annotations

import pytest

from pytio.errors import DecodeError, EncodeError
from pytio.wire import Byte, Bytes, WireStruct, computed, given, message, this, wire
from tests.checks import check_refused, check_wire
from tests.wire.samples import (
    Arrays,
    Cased,
    Choice,
    Codes,
    Color,
    Facts,
    Fruit,
    Halves,
    Integers,
    Label,
    Level,
    Mood,
    Nest,
    OneByte,
    Outer,
    Point,
    Presence,
    Records,
    SampleDecodeError,
    Tail,
)

INTEGERS = Integers(
    one=0xFE,
    two=0x0102,
    three=0x010203,
    four=0x01020304,
    eight=0x0102030405060708,
    signed=-2,
    two_be=0x0102,
    four_be=0x01020304,
    eight_be=0x0102030405060708,
    three_be=0x010203,
    three_signed=-2,
    sixteen=1 << 120 | 2,
)
INTEGER_BYTES = bytes.fromhex(
    "fe 0201 030201 04030201 0807060504030201 feffffffffffffff"
    "0102 01020304 0102030405060708 010203 feffff 02000000000000000000000000000001"
)


def test_integers() -> None:
    check_wire(Integers, INTEGER_BYTES, INTEGERS)


@pytest.mark.parametrize(
    ("size", "offset", "path", "reason"),
    [
        (0, 0, "one", "needs 1 byte, 0 left"),
        (2, 1, "two", "needs 2 bytes, 1 left"),
        (5, 3, "three", "needs 3 bytes, 2 left"),
        (45, 43, "three_signed", "needs 3 bytes, 2 left"),
        (61, 46, "sixteen", "needs 16 bytes, 15 left"),
    ],
)
def test_a_short_integer_is_named(size: int, offset: int, path: str, reason: str) -> None:
    error = check_refused(Integers, INTEGER_BYTES[:size], offset, reason)
    assert error.path == f"Integers.{path}"
    assert error.data == INTEGER_BYTES[:size]


def test_codes_and_flags() -> None:
    expected = Codes(color=Color.GREEN, fruit=Fruit.PLUM, mood=Mood.LOUD | Mood.LATE, level=Level.BOTH, reserved=9)
    parsed = check_wire(Codes, bytes.fromhex("5054 83 0200 7f 82 01000080 0000 09"), expected)
    assert isinstance(parsed, Codes)
    assert parsed.kind is Color.BLUE
    assert parsed.color is Color.GREEN
    assert parsed.fruit is Fruit.PLUM
    assert type(parsed.mood) is Mood


def test_an_open_code_and_flags_keep_what_they_do_not_know() -> None:
    parsed = check_wire(Codes, bytes.fromhex("5054 83 0100 99 14 02000000 0700 00"))
    assert isinstance(parsed, Codes)
    assert type(parsed.fruit) is Fruit
    assert (parsed.fruit, parsed.fruit.name) == (0x99, "UNKNOWN_0x99")
    assert (parsed.mood, parsed.mood.unknown_bits, parsed.mood.names()) == (0x14, 0x14, ["0x14"])


@pytest.mark.parametrize(
    ("raw", "offset", "path", "reason"),
    [
        ("5055 83 0100 00 00 00000000 0000 00", 0, "magic", "50 55 is not 50 54"),
        ("5054 02 0100 00 00 00000000 0000 00", 2, "kind", r"GREEN \(0x2\) is not BLUE \(0x83\)"),
        ("5054 04 0100 00 00 00000000 0000 00", 2, "kind", "0x4 is not a Color"),
        ("5054 83 0300 00 00 00000000 0000 00", 3, "color", "0x3 is not a Color"),
        ("5054 83 0100 00 00 00000000 ffff 00", 11, "open_signed", "-0x1 is not a Fruit"),
    ],
)
def test_a_wrong_constant_and_an_unknown_closed_code_are_refused(raw: str, offset: int, path: str, reason: str) -> None:
    assert check_refused(Codes, bytes.fromhex(raw), offset, reason).path == f"Codes.{path}"


def test_bits_share_a_byte_lowest_first() -> None:
    parsed = check_wire(OneByte, bytes([0b11_10_1_011]), OneByte(low=3, flag=True, color=Color.GREEN, fruit=Fruit(3)))
    assert isinstance(parsed, OneByte)
    assert parsed.flag is True
    assert parsed.color is Color.GREEN
    error = check_refused(OneByte, b"\0", 0, "0x0 is not a Color")
    assert error.path == "OneByte.color"


def test_bits_share_bytes_highest_first() -> None:
    raw = bytes([7, 0b10110_101, 0b000001_11, 0x12, 0x34, 0x56, 9])
    mood = Mood.CALM | Mood.LOUD
    check_wire(Halves, raw, Halves(before=7, top=0b10110, middle=1, mood=mood, whole=0x123456, after=9))
    assert check_refused(Halves, bytes([7, 0, 0, 0, 0, 0, 0]), 1, "0 is not 5").path == "Halves.constant"
    assert check_refused(Halves, raw[:2], 2, "needs 1 byte, 0 left").path == "Halves.middle"


def test_nested_structures() -> None:
    raw = bytes.fromhex("01  18  0200 0003 83  03 616263  00 05 04 000001 00  ffff")
    point = Point(x=2, y=3, color=Color.BLUE)
    bits = OneByte(low=0, flag=True, color=Color.RED)
    halves = Halves(middle=1, whole=1)
    check_wire(Nest, raw, Nest(head=1, bits=bits, point=point, label=Label(text=b"abc"), halves=halves, tail=0xFFFF))
    assert check_refused(Nest, raw[:6] + b"\x07" + raw[7:], 6, "0x7 is not a Color").path == "Nest.point.color"
    assert check_refused(Nest, raw[:10], 8, "needs 3 bytes, 2 left").path == "Nest.label.text"


ARRAYS = Arrays(
    pairs=1,
    octets=(1, 2, 3),
    words=(0x0102, 0x0304),
    wide=(0x010203,),
    many=tuple(range(20)),
    colors=(Color.RED, Color.BLUE),
    fruits=(Fruit(0x99),),
    names=(b"name",),
    points=(Point(y=1),),
    labels=(Label(text=b"a"), Label()),
    grid=((1, 2),),
)
ARRAY_BYTES = bytes.fromhex(
    "02 01 010203 0201 0403 030201" + "".join(f"{number:08x}" for number in range(20))
) + bytes.fromhex("01 83  99  00 01  6e616d65  0000 0001 01  01 61 00  0100 0200")


def test_arrays() -> None:
    parsed = check_wire(Arrays, ARRAY_BYTES, ARRAYS)
    assert isinstance(parsed, Arrays)
    assert parsed.colors[1] is Color.BLUE
    assert [type(mood) for mood in parsed.moods] == [Mood, Mood]


@pytest.mark.parametrize(
    ("position", "value", "offset", "path", "reason"),
    [
        (0, 200, 5, "words", "200 elements need 400 bytes, 108 left"),
        (93, 0, 93, "colors[1]", "0x0 is not a Color"),
        (105, 9, 105, "points[0].color", "0x9 is not a Color"),
        (106, 9, 107, "labels[0].text", "needs 9 bytes, 6 left"),
    ],
)
def test_trouble_inside_an_array_names_the_element(
    position: int, value: int, offset: int, path: str, reason: str
) -> None:
    raw = ARRAY_BYTES[:position] + bytes([value]) + ARRAY_BYTES[position + 1 :]
    assert check_refused(Arrays, raw, offset, reason).path == f"Arrays.{path}"


def test_a_hostile_count_is_refused_before_it_loops() -> None:
    error = check_refused(Arrays, b"\x00\xff" + bytes(3 + 6), 5, "255 elements need 765 bytes, 6 left")
    assert error.path == "Arrays.wide"


def test_elements_to_the_end() -> None:
    check_wire(Tail, b"\x01", Tail(first=1, points=()))
    raw = bytes.fromhex("01 0000 0000 01 0000 0000 02")
    check_wire(Tail, raw, Tail(first=1, points=(Point(), Point(color=Color.GREEN))))
    assert check_refused(Tail, raw[:-1], 10, "needs 1 byte, 0 left").path == "Tail.points[1].color"


RECORD_BYTES = bytes.fromhex("0500 00 01 61 01 62  07 01 0000 0000 01  0000 0000 02  01020304  7a7a")


def test_an_element_fills_its_size() -> None:
    expected = Records(
        labels=(Label(), Label(text=b"a"), Label(text=b"b")),
        box=Tail(first=1, points=(Point(),)),
        exact=Point(color=Color.GREEN),
        padded=(1, 2, 3, 4),
        rest=b"zz",
    )
    check_wire(Records, RECORD_BYTES, expected)


@pytest.mark.parametrize(
    ("position", "value", "offset", "path", "reason"),
    [
        (0, 4, 6, "labels[2].text", "needs 1 byte, 0 left"),
        (0, 99, 2, "labels", "needs 99 bytes, 23 left"),
        (7, 0, 8, "box", "size -1 is negative"),
        (7, 1, 8, "box.first", "needs 1 byte, 0 left"),
        (18, 7, 18, "exact.color", "0x7 is not a Color"),
    ],
)
def test_trouble_within_counts_from_the_start(position: int, value: int, offset: int, path: str, reason: str) -> None:
    raw = RECORD_BYTES[:position] + bytes([value]) + RECORD_BYTES[position + 1 :]
    assert check_refused(Records, raw, offset, reason).path == f"Records.{path}"


def test_trouble_within_an_array_within() -> None:
    raw = RECORD_BYTES[:7] + bytes.fromhex("09 01 0000 0000 01 0000") + RECORD_BYTES[14:]
    assert check_refused(Records, raw, 16, "needs 2 bytes, 0 left").path == "Records.box.points[1].y"


def test_bytes_left_over_within() -> None:
    """A structure of fixed size in a field that is larger."""
    error = check_refused(Cased, b"\x07" + bytes(4) + b"\x01\xaa\xbb", 6, "2 bytes left over inside the field")
    assert error.path == "Cased.point"


def test_presence_by_version_flag_and_bit() -> None:
    check_wire(Presence, bytes.fromhex("10 00 00 00"), Presence(version=0x10))
    everything = Presence(
        version=0x11, flag=True, mood=Mood.LOUD, color=Color.GREEN, by_color=5, large=6, nested=Point(), tail=7
    )
    check_wire(Presence, bytes.fromhex("11 01 02  02 0500 06000000 0000000001 07"), everything)
    assert check_wire(Presence, bytes.fromhex("11 00 00 01 00")) == Presence(version=0x11, color=Color.RED)
    check_wire(
        Presence, bytes.fromhex("10 01 00 02000000 6162 00"), Presence(version=0x10, flag=True, large=2, data=b"ab")
    )


def test_sizes_and_presence_that_the_caller_gives() -> None:
    facts = Facts(digest=b"abcd", extra=1, body=b"xyz", second=b"efgh", also=2)
    raw = bytes.fromhex("0b00") + b"abcd" + b"\x01" + b"xyz" + b"efgh" + b"\x02\x00"
    check_wire(Facts, raw, facts, digest=4, multi=1)
    check_wire(Facts, b"\x03\0axy", Facts(digest=b"a", body=b"x", second=b"y"), digest=1, multi=0)
    outer = Outer(facts=(facts, facts), digest=b"ijkl")
    check_wire(Outer, b"\x02" + raw * 2 + b"ijkl", outer, digest=4, multi=1)
    error = check_refused(Outer, b"\x02" + raw + raw[:4], 19, "needs 4 bytes, 2 left", digest=4, multi=1)
    assert error.path == "Outer.facts[1].digest"


def test_one_of_several_layouts() -> None:
    check_wire(
        Choice,
        bytes.fromhex("00 01 0500 06 aabb"),
        Choice(fruit=Fruit.APPLE, color=Color.RED, body=5, strict=6, table=b"\xaa\xbb"),
    )
    green = Choice(fruit=Fruit.PEAR, color=Color.GREEN, body=Point(), strict=b"xy", table=b"abcd")
    check_wire(Choice, bytes.fromhex("01 02 0000000001") + b"xyabcd", green)
    check_wire(Choice, b"\x05\x02\x01axyabcd", green.replace(fruit=Fruit(5), body=Label(text=b"a")))
    check_wire(Choice, b"\x06\x02\x07\x08xyabcd", green.replace(fruit=Fruit(6), body=(7, 8)))
    check_wire(Choice, b"\x07\x02pqxyabcd", green.replace(fruit=Fruit(7), body=b"pq"))
    check_wire(Choice, b"\x7f\x02?xyabcd", green.replace(fruit=Fruit.PLUM, body=b"?"))


def test_a_switch_without_default_refuses_other_values() -> None:
    error = check_refused(Choice, b"\x7f\x83?", 3, "no layout is known for color 0x83")
    assert error.path == "Choice.strict"
    assert isinstance(error, DecodeError)


@message
class Tabled(WireStruct, errors=SampleDecodeError):
    """Bytes whose size a table knows, for some codes."""

    code: int = wire(Byte)
    data: bytes = wire(Bytes(computed(lambda code: {1: 2, 2: -1}[code], this.code)))


def test_a_function_that_knows_no_size_is_an_error_of_the_data() -> None:
    check_wire(Tabled, b"\x01ab", Tabled(code=1, data=b"ab"))
    assert check_refused(Tabled, b"\x03ab", 1, "no size is known").path == "Tabled.data"
    assert check_refused(Tabled, b"\x02ab", 1, "size -1 is negative").path == "Tabled.data"
    with pytest.raises(EncodeError, match="no size is known"):
        Tabled(code=3, data=b"").build()


@message
class Remainder(WireStruct, errors=SampleDecodeError):
    """Bytes that a given size leaves."""

    size: int = wire(Byte)
    data: bytes = wire(Bytes(this.size - given.digest * 2))


def test_a_given_size_is_learned_from_what_it_leaves() -> None:
    remainder = Remainder(size=9, data=b"abc")
    assert remainder.build() == b"\x09abc"
    assert remainder.given() == {"digest": 3}
    for size, reason in ((1, "digest would be -1"), (4, "3 is not a possible value")):
        with pytest.raises(EncodeError, match=reason):
            Remainder(size=size, data=b"abc").build()

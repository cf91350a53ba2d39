"""Small formats that use every word of the vocabulary; the tests of the wire layer read and write these."""

from __future__ import annotations

from enum import IntEnum

from pytio.errors import DecodeError
from pytio.wire import (
    AUTO,
    I64,
    REST,
    U16,
    U16BE,
    U24,
    U32,
    U32BE,
    U64,
    U64BE,
    Array,
    Bit,
    Bits,
    Byte,
    Bytes,
    Code,
    Flags,
    Integer,
    Nested,
    OpenCode,
    OpenEnum,
    Sized,
    Switch,
    WireFlag,
    WireStruct,
    Within,
    computed,
    fixed,
    given,
    message,
    this,
    wire,
)


class SampleDecodeError(DecodeError):
    """The error of the samples' layer."""


class Color(IntEnum):
    """A closed code space."""

    RED = 1
    GREEN = 2
    BLUE = 0x83


class Fruit(OpenEnum):
    """An open code space."""

    APPLE = 0
    PEAR = 1
    PLUM = 0x7F


class Mood(WireFlag):
    """A bit field."""

    CALM = 1
    LOUD = 2
    LATE = 0x80


class Level(WireFlag):
    """A wide bit field, with a member of two bits."""

    LOW = 1
    HIGH = 1 << 31
    BOTH = LOW | HIGH


@message
class Integers(WireStruct, errors=SampleDecodeError):
    """Every integer, of both byte orders."""

    one: int = wire(Byte)
    two: int = wire(U16)
    three: int = wire(U24)
    four: int = wire(U32)
    eight: int = wire(U64)
    signed: int = wire(I64)
    two_be: int = wire(U16BE)
    four_be: int = wire(U32BE)
    eight_be: int = wire(U64BE)
    three_be: int = wire(Integer(3, big_endian=True))
    three_signed: int = wire(Integer(3, signed=True))
    sixteen: int = wire(Integer(16), default=0)


@message
class Codes(WireStruct, errors=SampleDecodeError):
    """A constant, a closed and an open code, and flags."""

    magic: bytes = fixed(Bytes(2), b"PT")
    kind: Color = fixed(Code(Byte, Color), Color.BLUE)
    color: Color = wire(Code(U16, Color))
    fruit: Fruit = wire(OpenCode(Byte, Fruit), default=Fruit.APPLE)
    mood: Mood = wire(Flags(Byte, Mood), default=Mood(0))
    level: Level = wire(Flags(U32, Level), default=Level(0))
    open_signed: Fruit = wire(OpenCode(Integer(2, signed=True), Fruit), default=Fruit.APPLE)
    reserved: int = wire(Byte, default=0)


@message
class OneByte(WireStruct, errors=SampleDecodeError):
    """Bits that fill one byte, lowest first."""

    low: int = wire(Bits(3), default=0)
    flag: bool = wire(Bit, default=False)
    color: Color = wire(Bits(2, Color), default=Color.RED)
    fruit: Fruit = wire(Bits(2, Fruit), default=Fruit.APPLE)


@message
class Halves(WireStruct, errors=SampleDecodeError, msb_first=True):
    """Bits across bytes, highest first, between whole bytes."""

    before: int = wire(Byte, default=0)
    top: int = wire(Bits(5), default=0)
    constant: int = fixed(Bits(3), 5)
    middle: int = wire(Bits(6), default=0)
    mood: Mood = wire(Bits(2, Mood), default=Mood(0))
    whole: int = wire(Bits(24), default=0)
    after: int = wire(Byte, default=0)


@message
class Point(WireStruct, errors=SampleDecodeError):
    """A structure of fixed size."""

    x: int = wire(U16, default=0)
    y: int = wire(U16BE, default=0)
    color: Color = wire(Code(Byte, Color), default=Color.RED)


@message
class Label(WireStruct, errors=SampleDecodeError):
    """A structure that sizes itself."""

    size: int = wire(Byte, default=AUTO)
    text: bytes = wire(Bytes(this.size), default=b"")


@message
class Nest(WireStruct, errors=SampleDecodeError):
    """Structures in a structure: of one byte, of fixed size, of a size of their own."""

    head: int = wire(Byte, default=0)
    bits: OneByte = wire(Nested(OneByte))
    point: Point = wire(Nested(Point))
    label: Label = wire(Nested(Label))
    halves: Halves = wire(Nested(Halves))
    tail: int = wire(U16, default=0)


@message
class Arrays(WireStruct, errors=SampleDecodeError):
    """Counted arrays of every kind of element."""

    count: int = wire(Byte, default=AUTO)
    pairs: int = wire(Byte, default=0)
    octets: tuple[int, ...] = wire(Array(3, Byte), default=(0, 0, 0))
    words: tuple[int, ...] = wire(Array(this.count, U16), default=())
    wide: tuple[int, ...] = wire(Array(this.pairs, U24), default=())
    many: tuple[int, ...] = wire(Array(20, U32BE), default=(0,) * 20)
    colors: tuple[Color, ...] = wire(Array(this.pairs * 2, Code(Byte, Color)), default=())
    fruits: tuple[Fruit, ...] = wire(Array(this.pairs, OpenCode(Byte, Fruit)), default=())
    moods: tuple[Mood, ...] = wire(Array(2, Flags(Byte, Mood)), default=(Mood(0), Mood.CALM))
    names: tuple[bytes, ...] = wire(Array(this.pairs, Bytes(4)), default=())
    points: tuple[Point, ...] = wire(Array(this.pairs, Nested(Point)), default=())
    labels: tuple[Label, ...] = wire(Array(this.pairs + 1, Nested(Label)))
    grid: tuple[tuple[int, ...], ...] = wire(Array(this.pairs, Array(2, U16)), default=())


@message
class Tail(WireStruct, errors=SampleDecodeError):
    """Elements to the end."""

    first: int = wire(Byte)
    points: tuple[Point, ...] = wire(Array(REST, Nested(Point)))


@message
class Records(WireStruct, errors=SampleDecodeError):
    """Records of a length of their own, each filled by a structure and what is left, to the end of a field."""

    size: int = wire(U16, default=AUTO)
    labels: tuple[Label, ...] = wire(Within(this.size, Array(REST, Nested(Label))), default=())
    box_size: int = wire(Byte, default=AUTO)
    box: Tail = wire(Within(this.box_size - 1, Nested(Tail)))
    exact: Point = wire(Within(5, Nested(Point)))
    padded: tuple[int, ...] = wire(Within(4, Array(REST, Byte)), default=(0, 0, 0, 0))
    rest: bytes = wire(Bytes(REST), default=b"")


@message
class Cased(WireStruct, errors=SampleDecodeError):
    """A structure of fixed size that has to fill a size of its own."""

    size: int = wire(Byte, default=AUTO)
    point: Point = wire(Within(this.size, Nested(Point)))


@message
class Presence(WireStruct, errors=SampleDecodeError):
    """Fields that are there by version, by flag, by a flag bit, and by a flag that may itself be absent."""

    version: int = wire(Byte)
    flag: bool = wire(Bit, default=False)
    reserved: int = wire(Bits(7), default=0)
    mood: Mood = wire(Flags(Byte, Mood), default=Mood(0))
    color: Color | None = wire(Code(Byte, Color), when=this.version >= 0x11, default=None)
    by_color: int | None = wire(U16, when=(this.version >= 0x11) & (this.color == Color.GREEN), default=None)
    large: int | None = wire(U32, when=this.flag, default=None)
    nested: Point | None = wire(Nested(Point), when=this.mood.has(Mood.LOUD), default=None)
    data: bytes | None = wire(Bytes(this.large), when=(this.version < 0x11) & this.flag, default=None)
    tail: int = wire(Byte, default=0)


@message
class Facts(WireStruct, errors=SampleDecodeError):
    """What only the connection knows: sizes and presence."""

    size: int = wire(U16, default=AUTO)
    digest: bytes = wire(Sized("digest"))
    extra: int | None = wire(Byte, when=given.multi, default=None)
    body: bytes = wire(Bytes(this.size - given.digest * 2), default=b"")
    second: bytes = wire(Sized("digest"))
    also: int | None = wire(U16, when=given.multi, default=None)


@message
class Outer(WireStruct, errors=SampleDecodeError):
    """Facts that a structure inside needs."""

    count: int = wire(Byte, default=AUTO)
    facts: tuple[Facts, ...] = wire(Array(this.count, Nested(Facts)), default=())
    digest: bytes = wire(Sized("digest"))


SIZES = {1: 2, 2: 4, 0x83: 0}


@message
class Choice(WireStruct, errors=SampleDecodeError):
    """One of several layouts, by an open and by a closed code, and a size from a table."""

    fruit: Fruit = wire(OpenCode(Byte, Fruit))
    color: Color = wire(Code(Byte, Color))
    body: int | Point | Label | tuple[int, ...] | bytes = wire(
        Switch(
            this.fruit,
            {
                Fruit.APPLE: U16,
                Fruit.PEAR: Nested(Point),
                5: Nested(Label),
                6: Array(this.color, Byte),
                7: Bytes(this.color),
            },
            default=Bytes(1),
        )
    )
    strict: int | bytes = wire(Switch(this.color, {Color.RED: Byte, Color.GREEN: Bytes(2)}))
    table: bytes = wire(Bytes(computed(lambda color: SIZES[color], this.color)))


@message
class Key(WireStruct, errors=SampleDecodeError):
    """Key material of a fixed size, a size of its own, and in parts."""

    identifier: int = wire(Byte, default=0)
    key: bytes = wire(Bytes(4), secret=True)
    parts: tuple[bytes, ...] = wire(Array(2, Bytes(2)), secret=True, default=(b"\x51\x52", b"\x53\x54"))
    point: Point | None = wire(Nested(Point), when=this.identifier, secret=True, default=None)


@message
class Envelope(WireStruct, errors=SampleDecodeError):
    """A structure with key material inside."""

    number: int = wire(U16, default=0)
    key: Key = wire(Nested(Key))


@message
class Unknown(WireStruct, errors=SampleDecodeError):
    """Elements whose size is only known when they are read; of a size of zero there may be none."""

    count: int = wire(U32, default=AUTO)
    size: int = wire(Byte, default=0)
    items: tuple[bytes, ...] = wire(Array(this.count, Bytes(this.size)), default=())
    more: tuple[bytes, ...] = wire(Array(REST, Bytes(this.size)), default=())


SAMPLES: tuple[type[WireStruct], ...] = (
    Integers,
    Codes,
    OneByte,
    Halves,
    Point,
    Label,
    Nest,
    Arrays,
    Tail,
    Records,
    Cased,
    Presence,
    Facts,
    Outer,
    Choice,
    Key,
    Envelope,
    Unknown,
)

"""Lengths and counts that fill themselves."""

from __future__ import annotations

import pytest

from pytio.errors import EncodeError
from pytio.wire import (
    AUTO,
    REST,
    U16,
    U32,
    Array,
    Byte,
    Bytes,
    Switch,
    WireStruct,
    Within,
    computed,
    message,
    this,
    wire,
)
from tests.checks import check_wire


@message
class Optional(WireStruct):
    """A length and what it measures, both there from version 3 on."""

    version: int = wire(Byte)
    size: int | None = wire(U16, when=this.version >= 3, default=AUTO)
    data: bytes | None = wire(Bytes(this.size), when=this.version >= 3, default=None)


@message
class Defaulted(WireStruct):
    """Two fields with a default, there from version 3 on."""

    version: int = wire(Byte)
    size: int | None = wire(Byte, when=this.version >= 3, default=AUTO)
    data: bytes | None = wire(Bytes(this.size), when=this.version >= 3, default=b"")
    reserved: int | None = wire(Byte, when=this.version >= 3, default=0)


@message
class Total(WireStruct):
    """A length, first, that needs a length and a count behind it."""

    total: int = wire(Byte, default=AUTO)
    name_size: int = wire(Byte, default=AUTO)
    count: int = wire(Byte, default=AUTO)
    name: bytes = wire(Bytes(this.name_size), default=b"")
    items: tuple[int, ...] = wire(Within(this.total - this.name_size - 3, Array(this.count, U16)), default=())


@message
class Always(WireStruct):
    """A length that is there even where what it measures is not."""

    flag: int = wire(Byte, default=0)
    size: int = wire(Byte, default=AUTO)
    data: bytes | None = wire(Bytes(this.size), when=this.flag, default=None)
    tail: bytes = wire(Bytes(REST), default=b"")


@message
class Padded(WireStruct):
    """Bytes that are padded to a multiple of 4."""

    size: int = wire(Byte, default=AUTO)
    data: bytes = wire(Bytes(this.size), default=b"")
    padding: bytes = wire(Bytes(computed(lambda size: -(size + 1) % 4, this.size)), default=AUTO)


@message
class TwoForms(WireStruct):
    """A short length, or from version 3 and on request a long one behind it."""

    version: int = wire(Byte)
    large: int = wire(Byte, default=0)
    size: int = wire(U16, default=AUTO)
    large_size: int | None = wire(U32, when=(this.version >= 3) & this.large, default=AUTO)
    data: bytes = wire(
        Switch((this.version >= 3) & this.large, {0: Bytes(this.size), 1: Bytes(this.large_size)}), default=b""
    )


def test_padding_fills_itself_with_zeros_and_keeps_what_it_was() -> None:
    check_wire(Padded, b"\x05abcde\0\0", Padded(data=b"abcde"))
    odd = check_wire(Padded, b"\x02ab\x07", Padded(data=b"ab", padding=b"\x07"))
    assert odd.replace(data=b"abcd").build() == b"\x04abcd\0\0\0"


def test_a_switch_by_condition_has_one_length_in_use() -> None:
    check_wire(TwoForms, b"\x02\x01\x02\x00ab", TwoForms(version=2, large=1, data=b"ab"))
    check_wire(TwoForms, b"\x03\x01\x00\x00\x02\x00\x00\x00ab", TwoForms(version=3, large=1, data=b"ab"))
    assert TwoForms(version=3, data=b"ab").large_size is None


def test_a_length_is_absent_with_what_it_measures() -> None:
    assert Optional(version=1).size is None
    check_wire(Optional, b"\x01", Optional(version=1))
    check_wire(Optional, b"\x03\x02\x00ab", Optional(version=3, data=b"ab"))


def test_the_default_of_an_absent_field_is_absent() -> None:
    check_wire(Defaulted, b"\x01", Defaulted(version=1))
    check_wire(Defaulted, b"\x03\x00\x00", Defaulted(version=3))
    assert Defaulted(version=1).replace(version=3) == Defaulted(version=3)
    assert Defaulted(version=3).replace(version=1) == Defaulted(version=1)


def test_a_value_that_does_not_belong_is_refused() -> None:
    with pytest.raises(EncodeError, match="does not belong there") as caught:
        Defaulted(version=1, reserved=7).build()
    assert caught.value.field == "reserved"


def test_a_value_that_does_not_belong_is_blamed_not_its_length() -> None:
    with pytest.raises(EncodeError, match="does not belong there") as caught:
        Defaulted(version=1, data=b"ab").build()
    assert caught.value.field == "data"


def test_a_length_without_what_it_measures_is_zero() -> None:
    check_wire(Always, b"\x00\x00xy", Always(tail=b"xy"))


def test_lengths_fill_themselves_in_the_order_of_their_needs() -> None:
    check_wire(Total, b"\x09\x02\x02ab\x01\x00\x02\x00", Total(name=b"ab", items=(1, 2)))


@message
class Shared(WireStruct):
    """One length for either of two fields, and for either of two arms."""

    kind: int = wire(Byte)
    size: int = wire(Byte, default=AUTO)
    first: bytes | None = wire(Bytes(this.size), when=this.kind == 1, default=None)
    second: bytes | None = wire(Bytes(this.size), when=this.kind == 2, default=None)
    count: int = wire(Byte, default=AUTO)
    body: bytes | tuple[int, ...] = wire(
        Switch(this.kind, {1: Bytes(this.count), 2: Array(this.count, U16), 3: Bytes(0)}), default=b""
    )


def test_a_length_follows_whichever_of_its_fields_is_there() -> None:
    check_wire(Shared, b"\x01\x02ab\x01x", Shared(kind=1, first=b"ab", body=b"x"))
    check_wire(Shared, b"\x02\x03abc\x01\x05\x00", Shared(kind=2, second=b"abc", body=(5,)))
    check_wire(Shared, b"\x03\x00\x00", Shared(kind=3))


def test_a_switch_without_an_arm_for_the_value_leaves_its_length_alone() -> None:
    assert Shared(kind=9, body=b"abc").count == 0
    with pytest.raises(EncodeError, match="no layout is known for kind 0x9"):
        Shared(kind=9).build()

"""Keys and invocation fields: the byte order that silently breaks a stream when it is wrong."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytio.errors import EncodeError, IdeKmDecodeError
from pytio.idekm import (
    InvocationField,
    KeyProg,
    aes_key_from_registers,
    aes_key_from_wire,
    aes_key_to_registers,
    aes_key_to_wire,
    ifv_from_wire,
    ifv_to_wire,
)
from pytio.ids import Direction, KeySlot, SubStream

AES_KEY = bytes.fromhex("df254152 056e02e0 ef8b7feb 9739d4d9 6a4eb801 03241df7 cd5e24b4 9ccd2720")
ON_THE_WIRE = bytes.fromhex("524125df e0026e05 eb7f8bef d9d43997 01b84e6a f71d2403 b4245ecd 2027cd9c")


def test_each_double_word_of_a_key_is_reversed() -> None:
    assert aes_key_to_wire(AES_KEY) == ON_THE_WIRE
    assert aes_key_from_wire(ON_THE_WIRE) == AES_KEY


@given(st.binary(min_size=32, max_size=32))
def test_the_way_back_is_the_way_there(key: bytes) -> None:
    assert aes_key_from_wire(aes_key_to_wire(key)) == key


def test_register_0_holds_the_last_double_word() -> None:
    """Key_DW7 is first on the wire and holds AES key byte 0 as its most significant byte."""
    registers = aes_key_to_registers(AES_KEY)
    assert registers[7] == 0xDF254152
    assert registers[0] == 0x9CCD2720
    assert b"".join(word.to_bytes(4, "little") for word in reversed(registers)) == ON_THE_WIRE
    assert aes_key_from_registers(registers) == AES_KEY
    with pytest.raises(ValueError, match="32 bits"):
        aes_key_from_registers([1 << 32, *registers[1:]])
    with pytest.raises(ValueError, match="a key has 32 bytes, not 28"):
        aes_key_from_registers(registers[1:])


@pytest.mark.parametrize("size", [0, 16, 31, 33])
def test_only_256_bit_keys_fit(size: int) -> None:
    for function in (aes_key_to_wire, aes_key_from_wire, aes_key_to_registers):
        with pytest.raises(ValueError, match=f"a key has 32 bytes, not {size}"):
            function(bytes(size))


@pytest.mark.parametrize(
    ("value", "wire"),
    [(1, "0000000001000000"), (1 << 32, "0100000000000000"), (0x0102030405060708, "0403020108070605")],
)
def test_the_high_half_of_an_invocation_field_is_first(value: int, wire: str) -> None:
    assert ifv_to_wire(value).hex() == wire
    assert ifv_from_wire(bytes.fromhex(wire)) == value
    assert InvocationField.of(value).value == value


@pytest.mark.parametrize("value", [-1, 1 << 64])
def test_an_invocation_field_has_64_bits(value: int) -> None:
    with pytest.raises(EncodeError):
        ifv_to_wire(value)


def test_a_cut_invocation_field_is_refused() -> None:
    with pytest.raises(IdeKmDecodeError):
        ifv_from_wire(bytes(7))


def test_key_prog_speaks_both_orders() -> None:
    slot = KeySlot(direction=Direction.RX, sub_stream=SubStream.PR)
    key_prog = KeyProg.of(stream_id=0, slot=slot, aes_key=AES_KEY)
    assert key_prog.build() == bytes.fromhex("02000000000000") + ON_THE_WIRE + bytes.fromhex("0000000001000000")
    assert key_prog.key == ON_THE_WIRE
    assert key_prog.aes_key == AES_KEY
    assert key_prog.ifv.value == 1
    assert KeyProg.of(stream_id=0, slot=slot, aes_key=AES_KEY, ifv=7 << 40).ifv == InvocationField(high=7 << 8, low=0)

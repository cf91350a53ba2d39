"""Functions, interfaces and key slots: their bytes and their text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytio.errors import DecodeError, EncodeError
from pytio.ids import Bdf, Direction, FunctionId, InterfaceId, KeySlot, SubStream
from tests.checks import check_wire


@pytest.mark.parametrize(
    ("text", "address", "requester_id"),
    [
        ("0000:e1:00.0", Bdf(bus=0xE1), 0xE100),
        ("e1:1f.7", Bdf(bus=0xE1, device=31, function=7), 0xE1FF),
        ("0001:00:04.2\n", Bdf(segment=1, bus=0, device=4, function=2), 0x0022),
        ("10000:01:00.0", Bdf(segment=0x10000, bus=1), 0x0100),
        ("0000:BE:1D.7", Bdf(bus=0xBE, device=0x1D, function=7), 0xBEEF),
    ],
)
def test_an_address_has_a_text(text: str, address: Bdf, requester_id: int) -> None:
    assert Bdf.parse(text) == address
    assert address.requester_id == requester_id
    assert Bdf.from_requester_id(requester_id, address.segment) == address


@given(st.builds(Bdf, segment=st.integers(0, 0xFFFFFFFF), bus=st.integers(0, 255), device=st.integers(0, 31)))
def test_text_and_address_agree(address: Bdf) -> None:
    assert Bdf.parse(str(address)) == address


@pytest.mark.parametrize("text", ["", "e1:00", "e1:00.8", "1:00.0", "0000:e1:20.0", "0000:e1:00.0.0", "0000-e1:00.0"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"not an address|does not fit"):
        Bdf.parse(text)


@pytest.mark.parametrize("wrong", [{"bus": 256}, {"bus": 0, "device": 32}, {"bus": 0, "function": 8}, {"bus": -1}])
def test_numbers_that_do_not_fit_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        Bdf(**wrong)


def test_addresses_sort_as_a_listing_does() -> None:
    listing = ["0000:00:01.0", "0000:00:01.1", "0000:01:00.0", "0001:00:00.0"]
    assert [str(address) for address in sorted(map(Bdf.parse, reversed(listing)))] == listing


def test_a_function_id_keeps_every_bit() -> None:
    raw = bytes.fromhex("efbe02ff")
    check_wire(FunctionId, raw, FunctionId(requester_id=0xBEEF, segment=2, is_segment_valid=True, reserved=0x7F))


def test_a_function_id_names_its_segment_only_on_request() -> None:
    assert FunctionId.of("0001:01:00.0").build().hex() == "00010000"
    named = FunctionId.of("0001:01:00.0", with_segment=True)
    assert named.build().hex() == "00010101"
    assert str(named) == "0001:01:00.0"


def test_a_segment_that_is_not_valid_is_not_shown() -> None:
    assert str(FunctionId(requester_id=0xE100, segment=7)) == "0000:e1:00.0"


def test_a_segment_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="segment 0x10000 does not fit"):
        FunctionId.of("10000:01:00.0", with_segment=True)


def test_an_interface_is_named_by_its_function() -> None:
    interface = InterfaceId.of(Bdf(bus=1))
    check_wire(InterfaceId, bytes.fromhex("000100000000000000000000"), interface)
    assert str(interface) == "0000:01:00.0"


@pytest.mark.parametrize(
    ("raw", "key_set", "direction", "sub_stream", "text"),
    [
        (0x00, 0, Direction.RX, SubStream.PR, "K0/RX/PR"),
        (0x02, 0, Direction.TX, SubStream.PR, "K0/TX/PR"),
        (0x10, 0, Direction.RX, SubStream.NPR, "K0/RX/NPR"),
        (0x12, 0, Direction.TX, SubStream.NPR, "K0/TX/NPR"),
        (0x20, 0, Direction.RX, SubStream.CPL, "K0/RX/CPL"),
        (0x23, 1, Direction.TX, SubStream.CPL, "K1/TX/CPL"),
    ],
)
def test_a_key_slot_is_one_byte(raw: int, key_set: int, direction: Direction, sub_stream: SubStream, text: str) -> None:
    slot = KeySlot(key_set=key_set, direction=direction, sub_stream=sub_stream)
    check_wire(KeySlot, bytes([raw]), slot)
    assert str(slot) == text


def test_a_key_slot_keeps_what_it_does_not_know() -> None:
    """KP_ACK echoes the slot that it refuses, so a sub-stream that nobody defines has to survive."""
    slot = KeySlot.parse(b"\x8c")
    assert slot.reserved == 3
    assert slot.sub_stream.name == "UNKNOWN_0x08"
    assert slot.build() == b"\x8c"


def test_known_sub_streams_are_singletons() -> None:
    assert KeySlot.parse(b"\x20").sub_stream is SubStream.CPL


def test_a_key_set_is_one_bit() -> None:
    with pytest.raises(EncodeError, match=r"KeySlot\.key_set: 2 does not fit in 1 bit"):
        KeySlot(key_set=2, direction=Direction.RX, sub_stream=SubStream.PR).build()


def test_identifiers_alone_raise_the_neutral_error() -> None:
    with pytest.raises(DecodeError) as caught:
        KeySlot.parse(b"")
    assert type(caught.value) is DecodeError

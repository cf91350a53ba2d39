"""What of a TLP is protected: the published vectors' associated data and text, hidden header fields in both modes."""

from __future__ import annotations

import importlib
import inspect
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytio import ide
from pytio.ide import ASSUMPTIONS, HeaderEncryption, Tlp
from pytio.ids import SubStream

WRITE = (
    "9200bc0d 60000004 010005ff 00000012 34567000 000102030405060708090a0b0c0d0e0f 88e2cece 000000000000000000000000"
)
FLIT_WRITE = "6005a001 01000007 000001ff 0002bc05 00000012 34567000 deadbeef 000102030405060708090a0b"
READ32 = "9202bc15 00000001 0100060f fedcba98 000000000000000000000000"
SAMPLES = [(WRITE, False), (FLIT_WRITE, True), (READ32, False)]


def tlp_of(raw: str, flit: bool = False) -> Tlp:
    return Tlp.parse(bytes.fromhex(raw), flit_mode=flit)


def test_the_iv_is_fixed_part_and_invocation() -> None:
    assert [ide.iv_of(each, 1).hex() for each in (SubStream.PR, SubStream.NPR, SubStream.CPL)] == [
        "000000000000000000000001",
        "100000000000000000000001",
        "200000000000000000000001",
    ]
    assert ide.iv_of(SubStream.PR, 0x0102030405060708).hex() == "000000000102030405060708"


def test_the_pcrc_of_the_vector() -> None:
    assert ide.pcrc_of(bytes(range(16))).hex() == "88e2cece"


def test_prefix_and_header_are_authenticated_and_payload_and_pcrc_are_text() -> None:
    tlp = tlp_of(WRITE)
    assert ide.associated_data(tlp).hex() == "9200bc0d60000004010005ff0000001234567000"
    assert ide.text_of(tlp) == bytes(range(16)) + bytes.fromhex("88e2cece")


def test_local_prefixes_are_outside_of_everything_and_other_end_end_prefixes_inside() -> None:
    tlp = tlp_of("8e010203 9202bc15 91000001 20000001 0100060f 00000012 34567000 000000000000000000000000")
    assert ide.associated_data(tlp).hex() == "9202bc1591000001200000010100060f0000001234567000"


def test_in_flit_mode_header_and_ohc_are_authenticated_in_the_order_of_the_wire() -> None:
    assert ide.associated_data(tlp_of(FLIT_WRITE, flit=True)) == bytes.fromhex(FLIT_WRITE)[:24]


@pytest.mark.parametrize(("raw", "flit"), SAMPLES)
@pytest.mark.parametrize("mode", HeaderEncryption)
@given(data=st.data())
def test_text_goes_in_and_out(raw: str, flit: bool, mode: HeaderEncryption, data: st.DataObject) -> None:
    """Whatever stands in the hidden places, the associated data stays what it is, and the rest of the TLP, too."""
    tlp = tlp_of(raw, flit)
    size = len(ide.text_of(tlp, mode))
    text = data.draw(st.binary(min_size=size, max_size=size))
    changed = ide.with_text(tlp, text, mode)
    assert ide.text_of(changed, mode) == text
    assert ide.associated_data(changed, mode) == ide.associated_data(tlp, mode)
    assert ide.with_text(changed, ide.text_of(tlp, mode), mode) == tlp
    assert Tlp.parse(changed.build(), flit_mode=flit) == changed
    with pytest.raises(ValueError, match="bytes, not"):
        ide.with_text(tlp, text + b"\0", mode)


@pytest.mark.parametrize(
    ("mode", "hidden", "header"),
    [
        (1, "ff 9c00", "60000004 01000500 00000012 34540000"),
        (2, "ff 159c00", "60000004 01000500 00000012 34000000"),
        (3, "ff 8d159c00", "60000004 01000500 00000010 00000000"),
        (4, "ff 048d159c00", "60000004 01000500 00000000 00000000"),
    ],
)
def test_what_partial_header_encryption_hides(mode: int, hidden: str, header: str) -> None:
    """PCIE_A26: byte enables, then address bits, most significant byte first; zero in the associated data."""
    tlp = tlp_of(WRITE)
    assert ide.text_of(tlp, mode)[: -len(tlp.payload) - 4] == bytes.fromhex(hidden)
    assert ide.associated_data(tlp, mode)[4:] == bytes.fromhex(header)


@pytest.mark.parametrize(
    ("raw", "flit", "size"),
    [
        ("4c000001 01000500 12345678 00000001", False, 2),  # atomic operation: no byte enables
        ("00000401 0100050f 12345678", False, 2),  # translation request
        ("00010001 0100050f 12345678", False, 2),  # read with TH
        ("40010001 0100050f 12345678 deadbeef", False, 3),  # a write with TH keeps them
        ("03000001 01000005 12345678", True, 2),  # flit mode without OHC-A1
        ("03010001 01000005 0000010f 12345678", True, 3),
        ("4a000001 02000004 01000500 deadbeef", False, 0),  # no memory request
        ("32000000 01000054 02000000 bc050700", False, 0),
    ],
)
def test_whether_byte_enables_are_hidden(raw: str, flit: bool, size: int) -> None:
    tlp = tlp_of(raw, flit)
    assert len(ide.text_of(tlp, HeaderEncryption.ADDRESS_17_2)) - len(tlp.payload) == size


def test_a_short_address_hides_no_more_than_whole_bytes() -> None:
    assert len(ide.text_of(tlp_of(READ32), HeaderEncryption.ADDRESS_41_2)) == 4


@pytest.mark.parametrize("name", ASSUMPTIONS)
def test_an_assumption_is_where_the_table_says(name: str) -> None:
    """The place exists, and what stands there, or beside it, names the assumption."""
    assumption = ASSUMPTIONS[name]
    module_name, _, attribute = assumption.place.rpartition(".")
    module = importlib.import_module(module_name)
    value = getattr(module, attribute)
    source = inspect.getsource(value if inspect.isclass(value) or inspect.isroutine(value) else module)
    assert re.search(rf"\b{name}\b", source)
    assert assumption.confidence in {"low", "medium", "high"}

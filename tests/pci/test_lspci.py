"""Reading what lspci prints, in every form it comes in."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytio.errors import PciDecodeError
from pytio.ids import Bdf
from pytio.pci import DumpedFunction, format_dump, is_dump, parse_dump
from tests.pci.corpus import ENDPOINT, space

FIRST = DumpedFunction(Bdf(bus=0xE1), space(ENDPOINT, []))
SIZES = (16, 48, 64, 256, 4096)


@given(sizes=st.lists(st.sampled_from(SIZES), min_size=1, max_size=6), seed=st.integers(0, 1 << 32))
def test_what_is_written_is_read(sizes: list[int], seed: int) -> None:
    rng = random.Random(seed)
    functions = [
        DumpedFunction(Bdf(segment=rng.choice((0, 1, 0x10000, 0xFFFF_FFFF)), bus=index), rng.randbytes(size))
        for index, size in enumerate(sizes)
    ]
    text = "".join(format_dump(bdf, data, title="Bridge: A vendor: it is \u00ab00\u00bb") for bdf, data in functions)
    assert list(parse_dump(text)) == functions
    assert list(parse_dump(text.replace("\n", "\r\n"))) == functions
    assert list(parse_dump(text.replace("\n\n", "\n"))) == functions
    assert is_dump(text)


def test_explanations_between_the_lines_are_no_obstacle() -> None:
    bdf, data = FIRST
    title, *rows = format_dump(bdf, data, "Accelerator").splitlines()
    text = "\n".join(
        [title, "\tControl: I/O- Mem+", "\tCapabilities: [40] Express (v2)", "\t\tDevCap:\t00: 11 22", "", *rows, ""]
    )
    assert list(parse_dump(text)) == [FIRST]


def test_a_domain_of_more_than_four_digits_and_none_at_all() -> None:
    text = f"10000:e1:00.0 X\n{_row(0)}\ne1:00.1\n{_row(0)}\n"
    assert [str(function.bdf) for function in parse_dump(text)] == ["10000:e1:00.0", "0000:e1:00.1"]


def test_functions_without_hex_are_left_out() -> None:
    text = f"00:00.0 denied\n\tCapabilities: <access denied>\n\n{format_dump(*FIRST)}"
    assert list(parse_dump(text)) == [FIRST]


@pytest.mark.parametrize("text", ["", "00:00.0 Host bridge\n\tFlags: fast devsel\n", "no dump at all"])
def test_a_dump_without_hex_is_an_error(text: str) -> None:
    with pytest.raises(PciDecodeError, match="lspci needs -x"):
        list(parse_dump(text))


@pytest.mark.parametrize("lines", [(0, 2), (1,), (0, 0)])
def test_missing_lines_are_an_error(lines: tuple[int, ...]) -> None:
    text = "00:00.0 X\n" + "".join(f"{_row(number)}\n" for number in lines)
    with pytest.raises(PciDecodeError, match=r"00:00\.0: line") as caught:
        list(parse_dump(text))
    assert caught.value.offset == 16 * (len(lines) - 1)


def test_a_damaged_line_in_the_middle_is_an_error() -> None:
    text = format_dump(*FIRST).replace("\n200: 00", "\n200: 0g")
    with pytest.raises(PciDecodeError, match="line 210 follows 0x200 bytes"):
        list(parse_dump(text))


def test_other_texts_are_no_dump() -> None:
    assert not is_dump("{}")
    assert not is_dump("PCI devices:\n00:00.0 X\n")


def _row(number: int) -> str:
    return f"{16 * number:02x}: " + " ".join(["aa"] * 16)

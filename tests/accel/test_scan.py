"""The scanners: both twins find the same records, whatever the bytes."""

from __future__ import annotations

import struct
import subprocess
import sys
from importlib.util import find_spec
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytio._accel import pure
from tests.conftest import compiled_twin

RECORD = struct.pack("<4I", 1, 2, 5, 9) + b"hello"


@pytest.mark.parametrize(
    ("data", "starts", "stop"),
    [
        pytest.param(b"", [], 0, id="empty"),
        pytest.param(RECORD, [0], 21, id="one"),
        pytest.param(RECORD * 3, [0, 21, 42], 63, id="three"),
        pytest.param(RECORD + RECORD[:-1], [0], 21, id="cut payload"),
        pytest.param(RECORD + RECORD[:16], [0], 21, id="header only"),
        pytest.param(RECORD + RECORD[:15], [0], 21, id="cut header"),
        pytest.param(RECORD + bytes(16), [0, 21], 37, id="empty payload"),
        pytest.param(RECORD + b"\xff" * 40, [0], 21, id="length beyond the end"),
    ],
)
def test_finds_complete_records(accel: ModuleType, data: bytes, starts: list[int], stop: int) -> None:
    assert accel.index_pcap(data, 0, False) == (starts, stop)


def test_reads_the_length_in_the_files_byte_order(accel: ModuleType) -> None:
    swapped = struct.pack(">4I", 1, 2, 5, 9) + b"hello"
    assert accel.index_pcap(swapped, 0, True) == ([0], 21)
    assert accel.index_pcap(swapped, 0, False) == ([], 0)


def test_starts_where_it_is_told_to(accel: ModuleType) -> None:
    assert accel.index_pcap(b"global header" + RECORD, 13, False) == ([13], 34)
    assert accel.index_pcap(RECORD, len(RECORD), False) == ([], len(RECORD))


@pytest.mark.parametrize("offset", [-1, len(RECORD) + 1, 1 << 70])
def test_refuses_an_offset_outside(accel: ModuleType, offset: int) -> None:
    with pytest.raises(ValueError, match=f"offset {offset} is outside of 21 bytes"):
        accel.index_pcap(RECORD, offset, False)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_takes_what_holds_bytes(accel: ModuleType, kind: type) -> None:
    assert accel.index_pcap(kind(RECORD), 0, False) == ([0], 21)


@given(data=st.binary(max_size=200), lengths=st.lists(st.integers(0, 40), max_size=8), big_endian=st.booleans())
def test_twins_agree(data: bytes, lengths: list[int], big_endian: bool) -> None:
    """Compiled equals pure on records of any length followed by any bytes, from every offset."""
    scan = compiled_twin()
    header = struct.Struct(">4I" if big_endian else "<4I")
    data = b"".join(header.pack(0, 0, length, length) + bytes(length) for length in lengths) + data
    for offset in range(len(data) + 1):
        assert scan.index_pcap(data, offset, big_endian) == pure.index_pcap(data, offset, big_endian)


@pytest.mark.parametrize("value", ["1", "0", ""])
def test_environment_selects_pure(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("PYTIO_PURE", value)
    code = "from pytio import _accel; print(_accel.provider(), _accel.IS_COMPILED, _accel.index_pcap.__module__)"
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    if value != "1" and find_spec("pytio._accel.scan"):
        assert said == ["compiled", "True", "pytio._accel.scan"]
    else:
        assert said == ["pure", "False", "pytio._accel.pure"]

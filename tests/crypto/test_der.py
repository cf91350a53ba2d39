"""Finding the ends of DER elements, and refusing what has none."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytio.crypto import der
from pytio.errors import DecodeError


def sequence(content: bytes) -> bytes:
    """Return a SEQUENCE in the shortest form."""
    size = len(content)
    if size < 0x80:
        return b"\x30" + bytes([size]) + content
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return b"\x30" + bytes([0x80 | len(octets)]) + octets + content


@given(contents=st.lists(st.binary(max_size=400), max_size=5))
def test_split_undoes_joining(contents: list[bytes]) -> None:
    elements = tuple(map(sequence, contents))
    assert der.split(b"".join(elements)) == elements


@pytest.mark.parametrize("size", [0, 1, 127, 128, 255, 256, 65535, 65536, 200_000])
def test_lengths(size: int) -> None:
    element = der.read(sequence(bytes(size)), 0)
    assert element.end - element.content == size
    assert der.split(sequence(bytes(size)) * 2) == (sequence(bytes(size)),) * 2


@pytest.mark.parametrize(
    ("data", "offset", "reason"),
    [
        ("30", 0, "needs 2 bytes, 1 are left"),
        ("3003 0202", 1, "an element of 3 bytes, 2 are left"),
        ("3000 0400", 2, "tag 0x04 where a SEQUENCE should begin"),
        ("3000 30", 2, "needs 2 bytes, 1 are left"),
        ("3080 0000", 1, "an indefinite length"),
        ("3081 7f", 1, "a length that is not the shortest"),
        ("3082 0080", 1, "a length that is not the shortest"),
        ("3085 0000000001 00", 1, "a length of 5 bytes"),
        ("3084 ffffffff", 1, "an element of 4294967295 bytes, 0 are left"),
        ("3082 01", 1, "a length of 2 bytes, 1 are left"),
        ("3f01 00", 0, "a tag of more than one byte"),
        ("00", 0, "needs 2 bytes"),
    ],
)
def test_refused(data: str, offset: int, reason: str) -> None:
    with pytest.raises(DecodeError, match=reason) as caught:
        der.split(bytes.fromhex(data))
    assert caught.value.offset == offset


@given(st.binary(max_size=60))
def test_any_bytes_split_or_are_refused(data: bytes) -> None:
    with suppress(DecodeError):
        assert b"".join(der.split(data)) == data


def test_children_stay_inside() -> None:
    data = bytes.fromhex("3006 0201ff 040142") + b"\xff"
    parent = der.read(data, 0)
    assert [(child.tag, data[child.content : child.end]) for child in der.children(data, parent)] == [
        (0x02, b"\xff"),
        (0x04, b"\x42"),
    ]
    with pytest.raises(DecodeError, match="an element of 2 bytes, 1 are left"):
        der.children(bytes.fromhex("3003 040242 00"), der.read(bytes.fromhex("3003 040242 00"), 0))


@pytest.mark.parametrize(
    ("content", "text"),
    [("2b06010401831c8212", "1.3.6.1.4.1.412.274"), ("550406", "2.5.4.6"), ("883703", "2.999.3"), ("00", "0.0")],
)
def test_object_identifiers(content: str, text: str) -> None:
    assert der.dotted(bytes.fromhex(content)) == text


@pytest.mark.parametrize("content", ["", "83", "2b86"])
def test_object_identifiers_that_are_cut(content: str) -> None:
    with pytest.raises(DecodeError, match="an object identifier that is cut"):
        der.dotted(bytes.fromhex(content))

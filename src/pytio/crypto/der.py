"""As much of DER as finding the ends of things takes (X.690).

This file knows tags and lengths. What the things mean is known to the library, and to `pytio.crypto.x509` where the
library has no name for them.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

from pytio.errors import DecodeError

__all__ = ("Element", "Tag", "children", "dotted", "element", "object_identifier", "read", "split")

_HIGH_TAG_NUMBER = 0x1F
_LONG_FORM_BIT = 0x80
_MAX_LENGTH_BYTES = 4
_HEADER_BYTES = 2
_MORE_BIT = 0x80
_BITS_PER_ARC_OCTET = 7
_ARCS_PER_ROOT = 40


class Tag(IntEnum):
    """Identifier octets."""

    OBJECT_IDENTIFIER = 0x06
    SEQUENCE = 0x30


class Element(NamedTuple):
    """One element: where it starts, where its content starts, and where it ends, in the bytes it was read from."""

    tag: int
    start: int
    content: int
    end: int


def read(data: bytes, start: int, end: int | None = None) -> Element:
    """Return the element that begins at ``start`` and ends by ``end``.

    Raises DecodeError at the offending octet if it is cut, longer than what is left, or not DER.
    """
    end = len(data) if end is None else end
    if end - start < _HEADER_BYTES:
        raise DecodeError(f"an element needs {_HEADER_BYTES} bytes, {end - start} are left", data, start)
    if data[start] & _HIGH_TAG_NUMBER == _HIGH_TAG_NUMBER:
        raise DecodeError("a tag of more than one byte", data, start)
    content = start + _HEADER_BYTES
    length = data[start + 1]
    if length & _LONG_FORM_BIT:
        content, length = _long_length(data, content, length & ~_LONG_FORM_BIT, end)
    if length > end - content:
        raise DecodeError(f"an element of {length} bytes, {end - content} are left", data, start + 1)
    return Element(data[start], start, content, content + length)


def children(data: bytes, parent: Element) -> list[Element]:
    """Return the elements inside one. Raises DecodeError, as ``read`` does."""
    found = []
    at = parent.content
    while at < parent.end:
        found.append(read(data, at, parent.end))
        at = found[-1].end
    return found


def split(data: bytes) -> tuple[bytes, ...]:
    """Return the SEQUENCEs that follow one another, none for no bytes.

    Raises DecodeError at the offending octet if something else is between or after them.
    """
    found = []
    at = 0
    while at < len(data):
        element = read(data, at)
        if element.tag != Tag.SEQUENCE:
            raise DecodeError(f"tag {element.tag:#04x} where a SEQUENCE should begin", data, at)
        found.append(data[at : element.end])
        at = element.end
    return tuple(found)


def dotted(content: bytes) -> str:
    """Return an object identifier as text, from the content of its element. Raises DecodeError if it is cut."""
    arcs: list[int] = []
    arc = 0
    for octet in content:
        arc = arc << _BITS_PER_ARC_OCTET | octet & ~_MORE_BIT
        if not octet & _MORE_BIT:
            arcs.append(arc)
            arc = 0
    if not arcs or content[-1] & _MORE_BIT:
        raise DecodeError("an object identifier that is cut", content)
    first = min(arcs[0] // _ARCS_PER_ROOT, 2)
    return ".".join(map(str, (first, arcs[0] - first * _ARCS_PER_ROOT, *arcs[1:])))


def element(tag: int, content: bytes) -> bytes:
    """Return an element of the shortest form."""
    size = len(content)
    if size < _LONG_FORM_BIT:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, _LONG_FORM_BIT | len(length)]) + length + content


def object_identifier(text: str) -> bytes:
    """Return the element of an object identifier, given with dots."""
    first, second, *rest = map(int, text.split("."))
    octets = bytearray()
    for arc in (first * _ARCS_PER_ROOT + second, *rest):
        groups = [arc & ~_MORE_BIT & 0xFF]
        while arc := arc >> _BITS_PER_ARC_OCTET:
            groups.append(arc & ~_MORE_BIT & 0xFF | _MORE_BIT)
        octets += bytes(reversed(groups))
    return element(Tag.OBJECT_IDENTIFIER, bytes(octets))


def _long_length(data: bytes, at: int, size: int, end: int) -> tuple[int, int]:
    """Return where the content starts, and its length."""
    if not 0 < size <= _MAX_LENGTH_BYTES:
        raise DecodeError("an indefinite length" if not size else f"a length of {size} bytes", data, at - 1)
    if size > end - at:
        raise DecodeError(f"a length of {size} bytes, {end - at} are left", data, at - 1)
    length = int.from_bytes(data[at : at + size], "big")
    if length < _LONG_FORM_BIT or not data[at]:
        raise DecodeError("a length that is not the shortest", data, at - 1)
    return at + size, length

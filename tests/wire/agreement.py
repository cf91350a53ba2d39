"""Holding the derived readers and writers to what construct says."""

from __future__ import annotations

from typing import Any

from pytio.errors import DecodeError, EncodeError
from pytio.wire import WireStruct
from pytio.wire.derive import SURPRISES

__all__ = ("check_building", "check_parsing", "shape")


def shape(value: Any) -> Any:
    """Return a value with the type of everything in it, so that 1, True and a member that is 1 differ."""
    if isinstance(value, WireStruct):
        return type(value), [(field.name, shape(getattr(value, field.name))) for field in value.FIELDS]
    if isinstance(value, tuple):
        return [shape(item) for item in value]
    return type(value), value, getattr(value, "name", None)


def check_parsing(cls: type[WireStruct], raw: bytes, given: dict[str, int]) -> DecodeError | None:
    """Check that the reader of ``cls`` and construct make the same of ``raw``; return construct's error, if any."""
    try:
        explained, size = cls._explain(raw, given)
    except DecodeError as error:
        check_error(cls, raw, error)
        try:
            surprising = cls._READ(raw, given)
        except SURPRISES:
            return error
        raise AssertionError(f"{cls.__name__}: reads {surprising}, but construct says {error}") from error
    read, read_size = cls._READ(raw, given)
    assert read_size == size
    assert shape(read) == shape(explained)
    assert read == explained
    assert read.build() == raw[:size]
    return None


def check_error(cls: type[WireStruct], raw: bytes, error: DecodeError) -> None:
    """Check that an error is the layer's own and says where it is."""
    assert type(error) is cls.ERROR
    assert 0 <= error.offset <= len(raw)
    assert error.path.startswith(f"{cls.__name__}.")
    assert error.reason
    assert error.data == (bytes(len(raw)) if cls.HAS_SECRETS else raw)


def check_building(message: WireStruct, *, must_be_straight: bool = True) -> bytes | None:
    """Check that the writer and construct lay ``message`` out alike; return the bytes, None where it cannot be.

    A message that is odd but right (a list for a tuple) may go to construct, unless it ``must_be_straight``.
    """
    try:
        explained = message._explain_build()
    except EncodeError as error:
        try:
            surprising = message._WRITE()
        except SURPRISES:
            return None
        raise AssertionError(f"writes {surprising.hex()}, but construct says {error}") from error
    try:
        assert message._WRITE() == explained
    except SURPRISES:
        assert not must_be_straight, "the writer hands a plain message to construct"
    return explained

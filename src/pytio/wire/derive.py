"""Straight-line readers and writers, made from the same fields (placeholder: everything goes to construct)."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    from pytio.wire.message import WireStruct

__all__ = ("SURPRISES", "Reader", "SurpriseError", "Writer", "reader", "writer")

#: From the bytes and the given facts to the message and its size.
Reader: TypeAlias = Callable[[bytes, dict[str, int]], tuple[Any, int]]
#: From the message to its bytes.
Writer: TypeAlias = Callable[[Any], bytes]


class SurpriseError(Exception):
    """The bytes or the object are not what the straight line expects; construct shall explain."""


SURPRISES: Final = (
    SurpriseError,
    struct.error,
    LookupError,
    ArithmeticError,
    ValueError,
    TypeError,
    AttributeError,
)
"""What a reader or a writer may raise: whatever it is, construct reads or builds the same again, and says why."""


def reader(cls: type[WireStruct]) -> Reader:
    """Return the reader of ``cls``."""

    def read(data: bytes, given: dict[str, int]) -> tuple[Any, int]:
        raise SurpriseError

    return read


def writer(cls: type[WireStruct]) -> Writer:
    """Return the writer of ``cls``."""

    def write(instance: Any) -> bytes:
        raise SurpriseError

    return write

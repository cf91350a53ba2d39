"""Straight-line readers and writers, made from the same field list that the construct schema is made from.

A reader is one Python function: runs of fixed size, across nested structures and bits, are one ``struct`` call; codes
and flags are looked up; lengths and counts are checked as they come. A writer is its mirror. Both keep every check and
explain none: on any surprise they raise, and `pytio.wire.message` gives the same bytes, or the same object, to
construct, which knows what to say. They are made when a class is first used.

`reader_source` and `writer_source` show what was made.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    from pytio.wire.message import WireStruct

__all__ = ("SURPRISES", "Reader", "SurpriseError", "Writer", "reader", "reader_source", "writer", "writer_source")

#: From the bytes, the given facts and an offset to the message and the offset behind it.
Reader: TypeAlias = Callable[..., tuple[Any, int]]
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
    """Return the reader of ``cls``: ``read(data, given, offset=0)``."""
    from pytio.wire.derive.reading import make_reader  # noqa: PLC0415  programs that only import messages pay nothing

    return make_reader(cls)[0]


def writer(cls: type[WireStruct]) -> Writer:
    """Return the writer of ``cls``."""
    from pytio.wire.derive.writing import make_writer  # noqa: PLC0415

    return make_writer(cls)[0]


def reader_source(cls: type[WireStruct]) -> str:
    """Return the source of the reader of ``cls``."""
    from pytio.wire.derive.reading import make_reader  # noqa: PLC0415

    return make_reader(cls)[1]


def writer_source(cls: type[WireStruct]) -> str:
    """Return the source of the writer of ``cls``."""
    from pytio.wire.derive.writing import make_writer  # noqa: PLC0415

    return make_writer(cls)[1]

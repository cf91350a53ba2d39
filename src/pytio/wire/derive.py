"""Straight-line readers and writers, made from the same fields (placeholder: everything goes to construct)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from pytio.wire.message import WireStruct

__all__ = ("Reader", "Surprise", "Writer", "reader", "writer")

Reader: TypeAlias = Callable[[bytes, dict[str, int]], tuple[Any, int]]
Writer: TypeAlias = Callable[[Any], bytes]


class Surprise(Exception):
    """The bytes or the object are not what the straight line expects; construct shall explain."""


def reader(cls: type[WireStruct]) -> Reader:
    """Return the reader of ``cls``."""

    def read(data: bytes, given: dict[str, int]) -> tuple[Any, int]:
        raise Surprise

    return read


def writer(cls: type[WireStruct]) -> Writer:
    """Return the writer of ``cls``."""

    def write(instance: Any) -> bytes:
        raise Surprise

    return write

"""Where and why: the stream that knows its place, the trouble that carries it, and the field that reports it."""
# ruff: noqa: SLF001  construct's extension points begin with an underscore

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import attrs
from construct import Construct, ConstructError, Container, Subconstruct

if TYPE_CHECKING:
    from pytio.wire.fields import Field

__all__ = ("Located", "Span", "TroubleError", "Window", "blame", "take")


class Window(io.BytesIO):
    """A stream over part of a message that tells positions in the whole message."""

    def __init__(self, data: bytes = b"", base: int = 0) -> None:
        super().__init__(data)
        self._base = base
        self._size = len(data)

    def tell(self) -> int:
        """Return the position, counted from the start of the whole message."""
        return self._base + super().tell()

    def left(self) -> int:
        """Return how many bytes are left to read."""
        return self._size - super().tell()


class TroubleError(ConstructError):
    """What does not fit, where it starts, and the path to it, innermost name last."""

    def __init__(self, reason: str, offset: int) -> None:
        super().__init__(reason)
        self.reason = reason
        self.offset = offset
        self.path: list[str] = []  # not None, as in construct


@attrs.frozen
class Span:
    """Where one field of a built message lies: bytes ``start`` to ``end``, and for bits which of them."""

    depth: int
    name: str
    start: int
    end: int
    value: Any
    field: Field | None
    bits: tuple[int, int] | None = None


class Located(Subconstruct):
    """A field that knows its place: gives trouble below it a path, and leaves a span where one is asked for."""

    def __init__(self, subcon: Construct, label: str | None, field: Field | None) -> None:
        super().__init__(subcon)
        self._label = label
        self._field = field

    def renamed(self, name: str) -> Located:
        """Set the name under which the surrounding Struct keeps the value."""
        self.name = name
        return self

    def _parse(self, stream: Window, context: Container, path: str) -> Any:
        start = stream.tell()
        try:
            if self._label is not None and "_trace" in context._params:
                return self._traced(stream, context, path)
            return self.subcon._parsereport(stream, context, path)
        except ConstructError as error:
            raise blame(error, self._label, start) from None

    def _traced(self, stream: Window, context: Container, path: str) -> Any:
        trace: list[Span | None] = context._params["_trace"]
        start, index, depth = stream.tell(), len(trace), context._params["_depth"]
        trace.append(None)  # outer structures come before their fields
        context._params["_depth"] = depth + 1
        value = self.subcon._parsereport(stream, context, path)
        assert self._label is not None
        trace[index] = Span(depth, self._label, start, stream.tell(), value, self._field)
        context._params["_depth"] = depth
        return value

    def _build(self, obj: Any, stream: Window, context: Container, path: str) -> Any:
        start = stream.tell()
        try:
            return self.subcon._build(obj, stream, context, path)
        except ConstructError as error:
            raise blame(error, self._label, start) from None


def blame(error: ConstructError, label: str | None, start: int) -> TroubleError:
    """Return the trouble that an error is, with one more name in front of its path."""
    trouble = error if isinstance(error, TroubleError) else TroubleError(str(error), start)
    if label is not None:
        trouble.path.insert(0, label)
    return trouble


def take(stream: Window, size: int) -> bytes:
    """Read ``size`` bytes, all of them."""
    start = stream.tell()
    left = stream.left()
    if not 0 <= size <= left:
        unit = "byte" if size == 1 else "bytes"
        raise TroubleError(f"needs {size} {unit}, {left} left" if size >= 0 else f"size {size} is negative", start)
    return stream.read(size)

"""Where and why: the stream that knows its place, the trouble that carries it, and the field that reports it."""
# ruff: noqa: SLF001  construct's extension points begin with an underscore

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import attrs
from construct import Construct, ConstructError, Container, Subconstruct

if TYPE_CHECKING:
    from pytio.wire.fields import Field

__all__ = ("Located", "Span", "TroubleError", "Window", "naming", "take")


class Window(io.BytesIO):
    """A stream over part of a message that tells positions in the whole message."""

    def __init__(self, data: bytes = b"", base: int = 0) -> None:
        super().__init__(data)
        self._base = base

    def tell(self) -> int:
        """Return the position, counted from the start of the whole message."""
        return self._base + super().tell()

    def left(self) -> int:
        """Return how many bytes are left to read."""
        return self.getbuffer().nbytes - super().tell()


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
        trace: list[Span | None] | None = context._params.get("_trace")
        index = depth = 0
        if trace is not None and self._label is not None:
            index, depth = len(trace), context._params["_depth"]
            trace.append(None)
            context._params["_depth"] = depth + 1
        with naming(self._label, self.subcon, stream, start):
            value = self.subcon._parsereport(stream, context, path)
        if trace is not None and self._label is not None:
            trace[index] = Span(depth, self._label, start, stream.tell(), value, self._field)
            context._params["_depth"] = depth
        return value

    def _build(self, obj: Any, stream: Window, context: Container, path: str) -> Any:
        with naming(self._label, self.subcon, stream, stream.tell()):
            return self.subcon._build(obj, stream, context, path)


class naming:  # noqa: N801  # used as a statement
    """Prefix the field's name to the path of trouble, and translate construct's own errors."""

    def __init__(self, label: str | None, subcon: Construct, stream: Window, start: int) -> None:
        self._label, self._subcon, self._stream, self._start = label, subcon, stream, start

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if not isinstance(error, ConstructError):
            return
        trouble = error if isinstance(error, TroubleError) else TroubleError(self._reason(error), self._start)
        if self._label is not None:
            trouble.path.insert(0, self._label)
        if trouble is not error:
            raise trouble from error

    def _reason(self, error: ConstructError) -> str:
        return str(error).partition("\n")[2] or str(error)


def take(stream: Window, size: int) -> bytes:
    """Read ``size`` bytes, all of them."""
    start = stream.tell()
    left = stream.left()
    if not 0 <= size <= left:
        unit = "byte" if size == 1 else "bytes"
        raise TroubleError(f"needs {size} {unit}, {left} left" if size >= 0 else f"size {size} is negative", start)
    return stream.read(size)

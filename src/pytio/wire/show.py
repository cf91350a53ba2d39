"""Messages as text, as plain data and as HTML: written once, for every message.

Offsets come from construct: the message is built and read back with a trace, since the fast reader keeps none.
"""

from __future__ import annotations

import html
from collections.abc import Collection, Iterator
from enum import IntEnum, IntFlag
from typing import TYPE_CHECKING, Any, NamedTuple

from pytio.errors import EncodeError
from pytio.wire.enums import WireFlag
from pytio.wire.expressions import Expression
from pytio.wire.fields import bit_places, bit_runs, run_size
from pytio.wire.location import Span, Window
from pytio.wire.vocabulary import Array, Bits, Bytes, Nested, Within

if TYPE_CHECKING:
    from pytio.wire.fields import Field
    from pytio.wire.message import WireStruct

__all__ = ("as_dict", "as_html", "as_text", "describe", "layout")

_INDENT = 2
_EXCERPT_BYTES = 8
_NAME_COLUMN_MINIMUM = 16
_PLACE = 'style="white-space:nowrap"'
_LEFT = 'style="text-align:left;padding-left:{}em"'


def layout(message: WireStruct) -> list[Span]:
    """Return where each field of ``message`` lies, outer structures before their fields.

    Raises:
        EncodeError: the message cannot be laid out.
    """
    trace: list[Span] = []
    type(message).SCHEMA.parse_stream(Window(message.build()), _trace=trace, _depth=0, **message.given())
    return trace


def as_text(message: WireStruct, *, reveal: bool = False, hide: Collection[str] = ()) -> str:
    """Return an aligned tree: offset, field, bytes, meaning."""
    raw = message.build()
    rows = list(_rows(message, raw, reveal, hide))
    name_width = max([_NAME_COLUMN_MINIMUM, *(_INDENT * row.depth + len(row.name) for row in rows)])
    place_width = max((len(row.place) for row in rows), default=0)
    lines = [f"{message.NAME} ({len(raw)} bytes)"]
    for row in rows:
        name = " " * _INDENT * row.depth + row.name
        lines.append(f"  {row.place:<{place_width}}  {name:<{name_width}}  {row.content:<25}{row.meaning}".rstrip())
    return "\n".join(lines)


class _Row(NamedTuple):
    """One line about one field."""

    depth: int
    place: str
    name: str
    content: str
    meaning: str


def _rows(message: WireStruct, raw: bytes, reveal: bool, hide: Collection[str] = ()) -> Iterator[_Row]:
    """Yield a row for each field that is there; of key material one row, which says how much of it there is."""
    hidden_below: int | None = None
    for span in layout(message):
        if hidden_below is not None and span.depth > hidden_below:
            continue
        is_secret = span.field is not None and (span.field.secret or span.name in hide)
        hidden_below = span.depth if is_secret and not reveal else None
        if span.value is None:
            continue
        place = f"{span.start:04x}" + (f" {_bit_range(span.bits)}" if span.bits else "")
        if hidden_below is not None:
            yield _Row(span.depth, place, span.name, "", _concealed(span.end - span.start))
        else:
            content = "" if _is_inner(span.value) else _excerpt(raw[span.start : span.end])
            yield _Row(span.depth, place, span.name, content, _meaning(span.value))


def _concealed(size: int) -> str:
    return f"({size} secret bytes)"


def _bit_range(bits: tuple[int, int]) -> str:
    high, low = bits
    return f"[{high}]" if high == low else f"[{high}:{low}]"


def _is_inner(value: Any) -> bool:
    return hasattr(value, "FIELDS") or isinstance(value, tuple)


def _excerpt(raw: bytes) -> str:
    return raw[:_EXCERPT_BYTES].hex(" ") + ("…" if len(raw) > _EXCERPT_BYTES else "")


def _meaning(value: Any) -> str:
    if isinstance(value, bytes):
        return f"{len(value)} bytes" if len(value) > _EXCERPT_BYTES else ""
    if isinstance(value, tuple):
        return f"{len(value)} elements"
    if hasattr(value, "FIELDS"):
        return str(value.NAME)
    return _number(value)


def _number(value: int) -> str:
    """Return a code by its name, flags by the names of those set, other numbers in decimal and, if large, hex."""
    if isinstance(value, WireFlag):
        return " | ".join(value.names()) or "none"
    if isinstance(value, IntEnum):
        return value.name
    if isinstance(value, bool) or abs(value) <= 9:  # noqa: PLR2004  # one digit reads the same in both bases
        return str(int(value))
    return f"{value} ({value:#x})"


def as_dict(message: WireStruct, *, reveal: bool = False) -> dict[str, Any]:
    """Return the fields as plain data; reserved bytes too, constants too."""
    return {
        field.name: _concealed(_size(value)) if field.secret and not reveal else _plain(value, reveal)
        for field in message.FIELDS
        if (value := getattr(message, field.name)) is not None
    }


def _size(secret: Any) -> int:
    if isinstance(secret, tuple):
        return sum(map(_size, secret))
    return len(secret.build() if hasattr(secret, "FIELDS") else secret)


def _plain(value: Any, reveal: bool) -> Any:
    if hasattr(value, "FIELDS"):
        return as_dict(value, reveal=reveal)
    if isinstance(value, tuple):
        return [_plain(item, reveal) for item in value]
    if isinstance(value, bytes):
        return value.hex()
    return _plain_number(value)


def _plain_number(value: int) -> Any:
    if isinstance(value, WireFlag):
        return {"value": int(value), "set": value.names()}
    if isinstance(value, IntFlag):
        return int(value)
    return {"value": int(value), "name": value.name} if isinstance(value, IntEnum) else value


def as_html(message: WireStruct) -> str:
    """Return a table for notebooks; everything in it is escaped, key material is not shown."""
    try:
        raw = message.build()
    except EncodeError as error:  # a notebook shows what there is, and why it is not more
        return f"<pre>{html.escape(repr(message))}\n{html.escape(str(error))}</pre>"
    rows = [
        f"<tr><td {_PLACE}><code>{row.place}</code></td>"
        f"<td {_LEFT.format(row.depth + 0.5)}>{html.escape(row.name)}</td>"
        f"<td><code>{row.content}</code></td><td>{html.escape(row.meaning)}</td></tr>"
        for row in _rows(message, raw, reveal=False)
    ]
    head = "<tr><th>offset</th><th>field</th><th>bytes</th><th>meaning</th></tr>"
    caption = f"<caption>{html.escape(message.NAME)} ({len(raw)} bytes)</caption>"
    return f'<table class="pytio-message">{caption}<thead>{head}</thead><tbody>{"".join(rows)}</tbody></table>'


def describe(cls: type[WireStruct]) -> list[tuple[str, str, str, str, str]]:
    """Return documentation rows: offset, size, name, type, condition. Offsets end where sizes start to vary."""
    rows: list[tuple[str, str, str, str, str]] = []
    offset: int | None = 0
    for run in bit_runs(cls):
        size = _size_in_words(run)
        start = "…" if offset is None else str(offset)
        bits = bit_places(cls, run) if isinstance(run[0].type, Bits) else []
        places = [f"{start} {_bit_range((low + word.width - 1, low))}" for _, word, low in bits] or [start]
        for field, place in zip(run, places, strict=True):
            rows.append((place, size, field.name, str(field.type), str(field.when or "")))
        known = size.isdigit() and run[0].when is None
        offset = offset + int(size) if known and offset is not None else None
    return rows


def _fixed_count(word: Array[Any]) -> str:
    return str(word.minimum_size) if isinstance(word.count, int) else str(word.count)


def _size_in_words(run: list[Field]) -> str:
    word = run[0].type
    if isinstance(word, Bits):
        return str(run_size(run))
    if isinstance(word, Bytes | Within):
        return str(word.size)
    if isinstance(word, Array):
        return (
            f"{word.count} × {word.element.minimum_size}" if isinstance(word.count, Expression) else _fixed_count(word)
        )
    if isinstance(word, Nested):
        size = word.struct.fixed_size()
        return str(word.struct.minimum_size()) + ("" if size is not None else "+")
    return str(word.minimum_size)

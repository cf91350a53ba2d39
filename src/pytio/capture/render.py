"""Records as text: one line, a tree, or annotated hex.

Knows layers and messages in general, no protocol in particular: whatever the field list of a message says, it shows.
Plain ASCII; colour is an ANSI style around a part of a line, and the caller decides whether to have any.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator, Sequence
from enum import Enum, IntEnum
from functools import cache, lru_cache
from typing import Any, Final

from pytio.capture.records import CARRIED_FIELDS, Check, Direction, Layer, Record
from pytio.wire import WireFlag, WireStruct
from pytio.wire.show import layout

__all__ = (
    "Style",
    "annotated_hex",
    "brief_fields",
    "escaped",
    "has_own_text",
    "hex_rows",
    "printable",
    "record_tree",
    "said_by",
    "styled",
    "summary_line",
    "told_by",
)

_SHORT_BYTES: Final = 8
_MANY_FLAGS: Final = 4
_FEW_FLAGS: Final = 256  # combinations whose text is remembered
_FEW_ELEMENTS: Final = 5
_ROW_BYTES: Final = 16
_WITHOUT_WRAPPER: Final = frozenset({"idekm", "tdisp"})
_SHOWN_NAMES: Final = {"idekm": "IDE_KM"}


class Style(Enum):
    """ANSI styles by what they mark."""

    REQUEST = "36"
    RESPONSE = "32"
    SESSION = "33"
    QUIET = "2"
    PROBLEM = "31"


_ARROWS: Final[dict[str | None, tuple[str, Style | None]]] = {
    Direction.REQUEST.value: ("->", Style.REQUEST),
    Direction.RESPONSE.value: ("<-", Style.RESPONSE),
    None: ("--", None),
}


def printable(text: str) -> str:
    """Return text with everything that does not print, such as an escape sequence, spelled out."""
    return "".join(letter if letter.isprintable() else f"\\x{ord(letter):02x}" for letter in text)


def escaped(text: str) -> str:
    """Return text for HTML and XML: markup loses its meaning, and what does not print is spelled out."""
    return html.escape(printable(text))


def styled(text: str, style: Style | None, *, colour: bool) -> str:
    """Return ``text`` in a style, if there is one and colour is wanted."""
    return f"\x1b[{style.value}m{text}\x1b[0m" if colour and style is not None else text


def summary_line(record: Record, *, colour: bool = False) -> str:
    """Return one line: number, transport, direction, session, what was said, and what is wrong with it."""
    arrow, style = _ARROWS[record.direction and record.direction.value]
    parts = [
        (f"{record.number:>6}", Style.QUIET),
        (f"{record.transport or '?':<7}", None),
        (arrow, style),
    ]
    session_id = record.session_id
    if session_id is not None:
        parts.append((f"[{session_id:08x}]", Style.SESSION))
    parts += [(text, None) for text in said_by(record) if text]
    if problems := record.problems:
        parts.append((f"!! offset {problems[0].offset}: {printable(problems[0].reason)}", Style.PROBLEM))
    parts += map(_check_mark, record.checks)
    return " ".join(
        [styled(text, style, colour=True) for text, style in parts] if colour else [part[0] for part in parts]
    )


def _check_mark(check: Check) -> tuple[str, Style]:
    return (f"[{check.check}: ok]", Style.QUIET) if check.ok else (f"!! {check.check} does not hold", Style.PROBLEM)


def said_by(record: Record) -> tuple[str, str]:
    """Return what a record says: the name of its message, and the fields that make it different from others."""
    if record.is_decrypted is False and (secured := record.layer("secured")) is not None:
        return f"encrypted, {len(secured.data)} bytes", ""
    told = record.inner_layers or record.layers[-1:]
    if told and (whole := told[0].told) is not None:
        return whole
    return told_by(told) if told else (f"{len(record.data)} bytes", "")


def told_by(layers: Sequence[Layer]) -> tuple[str, str]:
    """Return what the layers of one message say: its name, and the fields that make it different from others."""
    inner = layers[-1]
    carriers = layers[:-1]
    if carriers and (inner.name in _WITHOUT_WRAPPER or inner.message is None):
        carriers = layers[:-2]  # the vendor-defined wrapper adds nothing to what is inside
    names = _title(inner, first=not carriers)
    if carriers:
        told = [_title(layer, first=position == 0) for position, layer in enumerate(carriers)]
        names = " > ".join([*told, names])
    return names, brief_fields(inner.message) if inner.message is not None else ""


def _title(layer: Layer, *, first: bool) -> str:
    name = layer.title or f"{len(layer.data)} bytes"
    version = layer.facts.get("version")
    if layer.name != "spdm":
        return f"{_SHOWN_NAMES.get(layer.name, layer.name.upper())} {name}"
    return f"SPDM {version} {name}" if first else name


def brief_fields(message: WireStruct) -> str:
    """Return the fields that make a message different from others of its kind, as ``name=value`` on one line."""
    told = []
    for name in _told_names(type(message)):  # type: ignore[arg-type]  # classes are hashable
        text = _brief(getattr(message, name))
        if text is not None:
            told.append(name if text is True else f"{name}={text}")
    return " ".join(told)


@cache
def _told_names(cls: type[WireStruct]) -> tuple[str, ...]:
    return tuple(
        field.name
        for field in cls.FIELDS
        if not (field.is_reserved or field.automatic or field.secret or field.name == "version")
        and field.constant is None
    )


def _brief(value: Any) -> str | bool | None:
    return _how(type(value))(value)  # type: ignore[arg-type]  # classes are hashable


@cache
def _how(cls: type) -> Callable[[Any], str | bool | None]:
    """Return what makes a short text of a value."""
    for known, how in _BRIEF.items():
        if issubclass(cls, known):
            return how
    return str if _has_own_text(cls) else _nothing


def _nothing(value: object) -> None:
    return None


@lru_cache(maxsize=_FEW_FLAGS, typed=True)
def _brief_flags(value: WireFlag) -> str | None:
    names = value.names()
    return f"{int(value):#x}" if len(names) > _MANY_FLAGS else "|".join(names) or None


def _brief_number(value: int) -> str:
    return str(value) if abs(value) < _ROW_BYTES else f"{value:#x}"


def _brief_bytes(value: bytes) -> str | None:
    return value.hex() if 0 < len(value) <= _SHORT_BYTES else None


def has_own_text(value: Any) -> bool:
    """Whether a structure has a text of its own, as an interface id has."""
    return _has_own_text(type(value))  # type: ignore[arg-type]  # classes are hashable


@cache
def _has_own_text(cls: type) -> bool:
    return any("__str__" in base.__dict__ for base in cls.__mro__[:-1])


def _brief_elements(values: tuple[Any, ...]) -> str | None:
    """Return a few elements that have a short text as that text, others by their number."""
    texts = [_brief(value) for value in values[:_FEW_ELEMENTS]]
    if values and len(values) <= _FEW_ELEMENTS and all(isinstance(text, str) for text in texts):
        return ",".join(str(text) for text in texts)
    return f"{len(values)}x" if values else None


_BRIEF: Final[dict[type, Callable[[Any], str | bool | None]]] = {
    bool: lambda value: value or None,
    WireFlag: _brief_flags,
    IntEnum: lambda value: value.name,
    int: _brief_number,
    bytes: _brief_bytes,
    tuple: _brief_elements,
}
"""What makes a short text of a value, by its type; the first that fits."""


def record_tree(record: Record, *, colour: bool = False) -> str:
    """Return the summary line, then every layer with its fields, then remarks."""
    lines = [summary_line(record, colour=colour)]
    for layer in record.layers:
        lines.extend(_indented(_layer_text(layer, carries_secrets=record.carries_secrets(layer))))
    lines.extend(_indented("\n".join(_remarks(record))))
    return "\n".join(lines)


def _layer_text(layer: Layer, *, carries_secrets: bool) -> str:
    facts = [f"{name}={_fact(name, value)}" for name, value in layer.facts.items()]
    head = " ".join([layer.name, *facts])
    if layer.message is None:
        return f"{head} {layer.title or f'({len(layer.data)} bytes)'}"
    return f"{head} {layer.message.show(hide=CARRIED_FIELDS if carries_secrets else ())}"


def _fact(name: str, value: Any) -> str:
    return f"{value:08x}" if name == "session_id" else str(value)


def _remarks(record: Record) -> Iterator[str]:
    for note in record.notes:  # which may repeat what the file says
        yield f"note: {printable(note)}"
    for problem in record.problems:
        yield f"problem at offset {problem.offset}: {printable(problem.reason)}"
    for check in record.checks:
        yield f"check: {check.check}: ok" if check.ok else f"check: {check.explain()}"


def _indented(text: str) -> list[str]:
    return [f"        {line}".rstrip() for line in text.splitlines()]


def annotated_hex(record: Record, *, colour: bool = False) -> str:
    """Return the summary line, the frame in hex, and every decoded layer's bytes with the field that they are."""
    lines = [summary_line(record, colour=colour), *_indented(f"frame ({len(record.data)} bytes)")]
    lines.extend(["          (secret)"] if record.bytes_hold_secrets else _indented("\n".join(hex_rows(record.data))))
    for layer in record.layers:
        if layer.message is None:
            continue
        lines.extend(_indented(f"{layer.name} {layer.title or ''}"))
        hidden = CARRIED_FIELDS if record.carries_secrets(layer) else frozenset()
        lines.extend(_indented("\n".join(_field_rows(layer.message, hidden))))
    lines.extend(_indented("\n".join(_remarks(record))))
    return "\n".join(lines)


def _field_rows(message: WireStruct, hidden: frozenset[str]) -> Iterator[str]:
    raw = message.build()
    shown: set[tuple[int, int]] = set()
    for span in layout(message):
        is_inner = hasattr(span.value, "FIELDS") or (isinstance(span.value, tuple) and span.value)
        if span.value is None or is_inner or span.start == span.end:
            continue
        if span.field is not None and (span.field.secret or span.name in hidden):
            yield f"  {span.start:04x}  {'(secret)':<47}  {span.name}"
            continue
        repeated = (span.start, span.end) in shown  # bits that share their bytes with the field before
        shown.add((span.start, span.end))
        rows = ["  " + " " * 53] if repeated else list(hex_rows(raw[span.start : span.end], span.start))
        yield f"{rows[0]:<55}  {span.name}"
        yield from rows[1:]


def hex_rows(data: bytes, base: int = 0) -> Iterator[str]:
    """Yield ``data`` as hex, sixteen bytes a row, with offsets that count from ``base``."""
    for start in range(0, len(data), _ROW_BYTES):
        yield f"  {base + start:04x}  {data[start : start + _ROW_BYTES].hex(' ')}"

"""What a picture tells of one record when asked for more: its layers' fields, key material left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any, Final

from pytio.capture.records import Layer, Record
from pytio.capture.render import escaped, has_own_text
from pytio.wire import WireStruct

__all__ = ("Section", "card_html", "card_sections", "card_text", "record_html")

Section = tuple[str, tuple[tuple[str, str], ...]]
"""A heading, and the names and values below it."""

_CARRIERS: Final = frozenset({"doe", "mctp", "tcp", "socket", "secured"})
"""Layers whose heading is enough when there is something inside."""
_WRAPPED: Final = frozenset({"idekm", "tdisp"})
"""Layers whose vendor-defined message is no more than a wrapper."""
_MOST_BYTES: Final = 16
_MOST_ROWS: Final = 14
_MOST_ELEMENTS: Final = 4


_STYLE: Final = """
.pytio-record { font: 12px/1.5 ui-sans-serif, system-ui, "Segoe UI", Roboto, "Liberation Sans", Arial, sans-serif }
.pytio-record b { display: block; margin-top: 4px }
.pytio-record i { display: block; font-style: normal; padding-left: 14px }
.pytio-record u { text-decoration: none; opacity: .65; margin-right: 8px }
"""


def card_sections(record: Record, relations: Sequence[str] = ()) -> Iterator[Section]:
    """Yield the record itself, each layer, and what there is to remark; a long list of fields ends with its number."""
    yield _heading(record), tuple(("", relation) for relation in relations)
    for layer, inside in zip_longest(record.layers, record.layers[1:]):
        is_carrier = inside is not None and (layer.name in _CARRIERS or inside.name in _WRAPPED)
        rows = [] if is_carrier else list(_rows(record, layer))
        kept = (
            rows if len(rows) <= _MOST_ROWS else [*rows[: _MOST_ROWS - 1], ("…", f"{len(rows) - _MOST_ROWS + 1} more")]
        )
        yield _layer_heading(layer), tuple(kept)
    remarks = [("note", note) for note in record.notes]
    remarks += [(f"problem at {problem.offset}", problem.reason) for problem in record.problems]
    remarks += [(check.check, "ok" if check.ok else "FAILED") for check in record.checks]
    if remarks:
        yield "remarks", tuple(remarks)


def card_text(record: Record, relations: Sequence[str] = ()) -> str:
    """Return the same as lines of text."""
    lines = []
    for heading, rows in card_sections(record, relations):
        lines.append(heading)
        lines += [f"    {name}: {value}" if name else f"    {value}" for name, value in rows]
    return "\n".join(lines)


def card_html(record: Record, relations: Sequence[str] = ()) -> str:
    """Return the same as HTML of elements without attributes, escaped; how they look is decided around them."""
    return "".join(
        f"<b>{escaped(heading)}</b>"
        + "".join(
            f"<i><u>{escaped(name)}</u><code>{escaped(value)}</code></i>" if name else f"<i>{escaped(value)}</i>"
            for name, value in rows
        )
        for heading, rows in card_sections(record, relations)
    )


def record_html(record: Record) -> str:
    """Return a record by itself, as a notebook shows it; plain ASCII."""
    shown = f'<div class="pytio-record"><style>{_STYLE}</style>{card_html(record)}</div>'
    return shown.encode("ascii", "xmlcharrefreplace").decode()


def _heading(record: Record) -> str:
    said = [f"record {record.number}", record.transport or "", record.direction.value if record.direction else ""]
    return ", ".join(part for part in said if part)


def _layer_heading(layer: Layer) -> str:
    facts = [f"{name} {_fact(name, value)}" for name, value in layer.facts.items() if name != "code"]
    code = f"({layer.facts['code']:#04x})" if "code" in layer.facts else ""
    return " ".join(part for part in (layer.name, *facts, layer.title or f"{len(layer.data)} bytes", code) if part)


def _fact(name: str, value: Any) -> str:
    return f"{value:08x}" if name == "session_id" else str(value)


def _rows(record: Record, layer: Layer) -> Iterator[tuple[str, str]]:
    """Yield the fields of a layer's message but for reserved ones."""
    if layer.message is None:
        return
    plain = layer.to_dict(carries_secrets=record.carries_secrets(layer))["fields"]
    for field in layer.message.FIELDS:
        if field.is_reserved or field.name not in plain:
            continue
        value = getattr(layer.message, field.name)
        if isinstance(value, WireStruct) and has_own_text(value) and not field.secret:
            yield field.name, str(value)
        else:
            yield from _named(field.name, plain[field.name])


def _named(name: str, value: Any) -> Iterator[tuple[str, str]]:
    """Yield a value of plain data with its name; of a structure, its fields."""
    if isinstance(value, Mapping) and not {"name", "set"} & value.keys():
        for inner, held in value.items():
            if not inner.startswith("reserved"):
                yield from _named(f"{name}.{inner}", held)
    elif isinstance(value, list) and value and isinstance(value[0], Mapping) and "name" not in value[0]:
        for position, held in enumerate(value[:_MOST_ELEMENTS]):
            yield from _named(f"{name}[{position}]", held)
        if len(value) > _MOST_ELEMENTS:
            yield name, f"{len(value)} elements"
    else:
        yield name, _brief(value)


def _brief(value: Any) -> str:
    if isinstance(value, Mapping):
        return str(value["name"]) if "name" in value else " | ".join(value["set"]) or "none"
    if isinstance(value, list):
        more = [f"… ({len(value)} elements)"] if len(value) > _MOST_ELEMENTS else []
        return ", ".join([*map(_brief, value[:_MOST_ELEMENTS]), *more]) or "none"
    if isinstance(value, str):  # bytes in hex, or how many secret ones there are
        size = len(value) // 2
        return value if size <= _MOST_BYTES or value.startswith("(") else f"{value[: 2 * _MOST_BYTES]}… ({size} bytes)"
    return str(value)

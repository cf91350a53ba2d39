"""Two configuration spaces side by side, register by register and field by field.

Structures are paired by what they are and, where there are several of a kind, by their order. This file knows no
layout.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

import attrs

from pytio.pci.dump import Function

__all__ = ("Difference", "Value", "compare", "fields_of")

Value: TypeAlias = int | str | None
"""A field's value: a number, a code's name, or bytes as hex; None where there is no such field."""


@attrs.frozen
class Difference:
    """A field that is not the same."""

    structure: str
    """The structure's name, with its number among several of a kind from the second on."""
    offset: int
    """Of the structure in the first space, or in the second where the first lacks it."""
    field: str
    """Path of the field in the structure; empty for the whole of it."""
    left: Value
    right: Value

    def __str__(self) -> str:
        """Return ``PCI_EXPRESS[40] device_control.max_payload_size: 0 -> 1``."""
        place = f"{self.structure}[{self.offset:x}]" + (f" {self.field}" if self.field else "")
        return f"{place}: {_shown(self.left)} -> {_shown(self.right)}"


def _shown(value: Value) -> str:
    return "absent" if value is None else str(value)


def compare(left: Function, right: Function) -> Iterator[Difference]:
    """Yield what differs, in the order of the first space."""
    ours, theirs = _structures(left), _structures(right)
    for name, (offset, fields) in ours.items():
        if name not in theirs:
            yield Difference(name, offset, "", "present", None)
            continue
        others = theirs[name][1]
        for path in [*fields, *(path for path in others if path not in fields)]:
            if fields.get(path) != others.get(path):
                yield Difference(name, offset, path, fields.get(path), others.get(path))
    for name, (offset, _) in theirs.items():
        if name not in ours:
            yield Difference(name, offset, "", None, "present")


def _structures(function: Function) -> dict[str, tuple[int, dict[str, Value]]]:
    plain = function.to_dict()
    seen: Counter[str] = Counter()
    found: dict[str, tuple[int, dict[str, Value]]] = {"HEADER": (0, dict(fields_of(plain["header"]["fields"])))}
    for each in plain["capabilities"]:
        name = each["name"]
        number = seen[name]
        seen[name] += 1
        fields = dict(fields_of(each["fields"]))
        found[f"{name} {number + 1}" if number else name] = (each["offset"], {"offset": each["offset"], **fields})
    for gap in plain["rest"]:
        found[f"REST {gap['offset']:#x}"] = (gap["offset"], {"data": gap["data"]})
    return found


def fields_of(plain: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Value]]:
    """Yield path and value of each field in plain data, however deep."""
    for name, value in plain.items():
        yield from _fields(f"{prefix}{name}", value)


def _fields(path: str, value: Any) -> Iterator[tuple[str, Value]]:
    if isinstance(value, Mapping):
        if value.keys() == {"value", "name"}:
            yield path, value["name"]
        else:
            yield from fields_of(value, f"{path}.")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _fields(f"{path}[{index}]", item)
    else:
        yield path, int(value) if isinstance(value, bool) else value

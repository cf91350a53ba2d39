"""A decoded function as text for people: its structures in order, what is set in each register, what is wrong.

This file knows no layout.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from pytio.ids import Bdf
from pytio.pci.dump import Function
from pytio.wire import WireStruct

__all__ = ("function_text",)

_IN_THE_TITLE: Final = frozenset({"capability_id", "capability_version", "next_pointer", "vendor_id", "device_id"})
_ONE_DIGIT: Final = 9


def function_text(bdf: Bdf, function: Function, *, verbose: bool = False) -> str:
    """Return the function as a tree; ``verbose`` shows every field, with its bytes."""
    header = function.header
    lines = [
        f"{bdf} {header.vendor_id:04x}:{header.device_id:04x} class {header.class_code:06x}, {function.size} bytes",
        *_structure("[000]", header.NAME, header, verbose=verbose),
    ]
    for found in function.capabilities:
        version = getattr(found.structure, "capability_version", None)
        title = found.name if version is None else f"{found.name} v{version}"
        lines += _structure(f"[{found.offset:03x}]", title, found.structure, verbose=verbose)
    lines += [f"  [{gap.offset:03x}] {gap.data.hex(' ')}" for gap in function.rest if verbose]
    lines += [f"  problem at {problem.offset:03x}: {problem.reason}" for problem in function.problems]
    return "\n".join(lines) + "\n\n"


def _structure(place: str, title: str, structure: WireStruct, *, verbose: bool) -> Iterator[str]:
    yield f"  {place} {title}"
    if verbose:
        yield from (f"      {line}" for line in structure.show().splitlines()[1:])
        return
    plain = {name: value for name, value in structure.to_dict().items() if name not in _IN_THE_TITLE}
    yield from _register("", plain, "      ")


def _register(name: str, plain: Mapping[str, Any], indent: str) -> Iterator[str]:
    """Yield a line of what is set here, and the registers inside below it."""
    here: list[str] = []
    inside: list[tuple[str, Mapping[str, Any]]] = []
    for field, value in plain.items():
        if _is_register(value):
            inside.append((field, value))
        elif isinstance(value, list) and value and all(map(_is_register, value)):
            inside += [(f"{field}[{index}]", item) for index, item in enumerate(value)]
        else:
            here += _set(field, value)
    if name:
        yield f"{indent}{name}: {' '.join(here) or '-'}"
        indent += "  "
    elif here:
        yield f"{indent}{' '.join(here)}"
    for field, register in inside:
        yield from _register(field, register, indent)


def _is_register(value: Any) -> bool:
    return isinstance(value, Mapping) and value.keys() != {"value", "name"}


def _set(field: str, value: Any) -> Iterator[str]:
    """Yield a field that is not zero: a bit by its name, others with their value."""
    if isinstance(value, Mapping):
        if value["value"]:
            yield f"{field}={value['name']}"
    elif isinstance(value, list):
        if any(value):
            yield f"{field}={','.join(map(_number, value))}"
    elif value is True:
        yield field
    elif isinstance(value, int) and value:
        yield f"{field}={_number(value)}"
    elif isinstance(value, str) and value.strip("0"):
        yield f"{field}={value}"


def _number(value: int) -> str:
    return str(value) if value <= _ONE_DIGIT else hex(value)

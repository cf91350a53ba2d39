"""From plain values, as JSON has them, to configuration objects: the types of the fields say what is meant.

Objects are given by their fields, members of enumerations and flags by name, bytes in hex. It knows no configuration.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum, IntFlag
from types import NoneType
from typing import Any, Final, TypeVar, cast, get_args, get_origin, get_type_hints

import attrs

from pytio.wire import WireStruct

__all__ = ("from_plain",)

T = TypeVar("T")


def from_plain(cls: type[T], value: Any) -> T:
    """Return the object of ``cls`` that a plain value means.

    Raises:
        ValueError: there is no such field or member, a field is missing, or a value is of another type.
    """
    return cast(T, _structure(cls, value, cls.__name__))


def _structure(wanted: Any, value: Any, path: str) -> Any:
    origin = get_origin(wanted)
    if origin in _CONTAINERS:
        return _CONTAINERS[origin](wanted, value, path)
    if origin is not None:  # a union: an object, or None
        kind = next(kind for kind in get_args(wanted) if kind is not NoneType)
        return None if value is None else _structure(kind, value, path)
    for base, convert in _KINDS.items():
        if issubclass(wanted, base):
            return convert(wanted, value, path)
    return _object(wanted, value, path) if attrs.has(wanted) else _scalar(wanted, value, path)


def _object(wanted: Any, value: Any, path: str) -> Any:
    fields = attrs.fields_dict(wanted)
    if not isinstance(value, Mapping) or value.keys() - fields.keys():
        unknown = sorted(value.keys() - fields.keys()) if isinstance(value, Mapping) else [value]
        raise ValueError(f"{path}: {unknown[0]!r} is no field of {wanted.__name__}")
    try:
        return wanted(**_fields(wanted, value, path))
    except TypeError as error:
        raise ValueError(f"{path}: {error}") from None


def _fields(wanted: Any, value: Mapping[str, Any], path: str) -> dict[str, Any]:
    """Return the values of fields; those of a register, all numbers and bits, are what they are."""
    if issubclass(wanted, WireStruct):
        return {name: _number(given, f"{path}.{name}") for name, given in value.items()}
    hints = get_type_hints(wanted)
    return {name: _structure(hints[name], given, f"{path}.{name}") for name, given in value.items()}


def _member(wanted: Any, value: Any, path: str) -> Any:
    try:
        return wanted[str(value).upper()]
    except KeyError:
        raise ValueError(f"{path}: {value!r} is no member of {wanted.__name__}") from None


def _flags(wanted: Any, value: Any, path: str) -> Any:
    flags = wanted(0)
    for name in _each(value, path):
        flags |= _member(wanted, name, path)
    return flags


def _bytes(wanted: Any, value: Any, path: str) -> bytes:
    try:
        return bytes.fromhex(value)
    except (TypeError, ValueError):
        raise ValueError(f"{path}: {value!r} is no hex text") from None


def _sequence(wanted: Any, value: Any, path: str) -> Any:
    kind = get_args(wanted)[0]
    made = (_structure(kind, one, f"{path}[{number}]") for number, one in enumerate(_each(value, path)))
    return get_origin(wanted)(made)


def _scalar(wanted: Any, value: Any, path: str) -> Any:
    is_bool_for_int = wanted is int and isinstance(value, bool)
    if not isinstance(value, wanted) or is_bool_for_int:
        raise ValueError(f"{path}: {value!r} is no {wanted.__name__}")
    return value


def _number(value: Any, path: str) -> int:
    if isinstance(value, int):
        return value
    raise ValueError(f"{path}: {value!r} is no number")


def _each(value: Any, path: str) -> list[Any]:
    if isinstance(value, list):
        return value
    raise ValueError(f"{path}: {value!r} is no list")


_Convert = Callable[[Any, Any, str], Any]
_CONTAINERS: Final[Mapping[Any, _Convert]] = {tuple: _sequence, frozenset: _sequence}
_KINDS: Final[Mapping[type, _Convert]] = {IntFlag: _flags, Enum: _member, bytes: _bytes}

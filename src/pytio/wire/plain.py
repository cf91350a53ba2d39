"""From plain data back to a message: the inverse of ``to_dict``, word by word."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from pytio.wire.expressions import Symbol
from pytio.wire.vocabulary import Array, Bits, Bytes, Code, Flags, Integer, Nested, OpenCode, Switch, WireType, Within

if TYPE_CHECKING:
    from pytio.wire.message import WireStruct

__all__ = ("from_plain",)

M = TypeVar("M", bound="WireStruct")


def from_plain(cls: type[M], plain: Mapping[str, Any]) -> M:
    """Return the message of ``cls`` that ``to_dict`` made ``plain`` of.

    Raises:
        ValueError: a value does not fit its field, or a field is unknown.
        KeyError: a field is missing that another one depends on.
        TypeError: a value is of another kind.
    """
    unknown = plain.keys() - {field.name for field in cls.FIELDS}
    if unknown:
        raise ValueError(f"{cls.__name__} has no {', '.join(sorted(unknown))}")
    values: dict[str, Any] = {}
    for field in cls.FIELDS:
        if field.constant is None and field.name in plain:
            values[field.name] = _value(field.type, plain[field.name], values)
    return cls(**values)


def _value(word: WireType[Any], plain: Any, values: Mapping[str, Any]) -> Any:
    match word:
        case Integer():
            return plain
        case Bits() if word.enum is None:
            return plain
        case Code() | OpenCode() | Flags() | Bits():
            return word.enum(plain["value"] if isinstance(plain, Mapping) else plain)  # type: ignore[misc]  # not None
        case Bytes():
            return bytes.fromhex(plain)
        case Nested():
            return from_plain(word.struct, plain)
        case Array():
            return tuple(_value(word.element, item, values) for item in plain)
        case Within():
            return _value(word.element, plain, values)
        case Switch():
            return _value(_arm(word, values), plain, values)
    raise TypeError(word)


def _arm(word: Switch, values: Mapping[str, Any]) -> WireType[Any]:
    def known(symbol: Symbol) -> int:
        return int(values[symbol.name])

    chosen = word.field.evaluate(known)
    arm = word.cases.get(chosen, word.default)
    if arm is None:
        raise ValueError(f"nothing is laid out for {chosen}")
    return arm

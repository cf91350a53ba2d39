"""What derived readers and writers look things up in; every table is bounded, since its keys come from the wire."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pytio.wire.derive import SurpriseError
from pytio.wire.enums import OpenEnum, WireFlag

if TYPE_CHECKING:
    from pytio.wire.message import WireStruct

__all__ = ("Counted", "OneByte", "members", "present", "twin")

V = TypeVar("V")

_MEMBERS: Final[dict[type, dict[int, Any]]] = {}
_TWINS: Final[dict[type, type[WireStruct]]] = {}
_UNKNOWN_KEPT: Final = 256  # values without a name, and array lengths, that one table keeps


class _OpenMembers(dict[int, Any]):
    """The members of an enumeration that has one for every value; keeps the first few that have no name."""

    def __init__(self, enum: type[OpenEnum | WireFlag], named: dict[int, Any]) -> None:
        super().__init__(named)
        self._enum = enum
        self._room = len(named) + _UNKNOWN_KEPT

    def __missing__(self, value: int) -> Any:
        member = self._enum(value)
        if len(self) < self._room:
            self[value] = member
        return member


def members(enum: type[Any]) -> dict[int, Any]:
    """Return the members of ``enum`` by value; without an entry, a value is a ``KeyError``, or is open."""
    table = _MEMBERS.get(enum)
    if table is None:
        named = {int(member): member for member in enum.__members__.values()}
        table = _OpenMembers(enum, named) if issubclass(enum, OpenEnum | WireFlag) else named
        _MEMBERS[enum] = table
    return table


class OneByte(dict[int, V]):
    """What each value of one byte means, made when it is first met, and shared: it is frozen."""

    def __init__(self, make: Callable[[int], V]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, value: int) -> V:
        made = self[value] = self._make(value)
        return made


class Counted(dict[int, Callable[..., Any]]):
    """``struct`` calls by the number of elements: ``counted[3]`` unpacks, or packs, three."""

    def __init__(self, order: str, code: str, method: str) -> None:
        super().__init__()
        self._order, self._code, self._method = order, code, method

    def __missing__(self, count: int) -> Callable[..., Any]:
        call: Callable[..., Any] = getattr(struct.Struct(f"{self._order}{count:d}{self._code}"), self._method)
        if len(self) < _UNKNOWN_KEPT:
            self[count] = call
        return call


def twin(cls: type[WireStruct]) -> type[WireStruct]:
    """Return a class of the same layout whose fields are simply assigned; an instance then becomes one of ``cls``.

    Calling a frozen class costs more than reading its bytes. ``instance.__class__ = cls`` makes a finished twin the
    real thing: frozen, equal and hashable as any other.
    """
    made = _TWINS.get(cls)
    if made is None:
        plain = {name: getattr(object, name) for name in ("__init__", "__setattr__", "__delattr__")}
        made = _TWINS[cls] = type(cls.__name__, (cls,), {"__slots__": (), "__doc__": cls.__doc__, **plain})
    return made


def present(value: V | None) -> V:
    """Return the value of a field that others depend on; its absence is a surprise."""
    if value is None:
        raise SurpriseError
    return value

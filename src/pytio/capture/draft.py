"""A record in the making: layers are added from the outside in, remarks as they come up."""

from __future__ import annotations

from typing import Any, Final

from pytio.capture.frames import Frame, LinkType, Problem
from pytio.capture.records import Check, Direction, Layer, Record
from pytio.errors import DecodeError
from pytio.wire import WireStruct
from pytio.wire.declaration import structures

__all__ = ("UNHEARD", "Draft", "Findings")


class Findings:
    """Layers, and what there is to say about them.

    Attributes:
        layers: the layers so far.
        notes: remarks.
        problems: bytes that did not decode.
    """

    __slots__ = ("layers", "notes", "problems")

    def __init__(self) -> None:
        """Start with nothing."""
        self.layers: list[Layer] = []
        self.notes: list[str] = []
        self.problems: list[Problem] = []

    def add(self, layer: Layer) -> None:
        """Add the next layer, and note reserved bits that are set in its message."""
        self.layers.append(layer)
        message = layer.message
        if message is not None:
            _note_reserved(message, message.NAME, self.notes)

    def fail(self, error: DecodeError, base: int) -> None:
        """Report bytes that did not decode; ``base`` is where the layer's bytes start."""
        self.problems.append(
            Problem(base + error.offset, f"{error.path}: {error.reason}" if error.path else error.reason)
        )


_PLANS: Final[dict[type[WireStruct], tuple[tuple[str, bool], ...]]] = {}
"""Of each message class: its fields that are reserved, or hold structures with such fields; and whether they are."""


def _plan(cls: type[WireStruct]) -> tuple[tuple[str, bool], ...]:
    plan = _PLANS.get(cls)
    if plan is None:
        plan = _PLANS[cls] = tuple(
            (field.name, field.is_reserved)
            for field in cls.FIELDS
            if field.is_reserved or any(_plan(inner) for inner in structures(field.type))
        )
    return plan


def _note_reserved(message: WireStruct, path: str, notes: list[str]) -> None:
    """Note reserved bits that are set in a message, or in the structures inside it."""
    for name, is_reserved in _plan(type(message)):
        value: Any = getattr(message, name)
        if not value:
            continue
        if isinstance(value, WireStruct):
            _note_reserved(value, f"{path}.{name}", notes)
        elif isinstance(value, tuple):
            for index, inner in enumerate(value):
                if isinstance(inner, WireStruct):
                    _note_reserved(inner, f"{path}.{name}[{index}]", notes)
        elif is_reserved and (not isinstance(value, bytes) or any(value)):
            shown = value.hex() if isinstance(value, bytes) else f"{value:#x}"
            notes.append(f"{path}.{name} is {shown}, though reserved")


_UNSEEN: Final = Frame(0, 0, LinkType.PCI_DOE, b"", 0)


class Draft(Findings):
    """What is known of a frame so far.

    Attributes:
        frame: the frame.
        transport: as in a record.
        direction: who sent it, if that is known.
        checks: what was verified.
    """

    __slots__ = ("checks", "direction", "frame", "transport")

    def __init__(self, frame: Frame = _UNSEEN) -> None:
        """Start with the frame; with none where only what is inside its message matters."""
        super().__init__()
        self.frame = frame
        self.transport: str | None = None
        self.direction: Direction | None = None
        self.checks: list[Check] = []

    def finish(self) -> Record:
        """Return the record."""
        frame = self.frame
        problems = (*([frame.problem] if frame.problem else []), *self.problems)
        return Record(
            number=frame.number,
            time_ns=frame.time_ns,
            interface=frame.interface,
            transport=self.transport,
            direction=self.direction,
            layers=tuple(self.layers),
            data=frame.data,
            notes=tuple(self.notes),
            problems=problems,
            checks=tuple(self.checks),
        )


class _Nowhere(list[Any]):
    """A list that stays empty, whatever is appended."""

    def append(self, _: Any) -> None:
        """Do nothing."""


UNHEARD: Final = Draft()
"""For what is found where only the conversation has to go on: nobody will look at layers or remarks."""
UNHEARD.direction = Direction.REQUEST
UNHEARD.layers, UNHEARD.notes, UNHEARD.problems, UNHEARD.checks = _Nowhere(), _Nowhere(), _Nowhere(), _Nowhere()

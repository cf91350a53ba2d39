"""A record in the making: layers are added from the outside in, remarks as they come up."""

from __future__ import annotations

from typing import Any

import attrs

from pytio.capture.frames import Frame, Problem
from pytio.capture.records import Check, Direction, Layer, Record
from pytio.errors import DecodeError
from pytio.wire import WireStruct

__all__ = ("Draft",)


@attrs.define
class Draft:
    """What is known of a frame so far."""

    frame: Frame
    transport: str | None = None
    direction: Direction | None = None
    layers: list[Layer] = attrs.field(factory=list)
    notes: list[str] = attrs.field(factory=list)
    problems: list[Problem] = attrs.field(factory=list)
    checks: list[Check] = attrs.field(factory=list)

    def add(self, layer: Layer) -> None:
        """Add the next layer, and note reserved bits that are set in its message."""
        self.layers.append(layer)
        if layer.message is not None:
            self._note_reserved(layer.message, layer.message.NAME)

    def _note_reserved(self, message: WireStruct, path: str) -> None:
        for field in message.FIELDS:
            value: Any = getattr(message, field.name)
            if field.is_reserved and value is not None and (any(value) if isinstance(value, bytes) else value):
                shown = value.hex() if isinstance(value, bytes) else f"{value:#x}"
                self.notes.append(f"{path}.{field.name} is {shown}, though reserved")
            for index, inner in enumerate(value if isinstance(value, tuple) else (value,)):
                if isinstance(inner, WireStruct):
                    place = f"[{index}]" if isinstance(value, tuple) else ""
                    self._note_reserved(inner, f"{path}.{field.name}{place}")

    def fail(self, error: DecodeError, base: int) -> None:
        """Report bytes that did not decode; ``base`` is where the layer's bytes start."""
        self.problems.append(
            Problem(base + error.offset, f"{error.path}: {error.reason}" if error.path else error.reason)
        )

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

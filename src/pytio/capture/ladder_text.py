"""A ladder in plain ASCII: all places share one pair of columns, and a letter before the arrow says which it is.

::

    record session        requester                                responder
        45                |-- SPDM 1.2 FINISH ---------------------------->|  signature_included req_slot_id=0
        47 [ffffffff]     |== IDE_KM QUERY ===============================>|  port_index=1

An arrow of ``=`` is a message in a session, one of ``.`` a record that no key opens.
"""

from __future__ import annotations

from typing import Final

from pytio.capture.ladder import Ladder, Lanes, Rung
from pytio.capture.render import printable

__all__ = ("ladder_text",)

_ARROW: Final = range(44, 61)
"""How many columns an arrow may have."""
_FIELDS: Final = 40
"""How many columns the fields should have beside it."""
_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_HEADS: Final = {0: ("", ">"), 1: ("<", ""), None: ("", "")}
"""What stands at the two ends of an arrow, by who sent it."""


def ladder_text(ladder: Ladder, width: int) -> str:
    """Return the ladder as text, ``width`` columns wide; less than its arrows need is not possible."""
    several = len(ladder.lanes) > 1
    before = len(_margin(None, "A" if several else ""))
    size = min(max(width - before - _FIELDS, _ARROW.start), _ARROW.stop - 1)
    lines = [f"{_letter(number)}: {_ends(lanes)}" for number, lanes in enumerate(ladder.lanes)] if several else []
    lines += [_cut(line, width) for line in _head(ladder.lanes, before, size)]
    for rung in ladder.rungs:
        letter = _letter(rung.lanes) if several and rung.lanes is not None else " " * several
        lines.append(_cut(f"{_margin(rung, letter)}{_arrow(rung, size)}{_beside(rung)}", width))
    return "\n".join(line.rstrip() for line in lines)


def _letter(number: int) -> str:
    return _LETTERS[number] if number < len(_LETTERS) else "+"


def _ends(lanes: Lanes) -> str:
    return printable(f"{lanes.title}, {lanes.names[0]} and {lanes.names[1]}")


def _head(lanes: tuple[Lanes, ...], before: int, size: int) -> list[str]:
    """Return the line with the names of the ends; those of several places are above it."""
    if len(lanes) != 1:
        return [f"{'record session':<{before}}"]
    left, right = map(printable, lanes[0].names)
    return [f"{'record session':<{before}}{left}{right:>{max(size + 2 - len(left), 0)}}"]


def _margin(rung: Rung | None, letter: str) -> str:
    number = "" if rung is None else str(rung.record.number)
    session = None if rung is None else rung.record.session_id
    shown = "" if session is None else f"[{session:08x}]"
    return f"{number:>6} {shown:<10}{' ' + letter if letter else ''} "


def _arrow(rung: Rung, size: int) -> str:
    """Return the arrow between the lanes, or a blank where there are none."""
    if rung.lanes is None:
        return f"|{'':{size}}|"
    stroke = "." if not rung.is_opened else "-" if rung.session is None else "="
    tail, head = _HEADS[rung.sender]
    room = size - len(tail) - len(head) - 2 * len(stroke) - 2
    name = printable(rung.name)
    shown = f" {_cut(name, room)} "
    rest = stroke * (size - len(tail) - len(head) - 2 - len(shown))
    line = f"{stroke * 2}{shown}{rest}" if rung.sender != 1 else f"{rest}{shown}{stroke * 2}"
    return f"|{tail}{line}{head}|"


def _beside(rung: Rung) -> str:
    """Return what stands at the right: fields, and what is wrong."""
    said = [rung.fields] if rung.lanes is not None else [rung.name, *rung.record.notes]
    said[:0] = [f"!! {alarm}" for alarm in rung.alarms]
    return "  " + printable("; ".join(part for part in said if part))


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: max(width - 3, 0)]}..."

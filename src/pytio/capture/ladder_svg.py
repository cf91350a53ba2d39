"""A ladder as SVG: lanes are vertical lines, messages arrows between them, sessions bands behind the arrows.

No script, no style sheet, no reference to anything outside or to an id, so that any number of images share a page, and
plain ASCII. Every text is escaped; names that a capture file brings along may say anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pytio.capture.ladder import Band, Ladder, Rung
from pytio.capture.record_card import card_text
from pytio.capture.render import escaped

__all__ = ("HEAD_HEIGHT", "RUNG_HEIGHT", "head", "ladder_svg", "rungs", "size_of")

RUNG_HEIGHT: Final = 26
"""Pixels from one rung to the next."""
HEAD_HEIGHT: Final = 58
"""Pixels above the first rung: where it is, and the names of the ends."""

_MARGIN: Final = 118  # left of everything: number and time
_REMARKS: Final = 190  # right of the last lane
_GAP: Final = 150  # between the lanes of two places: two halves of a name
_LANE_WIDTHS: Final = (530, 440, 360)  # by the number of places
_NUMBER_X: Final = 40
_TIME_X: Final = 112
_TEXT_Y: Final = 12
_ARROW_Y: Final = 18
_INDENT: Final = 12  # of a text from its lane
_LOCK: Final = 14  # pixels before the name of a message in a session
_NEST: Final = 7  # of a session inside another one
_DEEPEST: Final = 12
_LETTER: Final = 7.7  # pixels of an average letter of a name, in the widest of the fonts
_SMALL_LETTER: Final = 6.1  # pixels of a letter of the fixed-width font
_BAND_LABEL: Final = 108  # pixels of the label of a session
_NAME_LETTERS: Final = 24  # of an end
_NS_PER_S: Final = 1_000_000_000

_INK: Final = "#1e293b"
_QUIET: Final = "#64748b"
_RULE: Final = "#cbd5e1"
_ALARM: Final = "#b91c1c"
_CLEAR: Final = "#475569"
_SESSIONS: Final = ("#0f766e", "#4f46e5", "#b45309", "#be185d", "#0369a1", "#4d7c0f")
"""Colours of sessions, in turn."""
_SANS: Final = "font-family:ui-sans-serif,system-ui,'Segoe UI',Roboto,'Liberation Sans',Arial,sans-serif"
_MONO: Final = "font-family:ui-monospace,Consolas,'Liberation Mono',Menlo,monospace"


def ladder_svg(ladder: Ladder) -> str:
    """Return the whole ladder as one image, with a tooltip for each rung."""
    width, below = size_of(ladder)
    size = f'width="{width}" height="{HEAD_HEIGHT + below}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" style="{_SANS}">',
        f'<rect {size} fill="#ffffff"/>',
        *_head(ladder),
        f'<g transform="translate(0 {HEAD_HEIGHT})">',
        *_rungs(ladder, tooltips=True),
        "</g></svg>",
    ]
    return "".join(parts).encode("ascii", "xmlcharrefreplace").decode()


def size_of(ladder: Ladder) -> tuple[int, int]:
    """Return width and height of the rungs, in pixels."""
    _, right = _lanes_at(ladder, max(len(ladder.lanes) - 1, 0))
    beside = _REMARKS if any(map(_remarks, ladder.rungs)) else 0
    return right + max(beside, _half(ladder, -1, 1) + 7), max(len(ladder.rungs), 1) * RUNG_HEIGHT


def head(ladder: Ladder) -> str:
    """Return the names of places and ends as an image of their own."""
    width, _ = size_of(ladder)
    return f'<svg width="{width}" height="{HEAD_HEIGHT}" style="{_SANS}">{"".join(_head(ladder))}</svg>'


def rungs(ladder: Ladder) -> str:
    """Return the rungs as an image of their own, without tooltips."""
    width, height = size_of(ladder)
    drawn = "".join(_rungs(ladder, tooltips=False))
    return f'<svg width="{width}" height="{height}" role="img" style="{_SANS}">{drawn}</svg>'


def _lanes_at(ladder: Ladder, number: int) -> tuple[int, int]:
    """Return where two lanes are."""
    width = _LANE_WIDTHS[min(max(len(ladder.lanes), 1), len(_LANE_WIDTHS)) - 1]
    left = _MARGIN + _half(ladder, 0, 0) + number * (width + _GAP)
    return left, left + width


def _half(ladder: Ladder, number: int, side: int) -> int:
    """Return half the width of the name above a lane."""
    return _name_width(ladder.lanes[number].names[side]) // 2 if ladder.lanes else 0


def _name_width(name: str) -> int:
    return max(int(min(len(name), _NAME_LETTERS) * 6.8) + 20, 82)


def _colour(ladder: Ladder, rung: Rung) -> str:
    return _CLEAR if rung.session is None or not rung.is_opened else _SESSIONS[rung.session % len(_SESSIONS)]


def _text(at: tuple[float, float], said: str, style: str, anchor: str = "start") -> str:
    return f'<text x="{at[0]:g}" y="{at[1]:g}" text-anchor="{anchor}" style="{style}">{escaped(said)}</text>'


def _cut(text: str, letters: float) -> str:
    return text if len(text) <= letters else f"{text[: max(int(letters) - 1, 0)]}…"


# --- the head ------------------------------------------------------------------------------------------------------


def _head(ladder: Ladder) -> Iterator[str]:
    yield _text((_NUMBER_X, HEAD_HEIGHT - 10), "record", f"font-size:10.5px;fill:{_QUIET}", "end")
    yield _text((_TIME_X, HEAD_HEIGHT - 10), "seconds", f"font-size:10.5px;fill:{_QUIET}", "end")
    for number, lanes in enumerate(ladder.lanes):
        at = _lanes_at(ladder, number)
        title = _cut(lanes.title, (at[1] - at[0]) / _LETTER)
        yield _text(((at[0] + at[1]) / 2, 17), title, f"font-size:12px;font-weight:600;fill:{_QUIET}", "middle")
        for x, name in zip(at, lanes.names, strict=True):
            shown = _cut(name, _NAME_LETTERS)
            width = _name_width(name)
            yield (
                f'<rect x="{x - width / 2:g}" y="26" width="{width:g}" height="24" rx="6"'
                f' fill="#f1f5f9" stroke="{_RULE}"/>'
            )
            yield _text((x, 42), shown, f"font-size:12px;font-weight:600;fill:{_INK}", "middle")


# --- the rungs -----------------------------------------------------------------------------------------------------


def _rungs(ladder: Ladder, *, tooltips: bool) -> Iterator[str]:
    _, height = size_of(ladder)
    for number in range(len(ladder.lanes)):
        for x in _lanes_at(ladder, number):
            yield f'<path class="lane" d="M{x} 0V{height}" stroke="{_RULE}" stroke-width="1.5" fill="none"/>'
    for number, band in enumerate(ladder.bands):
        yield from _band(ladder, band, _SESSIONS[number % len(_SESSIONS)])
    labelled = {band.first for band in ladder.bands}
    start_ns = ladder.rungs[0].record.time_ns if ladder.rungs else 0
    for at, rung in enumerate(ladder.rungs):
        tooltip = f"<title>{_lines(card_text(rung.record, rung.relations))}</title>" if tooltips else ""
        yield f'<g class="rung" transform="translate(0 {at * RUNG_HEIGHT})">{tooltip}'
        if tooltips:  # which an area has only where it is painted
            yield f'<rect width="{size_of(ladder)[0]}" height="{RUNG_HEIGHT}" fill="#ffffff" fill-opacity="0"/>'
        yield _text((_NUMBER_X, _TEXT_Y + 4), str(rung.record.number), f"font-size:11px;fill:{_QUIET}", "end")
        seconds = f"{(rung.record.time_ns - start_ns) / _NS_PER_S:.6f}"
        yield _text((_TIME_X, _TEXT_Y + 4), seconds, f"font-size:10px;fill:{_QUIET};{_MONO}", "end")
        yield from _message(ladder, rung, room=_BAND_LABEL if at in labelled else 0)
        yield _remark(ladder, rung)
        yield "</g>"


def _lines(text: str) -> str:
    return "\n".join(map(escaped, text.splitlines()))


def _band(ladder: Ladder, band: Band, colour: str) -> Iterator[str]:
    left, right = _lanes_at(ladder, band.lanes)
    inset = min(band.depth, _DEEPEST) * _NEST
    y, height = band.first * RUNG_HEIGHT + 1, (band.last - band.first + 1) * RUNG_HEIGHT - 2
    yield (
        f'<rect class="session" x="{left + inset}" y="{y}" width="{right - left - 2 * inset}" height="{height}" rx="5"'
        f' fill="{colour}" fill-opacity="0.055" stroke="{colour}" stroke-opacity="0.4"/>'
    )
    style = f"font-size:10px;font-weight:600;fill:{colour};{_MONO}"
    label = f"session {band.session_id:08x}"
    if ladder.rungs[band.first].sender == 1:
        yield _text((left + inset + _INDENT, y + _TEXT_Y - 1), label, style)
    else:
        yield _text((right - inset - _INDENT, y + _TEXT_Y - 1), label, style, "end")


def _message(ladder: Ladder, rung: Rung, room: int) -> Iterator[str]:
    """Yield arrow and label; ``room`` pixels are left to the label of a session."""
    if rung.lanes is None:
        said = _cut("; ".join((rung.name, *rung.record.notes)), 120)
        yield _text((_lanes_at(ladder, 0)[0] + _INDENT, _TEXT_Y + 4), said, f"font-size:11px;fill:{_QUIET}")
        return
    left, right = _lanes_at(ladder, rung.lanes)
    colour = _colour(ladder, rung)
    yield _arrow(left, right, rung, colour)
    lock = rung.session is not None
    space = right - left - 2 * _INDENT - _LOCK * lock - room
    name = _cut(rung.name, space / _LETTER)
    fields = _cut(rung.fields, (space - len(name) * _LETTER) / _SMALL_LETTER - 1)
    ink = _ALARM if rung.is_refusal else _INK if rung.is_opened else _QUIET
    label = (
        f'<tspan style="font-weight:600;fill:{ink}">{escaped(name)}</tspan>'
        f'<tspan dx="7" style="font-size:10px;fill:{_QUIET};{_MONO}">{escaped(fields)}</tspan>'
    )
    if rung.sender == 1:
        x = right - _INDENT - (_LOCK if lock else 0)
        yield f'<text x="{x}" y="{_TEXT_Y}" text-anchor="end" style="font-size:11.5px">{label}</text>'
        yield _lock(right - _INDENT - _LOCK + 5, colour) if lock else ""
    else:
        x = left + _INDENT + (_LOCK if lock else 0)
        yield f'<text x="{x}" y="{_TEXT_Y}" style="font-size:11.5px">{label}</text>'
        yield _lock(left + _INDENT, colour) if lock else ""


def _arrow(left: int, right: int, rung: Rung, colour: str) -> str:
    dash = "" if rung.is_opened and not rung.is_unanswered else ' stroke-dasharray="5 4"'
    width = 1.9 if rung.session is not None and rung.is_opened else 1.3
    start, end = (left + 1, right - 1) if rung.sender != 1 else (right - 1, left + 1)
    line = f'<path class="arrow" d="M{start} {_ARROW_Y}H{end}" stroke="{colour}" stroke-width="{width}"{dash}/>'
    if rung.sender is None:
        return line
    back = end - 9 if end > start else end + 9
    return f'{line}<path d="M{end} {_ARROW_Y}L{back} {_ARROW_Y - 4}V{_ARROW_Y + 4}Z" fill="{colour}"/>'


def _lock(x: int, colour: str) -> str:
    """Return a padlock: what it stands beside travelled in a session."""
    return (
        f'<path class="lock" d="M{x} 7.5h9v5.5h-9z" fill="{colour}"/>'
        f'<path d="M{x + 2} 7.5v-2a2.5 2.5 0 0 1 5 0v2" fill="none" stroke="{colour}" stroke-width="1.4"/>'
    )


def _remark(ladder: Ladder, rung: Rung) -> str:
    """Return what is wrong with a record, or strange, at the right of all lanes."""
    said = _remarks(rung)
    if not said:
        return ""
    style = f"font-size:10.5px;fill:{_ALARM if rung.alarms else _QUIET}"
    x = _lanes_at(ladder, max(len(ladder.lanes) - 1, 0))[1] + _INDENT + 2
    return _text((x, _ARROW_Y + 3), _cut("; ".join(said), (_REMARKS - _INDENT) / 5.6), style)


def _remarks(rung: Rung) -> list[str]:
    return rung.alarms or ([] if rung.lanes is None else list(rung.record.notes))

"""Sphinx directive: a picture of a state machine, drawn from the table that the code runs on.

``state-diagram MODULE``: the states of ``MODULE.TRANSITIONS`` in a row, and an arrow from one to another where
something leads there. Who rests the pointer on an arrow reads all that does. What stays in its state, and what is
refused, is in the table and not in the picture.
"""

from __future__ import annotations

import importlib
from collections import defaultdict
from enum import Enum
from html import escape
from typing import Final

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

_BOX_WIDTH: Final = 150
_BOX_HEIGHT: Final = 34
_GAP: Final = 110
_STEP: Final = 36
"""How much higher an arrow goes for each state that it passes."""
_MARGIN: Final = 20
_SHOWN: Final = 1
"""Causes that are written at an arrow; the others are counted."""

Arrow = tuple[int, int, list[Enum]]


def svg(transitions: dict[tuple[Enum, Enum], Enum]) -> str:
    """Return the picture: states from left to right, ways forward above them, ways back below."""
    kind = type(next(iter(transitions))[0])
    states = list(kind)
    ways: dict[tuple[int, int], list[Enum]] = defaultdict(list)
    for (before, cause), after in transitions.items():
        if isinstance(after, kind) and after is not before:
            ways[states.index(before), states.index(after)].append(cause)
    arrows = [(start, end, causes) for (start, end), causes in ways.items()]
    above = _height([end - start for start, end, _ in arrows if end > start])
    below = _height([start - end for start, end, _ in arrows if end < start])
    width = 2 * _MARGIN + len(states) * (_BOX_WIDTH + _GAP) - _GAP
    height = above + _BOX_HEIGHT + below
    parts = [_arrow(arrow, above) for arrow in arrows] + [_box(at, state, above) for at, state in enumerate(states)]
    return (
        f'<svg viewBox="0 0 {width} {height}" width="100%" role="img" font-family="sans-serif" font-size="11">'
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0L8 4L0 8z" fill="currentColor"/></marker></defs>' + "".join(parts) + "</svg>"
    )


def _height(spans: list[int]) -> int:
    return _MARGIN + _STEP * max(spans, default=0)


def _left(at: int) -> int:
    return _MARGIN + at * (_BOX_WIDTH + _GAP)


def _box(at: int, state: Enum, top: int) -> str:
    centre = _left(at) + _BOX_WIDTH // 2
    return (
        f'<rect x="{_left(at)}" y="{top}" width="{_BOX_WIDTH}" height="{_BOX_HEIGHT}" rx="6" fill="none" '
        f'stroke="currentColor"/><text x="{centre}" y="{top + _BOX_HEIGHT // 2 + 4}" text-anchor="middle" '
        f'fill="currentColor">{escape(state.name)}</text>'
    )


def _arrow(arrow: Arrow, top: int) -> str:
    start, end, causes = arrow
    is_forward = end > start
    span = abs(end - start)
    # The further an arrow goes, the nearer to the middle of its box it begins and the higher it bends.
    offset = _BOX_WIDTH // 2 - 12 * min(span, 5)
    begin = _left(start) + _BOX_WIDTH // 2 + (offset if is_forward else -offset)
    finish = _left(end) + _BOX_WIDTH // 2 + (-offset if is_forward else offset)
    edge = top if is_forward else top + _BOX_HEIGHT
    bend = edge + (-1 if is_forward else 1) * (_STEP * span - 6)
    label_at = edge + (bend - edge) * 3 // 4 + (-4 if is_forward else 12)
    title = "\n".join(_words(cause) for cause in causes)
    return (
        f'<g><title>{escape(title)}</title><path d="M{begin} {edge}C{begin} {bend} {finish} {bend} {finish} {edge}" '
        f'fill="none" stroke="currentColor" stroke-opacity="0.6" marker-end="url(#tip)"/>'
        f'<text x="{(begin + finish) // 2}" y="{label_at}" text-anchor="middle" fill="currentColor">'
        f"{escape(_label(causes))}</text></g>"
    )


def _words(cause: Enum) -> str:
    return f"{cause.name}: {cause.value}" if isinstance(cause.value, str) else cause.name


def _label(causes: list[Enum]) -> str:
    shown = ", ".join(cause.name for cause in causes[:_SHOWN])
    return shown if len(causes) <= _SHOWN else f"{shown} +{len(causes) - _SHOWN}"


class StateDiagram(SphinxDirective):
    """One picture from ``MODULE.TRANSITIONS``: (state, cause) to state, or to the status that refuses it."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Render the picture."""
        return [nodes.raw("", svg(importlib.import_module(self.arguments[0]).TRANSITIONS), format="html")]


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("state-diagram", StateDiagram)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

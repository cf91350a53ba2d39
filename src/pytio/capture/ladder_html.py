"""A ladder as static HTML for notebooks: the picture of `ladder_svg`, and the fields of the message under the pointer.

No script: a card for each rung lies over the picture, and shows while the pointer rests on its rung; where the browser
knows anchors it stays inside the window. The head stays in sight while the rungs scroll. All of it is ASCII, so that a
file of it needs no word about its encoding.
"""

from __future__ import annotations

from typing import Final

from pytio.capture.ladder import MOST_RUNGS, Ladder, Rung
from pytio.capture.ladder_svg import HEAD_HEIGHT, RUNG_HEIGHT, head, rungs, size_of
from pytio.capture.record_card import card_html

__all__ = ("ladder_html",)

_CARD_HEIGHT: Final = 340  # of the highest card, about

_STYLE: Final = """
.pytio-ladder { max-height: 680px; width: fit-content; max-width: 100%; overflow: auto;
  border: 1px solid #cbd5e1; border-radius: 8px; background: #fff; color: #1e293b;
  font: 11.5px/1.45 ui-sans-serif, system-ui, "Segoe UI", Roboto, "Liberation Sans", Arial, sans-serif }
.pytio-ladder svg { display: block; max-width: none }
.pytio-ladder .pytio-head { position: sticky; top: 0; z-index: 3; height: var(--head); width: max-content;
  min-width: 100%; background: #fff; box-shadow: 0 1px #e2e8f0 }
.pytio-ladder .pytio-rungs { position: relative; width: max-content; min-width: 100% }
.pytio-ladder .pytio-hit { position: absolute; left: 0; right: 0; height: var(--rung) }
.pytio-ladder .pytio-hit:hover { background: rgba(59, 130, 246, .1); anchor-name: --pytio-rung }
.pytio-ladder .pytio-card { display: none; position: absolute; left: 124px; top: var(--rung); z-index: 5;
  width: max-content; max-width: 620px; padding: 9px 13px; border-radius: 8px; pointer-events: none;
  background: #0f172a; color: #e2e8f0; box-shadow: 0 6px 22px rgba(15, 23, 42, .35);
  text-align: left; overflow-wrap: anywhere }
.pytio-ladder .pytio-above .pytio-card { top: auto; bottom: var(--rung) }
.pytio-ladder .pytio-hit:hover .pytio-card { display: block }
@supports (position-try-fallbacks: flip-block) {
  .pytio-ladder .pytio-hit .pytio-card { position: fixed; inset: auto; position-anchor: --pytio-rung;
    top: anchor(bottom); left: calc(anchor(left) + 124px); position-try-fallbacks: flip-block } }
.pytio-ladder .pytio-card b { display: block; margin-top: 5px; color: #7dd3fc; font-weight: 600 }
.pytio-ladder .pytio-card b:first-child { margin-top: 0; color: #fff }
.pytio-ladder .pytio-card i { display: block; font-style: normal; padding-left: 12px; text-indent: -4px }
.pytio-ladder .pytio-card u { text-decoration: none; color: #94a3b8; margin-right: 7px }
.pytio-ladder .pytio-card code { background: none; border: 0; padding: 0; color: inherit;
  font: 10.5px ui-monospace, Consolas, "Liberation Mono", Menlo, monospace }
.pytio-ladder .pytio-more { margin: 0; padding: 8px 14px; color: #64748b }
"""


def ladder_html(ladder: Ladder) -> str:
    """Return the ladder as HTML, of the first `MOST_RUNGS` records."""
    shown = ladder if len(ladder.rungs) <= MOST_RUNGS else ladder.first(MOST_RUNGS)
    width, _ = size_of(shown)
    hidden = len(ladder.rungs) - len(shown.rungs)
    more = f'<p class="pytio-more">{hidden} more records are not shown: pick some with start and stop.</p>'
    parts = [
        f'<div class="pytio-ladder" style="--rung:{RUNG_HEIGHT}px;--head:{HEAD_HEIGHT}px"><style>{_STYLE}</style>',
        f'<div class="pytio-head">{head(shown)}</div>',
        f'<div class="pytio-rungs" style="min-width:{width}px">{rungs(shown)}',
        *(_hit(at, rung, len(shown.rungs)) for at, rung in enumerate(shown.rungs)),
        f"</div>{more if hidden else ''}</div>",
    ]
    return "".join(parts).encode("ascii", "xmlcharrefreplace").decode()


def _hit(at: int, rung: Rung, count: int) -> str:
    """Return the area of a rung, with its card below it, or above it where there is more room."""
    room_below, room_above = (count - at - 1) * RUNG_HEIGHT, at * RUNG_HEIGHT
    above = " pytio-above" if room_below < min(_CARD_HEIGHT, room_above) else ""
    card = card_html(rung.record, rung.relations)
    return f'<div class="pytio-hit{above}" style="top:{at * RUNG_HEIGHT}px"><div class="pytio-card">{card}</div></div>'

"""The ladder's HTML in a real browser: it is drawn where it should be, shows fields under the pointer, runs nothing."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pytio.capture import Ladder
from tests.capture.browser import Page, opened_page
from tests.capture.recorded import records
from tests.capture.test_ladder import HOSTILE, hostile_records

LADDER = Ladder(records("s01-doe12-p384-full")[:120])
VISIBLE_CARDS = "[...document.querySelectorAll('.pytio-card')].filter(card => card.checkVisibility())"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """Return a page with a ladder of a recorded session, and a second one as a notebook may have it."""
    other = Ladder(records("s02-mctp10-rsa3072-onebyone")[:9])
    html = f"<!doctype html><title>ladder</title>{LADDER.to_html()}<hr>{other.to_html()}"
    with opened_page(html, tmp_path_factory.mktemp("browser")) as opened:
        yield opened


def box(page: Page, expression: str) -> dict[str, float]:
    """Return where an element is in the window."""
    found: dict[str, float] = page.evaluate(f"({expression}).getBoundingClientRect().toJSON()")
    return found


def test_it_renders_without_an_error(page: Page) -> None:
    assert page.evaluate("document.title") == "ladder"
    assert page.alarms == [], "neither an error, nor a request for anything else"
    assert page.evaluate("document.scripts.length") == 0


def test_arrows_reach_from_lane_to_lane(page: Page) -> None:
    lanes = [box(page, f"document.querySelectorAll('.lane')[{number}]") for number in (0, 1)]
    arrows = page.evaluate(
        "[...document.querySelector('.pytio-ladder').querySelectorAll('.arrow')]"
        ".map(arrow => arrow.getBoundingClientRect().toJSON())"
    )
    assert len(arrows) == len(LADDER.rungs)
    for arrow in arrows:
        assert abs(arrow["left"] - lanes[0]["left"]) < 3
        assert abs(arrow["right"] - lanes[1]["right"]) < 3
    assert lanes[0]["height"] > arrows[-1]["bottom"] - arrows[0]["top"], "the lanes are as long as the ladder"
    assert lanes[1]["left"] - lanes[0]["left"] > 300


def test_names_are_drawn_inside_their_lanes(page: Page) -> None:
    """Whatever font the browser has, a label does not run over the lanes by more than a letter or two."""
    lanes = [box(page, f"document.querySelectorAll('.lane')[{number}]") for number in (0, 1)]
    labels = page.evaluate(
        "[...document.querySelector('.pytio-ladder').querySelectorAll('.rung text:has(tspan)')]"
        ".map(label => label.getBoundingClientRect().toJSON())"
    )
    assert len(labels) == len(LADDER.rungs)
    assert min(label["width"] for label in labels) > 50
    assert min(label["left"] for label in labels) > lanes[0]["left"] - 16
    assert max(label["right"] for label in labels) < lanes[1]["right"] + 16


def test_the_pointer_shows_the_fields_of_one_message(page: Page) -> None:
    page.point_at(1, 1)
    assert page.evaluate(f"{VISIBLE_CARDS}.length") == 0
    rung = box(page, "document.querySelectorAll('.pytio-hit')[8]")
    page.point_at(rung["left"] + 300, rung["top"] + 10)
    assert page.evaluate(f"{VISIBLE_CARDS}.length") == 1
    said = page.evaluate(f"{VISIBLE_CARDS}[0].innerText")
    assert "GET_CAPABILITIES: answered by 10" in said
    assert "data_transfer_size" in said
    shown = box(page, f"{VISIBLE_CARDS}[0]")
    assert (shown["width"] > 200, shown["height"] > 100) == (True, True)


@pytest.mark.parametrize("place", [0.02, 0.5, 0.98])
def test_a_card_stays_in_the_window(page: Page, place: float) -> None:
    """Wherever the ladder is scrolled to, and wherever the pointer is, the card can be read."""
    page.evaluate("document.querySelector('.pytio-ladder').scrollTop = 1234")
    head, whole = (
        box(page, "document.querySelector('.pytio-head')"),
        box(page, "document.querySelector('.pytio-ladder')"),
    )
    page.point_at(whole["left"] + 250, head["bottom"] + place * (whole["bottom"] - head["bottom"]))
    card = box(page, f"{VISIBLE_CARDS}[0]")
    assert card["top"] >= 0
    assert card["bottom"] <= page.evaluate("innerHeight")


def test_the_head_stays_while_rungs_scroll(page: Page) -> None:
    page.evaluate("document.querySelector('.pytio-ladder').scrollTop = 0")
    before = box(page, "document.querySelector('.pytio-head')")
    page.evaluate("document.querySelector('.pytio-ladder').scrollTop = 900")
    assert box(page, "document.querySelector('.pytio-head')") == before
    assert box(page, "document.querySelectorAll('.pytio-hit')[0]")["top"] < 0


def test_the_screen_shows_the_colours_of_sessions(page: Page) -> None:
    page.evaluate("document.querySelector('.pytio-ladder').scrollTop = 1400")
    page.point_at(1, 1)
    colours = pixels(page.screenshot(width=400, height=400))
    assert (255, 255, 255) in colours
    assert (0x0F, 0x76, 0x6E) in colours, "the arrows of the first session"
    assert len(colours) > 50, "letters are smooth"


def pixels(png: bytes) -> set[tuple[int, ...]]:
    """Return the colours of a PNG file of 8 bits per channel, in rows that were filtered."""
    width, height, depth, kind = struct.unpack_from(">IIBB", png, 16)
    assert (depth, kind in (2, 6)) == (8, True)
    size, at, packed = (4 if kind == 6 else 3), 8, b""
    while at < len(png):
        (length,) = struct.unpack_from(">I", png, at)
        packed += png[at + 8 : at + 8 + length] if png[at + 4 : at + 8] == b"IDAT" else b""
        at += length + 12
    raw, step = zlib.decompress(packed), width * size
    above, found = bytearray(step), set()
    for row in range(height):
        line = bytearray(raw[row * (step + 1) + 1 : (row + 1) * (step + 1)])
        unfilter(raw[row * (step + 1)], line, above, size)
        found |= {tuple(line[x : x + 3]) for x in range(0, step, size)}
        above = line
    return found


def unfilter(kind: int, line: bytearray, above: bytearray, size: int) -> None:
    """Undo a row's filter (PNG specification, 9)."""
    for x in range(len(line) if kind else 0):
        left, up = (line[x - size] if x >= size else 0), above[x]
        corner = above[x - size] if x >= size else 0
        nearest = min((left, up, corner), key=lambda value: abs(left + up - corner - value))
        line[x] = (line[x] + (0, left, up, (left + up) // 2, nearest)[kind]) & 0xFF


def test_hostile_names_are_only_shown(tmp_path: Path) -> None:
    html = "<!doctype html><title>ladder</title>" + Ladder(hostile_records(tmp_path)).to_html()
    with opened_page(html, tmp_path) as page:
        assert page.alarms == []
        assert page.evaluate("document.title") == "ladder"
        assert page.evaluate("document.scripts.length + document.images.length") == 0
        assert HOSTILE[:40] in page.evaluate("document.body.textContent")


@pytest.mark.parametrize(
    ("mistake", "told"),
    [
        ("<script>no_such_name()</script>", "Uncaught"),
        ("<script>console.warn('x')</script>", "console.warning"),
        ("<img src='nowhere.png'>", "nowhere.png"),
    ],
)
def test_the_browser_notices(mistake: str, told: str, tmp_path: Path) -> None:
    """What the other tests rely on: a page that does something wrong is found out."""
    with opened_page(f"<!doctype html>{mistake}", tmp_path) as page:
        alarms: list[Any] = page.alarms
        assert [alarm for alarm in alarms if told in alarm]

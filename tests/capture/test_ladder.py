"""Ladders: lanes, rungs and sessions of recorded and made traffic; nothing secret in them, and nothing that acts."""

from __future__ import annotations

import random
from pathlib import Path
from xml.etree import ElementTree as ET

import attrs
import pytest

from pytio.capture import Ladder, LinkType, PcapngWriter, Record, open_capture
from pytio.capture.keylog import KeyLog
from pytio.capture.ladder import MOST_RUNGS, Band, Lanes
from tests.capture.network import Talk, linked, platform
from tests.capture.recorded import RECORDED, opened, path, records
from tests.capture.test_keylog import interleaved
from tests.capture.test_sessions import needles

ALL = [*RECORDED, "s09-tcp12-loopback"]
SVG = "{http://www.w3.org/2000/svg}"
FULL = "s01-doe12-p384-full"
HOSTILE = "<script>document.title='owned'</script>\"'&<img src=x onerror=alert(1)>\x1b[2J\x00\u202e"


def ladder(name: str) -> Ladder:
    """Return the ladder of a recorded session."""
    return Ladder(records(name) if name in RECORDED else opened(name))


def drawn(ladder: Ladder) -> list[ET.Element]:
    """Return the rungs of the image, which has to be well-formed."""
    return [group for group in ET.fromstring(ladder.to_svg()).iter(f"{SVG}g") if group.get("class") == "rung"]


# --- what is in it -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ALL)
def test_every_record_has_a_rung_in_every_form(name: str) -> None:
    found = ladder(name)
    assert [rung.record.number for rung in found.rungs] == list(range(1, len(found.rungs) + 1))
    assert len(drawn(found)) == found.to_html().count('class="pytio-hit') == len(found.rungs)
    assert len(found.to_text(width=100).splitlines()) == len(found.rungs) + 1
    for rung, group in zip(found.rungs, drawn(found), strict=True):
        assert rung.name[:60] in "".join(group.itertext()), "the image names each message"


@pytest.mark.parametrize("name", ALL)
def test_a_session_reaches_from_its_first_message_to_its_last_record(name: str) -> None:
    """Compare the bands with what the records say: who starts a session, and which records are in it."""
    found = ladder(name)
    starts = [rung.record.number for rung in found.rungs if rung.name.endswith(("KEY_EXCHANGE", "PSK_EXCHANGE"))]
    assert [found.rungs[band.first].record.number for band in found.bands] == starts
    for number, band in enumerate(found.bands):
        inside = [at for at, rung in enumerate(found.rungs) if rung.session == number]
        assert {found.rungs[at].record.session_id for at in inside} <= {band.session_id}
        assert inside[-1] == band.last
        assert min(inside) > band.first
    secured = [rung for rung in found.rungs if rung.record.session_id is not None]
    assert all(rung.session is not None for rung in secured)


def test_a_handshake_in_the_clear_is_part_of_its_session() -> None:
    found = opened("s09-tcp12-loopback").ladder(50, 60)
    assert [(band.first, found.rungs[band.last].name) for band in found.bands] == [(0, "SPDM 1.2 FINISH_RSP")]


def test_names_of_ends_have_room() -> None:
    image = ET.fromstring(ladder("s09-tcp12-loopback").to_svg())
    boxes = [rect for rect in image.iter(f"{SVG}rect") if rect.get("height") == "24"]
    edges = [(float(rect.get("x", "")), float(rect.get("x", "")) + float(rect.get("width", ""))) for rect in boxes]
    assert edges[0][0] > 112, "right of the times"
    assert edges[1][1] < float(image.get("width", ""))


def test_a_session_inside_another_one_is_drawn_inside() -> None:
    depths = [(band.session_id, band.depth) for band in ladder(FULL).bands]
    assert depths == [(0xFFFFFFFF, 0), (0xFFFEFFFE, 1), (0xFFFFFFFF, 0), (0xFFFFFFFF, 0)]
    image = ET.fromstring(ladder(FULL).to_svg())
    drawn_as = [rect for rect in image.iter(f"{SVG}rect") if rect.get("class") == "session"]
    left = [int(rect.get("x", "")) for rect in drawn_as]
    assert left[1] > left[0] == left[2]


def test_lanes_are_named_after_the_ends() -> None:
    assert ladder(FULL).lanes == (Lanes("DOE mailbox", ("requester", "responder")),)
    assert ladder("s09-tcp12-loopback").lanes == (Lanes("TCP connection", ("127.0.0.1:49744", "127.0.0.1:42091")),)
    assert [rung.sender for rung in ladder("s09-tcp12-loopback").rungs] == [0, 1] * 35


def test_connections_that_interleave_have_lanes_of_their_own(tmp_path: Path) -> None:
    names = [FULL, "s03-mctp11-p256-aes128"]
    log = KeyLog(entry for name in names for entry in opened(name).key_log())
    order = interleaved(tmp_path / "file.pcapng", names)
    found = open_capture(tmp_path / "file.pcapng", secrets=log).ladder()
    titles = {f"doe:{name}": name for name in names}
    assert [titles[found.lanes[rung.lanes or 0].title] for rung in found.rungs] == [name for name, _ in order]
    assert len(found.bands) == 4 + 3
    text = found.to_text(width=100)
    assert "A: doe:" in text
    assert "B: doe:" in text


def test_the_picture_of_a_part_is_cut_out_of_the_whole() -> None:
    trace = opened(FULL)
    part = trace.ladder(46, 81)
    assert [rung.record.number for rung in part.rungs] == list(range(47, 82))
    assert part.bands == (Band(0xFFFFFFFF, 0, 0, 34),)
    assert not part.rungs[-1].is_unanswered, "its answer is only not in the part"
    assert len(trace.ladder(380, 1000).rungs) == 8
    with pytest.raises(ValueError, match="islice"):
        trace.ladder(-1)


def test_what_is_secured_is_marked() -> None:
    for rung, group in zip(ladder(FULL).rungs, drawn(ladder(FULL)), strict=True):
        locks = [shape for shape in group.iter(f"{SVG}path") if shape.get("class") == "lock"]
        assert len(locks) == (rung.record.session_id is not None)
    lines = ladder(FULL).to_text(width=100).splitlines()[1:]
    assert [("==" in line) for line in lines] == [record.session_id is not None for record in records(FULL)]


def test_records_that_no_key_opens_are_drawn_as_such() -> None:
    found = open_capture(path("s08-doe12-psk-only")).ladder()
    closed = [rung for rung in found.rungs if not rung.is_opened]
    assert len(closed) == 122
    assert {rung.sender for rung in closed} == {None}
    assert {rung.name.split(",")[0] for rung in closed} == {"encrypted"}
    dashed = [group for group in drawn(found) if any(shape.get("stroke-dasharray") for shape in group)]
    assert len(dashed) == 122
    assert found.to_text(width=100).count("|.. encrypted, ") == 122


def test_a_request_without_an_answer_says_so() -> None:
    kept = [record for record in records("s03-mctp11-p256-aes128") if record.number != 6]
    found = Ladder(kept)
    assert [rung.record.number for rung in found.rungs if rung.is_unanswered] == [5]
    assert "!! no response" in found.to_text(width=100).splitlines()[5]
    assert "no response" in "".join(drawn(found)[4].itertext())


def test_a_signature_that_does_not_hold_is_marked(tmp_path: Path) -> None:
    signature = records(FULL)[19].layers[-1].data[-8:]
    file = tmp_path / "file.pcap"
    file.write_bytes(path(FULL).read_bytes().replace(signature, bytes(8)))
    found = open_capture(file, verify=True).ladder(0, 24)
    alarms = {rung.record.number: rung.alarms for rung in found.rungs if rung.alarms}
    assert alarms == {20: ["CHALLENGE_AUTH signature does not hold"]}
    assert "!! CHALLENGE_AUTH signature does not hold" in found.to_text(width=160)
    assert "CHALLENGE_AUTH signature" in found.to_svg()


def test_errors_are_marked() -> None:
    found = ladder("s02-mctp10-rsa3072-onebyone")
    refused = [rung for rung in found.rungs if rung.is_refusal]
    assert len(refused) > 200
    assert {rung.name for rung in refused} == {"SPDM 1.0 ERROR"}


def test_the_card_of_a_message_has_its_fields_and_says_what_it_answers() -> None:
    title = drawn(ladder(FULL))[79].find(f"{SVG}title")
    assert title is not None
    assert (title.text or "").splitlines() == [
        "record 80, pci-doe, response",
        "    LOCK_INTERFACE_RESPONSE: answers 79",
        "doe DATA_OBJECT",
        "secured session_id ffffffff decrypted True 84 bytes",
        "spdm version 1.2 VENDOR_DEFINED_RESPONSE (0x7e)",
        "tdisp LOCK_INTERFACE_RESPONSE (0x03)",
        "    version: V1_0",
        "    interface_id: 0000:be:1d.7",
        "    nonce: 0c59ef27eeb725f4d9613a808e6fe608… (32 bytes)",
    ]


def test_a_notebook_shows_a_record_by_its_layers() -> None:
    html = records(FULL)[78]._repr_html_()
    for said in ("record 79, pci-doe, request", "tdisp LOCK_INTERFACE_REQUEST (0x83)", "<u>flags</u>", "0000:be:1d.7"):
        assert said in html
    assert html.isascii()


# --- forms ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [20, 80, 100, 120, 500])
@pytest.mark.parametrize("name", [FULL, "s05-mctp12-chunk"])
def test_text_fits_the_terminal(name: str, width: int) -> None:
    text = ladder(name).to_text(width=width)
    assert text.isascii()
    assert max(map(len, text.splitlines())) <= width
    if width >= 80:
        assert len({line.index("|", line.index("|") + 1) for line in text.splitlines()[1:]}) == 1, "lanes are straight"


def test_a_terminal_shows_text_and_a_notebook_html(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "90")
    found = ladder("s08-doe12-psk-only")
    assert repr(found) == str(found) == found.to_text(width=90)
    assert found._repr_html_() == found.to_html()
    assert found.to_html().isascii()
    assert "<script" not in found.to_html()


def test_nothing_to_show() -> None:
    empty = Ladder([])
    assert empty.to_text(width=80) == "record session"
    assert drawn(empty) == []
    assert 'class="pytio-hit' not in empty.to_html()


def test_a_long_trace_is_cut_where_it_is_shown() -> None:
    found = Ladder([*records("s02-mctp10-rsa3072-onebyone")] * 4)
    html, text = found.to_html(), repr(found).splitlines()
    assert html.count('class="pytio-hit') == MOST_RUNGS == len(text) - 2
    hidden = f"{546 * 4 - MOST_RUNGS} more records are not shown"
    assert hidden in html
    assert text[-1] == hidden
    assert len(found.to_text(width=80).splitlines()) == 546 * 4 + 1


def test_many_sessions_at_once_are_drawn_in_time() -> None:
    """A record without its key may claim any session; ten thousand of them are no reason to wait."""
    closed = [record for record in open_capture(path("s08-doe12-psk-only")) if record.session_id is not None]
    layers = [
        tuple(
            attrs.evolve(layer, facts={**layer.facts, "session_id": number}) if layer.name == "secured" else layer
            for layer in closed[0].layers
        )
        for number in range(10_000)
    ]
    claims = [attrs.evolve(closed[0], number=at + 1, layers=claim) for at, claim in enumerate(layers + layers[::-1])]
    found = Ladder(claims)
    assert sorted(band.depth for band in found.bands) == list(range(10_000))
    assert len(drawn(found.first(100))) == 100


# --- what may not be in it -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in ALL if not name.startswith("s02")])
def test_no_secret_shows(name: str) -> None:
    hidden = needles(name) if name in RECORDED else set()
    hidden |= {entry.secret.reveal().hex() for entry in opened(name).key_log()}
    found = ladder(name)
    told = (found.to_text(width=500) + found.to_svg() + found.to_html()).lower()
    told += "".join(rung.record._repr_html_() for rung in found.rungs).lower()
    assert [secret for secret in hidden if secret[:16] in told] == [], "not even their first bytes"


def hostile_records(folder: Path) -> list[Record]:
    """Return records of a capture whose names and comments are markup and escape sequences."""
    file = folder / "hostile.pcapng"
    with file.open("wb") as stream:
        writer = PcapngWriter(stream)
        writer.add_interface(LinkType.PCI_DOE, HOSTILE)
        writer.add_interface(LinkType.ETHERNET, HOSTILE)
        writer.write_packet(bytes.fromhex("010001000300000010840000"), comment=HOSTILE)
        writer.write_packet(b"\1\0", comment=HOSTILE)
        writer.write_packet(bytes(12) + b"\x08\x06" + HOSTILE.encode(), interface=1, comment=HOSTILE)
        made = Talk().handshake().say(0, platform(HOSTILE.encode()))
        for packet in made.segments:
            writer.write_packet(linked(LinkType.ETHERNET, packet), interface=1, comment=HOSTILE)
    return [*open_capture(file)]


def test_hostile_names_are_text_and_nothing_else(tmp_path: Path) -> None:
    found = Ladder(hostile_records(tmp_path))
    assert len(found.rungs) >= 4
    html, svg, text = found.to_html(), found.to_svg(), found.to_text(width=160)
    ET.fromstring(svg)
    for told in (html, svg):
        assert "<script" not in told
        assert "<img" not in told
        assert "&lt;script&gt;" in told
    assert text.isascii() or "\x1b" not in text
    for told in (html, svg, text, *(rung.record.show() + rung.record._repr_html_() for rung in found.rungs)):
        assert not [sign for sign in told if not sign.isprintable() and sign != "\n"]


@pytest.mark.parametrize("seed", range(20))
def test_damaged_traffic_has_a_ladder(seed: int, tmp_path: Path) -> None:
    """Whatever a record became, it has its rung."""
    dice = random.Random(seed)
    raw = bytearray(path("s05-mctp12-chunk").read_bytes())
    for _ in range(60):
        raw[dice.randrange(24, len(raw))] = dice.randrange(256)
    file = tmp_path / "file.pcap"
    file.write_bytes(raw)
    found = open_capture(file, secrets=opened("s05-mctp12-chunk").key_log()).ladder()
    assert len(drawn(found)) == found.to_html().count('class="pytio-hit') == len(found.rungs)
    assert len(found.to_text(width=90).splitlines()) >= len(found.rungs)

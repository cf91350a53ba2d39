"""Messages as text, as data and as HTML; key material in none of them."""

from __future__ import annotations

import copy
import json
import pickle
from html.parser import HTMLParser

import pytest

from pytio.errors import DecodeError
from pytio.wire import OpenEnum, WireStruct
from tests.checks import check_refused
from tests.wire.samples import (
    Choice,
    Codes,
    Color,
    Envelope,
    Facts,
    Fruit,
    Halves,
    Key,
    Label,
    Level,
    Mood,
    Nest,
    OneByte,
    Point,
    Presence,
    Records,
    SampleDecodeError,
    Tail,
)

NEST = Nest(
    head=1,
    bits=OneByte(low=3, flag=True, color=Color.GREEN),
    point=Point(x=300),
    label=Label(text=b"abcdefghij"),
    halves=Halves(middle=2, mood=Mood.LOUD),
)


NEST_TEXT = """\
NEST (27 bytes)
  0000         head              01                       1
  0001         bits                                       ONE_BYTE
  0001 [2:0]     low             2b                       3
  0001 [3]       flag            2b                       1
  0001 [5:4]     color           2b                       GREEN
  0001 [7:6]     fruit           2b                       APPLE
  0002         point                                      POINT
  0002           x               2c 01                    300 (0x12c)
  0004           y               00 00                    0
  0006           color           01                       RED
  0007         label                                      LABEL
  0007           size            0a                       10 (0xa)
  0008           text            61 62 63 64 65 66 67 68… 10 bytes
  0012         halves                                     HALVES
  0012           before          00                       0
  0013 [7:3]     top             05                       0
  0013 [2:0]     constant        05                       5
  0014 [7:2]     middle          0a                       2
  0014 [1:0]     mood            0a                       LOUD
  0015 [23:0]    whole           00 00 00                 0
  0018           after           00                       0
  0019         tail              00 00                    0"""


def test_text_is_an_aligned_tree() -> None:
    assert NEST.show() == NEST_TEXT


def test_absent_fields_are_not_shown() -> None:
    assert "large" not in Presence(version=0x10).show()
    assert "large" in Presence(version=0x10, flag=True, large=0, data=b"").show()


def test_data_is_what_json_can_hold() -> None:
    codes = Codes(color=Color.RED, fruit=Fruit(0x99), mood=Mood.LOUD | Mood(4), level=Level.BOTH)
    assert codes.to_dict() == {
        "magic": "5054",
        "kind": {"value": 0x83, "name": "BLUE"},
        "color": {"value": 1, "name": "RED"},
        "fruit": {"value": 0x99, "name": "UNKNOWN_0x99"},
        "mood": {"value": 6, "set": ["LOUD", "0x4"]},
        "level": {"value": 0x80000001, "set": ["LOW", "HIGH"]},
        "open_signed": {"value": 0, "name": "APPLE"},
        "reserved": 0,
    }
    assert json.loads(json.dumps(codes.to_dict())) == codes.to_dict()
    records = Records(box=Tail(first=1, points=(Point(),)), exact=Point(), labels=(Label(text=b"a"),))
    assert records.to_dict()["box"]["points"][0]["color"] == {"value": 1, "name": "RED"}
    assert records.to_dict()["labels"] == [{"size": 1, "text": "61"}]
    assert "color" not in Presence(version=0x10).to_dict()


def test_reserved_fields_are_in_no_repr() -> None:
    assert repr(Point()) == "Point(x=0, y=0, color=<Color.RED: 1>)"
    assert "reserved" not in repr(Codes(color=Color.RED, reserved=1))
    assert [field.name for field in Codes.FIELDS if field.is_reserved] == ["reserved"]


class Cells(HTMLParser):
    """Collects the text of table cells; an unescaped name would open a tag."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def cells(message: WireStruct) -> Cells:
    """Return what a browser would see."""
    parser = Cells()
    parser.feed(message._repr_html_())
    return parser


class Hostile(OpenEnum):
    """A code whose name is markup."""

    SCRIPT = 1


def test_html_is_a_table_with_everything_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = {"table", "caption", "thead", "tbody", "tr", "th", "td", "code"}
    seen = cells(NEST)
    assert seen.tags == plain
    assert {"NEST (27 bytes)", "head", "GREEN", "bits"} <= set(seen.text)
    choice = Choice(fruit=Fruit.APPLE, color=Color.RED, body=1, strict=1, table=b"ab")
    monkeypatch.setattr(Fruit.APPLE, "_name_", "<script>alert(1)</script>&")
    seen = cells(choice)
    assert seen.tags == plain
    assert any("<script>" in text for text in seen.text)


def test_a_message_that_cannot_be_laid_out_shows_why_in_html() -> None:
    seen = cells(Point(x=-1))
    assert seen.tags == {"pre"}
    assert "Point.x: -1 does not fit in 2 bytes" in "".join(seen.text)


SECRETS = (b"QXZJ", b"QRST", b"QUVW", bytes.fromhex("1751 5717 01"))
KEY = Key(identifier=7, key=SECRETS[0], parts=(b"QR", b"ST"), point=Point(x=0x5117, y=0x5717))


def mentions(text: str) -> list[bytes]:
    """Return the secrets that a text gives away, in whatever form."""
    plain = text.replace(" ", "").lower()
    forms = {
        secret: {secret.hex(), repr(secret)[2:-1].lower(), str(list(secret)).replace(" ", "")} for secret in SECRETS
    }
    return [secret for secret, shapes in forms.items() if any(shape in plain for shape in shapes)]


@pytest.mark.parametrize("message", [KEY, Envelope(number=9, key=KEY)])
def test_key_material_is_in_no_text(message: WireStruct) -> None:
    texts = [
        repr(message),
        str(message),
        f"{message}",
        message.show(),
        json.dumps(message.to_dict()),
        message._repr_html_(),
    ]
    assert [mentions(text) for text in texts] == [[]] * len(texts)
    assert "(4 secret bytes)" in message.show()
    assert "(5 secret bytes)" in message._repr_html_()


def test_key_material_is_shown_on_request() -> None:
    shown = KEY.show(reveal=True)
    assert SECRETS[0].hex(" ") in shown
    assert b"QR".hex(" ") in shown
    assert "20759" in shown
    assert KEY.to_dict(reveal=True)["parts"] == ["5152", "5354"]
    assert KEY.to_dict()["parts"] == KEY.to_dict()["key"] == "(4 secret bytes)"
    assert KEY.to_dict()["point"] == "(5 secret bytes)"
    assert Envelope(key=KEY).to_dict(reveal=True)["key"]["key"] == SECRETS[0].hex()


@pytest.mark.parametrize("cut", [1, 8, 10])
def test_an_error_carries_zeros_instead_of_key_material(cut: int) -> None:
    raw = Envelope(number=9, key=KEY).build()
    error = check_refused(Envelope, raw[:-cut], {1: 15, 8: 7, 10: 3}[cut])
    assert error.data == bytes(len(raw) - cut)
    assert mentions(str(error)) == mentions(repr(error)) == []
    left_over = check_refused(Envelope, raw + b"QXZJ", len(raw))
    assert (left_over.data, mentions(str(left_over))) == (bytes(len(raw) + 4), [])


def test_key_material_compares_by_value_and_hashes_to_nothing() -> None:
    assert KEY.replace() == KEY
    assert hash(KEY.replace(key=b"othr")) == hash(KEY)
    for change in ({"key": b"othr"}, {"parts": (b"QR", b"??")}, {"identifier": 0, "point": None}):
        assert KEY.replace(**change) != KEY
    assert KEY.replace(identifier=0, point=None) == KEY.replace(identifier=0, point=None)


def test_key_material_survives_copies_and_pickles() -> None:
    for again in (pickle.loads(pickle.dumps(KEY)), copy.deepcopy(KEY), Key.parse(KEY.build())):
        assert again == KEY
        assert again.key == SECRETS[0]


def test_errors_survive_pickling() -> None:
    error = check_refused(Facts, b"\1\0a", 3, "needs 1 byte", digest=1, multi=1)
    again: DecodeError = pickle.loads(pickle.dumps(error))
    assert type(again) is SampleDecodeError
    assert (again.reason, again.data, again.offset, again.path, str(again)) == (
        error.reason,
        error.data,
        error.offset,
        error.path,
        str(error),
    )


def test_fields_are_hidden_by_name_at_any_depth() -> None:
    shown = Envelope(number=9, key=KEY).show(hide=("number", "identifier"))
    assert "(1 secret bytes)" in shown
    assert [line.split()[1] for line in shown.splitlines()[1:]] == [
        line.split()[1] for line in Envelope(number=9, key=KEY).show().splitlines()[1:]
    ]
    assert " 09 " not in shown
    assert " 9" not in shown

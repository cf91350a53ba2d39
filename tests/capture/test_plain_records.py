"""Records that decode when somebody looks into them are the records that were read at once."""

from __future__ import annotations

import pickle
from pathlib import Path

import attrs
import pytest

from pytio.capture import Record, Trace, open_capture
from pytio.capture.dissector import Dissector
from pytio.capture.plain_records import PlainRecord
from pytio.capture.records import Layer, layer_of
from pytio.capture.render import summary_line
from pytio.capture.secrets import SecretStore
from pytio.spdm.transcript import Piece, piece_of
from tests.capture import recorded
from tests.soak.mutations import file_of

NAME = "s01-doe12-p384-full"


def at_once(name: str, *, has_secrets: bool) -> list[Record]:
    """Return the records of a capture, each read at once."""
    given = recorded.secrets(name) if has_secrets else {}
    dissector = Dissector(SecretStore(psk=given.get("psk", ()), dhe=given.get("dhe_secret", ())))
    return [dissector.read(frame) for frame in recorded.frames(name)]


def opened(name: str, *, has_secrets: bool) -> Trace:
    """Return the capture."""
    return open_capture(recorded.path(name), **(recorded.secrets(name) if has_secrets else {}))


@pytest.mark.parametrize("name", recorded.RECORDED)
@pytest.mark.parametrize("has_secrets", [True, False], ids=["secrets", "no secrets"])
def test_are_the_same_records(twins: str, name: str, has_secrets: bool) -> None:
    found = [*opened(name, has_secrets=has_secrets)]
    expected = at_once(name, has_secrets=has_secrets)
    assert len(found) == len(expected)
    for record, other in zip(found, expected, strict=True):
        assert record == other
        assert record.to_dict() == other.to_dict()
    assert sum(isinstance(record, PlainRecord) for record in found) > len(found) / 2


@pytest.mark.parametrize("field", ["message", "session_id", "is_decrypted", "notes", "problems", "checks", "layers"])
@pytest.mark.parametrize("has_secrets", [True, False], ids=["secrets", "no secrets"])
def test_each_field_alone(field: str, has_secrets: bool) -> None:
    """Whatever is asked first, and if a response is asked before its request."""
    found = [*opened(NAME, has_secrets=has_secrets)]
    for record, other in zip(reversed(found), reversed(at_once(NAME, has_secrets=has_secrets)), strict=True):
        assert getattr(record, field) == getattr(other, field)


@pytest.mark.parametrize("has_secrets", [True, False], ids=["secrets", "no secrets"])
def test_lines_are_the_same(has_secrets: bool) -> None:
    found = opened(NAME, has_secrets=has_secrets)
    for record, other in zip(found, at_once(NAME, has_secrets=has_secrets), strict=True):
        for colour in (False, True):
            assert summary_line(record, colour=colour) == summary_line(other, colour=colour)


def plain() -> PlainRecord:
    """Return a plain record with a TDISP message in it."""
    record = opened(NAME, has_secrets=True)[80]
    assert isinstance(record, PlainRecord)
    assert record.layers[-1].name == "tdisp"
    return record


def test_do_not_change() -> None:
    record = plain()
    for name in ("number", "layers", "findings"):
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            setattr(record, name, None)


def test_a_changed_copy_is_a_record() -> None:
    record = plain()
    changed = attrs.evolve(record, notes=("changed",))
    assert type(changed) is Record
    assert changed.notes == ("changed",)
    assert changed.layers == record.layers
    assert changed != record
    assert attrs.evolve(record) == record
    assert record != 1


def test_have_the_repr_of_a_record() -> None:
    record = plain()
    assert repr(record) == repr(attrs.evolve(record))
    assert repr(record).startswith("Record(number=81, ")


def test_can_be_pickled() -> None:
    record = plain()
    again = pickle.loads(pickle.dumps(record))
    assert type(again) is Record
    assert again == record


@pytest.mark.parametrize("request_name", ["CHALLENGE", "GET_MEASUREMENTS", "GET_CSR"])
def test_a_request_that_does_not_decode_asks_nothing(twins: str, tmp_path: Path, request_name: str) -> None:
    """Its response is read by what was asked before, as it is where every message is read at once."""
    frames = [*recorded.frames(NAME)]
    records = recorded.records(NAME)
    at = next(at for at, record in enumerate(records) if record.layers[-1].title == request_name)
    packets = [frame.data for frame in frames]
    packets[at] = packets[at][:4] + (3).to_bytes(4, "little") + packets[at][8:12]  # the message's header is left
    path = tmp_path / "damaged.pcap"
    path.write_bytes(file_of(tuple(packets), int(frames[at].link_type)))
    trace = open_capture(path, **recorded.secrets(NAME))
    expected = [*trace._read_one_by_one(trace._reading())]
    found = [*trace]
    assert isinstance(found[at], PlainRecord)
    assert [record.to_dict() for record in found] == [record.to_dict() for record in expected]
    assert expected[at].problems


def test_what_is_made_past_an_init_lacks_nothing() -> None:
    """Every field is set, also one that was added since."""
    for quick, plain in (
        (layer_of("spdm", b"\x12", None, {"code": 1}, "GET_VERSION", secret=True), Layer),
        (piece_of("GET_VERSION", b"\x10", "A", 7, ()), Piece),
    ):
        assert type(quick) is plain
        assert quick == attrs.evolve(quick)
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            quick.data = b""  # type: ignore[misc]
    assert layer_of("spdm", b"\x12", None, {}) == Layer("spdm", b"\x12")
    assert piece_of("GET_VERSION", b"\x10", "A") == Piece("GET_VERSION", b"\x10", "A")

"""IDE_KM objects: dispatch by object id, what stays secret, and what a QUERY_RESP may carry."""

from __future__ import annotations

import pytest

from pytio import idekm
from pytio.errors import EncodeError, IdeKmDecodeError
from pytio.idekm import KeyProg, KpAck, ObjectId, Query, QueryResp
from pytio.ids import Bdf, Direction, KeySlot, SubStream

SLOT = KeySlot(direction=Direction.TX, sub_stream=SubStream.NPR)
KEY = bytes(range(1, 33))


def test_every_object_has_its_class() -> None:
    assert set(idekm.MESSAGES) == set(ObjectId)
    assert idekm.REQUESTS.keys().isdisjoint(idekm.RESPONSES)
    for object_id, cls in idekm.MESSAGES.items():
        assert cls.FIELDS[0].constant is object_id
        assert ObjectId(object_id).name == cls.NAME


def test_the_registries_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        idekm.MESSAGES[7] = Query  # type: ignore[index]  # that is the point


@pytest.mark.parametrize(("object_id", "cls"), idekm.MESSAGES.items())
def test_parse_finds_the_class(object_id: int, cls: type[idekm.IdeKmMessage]) -> None:
    raw = bytes([object_id]).ljust(cls.minimum_size(), b"\0")
    parsed = idekm.parse(raw)
    assert type(parsed) is cls
    assert parsed.build() == raw


def test_an_unknown_object_shows_nothing_but_its_id() -> None:
    """Whatever it is, it may carry a key."""
    with pytest.raises(IdeKmDecodeError, match="0x8 is not an ObjectId") as caught:
        idekm.parse(b"\x08" + KEY)
    assert caught.value.offset == 0
    assert caught.value.data == b"\x08" + bytes(32)


def test_an_empty_object_is_refused() -> None:
    with pytest.raises(IdeKmDecodeError, match="needs 1 byte, 0 left"):
        idekm.parse(b"")


def test_a_key_is_in_no_text() -> None:
    key_prog = KeyProg(stream_id=1, slot=SLOT, key=KEY)
    for text in (repr(key_prog), key_prog.show(), str(key_prog.to_dict()), key_prog._repr_html_()):
        assert KEY[:4].hex() not in text.replace(" ", "")
        assert repr(KEY)[2:10] not in text
    with pytest.raises(IdeKmDecodeError) as caught:
        KeyProg.parse(key_prog.build()[:-1])
    assert caught.value.data == bytes(46)


@pytest.mark.parametrize("size", [31, 33])
def test_a_key_of_another_size_does_not_build(size: int) -> None:
    with pytest.raises(EncodeError, match=r"KeyProg\.key"):
        KeyProg(stream_id=1, slot=SLOT, key=bytes(size)).build()


def test_an_acknowledgement_echoes_what_it_refuses() -> None:
    slot = KeySlot.parse(b"\x80")
    refusal = KpAck(stream_id=9, status=idekm.KpAckStatus.UNSUPPORTED_VALUE, slot=slot)
    assert refusal.build() == bytes.fromhex("03000009038000")


def test_a_query_response_keeps_what_it_did_not_announce() -> None:
    """DMTF's sample responder announces no blocks and sends 72 double words more."""
    raw = bytes.fromhex("01000100000007") + bytes(4 * 74)
    response = QueryResp.parse(raw)
    assert response.trailing == bytes(4 * 72)
    assert response.build() == raw


def test_a_query_response_says_where_the_port_is() -> None:
    response = QueryResp(device_function=0x09, bus=0xE1, segment=2, ide=idekm.IdeRegisters())
    assert response.bdf == Bdf(segment=2, bus=0xE1, device=1, function=1)

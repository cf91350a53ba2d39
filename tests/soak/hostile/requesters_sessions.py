"""Hostile records and key updates."""

from __future__ import annotations

import random

from pytio.spdm.codes import KeyUpdateOperation, SpdmCode
from pytio.spdm.secured import RecordHeader, RecordPlaintext
from pytio.spdm.session import Session, Side
from tests.soak.hostile.judging import OfResponder, kind_of
from tests.soak.hostile.requesters import KINDS, drawn, requests_of
from tests.soak.hostile.scenes import IN_SESSION, Stage
from tests.spdm.lies.telling import flip

# records


@kind_of(KINDS, 4)
def replayed_record(dice: random.Random) -> OfResponder:
    victim = drawn(dice, *IN_SESSION)
    if dice.random() < 0.5:
        victim.strike(dice.choice(requests_of(victim, in_clear=False)), is_secured=True)
        return victim
    record = victim.seal(victim.session(), bytes([victim.where.version, SpdmCode.GET_DIGESTS, 0, 0]))
    victim.strike(record, is_secured=True, must_fail=False)
    victim.strike(record, is_secured=True)
    return victim


@kind_of(KINDS, 4)
def wrong_sequence_number(dice: random.Random) -> OfResponder:
    victim = drawn(dice, *IN_SESSION)
    mine = victim.session()
    cipher = mine.direction(Side.REQUEST).cipher
    raw = bytes([victim.where.version, SpdmCode.GET_DIGESTS, 0, 0])
    if mine.rules.form.sequence_bytes and dice.random() < 0.5:  # the tag holds over a number that is wrong
        victim.strike(_record(mine, raw, dice.randrange(0x10000) ^ 0x8000), is_secured=True)
    else:
        cipher.skip(dice.choice((1, 2, 255, 65536, 1 << 40)))
        victim.strike(victim.seal(mine, raw), is_secured=True)
    return victim


def _record(mine: Session, raw: bytes, number: int, side: Side = Side.REQUEST) -> bytes:
    """Seal a message below a header that states another sequence number."""
    cipher = mine.direction(side).cipher
    wrapped = mine.rules.framing.wrap(raw)
    is_encrypted = cipher.protection.name == "ENCRYPT_AND_MAC"
    payload = RecordPlaintext(application_data=wrapped).build() if is_encrypted else wrapped
    header = RecordHeader(
        session_id=mine.session_id,
        sequence_number=number.to_bytes(mine.rules.form.sequence_bytes, "little"),
        length=cipher.body_size(len(payload)),
    ).build()
    return header + cipher.seal(header, payload)


@kind_of(KINDS, 4)
def forged_record(dice: random.Random) -> OfResponder:
    victim = drawn(dice, Stage.KEY_EXCHANGED, Stage.PSK_EXCHANGED, *IN_SESSION)
    mine = victim.session()
    record = victim.seal(mine, bytes([victim.where.version, SpdmCode.GET_DIGESTS, 0, 0]))
    kind = dice.randrange(4)
    if kind == 0:
        record = record[: dice.randrange(len(record))]
    elif kind == 1:
        record = record[:4] + dice.randbytes(len(record) - 4)
    elif kind == 2 and victim.where.stage is Stage.TWO:  # from one session into the other
        (other,) = set(victim.two.requester.sessions) - {mine.session_id}
        record = other.to_bytes(4, "little") + record[4:]
    else:
        record = flip(dice.randrange(len(record)), 1 << dice.randrange(8))(record)
    victim.strike(record, is_secured=True)
    return victim


@kind_of(KINDS, 2)
def reflected_record(dice: random.Random) -> OfResponder:
    """What the responder said comes back to it."""
    victim = drawn(dice, *IN_SESSION)
    said = [message for side, message in victim.two.wire if side == "response" and message.is_secured]
    victim.strike(dice.choice(said), is_secured=True)
    return victim


# key updates


@kind_of(KINDS, 4)
def key_update_out_of_turn(dice: random.Random) -> OfResponder:
    victim = drawn(dice, *IN_SESSION)
    mine, two, version = victim.session(), victim.two, victim.where.version
    update = bytes([version, SpdmCode.KEY_UPDATE, KeyUpdateOperation.UPDATE_KEY, dice.randrange(256)])
    verify = bytes([version, SpdmCode.KEY_UPDATE, KeyUpdateOperation.VERIFY_NEW_KEY, dice.randrange(256)])
    kind = dice.randrange(4)
    if kind == 0:
        victim.strike_in(mine, verify)
    elif kind == 1:
        victim.strike_in(mine, bytes([version, SpdmCode.KEY_UPDATE, dice.randrange(4, 256), 0]))
    else:
        old = mine.direction(Side.REQUEST).cipher
        victim.strike_in(mine, update, must_fail=False)
        mine.direction(Side.REQUEST).update()
        mine.direction(Side.REQUEST).commit()
        if kind == 2:
            victim.strike_in(mine, update)
        else:
            victim.strike_in(mine, bytes([version, SpdmCode.GET_DIGESTS, 0, 0]), must_fail=False)
            header = RecordHeader(
                session_id=mine.session_id,
                sequence_number=old.sequence_bytes(mine.rules.form.sequence_bytes),
                length=old.body_size(len(update)),
            ).build()
            victim.strike(header + old.seal(header, update), is_secured=True)
            assert mine.session_id not in two.responder.sessions
    return victim

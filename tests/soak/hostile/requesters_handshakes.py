"""Hostile handshakes, and what is said in clear that has to be secured."""

from __future__ import annotations

import random

from pytio.spdm.codes import SpdmCode, SpdmVersion
from pytio.spdm.configuration import Limits
from pytio.spdm.messages.key_exchange import Finish
from pytio.spdm.messages.psk import PskFinish
from pytio.spdm.requests import StartSession
from pytio.spdm.session import Session
from tests.soak.hostile.judging import OfResponder, kind_of
from tests.soak.hostile.requesters import KINDS, SECURED_HANDSHAKES, WIDE, drawn, installing, own_chain
from tests.soak.hostile.scenes import IN_SESSION, Flavour, Stage, enter, scene
from tests.spdm.lies.telling import flip, with_hmac

V1_2, V1_3 = SpdmVersion.V1_2, SpdmVersion.V1_3


# handshakes


def _finish(victim: OfResponder, mine: Session, kind: type[Finish | PskFinish]) -> bytes:
    """Return FINISH or PSK_FINISH with verify data that hold, or, as it comes, damaged."""
    raw = with_hmac(victim.two, mine, kind(version=victim.where.version, requester_verify_data=b""))
    return raw if victim.dice.random() < 0.6 else flip(victim.dice.randrange(4, len(raw)))(raw)


@kind_of(KINDS, 4)
def psk_finish_after_key_exchange(dice: random.Random) -> OfResponder:
    victim = drawn(dice, Stage.KEY_EXCHANGED)
    mine = victim.session()
    victim.strike_in(mine, _finish(victim, mine, PskFinish))
    if victim.where.flavour in SECURED_HANDSHAKES:
        victim.two.requester.finish(mine.session_id, now=victim.two.now)
        victim.two.settle()
    return victim


@kind_of(KINDS, 4)
def finish_after_psk_exchange(dice: random.Random) -> OfResponder:
    victim = drawn(dice, Stage.PSK_EXCHANGED)
    mine = victim.session()
    victim.strike_in(mine, _finish(victim, mine, Finish))
    victim.two.requester.finish(mine.session_id, now=victim.two.now)
    victim.two.settle()
    return victim


@kind_of(KINDS, 4)
def forged_finish(dice: random.Random) -> OfResponder:
    victim = drawn(dice, Stage.KEY_EXCHANGED, Stage.PSK_EXCHANGED)
    mine = victim.session()
    message = (PskFinish if mine.is_psk else Finish)(version=victim.where.version, requester_verify_data=b"")
    raw = with_hmac(victim.two, mine, message)
    raw = raw[:4] + flip(dice.randrange(len(raw) - 4), 1 << dice.randrange(8))(raw[4:])
    if victim.where.flavour is Flavour.CLEAR and not mine.is_psk:
        victim.strike(raw)
    else:
        victim.strike_in(mine, raw)
    return victim


@kind_of(KINDS, 2)
def finish_of_another_slot(dice: random.Random) -> OfResponder:
    victim = drawn(dice, Stage.KEY_EXCHANGED)
    mine = victim.session()
    message = Finish(version=victim.where.version, req_slot_id=dice.randrange(1, 256), requester_verify_data=b"")
    raw = with_hmac(victim.two, mine, message)
    victim.strike_in(mine, raw) if victim.where.flavour in SECURED_HANDSHAKES else victim.strike(raw)
    return victim


@kind_of(KINDS, 3)
def bad_key_exchange(dice: random.Random) -> OfResponder:
    """No point of the curve, no slot, no version of records, or one session too many."""
    where = scene(dice, Stage.KNOWN, *IN_SESSION, flavours=WIDE)
    kind = dice.randrange(4)
    limits = Limits(max_sessions=1 if kind == 3 and where.stage in IN_SESSION else 4)
    victim = OfResponder(where, enter(where, answering={"limits": limits}), dice)
    two = victim.two
    two.requester.send(StartSession(), now=two.now)
    request = two.requester.bytes_to_send()
    assert request is not None
    raw = bytearray(request)
    if kind == 0 or (kind == 3 and limits.max_sessions > 1):
        raw[40:72] = dice.randbytes(32)
    elif kind == 1:
        raw[3] = dice.randrange(1, 255)
    elif kind == 2:
        raw[2] = dice.randrange(2, 255)
    victim.strike(bytes(raw))
    return victim


# what has to be secured


@kind_of(KINDS, 4)
def in_clear_what_must_be_secured(dice: random.Random) -> OfResponder:
    victim = drawn(dice, Stage.KEY_EXCHANGED, Stage.PSK_EXCHANGED, *IN_SESSION, flavours=SECURED_HANDSHAKES)
    version, mine = victim.where.version, victim.session()
    bare = [SpdmCode.HEARTBEAT, SpdmCode.KEY_UPDATE, SpdmCode.END_SESSION]
    if version >= V1_3:
        bare += [SpdmCode.GET_SUPPORTED_EVENT_TYPES, SpdmCode.SUBSCRIBE_EVENT_TYPES, SpdmCode.SEND_EVENT]
    said = [bytes([version, code, dice.randrange(4), dice.randrange(4)]) for code in bare]
    finish: type[Finish | PskFinish] = dice.choice((Finish, PskFinish))
    said.append(with_hmac(victim.two, mine, finish(version=version, requester_verify_data=b"")))
    if version >= V1_2:
        said.append(installing(victim, own_chain(), slot=dice.randrange(1, 8)))
    victim.strike(dice.choice(said))
    return victim

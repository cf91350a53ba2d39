"""Good messages out of place, damaged ones, and what is no message at all."""

from __future__ import annotations

import random

import attrs

from pytio.spdm import capability_rules
from pytio.spdm.capabilities import RequesterCapabilities
from pytio.spdm.codes import SpdmCode, SpdmVersion
from pytio.spdm.messages.capabilities import GetCapabilities
from pytio.spdm.requests import Measure, ReadCertificate, StartPskSession, StartSession
from pytio.spdm.state import SessionState
from tests.soak.hostile.judging import OfResponder, kind_of
from tests.soak.hostile.requesters import (
    ANYWHERE,
    FIRST,
    KINDS,
    WIDE,
    drawn,
    later,
    mutated,
    requests_of,
    somewhere,
)
from tests.soak.hostile.scenes import IN_SESSION, Stage, enter, scene
from tests.spdm.pair import PSK_HINT

V1_2 = SpdmVersion.V1_2


# out of place


@kind_of(KINDS, 3)
def before_its_time(dice: random.Random) -> OfResponder:
    """Anything but GET_VERSION, to who has heard nothing; anything but GET_CAPABILITIES after that."""
    where = scene(dice, Stage.KNOWN, since=SpdmVersion.V1_0)
    said = [m for side, m in enter(where).wire if side == "request" and m[1] not in FIRST]
    victim = OfResponder(attrs.evolve(where, stage=Stage.BARE), enter(attrs.evolve(where, stage=Stage.BARE)), dice)
    if dice.random() < 0.5:
        victim.two.responder.receive(bytes.fromhex("10840000"), now=victim.two.now)
        victim.two.responder.bytes_to_send()
    victim.strike(dice.choice(said))
    return victim


@kind_of(KINDS, 3)
def negotiated_once_more(dice: random.Random) -> OfResponder:
    victim = drawn(dice, *ANYWHERE)
    again = [m for m in requests_of(victim) if m[1] in (SpdmCode.GET_CAPABILITIES, SpdmCode.NEGOTIATE_ALGORITHMS)]
    somewhere(victim, dice.choice(again))
    return victim


@kind_of(KINDS, 3)
def in_the_wrong_place(dice: random.Random) -> OfResponder:
    """In a handshake what belongs behind it, in a session what belongs outside."""
    victim = drawn(dice, Stage.KEY_EXCHANGED, Stage.PSK_EXCHANGED, *IN_SESSION)
    outside = [SpdmCode.GET_VERSION, SpdmCode.CHALLENGE, SpdmCode.KEY_EXCHANGE, SpdmCode.PSK_EXCHANGE]
    if victim.where.stage not in IN_SESSION:
        outside += [SpdmCode.GET_DIGESTS, SpdmCode.GET_MEASUREMENTS, SpdmCode.END_SESSION, SpdmCode.HEARTBEAT]
    else:
        outside += [SpdmCode.FINISH, SpdmCode.PSK_FINISH]
    code = dice.choice(outside)
    version = SpdmVersion.V1_0 if code is SpdmCode.GET_VERSION else victim.where.version
    victim.strike_in(victim.session(), bytes([version, code, 0, 0]) + dice.randbytes(dice.choice((0, 32, 200))))
    return victim


@kind_of(KINDS, 3)
def wrong_version(dice: random.Random) -> OfResponder:
    victim = drawn(dice, *ANYWHERE)
    said = dice.choice([m for m in requests_of(victim) if m[1] not in FIRST])
    wrong = dice.choice([value for value in range(256) if value != victim.where.version])
    somewhere(victim, bytes([wrong]) + said[1:])
    return victim


# negotiation


@kind_of(KINDS, 3)
def capabilities_that_break_a_rule(dice: random.Random) -> OfResponder:
    victim = drawn(dice, Stage.BARE)
    known = capability_rules.KNOWN_REQUESTER_CAPABILITIES[victim.where.version]
    while True:
        flags = RequesterCapabilities(dice.getrandbits(32) & known)
        if capability_rules.objection(victim.where.version, flags):
            break
    victim.two.responder.receive(bytes.fromhex("10840000"), now=victim.two.now)
    victim.two.responder.bytes_to_send()
    size = None if victim.where.version < V1_2 else 4096
    request = GetCapabilities(
        version=victim.where.version, flags=flags, data_transfer_size=size, max_spdm_msg_size=size
    )
    victim.strike(request.build())
    return victim


@kind_of(KINDS, 3)
def algorithms_with_wrong_counts(dice: random.Random) -> OfResponder:
    victim = drawn(dice, Stage.BARE, flavours=WIDE)
    two = victim.two
    said = requests_of(OfResponder(victim.where, enter(later(victim)), dice))
    for request in said[:2]:
        two.responder.receive(request, now=two.now)
        two.responder.bytes_to_send()
    raw = bytearray(said[2])
    at = dice.choice((2, 4, 5, 28, 29))
    raw[at] = dice.choice([value for value in range(256) if value != raw[at]])
    victim.strike(bytes(raw))
    return victim


# damage


@kind_of(KINDS, 10)
def damaged_in_clear(dice: random.Random) -> OfResponder:
    victim = drawn(dice, Stage.BARE, *ANYWHERE, since=SpdmVersion.V1_0)
    said = requests_of(victim) or requests_of(OfResponder(victim.where, enter(later(victim)), dice))
    for _ in range(dice.randrange(1, 4)):
        victim.strike(mutated(dice.choice(said), dice), must_fail=False)
    return victim


@kind_of(KINDS, 8)
def damaged_in_a_session(dice: random.Random) -> OfResponder:
    victim = drawn(dice, Stage.KEY_EXCHANGED, Stage.PSK_EXCHANGED, *IN_SESSION)
    for _ in range(dice.randrange(1, 4)):
        mine = victim.session()
        if mine.session_id not in victim.two.responder.sessions:
            break
        victim.strike_in(mine, mutated(dice.choice(requests_of(victim)), dice), must_fail=False)
    return victim


@kind_of(KINDS, 6)
def random_bodies(dice: random.Random) -> OfResponder:
    victim = drawn(dice, *ANYWHERE)
    codes = [code for code in SpdmCode if code.is_request and code is not SpdmCode.GET_VERSION]
    for _ in range(dice.randrange(1, 3)):
        raw = bytes([victim.where.version, dice.choice(codes)]) + dice.randbytes(dice.randrange(2, 80))
        somewhere(victim, raw, must_fail=False)
        if set(victim.two.requester.sessions) - set(victim.two.responder.sessions):
            break
    return victim


@kind_of(KINDS, 2)
def random_bytes(dice: random.Random) -> OfResponder:
    victim = drawn(dice, Stage.BARE, *ANYWHERE, since=SpdmVersion.V1_0)
    is_secured = dice.random() < 0.5
    victim.strike(
        dice.randbytes(dice.randrange(0 if is_secured else 1, 40)), is_secured=is_secured, must_fail=is_secured
    )
    return victim


# what was good once, in another connection or session


@kind_of(KINDS, 3)
def said_once_before(dice: random.Random) -> OfResponder:
    """Whole good conversations of another connection, from the middle: a listener plays them back."""
    victim = drawn(dice, Stage.NEGOTIATED, Stage.KNOWN)
    intent = dice.choice((StartSession(), StartPskSession(PSK_HINT), Measure(slot=0), ReadCertificate()))
    two = victim.two
    two.wire.clear()
    if victim.where.stage is Stage.NEGOTIATED:
        intent = dice.choice((ReadCertificate(), Measure(0)))
    two.run(intent)
    said = [message for side, message in two.wire if side == "request"]
    for message in said:  # a second time: good answers, but no session that anybody has keys for
        victim.strike(message, is_secured=message.is_secured, must_fail=message.is_secured)
    opened = {number for number, session in two.responder.sessions.items() if session.state is SessionState.ESTABLISHED}
    assert opened <= set(two.requester.sessions)
    return victim

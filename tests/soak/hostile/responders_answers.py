"""Answers that are damaged, invented, old, or to another request; hostile negotiation."""

from __future__ import annotations

import random

from pytio.spdm import capability_rules
from pytio.spdm.capabilities import ResponderCapabilities
from pytio.spdm.codes import SpdmCode, SpdmErrorCode, SpdmVersion
from pytio.spdm.endpoint import Outgoing
from pytio.spdm.requests import (
    Authenticate,
    Connect,
    KeepAlive,
    LeaveSession,
    Measure,
    ReadDigests,
    StartPskSession,
    StartSession,
)
from pytio.spdm.session import Side
from tests.soak.hostile.judging import OfRequester, kind_of
from tests.soak.hostile.requesters import mutated
from tests.soak.hostile.responders import (
    HANDSHAKES,
    INSIDE,
    KINDS,
    OUTSIDE,
    PLAIN,
    WIDE,
    an_intent,
    answered,
    drawn,
)
from tests.soak.hostile.scenes import IN_SESSION, Flavour, Stage
from tests.spdm.lies.telling import on_the_wire, put
from tests.spdm.pair import PSK_HINT

V1_0 = SpdmVersion.V1_0


# anything


@kind_of(KINDS, 10)
def damaged_answers(dice: random.Random) -> OfRequester:
    victim = drawn(dice, Stage.NEGOTIATED, Stage.KNOWN, *IN_SESSION, since=V1_0)
    answered(victim, lambda message: mutated(message, dice), chance=dice.choice((0.3, 1.0)))
    victim.ask(*an_intent(victim), must_fail=False)
    return victim


@kind_of(KINDS, 8)
def damaged_before_they_were_sealed(dice: random.Random) -> OfRequester:
    victim = drawn(dice, *IN_SESSION, flavours=WIDE)
    perform = victim.two.responder.perform
    setattr(victim.two.responder, "perform", lambda call: mutated(perform(call), dice))  # noqa: B010  on this object
    for _ in range(dice.randrange(1, 3)):
        if not victim.two.requester.sessions:
            break
        inside = (*INSIDE, KeepAlive()) if victim.where.flavour is Flavour.MCTP else INSIDE
        victim.ask(dice.choice(inside), victim.session().session_id, must_fail=False)
    return victim


@kind_of(KINDS, 4)
def random_answers(dice: random.Random) -> OfRequester:
    victim = drawn(dice, Stage.NEGOTIATED, Stage.KNOWN, *IN_SESSION, since=V1_0)

    def invent(message: Outgoing) -> bytes:
        if dice.random() < 0.3:
            return dice.randbytes(dice.randrange(60))
        return bytes(message[:2]) + dice.randbytes(dice.randrange(2, 90))

    answered(victim, invent)
    victim.ask(*an_intent(victim), must_fail=False)
    return victim


@kind_of(KINDS, 5)
def errors_of_all_kinds(dice: random.Random) -> OfRequester:
    victim = drawn(dice, Stage.NEGOTIATED, Stage.KNOWN, *IN_SESSION, since=V1_0, flavours=WIDE)

    def error(message: bytes) -> bytes:
        code = dice.choice([*SpdmErrorCode, dice.randrange(256)])
        head = bytes([victim.where.version, SpdmCode.ERROR, code, dice.randrange(256)])
        return head + dice.randbytes(dice.randrange(6))

    intent, session = an_intent(victim)
    if session is None:
        answered(victim, error, chance=dice.choice((0.5, 1.0)))
    else:
        perform = victim.two.responder.perform
        setattr(victim.two.responder, "perform", lambda call: error(perform(call)))  # noqa: B010  on this object
    victim.ask(intent, session, must_fail=False)
    return victim


@kind_of(KINDS, 3)
def another_answer(dice: random.Random) -> OfRequester:
    """Good once, to another request."""
    victim = drawn(dice, Stage.KNOWN, *IN_SESSION, flavours=WIDE)
    said = [m for side, m in victim.two.wire if side == "response" and not m.is_secured]
    answered(victim, lambda message: bytes(dice.choice([m for m in said if m[1] != message[1]])))
    victim.ask(dice.choice(OUTSIDE + HANDSHAKES))
    return victim


@kind_of(KINDS, 3)
def an_old_answer(dice: random.Random) -> OfRequester:
    """Good once, to the same request with another nonce."""
    victim = drawn(dice, Stage.KNOWN, flavours=PLAIN)
    intent = dice.choice((Measure(slot=0), Authenticate(), StartSession(), StartPskSession(PSK_HINT)))
    two = victim.two
    two.wire.clear()
    two.run(intent)
    old = next(message for side, message in two.wire if side == "response")
    on_the_wire(two, SpdmCode(old[1]), lambda message: bytes(old))
    for session in list(two.requester.sessions):
        two.run(LeaveSession(), session)
    victim.ask(intent)
    return victim


@kind_of(KINDS, 3)
def answers_of_another_version(dice: random.Random) -> OfRequester:
    victim = drawn(dice, Stage.NEGOTIATED, Stage.KNOWN, flavours=WIDE)
    wrong = dice.choice([value for value in range(256) if value != victim.where.version])
    answered(victim, put(0, wrong))
    victim.ask(*an_intent(victim))
    return victim


@kind_of(KINDS, 2)
def answers_that_nobody_asked_for(dice: random.Random) -> OfRequester:
    victim = drawn(dice, Stage.BARE, Stage.NEGOTIATED, Stage.KNOWN, *IN_SESSION, since=V1_0)
    two = victim.two
    said = [m for side, m in two.wire if side == "response" and not m.is_secured] or [Outgoing(b"\x10\x04\x00\x00")]
    raw, is_secured = bytes(dice.choice(said)), False
    if two.requester.sessions and dice.random() < 0.5:
        theirs = two.responder.sessions[victim.session().session_id]
        raw, is_secured = theirs.seal(Side.RESPONSE, raw, two.responder.provider), True
    victim.judge(lambda: two.requester.receive(raw, now=two.now, is_secured=is_secured))
    return victim


@kind_of(KINDS, 3)
def not_ready_for_something_else(dice: random.Random) -> OfRequester:
    victim = drawn(dice, Stage.BARE, Stage.KNOWN, flavours=WIDE)
    code = dice.choice((SpdmCode.GET_CAPABILITIES, SpdmCode.NEGOTIATE_ALGORITHMS))
    exponent = dice.randrange(256)
    if victim.where.stage is Stage.KNOWN:
        if dice.random() < 0.5:
            code = dice.choice([c for c in SpdmCode if c.is_request and c is not SpdmCode.GET_DIGESTS])
        else:
            code, exponent = SpdmCode.GET_DIGESTS, dice.randrange(32, 256)
    head = bytes([victim.where.version, SpdmCode.ERROR, SpdmErrorCode.RESPONSE_NOT_READY, 0])
    error = head + bytes([exponent, code, dice.randrange(256), dice.randrange(256)])
    if victim.where.stage is Stage.KNOWN:
        on_the_wire(victim.two, SpdmCode.DIGESTS, lambda message: error)
        victim.ask(ReadDigests())
    else:
        response = SpdmCode(code & 0x7F)
        on_the_wire(victim.two, response, lambda message: error)
        victim.ask(Connect())
    return victim


# negotiation


@kind_of(KINDS, 3)
def capabilities_that_break_a_rule(dice: random.Random) -> OfRequester:
    victim = drawn(dice, Stage.BARE, since=V1_0)
    known = capability_rules.KNOWN_RESPONDER_CAPABILITIES[victim.where.version]
    while True:
        flags = ResponderCapabilities(dice.getrandbits(32) & known)
        if capability_rules.objection(victim.where.version, flags):
            break
    on_the_wire(victim.two, SpdmCode.CAPABILITIES, lambda m: bytes(m[:8]) + flags.to_bytes(4, "little") + bytes(m[12:]))
    victim.ask(Connect())
    return victim


@kind_of(KINDS, 4)
def algorithms_that_were_not_offered(dice: random.Random) -> OfRequester:
    victim = drawn(dice, Stage.BARE, since=V1_0, flavours=WIDE)
    at = dice.choice((12, 16))
    alien = 1 << dice.randrange(16, 32)
    selected = dice.choice((alien, 0x3, 0x7, 0xFFFF, 0xFFFFFFFF))
    edit = lambda m: bytes(m[:at]) + selected.to_bytes(4, "little") + bytes(m[at + 4 :])  # noqa: E731  as the others
    on_the_wire(victim.two, SpdmCode.ALGORITHMS, edit)
    victim.ask(Connect())
    return victim


@kind_of(KINDS, 2)
def versions_that_there_are_not(dice: random.Random) -> OfRequester:
    victim = drawn(dice, Stage.BARE, since=V1_0)
    count = dice.randrange(8)
    entries = b"".join(
        bytes([dice.randrange(256), dice.choice([v for v in range(256) if v != victim.where.version])])
        for _ in range(count)
    )
    claimed = count if dice.random() < 0.7 else dice.randrange(count + 1, 256)
    on_the_wire(victim.two, SpdmCode.VERSION, lambda m: bytes([0x10, 4, 0, 0, 0, claimed]) + entries)
    victim.ask(Connect())
    return victim

"""Hostile handshakes, records and key updates."""

from __future__ import annotations

import random
from collections.abc import Callable

from pytio.spdm.codes import (
    KeyUpdateOperation,
    MutAuthRequested,
    SpdmCode,
    SpdmErrorCode,
)
from pytio.spdm.messages.session import KeyUpdateAck
from pytio.spdm.requests import (
    Intent,
    LeaveSession,
    Measure,
    ReadDigests,
    StartPskSession,
    StartSession,
    UpdateKeys,
)
from pytio.spdm.session import Session, Side
from tests.soak.hostile.judging import OfRequester, kind_of
from tests.soak.hostile.responders import HANDSHAKES, KINDS, PLAIN, answered, drawn
from tests.soak.hostile.scenes import IN_SESSION, Flavour, Stage
from tests.spdm.lies.telling import flip, on_the_wire, sealed_so
from tests.spdm.pair import PSK_HINT

# handshakes


@kind_of(KINDS, 5)
def handshakes_without_the_secret(dice: random.Random) -> OfRequester:
    intent, code, flavour = dice.choice(
        (
            (StartSession(), SpdmCode.KEY_EXCHANGE_RSP, Flavour.MCTP),
            (StartSession(), SpdmCode.FINISH_RSP, Flavour.CLEAR),
            (StartPskSession(PSK_HINT), SpdmCode.PSK_EXCHANGE_RSP, Flavour.DOE),
        )
    )
    victim = drawn(dice, Stage.KNOWN, flavours=(flavour,))
    on_the_wire(victim.two, code, flip(-1 - dice.randrange(32), 1 << dice.randrange(8)))
    victim.ask(intent)
    assert not victim.two.requester.sessions
    return victim


@kind_of(KINDS, 4)
def handshakes_on_terms_that_were_not_agreed(dice: random.Random) -> OfRequester:
    """Signed, and with verify data that hold."""
    victim = drawn(dice, Stage.KNOWN, flavours=PLAIN)
    two = victim.two
    if dice.random() < 0.5:
        demanded = [value for value in range(8) if value not in (0, 1, 2, 4)]
        wanted, slot = MutAuthRequested(dice.choice(demanded)), dice.randrange(16)
    else:
        wanted, slot = MutAuthRequested(0), dice.randrange(1, 16)
    two.responder.mutual_authentication = lambda: (wanted, slot)  # type: ignore[method-assign]
    victim.ask(StartSession())
    assert not two.requester.sessions
    return victim


@kind_of(KINDS, 3)
def damaged_handshakes(dice: random.Random) -> OfRequester:
    victim = drawn(dice, Stage.KNOWN)
    answered(victim, lambda m: flip(dice.randrange(len(m)), 1 << dice.randrange(8))(m), chance=0.4)
    victim.ask(dice.choice(HANDSHAKES), must_fail=False)
    return victim


# records


def _asked(victim: OfRequester) -> tuple[Session, Callable[[bytes], None]]:
    """Have the requester ask in a session; return the responder's half, and how to answer."""
    two = victim.two
    number = victim.session().session_id
    two.requester.send(ReadDigests(), session=number, now=two.now)
    request = two.requester.bytes_to_send()
    assert request is not None

    def answer(record: bytes, *, is_secured: bool = True) -> None:
        victim.judge(lambda: two.requester.receive(record, now=two.now, is_secured=is_secured))

    return two.responder.sessions[number], answer


def _digests(victim: OfRequester) -> bytes:
    return victim.two.responder.identity.digests().build()


@kind_of(KINDS, 4)
def replayed_record(dice: random.Random) -> OfRequester:
    victim = drawn(dice, *IN_SESSION)
    theirs, answer = _asked(victim)
    said = [m for side, m in victim.two.wire if side == "response" and m.is_secured]
    mine = [m for m in said if int.from_bytes(m[:4], "little") == theirs.session_id]
    answer(bytes(dice.choice(mine)))
    return victim


@kind_of(KINDS, 4)
def wrong_sequence_number(dice: random.Random) -> OfRequester:
    victim = drawn(dice, *IN_SESSION)
    theirs, answer = _asked(victim)
    theirs.direction(Side.RESPONSE).cipher.skip(dice.choice((1, 2, 255, 65536, 1 << 40)))
    answer(theirs.seal(Side.RESPONSE, _digests(victim), victim.two.responder.provider))
    return victim


@kind_of(KINDS, 4)
def forged_record(dice: random.Random) -> OfRequester:
    victim = drawn(dice, *IN_SESSION)
    theirs, answer = _asked(victim)
    record = theirs.seal(Side.RESPONSE, _digests(victim), victim.two.responder.provider)
    kind = dice.randrange(3)
    if kind == 0:
        answer(record[: dice.randrange(len(record))])
    elif kind == 1:
        answer(record[:4] + dice.randbytes(len(record) - 4))
    else:
        answer(flip(dice.randrange(len(record)), 1 << dice.randrange(8))(record))
    return victim


@kind_of(KINDS, 2)
def reflected_record(dice: random.Random) -> OfRequester:
    """What the requester said comes back to it."""
    victim = drawn(dice, *IN_SESSION)
    two = victim.two
    number = victim.session().session_id
    two.requester.send(ReadDigests(), session=number, now=two.now)
    request = two.requester.bytes_to_send()
    assert request is not None
    victim.judge(lambda: two.requester.receive(request, now=two.now, is_secured=True))
    return victim


@kind_of(KINDS, 4)
def in_clear_what_must_be_secured(dice: random.Random) -> OfRequester:
    victim = drawn(dice, *IN_SESSION)
    two = victim.two
    number = victim.session().session_id
    intent: Intent = dice.choice((ReadDigests(), LeaveSession(), UpdateKeys(), Measure(0)))
    two.requester.send(intent, session=number, now=two.now)
    request = two.requester.bytes_to_send()
    assert request is not None
    code = {LeaveSession: SpdmCode.END_SESSION_ACK, UpdateKeys: SpdmCode.KEY_UPDATE_ACK}.get(type(intent))
    raw = _digests(victim) if code is None else bytes([victim.where.version, code, 0, 0])
    if dice.random() < 0.3:
        raw = bytes([victim.where.version, SpdmCode.ERROR, dice.choice(list(SpdmErrorCode)), 0])
    victim.judge(lambda: two.requester.receive(raw, now=two.now))
    assert number in two.requester.sessions
    return victim


# key updates


@kind_of(KINDS, 4)
def wrong_acknowledgements_of_key_updates(dice: random.Random) -> OfRequester:
    victim = drawn(dice, *IN_SESSION)
    two, number = victim.two, victim.session().session_id
    operation = dice.choice((KeyUpdateOperation.UPDATE_KEY, KeyUpdateOperation.UPDATE_ALL_KEYS))
    if dice.random() < 0.5:
        edit = flip(2 + dice.randrange(2), 1 << dice.randrange(8))
        sealed_so(two, SpdmCode.KEY_UPDATE_ACK, edit)
        victim.ask(UpdateKeys(operation), number)
    else:  # under the old key
        two.requester.send(UpdateKeys(KeyUpdateOperation.UPDATE_ALL_KEYS), session=number, now=two.now)
        record = two.requester.bytes_to_send()
        assert record is not None
        theirs = two.responder.sessions[number]
        update = theirs.rules.framing.unwrap(theirs.open(Side.REQUEST, record))
        ack = KeyUpdateAck(
            version=victim.where.version, key_operation=KeyUpdateOperation.UPDATE_ALL_KEYS, tag=update[3]
        )
        old = theirs.seal(Side.RESPONSE, ack.build(), two.responder.provider)
        victim.judge(lambda: two.requester.receive(old, now=two.now, is_secured=True))
    assert number not in two.requester.sessions
    return victim

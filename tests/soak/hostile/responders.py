"""Kinds of hostile responders: each sets a scene, has the requester ask, answers as no honest one does, and judges."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, Final

import attrs

from pytio.crypto import Certificate, ChainRole
from pytio.spdm import capability_rules
from pytio.spdm.algorithms import BaseAsymAlgo
from pytio.spdm.capabilities import ResponderCapabilities
from pytio.spdm.codes import (
    KeyUpdateOperation,
    MeasurementIndex,
    MeasurementSummaryHashType,
    MutAuthRequested,
    RegistryId,
    SpdmCode,
    SpdmErrorCode,
    SpdmVersion,
)
from pytio.spdm.configuration import Slot, Trust
from pytio.spdm.endpoint import Outgoing
from pytio.spdm.messages.session import KeyUpdateAck
from pytio.spdm.requests import (
    AnswerEncapsulated,
    Authenticate,
    Connect,
    Intent,
    KeepAlive,
    LeaveSession,
    Measure,
    ReadCertificate,
    ReadDigests,
    ReadEndpointInfo,
    ReadMeasurementLog,
    RequestCertificate,
    StartPskSession,
    StartSession,
    UpdateKeys,
    VendorRequest,
)
from pytio.spdm.session import Session, Side
from tests.soak.hostile.chains import BENT, bent, spoilt
from tests.soak.hostile.judging import Kind, OfRequester, kind_of
from tests.soak.hostile.requesters import mutated
from tests.soak.hostile.scenes import FLAVOURS, IN_SESSION, VENDOR, Flavour, Stage, enter, scene
from tests.spdm.lies.telling import Edit, flip, on_the_wire, put, sealed_so, signed_so
from tests.spdm.pair import PSK_HINT, identity

__all__ = ("KINDS",)

KINDS: Final[dict[str, Kind]] = {}
V1_0, V1_1, V1_2, V1_3, V1_4 = SpdmVersion
_WIDE: Final = tuple(flavour for flavour in FLAVOURS if flavour is not Flavour.NARROW)
_PLAIN: Final = (Flavour.DOE, Flavour.MCTP, Flavour.MAC_ONLY)
_HELLO: Final = VendorRequest(RegistryId.PCI_SIG, VENDOR, bytes(100))
_OUTSIDE: Final[tuple[Intent, ...]] = (
    ReadDigests(),
    ReadCertificate(),
    Measure(0),
    Measure(slot=0),
    _HELLO,
    Authenticate(),
    Authenticate(summary=MeasurementSummaryHashType.ALL),
)
_HANDSHAKES: Final[tuple[Intent, ...]] = (StartSession(), StartPskSession(PSK_HINT))
_INSIDE: Final[tuple[Intent, ...]] = (ReadDigests(), Measure(0), Measure(), _HELLO, UpdateKeys(), LeaveSession())


def _victim(
    dice: random.Random,
    *stages: Stage,
    since: SpdmVersion = V1_1,
    flavours: tuple[Flavour, ...] = FLAVOURS,
    **changes: Any,
) -> OfRequester:
    where = scene(dice, *stages, since=since, flavours=flavours)
    return OfRequester(where, enter(where, **changes), dice)


def _intent(victim: OfRequester) -> tuple[Intent, int | None]:
    """Draw something to ask for, in a session or outside."""
    dice, where = victim.dice, victim.where
    if where.stage in IN_SESSION and dice.random() < 0.6:
        inside = (*_INSIDE, KeepAlive()) if where.flavour is Flavour.MCTP else _INSIDE
        return dice.choice(inside), victim.session().session_id
    if where.stage is Stage.NEGOTIATED:
        return dice.choice(_OUTSIDE[:3]), None
    sessions = _HANDSHAKES if where.version >= V1_1 else ()
    return dice.choice(_OUTSIDE + sessions), None


def _answered(victim: OfRequester, change: Callable[[Outgoing], bytes], *, chance: float = 1.0) -> None:
    """Change answers on their way, whatever they are: the first one surely where the chance is 1."""

    def tap(side: str, message: Outgoing) -> bytes:
        return change(message) if side == "response" and victim.dice.random() < chance else message

    victim.two.tap = tap


# anything


@kind_of(KINDS, 10)
def damaged_answers(dice: random.Random) -> OfRequester:
    victim = _victim(dice, Stage.NEGOTIATED, Stage.KNOWN, *IN_SESSION, since=V1_0)
    _answered(victim, lambda message: mutated(message, dice), chance=dice.choice((0.3, 1.0)))
    victim.ask(*_intent(victim), must_fail=False)
    return victim


@kind_of(KINDS, 8)
def damaged_before_they_were_sealed(dice: random.Random) -> OfRequester:
    victim = _victim(dice, *IN_SESSION, flavours=_WIDE)
    perform = victim.two.responder.perform
    setattr(victim.two.responder, "perform", lambda call: mutated(perform(call), dice))  # noqa: B010  on this object
    for _ in range(dice.randrange(1, 3)):
        if not victim.two.requester.sessions:
            break
        inside = (*_INSIDE, KeepAlive()) if victim.where.flavour is Flavour.MCTP else _INSIDE
        victim.ask(dice.choice(inside), victim.session().session_id, must_fail=False)
    return victim


@kind_of(KINDS, 4)
def random_answers(dice: random.Random) -> OfRequester:
    victim = _victim(dice, Stage.NEGOTIATED, Stage.KNOWN, *IN_SESSION, since=V1_0)

    def invent(message: Outgoing) -> bytes:
        if dice.random() < 0.3:
            return dice.randbytes(dice.randrange(60))
        return bytes(message[:2]) + dice.randbytes(dice.randrange(2, 90))

    _answered(victim, invent)
    victim.ask(*_intent(victim), must_fail=False)
    return victim


@kind_of(KINDS, 5)
def errors_of_all_kinds(dice: random.Random) -> OfRequester:
    victim = _victim(dice, Stage.NEGOTIATED, Stage.KNOWN, *IN_SESSION, since=V1_0, flavours=_WIDE)

    def error(message: bytes) -> bytes:
        code = dice.choice([*SpdmErrorCode, dice.randrange(256)])
        head = bytes([victim.where.version, SpdmCode.ERROR, code, dice.randrange(256)])
        return head + dice.randbytes(dice.randrange(6))

    intent, session = _intent(victim)
    if session is None:
        _answered(victim, error, chance=dice.choice((0.5, 1.0)))
    else:
        perform = victim.two.responder.perform
        setattr(victim.two.responder, "perform", lambda call: error(perform(call)))  # noqa: B010  on this object
    victim.ask(intent, session, must_fail=False)
    return victim


@kind_of(KINDS, 3)
def another_answer(dice: random.Random) -> OfRequester:
    """Good once, to another request."""
    victim = _victim(dice, Stage.KNOWN, *IN_SESSION, flavours=_WIDE)
    said = [m for side, m in victim.two.wire if side == "response" and not m.is_secured]
    _answered(victim, lambda message: bytes(dice.choice([m for m in said if m[1] != message[1]])))
    victim.ask(dice.choice(_OUTSIDE + _HANDSHAKES))
    return victim


@kind_of(KINDS, 3)
def an_old_answer(dice: random.Random) -> OfRequester:
    """Good once, to the same request with another nonce."""
    victim = _victim(dice, Stage.KNOWN, flavours=_PLAIN)
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
    victim = _victim(dice, Stage.NEGOTIATED, Stage.KNOWN, flavours=_WIDE)
    wrong = dice.choice([value for value in range(256) if value != victim.where.version])
    _answered(victim, put(0, wrong))
    victim.ask(*_intent(victim))
    return victim


@kind_of(KINDS, 2)
def answers_that_nobody_asked_for(dice: random.Random) -> OfRequester:
    victim = _victim(dice, Stage.BARE, Stage.NEGOTIATED, Stage.KNOWN, *IN_SESSION, since=V1_0)
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
    victim = _victim(dice, Stage.BARE, Stage.KNOWN, flavours=_WIDE)
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


# signed, and wrong


@kind_of(KINDS, 6)
def changed_after_it_was_signed(dice: random.Random) -> OfRequester:
    victim = _victim(dice, Stage.KNOWN, flavours=_WIDE)
    intent, code = dice.choice(
        (
            (Authenticate(), SpdmCode.CHALLENGE_AUTH),
            (Measure(slot=0), SpdmCode.MEASUREMENTS),
            (StartSession(), SpdmCode.KEY_EXCHANGE_RSP),
        )
    )
    bit = 1 << dice.randrange(8)
    where = dice.random()
    on_the_wire(victim.two, code, lambda m: flip(2 + int(where * (len(m) - 2)), bit)(m))
    victim.ask(intent)
    return victim


@kind_of(KINDS, 5)
def signed_lies(dice: random.Random) -> OfRequester:
    """The signature holds over every one of them."""
    victim = _victim(dice, Stage.KNOWN, flavours=_WIDE)
    size = victim.two.requester.hash_algorithm.digest_size
    lies: list[tuple[Intent, SpdmCode, Edit]] = [
        (Authenticate(), SpdmCode.CHALLENGE_AUTH, put(2, dice.randrange(1, 15))),
        (Authenticate(), SpdmCode.CHALLENGE_AUTH, put(3, dice.randrange(256) & 0xFE)),
        (Authenticate(), SpdmCode.CHALLENGE_AUTH, flip(4 + dice.randrange(size), 1 << dice.randrange(8))),
        (Measure(slot=0), SpdmCode.MEASUREMENTS, flip(3, dice.randrange(1, 16))),
    ]
    if victim.where.version >= V1_3:
        at = 4 + size + 32 + 2 + dice.randrange(8)
        lies.append((Authenticate(), SpdmCode.CHALLENGE_AUTH, flip(at, 1 << dice.randrange(8))))
    intent, code, edit = dice.choice(lies)
    signed_so(victim.two, code, edit)
    victim.ask(intent)
    return victim


@kind_of(KINDS, 4)
def measurements_that_were_not_asked_for(dice: random.Random) -> OfRequester:
    victim = _victim(dice, Stage.KNOWN, *IN_SESSION, flavours=_WIDE)
    two = victim.two
    kind = dice.randrange(3)
    session = None
    if victim.where.stage in IN_SESSION:
        session = victim.session().session_id
    intent: Intent = Measure(1)
    edit: Edit = put(8, dice.choice([0, *range(2, 256)]))
    if kind == 1:

        def again(message: bytes) -> bytes:
            return put(8 + 4 + int.from_bytes(message[10:12], "little"), message[8])(message)

        intent, edit = Measure(), again
    elif kind == 2 and victim.where.version >= V1_3:
        intent, edit = Measure(dice.choice((1, MeasurementIndex.ALL))), flip(-1 - dice.randrange(8))
    if session is None:
        on_the_wire(two, SpdmCode.MEASUREMENTS, edit)
    else:
        sealed_so(two, SpdmCode.MEASUREMENTS, edit)
    victim.ask(intent, session)
    return victim


# identity


@kind_of(KINDS, 4)
def chains_that_break_a_rule(dice: random.Random) -> OfRequester:
    """Their root is trusted."""
    number = dice.randrange(BENT + 1)
    own = identity(BaseAsymAlgo.ECDSA_P256).certificates
    certificates = bent(number, "P-256", ChainRole.RESPONDER) if number < BENT else spoilt(own, dice.randrange(99))
    trust = Trust(roots=(Certificate(certificates[0]),))
    victim = _victim(dice, Stage.NEGOTIATED, flavours=(*_PLAIN, Flavour.NARROW), asking={"trust": trust})
    two = victim.two
    good = two.responder.slots.slots[0]
    two.responder.slots.slots[0] = Slot(certificates)
    if dice.random() < 0.3:
        two.run(ReadDigests())
    victim.ask(ReadCertificate())
    assert not two.requester.peer.chains
    two.responder.slots.slots[0] = good
    two.requester.config = attrs.evolve(two.requester.config, trust=Trust(roots=(Certificate(own[0]),)))
    return victim


@kind_of(KINDS, 4)
def portions_that_do_not_add_up(dice: random.Random) -> OfRequester:
    """Of another slot, of another length than before, of nothing at all, or of more than was asked for."""
    victim = _victim(dice, Stage.NEGOTIATED, flavours=_WIDE, asking={"certificate_portion_bytes": 200})
    is_large = victim.where.version >= V1_4
    portion, remainder = (8, 12) if is_large else (4, 6)
    size = remainder - portion
    kind = dice.randrange(4)
    if kind == 3:
        edit = put(remainder, 201 + dice.randrange(50))
        on_the_wire(victim.two, SpdmCode.GET_CERTIFICATE, edit, side="request")
    else:
        edits: tuple[Edit, ...] = (
            lambda m: put(2, (m[2] & 0xF0) | dice.randrange(1, 16))(m),
            flip(remainder + dice.randrange(2), 1 << dice.randrange(8)),
            lambda m: bytes(m[:portion]) + bytes(size) + (1).to_bytes(size, "little"),
        )
        on_the_wire(victim.two, SpdmCode.CERTIFICATE, edits[kind], first=dice.randrange(1, 4), only=1)
    victim.ask(ReadCertificate())
    return victim


@kind_of(KINDS, 2)
def another_digest(dice: random.Random) -> OfRequester:
    victim = _victim(dice, Stage.NEGOTIATED, flavours=(*_PLAIN, Flavour.MUTUAL))
    size = victim.two.requester.hash_algorithm.digest_size
    on_the_wire(victim.two, SpdmCode.DIGESTS, flip(4 + dice.randrange(size), 1 << dice.randrange(8)))
    victim.two.run(ReadDigests())
    victim.ask(ReadCertificate())
    return victim


# lengths


@kind_of(KINDS, 4)
def mel_lengths(dice: random.Random) -> OfRequester:
    victim = _victim(dice, Stage.KNOWN, since=V1_3, flavours=_WIDE)
    kind = dice.randrange(3)

    def edit(message: bytes) -> bytes:
        portion = int.from_bytes(message[4:8], "little")
        if kind == 0:  # longer than the message
            return message[:4] + (portion + dice.randrange(1, 1 << 31)).to_bytes(4, "little") + message[8:]
        if kind == 1:  # nothing, and more to come
            return message[:4] + bytes(4) + dice.randrange(1, 1 << 31).to_bytes(4, "little")
        return message[: dice.randrange(4, len(message))]

    on_the_wire(victim.two, SpdmCode.MEASUREMENT_EXTENSION_LOG, edit)
    victim.ask(ReadMeasurementLog())
    return victim


@kind_of(KINDS, 3)
def csr_lengths(dice: random.Random) -> OfRequester:
    victim = _victim(dice, Stage.KNOWN, since=V1_2, flavours=_PLAIN)
    size = dice.choice((0, dice.randrange(0x7FFF, 0x10000)))
    on_the_wire(victim.two, SpdmCode.CSR, lambda m: bytes(m[:4]) + size.to_bytes(2, "little") + bytes(m[6:]))
    victim.ask(RequestCertificate())
    return victim


@kind_of(KINDS, 2)
def other_lengths(dice: random.Random) -> OfRequester:
    """Cut anywhere, every message that has one length."""
    victim = _victim(dice, Stage.KNOWN, flavours=_WIDE)
    intent, code = dice.choice(
        (
            (Authenticate(), SpdmCode.CHALLENGE_AUTH),
            (Measure(slot=0), SpdmCode.MEASUREMENTS),
            (StartSession(), SpdmCode.KEY_EXCHANGE_RSP),
            (StartPskSession(PSK_HINT), SpdmCode.PSK_EXCHANGE_RSP),
            (ReadDigests(), SpdmCode.DIGESTS),
        )
    )
    on_the_wire(victim.two, code, lambda message: bytes(message[: dice.randrange(len(message))]))
    victim.ask(intent)
    return victim


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
    victim = _victim(dice, Stage.KNOWN, flavours=(flavour,))
    on_the_wire(victim.two, code, flip(-1 - dice.randrange(32), 1 << dice.randrange(8)))
    victim.ask(intent)
    assert not victim.two.requester.sessions
    return victim


@kind_of(KINDS, 4)
def handshakes_on_terms_that_were_not_agreed(dice: random.Random) -> OfRequester:
    """Signed, and with verify data that hold."""
    victim = _victim(dice, Stage.KNOWN, flavours=_PLAIN)
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
    victim = _victim(dice, Stage.KNOWN)
    _answered(victim, lambda m: flip(dice.randrange(len(m)), 1 << dice.randrange(8))(m), chance=0.4)
    victim.ask(dice.choice(_HANDSHAKES), must_fail=False)
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
    victim = _victim(dice, *IN_SESSION)
    theirs, answer = _asked(victim)
    said = [m for side, m in victim.two.wire if side == "response" and m.is_secured]
    mine = [m for m in said if int.from_bytes(m[:4], "little") == theirs.session_id]
    answer(bytes(dice.choice(mine)))
    return victim


@kind_of(KINDS, 4)
def wrong_sequence_number(dice: random.Random) -> OfRequester:
    victim = _victim(dice, *IN_SESSION)
    theirs, answer = _asked(victim)
    theirs.direction(Side.RESPONSE).cipher.skip(dice.choice((1, 2, 255, 65536, 1 << 40)))
    answer(theirs.seal(Side.RESPONSE, _digests(victim), victim.two.responder.provider))
    return victim


@kind_of(KINDS, 4)
def forged_record(dice: random.Random) -> OfRequester:
    victim = _victim(dice, *IN_SESSION)
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
    victim = _victim(dice, *IN_SESSION)
    two = victim.two
    number = victim.session().session_id
    two.requester.send(ReadDigests(), session=number, now=two.now)
    request = two.requester.bytes_to_send()
    assert request is not None
    victim.judge(lambda: two.requester.receive(request, now=two.now, is_secured=True))
    return victim


@kind_of(KINDS, 4)
def in_clear_what_must_be_secured(dice: random.Random) -> OfRequester:
    victim = _victim(dice, *IN_SESSION)
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
    victim = _victim(dice, *IN_SESSION)
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


# negotiation


@kind_of(KINDS, 3)
def capabilities_that_break_a_rule(dice: random.Random) -> OfRequester:
    victim = _victim(dice, Stage.BARE, since=V1_0)
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
    victim = _victim(dice, Stage.BARE, since=V1_0, flavours=_WIDE)
    at = dice.choice((12, 16))
    alien = 1 << dice.randrange(16, 32)
    selected = dice.choice((alien, 0x3, 0x7, 0xFFFF, 0xFFFFFFFF))
    edit = lambda m: bytes(m[:at]) + selected.to_bytes(4, "little") + bytes(m[at + 4 :])  # noqa: E731  as the others
    on_the_wire(victim.two, SpdmCode.ALGORITHMS, edit)
    victim.ask(Connect())
    return victim


@kind_of(KINDS, 2)
def versions_that_there_are_not(dice: random.Random) -> OfRequester:
    victim = _victim(dice, Stage.BARE, since=V1_0)
    count = dice.randrange(8)
    entries = b"".join(
        bytes([dice.randrange(256), dice.choice([v for v in range(256) if v != victim.where.version])])
        for _ in range(count)
    )
    claimed = count if dice.random() < 0.7 else dice.randrange(count + 1, 256)
    on_the_wire(victim.two, SpdmCode.VERSION, lambda m: bytes([0x10, 4, 0, 0, 0, claimed]) + entries)
    victim.ask(Connect())
    return victim


# underneath


@kind_of(KINDS, 4)
def chunks_out_of_order(dice: random.Random) -> OfRequester:
    victim = _victim(dice, Stage.KNOWN, since=V1_2, flavours=(Flavour.NARROW,))
    total_at = 12
    first = dice.randrange(2)
    edits: list[Edit] = [
        flip(3, 1 << dice.randrange(8)),
        flip(4, 2 << dice.randrange(7)),
        put(0, victim.where.version ^ 1),
        lambda m: bytes(m[:2]) + bytes([m[2] ^ 1]) + bytes(m[3:]),
        lambda m: bytes([victim.where.version, SpdmCode.ERROR, SpdmErrorCode.LARGE_RESPONSE, 0, m[3]]),
    ]
    if not first:
        size = dice.choice((0, 1, 64, 0x10001, 0x7FFFFFFF, 0xFFFFFFFF))
        edits += [lambda m: bytes(m[:total_at]) + size.to_bytes(4, "little") + bytes(m[total_at + 4 :])] * 4
    on_the_wire(victim.two, SpdmCode.CHUNK_RESPONSE, dice.choice(edits), first=first, only=1)
    victim.ask(ReadCertificate())
    return victim


@kind_of(KINDS, 3)
def wrong_acknowledgements_of_chunks(dice: random.Random) -> OfRequester:
    victim = _victim(dice, Stage.KNOWN, since=V1_2, flavours=(Flavour.NARROW,))
    width = 4 if victim.where.version >= V1_4 else 2
    edit = flip(3 + dice.randrange(1 + width), 1 << dice.randrange(8))
    on_the_wire(victim.two, SpdmCode.CHUNK_SEND_ACK, edit, first=dice.randrange(2), only=1)
    victim.ask(_HELLO)
    return victim


# the encapsulated flow


@kind_of(KINDS, 4)
def wrong_questions(dice: random.Random) -> OfRequester:
    victim = _victim(dice, Stage.KNOWN, flavours=_WIDE)
    two, version = victim.two, victim.where.version
    two.responder.ask(ReadDigests(), ReadCertificate())
    kind = dice.randrange(3)
    if kind == 0:  # no request at all, or of another version
        inner = dice.choice((b"", b"\x12", bytes([version ^ 1, SpdmCode.GET_DIGESTS, 0, 0]), dice.randbytes(3)))
        on_the_wire(two, SpdmCode.ENCAPSULATED_REQUEST, lambda m: bytes(m[:4]) + inner)
        victim.ask(AnswerEncapsulated())
    elif kind == 1 and version >= V1_2:
        on_the_wire(two, SpdmCode.ENCAPSULATED_RESPONSE_ACK, flip(4, 1 << dice.randrange(8)), only=1)
        victim.ask(AnswerEncapsulated())
    else:
        code = dice.choice([code for code in SpdmCode if code.is_request])
        inner = bytes([version, code]) + dice.randbytes(dice.randrange(2, 50))
        on_the_wire(two, SpdmCode.ENCAPSULATED_REQUEST, lambda m: bytes(m[:4]) + inner)
        victim.ask(AnswerEncapsulated(), must_fail=False)
    return victim


@kind_of(KINDS, 2)
def endpoint_information_that_was_changed(dice: random.Random) -> OfRequester:
    victim = _victim(dice, Stage.KNOWN, since=V1_3, flavours=_WIDE)
    where, bit = dice.random(), 1 << dice.randrange(8)
    on_the_wire(victim.two, SpdmCode.ENDPOINT_INFO, lambda m: flip(4 + int(where * (len(m) - 4)), bit)(m))
    victim.ask(ReadEndpointInfo(slot=0))
    return victim

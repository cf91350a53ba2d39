"""Signed lies, chains that break a rule, lengths that are abused."""

from __future__ import annotations

import random

import attrs

from pytio.crypto import Certificate, ChainRole
from pytio.spdm.algorithms import BaseAsymAlgo
from pytio.spdm.codes import MeasurementIndex, SpdmCode, SpdmVersion
from pytio.spdm.configuration import Slot, Trust
from pytio.spdm.requests import (
    Authenticate,
    Intent,
    Measure,
    ReadCertificate,
    ReadDigests,
    ReadMeasurementLog,
    RequestCertificate,
    StartPskSession,
    StartSession,
)
from tests.soak.hostile.chains import BENT, bent, spoilt
from tests.soak.hostile.judging import OfRequester, kind_of
from tests.soak.hostile.responders import KINDS, PLAIN, WIDE, drawn
from tests.soak.hostile.scenes import IN_SESSION, Flavour, Stage
from tests.spdm.lies.telling import Edit, flip, on_the_wire, put, sealed_so, signed_so
from tests.spdm.pair import PSK_HINT, identity

V1_2, V1_3, V1_4 = SpdmVersion.V1_2, SpdmVersion.V1_3, SpdmVersion.V1_4


# signed, and wrong


@kind_of(KINDS, 6)
def changed_after_it_was_signed(dice: random.Random) -> OfRequester:
    victim = drawn(dice, Stage.KNOWN, flavours=WIDE)
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
    victim = drawn(dice, Stage.KNOWN, flavours=WIDE)
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
    victim = drawn(dice, Stage.KNOWN, *IN_SESSION, flavours=WIDE)
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
    victim = drawn(dice, Stage.NEGOTIATED, flavours=(*PLAIN, Flavour.NARROW), asking={"trust": trust})
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
    victim = drawn(dice, Stage.NEGOTIATED, flavours=WIDE, asking={"certificate_portion_bytes": 200})
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
    victim = drawn(dice, Stage.NEGOTIATED, flavours=(*PLAIN, Flavour.MUTUAL))
    size = victim.two.requester.hash_algorithm.digest_size
    on_the_wire(victim.two, SpdmCode.DIGESTS, flip(4 + dice.randrange(size), 1 << dice.randrange(8)))
    victim.two.run(ReadDigests())
    victim.ask(ReadCertificate())
    return victim


# lengths


@kind_of(KINDS, 4)
def mel_lengths(dice: random.Random) -> OfRequester:
    victim = drawn(dice, Stage.KNOWN, since=V1_3, flavours=WIDE)
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
    victim = drawn(dice, Stage.KNOWN, since=V1_2, flavours=PLAIN)
    size = dice.choice((0, dice.randrange(0x7FFF, 0x10000)))
    on_the_wire(victim.two, SpdmCode.CSR, lambda m: bytes(m[:4]) + size.to_bytes(2, "little") + bytes(m[6:]))
    victim.ask(RequestCertificate())
    return victim


@kind_of(KINDS, 2)
def other_lengths(dice: random.Random) -> OfRequester:
    """Cut anywhere, every message that has one length."""
    victim = drawn(dice, Stage.KNOWN, flavours=WIDE)
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

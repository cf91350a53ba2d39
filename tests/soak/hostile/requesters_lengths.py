"""Lengths that are abused, and chains that break a rule."""

from __future__ import annotations

import random

import attrs

from pytio.crypto import Certificate, ChainRole
from pytio.spdm.codes import SpdmCode, SpdmVersion
from pytio.spdm.configuration import Slot, Trust
from pytio.spdm.events import PeerAuthenticated
from pytio.spdm.requests import StartSession
from tests.soak.hostile.chains import BENT, bent, spoilt
from tests.soak.hostile.judging import DOCUMENTED, OfResponder, kind_of
from tests.soak.hostile.requesters import KINDS, WIDE, drawn, installing, own_chain, somewhere
from tests.soak.hostile.scenes import IN_SESSION, Flavour, Stage, enter, scene

V1_2, V1_3 = SpdmVersion.V1_2, SpdmVersion.V1_3


# lengths


@kind_of(KINDS, 4)
def csr_lengths(dice: random.Random) -> OfResponder:
    victim = drawn(dice, Stage.KNOWN, *IN_SESSION, since=V1_2)
    body = dice.randbytes(dice.randrange(40))
    claimed = [len(body) + dice.randrange(1, 0xFF00), dice.randrange(0x100)]
    dice.shuffle(claimed)
    head = bytes([victim.where.version, SpdmCode.GET_CSR, 0, 0])
    lengths = b"".join(length.to_bytes(2, "little") for length in claimed)
    raw = head + lengths + body
    if dice.random() < 0.3:  # lengths that are right, of what is no DER
        info = b"\x30\x84" + dice.randbytes(dice.randrange(2, 40))
        raw = head + len(info).to_bytes(2, "little") + bytes(2) + info
    somewhere(victim, raw)
    return victim


@kind_of(KINDS, 4)
def mel_lengths(dice: random.Random) -> OfResponder:
    victim = drawn(dice, Stage.KNOWN, *IN_SESSION, since=V1_3)
    log = len(victim.two.responder.config.measurement_log.build())
    head = bytes([victim.where.version, SpdmCode.GET_MEASUREMENT_EXTENSION_LOG, 0, 0])
    if dice.random() < 0.6:
        offset = dice.choice((log, log + 1, 0x7FFFFFFF, 0xFFFFFFFF, dice.randrange(log, 1 << 32)))
        somewhere(victim, head + offset.to_bytes(4, "little") + dice.randbytes(4))
    else:  # more than there is: no more comes than there is
        offset = dice.randrange(log)
        length = dice.choice((0xFFFFFFFF, 0x80000000, 0xFFFFFFFF - offset, log))
        raw = head + offset.to_bytes(4, "little") + length.to_bytes(4, "little")
        answer = victim.strike(raw, must_fail=False)
        assert len(answer) == 12 + log - offset or answer[1] == SpdmCode.ERROR
    return victim


@kind_of(KINDS, 2)
def certificate_lengths(dice: random.Random) -> OfResponder:
    victim = drawn(dice, Stage.KNOWN, *IN_SESSION)
    chain = len(victim.two.responder.slots.slots[0].chain(victim.two.responder.hash_algorithm))
    offset, length = dice.randrange(chain, 0x10000), dice.randrange(0x10000)
    if dice.random() < 0.3:
        offset, length = dice.randrange(chain), 0
    head = bytes([victim.where.version, SpdmCode.GET_CERTIFICATE, 0, 0])
    somewhere(victim, head + offset.to_bytes(2, "little") + length.to_bytes(2, "little"))
    return victim


# chains


@kind_of(KINDS, 4)
def installed_chain_that_breaks_a_rule(dice: random.Random) -> OfResponder:
    where = scene(dice, Stage.KNOWN, *IN_SESSION, since=V1_2, flavours=WIDE)
    victim = OfResponder(where, enter(where, answering={"checks_installed_keys": False}), dice)
    number = dice.randrange(BENT + 1)
    certificates = (
        bent(number, "P-256", ChainRole.RESPONDER) if number < BENT else spoilt(own_chain(), dice.randrange(99))
    )
    somewhere(victim, installing(victim, certificates))
    return victim


@kind_of(KINDS, 2)
def own_chain_that_breaks_a_rule(dice: random.Random) -> OfResponder:
    """The requester authenticates itself by such a chain, and its root is trusted."""
    where = scene(dice, Stage.KNOWN, flavours=(Flavour.MUTUAL, Flavour.DIGESTS))
    certificates = bent(dice.randrange(BENT), "P-384", ChainRole.REQUESTER)
    trust = Trust(roots=(Certificate(certificates[0]),))
    victim = OfResponder(where, enter(where, answering={"trust": trust}), dice)
    two = victim.two
    two.requester.slots.slots[0] = Slot(certificates)
    victim.messages += 1
    try:
        two.run(StartSession())
    except DOCUMENTED as error:
        victim.shows_nothing(error, two.answered)
    else:
        raise AssertionError("a chain that breaks a rule was believed")
    assert not any(isinstance(event, PeerAuthenticated) for event in two.answered)
    assert not any(session.is_mutual for session in two.responder.sessions.values())
    two.requester.slots.slots[0] = two.requester.config.slots[0]
    two.responder.config = attrs.evolve(two.responder.config, trust=enter(where).responder.config.trust)
    return victim

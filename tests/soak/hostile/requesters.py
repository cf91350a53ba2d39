"""What kinds of hostile requesters have in common: their table, and how their scenes are set."""

from __future__ import annotations

import random
from typing import Final

import attrs

from pytio.crypto import digest
from pytio.spdm.algorithms import BaseAsymAlgo
from pytio.spdm.certificate_chain import CertificateChain
from pytio.spdm.codes import CertificateModel, SpdmCode, SpdmVersion
from pytio.spdm.endpoint import Outgoing
from pytio.spdm.messages.provisioning import SetCertificate
from tests.soak.hostile.judging import Kind, OfResponder
from tests.soak.hostile.scenes import FLAVOURS, IN_SESSION, Flavour, Scene, Stage, enter, scene
from tests.spdm.pair import identity

__all__ = (
    "ANYWHERE",
    "FIRST",
    "KINDS",
    "SECURED_HANDSHAKES",
    "WIDE",
    "drawn",
    "installing",
    "later",
    "mutated",
    "own_chain",
    "requests_of",
    "somewhere",
)

KINDS: Final[dict[str, Kind]] = {}
V1_1 = SpdmVersion.V1_1
SECURED_HANDSHAKES: Final = tuple(flavour for flavour in FLAVOURS if flavour is not Flavour.CLEAR)
ANYWHERE: Final = (Stage.NEGOTIATED, Stage.KNOWN, Stage.KEY_EXCHANGED, Stage.PSK_EXCHANGED, *IN_SESSION)
WIDE: Final = tuple(flavour for flavour in FLAVOURS if flavour is not Flavour.NARROW)


def mutated(raw: bytes, dice: random.Random) -> bytes:
    """Return bytes that are not as they were."""
    data = bytearray(raw)
    while bytes(data) == raw:
        for _ in range(dice.randrange(1, 4)):
            at = min(dice.randrange(len(data) or 1), dice.randrange(len(data) or 1))
            kind = dice.randrange(5)
            if kind == 0 and data:
                data[at] ^= 1 << dice.randrange(8)
            elif kind == 1 and data:
                data[at] = dice.choice((0, 1, 0x7F, 0x80, 0xFF))
            elif kind == 2:
                del data[at:]
            elif kind == 3:
                data += dice.randbytes(dice.randrange(1, 30))
            else:
                data[at : at + 2] = dice.randbytes(2)
    return bytes(data)


def drawn(
    dice: random.Random,
    *stages: Stage,
    since: SpdmVersion = V1_1,
    flavours: tuple[Flavour, ...] = FLAVOURS,
) -> OfResponder:
    where = scene(dice, *stages, since=since, flavours=flavours)
    return OfResponder(where, enter(where), dice)


def requests_of(victim: OfResponder, *, in_clear: bool = True) -> list[Outgoing]:
    """Return what the requester said on the way."""
    return [m for side, m in victim.two.wire if side == "request" and m.is_secured is not in_clear]


def somewhere(victim: OfResponder, raw: bytes, *, must_fail: bool = True) -> bytes:
    """Say something in a session that lives, or outside any."""
    if victim.two.requester.sessions and victim.dice.random() < 0.6:
        return victim.strike_in(victim.session(), raw, must_fail=must_fail)
    return victim.strike(raw, must_fail=must_fail)


def own_chain() -> tuple[bytes, ...]:
    return identity(BaseAsymAlgo.ECDSA_P256).certificates


def installing(victim: OfResponder, certificates: tuple[bytes, ...], slot: int = 0) -> bytes:
    """Return SET_CERTIFICATE with a chain."""
    responder = victim.two.responder
    root_hash = digest(responder.hash_algorithm, certificates[0])
    chain = CertificateChain(root_hash=root_hash, certificate_list=b"".join(certificates)).build()
    several = responder.negotiated.is_responder_multi_key
    return SetCertificate(
        version=victim.where.version,
        slot_id=slot,
        key_pair_id=1 if several else 0,
        certificate_model=CertificateModel.DEVICE_CERT if several else CertificateModel.NONE,
        chain_content=chain[4:],
    ).build()


def later(victim: OfResponder) -> Scene:
    return attrs.evolve(victim.where, stage=Stage.KNOWN)


FIRST: Final = (SpdmCode.GET_VERSION, SpdmCode.GET_CAPABILITIES)

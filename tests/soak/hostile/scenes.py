"""Where a sequence begins: two endpoints that have come some way, put to sleep once and woken for each sequence.

Waking takes half a millisecond, a handshake five. Sessions are woken again and again here, which nobody should do:
nonces repeat.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from enum import Enum, IntEnum
from functools import cache
from types import MappingProxyType
from typing import Any, Final

import attrs

from pytio.crypto import ChainRole
from pytio.spdm.algorithms import BaseAsymAlgo
from pytio.spdm.capabilities import RequesterCapabilities, ResponderCapabilities
from pytio.spdm.codes import RegistryId, SpdmVersion
from pytio.spdm.configuration import (
    KeyPair,
    Limits,
    MutualAuthentication,
    RequesterConfig,
    ResponderConfig,
    Slot,
)
from pytio.spdm.endpoint import Outgoing
from pytio.spdm.requester import Requester
from pytio.spdm.requests import Measure, ReadCertificate, ReadDigests, StartPskSession, StartSession
from pytio.spdm.responder import Responder
from pytio.spdm.secured import RECORD_FORMATS, RecordTransport
from tests.spdm.pair import PSK_HINT, Pair, identity, requester_config, responder_config, trust_in
from tests.spdm.test_engine_flows import Echo

__all__ = ("FLAVOURS", "IN_SESSION", "Flavour", "Scene", "Stage", "enter", "scene")

R, P = RequesterCapabilities, ResponderCapabilities
VENDOR: Final = b"\x01\x00"


class Stage(IntEnum):
    """How far the two have come."""

    BARE = 0
    """Nothing was said."""
    NEGOTIATED = 1
    KNOWN = 2
    """The requester has read the responder's chain."""
    KEY_EXCHANGED = 3
    """KEY_EXCHANGE was answered, FINISH not sent."""
    PSK_EXCHANGED = 4
    """PSK_EXCHANGE was answered, PSK_FINISH not sent."""
    ESTABLISHED = 5
    """One session, some records old."""
    TWO = 6
    """A session from certificates and one from a pre-shared key."""


IN_SESSION: Final = (Stage.ESTABLISHED, Stage.TWO)


class Flavour(Enum):
    """What the two have agreed on."""

    DOE = "over PCI_DOE"
    MCTP = "over MCTP, with heartbeats"
    NARROW = "in chunks of 64 bytes"
    MUTUAL = "mutual authentication"
    DIGESTS = "mutual authentication that begins with digests"
    CLEAR = "handshakes in the clear"
    MAC_ONLY = "records that are not encrypted"
    MULTI_KEY = "several keys"


FLAVOURS: Final = tuple(Flavour)
_MUTUAL: Final = {
    Flavour.MUTUAL: MutualAuthentication.WITH_ENCAPSULATION,
    Flavour.DIGESTS: MutualAuthentication.WITH_DIGESTS,
}
_SINCE: Final = {Flavour.NARROW: SpdmVersion.V1_2, Flavour.MULTI_KEY: SpdmVersion.V1_3}


@attrs.frozen
class Scene:
    """One beginning."""

    version: SpdmVersion
    flavour: Flavour
    stage: Stage

    @property
    def is_possible(self) -> bool:
        """Whether the version has it, and it can be put to sleep."""
        if self.version < _SINCE.get(self.flavour, SpdmVersion.V1_0):
            return False
        if self.version < SpdmVersion.V1_1:
            return self.stage <= Stage.KNOWN and self.flavour is Flavour.DOE
        return self.stage is not Stage.KEY_EXCHANGED or self.flavour not in _MUTUAL


def scene(
    dice: random.Random,
    *stages: Stage,
    since: SpdmVersion = SpdmVersion.V1_1,
    flavours: tuple[Flavour, ...] = FLAVOURS,
) -> Scene:
    """Draw a beginning."""
    versions = [version for version in SpdmVersion if version >= since]
    while True:
        drawn = Scene(dice.choice(versions), dice.choice(flavours), dice.choice(stages))
        if drawn.is_possible:
            return drawn


_REQUESTER: Final = R.CERT_CAP | R.CHAL_CAP | R.MUT_AUTH_CAP | R.ENCAP_CAP | R.PSK_CAP
_RESPONDER: Final = (
    *(P.MUT_AUTH_CAP, P.ENCAP_CAP, P.PSK_CAP_WITH_CONTEXT, P.MEL_CAP, P.SET_CERT_CAP, P.CSR_CAP),
    *(P.EP_INFO_CAP_SIG, P.GET_KEY_PAIR_INFO_CAP),
)


def _configured(version: SpdmVersion, flavour: Flavour) -> tuple[RequesterConfig, ResponderConfig]:
    mine = identity(BaseAsymAlgo.ECDSA_P384, ChainRole.REQUESTER)
    asking, answering = requester_config().capabilities | _REQUESTER, responder_config().capabilities
    for flag in _RESPONDER:
        answering |= flag
    if flavour is Flavour.CLEAR:
        asking, answering = asking | R.HANDSHAKE_IN_THE_CLEAR_CAP, answering | P.HANDSHAKE_IN_THE_CLEAR_CAP
    if flavour is Flavour.MULTI_KEY:
        asking, answering = asking | R.MULTI_KEY_CAP_NEG, answering | P.MULTI_KEY_CAP_NEG
    if flavour is Flavour.MAC_ONLY:
        asking, answering = asking & ~R.ENCRYPT_CAP, answering & ~P.ENCRYPT_CAP
    limits = Limits(data_transfer_size=64 if flavour is Flavour.NARROW else 0x1200, max_spdm_msg_size=0x10000)
    requester = requester_config(
        versions=(version,),
        capabilities=asking,
        key_pairs=(KeyPair(mine.key),),
        slots={0: Slot(mine.certificates)},
        limits=limits,
    )
    responder = responder_config(
        capabilities=answering,
        trust=trust_in(mine),
        limits=limits,
        heartbeat_period_s=5 if flavour is Flavour.MCTP else 0,
        mutual_authentication=_MUTUAL.get(flavour, MutualAuthentication.NONE),
    )
    return requester, responder


@attrs.frozen
class _Asleep:
    """A beginning that was come to once."""

    requester: bytes | None
    responder: bytes | None
    asking: RequesterConfig
    answering: ResponderConfig
    form: RecordTransport
    said: tuple[tuple[str, Outgoing], ...] = ()


def _wake(asleep: _Asleep, asking: Mapping[str, Any], answering: Mapping[str, Any]) -> Pair:
    form = RECORD_FORMATS[asleep.form]
    mine, theirs = attrs.evolve(asleep.asking, **asking), attrs.evolve(asleep.answering, **answering)
    if asleep.requester is None or asleep.responder is None:
        return Pair(Requester(mine, record_format=form), Responder(theirs, record_format=form))
    return Pair(
        Requester.load(asleep.requester, mine, record_format=form),
        Responder.load(asleep.responder, theirs, record_format=form),
        wire=list(asleep.said),
    )


@cache
def _come_to(where: Scene) -> _Asleep:
    """Come that far, and put both to sleep."""
    asking, answering = _configured(where.version, where.flavour)
    form = RecordTransport.PCI_DOE if where.flavour is Flavour.DOE else RecordTransport.MCTP
    bare = _Asleep(None, None, asking, answering, form)
    if where.stage is Stage.BARE:
        return bare
    two = _wake(bare, {}, {})
    two.responder.register(Echo(), RegistryId.PCI_SIG, VENDOR)
    two.connect()
    if where.stage >= Stage.KNOWN:
        two.run(ReadDigests())
        two.run(ReadCertificate())
        two.run(Measure(slot=0))
    if where.stage in (Stage.KEY_EXCHANGED, *IN_SESSION):
        two.run(StartSession(stops_before_finish=where.stage is Stage.KEY_EXCHANGED))
    if where.stage in (Stage.PSK_EXCHANGED, Stage.TWO):
        two.run(StartPskSession(PSK_HINT, stops_before_finish=where.stage is Stage.PSK_EXCHANGED))
    if where.stage in IN_SESSION:
        for number in two.requester.sessions:
            two.run(ReadDigests(), number)
            two.run(Measure(0), number)
    responder = two.responder.save(with_secrets=True)
    return attrs.evolve(
        bare, requester=two.requester.save(with_secrets=True), responder=responder, said=tuple(two.wire)
    )


_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


def enter(where: Scene, *, asking: Mapping[str, Any] = _NOTHING, answering: Mapping[str, Any] = _NOTHING) -> Pair:
    """Return the two endpoints at a beginning; ``asking`` and ``answering`` change what they are configured to."""
    two = _wake(_come_to(where), asking, answering)
    two.responder.register(Echo(), RegistryId.PCI_SIG, VENDOR)
    return two

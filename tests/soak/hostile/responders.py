"""What kinds of hostile responders have in common: their table, and how their scenes are set."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, Final

from pytio.spdm.codes import MeasurementSummaryHashType, RegistryId, SpdmVersion
from pytio.spdm.endpoint import Outgoing
from pytio.spdm.requests import (
    Authenticate,
    Intent,
    KeepAlive,
    LeaveSession,
    Measure,
    ReadCertificate,
    ReadDigests,
    StartPskSession,
    StartSession,
    UpdateKeys,
    VendorRequest,
)
from tests.soak.hostile.judging import Kind, OfRequester
from tests.soak.hostile.scenes import FLAVOURS, IN_SESSION, VENDOR, Flavour, Stage, enter, scene
from tests.spdm.pair import PSK_HINT

__all__ = (
    "HANDSHAKES",
    "HELLO",
    "INSIDE",
    "KINDS",
    "OUTSIDE",
    "PLAIN",
    "WIDE",
    "an_intent",
    "answered",
    "drawn",
)

KINDS: Final[dict[str, Kind]] = {}
V1_1 = SpdmVersion.V1_1
WIDE: Final = tuple(flavour for flavour in FLAVOURS if flavour is not Flavour.NARROW)
PLAIN: Final = (Flavour.DOE, Flavour.MCTP, Flavour.MAC_ONLY)
HELLO: Final = VendorRequest(RegistryId.PCI_SIG, VENDOR, bytes(100))
OUTSIDE: Final[tuple[Intent, ...]] = (
    ReadDigests(),
    ReadCertificate(),
    Measure(0),
    Measure(slot=0),
    HELLO,
    Authenticate(),
    Authenticate(summary=MeasurementSummaryHashType.ALL),
)
HANDSHAKES: Final[tuple[Intent, ...]] = (StartSession(), StartPskSession(PSK_HINT))
INSIDE: Final[tuple[Intent, ...]] = (ReadDigests(), Measure(0), Measure(), HELLO, UpdateKeys(), LeaveSession())


def drawn(
    dice: random.Random,
    *stages: Stage,
    since: SpdmVersion = V1_1,
    flavours: tuple[Flavour, ...] = FLAVOURS,
    **changes: Any,
) -> OfRequester:
    where = scene(dice, *stages, since=since, flavours=flavours)
    return OfRequester(where, enter(where, **changes), dice)


def an_intent(victim: OfRequester) -> tuple[Intent, int | None]:
    """Draw something to ask for, in a session or outside."""
    dice, where = victim.dice, victim.where
    if where.stage in IN_SESSION and dice.random() < 0.6:
        inside = (*INSIDE, KeepAlive()) if where.flavour is Flavour.MCTP else INSIDE
        return dice.choice(inside), victim.session().session_id
    if where.stage is Stage.NEGOTIATED:
        return dice.choice(OUTSIDE[:3]), None
    sessions = HANDSHAKES if where.version >= V1_1 else ()
    return dice.choice(OUTSIDE + sessions), None


def answered(victim: OfRequester, change: Callable[[Outgoing], bytes], *, chance: float = 1.0) -> None:
    """Change answers on their way, whatever they are: the first one surely where the chance is 1."""

    def tap(side: str, message: Outgoing) -> bytes:
        return change(message) if side == "response" and victim.dice.random() < chance else message

    victim.two.tap = tap

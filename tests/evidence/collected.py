"""Evidence to judge: of engines back to back, with certificates of their own, in every version."""

from __future__ import annotations

from functools import cache
from typing import Any

from pytio.crypto import Certificate
from pytio.evidence import Evidence
from pytio.spdm.algorithms import BaseAsymAlgo
from pytio.spdm.codes import SpdmVersion
from pytio.spdm.events import Event
from pytio.spdm.requests import Measure, ReadCertificate, ReadDigests
from tests.spdm.pair import Pair, connected_pair, identity, requester_config, responder_config

ASYM = BaseAsymAlgo.ECDSA_P256
ROOT = Certificate(identity(ASYM).root)
"""The root of every responder here."""


def identified(version: SpdmVersion = SpdmVersion.V1_2, **settings: Any) -> Pair:
    """Return two endpoints of which one knows the other's chain."""
    two = connected_pair(version, **settings)
    two.run(ReadDigests())
    two.run(ReadCertificate())
    return two


def measured(two: Pair, *requests: Measure) -> Evidence:
    """Return the evidence of some measurements, the last of them signed."""
    events: list[Event] = [event for request in requests for event in two.run(request)]
    return Evidence.from_requester(two.requester, events)


@cache
def evidence(version: SpdmVersion = SpdmVersion.V1_2) -> Evidence:
    """Return all measurements, signed."""
    return measured(identified(version), Measure(slot=0))


def untrusted() -> Evidence:
    """Return evidence of a device that another authority made."""
    other = responder_config(BaseAsymAlgo.ECDSA_P384)
    requester = requester_config(BaseAsymAlgo.ECDSA_P384, versions=(SpdmVersion.V1_2,))
    return measured(identified(requester=requester, responder=other), Measure(slot=0))

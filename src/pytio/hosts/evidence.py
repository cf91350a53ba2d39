"""Collecting evidence from a responder, as steps that both drivers perform.

What evidence is, is `pytio.evidence`'s; this file asks for what it is made of.
"""

from __future__ import annotations

from typing import Any

from pytio.backends.bindings import Binding
from pytio.evidence import Evidence
from pytio.hosts.steps import Clock, Steps, ask
from pytio.spdm.requester import Requester
from pytio.spdm.requests import Connect, Intent, Measure, ReadCertificate, ReadDigests
from pytio.spdm.state import ConnectionState

__all__ = ("collect",)

_UNCONNECTED = (ConnectionState.NOT_STARTED, ConnectionState.ERROR)


def collect(
    requester: Any, binding: Binding, *, slot: int, session: int | None, clock: Clock, timeout_s: float | None
) -> Steps[Evidence]:
    """Connect and read the chain of a slot, unless that was done; then have all measurements signed.

    Raises TypeError for a requester that is not SPDM's, and what ``ask`` raises.
    """
    if not isinstance(requester, Requester):
        raise TypeError(f"{type(requester).__name__} collects no evidence")
    measure = Measure(slot=slot)
    missing: list[Intent] = [] if requester.state not in _UNCONNECTED else [Connect()]
    if missing or slot not in requester.peer.chains:
        missing += [ReadDigests(), ReadCertificate(slot)]
    for intent in missing:
        yield from ask(requester, binding, intent, session=None, clock=clock, timeout_s=timeout_s)
    events = yield from ask(requester, binding, measure, session=session, clock=clock, timeout_s=timeout_s)
    return Evidence.from_requester(requester, events)

"""The guest's client: what a confidential guest does with an interface that it was given, as plans.

Document: AMD 58271, "Guest messages", and the kernel's guest drivers. `Channel` is one key and its counter,
`GuestClient` the verbs, `GuestInterface` what it knows of an interface, `Attestation` what a policy judges. Actions are
in `pytio.clients.guest.actions`; `pytio.hosts.guest_port` performs them.
"""

from pytio.clients.guest.attestation import Attestation, Policy, require_verdict
from pytio.clients.guest.channel import Channel
from pytio.clients.guest.client import GuestClient
from pytio.clients.guest.interface import GuestBar, GuestInterface, usable_spans
from pytio.clients.guest.manner import GUEST_MANNERS, GuestManner, GuestStep, MmioSpan
from pytio.clients.guest.messages import GuestMessages, TdiInfoAnswer

__all__ = (
    "GUEST_MANNERS",
    "Attestation",
    "Channel",
    "GuestBar",
    "GuestClient",
    "GuestInterface",
    "GuestManner",
    "GuestMessages",
    "GuestStep",
    "MmioSpan",
    "Policy",
    "TdiInfoAnswer",
    "require_verdict",
    "usable_spans",
)

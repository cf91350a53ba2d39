"""What an SPDM engine reports: frozen classes, one string under each field.

``receive`` and ``wake`` of `Requester` and `Responder` return lists of these. A requester reports what it learnt; a
responder what it did. Refusals and broken rules are no events: they raise (`pytio.errors`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import attrs

from pytio.crypto import Finding
from pytio.spdm.checks import HmacCheck, SignatureCheck
from pytio.spdm.codes import CertificateModel, KeyUpdateOperation, KeyUsage, SpdmCode, SpdmErrorCode, SpdmVersion
from pytio.spdm.messages.endpoint_info import EndpointInfo
from pytio.spdm.messages.events import Event as SpdmEvent
from pytio.spdm.messages.events import EventGroup
from pytio.spdm.messages.key_pair import KeyPairInfo
from pytio.spdm.messages.measurements import Measurements
from pytio.spdm.messages.vendor_defined import VendorDefinedResponse
from pytio.spdm.negotiated import Negotiated

__all__ = (
    "Authenticated",
    "CertificateErased",
    "CertificateInstalled",
    "CertificateRead",
    "Checked",
    "Connected",
    "CsrReceived",
    "DigestsRead",
    "Dropped",
    "EncapsulatedFlowEnded",
    "EndpointInfoRead",
    "Event",
    "EventsReceived",
    "HeartbeatAcknowledged",
    "KeyPairChanged",
    "KeyPairRead",
    "KeysUpdated",
    "MeasurementLogRead",
    "Measured",
    "MessageReceived",
    "OtherDataReceived",
    "PeerAuthenticated",
    "RequestAnswered",
    "RequestDeferred",
    "SessionEnded",
    "SessionEstablished",
    "SessionStarted",
    "Subscribed",
    "SupportedEventTypesRead",
    "VendorResponseReceived",
    "VersionsReceived",
)


@attrs.frozen
class VersionsReceived:
    """The responder said which versions it speaks, and one was chosen."""

    offered: tuple[SpdmVersion, ...]
    """As listed."""
    chosen: SpdmVersion
    """The highest that both sides speak."""


@attrs.frozen
class Connected:
    """ALGORITHMS settled the connection."""

    negotiated: Negotiated
    """What was agreed on."""


@attrs.frozen
class DigestsRead:
    """The peer's slots."""

    digests: Mapping[int, bytes]
    """The digest of each provisioned slot; zeros where there is a key but no certificate chain."""
    supported_slots: tuple[int, ...]
    """The slots that exist; before 1.3 as many as are provisioned."""
    key_pair_ids: Mapping[int, int]
    """The key pair of each provisioned slot; empty unless several keys are in use."""
    models: Mapping[int, CertificateModel]
    """What the leaf of each slot stands for; empty unless several keys are in use."""
    usages: Mapping[int, KeyUsage]
    """What the key of each slot may sign; empty unless several keys are in use."""
    session: int | None = None
    """The session it came in."""


@attrs.frozen
class CertificateRead:
    """A slot's certificate chain, whole and examined."""

    slot: int
    """The slot."""
    chain: bytes
    """The chain structure: what the slot's digest covers."""
    findings: tuple[Finding, ...]
    """The outcome of every rule; all of them hold."""
    session: int | None = None
    """The session it came in."""


@attrs.frozen
class Checked:
    """A signature or an HMAC was made, or was checked and holds."""

    check: SignatureCheck | HmacCheck
    """What it covers."""


@attrs.frozen
class Authenticated:
    """CHALLENGE_AUTH holds."""

    slot: int
    """The slot, or 0xFF."""
    slot_mask: int
    """Slots that hold a certificate chain, bit by slot."""
    measurement_summary_hash: bytes
    """Empty unless it was asked for."""
    opaque_data: bytes
    """What the peer's vendor added."""
    is_mutual_authentication_requested: bool = False
    """Whether the responder asks for the requester's signature next."""


@attrs.frozen
class PeerAuthenticated:
    """The responder's half of mutual authentication: the requester has proven who it is."""

    slot: int
    """The requester's slot, or 0xFF."""
    chain: bytes
    """Its certificate chain structure; empty for a public key that was provisioned out of band."""
    session: int | None = None
    """The session that this authenticates; None for CHALLENGE."""


@attrs.frozen
class Measured:
    """MEASUREMENTS came, and where a signature was asked for, it holds."""

    measurements: Measurements
    """The message."""
    is_signed: bool
    """Whether it was signed."""
    count: int | None = None
    """The number of measurements, where that was asked for."""
    session: int | None = None
    """The session it came in."""


@attrs.frozen
class MeasurementLogRead:
    """The measurement extension log, whole."""

    log: bytes
    """Parse with `DmtfMeasurementExtensionLog`."""
    session: int | None = None
    """The session it came in."""


@attrs.frozen
class EndpointInfoRead:
    """ENDPOINT_INFO came, and where a signature was asked for, it holds."""

    message: EndpointInfo
    """The message."""
    is_signed: bool
    """Whether it was signed."""
    session: int | None = None
    """The session it came in."""


@attrs.frozen
class SessionStarted:
    """KEY_EXCHANGE_RSP or PSK_EXCHANGE_RSP holds: handshake keys are in place."""

    session: int
    """The session id."""
    is_psk: bool
    """Whether a pre-shared key made it."""
    secured_version: int
    """The version of secured messages, as 0x12."""
    measurement_summary_hash: bytes
    """Empty unless it was asked for."""
    heartbeat_period_s: int
    """Seconds; 0 for no heartbeat."""


@attrs.frozen
class SessionEstablished:
    """The handshake is over: data keys are in place."""

    session: int
    """The session id."""
    is_mutual: bool = False
    """Whether the requester has authenticated itself, too."""


@attrs.frozen
class SessionEnded:
    """A session's keys are forgotten."""

    session: int
    """The session id."""
    reason: str
    """Why."""


@attrs.frozen
class HeartbeatAcknowledged:
    """The session lives."""

    session: int
    """The session id."""


@attrs.frozen
class KeysUpdated:
    """A key update is complete, new keys tried."""

    session: int
    """The session id."""
    operation: KeyUpdateOperation
    """Which directions: the asking side's, or both."""
    is_by_responder: bool = False
    """Whether the responder asked for it, in the encapsulated flow."""


@attrs.frozen
class EncapsulatedFlowEnded:
    """The responder has no more to ask."""

    answered: tuple[SpdmCode, ...]
    """What it asked, in order."""
    session: int | None = None
    """The session the flow was in."""


@attrs.frozen
class VendorResponseReceived:
    """VENDOR_DEFINED_RESPONSE came."""

    message: VendorDefinedResponse
    """The message; its payload is the vendor's."""
    session: int | None = None
    """The session it came in."""


@attrs.frozen
class OtherDataReceived:
    """Application data that is not SPDM came in a session."""

    session: int
    """The session id."""
    data: bytes = attrs.field(repr=lambda data: f"<{len(data)} bytes>")
    """The data, with what the transport puts before them."""


@attrs.frozen
class CsrReceived:
    """A certificate signing request."""

    csr: bytes
    """DER: PKCS #10."""


@attrs.frozen
class CertificateInstalled:
    """A slot has a new certificate chain."""

    slot: int
    """The slot."""


@attrs.frozen
class CertificateErased:
    """A slot is empty."""

    slot: int
    """The slot."""


@attrs.frozen
class KeyPairRead:
    """KEY_PAIR_INFO came."""

    info: KeyPairInfo
    """The message."""


@attrs.frozen
class KeyPairChanged:
    """SET_KEY_PAIR_INFO is done."""

    key_pair_id: int
    """The key pair."""


@attrs.frozen
class SupportedEventTypesRead:
    """The events that the peer can tell."""

    groups: tuple[EventGroup, ...]
    """By group."""
    session: int
    """The session id."""


@attrs.frozen
class Subscribed:
    """The peer will tell of these events, or of none."""

    groups: tuple[EventGroup, ...]
    """By group; none ends the subscription."""
    session: int
    """The session id."""


@attrs.frozen
class EventsReceived:
    """The peer told of events."""

    events: tuple[SpdmEvent, ...]
    """In the order of their instance ids."""
    session: int
    """The session id."""


@attrs.frozen
class MessageReceived:
    """A response came for which no event of its own exists: to a request that was given as a message."""

    data: bytes = attrs.field(repr=lambda data: f"<{len(data)} bytes>")
    """The message."""
    session: int | None = None
    """The session it came in."""


@attrs.frozen
class RequestDeferred:
    """The response is not ready; it will be asked for again."""

    request: SpdmCode
    """Which request."""
    until: float
    """When."""


@attrs.frozen
class RequestAnswered:
    """The responder answered a request."""

    request: int
    """Its code; any byte, since it may be none that the specification knows."""
    error: SpdmErrorCode | None = None
    """The error it answered with, if any."""
    reason: str = ""
    """Why, in words; nothing of it is sent."""
    session: int | None = None
    """The session."""


@attrs.frozen
class Dropped:
    """A message got no answer."""

    reason: str
    """Why."""


Event: TypeAlias = (
    Authenticated
    | CertificateErased
    | CertificateInstalled
    | CertificateRead
    | Checked
    | Connected
    | CsrReceived
    | DigestsRead
    | Dropped
    | EncapsulatedFlowEnded
    | EndpointInfoRead
    | EventsReceived
    | HeartbeatAcknowledged
    | KeyPairChanged
    | KeyPairRead
    | KeysUpdated
    | Measured
    | MeasurementLogRead
    | MessageReceived
    | OtherDataReceived
    | PeerAuthenticated
    | RequestAnswered
    | RequestDeferred
    | SessionEnded
    | SessionEstablished
    | SessionStarted
    | Subscribed
    | SupportedEventTypesRead
    | VendorResponseReceived
    | VersionsReceived
)
"""Anything that an engine reports."""

"""What a requester can be asked to do: frozen intents, each of which takes one exchange or several.

An intent says what is wanted, not what goes over the wire: the requester fills in version, nonces and sizes, repeats
GET_CERTIFICATE until the chain is whole, and goes from KEY_EXCHANGE on to FINISH. Who wants one message, byte for byte,
gives the message itself instead.
"""

from __future__ import annotations

from typing import TypeAlias

import attrs

from pytio.crypto import Secret
from pytio.spdm.codes import (
    CertificateModel,
    EndpointInfoSubCode,
    KeyUpdateOperation,
    KeyUsage,
    MeasurementIndex,
    MeasurementSummaryHashType,
    RegistryId,
    SessionPolicy,
    SetKeyPairInfoOperation,
)
from pytio.spdm.messages.events import Event as SpdmEvent
from pytio.spdm.messages.events import EventGroup

__all__ = (
    "AnswerEncapsulated",
    "Authenticate",
    "ChangeKeyPair",
    "Connect",
    "EraseCertificate",
    "InstallCertificate",
    "Intent",
    "KeepAlive",
    "LeaveSession",
    "Measure",
    "ReadCertificate",
    "ReadDigests",
    "ReadEndpointInfo",
    "ReadEventTypes",
    "ReadKeyPair",
    "ReadMeasurementLog",
    "RequestCertificate",
    "StartPskSession",
    "StartSession",
    "Subscribe",
    "TellEvents",
    "UpdateKeys",
    "VendorRequest",
)


@attrs.frozen
class Connect:
    """GET_VERSION, GET_CAPABILITIES, NEGOTIATE_ALGORITHMS; a new start, which ends every session."""


@attrs.frozen
class ReadDigests:
    """GET_DIGESTS."""


@attrs.frozen
class ReadCertificate:
    """GET_CERTIFICATE until the chain is whole; then it is examined."""

    slot: int = 0
    """0 to 7."""


@attrs.frozen
class Authenticate:
    """CHALLENGE; the chain of the slot has to be known."""

    slot: int = 0
    """0 to 7, or 0xFF for a public key that was provisioned out of band."""
    summary: MeasurementSummaryHashType = MeasurementSummaryHashType.NONE
    """Which measurements to summarize."""


@attrs.frozen
class Measure:
    """GET_MEASUREMENTS."""

    index: int = MeasurementIndex.ALL
    """An index; 0 to count, 0xFF for all."""
    slot: int | None = None
    """Whose key shall sign, 0xF for a public key that was provisioned out of band; None for no signature."""
    is_raw: bool = False
    """Whether raw bit streams are wanted, from 1.2."""
    is_new: bool = False
    """Whether to measure anew, from 1.3."""


@attrs.frozen
class ReadMeasurementLog:
    """GET_MEASUREMENT_EXTENSION_LOG until the log is whole."""


@attrs.frozen
class ReadEndpointInfo:
    """GET_ENDPOINT_INFO."""

    sub_code: EndpointInfoSubCode = EndpointInfoSubCode.DEVICE_CLASS_IDENTIFIER
    """What kind."""
    slot: int | None = None
    """Whose key shall sign, 0xF for a public key that was provisioned out of band; None for no signature."""


@attrs.frozen
class StartSession:
    """KEY_EXCHANGE, the authentication that the responder asks for, and FINISH."""

    slot: int = 0
    """The responder's slot, or 0xFF for its provisioned public key."""
    summary: MeasurementSummaryHashType = MeasurementSummaryHashType.NONE
    """Which measurements to summarize."""
    policy: SessionPolicy = SessionPolicy(0)
    """SessionPolicy, from 1.2."""
    stops_before_finish: bool = False
    """Whether to leave the session handshaking; `Requester.finish` goes on."""


@attrs.frozen
class StartPskSession:
    """PSK_EXCHANGE and, where the responder adds a context, PSK_FINISH."""

    hint: bytes = b""
    """Which pre-shared key; one of the configuration's unless ``psk`` is given."""
    psk: Secret | None = None
    """The key itself, where the configuration does not hold it."""
    summary: MeasurementSummaryHashType = MeasurementSummaryHashType.NONE
    """Which measurements to summarize."""
    policy: SessionPolicy = SessionPolicy(0)
    """SessionPolicy, from 1.2."""
    stops_before_finish: bool = False
    """Whether to leave the session handshaking; `Requester.finish` goes on."""


@attrs.frozen
class KeepAlive:
    """HEARTBEAT."""


@attrs.frozen
class UpdateKeys:
    """KEY_UPDATE, and then the trial of the new keys."""

    operation: KeyUpdateOperation = KeyUpdateOperation.UPDATE_ALL_KEYS
    """The request direction's keys, or both directions'."""


@attrs.frozen
class LeaveSession:
    """END_SESSION."""

    clears_negotiated_state: bool = False
    """Whether the responder shall forget what was negotiated; counts only where it has CACHE_CAP."""


@attrs.frozen
class AnswerEncapsulated:
    """GET_ENCAPSULATED_REQUEST, and answers until the responder has no more to ask."""


@attrs.frozen
class RequestCertificate:
    """GET_CSR."""

    requester_info: bytes = b""
    """DER: what the request shall contain."""
    opaque_data: bytes = b""
    """For the vendor."""
    key_pair_id: int = 0
    """On a connection with several keys."""
    model: CertificateModel = CertificateModel.NONE
    """On a connection with several keys."""
    tracking_tag: int = 0
    """As the responder gave it when it asked for a reset, from 1.3."""
    is_overwriting: bool = False
    """Whether to give up requests that wait for a reset, from 1.3."""


@attrs.frozen
class InstallCertificate:
    """SET_CERTIFICATE."""

    slot: int
    """0 to 7."""
    chain: bytes
    """The chain structure."""
    key_pair_id: int = 0
    """On a connection with several keys."""
    model: CertificateModel = CertificateModel.NONE
    """On a connection with several keys."""


@attrs.frozen
class EraseCertificate:
    """SET_CERTIFICATE with its erase bit, from 1.3."""

    slot: int
    """0 to 7."""
    key_pair_id: int = 0
    """On a connection with several keys."""


@attrs.frozen
class ReadKeyPair:
    """GET_KEY_PAIR_INFO."""

    key_pair_id: int = 1
    """From 1."""


@attrs.frozen
class ChangeKeyPair:
    """SET_KEY_PAIR_INFO."""

    key_pair_id: int
    """From 1."""
    operation: SetKeyPairInfoOperation = SetKeyPairInfoOperation.PARAMETER_CHANGE
    """Change, erase or generate."""
    usage: KeyUsage = KeyUsage(0)
    """What it shall sign; nothing leaves it as it is."""
    asym: int = 0
    """`KeyPairAsymAlgo`; nothing leaves it as it is."""
    slot_mask: int = 0
    """The slots that shall have it."""


@attrs.frozen
class ReadEventTypes:
    """GET_SUPPORTED_EVENT_TYPES."""


@attrs.frozen
class Subscribe:
    """SUBSCRIBE_EVENT_TYPES."""

    groups: tuple[EventGroup, ...] = ()
    """What to be told of; nothing ends the subscription."""


@attrs.frozen
class TellEvents:
    """SEND_EVENT: the requester is the one that tells."""

    events: tuple[SpdmEvent, ...]
    """What happened."""


@attrs.frozen
class VendorRequest:
    """VENDOR_DEFINED_REQUEST."""

    standard_id: RegistryId
    """The registry of the vendor id."""
    vendor_id: bytes
    """As on the wire."""
    payload: bytes = attrs.field(repr=lambda payload: f"<{len(payload)} bytes>")
    """The vendor's; it may hold keys."""


Intent: TypeAlias = (
    AnswerEncapsulated
    | Authenticate
    | ChangeKeyPair
    | Connect
    | EraseCertificate
    | InstallCertificate
    | KeepAlive
    | LeaveSession
    | Measure
    | ReadCertificate
    | ReadDigests
    | ReadEndpointInfo
    | ReadEventTypes
    | ReadKeyPair
    | ReadMeasurementLog
    | RequestCertificate
    | StartPskSession
    | StartSession
    | Subscribe
    | TellEvents
    | UpdateKeys
    | VendorRequest
)
"""Anything that `Requester.send` takes beside a message."""

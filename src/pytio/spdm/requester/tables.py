"""Which builder makes the message of an intent, and which taker a response goes to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import attrs

from pytio.spdm.codes import SpdmCode, SpdmVersion
from pytio.spdm.events import Event
from pytio.spdm.messages import MESSAGES
from pytio.spdm.messages.base import SpdmMessage
from pytio.spdm.requester import (
    connection,
    encapsulated,
    handshake,
    identity,
    measurements,
    provisioning,
    upkeep,
    vendor,
)
from pytio.spdm.requester.exchange import Answer, Exchange
from pytio.spdm.requests import (
    AnswerEncapsulated,
    Authenticate,
    ChangeKeyPair,
    Connect,
    EraseCertificate,
    InstallCertificate,
    Intent,
    KeepAlive,
    LeaveSession,
    Measure,
    ReadCertificate,
    ReadDigests,
    ReadEndpointInfo,
    ReadEventTypes,
    ReadKeyPair,
    ReadMeasurementLog,
    RequestCertificate,
    StartPskSession,
    StartSession,
    Subscribe,
    TellEvents,
    UpdateKeys,
    VendorRequest,
)

if TYPE_CHECKING:
    from pytio.spdm.requester.engine import Requester

__all__ = ("BUILDERS", "PREPARE", "TAKERS", "VERSION_OF", "Builder", "Taker")

_Build: TypeAlias = "Callable[[Requester, Any], SpdmMessage | tuple[SpdmMessage, Any]]"

_Prepare: TypeAlias = "Callable[[Requester, Exchange], None]"
_Take: TypeAlias = "Callable[[Requester, Answer], list[Event]]"


@attrs.frozen
class Builder:
    """How an intent becomes a message."""

    code: SpdmCode
    """Of the first message."""
    make: _Build

    def build(self, requester: Requester, intent: Intent) -> tuple[SpdmMessage, Any]:
        """Return the first message, and what its taker is to remember."""
        made = self.make(requester, intent)
        return made if isinstance(made, tuple) else (made, None)


@attrs.frozen
class Taker:
    """What takes a response."""

    code: SpdmCode
    take: _Take

    @property
    def cls(self) -> type[SpdmMessage]:
        """The response's class."""
        return MESSAGES[self.code]


BUILDERS: Final[Mapping[type[Intent], Builder]] = MappingProxyType(
    {
        Connect: Builder(SpdmCode.GET_VERSION, connection.build_get_version),
        ReadDigests: Builder(SpdmCode.GET_DIGESTS, identity.build_get_digests),
        ReadCertificate: Builder(SpdmCode.GET_CERTIFICATE, identity.build_get_certificate),
        Authenticate: Builder(SpdmCode.CHALLENGE, identity.build_challenge),
        Measure: Builder(SpdmCode.GET_MEASUREMENTS, measurements.build_get_measurements),
        ReadMeasurementLog: Builder(SpdmCode.GET_MEASUREMENT_EXTENSION_LOG, measurements.build_get_mel),
        ReadEndpointInfo: Builder(SpdmCode.GET_ENDPOINT_INFO, measurements.build_get_endpoint_info),
        StartSession: Builder(SpdmCode.KEY_EXCHANGE, handshake.build_key_exchange),
        StartPskSession: Builder(SpdmCode.PSK_EXCHANGE, handshake.build_psk_exchange),
        KeepAlive: Builder(SpdmCode.HEARTBEAT, upkeep.build_heartbeat),
        UpdateKeys: Builder(SpdmCode.KEY_UPDATE, upkeep.build_key_update),
        LeaveSession: Builder(SpdmCode.END_SESSION, upkeep.build_end_session),
        AnswerEncapsulated: Builder(SpdmCode.GET_ENCAPSULATED_REQUEST, encapsulated.build_get_encapsulated_request),
        RequestCertificate: Builder(SpdmCode.GET_CSR, provisioning.build_get_csr),
        InstallCertificate: Builder(SpdmCode.SET_CERTIFICATE, provisioning.build_set_certificate),
        EraseCertificate: Builder(SpdmCode.SET_CERTIFICATE, provisioning.build_set_certificate_erase),
        ReadKeyPair: Builder(SpdmCode.GET_KEY_PAIR_INFO, provisioning.build_get_key_pair_info),
        ChangeKeyPair: Builder(SpdmCode.SET_KEY_PAIR_INFO, provisioning.build_set_key_pair_info),
        ReadEventTypes: Builder(SpdmCode.GET_SUPPORTED_EVENT_TYPES, provisioning.build_get_supported_event_types),
        Subscribe: Builder(SpdmCode.SUBSCRIBE_EVENT_TYPES, provisioning.build_subscribe_event_types),
        TellEvents: Builder(SpdmCode.SEND_EVENT, provisioning.build_send_event),
        VendorRequest: Builder(SpdmCode.VENDOR_DEFINED_REQUEST, vendor.build_vendor_request),
    }
)
"""The builder of each intent."""

_TAKES: Final[Mapping[SpdmCode, _Take]] = {
    SpdmCode.VERSION: connection.take_version,
    SpdmCode.CAPABILITIES: connection.take_capabilities,
    SpdmCode.ALGORITHMS: connection.take_algorithms,
    SpdmCode.DIGESTS: identity.take_digests,
    SpdmCode.CERTIFICATE: identity.take_certificate,
    SpdmCode.CHALLENGE_AUTH: identity.take_challenge_auth,
    SpdmCode.MEASUREMENTS: measurements.take_measurements,
    SpdmCode.MEASUREMENT_EXTENSION_LOG: measurements.take_mel,
    SpdmCode.ENDPOINT_INFO: measurements.take_endpoint_info,
    SpdmCode.KEY_EXCHANGE_RSP: handshake.take_key_exchange_rsp,
    SpdmCode.FINISH_RSP: handshake.take_finish_rsp,
    SpdmCode.PSK_EXCHANGE_RSP: handshake.take_psk_exchange_rsp,
    SpdmCode.PSK_FINISH_RSP: handshake.take_psk_finish_rsp,
    SpdmCode.HEARTBEAT_ACK: upkeep.take_heartbeat_ack,
    SpdmCode.KEY_UPDATE_ACK: upkeep.take_key_update_ack,
    SpdmCode.END_SESSION_ACK: upkeep.take_end_session_ack,
    SpdmCode.ENCAPSULATED_REQUEST: encapsulated.take_encapsulated_request,
    SpdmCode.ENCAPSULATED_RESPONSE_ACK: encapsulated.take_encapsulated_response_ack,
    SpdmCode.CSR: provisioning.take_csr,
    SpdmCode.SET_CERTIFICATE_RSP: provisioning.take_set_certificate_rsp,
    SpdmCode.KEY_PAIR_INFO: provisioning.take_key_pair_info,
    SpdmCode.SET_KEY_PAIR_INFO_ACK: provisioning.take_set_key_pair_info_ack,
    SpdmCode.SUPPORTED_EVENT_TYPES: provisioning.take_supported_event_types,
    SpdmCode.SUBSCRIBE_EVENT_TYPES_ACK: provisioning.take_subscribe_event_types_ack,
    SpdmCode.EVENT_ACK: provisioning.take_event_ack,
    SpdmCode.VENDOR_DEFINED_RESPONSE: vendor.take_vendor_response,
}

TAKERS: Final[Mapping[SpdmCode, Taker]] = MappingProxyType({code: Taker(code, take) for code, take in _TAKES.items()})
"""The taker of each response."""

PREPARE: Final[Mapping[SpdmCode, _Prepare]] = MappingProxyType({SpdmCode.KEY_UPDATE: upkeep.prepare_key_update})
"""What has to be done before a request is sent."""

VERSION_OF: Final[Mapping[SpdmCode, SpdmVersion]] = MappingProxyType({SpdmCode.VERSION: SpdmVersion.V1_0})
"""The version byte of responses that do not carry the negotiated one."""

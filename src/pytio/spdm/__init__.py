"""SPDM, 1.0 to 1.4: authentication, measurement and sessions between two components.

Documents: DSP0274, the specification, and DSP0277, secured messages. Every message is a class of this package, found
by name here or by code with `message_class`. What is inside messages is in the file of its exchange
(``pytio.spdm.messages.measurements``), every number in ``pytio.spdm.codes``, ``algorithms`` and ``capabilities``. The
names below resolve on first use, so importing this package loads none of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pytio.spdm.certificate_chain import CertificateChain
    from pytio.spdm.codes import SpdmCode, SpdmErrorCode, SpdmVersion
    from pytio.spdm.configuration import RequesterConfig, ResponderConfig
    from pytio.spdm.messages import MESSAGES, REQUESTS, RESPONSES, message_class
    from pytio.spdm.messages.algorithms import Algorithms, NegotiateAlgorithms
    from pytio.spdm.messages.base import SpdmMessage
    from pytio.spdm.messages.capabilities import Capabilities, GetCapabilities
    from pytio.spdm.messages.certificate import Certificate, GetCertificate
    from pytio.spdm.messages.challenge import Challenge, ChallengeAuth
    from pytio.spdm.messages.chunk import ChunkGet, ChunkResponse, ChunkSend, ChunkSendAck
    from pytio.spdm.messages.digests import Digests, GetDigests
    from pytio.spdm.messages.encapsulated import (
        DeliverEncapsulatedResponse,
        EncapsulatedRequest,
        EncapsulatedResponseAck,
        GetEncapsulatedRequest,
    )
    from pytio.spdm.messages.endpoint_info import EndpointInfo, GetEndpointInfo
    from pytio.spdm.messages.error import Error
    from pytio.spdm.messages.events import (
        EventAck,
        GetSupportedEventTypes,
        SendEvent,
        SubscribeEventTypes,
        SubscribeEventTypesAck,
        SupportedEventTypes,
    )
    from pytio.spdm.messages.key_exchange import Finish, FinishRsp, KeyExchange, KeyExchangeRsp
    from pytio.spdm.messages.key_pair import GetKeyPairInfo, KeyPairInfo, SetKeyPairInfo, SetKeyPairInfoAck
    from pytio.spdm.messages.measurement_log import GetMeasurementExtensionLog, MeasurementExtensionLog
    from pytio.spdm.messages.measurements import GetMeasurements, Measurements
    from pytio.spdm.messages.provisioning import Csr, GetCsr, SetCertificate, SetCertificateRsp
    from pytio.spdm.messages.psk import PskExchange, PskExchangeRsp, PskFinish, PskFinishRsp
    from pytio.spdm.messages.session import (
        EndSession,
        EndSessionAck,
        Heartbeat,
        HeartbeatAck,
        KeyUpdate,
        KeyUpdateAck,
        RespondIfReady,
    )
    from pytio.spdm.messages.slot_management import SlotManagement, SlotManagementResp
    from pytio.spdm.messages.vendor_defined import VendorDefinedRequest, VendorDefinedResponse
    from pytio.spdm.messages.version import GetVersion, Version
    from pytio.spdm.opaque import OPAQUE_DATA, OpaqueData, parse_opaque
    from pytio.spdm.requester import Requester
    from pytio.spdm.responder import Responder

__all__ = (
    "Algorithms",
    "Capabilities",
    "Certificate",
    "CertificateChain",
    "Challenge",
    "ChallengeAuth",
    "ChunkGet",
    "ChunkResponse",
    "ChunkSend",
    "ChunkSendAck",
    "Csr",
    "DeliverEncapsulatedResponse",
    "Digests",
    "EncapsulatedRequest",
    "EncapsulatedResponseAck",
    "EndSession",
    "EndSessionAck",
    "EndpointInfo",
    "Error",
    "EventAck",
    "Finish",
    "FinishRsp",
    "GetCapabilities",
    "GetCertificate",
    "GetCsr",
    "GetDigests",
    "GetEncapsulatedRequest",
    "GetEndpointInfo",
    "GetKeyPairInfo",
    "GetMeasurementExtensionLog",
    "GetMeasurements",
    "GetSupportedEventTypes",
    "GetVersion",
    "Heartbeat",
    "HeartbeatAck",
    "KeyExchange",
    "KeyExchangeRsp",
    "KeyPairInfo",
    "KeyUpdate",
    "KeyUpdateAck",
    "MESSAGES",
    "MeasurementExtensionLog",
    "Measurements",
    "NegotiateAlgorithms",
    "OPAQUE_DATA",
    "OpaqueData",
    "PskExchange",
    "PskExchangeRsp",
    "PskFinish",
    "PskFinishRsp",
    "REQUESTS",
    "RESPONSES",
    "Requester",
    "RequesterConfig",
    "Responder",
    "ResponderConfig",
    "RespondIfReady",
    "SendEvent",
    "SetCertificate",
    "SetCertificateRsp",
    "SetKeyPairInfo",
    "SetKeyPairInfoAck",
    "SlotManagement",
    "SlotManagementResp",
    "SpdmCode",
    "SpdmErrorCode",
    "SpdmMessage",
    "SpdmVersion",
    "SubscribeEventTypes",
    "SubscribeEventTypesAck",
    "SupportedEventTypes",
    "VendorDefinedRequest",
    "VendorDefinedResponse",
    "Version",
    "message_class",
    "parse_opaque",
)

_HOMES: Final = {
    "CertificateChain": "certificate_chain",
    "SpdmCode": "codes",
    "SpdmErrorCode": "codes",
    "SpdmVersion": "codes",
    "MESSAGES": "messages",
    "REQUESTS": "messages",
    "RESPONSES": "messages",
    "message_class": "messages",
    "SpdmMessage": "messages.base",
    "OPAQUE_DATA": "opaque",
    "OpaqueData": "opaque",
    "parse_opaque": "opaque",
    "Requester": "requester",
    "RequesterConfig": "configuration",
    "Responder": "responder",
    "ResponderConfig": "configuration",
}  # of every name that is not a message

if not TYPE_CHECKING:  # a type checker that saw this would believe in every misspelt name

    def __getattr__(name: str) -> object:
        """Import a public name from its home, once."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module  # noqa: PLC0415

        if name in _HOMES:
            value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
        else:
            messages = import_module(f"{__name__}.messages")
            value = next(messages.MESSAGES[code] for code in messages.MESSAGES if messages.class_name(code) == name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    """List the public names, resolved or not."""
    return sorted({*globals(), *__all__})

"""GET_CSR, SET_CERTIFICATE, key-pair information and events, as the requester asks (DSP0274)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytio.errors import LocalProtocolError, SpdmDecodeError
from pytio.spdm.algorithms import KeyPairAsymAlgo
from pytio.spdm.codes import CertificateModel, SetKeyPairInfoOperation, SpdmVersion
from pytio.spdm.event_messages import subscribe_event_types
from pytio.spdm.events import (
    CertificateErased,
    CertificateInstalled,
    CsrReceived,
    Event,
    KeyPairChanged,
    KeyPairRead,
    Subscribed,
    SupportedEventTypesRead,
)
from pytio.spdm.messages.events import GetSupportedEventTypes, SendEvent, SubscribeEventTypes, SupportedEventTypes
from pytio.spdm.messages.key_pair import GetKeyPairInfo, KeyPairInfo, SetKeyPairInfo
from pytio.spdm.messages.provisioning import Csr, GetCsr, SetCertificate
from pytio.spdm.requests import (
    ChangeKeyPair,
    EraseCertificate,
    InstallCertificate,
    ReadEventTypes,
    ReadKeyPair,
    RequestCertificate,
    Subscribe,
    TellEvents,
)

if TYPE_CHECKING:
    from pytio.spdm.requester.engine import Requester
    from pytio.spdm.requester.exchange import Answer

__all__ = (
    "build_get_csr",
    "build_get_key_pair_info",
    "build_get_supported_event_types",
    "build_send_event",
    "build_set_certificate",
    "build_set_certificate_erase",
    "build_set_key_pair_info",
    "build_subscribe_event_types",
    "take_csr",
    "take_event_ack",
    "take_key_pair_info",
    "take_set_certificate_rsp",
    "take_set_key_pair_info_ack",
    "take_subscribe_event_types_ack",
    "take_supported_event_types",
)

_CHAIN_LENGTH_BYTES = 4


def build_get_csr(requester: Requester, intent: RequestCertificate) -> GetCsr:
    """Ask for a certificate signing request."""
    from_1_3 = requester.version >= SpdmVersion.V1_3
    return GetCsr(
        version=requester.version,
        key_pair_id=intent.key_pair_id if from_1_3 else 0,
        certificate_model=intent.model if from_1_3 else CertificateModel.NONE,
        csr_tracking_tag=intent.tracking_tag if from_1_3 else 0,
        overwrite=intent.is_overwriting and from_1_3,
        requester_info=intent.requester_info,
        opaque_data=intent.opaque_data,
    )


def take_csr(requester: Requester, answer: Answer) -> list[Event]:
    """Pass the request on; whoever signs it checks it."""
    message: Csr = answer.message
    answer.require(message.csr, "an empty CSR")
    return [CsrReceived(message.csr)]


def build_set_certificate(requester: Requester, intent: InstallCertificate) -> SetCertificate:
    """Write a chain into a slot."""
    from_1_3 = requester.version >= SpdmVersion.V1_3
    return SetCertificate(
        version=requester.version,
        slot_id=intent.slot,
        certificate_model=intent.model if from_1_3 else CertificateModel.NONE,
        key_pair_id=intent.key_pair_id if from_1_3 else 0,
        chain_content=intent.chain[_CHAIN_LENGTH_BYTES:],
    )


def build_set_certificate_erase(requester: Requester, intent: EraseCertificate) -> SetCertificate:
    """Empty a slot. Raises LocalProtocolError before 1.3."""
    if requester.version < SpdmVersion.V1_3:
        raise LocalProtocolError(requester.state, intent, "slots can be erased from 1.3 on")
    return SetCertificate(
        version=requester.version,
        slot_id=intent.slot,
        erase=True,
        key_pair_id=intent.key_pair_id,
        chain_length=None,
        chain_content=None,
    )


def take_set_certificate_rsp(requester: Requester, answer: Answer) -> list[Event]:
    """The slot is written; what was known of it does not count any more."""
    request: SetCertificate = answer.request
    slot = answer.message.slot_id
    answer.require(slot == request.slot_id, f"slot {slot} instead of {request.slot_id}")
    requester.peer.forget(slot)
    return [CertificateErased(slot) if request.erase else CertificateInstalled(slot)]


def build_get_key_pair_info(requester: Requester, intent: ReadKeyPair) -> GetKeyPairInfo:
    """Ask about a key pair."""
    return GetKeyPairInfo(version=requester.version, key_pair_id=intent.key_pair_id)


def take_key_pair_info(requester: Requester, answer: Answer) -> list[Event]:
    """Check that it is the key pair that was asked about."""
    message: KeyPairInfo = answer.message
    asked, total = answer.request.key_pair_id, message.total_key_pairs
    answer.require(message.key_pair_id == asked, f"key pair {message.key_pair_id} instead of {asked}")
    answer.require(asked <= total, f"key pair {asked} of {total}")
    return [KeyPairRead(message)]


def build_set_key_pair_info(requester: Requester, intent: ChangeKeyPair) -> SetKeyPairInfo:
    """Change a key pair."""
    if intent.operation == SetKeyPairInfoOperation.ERASE_KEY_PAIR:
        return SetKeyPairInfo(version=requester.version, operation=intent.operation, key_pair_id=intent.key_pair_id)
    return SetKeyPairInfo(
        version=requester.version,
        operation=intent.operation,
        key_pair_id=intent.key_pair_id,
        desired_key_usage=intent.usage,
        desired_asym_algo=KeyPairAsymAlgo(intent.asym),
        desired_assoc_cert_slot_mask=intent.slot_mask,
    )


def take_set_key_pair_info_ack(requester: Requester, answer: Answer) -> list[Event]:
    """The key pair is changed."""
    return [KeyPairChanged(answer.request.key_pair_id)]


# events


def build_get_supported_event_types(requester: Requester, intent: ReadEventTypes) -> GetSupportedEventTypes:
    """Ask which events the responder can tell."""
    return GetSupportedEventTypes(version=requester.version)


def _session_id(answer: Answer) -> int:
    if answer.context is None:
        raise LocalProtocolError("outside a session", answer.exchange.code)
    return answer.context


def take_supported_event_types(requester: Requester, answer: Answer) -> list[Event]:
    """Read the groups (SPDM_U11: a list that lacks its layout is no reason to leave)."""
    message: SupportedEventTypes = answer.message
    try:
        groups = message.event_groups()
    except SpdmDecodeError:
        groups = ()
    return [SupportedEventTypesRead(groups, _session_id(answer))]


def build_subscribe_event_types(requester: Requester, intent: Subscribe) -> SubscribeEventTypes:
    """Ask to be told, or not any more."""
    return subscribe_event_types(requester.version, intent.groups)


def take_subscribe_event_types_ack(requester: Requester, answer: Answer) -> list[Event]:
    """The responder will tell."""
    request: SubscribeEventTypes = answer.request
    return [Subscribed(request.event_groups(), _session_id(answer))]


def build_send_event(requester: Requester, intent: TellEvents) -> SendEvent:
    """Tell what happened here."""
    return SendEvent(version=requester.version, events=intent.events)


def take_event_ack(requester: Requester, answer: Answer) -> list[Event]:
    """The responder has been told."""
    return []

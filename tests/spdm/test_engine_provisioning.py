"""Back to back: CSRs, installing and erasing chains, key pairs, the measurement log, endpoint information, events."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography import x509

from pytio.crypto import Certificate, PrivateKey, SignatureAlgorithm
from pytio.crypto.csr import parse_request_info
from pytio.errors import DecodeError, LocalProtocolError, SpdmPeerError, VerificationError
from pytio.spdm.algorithms import BaseAsymAlgo, KeyPairAsymAlgo
from pytio.spdm.capabilities import RequesterCapabilities, ResponderCapabilities
from pytio.spdm.codes import (
    CertificateModel,
    EventGroupAttributes,
    KeyPairCapabilities,
    KeyUsage,
    MeasurementValueType,
    RegistryId,
    SessionPolicy,
    SetKeyPairInfoOperation,
    SpdmErrorCode,
    SpdmVersion,
)
from pytio.spdm.configuration import KeyPair, Slot
from pytio.spdm.events import (
    CertificateErased,
    CertificateInstalled,
    CertificateRead,
    CsrReceived,
    DigestsRead,
    EndpointInfoRead,
    EventsReceived,
    KeyPairRead,
    MeasurementLogRead,
    Subscribed,
    SupportedEventTypesRead,
)
from pytio.spdm.messages.base import Svh
from pytio.spdm.messages.endpoint_info import (
    DeviceClassIdentifier,
    DeviceClassIdentifierElement,
    DeviceClassIdentifiers,
)
from pytio.spdm.messages.error import Error
from pytio.spdm.messages.events import Event, EventGroup, EventType
from pytio.spdm.messages.measurement_log import DmtfMeasurementExtensionLog, MeasurementExtensionLogEntry
from pytio.spdm.messages.measurements import DmtfMeasurement
from pytio.spdm.requests import (
    AnswerEncapsulated,
    Authenticate,
    ChangeKeyPair,
    EraseCertificate,
    InstallCertificate,
    Measure,
    ReadCertificate,
    ReadDigests,
    ReadEndpointInfo,
    ReadEventTypes,
    ReadKeyPair,
    ReadMeasurementLog,
    RequestCertificate,
    Subscribe,
    TellEvents,
)
from tests.spdm.pair import Pair, identity, pair, requester_config, responder_config
from tests.spdm.test_engine_sessions import started

R, P = RequesterCapabilities, ResponderCapabilities
FROM_1_2 = [version for version in SpdmVersion if version >= SpdmVersion.V1_2]
FROM_1_3 = [version for version in SpdmVersion if version >= SpdmVersion.V1_3]
PROVISIONING = P.SET_CERT_CAP | P.CSR_CAP
KEY_PAIRS = P.GET_KEY_PAIR_INFO_CAP | P.SET_KEY_PAIR_INFO_CAP
ALL_CHANGES = KeyPairCapabilities(0x3F)


def provisioned(version: SpdmVersion, more: int = 0, requester: int = 0, **settings: Any) -> Pair:
    """Return two endpoints that can do all of this."""
    flags = responder_config().capabilities | PROVISIONING | more
    if version >= SpdmVersion.V1_3:
        flags |= KEY_PAIRS
    asking = requester_config(versions=(version,), capabilities=R(requester_config().capabilities | requester))
    two = pair(asking, responder_config(**({"capabilities": P(flags)} | settings)))
    two.connect()
    two.run(ReadDigests())
    two.run(ReadCertificate())
    return two


def refusal(two: Pair, intent: Any, session: int | None = None) -> SpdmErrorCode:
    """Return the error that an intent is answered with."""
    with pytest.raises(SpdmPeerError) as error:
        two.run(intent, session)
    return SpdmErrorCode(error.value.code)


# certificates


@pytest.mark.parametrize("version", FROM_1_2)
@pytest.mark.parametrize("asym", [BaseAsymAlgo.ECDSA_P256, BaseAsymAlgo.RSAPSS_2048, BaseAsymAlgo.ED25519])
def test_a_csr_is_for_the_slots_key(version: SpdmVersion, asym: BaseAsymAlgo) -> None:
    chain = identity(asym)
    config: dict[str, Any] = {"key_pairs": (KeyPair(chain.key),), "slots": {0: Slot(chain.certificates)}}
    two = pair(
        requester_config(asym, versions=(version,)),
        responder_config(asym, capabilities=responder_config().capabilities | PROVISIONING, **config),
    )
    two.connect()
    (event,) = two.run(RequestCertificate())
    assert isinstance(event, CsrReceived)
    request = x509.load_der_x509_csr(event.csr)
    assert request.is_signature_valid
    assert request.public_key() == chain.key.public_key.library_key
    assert request.subject == Certificate(chain.certificates[-1]).library_certificate.subject


INFO = bytes.fromhex(
    "3032020100300f310d300b06035504030c0454657374301a300d06092a864886f70d01010105000309003006020103020103a000"
)


def test_a_csr_says_what_it_was_asked_to() -> None:
    two = provisioned(SpdmVersion.V1_2)
    info = parse_request_info(INFO)
    assert info.attributes == b"\xa0\x00"
    (event,) = two.run(RequestCertificate(requester_info=INFO))
    assert isinstance(event, CsrReceived)
    assert x509.load_der_x509_csr(event.csr).subject.rfc4514_string() == "CN=Test"


@pytest.mark.parametrize("cut", [1, 5, len(INFO) - 1])
def test_requester_info_that_is_none(cut: int) -> None:
    with pytest.raises(DecodeError):
        parse_request_info(INFO[:cut])
    assert (
        refusal(provisioned(SpdmVersion.V1_2), RequestCertificate(requester_info=INFO[:cut]))
        == SpdmErrorCode.INVALID_REQUEST
    )


@pytest.mark.parametrize("raw", ["12ed0000 ffff 0000", "12ed0000 0000 ffff", "12ed0000 0400 0000 3002", "12ed0000 00"])
def test_lengths_that_get_csr_does_not_hold(raw: str) -> None:
    two = provisioned(SpdmVersion.V1_2)
    two.responder.receive(bytes.fromhex(raw), now=0)
    answer = two.responder.bytes_to_send()
    assert answer is not None
    assert Error.parse(answer).error_code == SpdmErrorCode.INVALID_REQUEST


def new_chain(two: Pair, number: int = 0) -> bytes:
    """Return a chain structure for the same key: the old one, with its root's name known."""
    return two.responder.slots.slots[number].chain(two.requester.hash_algorithm)


@pytest.mark.parametrize("version", FROM_1_2)
def test_a_slot_keeps_what_was_installed(version: SpdmVersion) -> None:
    two = provisioned(version)
    chain = new_chain(two)
    (installed,) = two.run(InstallCertificate(0, chain))
    assert installed == CertificateInstalled(0)
    assert 0 not in two.requester.peer.chains
    assert refusal(two, InstallCertificate(3, chain)) == SpdmErrorCode.UNEXPECTED_REQUEST
    two.run(ReadCertificate())
    number = started(two)
    two.run(InstallCertificate(3, chain), number)
    two.connect()
    (digests,) = two.run(ReadDigests())
    assert isinstance(digests, DigestsRead)
    assert list(digests.digests) == [0, 3]
    (read,) = two.run(ReadCertificate(3))
    assert isinstance(read, CertificateRead)
    assert read.chain == chain
    two.run(Authenticate(3))


@pytest.mark.parametrize("version", FROM_1_2)
def test_bad_chains_are_not_installed(version: SpdmVersion) -> None:
    two = provisioned(version)
    chain, before = new_chain(two), dict(two.responder.slots.slots)
    foreign = Slot(identity(BaseAsymAlgo.ECDSA_P384).certificates).chain(two.requester.hash_algorithm)
    for bad, code in (
        (chain[:-1], SpdmErrorCode.INVALID_REQUEST),
        (chain[:4] + bytes([chain[4] ^ 1]) + chain[5:], SpdmErrorCode.UNSPECIFIED),
        (chain[:-1] + bytes([chain[-1] ^ 1]), SpdmErrorCode.UNSPECIFIED),
        (foreign, SpdmErrorCode.UNSPECIFIED),
        (bytes(4), SpdmErrorCode.INVALID_REQUEST),
    ):
        assert refusal(two, InstallCertificate(0, bad)) == code
    assert two.responder.slots.slots == before


def test_erasing() -> None:
    two = provisioned(SpdmVersion.V1_3)
    (erased,) = two.run(EraseCertificate(0))
    assert erased == CertificateErased(0)
    assert refusal(two, ReadDigests()) == SpdmErrorCode.UNSPECIFIED
    with pytest.raises(LocalProtocolError):
        provisioned(SpdmVersion.V1_2).run(EraseCertificate(0))


@pytest.mark.parametrize("version", FROM_1_2)
def test_what_needs_a_reset(version: SpdmVersion) -> None:
    two = provisioned(version, more=P.CERT_INSTALL_RESET_CAP, needs_reset_for_certificates=True)
    chain = new_chain(two)
    assert refusal(two, InstallCertificate(0, chain)) == SpdmErrorCode.RESET_REQUIRED
    assert refusal(two, ReadDigests()) == SpdmErrorCode.RESET_REQUIRED
    with pytest.raises(SpdmPeerError) as error:
        two.run(RequestCertificate())
    assert error.value.code == SpdmErrorCode.RESET_REQUIRED
    has_tag = version >= SpdmVersion.V1_3
    assert ("data 0x1" in error.value.detail) is has_tag
    tag = 1 if has_tag else 0
    assert refusal(two, RequestCertificate(tracking_tag=tag)) == SpdmErrorCode.RESET_REQUIRED
    two.responder.device_reset()
    two.connect()
    two.run(ReadDigests())
    (event,) = two.run(RequestCertificate(tracking_tag=tag))
    assert isinstance(event, CsrReceived)
    if has_tag:
        assert refusal(two, RequestCertificate(tracking_tag=1)) == SpdmErrorCode.UNEXPECTED_REQUEST
        for _ in range(7):
            assert refusal(two, RequestCertificate()) == SpdmErrorCode.RESET_REQUIRED
        assert refusal(two, RequestCertificate()) == SpdmErrorCode.BUSY
        assert refusal(two, RequestCertificate(is_overwriting=True)) == SpdmErrorCode.RESET_REQUIRED
        assert refusal(two, RequestCertificate(is_overwriting=True, tracking_tag=1)) == SpdmErrorCode.INVALID_REQUEST


# several keys


def several(version: SpdmVersion, **settings: Any) -> Pair:
    """Return a responder with two key pairs and two slots, on a connection that says so."""
    first, second = identity(BaseAsymAlgo.ECDSA_P256), identity(BaseAsymAlgo.ECDSA_P256, number=1)
    config: dict[str, Any] = {
        "key_pairs": (
            KeyPair(
                first.key, usage=KeyUsage.CHALLENGE_USE, usage_capabilities=KeyUsage(0xF), capabilities=ALL_CHANGES
            ),
            KeyPair(
                second.key,
                usage=KeyUsage.KEY_EX_USE | KeyUsage.MEASUREMENT_USE,
                capabilities=ALL_CHANGES,
                generate=lambda: PrivateKey.generate(SignatureAlgorithm.ECDSA_P256),
            ),
        ),
        "slots": {0: Slot(first.certificates), 2: Slot(second.certificates, key_pair_id=2), 5: Slot(key_pair_id=2)},
    }
    return provisioned(version, more=P.MULTI_KEY_CAP_NEG, **(config | settings))


@pytest.mark.parametrize("version", FROM_1_3)
def test_keys_are_used_for_what_they_are_for(version: SpdmVersion) -> None:
    two = several(version)
    (digests,) = two.run(ReadDigests())
    assert isinstance(digests, DigestsRead)
    assert digests.key_pair_ids == {0: 1, 2: 2, 5: 2}
    assert digests.models[5] == CertificateModel.NONE
    assert digests.digests[5] == bytes(len(digests.digests[0]))
    with pytest.raises(VerificationError, match="trusted"):
        two.run(ReadCertificate(2))


@pytest.mark.parametrize("version", FROM_1_3)
def test_a_key_that_is_not_for_it_is_refused(version: SpdmVersion) -> None:
    two = several(version)
    two.run(Authenticate(0))
    assert refusal(two, Measure(slot=0)) == SpdmErrorCode.INVALID_REQUEST


@pytest.mark.parametrize("version", FROM_1_3)
def test_key_pairs_are_told_and_changed(version: SpdmVersion) -> None:
    two = several(version)
    (read,) = two.run(ReadKeyPair(1))
    assert isinstance(read, KeyPairRead)
    info = read.info
    assert (info.total_key_pairs, info.assoc_cert_slot_mask) == (2, 1)
    assert info.current_asym_algo == KeyPairAsymAlgo.ECC256
    assert len(info.public_key_info) == 21
    assert refusal(two, ReadKeyPair(3)) == SpdmErrorCode.INVALID_REQUEST
    usage = KeyUsage.CHALLENGE_USE | KeyUsage.MEASUREMENT_USE
    two.run(ChangeKeyPair(1, usage=usage, slot_mask=1))
    (read,) = two.run(ReadKeyPair(1))
    assert isinstance(read, KeyPairRead)
    assert read.info.current_key_usage == usage
    two.run(Measure(slot=0))
    erase, generate = SetKeyPairInfoOperation.ERASE_KEY_PAIR, SetKeyPairInfoOperation.GENERATE_KEY_PAIR
    assert refusal(two, ChangeKeyPair(2, erase)) == SpdmErrorCode.UNSPECIFIED
    assert refusal(two, ChangeKeyPair(2, generate)) == SpdmErrorCode.INVALID_REQUEST
    two.responder.slots.erase(2)
    two.run(ChangeKeyPair(2, erase))
    (read,) = two.run(ReadKeyPair(2))
    assert isinstance(read, KeyPairRead)
    assert read.info.public_key_info == b""
    two.run(ChangeKeyPair(2, generate))
    (read,) = two.run(ReadKeyPair(2))
    assert isinstance(read, KeyPairRead)
    assert read.info.current_asym_algo == KeyPairAsymAlgo.ECC256


def test_changes_that_are_not_allowed() -> None:
    two = provisioned(SpdmVersion.V1_3)
    for intent in (
        ChangeKeyPair(1, usage=KeyUsage.CHALLENGE_USE, slot_mask=1),
        ChangeKeyPair(1, slot_mask=2),
        ChangeKeyPair(1, SetKeyPairInfoOperation.ERASE_KEY_PAIR),
        ChangeKeyPair(1, SetKeyPairInfoOperation(9)),
        ChangeKeyPair(2),
        ChangeKeyPair(1, asym=KeyPairAsymAlgo.RSA2048, slot_mask=1),
    ):
        assert refusal(two, intent) == SpdmErrorCode.INVALID_REQUEST


def test_a_change_at_the_next_reset() -> None:
    two = several(
        SpdmVersion.V1_4,
        capabilities=responder_config().capabilities
        | PROVISIONING
        | KEY_PAIRS
        | P.MULTI_KEY_CAP_NEG
        | P.SET_KEY_PAIR_RESET_CAP,
    )
    intent = ChangeKeyPair(1, usage=KeyUsage.MEASUREMENT_USE, slot_mask=1)
    assert refusal(two, intent) == SpdmErrorCode.RESET_REQUIRED
    before = two.responder.slots.usages[1]
    two.responder.device_reset()
    assert (before, two.responder.slots.usages[1]) == (KeyUsage.CHALLENGE_USE, KeyUsage.MEASUREMENT_USE)


@pytest.mark.parametrize("version", FROM_1_3)
def test_provisioning_with_several_keys_names_key_and_model(version: SpdmVersion) -> None:
    two = several(version)
    chain, device = new_chain(two), CertificateModel.DEVICE_CERT
    assert refusal(two, InstallCertificate(0, chain)) == SpdmErrorCode.INVALID_REQUEST
    assert refusal(two, InstallCertificate(0, chain, key_pair_id=1)) == SpdmErrorCode.INVALID_REQUEST
    assert refusal(two, InstallCertificate(0, chain, key_pair_id=2, model=device)) == SpdmErrorCode.UNSPECIFIED
    two.run(InstallCertificate(0, chain, key_pair_id=1, model=device))
    assert refusal(two, RequestCertificate()) == SpdmErrorCode.INVALID_REQUEST
    two.run(RequestCertificate(key_pair_id=2, model=device))
    assert refusal(provisioned(version), RequestCertificate(key_pair_id=1)) == SpdmErrorCode.INVALID_REQUEST


# measurement log, endpoint information


def log_of(entries: int) -> DmtfMeasurementExtensionLog:
    """Return a log."""
    return DmtfMeasurementExtensionLog(
        mel_entries=tuple(
            MeasurementExtensionLogEntry(
                mel_index=index,
                measurement_index=0x11,
                measurement=DmtfMeasurement(
                    value_type=MeasurementValueType.INFORMATIONAL, is_raw_bit_stream=True, value=b"Boot FW"
                ),
            )
            for index in range(entries)
        )
    )


@pytest.mark.parametrize("version", FROM_1_3)
@pytest.mark.parametrize("entries", [0, 3, 500])
def test_the_measurement_log(version: SpdmVersion, entries: int) -> None:
    log = log_of(entries)
    two = provisioned(version, more=P.MEL_CAP, measurement_log=log)
    number = started(two)
    for session in (None, number):
        (event,) = two.run(ReadMeasurementLog(), session)
        assert isinstance(event, MeasurementLogRead)
        assert DmtfMeasurementExtensionLog.parse(event.log) == log


@pytest.mark.parametrize(
    "raw", ["13ef0000 00000000 00000000", "13ef0000 ffffffff ffffffff", "13ef0000 10000000 01000000"]
)
def test_parts_of_the_log_that_are_not_there(raw: str) -> None:
    two = provisioned(SpdmVersion.V1_3, more=P.MEL_CAP)
    two.responder.receive(bytes.fromhex(raw), now=0)
    answer = two.responder.bytes_to_send()
    assert answer is not None
    assert Error.parse(answer).error_code == SpdmErrorCode.INVALID_REQUEST


@pytest.mark.parametrize("version", FROM_1_3)
def test_endpoint_information(version: SpdmVersion) -> None:
    element = DeviceClassIdentifierElement(
        identifier=DeviceClassIdentifier(svh=Svh(registry_id=RegistryId.PCI_SIG, vendor_id=b"\x01\x00"))
    )
    told = DeviceClassIdentifiers(identifiers=(element,))
    two = provisioned(version, more=P.EP_INFO_CAP_SIG, endpoint_info=told)
    for session in (None, started(two)):
        for slot in (None, 0):
            *_, event = two.run(ReadEndpointInfo(slot=slot), session)
            assert isinstance(event, EndpointInfoRead)
            assert event.is_signed is (slot is not None)
            assert DeviceClassIdentifiers.parse(event.message.endpoint_info) == told
    unsigned = provisioned(version, more=P.EP_INFO_CAP_NO_SIG)
    assert refusal(unsigned, ReadEndpointInfo(slot=0)) == SpdmErrorCode.INVALID_REQUEST


# events


DMTF = Svh(registry_id=RegistryId.DMTF)
GROUP = EventGroup(event_group_id=DMTF, event_types=(EventType(event_type_id=2), EventType(event_type_id=4)))


def happened(instance: int) -> Event:
    """Return an event."""
    return Event(event_instance_id=instance, event_group_id=DMTF, event_type_id=4, event_detail=b"\x01")


@pytest.mark.parametrize("version", FROM_1_3)
def test_events_of_the_responder(version: SpdmVersion) -> None:
    two = provisioned(version, more=P.EVENT_CAP, event_groups=(GROUP,))
    number = started(two)
    (types,) = two.run(ReadEventTypes(), number)
    assert types == SupportedEventTypesRead((GROUP,), number)
    (subscribed,) = two.run(Subscribe((GROUP,)), number)
    assert subscribed == Subscribed((GROUP,), number)
    assert two.responder.sessions[number].subscription == (GROUP,)
    two.responder.ask(TellEvents((happened(2), happened(1))), session=number)
    events = two.run(AnswerEncapsulated(), number)
    assert events[0] == EventsReceived((happened(1), happened(2)), number)
    two.run(Subscribe(), number)
    assert two.responder.sessions[number].subscription == ()
    unknown = EventGroup(event_group_id=DMTF, event_types=(EventType(event_type_id=3),))
    everything = EventGroup(event_group_id=DMTF, attributes=EventGroupAttributes.ALL_EVENT_TYPES)
    assert refusal(two, Subscribe((unknown,)), number) == SpdmErrorCode.INVALID_REQUEST
    two.run(Subscribe((everything,)), number)
    with pytest.raises(LocalProtocolError):
        two.run(ReadEventTypes())


@pytest.mark.parametrize("version", FROM_1_3)
def test_events_of_the_requester(version: SpdmVersion) -> None:
    two = provisioned(version, requester=R.EVENT_CAP)
    number = started(two)
    two.run(TellEvents((happened(7), happened(3))), number)
    assert EventsReceived((happened(3), happened(7)), number) in two.answered
    assert refusal(two, TellEvents((happened(1), happened(1))), number) == SpdmErrorCode.INVALID_REQUEST


def test_a_session_may_ask_for_all_events() -> None:
    two = provisioned(SpdmVersion.V1_3, more=P.EVENT_CAP, event_groups=(GROUP,))
    number = started(two, policy=SessionPolicy.EVENT_ALL_POLICY)
    assert two.responder.sessions[number].subscription == (GROUP,)
    with pytest.raises(SpdmPeerError):
        started(provisioned(SpdmVersion.V1_3), policy=SessionPolicy.EVENT_ALL_POLICY)

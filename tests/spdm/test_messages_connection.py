"""Messages of the connection: version, capabilities, algorithms, certificates, measurements, errors."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import pytest

import pytio.spdm
from pytio.errors import EncodeError, SpdmDecodeError
from pytio.spdm.algorithms import AeadSuite, AlgorithmType, BaseHashAlgo, DheGroup, OtherParams
from pytio.spdm.capabilities import RequesterCapabilities, ResponderCapabilities
from pytio.spdm.codes import (
    MIN_DATA_TRANSFER_BYTES,
    CertificateModel,
    KeyUsage,
    MeasurementIndex,
    MeasurementValueType,
    RegistryId,
    SpdmCode,
    SpdmErrorCode,
    SpdmVersion,
)
from pytio.spdm.messages import MESSAGES, REQUESTS, RESPONSES, class_name, message_class
from pytio.spdm.messages.algorithms import Algorithms, AlgorithmStructure, ExtendedAlgorithm, NegotiateAlgorithms
from pytio.spdm.messages.base import Svh
from pytio.spdm.messages.capabilities import Capabilities, GetCapabilities, SupportedAlgorithms
from pytio.spdm.messages.certificate import Certificate, GetCertificate
from pytio.spdm.messages.challenge import Challenge, ChallengeAuth
from pytio.spdm.messages.digests import CertificateInfo, Digests
from pytio.spdm.messages.endpoint_info import (
    DeviceClassIdentifier,
    DeviceClassIdentifierElement,
    DeviceClassIdentifiers,
    EndpointInfo,
    GetEndpointInfo,
    SubordinateId,
)
from pytio.spdm.messages.error import Error, ResponseNotReady, VendorDefinedError
from pytio.spdm.messages.measurement_log import DmtfMeasurementExtensionLog, MeasurementExtensionLog
from pytio.spdm.messages.measurements import (
    DeviceMode,
    DmtfMeasurement,
    GetMeasurements,
    MeasurementBlock,
    Measurements,
)
from pytio.spdm.messages.version import Version, VersionNumber
from tests.checks import check_wire
from tests.spdm.corpus import MAX_DOE_PADDING, recorded

CORPUS = "connection_messages.txt"
NONCE = bytes(range(32))
CONTEXT = bytes(range(8))


def test_every_recorded_message_parses_and_builds_back() -> None:
    seen: Counter[str] = Counter()
    for source, cls, given, raw in recorded(CORPUS):
        parsed, size = cls.parse_prefix(raw, **given)
        assert parsed.build() == raw[:size], source
        assert parsed.given() == given, source
        assert message_class(raw[1]) is cls, source
        assert not any(raw[size:]), source
        assert len(raw) - size <= MAX_DOE_PADDING, source
        seen[cls.NAME] += 1
    assert seen.total() == 211
    assert len(seen) == 19


def test_a_recorded_message_also_fails_well() -> None:
    seen = set()
    for _, cls, given, raw in recorded(CORPUS):
        if (cls, raw[0]) in seen or len(raw) > 400:
            continue
        seen.add((cls, raw[0]))
        _, size = cls.parse_prefix(raw, **given)
        check_wire(cls, raw[:size], None, **given)
    assert len(seen) > 40


def test_recorded_measurements_and_logs_decode_to_the_last_field() -> None:
    types: Counter[str] = Counter()
    for source, cls, given, raw in recorded(CORPUS, "Measurements", "MeasurementExtensionLog"):
        message, _ = cls.parse_prefix(raw, **given)
        if isinstance(message, MeasurementExtensionLog):
            log = DmtfMeasurementExtensionLog.parse(message.mel)
            assert [entry.mel_index for entry in log.mel_entries] == [1, 2, 3]
            continue
        assert isinstance(message, Measurements)
        for block in message.measurement_record:
            assert isinstance(block.measurement, DmtfMeasurement), source
            types[block.measurement.value_type.name] += 1
            if block.index == MeasurementIndex.DEVICE_MODE:
                assert isinstance(block.measurement.value, DeviceMode)
    assert set(types) >= {"IMMUTABLE_ROM", "FREEFORM_MANIFEST", "DEVICE_MODE", "SECURE_VERSION_NUMBER", "HASH_EXTEND"}


# The tables of classes


def test_every_code_has_its_message() -> None:
    assert set(MESSAGES) == set(SpdmCode)
    assert set(REQUESTS) | set(RESPONSES) == set(MESSAGES)
    for code, cls in MESSAGES.items():
        assert code.name == cls.NAME
        assert cls.FIELDS[0].name == "version"
        assert cls.FIELDS[1].constant is code
        assert class_name(code) == cls.__name__
        assert getattr(pytio.spdm, cls.__name__) is cls


def test_every_request_but_one_has_a_response_with_its_code_without_the_highest_bit() -> None:
    answered = {code & 0x7F for code in REQUESTS if code is not SpdmCode.RESPOND_IF_READY}
    assert answered == set(RESPONSES) - {SpdmCode.ERROR}
    assert all(code.is_request for code in REQUESTS)
    assert not any(code.is_request for code in RESPONSES)


def test_facts_have_the_same_names_everywhere() -> None:
    names = {name for cls in MESSAGES.values() for name in cls.GIVEN}
    assert names == {"digest", "signature", "summary", "exchange", "verify_data", "multi_key"}


def test_an_unknown_code_has_no_class() -> None:
    with pytest.raises(KeyError):
        message_class(0x99)
    assert "60 SPDM message classes" in repr(MESSAGES)


def test_importing_the_package_loads_no_message() -> None:
    code = "import pytio.spdm.messages, sys; print(*(n for n in sys.modules if n.startswith('pytio.spdm')))"
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert set(said.split()) == {"pytio.spdm", "pytio.spdm.codes", "pytio.spdm.messages"}


def test_a_misspelt_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'GetVersions'"):
        _ = pytio.spdm.GetVersions  # type: ignore[attr-defined]  # that is the point
    assert set(pytio.spdm.__all__) <= set(dir(pytio.spdm))


# Version, capabilities, algorithms


def test_a_version_entry_knows_the_version_of_messages() -> None:
    entry = VersionNumber.parse(b"\x2b\x14")
    assert entry.version is SpdmVersion.V1_4
    assert str(entry) == "1.4.2.11"
    offer = Version(version_number_entries=tuple(VersionNumber.of(version) for version in SpdmVersion))
    assert offer.build().hex() == "10040000000500100011001200130014"


@pytest.mark.parametrize(("version", "size"), [(0x10, 4), (0x11, 12), (0x12, 20), (0x13, 20), (0x14, 20)])
def test_get_capabilities_grows_with_the_version(version: int, size: int) -> None:
    transfer = MIN_DATA_TRANSFER_BYTES if version >= SpdmVersion.V1_2 else None
    request = GetCapabilities(version=SpdmVersion(version), data_transfer_size=transfer, max_spdm_msg_size=transfer)
    check_wire(GetCapabilities, request.build(), request)
    assert len(request.build()) == size
    response = Capabilities(
        version=SpdmVersion(version),
        flags=ResponderCapabilities.CERT_CAP,
        data_transfer_size=transfer,
        max_spdm_msg_size=transfer,
    )
    check_wire(Capabilities, response.build(), response)
    assert len(response.build()) == max(size, 12)


def test_a_requester_of_1_0_states_no_flags() -> None:
    with pytest.raises(EncodeError, match="does not belong there") as caught:
        GetCapabilities(version=SpdmVersion.V1_0, flags=RequesterCapabilities.CERT_CAP).build()
    assert caught.value.field == "flags"


def test_unknown_bits_and_codes_survive() -> None:
    raw = Capabilities(version=SpdmVersion.V1_0, flags=ResponderCapabilities(0x80000008)).build()
    assert Capabilities.parse(raw).flags.names() == ["MEAS_CAP_NO_SIG", "LARGE_RESP_CAP"]
    request = GetCapabilities.parse(bytes.fromhex("15e1000000000000ffffffff 00000000 00000000"))
    assert request.version.name == "UNKNOWN_0x15"
    assert request.flags is not None
    assert request.flags.unknown_bits == 0x713C0839


def test_lengths_and_counts_of_algorithms_fill_themselves() -> None:
    extended = (ExtendedAlgorithm(registry_id=RegistryId.IANA, algorithm_id=1),)
    structures = (
        AlgorithmStructure(alg_type=AlgorithmType.DHE, alg_supported=DheGroup.SECP_384_R1, alg_external=extended),
        AlgorithmStructure(alg_type=AlgorithmType.AEAD, alg_supported=AeadSuite.AES_256_GCM),
    )
    request = NegotiateAlgorithms(
        version=SpdmVersion.V1_2,
        other_params_support=OtherParams.OPAQUE_DATA_FMT1,
        base_hash_algo=BaseHashAlgo.SHA_384,
        alg_structures=structures,
    )
    assert (request.length, request.alg_structure_count) == (44, 2)
    check_wire(NegotiateAlgorithms, request.build(), request)
    response = Algorithms(version=SpdmVersion.V1_2, alg_structures=structures)
    assert (response.length, response.alg_structure_count) == (48, 2)
    check_wire(Algorithms, response.build(), response)
    block = SupportedAlgorithms(alg_structures=structures)
    assert (block.length, block.alg_structure_count) == (42, 2)


# Digests, certificates, challenge


def test_digests_carry_as_many_arrays_as_the_sender_has_keys() -> None:
    digests = Digests(
        version=SpdmVersion.V1_3,
        supported_slot_mask=0xFF,
        provisioned_slot_mask=0b1000_0001,
        digests=(bytes(48), bytes(48)),
        key_pair_ids=(1, 2),
        certificate_info=(CertificateInfo(certificate_model=CertificateModel.ALIAS_CERT), CertificateInfo()),
        key_usage_masks=(KeyUsage.KEY_EX_USE, KeyUsage.VENDOR_KEY_USE),
    )
    check_wire(Digests, digests.build(), digests, digest=48, multi_key=1)
    with pytest.raises(EncodeError, match="1 elements, but"):
        digests.replace(key_pair_ids=(1,)).build()


def test_a_large_portion_of_a_certificate_chain() -> None:
    chain = bytes(200_000)
    part = Certificate(version=SpdmVersion.V1_4, large_cert_chain=True, cert_chain=chain)
    assert (part.portion_length, part.large_portion_length) == (0, 200_000)
    assert Certificate.parse(part.build()) == part
    small = Certificate(version=SpdmVersion.V1_4, cert_chain=b"abc", remainder_length=5)
    assert (small.portion_length, small.large_portion_length) == (3, None)
    check_wire(Certificate, small.build(), small)
    with pytest.raises(EncodeError, match="does not fit"):
        Certificate(version=SpdmVersion.V1_3, cert_chain=chain).build()


def test_the_large_form_of_get_certificate_begins_with_1_4() -> None:
    large = GetCertificate(version=SpdmVersion.V1_4, large_cert_chain=True, large_length=0x27FF0)
    assert large.build().hex() == "148280000000000000000000f07f0200"
    assert GetCertificate.parse(bytes.fromhex("1382800000000000")).large_length is None


@pytest.mark.parametrize("version", list(SpdmVersion))
def test_the_requesters_context_begins_with_1_3(version: SpdmVersion) -> None:
    size = 8 if version >= SpdmVersion.V1_3 else 0
    challenge = Challenge(version=version, nonce=NONCE)
    assert len(challenge.build()) == 36 + size
    answer = ChallengeAuth(version=version, cert_chain_hash=bytes(32), nonce=NONCE, signature=bytes(64))
    check_wire(ChallengeAuth, answer.build(), answer, digest=32, summary=0, signature=64)
    assert len(answer.build()) == 4 + 32 + 32 + 2 + size + 64


# Measurements


@pytest.mark.parametrize(
    ("version", "unsigned", "signed"),
    [(0x10, 4, 36), (0x11, 4, 37), (0x12, 4, 37), (0x13, 12, 45), (0x14, 12, 45)],
)
def test_get_measurements_has_the_size_of_its_version(version: int, unsigned: int, signed: int) -> None:
    request = GetMeasurements(version=SpdmVersion(version))
    assert len(request.build()) == unsigned
    check_wire(GetMeasurements, request.build(), request)
    request = GetMeasurements(version=SpdmVersion(version), signature_requested=True, nonce=NONCE)
    assert len(request.build()) == signed
    check_wire(GetMeasurements, request.build(), request)


def test_measurement_sizes_fill_themselves() -> None:
    record = (
        MeasurementBlock(
            index=1, measurement=DmtfMeasurement(value_type=MeasurementValueType.IMMUTABLE_ROM, value=bytes(48))
        ),
        MeasurementBlock(
            index=MeasurementIndex.DEVICE_MODE,
            measurement=DmtfMeasurement(
                value_type=MeasurementValueType.DEVICE_MODE, is_raw_bit_stream=True, value=DeviceMode()
            ),
        ),
        MeasurementBlock(
            index=3,
            measurement=DmtfMeasurement(
                value_type=MeasurementValueType.SECURE_VERSION_NUMBER, is_raw_bit_stream=True, value=1 << 63
            ),
        ),
    )
    assert [block.measurement_size for block in record] == [51, 19, 11]
    response = Measurements(
        version=SpdmVersion.V1_3, measurement_record=record, nonce=NONCE, requester_context=CONTEXT, signature=bytes(96)
    )
    assert (response.number_of_blocks, response.measurement_record_length) == (3, 93)
    check_wire(Measurements, response.build(), response, signature=96)


def test_a_digest_of_a_device_mode_is_bytes() -> None:
    raw = bytes.fromhex("05 2000") + bytes(32)
    assert DmtfMeasurement.parse(raw).value == bytes(32)


# Endpoint information


def test_endpoint_information_has_a_nonce_where_it_is_signed() -> None:
    asked = GetEndpointInfo(version=SpdmVersion.V1_3, signature_requested=True, nonce=NONCE)
    assert len(asked.build()) == 40
    check_wire(GetEndpointInfo, asked.build(), asked)
    signed = EndpointInfo(version=SpdmVersion.V1_3, nonce=NONCE, endpoint_info=b"abcd", signature=bytes(64))
    check_wire(EndpointInfo, signed.build(), signed, signature=64)
    assert len(signed.replace(nonce=None, signature=b"").build()) == 16
    with pytest.raises(TypeError, match="needs signature="):
        EndpointInfo.parse(signed.build())


def test_device_class_identifiers_measure_themselves() -> None:
    (recorded_info,) = {
        message.endpoint_info
        for _, cls, given, raw in recorded(CORPUS, "EndpointInfo")
        if isinstance(message := cls.parse_prefix(raw, **given)[0], EndpointInfo)
    }
    made = DeviceClassIdentifiers(
        identifiers=(
            DeviceClassIdentifierElement(
                identifier=DeviceClassIdentifier(
                    svh=Svh(registry_id=RegistryId.DMTF),
                    sub_ids=(SubordinateId(identifier=b"\x12\x34\x56"),),
                )
            ),
        )
    )
    assert made.build() == recorded_info
    assert DeviceClassIdentifiers.parse(recorded_info) == made


# Errors


@pytest.mark.parametrize("code", list(SpdmErrorCode))
def test_an_error_carries_what_its_code_says(code: SpdmErrorCode) -> None:
    carries: dict[SpdmErrorCode, int | ResponseNotReady | VendorDefinedError] = {
        SpdmErrorCode.RESPONSE_TOO_LARGE: 70_000,
        SpdmErrorCode.DATA_TOO_LARGE: 70_000,
        SpdmErrorCode.LARGE_RESPONSE: 7,
        SpdmErrorCode.RESPONSE_NOT_READY: ResponseNotReady(
            rdt_exponent=3, request_code=SpdmCode.CHALLENGE, token=1, rdtm=2
        ),
        SpdmErrorCode.VENDOR_DEFINED: VendorDefinedError(vendor_id=b"\x01\x00", opaque_error_data=b"why"),
    }
    error = Error(version=SpdmVersion.V1_4, error_code=code, extended_error_data=carries.get(code, b""))
    check_wire(Error, error.build(), error)


def test_transport_padding_is_no_part_of_an_error() -> None:
    error, size = Error.parse_prefix(bytes.fromhex("127f0f0001000000"))
    assert (error.extended_error_data, size) == (1, 5)
    error, size = Error.parse_prefix(bytes.fromhex("127f030000000000"))
    assert (error.error_code, size) == (SpdmErrorCode.BUSY, 4)


def test_only_bytes_of_the_layer_raise_its_error() -> None:
    with pytest.raises(SpdmDecodeError, match="is not ERROR"):
        Error.parse(bytes.fromhex("12610100"))

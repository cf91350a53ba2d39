"""The tables of SPDM messages against DSP0274's: codes, pairs, and in which versions which field is there.

Everything on the left of a comparison was written from the specification, not from the code.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import pytest

from pytio.errors import EncodeError
from pytio.spdm.codes import SpdmCode, SpdmVersion
from pytio.spdm.messages import MESSAGES, REQUESTS, RESPONSES, message_class
from pytio.spdm.messages.capabilities import SupportedAlgorithms
from pytio.spdm.messages.measurements import SlotIdParam
from pytio.wire import WireStruct

V1_0, V1_1, V1_2, V1_3, V1_4 = SpdmVersion

PAIRS: Final = (
    (0x81, "GET_DIGESTS", 0x01, "DIGESTS"),
    (0x82, "GET_CERTIFICATE", 0x02, "CERTIFICATE"),
    (0x83, "CHALLENGE", 0x03, "CHALLENGE_AUTH"),
    (0x84, "GET_VERSION", 0x04, "VERSION"),
    (0x85, "CHUNK_SEND", 0x05, "CHUNK_SEND_ACK"),
    (0x86, "CHUNK_GET", 0x06, "CHUNK_RESPONSE"),
    (0x87, "GET_ENDPOINT_INFO", 0x07, "ENDPOINT_INFO"),
    (0x88, "SLOT_MANAGEMENT", 0x08, "SLOT_MANAGEMENT_RESP"),
    (0xE0, "GET_MEASUREMENTS", 0x60, "MEASUREMENTS"),
    (0xE1, "GET_CAPABILITIES", 0x61, "CAPABILITIES"),
    (0xE2, "GET_SUPPORTED_EVENT_TYPES", 0x62, "SUPPORTED_EVENT_TYPES"),
    (0xE3, "NEGOTIATE_ALGORITHMS", 0x63, "ALGORITHMS"),
    (0xE4, "KEY_EXCHANGE", 0x64, "KEY_EXCHANGE_RSP"),
    (0xE5, "FINISH", 0x65, "FINISH_RSP"),
    (0xE6, "PSK_EXCHANGE", 0x66, "PSK_EXCHANGE_RSP"),
    (0xE7, "PSK_FINISH", 0x67, "PSK_FINISH_RSP"),
    (0xE8, "HEARTBEAT", 0x68, "HEARTBEAT_ACK"),
    (0xE9, "KEY_UPDATE", 0x69, "KEY_UPDATE_ACK"),
    (0xEA, "GET_ENCAPSULATED_REQUEST", 0x6A, "ENCAPSULATED_REQUEST"),
    (0xEB, "DELIVER_ENCAPSULATED_RESPONSE", 0x6B, "ENCAPSULATED_RESPONSE_ACK"),
    (0xEC, "END_SESSION", 0x6C, "END_SESSION_ACK"),
    (0xED, "GET_CSR", 0x6D, "CSR"),
    (0xEE, "SET_CERTIFICATE", 0x6E, "SET_CERTIFICATE_RSP"),
    (0xEF, "GET_MEASUREMENT_EXTENSION_LOG", 0x6F, "MEASUREMENT_EXTENSION_LOG"),
    (0xF0, "SUBSCRIBE_EVENT_TYPES", 0x70, "SUBSCRIBE_EVENT_TYPES_ACK"),
    (0xF1, "SEND_EVENT", 0x71, "EVENT_ACK"),
    (0xFC, "GET_KEY_PAIR_INFO", 0x7C, "KEY_PAIR_INFO"),
    (0xFD, "SET_KEY_PAIR_INFO", 0x7D, "SET_KEY_PAIR_INFO_ACK"),
    (0xFE, "VENDOR_DEFINED_REQUEST", 0x7E, "VENDOR_DEFINED_RESPONSE"),
)
UNPAIRED: Final = ((0xFF, "RESPOND_IF_READY"), (0x7F, "ERROR"))

SLOT: Final = SlotIdParam(slot_id=1)
BLOCK: Final = SupportedAlgorithms()
AUTOMATIC: Final = object()  # a length that fills itself


class Row(NamedTuple):
    """A field that not every version has, the versions that have it, and a value for it."""

    code: SpdmCode
    field: str
    value: Any
    first: SpdmVersion
    last: SpdmVersion = V1_4

    def belongs(self, version: SpdmVersion) -> bool:
        """Return whether the version has the field."""
        return self.first <= version <= self.last


ROWS: Final = (
    Row(SpdmCode.GET_CAPABILITIES, "reserved", 1, V1_1),
    Row(SpdmCode.GET_CAPABILITIES, "ct_exponent", 12, V1_1),
    Row(SpdmCode.GET_CAPABILITIES, "ext_flags", 1, V1_1),
    Row(SpdmCode.GET_CAPABILITIES, "flags", 0x10000, V1_1),
    Row(SpdmCode.GET_CAPABILITIES, "data_transfer_size", 42, V1_2),
    Row(SpdmCode.GET_CAPABILITIES, "max_spdm_msg_size", 43, V1_2),
    Row(SpdmCode.CAPABILITIES, "data_transfer_size", 42, V1_2),
    Row(SpdmCode.CAPABILITIES, "max_spdm_msg_size", 43, V1_2),
    Row(SpdmCode.CAPABILITIES, "supported_algorithms", BLOCK, V1_3),
    Row(SpdmCode.GET_CERTIFICATE, "large_offset", 1, V1_4),
    Row(SpdmCode.GET_CERTIFICATE, "large_length", 1, V1_4),
    Row(SpdmCode.CERTIFICATE, "large_portion_length", AUTOMATIC, V1_4),
    Row(SpdmCode.CERTIFICATE, "large_remainder_length", 1, V1_4),
    Row(SpdmCode.CHALLENGE, "requester_context", b"context!", V1_3),
    Row(SpdmCode.CHALLENGE_AUTH, "requester_context", b"context!", V1_3),
    Row(SpdmCode.GET_MEASUREMENTS, "slot_id_param", SLOT, V1_1),
    Row(SpdmCode.GET_MEASUREMENTS, "requester_context", b"context!", V1_3),
    Row(SpdmCode.MEASUREMENTS, "requester_context", b"context!", V1_3),
    Row(SpdmCode.FINISH, "opaque_data_length", AUTOMATIC, V1_4),
    Row(SpdmCode.FINISH, "opaque_data", b"opaque", V1_4),
    Row(SpdmCode.FINISH_RSP, "opaque_data_length", AUTOMATIC, V1_4),
    Row(SpdmCode.FINISH_RSP, "opaque_data", b"opaque", V1_4),
    Row(SpdmCode.PSK_FINISH, "opaque_data_length", AUTOMATIC, V1_4),
    Row(SpdmCode.PSK_FINISH, "opaque_data", b"opaque", V1_4),
    Row(SpdmCode.PSK_FINISH_RSP, "opaque_data_length", AUTOMATIC, V1_4),
    Row(SpdmCode.PSK_FINISH_RSP, "opaque_data", b"opaque", V1_4),
    Row(SpdmCode.ENCAPSULATED_RESPONSE_ACK, "ack_request_id", 1, V1_2),
    Row(SpdmCode.ENCAPSULATED_RESPONSE_ACK, "reserved", b"\0\0\1", V1_2),
    Row(SpdmCode.CHUNK_SEND, "reserved", 1, V1_0, V1_3),
    Row(SpdmCode.CHUNK_RESPONSE, "reserved", 1, V1_0, V1_3),
    Row(SpdmCode.KEY_PAIR_INFO, "pqc_asym_algo_cap_len", AUTOMATIC, V1_4),
    Row(SpdmCode.KEY_PAIR_INFO, "pqc_asym_algo_capabilities", b"\x01", V1_4),
    Row(SpdmCode.KEY_PAIR_INFO, "current_pqc_asym_algo_len", AUTOMATIC, V1_4),
    Row(SpdmCode.KEY_PAIR_INFO, "current_pqc_asym_algo", b"\x01", V1_4),
    Row(SpdmCode.SET_KEY_PAIR_INFO, "desired_pqc_asym_algo_len", AUTOMATIC, V1_4),
    Row(SpdmCode.SET_KEY_PAIR_INFO, "desired_pqc_asym_algo", b"\x01", V1_4),
    Row(SpdmCode.VENDOR_DEFINED_REQUEST, "reserved", 1, V1_4),
    Row(SpdmCode.VENDOR_DEFINED_RESPONSE, "reserved", 1, V1_4),
)

BASE: Final[dict[SpdmCode, dict[str, Any]]] = {
    SpdmCode.GET_CAPABILITIES: {},
    SpdmCode.CAPABILITIES: {"flags": 0, "supported_algorithms_present": True},
    SpdmCode.GET_CERTIFICATE: {"large_cert_chain": True},
    SpdmCode.CERTIFICATE: {"large_cert_chain": True, "cert_chain": b"chain"},
    SpdmCode.CHALLENGE: {"nonce": bytes(32)},
    SpdmCode.CHALLENGE_AUTH: {"cert_chain_hash": bytes(32), "nonce": bytes(32), "signature": bytes(64)},
    SpdmCode.GET_MEASUREMENTS: {"signature_requested": True, "nonce": bytes(32)},
    SpdmCode.MEASUREMENTS: {"nonce": bytes(32)},
    SpdmCode.FINISH: {"requester_verify_data": bytes(32)},
    SpdmCode.FINISH_RSP: {},
    SpdmCode.PSK_FINISH: {"requester_verify_data": bytes(32)},
    SpdmCode.PSK_FINISH_RSP: {},
    SpdmCode.ENCAPSULATED_RESPONSE_ACK: {},
    SpdmCode.CHUNK_SEND: {"handle": 1, "chunk_seq_no": 1, "spdm_chunk": b"chunk"},
    SpdmCode.CHUNK_RESPONSE: {"handle": 1, "chunk_seq_no": 1, "spdm_chunk": b"chunk"},
    SpdmCode.KEY_PAIR_INFO: {"total_key_pairs": 1, "key_pair_id": 1},
    SpdmCode.SET_KEY_PAIR_INFO: {"operation": 0, "key_pair_id": 1},
    SpdmCode.VENDOR_DEFINED_REQUEST: {"is_large": True, "standard_id": 0, "payload": b"payload"},
    SpdmCode.VENDOR_DEFINED_RESPONSE: {"is_large": True, "standard_id": 0, "payload": b"payload"},
}

# The size of each message as BASE and ROWS have it, lengths of what the table calls variable included.
SIZES: Final[dict[SpdmCode, tuple[int, int, int, int, int]]] = {
    SpdmCode.GET_CAPABILITIES: (4, 12, 20, 20, 20),
    SpdmCode.CAPABILITIES: (12, 12, 20, 50, 50),
    SpdmCode.GET_CERTIFICATE: (8, 8, 8, 8, 16),
    SpdmCode.CERTIFICATE: (13, 13, 13, 13, 21),
    SpdmCode.CHALLENGE: (36, 36, 36, 44, 44),
    SpdmCode.CHALLENGE_AUTH: (134, 134, 134, 142, 142),
    SpdmCode.GET_MEASUREMENTS: (36, 37, 37, 45, 45),
    SpdmCode.MEASUREMENTS: (42, 42, 42, 50, 50),
    SpdmCode.FINISH: (36, 36, 36, 36, 44),
    SpdmCode.FINISH_RSP: (4, 4, 4, 4, 12),
    SpdmCode.PSK_FINISH: (36, 36, 36, 36, 44),
    SpdmCode.PSK_FINISH_RSP: (4, 4, 4, 4, 12),
    SpdmCode.ENCAPSULATED_RESPONSE_ACK: (4, 4, 8, 8, 8),
    SpdmCode.CHUNK_SEND: (17, 17, 17, 17, 17),
    SpdmCode.CHUNK_RESPONSE: (17, 17, 17, 17, 17),
    SpdmCode.KEY_PAIR_INFO: (23, 23, 23, 23, 27),
    SpdmCode.SET_KEY_PAIR_INFO: (13, 13, 13, 13, 15),
    SpdmCode.VENDOR_DEFINED_REQUEST: (16, 16, 16, 16, 20),
    SpdmCode.VENDOR_DEFINED_RESPONSE: (16, 16, 16, 16, 20),
}


def sample(code: SpdmCode, version: SpdmVersion, **changes: Any) -> WireStruct:
    """Return a message with a value in every field that the table gives its version, and in no other."""
    rows = [row for row in ROWS if row.code is code and row.value is not AUTOMATIC and row.belongs(version)]
    values = BASE[code] | {row.field: row.value for row in rows} | changes
    cls: Any = message_class(code)
    return cls(version=version, **values)  # type: ignore[no-any-return]  # whichever class it is


def test_every_code_of_the_table_has_a_class() -> None:
    requests = {code: name for code, name, _, _ in PAIRS} | {0xFF: "RESPOND_IF_READY"}
    responses = {code: name for _, _, code, name in PAIRS} | {0x7F: "ERROR"}
    assert {int(code): cls.NAME for code, cls in REQUESTS.items()} == requests
    assert {int(code): cls.NAME for code, cls in RESPONSES.items()} == responses
    assert {int(code): cls.NAME for code, cls in MESSAGES.items()} == requests | responses
    assert {int(code): code.name for code in SpdmCode} == requests | responses


def test_requests_and_responses_line_up() -> None:
    for request, _, response, _ in PAIRS:
        assert request == response | 0x80
        assert message_class(request).__module__ == message_class(response).__module__
    assert [SpdmCode(code).is_request for code, _ in UNPAIRED] == [True, False]


@pytest.mark.parametrize("code", list(MESSAGES), ids=lambda code: code.name)
def test_every_message_begins_with_version_code_and_two_parameters(code: SpdmCode) -> None:
    cls = message_class(code)
    version, constant, *rest = cls.FIELDS
    assert (version.name, constant.name, constant.constant) == ("version", "code", code)
    assert [row[0].split()[0] for row in cls.describe()][:2] == ["0", "1"]
    assert {"2", "3"} <= {row[0].split()[0] for row in cls.describe()}
    assert all(field.when is None for field in rest[:2])
    assert cls.minimum_size() >= 4
    assert cls.__doc__ is not None
    assert cls.__doc__.startswith(cls.NAME)
    assert f"(DSP0274, {cls.NAME})." in cls.__doc__


def test_an_unknown_code_has_no_class() -> None:
    for code in (0x00, 0x09, 0x72, 0x80, 0xFB, 0x100):
        with pytest.raises(KeyError):
            message_class(code)


@pytest.mark.parametrize("version", list(SpdmVersion), ids=lambda version: version.name)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.code.name}-{row.field}")
def test_a_field_is_there_from_its_first_version_on(row: Row, version: SpdmVersion) -> None:
    built = sample(row.code, version)
    parsed = type(built).parse(built.build(), **built.given())
    assert parsed == built
    assert (getattr(parsed, row.field) is not None) is row.belongs(version)


@pytest.mark.parametrize("version", list(SpdmVersion), ids=lambda version: version.name)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.code.name}-{row.field}")
def test_a_field_is_refused_in_every_other_version(row: Row, version: SpdmVersion) -> None:
    if row.belongs(version) or row.value is AUTOMATIC:
        return
    with pytest.raises(EncodeError, match="does not belong there") as caught:
        sample(row.code, version, **{row.field: row.value}).build()
    assert caught.value.field == row.field


@pytest.mark.parametrize("version", list(SpdmVersion), ids=lambda version: version.name)
@pytest.mark.parametrize("code", SIZES, ids=lambda code: code.name)
def test_a_message_has_the_size_of_its_version(code: SpdmCode, version: SpdmVersion) -> None:
    assert len(sample(code, version).build()) == SIZES[code][list(SpdmVersion).index(version)]


def test_the_table_lists_every_field_that_depends_on_the_version() -> None:
    listed = {(row.code, row.field) for row in ROWS}
    declared = {
        (code, field.name)
        for code, cls in MESSAGES.items()
        for field in cls.FIELDS
        if field.when is not None and any(symbol.name == "version" for symbol in field.when.symbols())
    }
    assert declared == listed
    assert set(BASE) == set(SIZES) == {row.code for row in ROWS}

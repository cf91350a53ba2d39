"""TDISP messages: dispatch by message type, what a device supports, and errors that carry more."""

from __future__ import annotations

import pytest

from pytio import tdisp
from pytio.errors import EncodeError, TdispDecodeError
from pytio.ids import InterfaceId
from pytio.tdisp import (
    DeviceInterfaceReport,
    ExtendedErrorData,
    GetDeviceInterfaceReport,
    LockFlags,
    LockInterfaceRequest,
    MessageType,
    RequestMessages,
    TdispCapabilities,
    TdispError,
    TdispErrorCode,
    TdispHeader,
    TdispVersion,
    VendorRegistry,
)

INTERFACE = InterfaceId.of("0000:01:00.0")


def test_every_message_has_its_class() -> None:
    assert set(tdisp.MESSAGES) == set(MessageType)
    assert tdisp.REQUESTS.keys().isdisjoint(tdisp.RESPONSES)
    for message_type, cls in tdisp.MESSAGES.items():
        assert MessageType(message_type).name == cls.NAME


def test_bit_7_tells_a_request() -> None:
    assert {code for code in MessageType if code & 0x80} == set(tdisp.REQUESTS)


def test_every_request_has_a_response_but_an_error_answers_all() -> None:
    assert {code & 0x7F for code in tdisp.REQUESTS} == set(tdisp.RESPONSES) - {MessageType.TDISP_ERROR}


@pytest.mark.parametrize(("message_type", "cls"), tdisp.MESSAGES.items())
def test_parse_finds_the_class(message_type: int, cls: type[tdisp.TdispMessage]) -> None:
    raw = bytes([0x10, message_type]).ljust(cls.minimum_size(), b"\0")
    parsed = tdisp.parse(raw)
    assert type(parsed) is cls
    assert parsed.build() == raw


def test_a_message_that_nobody_knows_leaves_its_header() -> None:
    """A responder answers it with UNSUPPORTED_REQUEST and its code, so it needs that much."""
    raw = bytes.fromhex("10bf0000 00010000 0000000000000000 aabb")
    with pytest.raises(TdispDecodeError, match="0xbf is not a MessageType") as caught:
        tdisp.parse(raw)
    assert (caught.value.offset, caught.value.data) == (1, raw)
    header, size = TdispHeader.parse_prefix(raw)
    assert (header.message_type, header.interface_id, size) == (0xBF, INTERFACE, 16)


@pytest.mark.parametrize("size", [0, 1, 2, 15])
def test_a_cut_header_is_refused(size: int) -> None:
    with pytest.raises(TdispDecodeError) as caught:
        tdisp.parse(bytes.fromhex("10810000 00010000 0000000000000000")[:size])
    assert caught.value.offset <= size


def test_the_mandatory_requests_are_fe() -> None:
    """Bit n stands for code 80h + n."""
    capabilities = TdispCapabilities(interface_id=INTERFACE, dev_addr_width=52)
    assert capabilities.req_msgs_supported == tdisp.MANDATORY_REQUESTS == 0xFE
    assert capabilities.build()[20:36] == b"\xfe" + bytes(15)
    for code in tdisp.REQUESTS:
        assert RequestMessages[MessageType(code).name] == 1 << (code - 0x80)


def test_a_device_that_counts_from_81h_is_understood() -> None:
    capabilities = TdispCapabilities(
        interface_id=INTERFACE, dev_addr_width=52, req_msgs_supported=RequestMessages(0x7F)
    )
    assert capabilities.build()[20] == 0x7F
    assert capabilities.supported_requests == tdisp.MANDATORY_REQUESTS
    assert capabilities.replace(req_msgs_supported=RequestMessages(0x1FE)).supported_requests == 0x1FE


def test_versions_count_themselves() -> None:
    answer = TdispVersion(interface_id=INTERFACE, versions=(tdisp.ProtocolVersion.V1_0,))
    assert answer.build()[16:] == b"\x01\x10"


@pytest.mark.parametrize("offset", [-(1 << 63), -0x12_3400_0000, 0, (1 << 63) - 1])
def test_the_reporting_offset_is_signed(offset: int) -> None:
    lock = LockInterfaceRequest(interface_id=INTERFACE, mmio_reporting_offset=offset)
    assert lock.build()[20:28] == offset.to_bytes(8, "little", signed=True)
    assert LockInterfaceRequest.parse(lock.build()) == lock


def test_a_reporting_offset_has_64_bits() -> None:
    with pytest.raises(EncodeError, match="mmio_reporting_offset"):
        LockInterfaceRequest(interface_id=INTERFACE, mmio_reporting_offset=1 << 63).build()


def test_lock_flags_have_their_names() -> None:
    flags = LockFlags.NO_FW_UPDATE | LockFlags.LOCK_MSIX
    assert LockInterfaceRequest(interface_id=INTERFACE, flags=flags).build()[16:18] == b"\x05\x00"


def test_a_report_is_asked_for_whole_by_default() -> None:
    assert GetDeviceInterfaceReport(interface_id=INTERFACE).build()[16:] == bytes.fromhex("0000ffff")


def test_a_portion_counts_itself() -> None:
    portion = DeviceInterfaceReport(interface_id=INTERFACE, remainder_length=9, report_bytes=b"abc")
    assert portion.build()[16:] == b"\x03\x00\x09\x00abc"


def test_a_vendor_error_says_how_long_it_is() -> None:
    extended = ExtendedErrorData(registry_id=VendorRegistry.CXL, vendor_id=b"\x98\x1e", vendor_data=b"why")
    error = TdispError.vendor_specific(INTERFACE, extended)
    assert error.error_code is TdispErrorCode.VENDOR_SPECIFIC
    assert error.error_data == 7
    assert error.build()[24:] == b"\x01\x02\x98\x1ewhy"
    assert tdisp.parse(error.build()) == error


def test_extended_data_is_for_vendor_errors_only() -> None:
    with pytest.raises(EncodeError, match="does not belong there"):
        TdispError(
            interface_id=INTERFACE, error_code=TdispErrorCode.BUSY, extended_error_data=ExtendedErrorData()
        ).build()
    with pytest.raises(EncodeError, match="is missing"):
        TdispError(interface_id=INTERFACE, error_code=TdispErrorCode.VENDOR_SPECIFIC).build()


def test_an_error_keeps_its_data_when_it_is_replaced() -> None:
    error = TdispError(interface_id=INTERFACE, error_code=TdispErrorCode.UNSUPPORTED_REQUEST, error_data=0x8C)
    assert error.replace(interface_id=InterfaceId.of("02:00.0")).error_data == 0x8C

"""DSP0286: what libspdm puts where, and the two numbers in which it does not agree with itself."""

from __future__ import annotations

from pytio.transports import (
    StorageApplicationData,
    StorageDescriptorType,
    StorageDiscovery,
    StorageOperation,
    StorageOperations,
    StoragePendingInfo,
    StoragePendingInfoFlags,
    StorageRequest,
)

ALL = (
    StorageOperations.DISCOVERY
    | StorageOperations.PENDING_INFO
    | StorageOperations.MESSAGE
    | StorageOperations.SECURED_MESSAGE
)


def test_the_operation_stands_above_the_connection() -> None:
    """SPSP0 is the operation times four, plus the connection."""
    request = StorageRequest(operation=StorageOperation.SECURED_MESSAGE, connection_id=2, payload=b"x")
    assert request.build() == bytes([0xE8, 6 << 2 | 2, 0]) + b"x"


def test_discovery_is_32_bytes() -> None:
    raw = StorageDiscovery(supported_operations=ALL).build()
    assert raw == bytes.fromhex("200000100000000066") + bytes(23)


def test_pending_info_is_12_bytes() -> None:
    info = StoragePendingInfo(flags=StoragePendingInfoFlags.RESPONSE_PENDING, response_length=0x140)
    assert info.build() == bytes.fromhex("0c0000100100000040010000")
    assert StoragePendingInfo().build() == bytes.fromhex("0c0000100000000000000000")


def test_a_message_lies_at_20_and_says_36() -> None:
    """SPDM_U2: the descriptor is at 3, the message at 20, and the offset written is 36."""
    data = StorageApplicationData(message=b"\x12\xe8\0\0")
    raw = data.build()
    assert raw[0] == 1
    assert raw[3:7] == bytes([0, StorageDescriptorType.SPDM, 0, 0])
    assert raw[7:15] == bytes.fromhex("0400000024000000")
    assert raw[20:] == b"\x12\xe8\0\0"
    assert (data.length, data.offset) == (4, 36)


def test_a_message_that_lies_further_on_is_found() -> None:
    data = StorageApplicationData(reserved_gap=bytes(4), message=b"\x12\xe8\0\0")
    assert data.offset == 40
    assert StorageApplicationData.parse(data.build()).message == b"\x12\xe8\0\0"

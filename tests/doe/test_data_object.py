"""Data objects: lengths, padding, connection ids, several in one buffer, and every one in the recorded sessions."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytio.doe import DataObject, DataObjectHeader, DataObjectType, VendorId, split
from pytio.doe.codes import HEADER_BYTES, MAX_DATA_OBJECT_DW
from pytio.errors import DoeDecodeError, EncodeError

SESSIONS = Path(__file__).parents[1] / "sessions"
FILE_HEADER_BYTES = 24
LARGEST_PAYLOAD = MAX_DATA_OBJECT_DW * 4 - HEADER_BYTES
DISCOVERY = DataObject.wrap(DataObjectType.DISCOVERY, bytes(4))


def packets(name: str) -> Iterator[bytes]:
    """Yield the packets of a classic little-endian pcap file."""
    data = (SESSIONS / f"{name}.pcap").read_bytes()
    at = FILE_HEADER_BYTES
    while at < len(data):
        captured = struct.unpack_from("<8xII", data, at)[0]
        yield data[at + 16 : at + 16 + captured]
        at += 16 + captured


@pytest.mark.parametrize(
    ("name", "types"),
    [
        ("s01-doe12-p384-full", {0: 6, 1: 66, 2: 316}),
        ("s06-doe13-p256-provision", {0: 6, 1: 72, 2: 44}),
        ("s07-doe14-p384", {0: 6, 1: 74, 2: 212}),
        ("s08-doe12-psk-only", {0: 6, 1: 10, 2: 122}),
    ],
)
def test_recorded_data_objects(name: str, types: dict[int, int]) -> None:
    """Every object that DMTF's emulators sent parses, says its true length, and builds back."""
    found = []
    for raw in packets(name):
        parsed = DataObject.parse(raw)
        assert parsed.build() == raw
        assert parsed.size_bytes == len(raw)
        found.append(parsed)
    assert Counter(int(parsed.data_object_type) for parsed in found) == types
    assert {parsed.vendor_id for parsed in found} == {VendorId.PCI_SIG}
    assert list(split(b"".join(packets(name)))) == found


@pytest.mark.parametrize(("size", "padded", "length_dw"), [(0, 0, 2), (1, 4, 3), (4, 4, 3), (5, 8, 4)])
def test_wrap_pads_with_zeros(size: int, padded: int, length_dw: int) -> None:
    wrapped = DataObject.wrap(DataObjectType.CMA_SPDM, b"\xaa" * size)
    assert wrapped.payload == b"\xaa" * size + bytes(padded - size)
    assert wrapped.length_dw == length_dw
    assert DataObject.parse(wrapped.build()) == wrapped


def test_the_largest_object_has_length_0() -> None:
    largest = DataObject.wrap(DataObjectType.CMA_SPDM, bytes(LARGEST_PAYLOAD))
    raw = largest.build()
    assert largest.length_dw == 0
    assert largest.size_bytes == len(raw) == 1 << 20
    assert DataObject.parse(raw) == largest
    assert DataObject.wrap(DataObjectType.CMA_SPDM, bytes(LARGEST_PAYLOAD - 4)).length_dw == MAX_DATA_OBJECT_DW - 1


def test_a_larger_payload_is_refused() -> None:
    with pytest.raises(EncodeError, match="1048569 bytes, but at most 1048568 fit"):
        DataObject.wrap(DataObjectType.CMA_SPDM, bytes(LARGEST_PAYLOAD + 1))


def test_a_length_that_disagrees_with_the_payload_is_refused() -> None:
    with pytest.raises(EncodeError):
        DataObject(data_object_type=1, length_dw=4, payload=bytes(4)).build()


def test_a_header_with_length_1_has_no_size() -> None:
    header = DataObjectHeader.parse(bytes.fromhex("0100000001000000"))
    with pytest.raises(DoeDecodeError, match="length 1 is less than the 2 double words") as caught:
        _ = header.size_bytes
    assert (caught.value.offset, caught.value.path) == (4, "DataObjectHeader.length_dw")


def test_types_are_named_only_for_their_vendor() -> None:
    """Type 2 of another vendor is not a secured SPDM message."""
    own = DataObject.parse(bytes.fromhex("0100020002000000"))
    other = DataObject.parse(bytes.fromhex("981e020002000000"))
    assert own.data_object_type is DataObjectType.SECURED_CMA_SPDM
    assert type(other.data_object_type) is int
    assert other.vendor_id is VendorId.CXL


def test_a_connection_id_is_only_where_it_belongs() -> None:
    wrapped = DataObject.wrap(DataObjectType.SECURED_CMA_SPDM_WITH_CONNECTION_ID, bytes(4), connection_id=0xABC)
    assert wrapped.connection_id == 0xABC
    assert wrapped.build()[4:8] == (0xABC << 18 | 3).to_bytes(4, "little")
    assert DISCOVERY.connection_id is None


@pytest.mark.parametrize(
    ("data_object_type", "connection_id", "reason"),
    [
        (DataObjectType.CMA_SPDM_WITH_CONNECTION_ID, None, "needs connection id"),
        (DataObjectType.CMA_SPDM, 1, "has no connection id"),
        (DataObjectType.CMA_SPDM_WITH_CONNECTION_ID, 0x1000, "4096 does not fit in 12 bits"),
    ],
)
def test_a_connection_id_never_happens_by_itself(
    data_object_type: DataObjectType, connection_id: int | None, reason: str
) -> None:
    with pytest.raises(EncodeError, match=reason):
        DataObject.wrap(data_object_type, b"", connection_id=connection_id)


def test_a_connection_id_of_another_vendor_means_nothing() -> None:
    assert DataObject.parse(bytes.fromhex("981e030002000400")).connection_id is None


def test_split_says_where_the_trouble_is() -> None:
    """What is whole is handed out; the offset of the rest counts from the start of the buffer."""
    raw = DISCOVERY.build() * 2
    objects = split(raw + DISCOVERY.build()[:10])
    assert [next(objects), next(objects)] == [DISCOVERY, DISCOVERY]
    with pytest.raises(DoeDecodeError, match="needs 4 bytes, 2 left") as caught:
        next(objects)
    assert caught.value.offset == len(raw) + HEADER_BYTES
    assert caught.value.path == "[2].DataObject.payload"


def test_split_refuses_length_1_where_it_stands() -> None:
    with pytest.raises(DoeDecodeError, match="length 1") as caught:
        list(split(DISCOVERY.build() + bytes.fromhex("0100000001000000")))
    assert caught.value.offset == len(DISCOVERY.build()) + 4


def test_nothing_splits_into_nothing() -> None:
    assert list(split(b"")) == []

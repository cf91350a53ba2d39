"""Discovery: the walk through the objects that a mailbox takes."""

from __future__ import annotations

import pytest

from pytio.doe import DataObject, DataObjectType, DiscoveryRequest, DiscoveryResponse, DiscoveryVersion, VendorId
from tests.doe.test_data_object import packets


def test_the_recorded_walk() -> None:
    """DMTF's responder offers discovery, SPDM and secured SPDM, and says that this was all."""
    objects = [DataObject.parse(raw) for raw in list(packets("s01-doe12-p384-full"))[:6]]
    requests = [DiscoveryRequest.parse(found.payload) for found in objects[::2]]
    responses = [DiscoveryResponse.parse(found.payload) for found in objects[1::2]]
    assert [request.index for request in requests] == [0, 1, 2]
    assert {request.version for request in requests} == {DiscoveryVersion.V1}
    assert [response.data_object_type for response in responses] == [
        DataObjectType.DISCOVERY,
        DataObjectType.CMA_SPDM,
        DataObjectType.SECURED_CMA_SPDM,
    ]
    assert [response.next_index for response in responses] == [1, 2, 0]
    assert [response.is_last for response in responses] == [False, False, True]


@pytest.mark.parametrize(
    ("vendor_id", "next_index", "is_last"),
    [(VendorId.PCI_SIG, 1, False), (VendorId.PCI_SIG, 0, True), (VendorId.NONE, 0, True), (VendorId.NONE, 3, True)],
)
def test_where_the_walk_ends(vendor_id: VendorId, next_index: int, is_last: bool) -> None:
    assert DiscoveryResponse(vendor_id=vendor_id, data_object_type=0, next_index=next_index).is_last is is_last


def test_a_request_asks_as_version_1_by_default() -> None:
    assert DiscoveryRequest(index=3).build() == bytes([3, 0, 0, 0])

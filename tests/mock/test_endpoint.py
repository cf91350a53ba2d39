"""A device's endpoint: discovery, what it drops, and what its responders do to one another."""

from __future__ import annotations

import pytest

from pytio import doe
from pytio.backends.bindings import BINDINGS, MCTP, PCI_DOE, TCP
from pytio.mock import Endpoint
from pytio.mock.example import example_config, example_endpoint
from pytio.spdm.events import Dropped

GET_VERSION = bytes.fromhex("10840000")


def discover(endpoint: Endpoint, index: int, version: doe.DiscoveryVersion) -> doe.DiscoveryResponse:
    asked = doe.DiscoveryRequest(index=index, version=version).build()
    assert endpoint.receive(doe.DataObject.wrap(doe.DataObjectType.DISCOVERY, asked).build(), now=0.0) == []
    unit = endpoint.bytes_to_send()
    assert unit is not None
    return doe.DiscoveryResponse.parse(doe.DataObject.parse(unit).payload)


@pytest.mark.parametrize("version", [doe.DiscoveryVersion.V1, doe.DiscoveryVersion.V2])
def test_discovery_names_both_kinds_of_spdm(version: doe.DiscoveryVersion) -> None:
    endpoint = example_endpoint(example_config())
    found, index = [], 0
    while True:
        one = discover(endpoint, index, version)
        found.append((one.vendor_id, one.data_object_type))
        if one.is_last:
            break
        index = one.next_index
    assert found == [(doe.VendorId.PCI_SIG, kind) for kind in (0, 1, 2)]
    assert discover(endpoint, 3, version).vendor_id is doe.VendorId.NONE


def test_get_version_is_answered_behind_every_transport() -> None:
    for binding in BINDINGS.values():
        endpoint = example_endpoint(example_config(), binding=binding)
        endpoint.receive(binding.wrap(GET_VERSION, False), now=0.0)
        unit = endpoint.bytes_to_send()
        assert unit is not None
        assert binding.unwrap(unit).message[:2] == bytes.fromhex("1004")
        assert endpoint.bytes_to_send() is None


@pytest.mark.parametrize(
    ("binding", "unit"),
    [
        (PCI_DOE, b""),
        (PCI_DOE, doe.DataObject.wrap(doe.DataObjectType.DISCOVERY, b"").build()),
        (PCI_DOE, doe.DataObject.wrap(0, bytes(4), vendor_id=doe.VendorId.CXL).build()),
        (MCTP, b"\x01\0\0"),
        (MCTP, b""),
        (TCP, bytes.fromhex("0000 01 bf")),
        (TCP, b"\xff"),
        (MCTP, MCTP.wrap(bytes(20), True)),
    ],
)
def test_what_is_no_message_is_dropped(binding: object, unit: bytes) -> None:
    endpoint = example_endpoint(example_config(), binding=binding)  # type: ignore[arg-type]  # one of the bindings
    [event] = endpoint.receive(unit, now=0.0)
    assert isinstance(event, Dropped)
    assert endpoint.bytes_to_send() is None

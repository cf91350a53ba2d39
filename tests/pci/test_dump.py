"""Decoding any bytes: as far as they go, with every byte kept, and the same by every way."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytio.errors import PciDecodeError
from pytio.pci import CapabilityId, ExtendedCapabilityId, decode, function_from_plain, function_json
from pytio.pci.capabilities.access_control import AccessControlServices
from pytio.pci.capabilities.address_translation import Pasid
from pytio.pci.capabilities.base import Capability, ExtendedCapability, OpaqueCapability, OpaqueExtendedCapability
from pytio.pci.capabilities.data_object_exchange import DataObjectExchange
from pytio.pci.capabilities.ide import IntegrityDataEncryption
from pytio.pci.capabilities.msi import Msi, Msix
from pytio.pci.capabilities.pci_express import DeviceCapabilities, PciExpress
from pytio.pci.capabilities.power_management import PowerManagement
from pytio.pci.capabilities.vendor_specific import Dvsec
from tests.pci.corpus import BRIDGE, ENDPOINT, placed, space

EXPRESS = PciExpress(
    capability_id=CapabilityId.PCI_EXPRESS, version=2, device_capabilities=DeviceCapabilities(tee_io_supported=True)
)
POWER = PowerManagement(capability_id=CapabilityId.POWER_MANAGEMENT)
DOE = DataObjectExchange(capability_id=ExtendedCapabilityId.DATA_OBJECT_EXCHANGE, capability_version=2)
IDE_HEX = "42e00001 00000000 01000000 01004000 02000000 00ffff00 01000000 0100f0ff ffffffff 00000000"
IDE = IntegrityDataEncryption.parse(bytes.fromhex("30000100" + IDE_HEX))
PLAIN = space(ENDPOINT, [placed(POWER), placed(EXPRESS), placed(DOE), placed(IDE)])


def check(data: bytes) -> None:
    """Check that nothing is lost by any way."""
    function = decode(data)
    assert function.build() == data
    written = function_json(data)
    assert json.loads(written) == function.to_dict()
    assert written == json.dumps(function.to_dict())
    back = function_from_plain(json.loads(written))
    assert back == function
    assert back.build() == data


def reasons(data: bytes) -> list[tuple[int, str]]:
    check(data)
    return [(problem.offset, problem.reason) for problem in decode(data).problems]


def patched(data: bytes, at: int, raw: bytes) -> bytes:
    return data[:at] + raw + data[at + len(raw) :]


def test_a_function_of_today() -> None:
    check(PLAIN)
    function = decode(PLAIN)
    assert [found.name for found in function.capabilities] == [
        "POWER_MANAGEMENT",
        "PCI_EXPRESS",
        "DATA_OBJECT_EXCHANGE",
        "INTEGRITY_DATA_ENCRYPTION",
    ]
    assert [(found.offset, found.size) for found in function.capabilities] == [
        (0x40, 8),
        (0x48, 60),
        (0x100, 24),
        (0x118, 44),
    ]
    assert function.problems == ()
    assert function.rest == ()
    express = function.find(CapabilityId.PCI_EXPRESS)
    assert isinstance(express, PciExpress)
    assert express.device_capabilities.tee_io_supported
    ide = function.find(ExtendedCapabilityId.INTEGRITY_DATA_ENCRYPTION)
    assert isinstance(ide, IntegrityDataEncryption)
    assert ide.selective[0].control.enable
    assert ide.selective[0].status.state.name == "SECURE"
    assert ide.capability.selective_stream_count == 1
    assert ide.link == ()
    assert not ide.control.flow_through_ide_stream_enabled
    assert function.find(CapabilityId.MSI) is None
    assert function.find(ExtendedCapabilityId.POWER_BUDGETING) is None  # its number is that of another list's entry


@given(size=st.sampled_from((64, 256, 4096)), seed=st.integers(0, 1 << 32))
@settings(max_examples=60, deadline=None)
def test_any_bytes_decode(size: int, seed: int) -> None:
    check(random.Random(seed).randbytes(size))


@given(seed=st.integers(0, 1 << 32), changes=st.integers(1, 12))
@settings(max_examples=150, deadline=None)
def test_damaged_spaces_decode(seed: int, changes: int) -> None:
    rng = random.Random(seed)
    data = bytearray(PLAIN)
    for _ in range(changes):
        data[rng.choice([rng.randrange(0x40), rng.randrange(0x40, 0x84), rng.randrange(0x100, 0x144)])] = rng.randrange(
            256
        )
    check(bytes(data[: rng.choice((64, 256, 4096))]))


@pytest.mark.parametrize("size", [0, 1, 63])
def test_less_than_a_header_is_an_error(size: int) -> None:
    with pytest.raises(PciDecodeError, match=f"the header needs 64 bytes, there are {size}") as caught:
        decode(PLAIN[:size])
    assert caught.value.offset == size
    with pytest.raises(PciDecodeError):
        function_json(PLAIN[:size])


def test_an_unprivileged_read_has_a_header_alone() -> None:
    assert reasons(PLAIN[:64]) == [(0x34, "the next capability is at 0x40, but 64 bytes were read")]


def test_a_read_of_conventional_space() -> None:
    assert reasons(PLAIN[:256]) == [(0x100, "extended configuration space was not read: there are 256 bytes")]
    assert len(decode(PLAIN[:256]).capabilities) == 2


@pytest.mark.parametrize(
    ("at", "raw", "offset", "reason", "kept"),
    [
        (0x41, b"\x40", 0x41, "the list loops back to 0x40", 1),
        (0x49, b"\x40", 0x49, "the list loops back to 0x40", 4),
        (0x41, b"\x20", 0x41, "the next capability is at 0x20, inside the header", 1),
        (0x34, b"\x04", 0x34, "the next capability is at 0x4, inside the header", 0),
        (0x40, b"\xff", 0x40, "no capability has the id 0xff: the list is broken", 0),
        (0x102, b"\x02\x10", 0x100, "the extended list loops back to 0x100", 3),
        (0x102, b"\x02\x08", 0x100, "the next extended capability is at 0x80, outside extended space", 3),
        (0x102, b"\x02\x40", 0x400, "the extended list leads to a header of 0x00000000", 3),
        (0x102, b"\x02\xff", 0xFF0, "the extended list leads to a header of 0x00000000", 3),
    ],
)
def test_a_broken_chain_is_decoded_as_far_as_it_goes(at: int, raw: bytes, offset: int, reason: str, kept: int) -> None:
    data = patched(PLAIN, at, raw)
    assert (offset, reason) in reasons(data)
    assert len(decode(data).capabilities) == kept


def test_all_ones_in_extended_space_is_none() -> None:
    data = PLAIN[:256] + b"\xff" * 3840
    assert reasons(data) == []
    assert [found.offset for found in decode(data).capabilities] == [0x40, 0x48]


def test_a_function_without_pci_express_has_no_extended_space() -> None:
    data = space(ENDPOINT, [placed(POWER), placed(DOE)])
    assert reasons(data) == []
    assert [found.name for found in decode(data).capabilities] == ["POWER_MANAGEMENT"]
    assert decode(data).rest[0].offset == 0x100


def test_structures_that_overlap_are_both_decoded() -> None:
    data = patched(patched(PLAIN, 0x49, b"\x60"), 0x60, bytes.fromhex("05000000"))
    found = decode(data).capabilities
    assert [each.name for each in found][:3] == ["POWER_MANAGEMENT", "PCI_EXPRESS", "MSI"]
    assert reasons(data)[-1] == (0x60, "the structure at 0x48 reaches to 0x84, over this one")


def test_a_capability_that_is_cut_is_kept_by_its_bytes() -> None:
    data = patched(patched(PLAIN, 0x41, b"\xf8"), 0xF8, bytes.fromhex("1000 0200 1234"))
    assert reasons(data)[0][0] == 0x100
    assert "PciExpress.device_control" in reasons(data)[0][1]
    cut = decode(data).capabilities[1]
    assert isinstance(cut.structure, OpaqueCapability)
    assert cut.structure.body == bytes.fromhex("0200 1234")
    assert cut.name == "PCI_EXPRESS"


def test_a_dvsec_shorter_than_its_headers() -> None:
    short = Dvsec(capability_id=ExtendedCapabilityId.DESIGNATED_VENDOR_SPECIFIC, dvsec_vendor_id=0x1E98)
    raw = bytearray(short.build())
    raw[6:8] = (8 << 4).to_bytes(2, "little")
    data = space(ENDPOINT, [placed(EXPRESS), placed(Pasid()), placed(AccessControlServices())])
    data = patched(patched(data, 0x100, bytes(raw)), 0x102, b"\x01\x00")
    (problem,) = reasons(data)
    assert problem[0] == 0x10A
    assert "Dvsec.body" in problem[1]


@pytest.mark.parametrize("number", [0x06, 0x0C, 0x15, 0x7F])
def test_a_capability_without_a_layout_is_kept_by_its_bytes(number: int) -> None:
    odd = OpaqueCapability(capability_id=CapabilityId(number), body=bytes.fromhex("1122334455667788"))
    data = space(ENDPOINT, [placed(odd), placed(POWER)])
    check(data)
    (first, _) = decode(data).capabilities
    assert isinstance(first.structure, OpaqueCapability)
    assert first.structure.body[:8] == odd.body
    assert first.name in {CapabilityId(number).name, "UNKNOWN_0x7f"}


@pytest.mark.parametrize("number", [0x2B, 0x2D, 0x35, 0x39, 0x7777])
def test_an_extended_capability_without_a_layout_is_kept_by_its_bytes(number: int) -> None:
    odd = OpaqueExtendedCapability(capability_id=ExtendedCapabilityId(number), body=b"abcd")
    data = space(ENDPOINT, [placed(EXPRESS), placed(odd)])
    check(data)
    found = decode(data).capabilities[-1]
    assert isinstance(found.structure, OpaqueExtendedCapability)
    assert found.structure.body == b"abcd"
    assert found.size == 8


def test_what_no_structure_covers_is_kept() -> None:
    data = patched(PLAIN, 0xA1, b"\x01\x00\x02")
    check(data)
    assert decode(data).rest == ((0xA1, b"\x01\x00\x02"),)


def test_bridges_and_other_layouts() -> None:
    check(space(BRIDGE, [placed(EXPRESS), placed(Msi(capability_id=CapabilityId.MSI)), placed(Msix())]))
    card_bus = patched(PLAIN, 0x0E, b"\x02")
    check(card_bus)
    assert decode(card_bus).header.NAME == "OTHER_HEADER"
    assert decode(patched(card_bus, 0x14, b"\x40")).capabilities[0].offset == 0x40


@pytest.mark.parametrize(
    "plain",
    [
        {},
        {"size": 64},
        {"size": 64, "header": {"structure": "NOTHING", "fields": {}}, "capabilities": [], "rest": []},
        {"size": 64, "header": {"structure": "TYPE0_HEADER", "fields": {"colour": 1}}, "capabilities": [], "rest": []},
        {
            "size": 64,
            "header": {"structure": "TYPE0_HEADER", "fields": {}},
            "capabilities": [],
            "rest": [{"data": "zz"}],
        },
    ],
)
def test_plain_data_of_something_else(plain: dict[str, object]) -> None:
    with pytest.raises(PciDecodeError, match="no configuration space"):
        function_from_plain(plain)


def test_next_offset_masks_reserved_bits() -> None:
    assert Capability(next_pointer=0x43).next_offset == 0x40
    assert ExtendedCapability(next_pointer=0x103).next_offset == 0x100

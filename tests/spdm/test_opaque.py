"""Opaque data: the tables, the elements of secured messages, and formats that others bring along."""

from __future__ import annotations

import pytest

from pytio.errors import SpdmDecodeError
from pytio.spdm.algorithms import OtherParams
from pytio.spdm.codes import RegistryId, SmDataId, SpdmVersion
from pytio.spdm.messages.version import VersionNumber
from pytio.spdm.opaque import (
    OPAQUE_DATA,
    LegacyOpaqueData,
    OpaqueData,
    OpaqueElement,
    SecuredMessageElement,
    SupportedVersionList,
    aead_limit_element,
    parse_opaque,
    parse_opaque_element,
    selected_secured_version,
    supported_versions_element,
    version_selection_element,
)
from tests.checks import check_wire
from tests.spdm.corpus import recorded

OFFER = bytes.fromhex("01000000 00000900 01010300100011 0012 000000")
SELECTION = bytes.fromhex("01000000 00000400 01000012")
LEGACY_SELECTION = bytes.fromhex("46544d4401010000 00000400 01000012")


def test_tables_and_padding_make_themselves() -> None:
    offer = OpaqueData(elements=(supported_versions_element(0x10, 0x11, 0x12),))
    assert offer.build() == OFFER
    assert OpaqueData(elements=(version_selection_element(0x12),)).build() == SELECTION
    assert LegacyOpaqueData(elements=(version_selection_element(0x12),)).build() == LEGACY_SELECTION
    both = OpaqueData(elements=(version_selection_element(0x13), aead_limit_element(40)))
    check_wire(OpaqueData, both.build(), both)
    assert len(both.build()) == 20


@pytest.mark.parametrize("size", range(9))
def test_every_element_ends_on_a_multiple_of_4_bytes(size: int) -> None:
    element = OpaqueElement(registry_id=RegistryId.TCG, vendor_id=b"\x01\x02", data=bytes(size))
    assert len(element.build()) % 4 == 0
    check_wire(OpaqueElement, element.build(), element)


def test_padding_is_kept() -> None:
    raw = bytes.fromhex("03020100 0100 aa 07")
    element = OpaqueElement.parse(raw)
    assert element.reserved_padding == b"\x07"
    assert element.build() == raw
    assert element.replace(data=b"ab").build() == bytes.fromhex("03020100 0200 6162")


def test_the_format_of_the_connection_decides() -> None:
    assert isinstance(parse_opaque(OFFER, SpdmVersion.V1_2), OpaqueData)
    assert parse_opaque(OFFER, SpdmVersion.V1_3, OtherParams.OPAQUE_DATA_FMT0) == OFFER
    assert parse_opaque(OFFER, SpdmVersion.V1_4, OtherParams(0)) == OFFER
    assert parse_opaque(b"", SpdmVersion.V1_2) == b""
    assert isinstance(parse_opaque(LEGACY_SELECTION, SpdmVersion.V1_1), LegacyOpaqueData)
    assert parse_opaque(b"anything", SpdmVersion.V1_1) == b"anything"
    with pytest.raises(SpdmDecodeError):
        parse_opaque(LEGACY_SELECTION, SpdmVersion.V1_2)


def test_elements_of_secured_messages_are_read() -> None:
    offered = parse_opaque_element(supported_versions_element(0x10, 0x12))
    assert isinstance(offered, SecuredMessageElement)
    assert offered.sm_data_id is SmDataId.SUPPORTED_VERSION_LIST
    assert offered.content == SupportedVersionList(versions=(VersionNumber.of(0x10), VersionNumber.of(0x12)))
    limit = parse_opaque_element(aead_limit_element(40))
    assert isinstance(limit, SecuredMessageElement)
    assert limit.content == 40


def test_recorded_sessions_negotiate_secured_messages_1_2() -> None:
    asked = answered = 0
    for source, cls, given, raw in recorded(
        "session_messages.txt", "KeyExchange", "KeyExchangeRsp", "PskExchange", "PskExchangeRsp"
    ):
        message, _ = cls.parse_prefix(raw, **given)
        table = parse_opaque(message.opaque_data, message.version)  # type: ignore[attr-defined]  # all four have it
        assert isinstance(table, LegacyOpaqueData if message.version < SpdmVersion.V1_2 else OpaqueData), source
        (content,) = map(parse_opaque_element, table.elements)
        assert isinstance(content, SecuredMessageElement)
        if message.code.is_request:
            asked += 1
            assert content.sm_data_id is SmDataId.SUPPORTED_VERSION_LIST
        else:
            answered += 1
            assert selected_secured_version(message.opaque_data) == 0x1200  # type: ignore[attr-defined]
    assert min(asked, answered) > 10


@pytest.mark.parametrize("data", [b"", OFFER, SELECTION[:-1], b"\x00" * 3, b"FTMD", SELECTION + bytes(4)])
def test_no_version_is_selected(data: bytes) -> None:
    assert selected_secured_version(data) is None


def test_a_version_is_selected_before_1_2_too() -> None:
    assert selected_secured_version(LEGACY_SELECTION) == 0x1200


def test_an_unknown_vendor_stays_bytes() -> None:
    element = OpaqueElement(registry_id=RegistryId.VESA, data=b"abc")
    assert parse_opaque_element(element) == b"abc"


def test_a_vendors_format_is_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OPAQUE_DATA, "_known", dict(OPAQUE_DATA._known))
    OPAQUE_DATA.register((RegistryId.PCI_SIG, b"\x98\x1e"), VersionNumber.parse)
    element = OpaqueElement(registry_id=RegistryId.PCI_SIG, vendor_id=b"\x98\x1e", data=b"\x00\x14")
    assert parse_opaque_element(element) == VersionNumber.of(0x14)
    with pytest.raises(SpdmDecodeError, match="needs 1 byte"):
        parse_opaque_element(element.replace(data=b"\x00"))


def test_entry_points_are_named_by_registry_and_vendor() -> None:
    assert OPAQUE_DATA._read_key("pci_sig.981e") == (RegistryId.PCI_SIG, b"\x98\x1e")
    assert OPAQUE_DATA._read_key("vesa") == (RegistryId.VESA, b"")
    with pytest.raises(ValueError, match="is not a registry"):
        OPAQUE_DATA._read_key("nobody.01")
    with pytest.raises(ValueError, match="hex"):
        OPAQUE_DATA._read_key("pci_sig.1")

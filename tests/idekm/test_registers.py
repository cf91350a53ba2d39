"""IDE registers: counts that lie when nobody supports them, blocks of different lengths, addresses in halves."""

from __future__ import annotations

import pytest

from pytio.errors import EncodeError, PciDecodeError
from pytio.idekm import (
    AddressAssociation,
    IdeCapability,
    IdeRegisters,
    LinkIdeStream,
    SelectiveIdeStream,
)


@pytest.mark.parametrize(
    ("capability", "link", "selective"),
    [
        (0x00000000, 0, 0),
        (0x00FFE000, 0, 0),  # counts without their support bits mean nothing
        (0x00000001, 1, 0),
        (0x0000E001, 8, 0),
        (0x00000002, 0, 1),
        (0x00FF0002, 0, 256),
        (0x00032003, 2, 4),
    ],
)
def test_how_many_streams_a_capability_announces(capability: int, link: int, selective: int) -> None:
    raw = capability.to_bytes(4, "little")
    parsed = IdeCapability.parse(raw)
    assert (parsed.link_stream_count, parsed.selective_stream_count) == (link, selective)
    registers = IdeRegisters.parse(raw + bytes(4 + 8 * link + 20 * selective))
    assert (len(registers.link_streams), len(registers.selective_streams)) == (link, selective)
    assert (registers.link_stream_count, registers.selective_stream_count) == (link, selective)


def test_each_selective_block_has_its_own_length() -> None:
    blocks = tuple(
        SelectiveIdeStream(address_association_count=count, address_associations=(AddressAssociation(),) * count)
        for count in (15, 0, 1)
    )
    registers = IdeRegisters(
        selective_ide_streams_supported=True, selective_streams_minus_1=2, selective_streams=blocks
    )
    raw = registers.build()
    assert len(raw) == 8 + 3 * 20 + 12 * (15 + 0 + 1)
    assert IdeRegisters.parse(raw) == registers


def test_blocks_that_nobody_announced_do_not_build() -> None:
    with pytest.raises(EncodeError, match="link_streams"):
        IdeRegisters(link_streams=(LinkIdeStream(),)).build()


def test_a_block_that_is_missing_is_an_error() -> None:
    registers = IdeRegisters(link_ide_stream_supported=True, link_streams=(LinkIdeStream(),))
    with pytest.raises(PciDecodeError, match="1 elements need 8 bytes, 7 left") as caught:
        IdeRegisters.parse(registers.build()[:-1])
    assert caught.value.path == "IdeRegisters.link_streams"


@pytest.mark.parametrize(
    ("base", "limit", "raw"),
    [
        (0, 0xFFFFFFFF_FFFFFFFF, "0100f0ffffffffff00000000"),
        (0x20_1230_0000, 0x20_12FF_FFFF, "0123f1122000000020000000"),
    ],
)
def test_an_address_association_is_in_halves(base: int, limit: int, raw: str) -> None:
    """Limit before base in the upper halves, base below limit in the register that has both lower ones."""
    association = AddressAssociation.of(base, limit)
    assert (association.base, association.limit) == (base, limit)
    assert association.build().hex() == raw
    assert AddressAssociation.parse(association.build()) == association


@pytest.mark.parametrize(("base", "limit"), [(1, 0xFFFFF), (0, 0x100000), (0x200000, 0x1FFFFF), (-0x100000, 0xFFFFF)])
def test_associations_are_whole_megabytes(base: int, limit: int) -> None:
    with pytest.raises(ValueError, match="not whole megabytes"):
        AddressAssociation.of(base, limit)

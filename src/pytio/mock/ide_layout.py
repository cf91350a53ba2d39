"""Where the registers of an IDE capability are, which of their bits are writable, and what they say about a stream.

Document: PCIe Base 6.x, "IDE Extended Capability". Offsets count from the IDE Capability Register, 4 bytes behind the
header. What a port does with them is `pytio.mock.ide_port`'s to say.
"""

from __future__ import annotations

from typing import Final, Self

import attrs

from pytio import ide
from pytio.ide.framing import HeaderEncryption
from pytio.ide_registers import (
    AddressAssociation,
    AggregationMode,
    IdeCapability,
    IdeRegisters,
    PartialHeaderEncryptionMode,
    RidAssociation,
    SelectiveIdeStream,
    SelectiveIdeStreamControl,
)
from pytio.ids import SubStream

__all__ = ("IDE_CAPABILITY_ID", "BlockOffsets", "IdeLayout", "stream_config")

IDE_CAPABILITY_ID: Final = 0x30
"""The number of the extended capability."""
_FIRST_BLOCK: Final = 0x08
_CONTROL: Final = 0x04
_STATUS: Final = 0x08
_RID: Final = 0x0C
_ADDRESSES: Final = 0x14
_ASSOCIATION_BYTES: Final = 12
_RECEIVED_FAIL: Final = 1 << 31
_ALL: Final = (1 << 32) - 1
_MOST_AGGREGATED: Final = AggregationMode.UP_TO_8
_WIDEST_ENCRYPTION: Final = PartialHeaderEncryptionMode(0xF)


def _default_capability() -> IdeCapability:
    return IdeCapability(
        selective_ide_streams_supported=True,
        partial_header_encryption_supported=True,
        aggregation_supported=True,
        pcrc_supported=True,
        ide_km_protocol_supported=True,
        selective_ide_for_configuration_requests_supported=True,
        tee_limited_stream_supported=True,
    )


@attrs.frozen
class BlockOffsets:
    """Where the registers of one selective stream are."""

    control: int
    status: int
    associations: tuple[int, ...]
    """RID and address association registers, one by one."""


@attrs.frozen
class IdeLayout:
    """The registers of a capability after reset, and what software may do with them."""

    registers: IdeRegisters
    writable: int
    """Bits that software writes, over all registers as one little-endian number."""
    rw1c: int
    """Bits that software clears by writing one."""
    blocks: tuple[BlockOffsets, ...]

    @property
    def size(self) -> int:
        """How many bytes the registers take."""
        return len(self.registers.build())

    @classmethod
    def of(cls, capability: IdeCapability | None, role: ide.PortRole, address_associations: int) -> Self:
        """Lay out what a capability announces; raises ValueError if these are link IDE streams."""
        announced = capability or _default_capability()
        if announced.link_stream_count:
            raise ValueError("link IDE streams are not modelled")
        stream = SelectiveIdeStream(
            address_association_count=address_associations,
            address_associations=(AddressAssociation(),) * address_associations,
        )
        facts = {field.name: getattr(announced, field.name) for field in IdeCapability.FIELDS}
        registers = IdeRegisters(**facts, selective_streams=(stream,) * announced.selective_stream_count)
        blocks = tuple(_offsets(index, address_associations) for index in range(announced.selective_stream_count))
        control = _writable_control(announced, role)
        writable = sum(_writable_block(block, control) for block in blocks)
        return cls(registers, writable, sum(_RECEIVED_FAIL << 8 * block.status for block in blocks), blocks)


def _offsets(index: int, address_associations: int) -> BlockOffsets:
    size = _ADDRESSES + _ASSOCIATION_BYTES * address_associations
    base = _FIRST_BLOCK + index * size
    return BlockOffsets(base + _CONTROL, base + _STATUS, tuple(range(base + _RID, base + size, 4)))


def _writable_control(capability: IdeCapability, role: ide.PortRole) -> int:
    """Return the control bits that software writes: those of what the port supports, at its end of a link."""
    aggregation = _MOST_AGGREGATED if capability.aggregation_supported else AggregationMode.NONE
    hides = capability.partial_header_encryption_supported
    is_root_port = role is ide.PortRole.ROOT_PORT
    configures = capability.selective_ide_for_configuration_requests_supported and is_root_port
    return _number(
        SelectiveIdeStreamControl(
            enable=True,
            aggregation_npr=aggregation,
            aggregation_pr=aggregation,
            aggregation_cpl=aggregation,
            pcrc_enable=capability.pcrc_supported,
            selective_ide_for_configuration_requests_enable=configures,
            partial_header_encryption=_WIDEST_ENCRYPTION if hides else PartialHeaderEncryptionMode.NONE,
            traffic_class=0b111,
            default_stream=not is_root_port,
            tee_limited_stream=capability.tee_limited_stream_supported,
            stream_id=0xFF,
        )
    )


def _writable_block(block: BlockOffsets, control: int) -> int:
    rids = _number(RidAssociation(rid_limit=0xFFFF, valid=True, rid_base=0xFFFF, segment_base=0xFF))
    addresses = _number(AddressAssociation(valid=True, memory_base_31_20=0xFFF, memory_limit_31_20=0xFFF)) | (
        _ALL << 32 | _ALL << 64
    )
    found = control << 8 * block.control | rids << 8 * block.associations[0]
    for at in block.associations[2::3]:
        found |= addresses << 8 * at
    return found


def _number(register: SelectiveIdeStreamControl | RidAssociation | AddressAssociation) -> int:
    return int.from_bytes(register.build(), "little")


def stream_config(
    block: SelectiveIdeStream,
    capability: IdeCapability,
    *,
    role: ide.PortRole,
    requester_id: int,
    is_tee_io_supported: bool,
) -> ide.StreamConfig:
    """Return what the registers of a selective stream say."""
    control, rids = block.control, block.rid_association
    return ide.StreamConfig(
        stream_id=control.stream_id,
        role=role,
        traffic_class=control.traffic_class,
        aggregation={
            SubStream.NPR: 1 << control.aggregation_npr,
            SubStream.PR: 1 << control.aggregation_pr,
            SubStream.CPL: 1 << control.aggregation_cpl,
        },
        is_aggregation_supported=capability.aggregation_supported,
        pcrc=control.pcrc_enable,
        header_encryption=_header_encryption(control.partial_header_encryption),
        default_stream=control.default_stream,
        config_requests=control.selective_ide_for_configuration_requests_enable,
        tee_limited=control.tee_limited_stream,
        rid_range=ide.RidRange(rids.rid_base, rids.rid_limit, rids.segment_base) if rids.valid else None,
        address_ranges=tuple(
            ide.AddressRange(each.base, each.limit) for each in block.address_associations if each.valid
        ),
        requester_id=requester_id,
        partner_id=rids.rid_base,
        is_tee_io_supported=is_tee_io_supported,
    )


def _header_encryption(mode: PartialHeaderEncryptionMode) -> HeaderEncryption:
    """Return the mode; a reserved one hides nothing."""
    known = {int(each) for each in HeaderEncryption}
    return HeaderEncryption(int(mode)) if int(mode) in known else HeaderEncryption.NONE

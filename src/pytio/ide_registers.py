"""The IDE extended capability, from its capability register on: what a port can do, and each of its streams.

Document: PCIe Base 6.x, "IDE Extended Capability". The same double words stand in configuration space and in
QUERY_RESP. How many blocks there are and how long each is stands in the registers themselves, so they are walked.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final, Self

from pytio.registers import Register
from pytio.wire import U32, Array, Bit, Bits, Nested, OpenEnum, computed, message, this, wire

__all__ = (
    "AddressAssociation",
    "AggregationMode",
    "IdeAlgorithm",
    "IdeCapability",
    "IdeControl",
    "IdeRegisters",
    "IdeStreamState",
    "IdeStreamStatus",
    "LinkIdeStream",
    "LinkIdeStreamControl",
    "PartialHeaderEncryptionMode",
    "RidAssociation",
    "SelectiveIdeStream",
    "SelectiveIdeStreamControl",
)

_MEGABYTE_BITS: Final = 20
_LOW_ADDRESS_BITS: Final = 12
_LOW_WORD_BITS: Final = 32
_LOW_ADDRESS_MASK: Final = (1 << _LOW_ADDRESS_BITS) - 1
_MEGABYTE_MASK: Final = (1 << _MEGABYTE_BITS) - 1


class IdeAlgorithm(OpenEnum):
    """How a stream is protected: supported (capability) and selected (stream control)."""

    #: AES-GCM with a 256-bit key and a 96-bit MAC.
    AES_GCM_256_96 = 0


class AggregationMode(IntEnum):
    """How many TLPs of a sub-stream may share one MAC."""

    NONE = 0
    UP_TO_2 = 1
    UP_TO_4 = 2
    UP_TO_8 = 3


class PartialHeaderEncryptionMode(OpenEnum):
    """Which address bits of a TLP header are encrypted."""

    NONE = 0
    ADDRESS_17_2 = 1
    ADDRESS_25_2 = 2
    ADDRESS_33_2 = 3
    ADDRESS_41_2 = 4


class IdeStreamState(OpenEnum):
    """What a stream's status register says."""

    INSECURE = 0
    SECURE = 2


def _count(is_supported: int, count_minus_1: int) -> int:
    """Return how many blocks there are; hardware leaves values in count fields whose support bit is clear."""
    return count_minus_1 + 1 if is_supported else 0


@message
class IdeCapability(Register):
    """IDE Capability Register, 4 bytes: what the port supports."""

    link_ide_stream_supported: bool = wire(Bit, default=False)
    selective_ide_streams_supported: bool = wire(Bit, default=False)
    flow_through_ide_stream_supported: bool = wire(Bit, default=False)
    partial_header_encryption_supported: bool = wire(Bit, default=False)
    aggregation_supported: bool = wire(Bit, default=False)
    pcrc_supported: bool = wire(Bit, default=False)
    ide_km_protocol_supported: bool = wire(Bit, default=False)
    selective_ide_for_configuration_requests_supported: bool = wire(Bit, default=False)
    supported_algorithms: IdeAlgorithm = wire(Bits(5, IdeAlgorithm), default=IdeAlgorithm.AES_GCM_256_96)
    link_tcs_minus_1: int = wire(Bits(3), default=0)
    selective_streams_minus_1: int = wire(Bits(8), default=0)
    tee_limited_stream_supported: bool = wire(Bit, default=False)
    xt_supported: bool = wire(Bit, default=False)
    reserved: int = wire(Bits(6), default=0)

    @property
    def link_stream_count(self) -> int:
        """How many link IDE streams there are, one for each traffic class: 0 to 8."""
        return _count(self.link_ide_stream_supported, self.link_tcs_minus_1)

    @property
    def selective_stream_count(self) -> int:
        """How many selective IDE streams there are: 0 to 256."""
        return _count(self.selective_ide_streams_supported, self.selective_streams_minus_1)


@message
class IdeControl(Register):
    """IDE Control Register, 4 bytes; for switch ports and root ports."""

    reserved: int = wire(Bits(2), default=0)
    flow_through_ide_stream_enabled: bool = wire(Bit, default=False)
    reserved_high: int = wire(Bits(29), default=0)


@message
class LinkIdeStreamControl(Register):
    """Link IDE Stream Control Register, 4 bytes."""

    enable: bool = wire(Bit, default=False)
    xt_enable: bool = wire(Bit, default=False)
    aggregation_npr: AggregationMode = wire(Bits(2, AggregationMode), default=AggregationMode.NONE)
    aggregation_pr: AggregationMode = wire(Bits(2, AggregationMode), default=AggregationMode.NONE)
    aggregation_cpl: AggregationMode = wire(Bits(2, AggregationMode), default=AggregationMode.NONE)
    pcrc_enable: bool = wire(Bit, default=False)
    reserved: int = wire(Bits(1), default=0)
    partial_header_encryption: PartialHeaderEncryptionMode = wire(
        Bits(4, PartialHeaderEncryptionMode), default=PartialHeaderEncryptionMode.NONE
    )
    selected_algorithm: IdeAlgorithm = wire(Bits(5, IdeAlgorithm), default=IdeAlgorithm.AES_GCM_256_96)
    traffic_class: int = wire(Bits(3), default=0)
    reserved_high: int = wire(Bits(2), default=0)
    stream_id: int = wire(Bits(8), default=0)


@message
class SelectiveIdeStreamControl(Register):
    """Selective IDE Stream Control Register, 4 bytes."""

    enable: bool = wire(Bit, default=False)
    xt_enable: bool = wire(Bit, default=False)
    aggregation_npr: AggregationMode = wire(Bits(2, AggregationMode), default=AggregationMode.NONE)
    aggregation_pr: AggregationMode = wire(Bits(2, AggregationMode), default=AggregationMode.NONE)
    aggregation_cpl: AggregationMode = wire(Bits(2, AggregationMode), default=AggregationMode.NONE)
    pcrc_enable: bool = wire(Bit, default=False)
    selective_ide_for_configuration_requests_enable: bool = wire(Bit, default=False)
    partial_header_encryption: PartialHeaderEncryptionMode = wire(
        Bits(4, PartialHeaderEncryptionMode), default=PartialHeaderEncryptionMode.NONE
    )
    selected_algorithm: IdeAlgorithm = wire(Bits(5, IdeAlgorithm), default=IdeAlgorithm.AES_GCM_256_96)
    traffic_class: int = wire(Bits(3), default=0)
    default_stream: bool = wire(Bit, default=False)
    tee_limited_stream: bool = wire(Bit, default=False)
    stream_id: int = wire(Bits(8), default=0)


@message
class IdeStreamStatus(Register):
    """Link or Selective IDE Stream Status Register, 4 bytes."""

    RW1C = frozenset({"received_integrity_check_fail_message"})

    state: IdeStreamState = wire(Bits(4, IdeStreamState), default=IdeStreamState.INSECURE)
    reserved: int = wire(Bits(27), default=0)
    received_integrity_check_fail_message: bool = wire(Bit, default=False)


@message
class LinkIdeStream(Register):
    """Link IDE stream block, 8 bytes."""

    control: LinkIdeStreamControl = wire(Nested(LinkIdeStreamControl), default=LinkIdeStreamControl())
    status: IdeStreamStatus = wire(Nested(IdeStreamStatus), default=IdeStreamStatus())


@message
class RidAssociation(Register):
    """IDE RID Association Registers 1 and 2, 8 bytes: the requester ids, both inclusive, that the stream serves."""

    reserved: int = wire(Bits(8), default=0)
    rid_limit: int = wire(Bits(16), default=0)
    reserved_limit: int = wire(Bits(8), default=0)
    valid: bool = wire(Bit, default=False)
    reserved_valid: int = wire(Bits(7), default=0)
    rid_base: int = wire(Bits(16), default=0)
    segment_base: int = wire(Bits(8), default=0)


@message
class AddressAssociation(Register):
    """IDE Address Association Registers 1 to 3, 12 bytes: memory, in units of 1 MiB, that the stream serves.

    On the wire the limit's upper half precedes the base's; `base` and `limit` are whole addresses.
    """

    valid: bool = wire(Bit, default=False)
    reserved: int = wire(Bits(7), default=0)
    memory_base_31_20: int = wire(Bits(_LOW_ADDRESS_BITS), default=0)
    memory_limit_31_20: int = wire(Bits(_LOW_ADDRESS_BITS), default=0)
    memory_limit_63_32: int = wire(U32, default=0)
    memory_base_63_32: int = wire(U32, default=0)

    @classmethod
    def of(cls, base: int, limit: int) -> Self:
        """Return the valid association of the addresses ``base`` to ``limit``, both inclusive.

        Raises:
            ValueError: ``base`` does not start a megabyte, ``limit`` does not end one, or they are out of order.
        """
        if base & _MEGABYTE_MASK or ~limit & _MEGABYTE_MASK or not 0 <= base <= limit:
            raise ValueError(f"{base:#x} to {limit:#x} are not whole megabytes")
        return cls(
            valid=True,
            memory_base_31_20=base >> _MEGABYTE_BITS & _LOW_ADDRESS_MASK,
            memory_limit_31_20=limit >> _MEGABYTE_BITS & _LOW_ADDRESS_MASK,
            memory_limit_63_32=limit >> _LOW_WORD_BITS,
            memory_base_63_32=base >> _LOW_WORD_BITS,
        )

    @property
    def base(self) -> int:
        """The first address; its low 20 bits are 0."""
        return self.memory_base_63_32 << _LOW_WORD_BITS | self.memory_base_31_20 << _MEGABYTE_BITS

    @property
    def limit(self) -> int:
        """The last address; its low 20 bits are 1."""
        return self.memory_limit_63_32 << _LOW_WORD_BITS | self.memory_limit_31_20 << _MEGABYTE_BITS | _MEGABYTE_MASK


@message
class SelectiveIdeStream(Register):
    """Selective IDE stream block: 20 bytes, and 12 for each of its own number of address associations."""

    address_association_count: int = wire(Bits(4), default=0)
    reserved: int = wire(Bits(28), default=0)
    control: SelectiveIdeStreamControl = wire(Nested(SelectiveIdeStreamControl), default=SelectiveIdeStreamControl())
    status: IdeStreamStatus = wire(Nested(IdeStreamStatus), default=IdeStreamStatus())
    rid_association: RidAssociation = wire(Nested(RidAssociation), default=RidAssociation())
    address_associations: tuple[AddressAssociation, ...] = wire(
        Array(this.address_association_count, Nested(AddressAssociation)), default=()
    )


@message
class IdeRegisters(IdeCapability):
    """The whole IDE capability but for its header: capability, control, and the blocks that they announce."""

    control: IdeControl = wire(Nested(IdeControl), default=IdeControl())
    link_streams: tuple[LinkIdeStream, ...] = wire(
        Array(computed(_count, this.link_ide_stream_supported, this.link_tcs_minus_1), Nested(LinkIdeStream)),
        default=(),
    )
    selective_streams: tuple[SelectiveIdeStream, ...] = wire(
        Array(
            computed(_count, this.selective_ide_streams_supported, this.selective_streams_minus_1),
            Nested(SelectiveIdeStream),
        ),
        default=(),
    )

"""The unit as pytio messages: codes and flags as members, constants and closed codes checked, results frozen."""

from __future__ import annotations

from enum import IntEnum

from pytio.wire import (
    AUTO,
    U16,
    U32,
    U64,
    Array,
    Bits,
    Byte,
    Bytes,
    Code,
    Flags,
    Nested,
    OpenCode,
    OpenEnum,
    WireFlag,
    WireStruct,
    fixed,
    message,
    this,
    wire,
)

__all__ = ("Unit",)


class VendorId(OpenEnum):
    """Who defined the data object."""

    PCI_SIG = 1


class ObjectType(OpenEnum):
    """What the data object carries."""

    DISCOVERY = 0
    SPDM = 1
    SECURED_SPDM = 2


class SpdmCode(OpenEnum):
    """The message."""

    ALGORITHMS = 0x63
    NEGOTIATE_ALGORITHMS = 0xE3


class AlgorithmType(IntEnum):
    """What the algorithm is for; closed."""

    DHE = 2
    AEAD = 3
    REQ_BASE_ASYM_ALG = 4
    KEY_SCHEDULE = 5


class MeasurementHash(WireFlag):
    """How measurements are hashed."""

    RAW = 1
    SHA_256 = 2
    SHA_384 = 4


class BaseAsym(WireFlag):
    """How the responder signs."""

    ECDSA_P256 = 0x10
    ECDSA_P384 = 0x80


class BaseHash(WireFlag):
    """The hash."""

    SHA_256 = 1
    SHA_384 = 2


class Specification(WireFlag):
    """How measurements are laid out."""

    DMTF = 1


class Other(WireFlag):
    """The opaque data format."""

    OPAQUE_DATA_FORMAT_1 = 2


class InterfaceInfo(WireFlag):
    """What the interface can do."""

    NO_UPDATE = 1
    DMA_WITHOUT_PASID = 2
    DMA_WITH_PASID = 4


class RangeAttributes(WireFlag):
    """What an MMIO range is."""

    MSIX_TABLE = 1
    MSIX_PBA = 2
    NON_TEE = 4


@message
class Header(WireStruct):
    """The DOE header."""

    vendor: VendorId = wire(OpenCode(U16, VendorId))
    object_type: ObjectType = wire(OpenCode(Byte, ObjectType))
    reserved: int = wire(Byte, default=0)
    length_dw: int = wire(U32)


@message
class Algorithm(WireStruct):
    """One algorithm structure."""

    alg_type: AlgorithmType = wire(Code(Byte, AlgorithmType))
    ext_count: int = wire(Bits(4), default=AUTO)
    fixed_count: int = fixed(Bits(4), 2)
    alg_supported: int = wire(U16)
    ext: tuple[int, ...] = wire(Array(this.ext_count, U32), default=())


@message
class Algorithms(WireStruct):
    """ALGORITHMS."""

    version: int = fixed(Byte, 0x12)
    code: SpdmCode = fixed(OpenCode(Byte, SpdmCode), SpdmCode.ALGORITHMS)
    count: int = wire(Byte, default=AUTO)
    reserved_param2: int = wire(Byte, default=0)
    length: int = wire(U16)
    specification: Specification = wire(Flags(Byte, Specification))
    other: Other = wire(Flags(Byte, Other))
    measurement_hash: MeasurementHash = wire(Flags(U32, MeasurementHash))
    base_asym: BaseAsym = wire(Flags(U32, BaseAsym))
    base_hash: BaseHash = wire(Flags(U32, BaseHash))
    reserved: bytes = wire(Bytes(12), default=bytes(12))
    ext_asym_count: int = wire(Byte, default=AUTO)
    ext_hash_count: int = wire(Byte, default=AUTO)
    reserved2: int = wire(U16, default=0)
    ext_asym: tuple[int, ...] = wire(Array(this.ext_asym_count, U32), default=())
    ext_hash: tuple[int, ...] = wire(Array(this.ext_hash_count, U32), default=())
    algorithms: tuple[Algorithm, ...] = wire(Array(this.count, Nested(Algorithm)), default=())


@message
class MmioRange(WireStruct):
    """One MMIO range."""

    first_page: int = wire(U64)
    page_count: int = wire(U32)
    attributes: RangeAttributes = wire(Flags(U16, RangeAttributes))
    range_id: int = wire(U16)


@message
class Report(WireStruct):
    """The interface report."""

    info: InterfaceInfo = wire(Flags(U16, InterfaceInfo))
    reserved: int = wire(U16, default=0)
    msix_message_control: int = wire(U16)
    lnr_control: int = wire(U16)
    tph_control: int = wire(U32)
    mmio_count: int = wire(U32, default=AUTO)
    mmio: tuple[MmioRange, ...] = wire(Array(this.mmio_count, Nested(MmioRange)), default=())
    device_size: int = wire(U32, default=AUTO)
    device: bytes = wire(Bytes(this.device_size), default=b"")


@message
class Unit(WireStruct):
    """DOE header, ALGORITHMS and interface report."""

    header: Header = wire(Nested(Header))
    algorithms: Algorithms = wire(Nested(Algorithms))
    report: Report = wire(Nested(Report))

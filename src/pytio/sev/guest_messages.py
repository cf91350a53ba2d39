"""What a guest and the firmware say to one another about interfaces, in clear: SEV-TIO's guest messages.

Document: AMD 58271, "Guest messages". R1, R2 and P2 name an interface by 16 bits; N, message version 2, by 64. Requests
and responses stand together; `GUEST_MESSAGES` says which class is which message in which revision.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from pytio.errors import SevDecodeError
from pytio.sev.sdte import Sdte
from pytio.sev.structures import SpdmAlgos, TdiLockState
from pytio.sev.tio_codes import (
    GuestMessageStatus,
    GuestMessageType,
    GuestMessageTypeR1,
    MeasurementFlags,
    MmioConfigFlags,
    MmioConfigStatus,
    MmioValidateStatus,
    MmioValidateStatusR1,
    Revision,
    SdteWriteStatus,
    ValidateFlags,
)
from pytio.wire import U16, U32, U64, Bit, Bits, Bytes, Flags, Nested, OpenCode, WireStruct, message, wire

__all__ = (
    "GUEST_MESSAGES",
    "MESSAGE_VERSIONS",
    "MmioConfigReq",
    "MmioConfigReqN",
    "MmioConfigRsp",
    "MmioConfigRspN",
    "MmioValidateReq",
    "MmioValidateReqN",
    "MmioValidateRsp",
    "MmioValidateRspN",
    "MmioValidateRspR1",
    "SdteWriteReq",
    "SdteWriteReqN",
    "SdteWriteRsp",
    "SdteWriteRspN",
    "TdiInfoReq",
    "TdiInfoReqN",
    "TdiInfoRsp",
    "TdiInfoRspN",
    "TdiInfoRspR1",
)

_DIGEST_BYTES: Final = 48


# TDI_INFO: whose the interface is, and what its evidence has to hash to


@message
class TdiInfoReq(WireStruct, errors=SevDecodeError):
    """TIO_MSG_TDI_INFO_REQ, 16 bytes."""

    guest_device_id: int = wire(U16)
    reserved: bytes = wire(Bytes(14), default=bytes(14))


@message
class TdiInfoReqN(WireStruct, errors=SevDecodeError):
    """TIO_MSG_TDI_INFO_REQ of N, 16 bytes."""

    tdi_id: int = wire(U64)
    reserved: bytes = wire(Bytes(8), default=bytes(8))


@message
class TdiInfoRspR1(WireStruct, errors=SevDecodeError):
    """TIO_MSG_TDI_INFO_RSP of R1, 176 bytes."""

    guest_device_id: int = wire(U16)
    status: GuestMessageStatus = wire(OpenCode(U16, GuestMessageStatus))
    reserved: bytes = wire(Bytes(12), default=bytes(12))
    meas_flags: MeasurementFlags = wire(Flags(U32, MeasurementFlags), default=MeasurementFlags(0))
    lock_flags: TdiLockState = wire(Nested(TdiLockState), default=TdiLockState())
    spdm_algos: SpdmAlgos = wire(Nested(SpdmAlgos), default=SpdmAlgos())
    certs_digest: bytes = wire(Bytes(_DIGEST_BYTES), default=bytes(_DIGEST_BYTES))
    meas_digest: bytes = wire(Bytes(_DIGEST_BYTES), default=bytes(_DIGEST_BYTES))
    interface_report_digest: bytes = wire(Bytes(_DIGEST_BYTES), default=bytes(_DIGEST_BYTES))


@message
class TdiInfoRsp(WireStruct, errors=SevDecodeError):
    """TIO_MSG_TDI_INFO_RSP, 192 bytes; digests are SHA-384 of what the host got."""

    guest_device_id: int = wire(U16)
    status: GuestMessageStatus = wire(OpenCode(U16, GuestMessageStatus))
    reserved: bytes = wire(Bytes(12), default=bytes(12))
    meas_flags: MeasurementFlags = wire(Flags(U32, MeasurementFlags), default=MeasurementFlags(0))
    lock_flags: TdiLockState = wire(Nested(TdiLockState), default=TdiLockState())
    spdm_algos: SpdmAlgos = wire(Nested(SpdmAlgos), default=SpdmAlgos())
    certs_digest: bytes = wire(Bytes(_DIGEST_BYTES), default=bytes(_DIGEST_BYTES))
    meas_digest: bytes = wire(Bytes(_DIGEST_BYTES), default=bytes(_DIGEST_BYTES))
    interface_report_digest: bytes = wire(Bytes(_DIGEST_BYTES), default=bytes(_DIGEST_BYTES))
    tdi_report_count: int = wire(U64, default=0)
    reserved_end: bytes = wire(Bytes(8), default=bytes(8))


@message
class TdiInfoRspN(WireStruct, errors=SevDecodeError):
    """TIO_MSG_TDI_INFO_RSP of N, 192 bytes."""

    tdi_id: int = wire(U64)
    status: GuestMessageStatus = wire(OpenCode(U16, GuestMessageStatus))
    reserved: bytes = wire(Bytes(6), default=bytes(6))
    meas_flags: MeasurementFlags = wire(Flags(U32, MeasurementFlags), default=MeasurementFlags(0))
    lock_flags: TdiLockState = wire(Nested(TdiLockState), default=TdiLockState())
    spdm_algos: SpdmAlgos = wire(Nested(SpdmAlgos), default=SpdmAlgos())
    certs_digest: bytes = wire(Bytes(_DIGEST_BYTES), default=bytes(_DIGEST_BYTES))
    meas_digest: bytes = wire(Bytes(_DIGEST_BYTES), default=bytes(_DIGEST_BYTES))
    interface_report_digest: bytes = wire(Bytes(_DIGEST_BYTES), default=bytes(_DIGEST_BYTES))
    tdi_report_count: int = wire(U64, default=0)
    reserved_end: bytes = wire(Bytes(8), default=bytes(8))


# MMIO_VALIDATE: make pages of a range the guest's own, or not any more


@message
class MmioValidateReq(WireStruct, errors=SevDecodeError):
    """TIO_MSG_MMIO_VALIDATE_REQ, 48 bytes."""

    guest_device_id: int = wire(U16)
    reserved: bytes = wire(Bytes(14), default=bytes(14))
    subrange_base: int = wire(U64)
    """Guest physical address, in bytes."""
    subrange_page_count: int = wire(U32)
    range_offset: int = wire(U32, default=0)
    """Where the pages are in the range of the interface report, in pages of 4 KiB."""
    flags: ValidateFlags = wire(Flags(U16, ValidateFlags), default=ValidateFlags(0))
    range_id: int = wire(U16, default=0)
    reserved_end: bytes = wire(Bytes(12), default=bytes(12))


@message
class MmioValidateReqN(WireStruct, errors=SevDecodeError):
    """TIO_MSG_MMIO_VALIDATE_REQ of N, 48 bytes."""

    tdi_id: int = wire(U64)
    reserved: bytes = wire(Bytes(8), default=bytes(8))
    subrange_base: int = wire(U64)
    """Guest physical address, in pages of 4 KiB."""
    subrange_page_count: int = wire(U32)
    range_offset: int = wire(U32, default=0)
    """Where the pages are in the range of the interface report, in pages of 4 KiB."""
    flags: ValidateFlags = wire(Flags(U16, ValidateFlags), default=ValidateFlags(0))
    range_id: int = wire(U16, default=0)
    reserved_end: bytes = wire(Bytes(12), default=bytes(12))


@message
class MmioValidateRspR1(WireStruct, errors=SevDecodeError):
    """TIO_MSG_MMIO_VALIDATE_RSP of R1 and R2, 48 bytes."""

    guest_device_id: int = wire(U16)
    status: MmioValidateStatusR1 = wire(OpenCode(U16, MmioValidateStatusR1))
    reserved: bytes = wire(Bytes(12), default=bytes(12))
    subrange_base: int = wire(U64)
    subrange_page_count: int = wire(U32)
    range_offset: int = wire(U32, default=0)
    changed: bool = wire(Bit, default=False)
    """RMP.Validated is not what it was before."""
    reserved_flags: int = wire(Bits(15), default=0)
    range_id: int = wire(U16, default=0)
    reserved_end: bytes = wire(Bytes(12), default=bytes(12))


@message
class MmioValidateRsp(WireStruct, errors=SevDecodeError):
    """TIO_MSG_MMIO_VALIDATE_RSP, 48 bytes."""

    guest_device_id: int = wire(U16)
    status: MmioValidateStatus = wire(OpenCode(U16, MmioValidateStatus))
    reserved: bytes = wire(Bytes(12), default=bytes(12))
    subrange_base: int = wire(U64)
    subrange_page_count: int = wire(U32)
    range_offset: int = wire(U32, default=0)
    changed: bool = wire(Bit, default=False)
    """RMP.Validated is not what it was before."""
    reserved_flags: int = wire(Bits(15), default=0)
    range_id: int = wire(U16, default=0)
    reserved_end: bytes = wire(Bytes(12), default=bytes(12))


@message
class MmioValidateRspN(WireStruct, errors=SevDecodeError):
    """TIO_MSG_MMIO_VALIDATE_RSP of N, 48 bytes."""

    tdi_id: int = wire(U64)
    status: MmioValidateStatus = wire(OpenCode(U16, MmioValidateStatus))
    reserved: bytes = wire(Bytes(6), default=bytes(6))
    subrange_base: int = wire(U64)
    subrange_page_count: int = wire(U32)
    range_offset: int = wire(U32, default=0)
    changed: bool = wire(Bit, default=False)
    """RMP.Validated is not what it was before."""
    reserved_flags: int = wire(Bits(15), default=0)
    range_id: int = wire(U16, default=0)
    reserved_end: bytes = wire(Bytes(12), default=bytes(12))


# MMIO_CONFIG: read or set the attributes of a range


@message
class MmioConfigReq(WireStruct, errors=SevDecodeError):
    """TIO_MSG_MMIO_CONFIG_REQ, 16 bytes."""

    guest_device_id: int = wire(U16)
    reserved: int = wire(U16, default=0)
    flags: MmioConfigFlags = wire(Flags(U16, MmioConfigFlags), default=MmioConfigFlags(0))
    """NON_TEE_MEM is what may be asked for; ignored without ``write``."""
    range_id: int = wire(U16)
    write: bool = wire(Bit, default=False)
    reserved_write: int = wire(Bits(31), default=0)
    reserved_end: int = wire(U32, default=0)


@message
class MmioConfigRsp(WireStruct, errors=SevDecodeError):
    """TIO_MSG_MMIO_CONFIG_RSP, 16 bytes."""

    guest_device_id: int = wire(U16)
    status: MmioConfigStatus = wire(OpenCode(U16, MmioConfigStatus))
    flags: MmioConfigFlags = wire(Flags(U16, MmioConfigFlags), default=MmioConfigFlags(0))
    range_id: int = wire(U16)
    write: bool = wire(Bit, default=False)
    reserved_write: int = wire(Bits(31), default=0)
    reserved_end: int = wire(U32, default=0)


@message
class MmioConfigReqN(WireStruct, errors=SevDecodeError):
    """TIO_MSG_MMIO_CONFIG_REQ of N, 32 bytes; its layout is not public (`SEV_A24`)."""

    tdi_id: int = wire(U64)
    reserved: bytes = wire(Bytes(8), default=bytes(8))
    flags: MmioConfigFlags = wire(Flags(U16, MmioConfigFlags), default=MmioConfigFlags(0))
    range_id: int = wire(U16)
    write: bool = wire(Bit, default=False)
    reserved_write: int = wire(Bits(31), default=0)
    reserved_end: bytes = wire(Bytes(8), default=bytes(8))


@message
class MmioConfigRspN(WireStruct, errors=SevDecodeError):
    """TIO_MSG_MMIO_CONFIG_RSP of N, 32 bytes; its layout is not public (`SEV_A24`)."""

    tdi_id: int = wire(U64)
    status: MmioConfigStatus = wire(OpenCode(U16, MmioConfigStatus))
    reserved: bytes = wire(Bytes(6), default=bytes(6))
    flags: MmioConfigFlags = wire(Flags(U16, MmioConfigFlags), default=MmioConfigFlags(0))
    range_id: int = wire(U16)
    write: bool = wire(Bit, default=False)
    reserved_write: int = wire(Bits(31), default=0)
    reserved_end: bytes = wire(Bytes(8), default=bytes(8))


# SDTE_WRITE: let the device into the guest's memory, or shut it out


@message
class SdteWriteReq(WireStruct, errors=SevDecodeError):
    """TIO_MSG_SDTE_WRITE_REQ, 80 bytes; an entry of zeros shuts the device out."""

    guest_device_id: int = wire(U16)
    reserved: bytes = wire(Bytes(14), default=bytes(14))
    sdte: Sdte = wire(Nested(Sdte))


@message
class SdteWriteReqN(WireStruct, errors=SevDecodeError):
    """TIO_MSG_SDTE_WRITE_REQ of N, 80 bytes."""

    tdi_id: int = wire(U64)
    reserved: bytes = wire(Bytes(8), default=bytes(8))
    sdte: Sdte = wire(Nested(Sdte))


@message
class SdteWriteRsp(WireStruct, errors=SevDecodeError):
    """TIO_MSG_SDTE_WRITE_RSP, 16 bytes."""

    guest_device_id: int = wire(U16)
    status: SdteWriteStatus = wire(OpenCode(U16, SdteWriteStatus))
    reserved: bytes = wire(Bytes(12), default=bytes(12))


@message
class SdteWriteRspN(WireStruct, errors=SevDecodeError):
    """TIO_MSG_SDTE_WRITE_RSP of N, 16 bytes."""

    tdi_id: int = wire(U64)
    status: SdteWriteStatus = wire(OpenCode(U16, SdteWriteStatus))
    reserved: bytes = wire(Bytes(6), default=bytes(6))


_Types = GuestMessageType | GuestMessageTypeR1
_Table = Mapping[_Types, type[WireStruct]]

_P2: Final[_Table] = {
    GuestMessageType.TIO_TDI_INFO_REQ: TdiInfoReq,
    GuestMessageType.TIO_TDI_INFO_RSP: TdiInfoRsp,
    GuestMessageType.TIO_MMIO_VALIDATE_REQ: MmioValidateReq,
    GuestMessageType.TIO_MMIO_VALIDATE_RSP: MmioValidateRsp,
    GuestMessageType.TIO_MMIO_CONFIG_REQ: MmioConfigReq,
    GuestMessageType.TIO_MMIO_CONFIG_RSP: MmioConfigRsp,
    GuestMessageType.TIO_SDTE_WRITE_REQ: SdteWriteReq,
    GuestMessageType.TIO_SDTE_WRITE_RSP: SdteWriteRsp,
}
_N: Final[_Table] = {
    GuestMessageType.TIO_TDI_INFO_REQ: TdiInfoReqN,
    GuestMessageType.TIO_TDI_INFO_RSP: TdiInfoRspN,
    GuestMessageType.TIO_MMIO_VALIDATE_REQ: MmioValidateReqN,
    GuestMessageType.TIO_MMIO_VALIDATE_RSP: MmioValidateRspN,
    GuestMessageType.TIO_MMIO_CONFIG_REQ: MmioConfigReqN,
    GuestMessageType.TIO_MMIO_CONFIG_RSP: MmioConfigRspN,
    GuestMessageType.TIO_SDTE_WRITE_REQ: SdteWriteReqN,
    GuestMessageType.TIO_SDTE_WRITE_RSP: SdteWriteRspN,
}
_R2: Final[_Table] = {
    GuestMessageTypeR1.TIO_TDI_INFO_REQ: TdiInfoReq,
    GuestMessageTypeR1.TIO_TDI_INFO_RSP: TdiInfoRsp,
    GuestMessageTypeR1.TIO_MMIO_VALIDATE_REQ: MmioValidateReq,
    GuestMessageTypeR1.TIO_MMIO_VALIDATE_RSP: MmioValidateRspR1,
    GuestMessageTypeR1.TIO_MMIO_CONFIG_REQ: MmioConfigReq,
    GuestMessageTypeR1.TIO_MMIO_CONFIG_RSP: MmioConfigRsp,
    GuestMessageTypeR1.TIO_SDTE_WRITE_REQ: SdteWriteReq,
    GuestMessageTypeR1.TIO_SDTE_WRITE_RSP: SdteWriteRsp,
}
_R1: Final[_Table] = {**_R2, GuestMessageTypeR1.TIO_TDI_INFO_RSP: TdiInfoRspR1}

GUEST_MESSAGES: Final[Mapping[Revision, _Table]] = MappingProxyType(
    {
        Revision.R1: MappingProxyType(_R1),
        Revision.R2: MappingProxyType(_R2),
        Revision.P2: MappingProxyType(_P2),
        Revision.N: MappingProxyType(_N),
    }
)
"""The class that lays out a message, by revision and message type; U has none."""

MESSAGE_VERSIONS: Final[Mapping[Revision, int]] = MappingProxyType(
    {Revision.R1: 1, Revision.R2: 1, Revision.P2: 1, Revision.N: 2}
)
"""MSG_VERSION by revision."""

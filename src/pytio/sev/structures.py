"""What the firmware writes where a command asks it to: of the platform, of a device, of an interface, of a fence.

Documents: AMD 58271, "TIO_STATUS", "TIO_DEV_STATUS", "TIO_TDI_INFO", "TIO_TDI_STATUS", "SPDM_ALGOS",
"TIO_ASID_FENCE_STATUS"; AMD 56860, "SNP_FEATURE_INFO". Where revisions differ, the older one's class is named after it.
"""

from __future__ import annotations

from pytio.errors import SevDecodeError
from pytio.ids import InterfaceId
from pytio.sev.tio_codes import (
    AsidFenceState,
    DeviceContextState,
    DmaFenceState,
    KeyScheduleAlgorithm,
    MeasurementFlags,
    MmioFenceState,
    SevCommand,
    SpdmAead,
    SpdmAsymmetric,
    SpdmDhe,
    SpdmHash,
    TdiBindState,
    TioStatusFlags,
)
from pytio.wire import (
    U16,
    U32,
    U64,
    Array,
    Bit,
    Bits,
    Byte,
    Bytes,
    Flags,
    Nested,
    OpenCode,
    WireStruct,
    message,
    wire,
)

__all__ = (
    "AsidFence",
    "AsidFenceR1",
    "DeviceStatus",
    "DeviceStatusR1",
    "DeviceStatusR2",
    "FeatureInfo",
    "SpdmAlgos",
    "TdiInfo",
    "TdiInfoR1",
    "TdiInfoR2",
    "TdiLockState",
    "TdiStatus",
    "TdiStatusR1",
    "TioPlatformStatus",
    "TioPlatformStatusR1",
)

_DIGEST_BYTES = 48


@message
class FeatureInfo(WireStruct, errors=SevDecodeError):
    """What SNP_FEATURE_INFO writes for sub-leaf 0, 16 bytes: CPUID Fn8000_0024."""

    eax: int = wire(U32, default=0)
    """The highest sub-leaf."""
    reserved_ebx_0: bool = wire(Bit, default=False)
    """What R1 took for SEV-TIO."""
    sev_tio: bool = wire(Bit, default=False)
    reserved_ebx: int = wire(Bits(30), default=0)
    reserved_ecx_0: bool = wire(Bit, default=False)
    x86_snp_shutdown: bool = wire(Bit, default=False)
    rapl_disable: bool = wire(Bit, default=False)
    ciphertext_hiding: bool = wire(Bit, default=False)
    aes_256_xts_policy: bool = wire(Bit, default=False)
    cxl_allow_policy: bool = wire(Bit, default=False)
    reserved_ecx: int = wire(Bits(7), default=0)
    verify_mitigation: bool = wire(Bit, default=False)
    reserved_ecx_high: int = wire(Bits(18), default=0)
    edx: int = wire(U32, default=0)


@message
class TioPlatformStatusR1(WireStruct, errors=SevDecodeError):
    """What TIO_STATUS writes in R1 and R2, 48 bytes: how large buffers and contexts are, headers included."""

    length: int = wire(U32, default=48)
    flags: TioStatusFlags = wire(Flags(U32, TioStatusFlags), default=TioStatusFlags(0))
    spdm_req_size_min: int = wire(U32, default=0)
    spdm_req_size_max: int = wire(U32, default=0)
    spdm_scratch_size_min: int = wire(U32, default=0)
    spdm_scratch_size_max: int = wire(U32, default=0)
    spdm_out_size_min: int = wire(U32, default=0)
    spdm_out_size_max: int = wire(U32, default=0)
    spdm_rsp_size_min: int = wire(U32, default=0)
    spdm_rsp_size_max: int = wire(U32, default=0)
    devctx_size: int = wire(U32, default=0)
    tdictx_size: int = wire(U32, default=0)


@message
class TioPlatformStatus(WireStruct, errors=SevDecodeError):
    """What TIO_STATUS writes, 64 bytes: how large buffers and contexts are, headers included."""

    length: int = wire(U32, default=64)
    flags: TioStatusFlags = wire(Flags(U32, TioStatusFlags), default=TioStatusFlags(0))
    spdm_req_size_min: int = wire(U32, default=0)
    spdm_req_size_max: int = wire(U32, default=0)
    spdm_scratch_size_min: int = wire(U32, default=0)
    spdm_scratch_size_max: int = wire(U32, default=0)
    spdm_out_size_min: int = wire(U32, default=0)
    spdm_out_size_max: int = wire(U32, default=0)
    spdm_rsp_size_min: int = wire(U32, default=0)
    spdm_rsp_size_max: int = wire(U32, default=0)
    devctx_size: int = wire(U32, default=0)
    tdictx_size: int = wire(U32, default=0)
    tio_crypto_alg: int = wire(U32, default=0)
    """Its values are not public (`SEV_A15`)."""
    reserved: bytes = wire(Bytes(12), default=bytes(12))


@message
class DeviceStatusR1(WireStruct, errors=SevDecodeError):
    """What TIO_DEV_STATUS writes in R1, 152 bytes."""

    length: int = wire(U32, default=152)
    ctx_state: DeviceContextState = wire(OpenCode(Byte, DeviceContextState))
    reserved: int = wire(Byte, default=0)
    request_pending: bool = wire(Bit, default=False)
    """A message waits to be carried to the device."""
    request_pending_tdi: bool = wire(Bit, default=False)
    """It belongs to a command about an interface."""
    reserved_pending: int = wire(Bits(6), default=0)
    certs_slot: int = wire(Byte, default=0)
    device_id: int = wire(U16)
    segment_id: int = wire(Byte, default=0)
    tc_mask: int = wire(Byte, default=0)
    request_pending_command: SevCommand = wire(OpenCode(U16, SevCommand), default=SevCommand(0))
    reserved_command: int = wire(U16, default=0)
    request_pending_interface_id: InterfaceId = wire(Nested(InterfaceId))
    meas_digest_valid: bool = wire(Bit, default=False)
    no_fw_update: bool = wire(Bit, default=False)
    reserved_flags: int = wire(Bits(30), default=0)
    ide_stream_id: tuple[int, ...] = wire(Array(8, U16), default=(0,) * 8)
    """Stream of each traffic class."""
    reserved_streams: bytes = wire(Bytes(8), default=bytes(8))
    certs_digest: bytes = wire(Bytes(_DIGEST_BYTES), default=bytes(_DIGEST_BYTES))
    meas_digest: bytes = wire(Bytes(_DIGEST_BYTES), default=bytes(_DIGEST_BYTES))


@message
class DeviceStatusR2(WireStruct, errors=SevDecodeError):
    """What TIO_DEV_STATUS writes in R2, 160 bytes."""

    length: int = wire(U32, default=160)
    ctx_state: DeviceContextState = wire(OpenCode(Byte, DeviceContextState))
    reserved: int = wire(Byte, default=0)
    request_pending: bool = wire(Bit, default=False)
    """A message waits to be carried to the device."""
    request_pending_tdi: bool = wire(Bit, default=False)
    """It belongs to a command about an interface."""
    reserved_pending: int = wire(Bits(6), default=0)
    certs_slot: int = wire(Byte, default=0)
    device_id: int = wire(U16)
    segment_id: int = wire(Byte, default=0)
    tc_mask: int = wire(Byte, default=0)
    request_pending_command: SevCommand = wire(OpenCode(U16, SevCommand), default=SevCommand(0))
    reserved_command: int = wire(U16, default=0)
    request_pending_interface_id: InterfaceId = wire(Nested(InterfaceId))
    meas_digest_valid: bool = wire(Bit, default=False)
    no_fw_update: bool = wire(Bit, default=False)
    reserved_flags: int = wire(Bits(30), default=0)
    ide_stream_id: tuple[int, ...] = wire(Array(8, Byte), default=(0,) * 8)
    """Stream of each traffic class."""
    reserved_streams: bytes = wire(Bytes(8), default=bytes(8))
    certs_digest: bytes = wire(Bytes(_DIGEST_BYTES), default=bytes(_DIGEST_BYTES))
    meas_digest: bytes = wire(Bytes(_DIGEST_BYTES), default=bytes(_DIGEST_BYTES))
    tdi_count: int = wire(U32, default=0)
    """Contexts of interfaces there are."""
    bound_tdi_count: int = wire(U32, default=0)
    reserved_end: bytes = wire(Bytes(8), default=bytes(8))


@message
class DeviceStatus(WireStruct, errors=SevDecodeError):
    """What TIO_DEV_STATUS writes, 160 bytes."""

    length: int = wire(U32, default=160)
    ctx_state: DeviceContextState = wire(OpenCode(Byte, DeviceContextState))
    reserved: int = wire(Byte, default=0)
    request_pending: bool = wire(Bit, default=False)
    """A message waits to be carried to the device."""
    request_pending_tdi: bool = wire(Bit, default=False)
    """It belongs to a command about an interface."""
    reserved_pending: int = wire(Bits(6), default=0)
    certs_slot: int = wire(Byte, default=0)
    device_id: int = wire(U16)
    segment_id: int = wire(Byte, default=0)
    tc_mask: int = wire(Byte, default=0)
    request_pending_command: SevCommand = wire(OpenCode(U16, SevCommand), default=SevCommand(0))
    reserved_command: int = wire(U16, default=0)
    request_pending_interface_id: InterfaceId = wire(Nested(InterfaceId))
    meas_digest_valid: bool = wire(Bit, default=False)
    no_fw_update: bool = wire(Bit, default=False)
    reserved_flags: int = wire(Bits(30), default=0)
    ide_stream_id: tuple[int, ...] = wire(Array(8, Byte), default=(0,) * 8)
    """Stream of each traffic class."""
    reserved_streams: bytes = wire(Bytes(8), default=bytes(8))
    certs_digest: bytes = wire(Bytes(_DIGEST_BYTES), default=bytes(_DIGEST_BYTES))
    meas_digest: bytes = wire(Bytes(_DIGEST_BYTES), default=bytes(_DIGEST_BYTES))
    tdi_count: int = wire(U32, default=0)
    """Contexts of interfaces there are."""
    bound_tdi_count: int = wire(U32, default=0)
    dhe: SpdmDhe = wire(OpenCode(Byte, SpdmDhe), default=SpdmDhe.SECP256R1)
    aead: SpdmAead = wire(OpenCode(Byte, SpdmAead), default=SpdmAead.AES_128_GCM)
    asym: SpdmAsymmetric = wire(OpenCode(Byte, SpdmAsymmetric), default=SpdmAsymmetric.RSASSA_3072)
    hash: SpdmHash = wire(OpenCode(Byte, SpdmHash), default=SpdmHash.SHA_256)
    key_sched: KeyScheduleAlgorithm = wire(OpenCode(Byte, KeyScheduleAlgorithm), default=KeyScheduleAlgorithm.SPDM)
    reserved_end: bytes = wire(Bytes(3), default=bytes(3))


@message
class SpdmAlgos(WireStruct, errors=SevDecodeError):
    """SPDM_ALGOS, 8 bytes: the algorithms of a device's session, one code in each byte."""

    dhe: SpdmDhe = wire(OpenCode(Byte, SpdmDhe), default=SpdmDhe.SECP256R1)
    aead: SpdmAead = wire(OpenCode(Byte, SpdmAead), default=SpdmAead.AES_128_GCM)
    asym: SpdmAsymmetric = wire(OpenCode(Byte, SpdmAsymmetric), default=SpdmAsymmetric.RSASSA_3072)
    hash: SpdmHash = wire(OpenCode(Byte, SpdmHash), default=SpdmHash.SHA_256)
    key_sched: KeyScheduleAlgorithm = wire(OpenCode(Byte, KeyScheduleAlgorithm), default=KeyScheduleAlgorithm.SPDM)
    reserved: bytes = wire(Bytes(3), default=bytes(3))


@message
class TdiLockState(WireStruct, errors=SevDecodeError):
    """What an interface was locked with, 4 bytes."""

    no_fw_update: bool = wire(Bit, default=False)
    cache_line_size: bool = wire(Bit, default=False)
    """128 bytes and not 64."""
    lock_msix: bool = wire(Bit, default=False)
    bind_p2p: bool = wire(Bit, default=False)
    all_request_redirect: bool = wire(Bit, default=False)
    reserved: int = wire(Bits(27), default=0)


@message
class TdiInfoR1(WireStruct, errors=SevDecodeError):
    """What TIO_TDI_INFO writes in R1, 192 bytes."""

    length: int = wire(U32, default=192)
    interface_id: InterfaceId = wire(Nested(InterfaceId))
    meas_flags: MeasurementFlags = wire(Flags(U32, MeasurementFlags), default=MeasurementFlags(0))
    reserved: int = wire(U32, default=0)
    spdm_algos: SpdmAlgos = wire(Nested(SpdmAlgos), default=SpdmAlgos())
    certs_digest: bytes = wire(Bytes(_DIGEST_BYTES), default=bytes(_DIGEST_BYTES))
    meas_digest: bytes = wire(Bytes(_DIGEST_BYTES), default=bytes(_DIGEST_BYTES))
    interface_report_digest: bytes = wire(Bytes(_DIGEST_BYTES), default=bytes(_DIGEST_BYTES))
    guest_report_id: bytes = wire(Bytes(16), default=bytes(16))


@message
class TdiInfoR2(WireStruct, errors=SevDecodeError):
    """What TIO_TDI_INFO writes in R2, 192 bytes."""

    length: int = wire(U32, default=192)
    interface_id: InterfaceId = wire(Nested(InterfaceId))
    meas_digest_valid: bool = wire(Bit, default=False)
    meas_digest_fresh: bool = wire(Bit, default=False)
    tdi_status: TdiBindState = wire(Bits(2, TdiBindState), default=TdiBindState.UNBOUND)
    reserved_state: int = wire(Bits(28), default=0)
    reserved: int = wire(U32, default=0)
    spdm_algos: SpdmAlgos = wire(Nested(SpdmAlgos), default=SpdmAlgos())
    certs_digest: bytes = wire(Bytes(_DIGEST_BYTES), default=bytes(_DIGEST_BYTES))
    meas_digest: bytes = wire(Bytes(_DIGEST_BYTES), default=bytes(_DIGEST_BYTES))
    interface_report_digest: bytes = wire(Bytes(_DIGEST_BYTES), default=bytes(_DIGEST_BYTES))
    intf_report_counter: int = wire(U64, default=0)
    """Grows with each new report."""
    asid: int = wire(U32, default=0)
    """Of the guest, while it is bound."""
    reserved_end: int = wire(U32, default=0)


@message
class TdiInfo(WireStruct, errors=SevDecodeError):
    """What TIO_TDI_INFO writes, 192 bytes: whose the interface is, and the digests of what proves it."""

    length: int = wire(U32, default=192)
    interface_id: InterfaceId = wire(Nested(InterfaceId))
    meas_digest_valid: bool = wire(Bit, default=False)
    meas_digest_fresh: bool = wire(Bit, default=False)
    tdi_status: TdiBindState = wire(Bits(2, TdiBindState), default=TdiBindState.UNBOUND)
    reserved_state: int = wire(Bits(28), default=0)
    lock_flags: TdiLockState = wire(Nested(TdiLockState), default=TdiLockState())
    spdm_algos: SpdmAlgos = wire(Nested(SpdmAlgos), default=SpdmAlgos())
    certs_digest: bytes = wire(Bytes(_DIGEST_BYTES), default=bytes(_DIGEST_BYTES))
    meas_digest: bytes = wire(Bytes(_DIGEST_BYTES), default=bytes(_DIGEST_BYTES))
    interface_report_digest: bytes = wire(Bytes(_DIGEST_BYTES), default=bytes(_DIGEST_BYTES))
    intf_report_counter: int = wire(U64, default=0)
    """Grows with each new report."""
    asid: int = wire(U32, default=0)
    """Of the guest, while it is bound."""
    reserved_end: int = wire(U32, default=0)


@message
class TdiStatusR1(WireStruct, errors=SevDecodeError):
    """What TIO_TDI_STATUS writes in R1 and R2, 8 bytes."""

    length: int = wire(U32, default=8)
    tdisp_state: int = wire(Byte)
    """As the device reports it: 0 CONFIG_UNLOCKED, 1 CONFIG_LOCKED, 2 RUN, 3 ERROR."""
    reserved: bytes = wire(Bytes(3), default=bytes(3))


@message
class TdiStatus(WireStruct, errors=SevDecodeError):
    """What TIO_TDI_STATUS writes, 16 bytes."""

    length: int = wire(U32, default=16)
    tdisp_state: int = wire(Byte)
    """As the device reports it: 0 CONFIG_UNLOCKED, 1 CONFIG_LOCKED, 2 RUN, 3 ERROR."""
    reserved: bytes = wire(Bytes(11), default=bytes(11))


@message
class AsidFenceR1(WireStruct, errors=SevDecodeError):
    """What TIO_ASID_FENCE_STATUS writes in R1 and R2, 8 bytes."""

    state: AsidFenceState = wire(OpenCode(U64, AsidFenceState))


@message
class AsidFence(WireStruct, errors=SevDecodeError):
    """What TIO_ASID_FENCE_STATUS writes, 8 bytes."""

    dma: DmaFenceState = wire(Bits(2, DmaFenceState), default=DmaFenceState.NOT_FENCED)
    mmio: MmioFenceState = wire(Bits(2, MmioFenceState), default=MmioFenceState.NOT_FENCED)
    reserved: int = wire(Bits(60), default=0)

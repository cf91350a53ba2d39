"""Status blobs of the kernel's TSM: what R2 and later hand to user space about a device and an interface.

Document: the second patches of the kernel's TSM and the trees after them, ``struct tsm_dev_status`` and ``struct
tsm_tdi_status``. These are the kernel's structures, not the firmware's.
"""

from __future__ import annotations

from pytio.errors import SevDecodeError
from pytio.ids import InterfaceId
from pytio.sev.tio_codes import DeviceContextState, GuestMessageStatus
from pytio.tdisp import TdiState
from pytio.wire import (
    U16,
    U64,
    Array,
    Byte,
    Bytes,
    Code,
    Flags,
    Nested,
    OpenCode,
    WireFlag,
    WireStruct,
    message,
    wire,
)

__all__ = ("TsmAlgorithms", "TsmDevStatus", "TsmTdiStatus", "TsmTdiStatusN")

_DIGEST_BYTES = 48


class TsmAlgorithms(WireFlag):
    """SPDM algorithms as the kernel tells them: one bit set of each kind."""

    DHE_SECP256R1 = 1 << 0
    DHE_SECP384R1 = 1 << 1
    AEAD_AES_128_GCM = 1 << 2
    AEAD_AES_256_GCM = 1 << 3
    ASYM_TPM_ALG_RSASSA_3072 = 1 << 4
    ASYM_TPM_ALG_ECDSA_ECC_NIST_P256 = 1 << 5
    ASYM_TPM_ALG_ECDSA_ECC_NIST_P384 = 1 << 6
    HASH_TPM_ALG_SHA_256 = 1 << 7
    HASH_TPM_ALG_SHA_384 = 1 << 8
    KEY_SCHED_SPDM_KEY_SCHEDULE = 1 << 9


@message
class TsmDevStatus(WireStruct, errors=SevDecodeError):
    """struct tsm_dev_status, 28 bytes."""

    valid: int = wire(Byte, default=1)
    ctx_state: DeviceContextState = wire(OpenCode(Byte, DeviceContextState))
    tc_mask: int = wire(Byte, default=0)
    certs_slot: int = wire(Byte, default=0)
    no_fw_update: int = wire(Byte, default=0)
    reserved: bytes = wire(Bytes(3), default=bytes(3))
    device_id: int = wire(U16)
    segment_id: int = wire(U16, default=0)
    ide_stream_id: tuple[int, ...] = wire(Array(8, U16), default=(0,) * 8)
    """Stream of each traffic class."""


@message
class TsmTdiStatus(WireStruct, errors=SevDecodeError):
    """struct tsm_tdi_status of R2, 182 bytes."""

    valid: int = wire(Byte, default=1)
    state: TdiState = wire(Code(Byte, TdiState))
    meas_digest_fresh: int = wire(Byte, default=0)
    meas_digest_valid: int = wire(Byte, default=0)
    all_request_redirect: int = wire(Byte, default=0)
    bind_p2p: int = wire(Byte, default=0)
    lock_msix: int = wire(Byte, default=0)
    no_fw_update: int = wire(Byte, default=0)
    cache_line_size: int = wire(U16, default=0)
    """Bytes."""
    spdm_algos: TsmAlgorithms = wire(Flags(U64, TsmAlgorithms), default=TsmAlgorithms(0))
    certs_digest: bytes = wire(Bytes(_DIGEST_BYTES), default=bytes(_DIGEST_BYTES))
    meas_digest: bytes = wire(Bytes(_DIGEST_BYTES), default=bytes(_DIGEST_BYTES))
    interface_report_digest: bytes = wire(Bytes(_DIGEST_BYTES), default=bytes(_DIGEST_BYTES))
    intf_report_counter: int = wire(U64, default=0)
    interface_id: InterfaceId = wire(Nested(InterfaceId))


@message
class TsmTdiStatusN(WireStruct, errors=SevDecodeError):
    """struct tsm_tdi_status of N, 190 bytes: what the firmware answered to TDI_INFO, and its id of the interface."""

    status: GuestMessageStatus = wire(OpenCode(Byte, GuestMessageStatus))
    state: TdiState = wire(Code(Byte, TdiState))
    meas_digest_fresh: int = wire(Byte, default=0)
    meas_digest_valid: int = wire(Byte, default=0)
    all_request_redirect: int = wire(Byte, default=0)
    bind_p2p: int = wire(Byte, default=0)
    lock_msix: int = wire(Byte, default=0)
    no_fw_update: int = wire(Byte, default=0)
    cache_line_size: int = wire(U16, default=0)
    """Bytes."""
    spdm_algos: TsmAlgorithms = wire(Flags(U64, TsmAlgorithms), default=TsmAlgorithms(0))
    certs_digest: bytes = wire(Bytes(_DIGEST_BYTES), default=bytes(_DIGEST_BYTES))
    meas_digest: bytes = wire(Bytes(_DIGEST_BYTES), default=bytes(_DIGEST_BYTES))
    interface_report_digest: bytes = wire(Bytes(_DIGEST_BYTES), default=bytes(_DIGEST_BYTES))
    intf_report_counter: int = wire(U64, default=0)
    interface_id: InterfaceId = wire(Nested(InterfaceId))
    fw_tdi_id: int = wire(U64, default=0)

"""The blocks of ``/dev/sev``: one command block, and a structure for each command that has one. All are packed.

Document: the kernel's ``psp-sev.h``. An address in a structure is one of the calling process.
"""

from __future__ import annotations

from pytio.errors import SevDecodeError
from pytio.sev.codes import FIRMWARE_NEVER_CALLED, PlatformFlags, SevHostCommand, SevStatus, SnpPlatformFlags
from pytio.wire import U24, U32, U64, Bit, Bits, Byte, Bytes, Flags, OpenCode, WireStruct, fixed, message, wire

__all__ = (
    "BufferReference",
    "GetId",
    "IssueCommand",
    "PdhCertExport",
    "PekCertImport",
    "PlatformStatus",
    "SnpConfig",
    "SnpPlatformStatus",
    "SnpVlekLoad",
    "WrappedVlekHashstick",
)


class _Block(WireStruct, errors=SevDecodeError):
    __slots__ = ()


@message
class IssueCommand(_Block):
    """struct sev_issue_cmd, 16 bytes: the pointer is not aligned."""

    command: SevHostCommand = wire(OpenCode(U32, SevHostCommand))
    data: int = wire(U64, default=0)
    """Address of the command's own structure; 0 where it has none."""
    status: SevStatus = wire(OpenCode(U32, SevStatus), default=SevStatus.SUCCESS)
    """What the firmware said, after the call."""

    @property
    def reached_firmware(self) -> bool:
        """Whether the kernel passed the command on."""
        return self.status != FIRMWARE_NEVER_CALLED


@message
class PlatformStatus(_Block):
    """struct sev_user_data_status, 12 bytes: the SEV (not SNP) platform."""

    api_major: int = wire(Byte, default=0)
    api_minor: int = wire(Byte, default=0)
    state: int = wire(Byte, default=0)
    """0 uninitialized, 1 initialized, 2 working."""
    flags: PlatformFlags = wire(Flags(U32, PlatformFlags), default=PlatformFlags(0))
    build_id: int = wire(Byte, default=0)
    guest_count: int = wire(U32, default=0)


@message
class BufferReference(_Block):
    """struct sev_user_data_pek_csr and sev_user_data_get_id2, 12 bytes: where the answer goes, and its size."""

    address: int = wire(U64, default=0)
    length: int = wire(U32, default=0)
    """Size of the buffer before, of the answer after; with 0 the firmware says what it needs."""


@message
class PekCertImport(_Block):
    """struct sev_user_data_pek_cert_import, 24 bytes."""

    pek_address: int = wire(U64)
    pek_length: int = wire(U32)
    oca_address: int = wire(U64)
    oca_length: int = wire(U32)


@message
class PdhCertExport(_Block):
    """struct sev_user_data_pdh_cert_export, 24 bytes; a missing address or length is a question for the lengths."""

    pdh_address: int = wire(U64, default=0)
    pdh_length: int = wire(U32, default=0)
    chain_address: int = wire(U64, default=0)
    chain_length: int = wire(U32, default=0)


@message
class GetId(_Block):
    """struct sev_user_data_get_id, 128 bytes: the ids of two sockets. GET_ID2 replaces it."""

    socket_0: bytes = wire(Bytes(64), default=bytes(64))
    socket_1: bytes = wire(Bytes(64), default=bytes(64))


@message
class SnpPlatformStatus(_Block):
    """struct sev_user_data_snp_status, 32 bytes; its bit positions of TIO are `LINUX_U2`."""

    api_major: int = wire(Byte, default=0)
    api_minor: int = wire(Byte, default=0)
    state: int = wire(Byte, default=0)
    """0 uninitialized, 1 initialized."""
    is_rmp_initialized: bool = wire(Bit, default=False)
    alias_check_complete: bool = wire(Bit, default=False)
    reserved_2: int = wire(Bits(1), default=0)
    tio_enabled: bool = wire(Bit, default=False)
    reserved: int = wire(Bits(4), default=0)
    build_id: int = wire(U32, default=0)
    flags: SnpPlatformFlags = wire(Flags(U32, SnpPlatformFlags), default=SnpPlatformFlags(0))
    guest_count: int = wire(U32, default=0)
    current_tcb: bytes = wire(Bytes(8), default=bytes(8))
    """`TcbVersion` or `TurinTcbVersion`, by the processor."""
    reported_tcb: bytes = wire(Bytes(8), default=bytes(8))

    @property
    def is_tio_enabled(self) -> bool:
        """Whether SEV-TIO is enabled: byte 3 says so (`LINUX_U2`)."""
        return self.tio_enabled


@message
class SnpConfig(_Block):
    """struct sev_user_data_snp_config, 64 bytes; all zeros return to the committed values."""

    reported_tcb: bytes = wire(Bytes(8), default=bytes(8))
    mask_chip_id: bool = wire(Bit, default=False)
    mask_chip_key: bool = wire(Bit, default=False)
    reserved_flags: int = wire(Bits(30), default=0)
    reserved: bytes = wire(Bytes(52), default=bytes(52))


@message
class SnpVlekLoad(_Block):
    """struct sev_user_data_snp_vlek_load, 16 bytes."""

    length: int = fixed(U32, 16)
    version: int = fixed(Byte, 0)
    reserved: int = wire(U24, default=0)
    hashstick_address: int = wire(U64)


@message
class WrappedVlekHashstick(_Block):
    """struct sev_user_data_snp_wrapped_vlek_hashstick, 432 bytes: a VLEK, encrypted for one chip by AMD's server."""

    iv: bytes = wire(Bytes(12))
    reserved: bytes = wire(Bytes(4), default=bytes(4))
    wrapped: bytes = wire(Bytes(384), repr=False)
    tcb: bytes = wire(Bytes(8))
    reserved_tcb: bytes = wire(Bytes(8), default=bytes(8))
    tag: bytes = wire(Bytes(16))

"""Every number of the SEV firmware's and the kernel's SEV interfaces, once; the PSP's commands are in `tio_codes`.

Documents: AMD 56860 (status codes), the kernel's ``psp-sev.h`` and ``sev-guest.h``. This file knows no layout.
"""

from __future__ import annotations

from typing import Final

from pytio.wire import OpenEnum, WireFlag

__all__ = (
    "ATTESTATION_REPORT_BYTES",
    "CERTIFICATE_BUFFER_BYTES",
    "FIRMWARE_NEVER_CALLED",
    "GUEST_NEVER_CALLED",
    "HASHSTICK_BYTES",
    "MAX_CERTIFICATES_BYTES",
    "SEV_CERTIFICATE_BYTES",
    "SEV_CHAIN_BYTES",
    "SEV_ISSUE_CMD",
    "SNP_GET_DERIVED_KEY",
    "SNP_GET_EXT_REPORT",
    "SNP_GET_REPORT",
    "DerivedKeyFields",
    "HypervisorError",
    "PlatformFlags",
    "RootKey",
    "SevHostCommand",
    "SevStatus",
    "SnpPlatformFlags",
)

SEV_ISSUE_CMD: Final = 0xC010_5300
"""The one ioctl of ``/dev/sev``: read and write, type ``S``, number 0, 16 bytes."""
SNP_GET_REPORT: Final = 0xC020_5300
"""ioctl of ``/dev/sev-guest``."""
SNP_GET_DERIVED_KEY: Final = 0xC020_5301
"""ioctl of ``/dev/sev-guest``."""
SNP_GET_EXT_REPORT: Final = 0xC020_5302
"""ioctl of ``/dev/sev-guest``."""
FIRMWARE_NEVER_CALLED: Final = 0xFFFF_FFFF
"""Status of a host command that the kernel did not pass on."""
GUEST_NEVER_CALLED: Final = 0xFF
"""Result of a guest request that the kernel did not pass on."""
ATTESTATION_REPORT_BYTES: Final = 1184
"""The attestation report, of every version."""
HASHSTICK_BYTES: Final = 432
"""A wrapped VLEK hashstick."""
SEV_CERTIFICATE_BYTES: Final = 2084
"""A certificate of the SEV (not SNP) chain."""
SEV_CHAIN_BYTES: Final = 3 * SEV_CERTIFICATE_BYTES
"""PEK, OCA and CEK."""
CERTIFICATE_BUFFER_BYTES: Final = 4096
"""What a buffer for a guest's certificates is a multiple of."""
MAX_CERTIFICATES_BYTES: Final = 4 * CERTIFICATE_BUFFER_BYTES
"""The largest such buffer."""


class SevStatus(OpenEnum):
    """What the firmware says about a command."""

    SUCCESS = 0x00
    INVALID_PLATFORM_STATE = 0x01
    INVALID_GUEST_STATE = 0x02
    INVALID_CONFIG = 0x03
    INVALID_LEN = 0x04
    ALREADY_OWNED = 0x05
    INVALID_CERTIFICATE = 0x06
    POLICY_FAILURE = 0x07
    INACTIVE = 0x08
    INVALID_ADDRESS = 0x09
    BAD_SIGNATURE = 0x0A
    BAD_MEASUREMENT = 0x0B
    ASID_OWNED = 0x0C
    INVALID_ASID = 0x0D
    WBINVD_REQUIRED = 0x0E
    DFFLUSH_REQUIRED = 0x0F
    INVALID_GUEST = 0x10
    INVALID_COMMAND = 0x11
    ACTIVE = 0x12
    HWERROR_PLATFORM = 0x13
    """The buffers may be used again."""
    HWERROR_UNSAFE = 0x14
    """The buffers must not be used again."""
    UNSUPPORTED = 0x15
    INVALID_PARAM = 0x16
    RESOURCE_LIMIT = 0x17
    SECURE_DATA_INVALID = 0x18
    INVALID_PAGE_SIZE = 0x19
    INVALID_PAGE_STATE = 0x1A
    INVALID_MDATA_ENTRY = 0x1B
    INVALID_PAGE_OWNER = 0x1C
    AEAD_OFLOW = 0x1D
    EXIT_RING_BUFFER = 0x1F
    """Retry."""
    RMP_INIT_REQUIRED = 0x20
    BAD_SVN = 0x21
    BAD_VERSION = 0x22
    SHUTDOWN_REQUIRED = 0x23
    UPDATE_FAILED = 0x24
    RESTORE_REQUIRED = 0x25
    RMP_INITIALIZATION_FAILED = 0x26
    INVALID_KEY = 0x27
    SHUTDOWN_INCOMPLETE = 0x28
    INCORRECT_BUFFER_LENGTH = 0x30
    EXPAND_BUFFER_LENGTH_REQUEST = 0x31
    SPDM_REQUEST = 0x32
    """Not a failure: the caller is to carry an SPDM message to the device."""
    SPDM_ERROR = 0x33
    ERR_IN_DEV_CONN = 0x35
    INVALID_DEV_CTX = 0x36
    INVALID_TDI_CTX = 0x37
    INVALID_TDI = 0x38
    RECLAIM_REQUIRED = 0x39
    IN_USE = 0x3A
    INVALID_DEV_STATE = 0x3B
    INVALID_TDI_STATE = 0x3C
    DEV_CERT_CHANGED = 0x3D
    RESYNC_REQ = 0x3E
    RESPONSE_TOO_LARGE = 0x3F


class SevHostCommand(OpenEnum):
    """Commands of ``/dev/sev``; none of SEV-TIO is among them, those are the kernel's own."""

    FACTORY_RESET = 0
    PLATFORM_STATUS = 1
    PEK_GEN = 2
    PEK_CSR = 3
    PDH_GEN = 4
    PDH_CERT_EXPORT = 5
    PEK_CERT_IMPORT = 6
    GET_ID = 7
    GET_ID2 = 8
    SNP_PLATFORM_STATUS = 9
    SNP_COMMIT = 10
    SNP_SET_CONFIG = 11
    SNP_VLEK_LOAD = 12


class PlatformFlags(WireFlag):
    """Flags of PLATFORM_STATUS."""

    EXTERNALLY_OWNED = 1 << 0
    SEV_ES_CONFIGURED = 1 << 8


class SnpPlatformFlags(WireFlag):
    """Flags of SNP_PLATFORM_STATUS (`LINUX_U2`: TIO enabled has two places in what is public, see `is_tio_enabled`)."""

    MASK_CHIP_ID = 1 << 0
    MASK_CHIP_KEY = 1 << 1
    VLEK_LOADED = 1 << 2
    FEATURE_INFO_AVAILABLE = 1 << 3
    RAPL_DISABLED = 1 << 4
    CIPHERTEXT_HIDING_CAPABLE = 1 << 5
    CIPHERTEXT_HIDING_ENABLED = 1 << 6
    TIO_ENABLED = 1 << 7


class RootKey(OpenEnum):
    """What a derived key is derived from."""

    VCEK_OR_VLEK = 0
    VMRK = 1


class DerivedKeyFields(WireFlag):
    """What goes into a derived key."""

    POLICY = 1 << 0
    IMAGE_ID = 1 << 1
    FAMILY_ID = 1 << 2
    MEASUREMENT = 1 << 3
    GUEST_SVN = 1 << 4
    TCB_VERSION = 1 << 5
    LAUNCH_MITIGATION_VECTOR = 1 << 6
    """Message version 2 only."""


class HypervisorError(OpenEnum):
    """The upper half of a guest request's result."""

    NONE = 0
    INVALID_LEN = 1
    """The buffer for certificates is too small."""
    BUSY = 2
    GENERIC = 0xFFFF_FFFF
    """What KVM says where it failed otherwise."""

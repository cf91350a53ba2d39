"""Every number of SEV-TIO: revisions, commands, flags, states of guest messages and of the GHCB.

Documents: AMD 58271 (SEV-TIO Firmware Interface), revision 0.70 as the kernel's first patches implement it and 0.91 as
its later ones do; AMD 56860 for the commands around it. Status codes are in `pytio.sev.codes`. This file knows no
layout.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from pytio.wire import OpenEnum, WireFlag

__all__ = (
    "BUFFER_GRANULE_BYTES",
    "PAGE_BYTES",
    "AsidFenceState",
    "DataObjectId",
    "DataObjectType",
    "DeviceContextState",
    "DmaFenceState",
    "EvidenceFlags",
    "GuestMessageStatus",
    "GuestMessageType",
    "GuestMessageTypeR1",
    "GuestState",
    "KeyScheduleAlgorithm",
    "LaunchPageType",
    "MeasurementFlags",
    "MmioConfigFlags",
    "MmioConfigStatus",
    "MmioFenceState",
    "MmioValidateStatus",
    "MmioValidateStatusR1",
    "Revision",
    "SdteWriteStatus",
    "SevCommand",
    "SpdmAead",
    "SpdmAsymmetric",
    "SpdmDataType",
    "SpdmDhe",
    "SpdmHash",
    "TdiBindState",
    "TioOperation",
    "TioStatusFlags",
    "ValidateFlags",
)

PAGE_BYTES: Final = 4096
"""A page, which is what the firmware and the host pass to one another."""
BUFFER_GRANULE_BYTES: Final = 32
"""What the size of a buffer's payload is a multiple of."""


class Revision(Enum):
    """Which public revision of SEV-TIO lays things out; a revision selects classes, and no object remembers one."""

    R1 = "R1"
    """The kernel's first patches, August 2024, written to 0.70."""
    R2 = "R2"
    """The second patches, February 2025."""
    U = "U"
    """Linux 6.19 and later: IDE of the host, no interfaces."""
    P2 = "P2"
    """Interfaces, about 0.91: what codecs mean where nothing is said."""
    N = "N"
    """The newest guest driver: message version 2; everything else is that of P2."""


class SevCommand(OpenEnum):
    """Commands of the PSP: those of SEV-TIO, and those of SEV-SNP around them."""

    SNP_INIT = 0x081
    SNP_SHUTDOWN = 0x082
    SNP_PLATFORM_STATUS = 0x083
    SNP_DF_FLUSH = 0x084
    SNP_INIT_EX = 0x085
    SNP_SHUTDOWN_EX = 0x086
    SNP_DECOMMISSION = 0x090
    SNP_ACTIVATE = 0x091
    SNP_GUEST_STATUS = 0x092
    SNP_GCTX_CREATE = 0x093
    SNP_GUEST_REQUEST = 0x094
    SNP_ACTIVATE_EX = 0x095
    SNP_LAUNCH_START = 0x0A0
    SNP_LAUNCH_UPDATE = 0x0A1
    SNP_LAUNCH_FINISH = 0x0A2
    SNP_PAGE_SET_STATE = 0x0C6
    SNP_PAGE_RECLAIM = 0x0C7
    SNP_PAGE_UNSMASH = 0x0C8
    SNP_CONFIG = 0x0C9
    SNP_DOWNLOAD_FIRMWARE_EX = 0x0CA
    SNP_COMMIT = 0x0CB
    SNP_VLEK_LOAD = 0x0CD
    SNP_FEATURE_INFO = 0x0CE
    TIO_STATUS = 0x0D0
    TIO_INIT = 0x0D1
    TIO_DEV_CREATE = 0x0D2
    TIO_DEV_RECLAIM = 0x0D3
    TIO_DEV_CONNECT = 0x0D4
    TIO_DEV_DISCONNECT = 0x0D5
    TIO_DEV_STATUS = 0x0D6
    TIO_DEV_MEASUREMENTS = 0x0D7
    TIO_DEV_CERTIFICATES = 0x0D8
    TIO_TDI_CREATE = 0x0DA
    TIO_TDI_RECLAIM = 0x0DB
    TIO_TDI_BIND = 0x0DC
    TIO_TDI_UNBIND = 0x0DD
    TIO_TDI_REPORT = 0x0DE
    TIO_TDI_STATUS = 0x0DF
    TIO_GUEST_REQUEST = 0x0E0
    TIO_ASID_FENCE_CLEAR = 0x0E1
    TIO_ASID_FENCE_STATUS = 0x0E2
    TIO_TDI_INFO = 0x0E3
    TIO_ROLL_KEY = 0x0E4


class LaunchPageType(OpenEnum):
    """What a page of SNP_LAUNCH_UPDATE becomes."""

    NORMAL = 1
    VMSA = 2
    ZERO = 3
    """Filled with zeros, whatever was in it."""
    UNMEASURED = 4
    SECRETS = 5
    """Filled by the firmware, with the guest's keys."""
    CPUID = 6


class GuestState(OpenEnum):
    """How far the launch of a guest is."""

    INIT = 0
    LAUNCH = 1
    RUNNING = 2


# what the host carries between firmware and device


class DataObjectId(OpenEnum):
    """What a buffer's payload is."""

    NONE = 0
    SPDM_REQUEST = 1
    SPDM_RESPONSE = 2
    SCRATCH = 3
    CERTIFICATES = 4
    MEASUREMENTS = 5
    INTERFACE_REPORT = 6


class SpdmDataType(OpenEnum):
    """Which DOE data object carries a message."""

    PLAIN = 1
    """CMA/SPDM."""
    SECURED = 2
    """Secured CMA/SPDM."""


class DataObjectType(OpenEnum):
    """How a result is laid out."""

    RECORD = 1
    """A certificate chain, an SPDM measurement record, an interface report."""
    MESSAGE_LOG = 2
    """SPDM messages end to end, from GET_VERSION to the last MEASUREMENTS; of measurements, from P2 on."""


# what the firmware says of itself, of devices and of interfaces


class TioStatusFlags(WireFlag):
    """Flags of the TIO status."""

    TIO_EN = 1 << 0
    """SNP_INIT_EX enabled SEV-TIO."""
    TIO_INIT_DONE = 1 << 1


class DeviceContextState(OpenEnum):
    """CTX_STATE of the device status. Its values are not public; these are assumed, in the order of a device's life."""

    CREATED = 1
    """Also while it is being connected."""
    CONNECTED = 2
    DISCONNECTED = 3
    ERROR = 4


class MeasurementFlags(WireFlag):
    """What is known of a device's measurements."""

    MEAS_DIGEST_VALID = 1 << 0
    MEAS_DIGEST_FRESH = 1 << 1
    """Taken since the interface was bound (`SEV_A22`)."""


class TdiBindState(OpenEnum):
    """How far an interface is bound to a guest."""

    UNBOUND = 0
    BIND_LOCKED = 1
    BIND_RUN = 2


class SpdmDhe(OpenEnum):
    """Key exchange of a device's SPDM session."""

    SECP256R1 = 0
    SECP384R1 = 1


class SpdmAead(OpenEnum):
    """AEAD of a device's SPDM session."""

    AES_128_GCM = 0
    AES_256_GCM = 1


class SpdmAsymmetric(OpenEnum):
    """Signature algorithm of a device's SPDM session."""

    RSASSA_3072 = 0
    ECDSA_P256 = 1
    ECDSA_P384 = 2


class SpdmHash(OpenEnum):
    """Hash of a device's SPDM session."""

    SHA_256 = 0
    SHA_384 = 1


class KeyScheduleAlgorithm(OpenEnum):
    """Key schedule of a device's SPDM session."""

    SPDM = 0


class AsidFenceState(OpenEnum):
    """Whether a guest's traffic through a root port is fenced off, in R1 and R2."""

    NOT_FENCED = 0
    FENCED = 1


class DmaFenceState(OpenEnum):
    """Whether a guest's DMA is fenced off."""

    NOT_FENCED = 0
    FENCED_BY_ERROR = 1
    FENCED_BY_DEFAULT = 3
    """Not opened yet."""


class MmioFenceState(OpenEnum):
    """Whether a guest's MMIO is fenced off."""

    NOT_FENCED = 0
    FENCED = 3


# guest messages


class GuestMessageType(OpenEnum):
    """Messages between a guest and the firmware, from 0.91 on; a response is one more than its request."""

    CPUID_REQ = 1
    CPUID_RSP = 2
    KEY_REQ = 3
    KEY_RSP = 4
    REPORT_REQ = 5
    REPORT_RSP = 6
    EXPORT_REQ = 7
    EXPORT_RSP = 8
    IMPORT_REQ = 9
    IMPORT_RSP = 10
    ABSORB_REQ = 11
    ABSORB_RSP = 12
    VMRK_REQ = 13
    VMRK_RSP = 14
    TSC_INFO_REQ = 17
    TSC_INFO_RSP = 18
    TIO_TDI_INFO_REQ = 19
    TIO_TDI_INFO_RSP = 20
    TIO_MMIO_VALIDATE_REQ = 21
    TIO_MMIO_VALIDATE_RSP = 22
    TIO_MMIO_CONFIG_REQ = 23
    TIO_MMIO_CONFIG_RSP = 24
    TIO_SDTE_WRITE_REQ = 25
    TIO_SDTE_WRITE_RSP = 26


class GuestMessageTypeR1(OpenEnum):
    """The messages of SEV-TIO in R1 and R2; a response is its request less 80h.

    The responses have the numbers of other messages: what tells them apart is the command that carried them.
    """

    TIO_TDI_INFO_RSP = 0x01
    TIO_MMIO_VALIDATE_RSP = 0x02
    TIO_MMIO_CONFIG_RSP = 0x03
    TIO_SDTE_WRITE_RSP = 0x04
    TIO_TDI_INFO_REQ = 0x81
    TIO_MMIO_VALIDATE_REQ = 0x82
    TIO_MMIO_CONFIG_REQ = 0x83
    TIO_SDTE_WRITE_REQ = 0x84


class GuestMessageStatus(OpenEnum):
    """Status of TDI_INFO."""

    BOUND = 0
    INVALID_TDI = 1
    """The guest has no such interface."""
    UNBOUND = 2


class ValidateFlags(WireFlag):
    """Flags of an MMIO_VALIDATE request."""

    VALIDATED = 1 << 0
    """What is wanted for RMP.Validated."""
    FORCE_VALIDATED = 1 << 1
    """Also where the pages differ."""


class MmioValidateStatus(OpenEnum):
    """Status of MMIO_VALIDATE, from 0.91 on."""

    SUCCESS = 0
    INVALID_TDI = 1
    TDI_UNBOUND = 2
    NOT_ASSIGNED = 3
    """A page is not the guest's."""
    NOT_IO = 4
    """A page is no MMIO."""
    NOT_UNIFORM = 5
    """The pages are not all validated, or all not."""
    NOT_IMMUTABLE = 6
    NOT_MAPPED = 7
    """A page is the guest's at another address."""
    NOT_REPORTED = 8
    """The interface report has no such range."""
    OUT_OF_RANGE = 9
    NOT_4K = 10


class MmioValidateStatusR1(OpenEnum):
    """Status of MMIO_VALIDATE in R1 and R2, which lack NOT_IO and NOT_4K."""

    SUCCESS = 0
    INVALID_TDI = 1
    TDI_UNBOUND = 2
    NOT_ASSIGNED = 3
    NOT_UNIFORM = 4
    NOT_IMMUTABLE = 5
    NOT_MAPPED = 6
    NOT_REPORTED = 7
    OUT_OF_RANGE = 8


class MmioConfigFlags(WireFlag):
    """Attributes of an MMIO range; a guest may ask for NON_TEE_MEM alone."""

    MSIX_TABLE = 1 << 0
    MSIX_PBA = 1 << 1
    NON_TEE_MEM = 1 << 2
    """The range may be mapped shared, too."""
    MEM_ATTR_UPDATABLE = 1 << 3


class MmioConfigStatus(OpenEnum):
    """Status of MMIO_CONFIG."""

    SUCCESS = 0
    INVALID_TDI = 1
    TDI_UNBOUND = 2
    NOT_REPORTED = 3
    COULD_NOT_CHANGE = 4


class SdteWriteStatus(OpenEnum):
    """Status of SDTE_WRITE."""

    SUCCESS = 0
    INVALID_TDI = 1
    TDI_NOT_BOUND = 2
    RESERVED = 3
    """A bit is set that a guest may not set (`SEV_A25`)."""


# exits to the hypervisor


class TioOperation(OpenEnum):
    """What a guest asks the hypervisor to do with an interface."""

    BIND = 0
    UNBIND = 1
    RUN = 2
    STOP = 3


class EvidenceFlags(WireFlag):
    """RDX of a TDI_INFO request: what the hypervisor is to bring along."""

    STATE = 1 << 0
    CERTIFICATES = 1 << 1
    """`SEV_A26`."""
    MEASUREMENTS = 1 << 2
    """`SEV_A26`."""
    REPORT = 1 << 3

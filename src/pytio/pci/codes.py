"""Every number of configuration space that has a name, once.

Documents: PCIe Base 6.x chapter 7 and the PCI Code and ID Assignment Specification. This file knows no layout.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from pytio.wire import OpenEnum

__all__ = (
    "CONVENTIONAL_BYTES",
    "CXL_VENDOR_ID",
    "EXTENDED_BYTES",
    "FIRST_EXTENDED_OFFSET",
    "HEADER_BYTES",
    "Aspm",
    "CapabilityId",
    "CompletionTimeout",
    "CxlBlockId",
    "CxlDvsecId",
    "CxlTimeScale",
    "DevicePortType",
    "DevselTiming",
    "DpcTriggerEnable",
    "DpcTriggerReason",
    "EaProperty",
    "ExtendedCapabilityId",
    "HeaderLayout",
    "Indicator",
    "LinkSpeed",
    "MemoryType",
    "ObffControl",
    "PowerState",
    "RclinkElementType",
    "StMode",
    "StTableLocation",
)

HEADER_BYTES: Final = 64
"""The header, and all that the kernel shows to a caller without privilege."""
CONVENTIONAL_BYTES: Final = 256
"""Configuration space of conventional PCI."""
EXTENDED_BYTES: Final = 4096
"""Configuration space of PCI Express."""
FIRST_EXTENDED_OFFSET: Final = 0x100
"""Where the list of extended capabilities starts."""
CXL_VENDOR_ID: Final = 0x1E98
"""The vendor of the CXL DVSECs."""


class CapabilityId(OpenEnum):
    """Capabilities below 100h."""

    NULL = 0x00
    POWER_MANAGEMENT = 0x01
    AGP = 0x02
    VPD = 0x03
    SLOT_ID = 0x04
    MSI = 0x05
    COMPACT_PCI_HOT_SWAP = 0x06
    PCI_X = 0x07
    HYPER_TRANSPORT = 0x08
    VENDOR_SPECIFIC = 0x09
    DEBUG_PORT = 0x0A
    COMPACT_PCI_RESOURCE_CONTROL = 0x0B
    HOT_PLUG = 0x0C
    SUBSYSTEM_IDS = 0x0D
    AGP_8X = 0x0E
    SECURE_DEVICE = 0x0F
    PCI_EXPRESS = 0x10
    MSI_X = 0x11
    SATA = 0x12
    ADVANCED_FEATURES = 0x13
    ENHANCED_ALLOCATION = 0x14
    FLATTENING_PORTAL_BRIDGE = 0x15


class ExtendedCapabilityId(OpenEnum):
    """Capabilities from 100h on."""

    NULL = 0x00
    ADVANCED_ERROR_REPORTING = 0x01
    VIRTUAL_CHANNEL = 0x02
    DEVICE_SERIAL_NUMBER = 0x03
    POWER_BUDGETING = 0x04
    RC_LINK_DECLARATION = 0x05
    RC_INTERNAL_LINK_CONTROL = 0x06
    RCEC_ENDPOINT_ASSOCIATION = 0x07
    MULTI_FUNCTION_VIRTUAL_CHANNEL = 0x08
    VIRTUAL_CHANNEL_MFVC = 0x09
    RCRB_HEADER = 0x0A
    VENDOR_SPECIFIC = 0x0B
    CONFIGURATION_ACCESS_CORRELATION = 0x0C
    ACCESS_CONTROL_SERVICES = 0x0D
    ARI = 0x0E
    ATS = 0x0F
    SR_IOV = 0x10
    MR_IOV = 0x11
    MULTICAST = 0x12
    PAGE_REQUEST_INTERFACE = 0x13
    RESERVED_AMD = 0x14
    RESIZABLE_BAR = 0x15
    DYNAMIC_POWER_ALLOCATION = 0x16
    TPH_REQUESTER = 0x17
    LATENCY_TOLERANCE_REPORTING = 0x18
    SECONDARY_PCI_EXPRESS = 0x19
    PROTOCOL_MULTIPLEXING = 0x1A
    PASID = 0x1B
    LN_REQUESTER = 0x1C
    DOWNSTREAM_PORT_CONTAINMENT = 0x1D
    L1_PM_SUBSTATES = 0x1E
    PRECISION_TIME_MEASUREMENT = 0x1F
    PCIE_OVER_M_PHY = 0x20
    FRS_QUEUEING = 0x21
    READINESS_TIME_REPORTING = 0x22
    DESIGNATED_VENDOR_SPECIFIC = 0x23
    VF_RESIZABLE_BAR = 0x24
    DATA_LINK_FEATURE = 0x25
    PHYSICAL_LAYER_16_GT = 0x26
    LANE_MARGINING = 0x27
    HIERARCHY_ID = 0x28
    NATIVE_ENCLOSURE_MANAGEMENT = 0x29
    PHYSICAL_LAYER_32_GT = 0x2A
    ALTERNATE_PROTOCOL = 0x2B
    SYSTEM_FIRMWARE_INTERMEDIARY = 0x2C
    #: Assumption PCIE_A1: no public header gives the number.
    SHADOW_FUNCTIONS = 0x2D
    DATA_OBJECT_EXCHANGE = 0x2E
    DEVICE_3 = 0x2F
    INTEGRITY_DATA_ENCRYPTION = 0x30
    PHYSICAL_LAYER_64_GT = 0x31
    FLIT_LOGGING = 0x32
    FLIT_PERFORMANCE_MEASUREMENT = 0x33
    FLIT_ERROR_INJECTION = 0x34
    STREAMLINED_VIRTUAL_CHANNEL = 0x35
    MMIO_REGISTER_BLOCK_LOCATOR = 0x36
    NOP_FLIT = 0x37
    SCALABLE_IO_VIRTUALIZATION = 0x38
    PHYSICAL_LAYER_128_GT = 0x39
    CAPTURED_DATA = 0x3A


class HeaderLayout(OpenEnum):
    """How bytes 10h to 3Fh are laid out."""

    TYPE_0 = 0
    TYPE_1 = 1
    CARD_BUS = 2


class DevselTiming(OpenEnum):
    """How fast a conventional PCI function answers."""

    FAST = 0
    MEDIUM = 1
    SLOW = 2


class MemoryType(OpenEnum):
    """Where a memory BAR can be."""

    BITS_32 = 0
    BELOW_1M = 1
    BITS_64 = 2


class PowerState(IntEnum):
    """Device power states."""

    D0 = 0
    D1 = 1
    D2 = 2
    D3_HOT = 3


class DevicePortType(OpenEnum):
    """What a PCI Express function is."""

    PCI_EXPRESS_ENDPOINT = 0x0
    LEGACY_ENDPOINT = 0x1
    ROOT_PORT = 0x4
    UPSTREAM_SWITCH_PORT = 0x5
    DOWNSTREAM_SWITCH_PORT = 0x6
    PCI_EXPRESS_TO_PCI_BRIDGE = 0x7
    PCI_TO_PCI_EXPRESS_BRIDGE = 0x8
    ROOT_COMPLEX_INTEGRATED_ENDPOINT = 0x9
    ROOT_COMPLEX_EVENT_COLLECTOR = 0xA


class LinkSpeed(OpenEnum):
    """Data rate per lane, in GT/s."""

    UNKNOWN = 0
    GT_2_5 = 1
    GT_5 = 2
    GT_8 = 3
    GT_16 = 4
    GT_32 = 5
    GT_64 = 6


class Aspm(IntEnum):
    """Which link states active state power management uses."""

    NONE = 0
    L0S = 1
    L1 = 2
    L0S_L1 = 3


class Indicator(IntEnum):
    """What a slot's indicator does."""

    RESERVED = 0
    ON = 1
    BLINK = 2
    OFF = 3


class CompletionTimeout(OpenEnum):
    """After how long a completion is missed."""

    DEFAULT = 0x0
    A_50_US_TO_100_US = 0x1
    A_1_MS_TO_10_MS = 0x2
    B_16_MS_TO_55_MS = 0x5
    B_65_MS_TO_210_MS = 0x6
    C_260_MS_TO_900_MS = 0x9
    C_1_S_TO_3_5_S = 0xA
    D_4_S_TO_13_S = 0xD
    D_17_S_TO_64_S = 0xE


class ObffControl(IntEnum):
    """How optimized buffer flush and fill is signalled."""

    DISABLED = 0
    MESSAGE_A = 1
    MESSAGE_B = 2
    WAKE = 3


class StTableLocation(OpenEnum):
    """Where the steering tags are."""

    NOT_PRESENT = 0
    CAPABILITY = 1
    MSI_X_TABLE = 2


class StMode(OpenEnum):
    """How steering tags are chosen."""

    NO_ST = 0
    INTERRUPT_VECTOR = 1
    DEVICE_SPECIFIC = 2


class DpcTriggerEnable(OpenEnum):
    """Which errors contain a port."""

    DISABLED = 0
    FATAL = 1
    NON_FATAL_OR_FATAL = 2


class DpcTriggerReason(IntEnum):
    """Why a port is contained."""

    UNMASKED_UNCORRECTABLE = 0
    ERR_NONFATAL = 1
    ERR_FATAL = 2
    EXTENSION = 3


class EaProperty(OpenEnum):
    """What an enhanced allocation entry is."""

    MEMORY = 0x00
    PREFETCHABLE_MEMORY = 0x01
    IO = 0x02
    VF_PREFETCHABLE_MEMORY = 0x03
    VF_MEMORY = 0x04
    BRIDGE_MEMORY = 0x05
    BRIDGE_PREFETCHABLE_MEMORY = 0x06
    BRIDGE_IO = 0x07
    RESERVED_MEMORY = 0xFD
    RESERVED_IO = 0xFE
    UNAVAILABLE = 0xFF


class RclinkElementType(OpenEnum):
    """What an element of a root complex is."""

    CONFIGURATION_SPACE = 0
    EGRESS_PORT = 1
    INTERNAL_LINK = 2


class CxlDvsecId(OpenEnum):
    """The DVSECs of CXL."""

    DEVICE = 0x0
    NON_CXL_FUNCTION_MAP = 0x2
    PORT_EXTENSIONS = 0x3
    GPF_PORT = 0x4
    GPF_DEVICE = 0x5
    FLEX_BUS_PORT = 0x7
    REGISTER_LOCATOR = 0x8
    MULTI_LOGICAL_DEVICE = 0x9
    TEST_CAPABILITY = 0xA


class CxlBlockId(OpenEnum):
    """What is in a block of registers."""

    EMPTY = 0x00
    COMPONENT_REGISTERS = 0x01
    BAR_VIRTUALIZATION = 0x02
    DEVICE_REGISTERS = 0x03
    CPMU_REGISTERS = 0x04
    VENDOR_SPECIFIC = 0xFF


class CxlTimeScale(OpenEnum):
    """Units of the times of global persistent flush."""

    US_1 = 0
    US_10 = 1
    US_100 = 2
    MS_1 = 3
    MS_10 = 4
    MS_100 = 5
    S_1 = 6
    S_10 = 7

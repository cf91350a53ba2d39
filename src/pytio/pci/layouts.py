"""Which class lays out a capability: by its id, and where that is not enough, by what the function is.

Document: PCIe Base 6.x chapter 7. This file chooses; the layouts are in `pytio.pci.capabilities`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from struct import Struct
from typing import Final, TypeAlias

import attrs

from pytio.pci.capabilities.access_control import AccessControlServices, AlternativeRoutingId
from pytio.pci.capabilities.address_translation import AddressTranslationServices, PageRequestInterface, Pasid
from pytio.pci.capabilities.advanced_error_reporting import (
    AdvancedErrorReporting,
    AdvancedErrorReportingPrefix,
    AdvancedErrorReportingRoot,
)
from pytio.pci.capabilities.base import Capability, ExtendedCapability, OpaqueCapability, OpaqueExtendedCapability
from pytio.pci.capabilities.containment import DownstreamPortContainment, DownstreamPortContainmentRoot
from pytio.pci.capabilities.conventional import (
    AdvancedFeatures,
    Agp,
    DebugPort,
    Null,
    Pcix,
    PcixBridge,
    Sata,
    SlotId,
    SubsystemIds,
    VendorSpecific,
    VirtioPci,
    Vpd,
)
from pytio.pci.capabilities.cxl import (
    CxlDevice,
    CxlFlexBusPort,
    CxlFunctionMap,
    CxlGpfDevice,
    CxlGpfPort,
    CxlMultiLogicalDevice,
    CxlPortExtensions,
    CxlRegisterLocator,
)
from pytio.pci.capabilities.data_object_exchange import DataObjectExchange
from pytio.pci.capabilities.device_3 import Device3
from pytio.pci.capabilities.enhanced_allocation import EnhancedAllocation, EnhancedAllocationBridge
from pytio.pci.capabilities.flit import FlitErrorInjection, FlitLogging, FlitPerformanceMeasurement
from pytio.pci.capabilities.hints import LnRequester, TphRequester
from pytio.pci.capabilities.ide import IntegrityDataEncryption
from pytio.pci.capabilities.links import (
    DeviceSerialNumber,
    EventCollectorAssociation,
    EventCollectorAssociation1,
    RootComplexLinkDeclaration,
)
from pytio.pci.capabilities.management import (
    FrsQueueing,
    MmioRegisterBlockLocator,
    NativeEnclosureManagement,
    ReadinessTimeReporting,
)
from pytio.pci.capabilities.msi import Msi, Msix
from pytio.pci.capabilities.multicast import Multicast, MulticastPort
from pytio.pci.capabilities.pci_express import (
    PciExpress,
    PciExpressDevice,
    PciExpressLink,
    PciExpressRoot,
    PciExpressSlot,
)
from pytio.pci.capabilities.physical_layer import (
    DataLinkFeature,
    LaneMargining,
    PhysicalLayer16GT,
    PhysicalLayer32GT,
    PhysicalLayer64GT,
    SecondaryPciExpress,
)
from pytio.pci.capabilities.power import (
    DynamicPowerAllocation,
    L1PmSubstates,
    LatencyToleranceReporting,
    PowerBudgeting,
)
from pytio.pci.capabilities.power_management import PowerManagement
from pytio.pci.capabilities.resizable_bar import ResizableBar
from pytio.pci.capabilities.timing import PrecisionTimeMeasurement
from pytio.pci.capabilities.vendor_specific import Dvsec, VendorSpecificExtended
from pytio.pci.capabilities.virtual_channel import VirtualChannel
from pytio.pci.capabilities.virtualization import Sriov
from pytio.pci.codes import (
    CXL_VENDOR_ID,
    CapabilityId,
    CxlDvsecId,
    DevicePortType,
    ExtendedCapabilityId,
    HeaderLayout,
)

__all__ = (
    "_EXTENDED_CHOOSERS",
    "PLAIN_EXTENDED",
    "AnyCapability",
    "Facts",
    "capability_layout",
    "extended_layout",
    "own_size",
)

AnyCapability: TypeAlias = Capability | ExtendedCapability
"""A capability of either list."""


@attrs.frozen
class Facts:
    """What the layout of a capability depends on, beside its own bytes."""

    vendor_id: int = 0
    device_id: int = 0
    header_layout: int = HeaderLayout.TYPE_0
    port_type: int = -1
    """Of the PCI Express capability; -1 where there is none."""
    lanes: int = 0
    """The maximum link width, which says how much there is for each lane."""


_U16: Final = Struct("<H").unpack_from
_U32: Final = Struct("<I").unpack_from
_VIRTIO_VENDOR_ID: Final = 0x1AF4
_VIRTIO_DEVICE_IDS: Final = range(0x1000, 0x1080)
_VIRTIO_BYTES: Final = 16
_PORT_TYPE_SHIFT: Final = 4
_NIBBLE: Final = 0xF
_SLOT_IMPLEMENTED: Final = 1 << 8
_PREFIX_LOG_PRESENT: Final = 1 << 11
_RP_EXTENSIONS: Final = 1 << 5
_EXTENDED_VERSION_SHIFT: Final = 16
_DVSEC_LENGTH_SHIFT: Final = 20
_RESIZABLE_BARS_SHIFT: Final = 5
_THREE_BITS: Final = 7
_INTEGRATED: Final = frozenset(
    {DevicePortType.ROOT_COMPLEX_INTEGRATED_ENDPOINT, DevicePortType.ROOT_COMPLEX_EVENT_COLLECTOR}
)
_ROOT: Final = frozenset({DevicePortType.ROOT_PORT, DevicePortType.ROOT_COMPLEX_EVENT_COLLECTOR})
_ENDPOINTS: Final = frozenset({DevicePortType.PCI_EXPRESS_ENDPOINT, DevicePortType.ROOT_COMPLEX_INTEGRATED_ENDPOINT})

_CXL: Final[Mapping[int, tuple[type[ExtendedCapability], int, int]]] = {
    CxlDvsecId.DEVICE: (CxlDevice, 1, 0x38),
    CxlDvsecId.NON_CXL_FUNCTION_MAP: (CxlFunctionMap, 0, 0x2C),
    CxlDvsecId.PORT_EXTENSIONS: (CxlPortExtensions, 0, 0x28),
    CxlDvsecId.GPF_PORT: (CxlGpfPort, 0, 0x10),
    CxlDvsecId.GPF_DEVICE: (CxlGpfDevice, 0, 0x10),
    CxlDvsecId.FLEX_BUS_PORT: (CxlFlexBusPort, 0, 0x10),
    CxlDvsecId.REGISTER_LOCATOR: (CxlRegisterLocator, 0, 0x0C),
    CxlDvsecId.MULTI_LOGICAL_DEVICE: (CxlMultiLogicalDevice, 0, 0x10),
}
"""The DVSECs of CXL: the class, the first revision and the fewest bytes with that layout."""


def _pci_express(data: bytes, at: int, _facts: Facts) -> type[PciExpressDevice]:
    """Version 2 has all registers; version 1 ends where the function has no more use for them."""
    (flags,) = _U16(data, at + 2)
    if flags & _NIBBLE >= 2:  # noqa: PLR2004  the version
        return PciExpress
    port_type = flags >> _PORT_TYPE_SHIFT & _NIBBLE
    if port_type in _ROOT:
        return PciExpressRoot
    if flags & _SLOT_IMPLEMENTED:
        return PciExpressSlot
    return PciExpressDevice if port_type in _INTEGRATED else PciExpressLink


def _vendor_specific(data: bytes, at: int, facts: Facts) -> type[Capability]:
    is_virtio = facts.vendor_id == _VIRTIO_VENDOR_ID and facts.device_id in _VIRTIO_DEVICE_IDS
    return VirtioPci if is_virtio and data[at + 2] >= _VIRTIO_BYTES else VendorSpecific


def _pci_x(_data: bytes, _at: int, facts: Facts) -> type[Capability]:
    return PcixBridge if facts.header_layout == HeaderLayout.TYPE_1 else Pcix


def _enhanced_allocation(_data: bytes, _at: int, facts: Facts) -> type[Capability]:
    return EnhancedAllocationBridge if facts.header_layout == HeaderLayout.TYPE_1 else EnhancedAllocation


def _error_reporting(data: bytes, at: int, facts: Facts) -> type[AdvancedErrorReporting]:
    if _U32(data, at + 0x18)[0] & _PREFIX_LOG_PRESENT:
        return AdvancedErrorReportingPrefix
    return AdvancedErrorReportingRoot if facts.port_type in _ROOT else AdvancedErrorReporting


def _containment(data: bytes, at: int, _facts: Facts) -> type[DownstreamPortContainment]:
    has_extensions = _U16(data, at + 4)[0] & _RP_EXTENSIONS
    return DownstreamPortContainmentRoot if has_extensions else DownstreamPortContainment


def _multicast(_data: bytes, _at: int, facts: Facts) -> type[Multicast]:
    return Multicast if facts.port_type in _ENDPOINTS else MulticastPort


def _event_collector(data: bytes, at: int, _facts: Facts) -> type[EventCollectorAssociation1]:
    version = _U32(data, at)[0] >> _EXTENDED_VERSION_SHIFT & _NIBBLE
    return EventCollectorAssociation if version > 1 else EventCollectorAssociation1


def _dvsec(data: bytes, at: int, _facts: Facts) -> type[ExtendedCapability]:
    (header,) = _U32(data, at + 4)
    (dvsec_id,) = _U16(data, at + 8)
    if header & 0xFFFF != CXL_VENDOR_ID:
        return Dvsec
    revision, length = header >> _EXTENDED_VERSION_SHIFT & _NIBBLE, header >> _DVSEC_LENGTH_SHIFT
    cls, first_revision, shortest = _CXL.get(dvsec_id, (Dvsec, 0, 0))
    return cls if revision >= first_revision and length >= shortest else Dvsec


_Chooser: TypeAlias = Callable[[bytes, int, Facts], type[AnyCapability]]

_CLASSES: Final[Mapping[int, type[Capability]]] = {
    CapabilityId.NULL: Null,
    CapabilityId.POWER_MANAGEMENT: PowerManagement,
    CapabilityId.AGP: Agp,
    CapabilityId.VPD: Vpd,
    CapabilityId.SLOT_ID: SlotId,
    CapabilityId.MSI: Msi,
    CapabilityId.DEBUG_PORT: DebugPort,
    CapabilityId.SUBSYSTEM_IDS: SubsystemIds,
    CapabilityId.MSI_X: Msix,
    CapabilityId.SATA: Sata,
    CapabilityId.ADVANCED_FEATURES: AdvancedFeatures,
}
_CHOOSERS: Final[Mapping[int, _Chooser]] = {
    CapabilityId.PCI_EXPRESS: _pci_express,
    CapabilityId.VENDOR_SPECIFIC: _vendor_specific,
    CapabilityId.PCI_X: _pci_x,
    CapabilityId.ENHANCED_ALLOCATION: _enhanced_allocation,
}
_EXTENDED_CLASSES: Final[Mapping[int, type[ExtendedCapability]]] = {
    ExtendedCapabilityId.VIRTUAL_CHANNEL: VirtualChannel,
    ExtendedCapabilityId.DEVICE_SERIAL_NUMBER: DeviceSerialNumber,
    ExtendedCapabilityId.POWER_BUDGETING: PowerBudgeting,
    ExtendedCapabilityId.RC_LINK_DECLARATION: RootComplexLinkDeclaration,
    ExtendedCapabilityId.MULTI_FUNCTION_VIRTUAL_CHANNEL: VirtualChannel,
    ExtendedCapabilityId.VIRTUAL_CHANNEL_MFVC: VirtualChannel,
    ExtendedCapabilityId.VENDOR_SPECIFIC: VendorSpecificExtended,
    ExtendedCapabilityId.ACCESS_CONTROL_SERVICES: AccessControlServices,
    ExtendedCapabilityId.ARI: AlternativeRoutingId,
    ExtendedCapabilityId.ATS: AddressTranslationServices,
    ExtendedCapabilityId.SR_IOV: Sriov,
    ExtendedCapabilityId.PAGE_REQUEST_INTERFACE: PageRequestInterface,
    ExtendedCapabilityId.RESIZABLE_BAR: ResizableBar,
    ExtendedCapabilityId.DYNAMIC_POWER_ALLOCATION: DynamicPowerAllocation,
    ExtendedCapabilityId.TPH_REQUESTER: TphRequester,
    ExtendedCapabilityId.LATENCY_TOLERANCE_REPORTING: LatencyToleranceReporting,
    ExtendedCapabilityId.SECONDARY_PCI_EXPRESS: SecondaryPciExpress,
    ExtendedCapabilityId.PASID: Pasid,
    ExtendedCapabilityId.LN_REQUESTER: LnRequester,
    ExtendedCapabilityId.L1_PM_SUBSTATES: L1PmSubstates,
    ExtendedCapabilityId.PRECISION_TIME_MEASUREMENT: PrecisionTimeMeasurement,
    ExtendedCapabilityId.FRS_QUEUEING: FrsQueueing,
    ExtendedCapabilityId.READINESS_TIME_REPORTING: ReadinessTimeReporting,
    ExtendedCapabilityId.VF_RESIZABLE_BAR: ResizableBar,
    ExtendedCapabilityId.DATA_LINK_FEATURE: DataLinkFeature,
    ExtendedCapabilityId.PHYSICAL_LAYER_16_GT: PhysicalLayer16GT,
    ExtendedCapabilityId.LANE_MARGINING: LaneMargining,
    ExtendedCapabilityId.NATIVE_ENCLOSURE_MANAGEMENT: NativeEnclosureManagement,
    ExtendedCapabilityId.PHYSICAL_LAYER_32_GT: PhysicalLayer32GT,
    ExtendedCapabilityId.DATA_OBJECT_EXCHANGE: DataObjectExchange,
    ExtendedCapabilityId.DEVICE_3: Device3,
    ExtendedCapabilityId.INTEGRITY_DATA_ENCRYPTION: IntegrityDataEncryption,
    ExtendedCapabilityId.PHYSICAL_LAYER_64_GT: PhysicalLayer64GT,
    ExtendedCapabilityId.FLIT_LOGGING: FlitLogging,
    ExtendedCapabilityId.FLIT_PERFORMANCE_MEASUREMENT: FlitPerformanceMeasurement,
    ExtendedCapabilityId.FLIT_ERROR_INJECTION: FlitErrorInjection,
    ExtendedCapabilityId.MMIO_REGISTER_BLOCK_LOCATOR: MmioRegisterBlockLocator,
}
_EXTENDED_CHOOSERS: Final[Mapping[int, _Chooser]] = {
    ExtendedCapabilityId.ADVANCED_ERROR_REPORTING: _error_reporting,
    ExtendedCapabilityId.RCEC_ENDPOINT_ASSOCIATION: _event_collector,
    ExtendedCapabilityId.MULTICAST: _multicast,
    ExtendedCapabilityId.DOWNSTREAM_PORT_CONTAINMENT: _containment,
    ExtendedCapabilityId.DESIGNATED_VENDOR_SPECIFIC: _dvsec,
}
"""Extended capabilities that look different on different functions, or by their own bits: what chooses, by id."""

_BY_LANE: Final[Mapping[type[AnyCapability], tuple[int, int]]] = {
    SecondaryPciExpress: (12, 2),
    PhysicalLayer16GT: (32, 1),
    PhysicalLayer32GT: (32, 1),
    PhysicalLayer64GT: (16, 1),
    LaneMargining: (8, 4),
}
"""Bytes of the registers for the link, and of those for each lane."""


PLAIN_EXTENDED: Final[Mapping[int, type[ExtendedCapability]]] = {
    number: layout
    for number, layout in _EXTENDED_CLASSES.items()
    if layout not in {ResizableBar, FlitLogging, FlitPerformanceMeasurement, *_BY_LANE}
}
"""Extended capabilities that say by themselves how they are laid out and how long they are, by id."""


def capability_layout(capability_id: int, data: bytes, at: int, facts: Facts) -> type[AnyCapability]:
    """Return the class of the capability at ``at``; `OpaqueCapability` where there is none.

    Raises:
        struct.error: the bytes end before what the layout depends on.
    """
    chooser = _CHOOSERS.get(capability_id)
    if chooser is not None:
        return chooser(data, at, facts)
    return _CLASSES.get(capability_id, OpaqueCapability)


def extended_layout(capability_id: int, data: bytes, at: int, facts: Facts) -> type[AnyCapability]:
    """Return the class of the extended capability at ``at``; `OpaqueExtendedCapability` where there is none.

    Raises:
        struct.error: the bytes end before what the layout depends on.
    """
    chooser = _EXTENDED_CHOOSERS.get(capability_id)
    if chooser is not None:
        return chooser(data, at, facts)
    return _EXTENDED_CLASSES.get(capability_id, OpaqueExtendedCapability)


def own_size(cls: type[AnyCapability], data: bytes, at: int, facts: Facts) -> int | None:
    """Return how many bytes a capability takes whose layout runs to the end, None where nothing says so.

    Raises:
        struct.error: the bytes end before what says so.
    """
    if cls is ResizableBar:
        count: int = _U32(data, at + 8)[0] >> _RESIZABLE_BARS_SHIFT & _THREE_BITS
        return 4 + 8 * max(count, 1)
    by_lane = _BY_LANE.get(cls)
    return None if by_lane is None else by_lane[0] + by_lane[1] * facts.lanes

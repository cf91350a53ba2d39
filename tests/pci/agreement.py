"""A generated corpus for agreement with lspci: every bit of every field toggled, and random patterns.

Every function holds many capabilities, and function k has bit k of each of them toggled, so that a few thousand
functions hold every bit in every kind of port. Bits that only say how long a structure is, or that make lspci read
beyond its own tables, stay as they are: `KEPT` lists them with the reason.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Any

from pytio.ids import Bdf
from pytio.pci.capabilities.access_control import AccessControlServices, AlternativeRoutingId
from pytio.pci.capabilities.address_translation import AddressTranslationServices, PageRequestInterface, Pasid
from pytio.pci.capabilities.advanced_error_reporting import AdvancedErrorReportingPrefix
from pytio.pci.capabilities.base import Capability, ExtendedCapability
from pytio.pci.capabilities.containment import DownstreamPortContainmentRoot
from pytio.pci.capabilities.conventional import (
    AdvancedFeatures,
    Agp,
    DebugPort,
    PcixBridge,
    Sata,
    SlotId,
    SubsystemIds,
    VendorSpecific,
    VirtioPci,
)
from pytio.pci.capabilities.cxl import (
    CxlDevice,
    CxlFlexBusPort,
    CxlFunctionMap,
    CxlGpfDevice,
    CxlGpfPort,
    CxlMultiLogicalDevice,
    CxlPortExtensions,
    CxlRegisterBlock,
    CxlRegisterLocator,
    FlexBusCapability2,
    FlexBusControl2,
    FlexBusModifiedTsData,
    FlexBusStatus2,
)
from pytio.pci.capabilities.data_object_exchange import DataObjectExchange
from pytio.pci.capabilities.enhanced_allocation import EaEntry, EnhancedAllocation, EnhancedAllocationBridge
from pytio.pci.capabilities.hints import TphRequester
from pytio.pci.capabilities.links import (
    DeviceSerialNumber,
    EventCollectorAssociation,
    RclinkEntry,
    RootComplexLinkDeclaration,
)
from pytio.pci.capabilities.msi import Msi, Msix
from pytio.pci.capabilities.multicast import MulticastPort
from pytio.pci.capabilities.pci_express import PciExpress
from pytio.pci.capabilities.physical_layer import SecondaryPciExpress
from pytio.pci.capabilities.power import L1PmSubstates, LatencyToleranceReporting
from pytio.pci.capabilities.power_management import PowerManagement
from pytio.pci.capabilities.resizable_bar import ResizableBar, ResizableBarControl, ResizableBarEntry
from pytio.pci.capabilities.timing import PrecisionTimeMeasurement
from pytio.pci.capabilities.vendor_specific import VendorSpecificExtended
from pytio.pci.capabilities.virtual_channel import VcResource, VirtualChannel
from pytio.pci.capabilities.virtualization import Sriov
from pytio.pci.codes import CapabilityId, DevicePortType, ExtendedCapabilityId
from pytio.pci.header import Type0Header, Type1Header
from pytio.pci.lspci import DumpedFunction
from tests.pci.corpus import BRIDGE, ENDPOINT, Placed, placed, space

C, X = CapabilityId, ExtendedCapabilityId
Kept = dict[type, int]
DVSEC = X.DESIGNATED_VENDOR_SPECIFIC
TWO_BARS = (
    ResizableBarEntry(control=ResizableBarControl(number_of_resizable_bars=2)),
    ResizableBarEntry(control=ResizableBarControl(bar_index=1)),
)
ENTRIES = (EaEntry(entry_size_dw=4, resource=(0, 0, 0, 0)), EaEntry(entry_size_dw=4, resource=(2, 2, 5, 7)))


def _cxl(dvsec_id: int, length: int, revision: int = 1) -> dict[str, Any]:
    return {
        "dvsec_vendor_id": 0x1E98,
        "dvsec_id": dvsec_id,
        "dvsec_length": length,
        "dvsec_revision": revision,
    }


CONVENTIONAL: tuple[tuple[Capability, ...], ...] = (
    (
        PowerManagement(capability_id=C.POWER_MANAGEMENT),
        Msi(
            capability_id=C.MSI,
            is_64_bit=True,
            per_vector_masking_capable=True,
            message_upper_address=0,
            extended_message_data=0,
            mask_bits=0,
            pending_bits=0,
        ),
        Msix(capability_id=C.MSI_X),
        SlotId(capability_id=C.SLOT_ID),
        DebugPort(capability_id=C.DEBUG_PORT),
        AdvancedFeatures(capability_id=C.ADVANCED_FEATURES, length=6),
        Sata(capability_id=C.SATA),
        VendorSpecific(capability_id=C.VENDOR_SPECIFIC, body=bytes(5)),
        Agp(capability_id=C.AGP),
    ),
    (
        PcixBridge(capability_id=C.PCI_X),  # 16 bytes, whatever the function is
        Msi(
            capability_id=C.MSI,
            per_vector_masking_capable=True,
            extended_message_data=0,
            mask_bits=0,
            pending_bits=0,
        ),
    ),
)
EXTENDED: tuple[ExtendedCapability, ...] = (
    AdvancedErrorReportingPrefix(capability_id=X.ADVANCED_ERROR_REPORTING, capability_version=2),
    VirtualChannel(capability_id=X.VIRTUAL_CHANNEL, extended_vc_count=1, resources=(VcResource(), VcResource())),
    DeviceSerialNumber(capability_id=X.DEVICE_SERIAL_NUMBER),
    RootComplexLinkDeclaration(
        capability_id=X.RC_LINK_DECLARATION, number_of_link_entries=2, links=(RclinkEntry(), RclinkEntry())
    ),
    EventCollectorAssociation(capability_id=X.RCEC_ENDPOINT_ASSOCIATION, capability_version=2),
    VendorSpecificExtended(capability_id=X.VENDOR_SPECIFIC, vsec_length=12, body=bytes(4)),
    AccessControlServices(capability_id=X.ACCESS_CONTROL_SERVICES),
    AlternativeRoutingId(capability_id=X.ARI),
    AddressTranslationServices(capability_id=X.ATS),
    Sriov(capability_id=X.SR_IOV),
    MulticastPort(capability_id=X.MULTICAST),
    PageRequestInterface(capability_id=X.PAGE_REQUEST_INTERFACE),
    ResizableBar(capability_id=X.RESIZABLE_BAR, bars=TWO_BARS),
    TphRequester(capability_id=X.TPH_REQUESTER),
    LatencyToleranceReporting(capability_id=X.LATENCY_TOLERANCE_REPORTING),
    SecondaryPciExpress(capability_id=X.SECONDARY_PCI_EXPRESS),
    Pasid(capability_id=X.PASID),
    DownstreamPortContainmentRoot(capability_id=X.DOWNSTREAM_PORT_CONTAINMENT),
    L1PmSubstates(capability_id=X.L1_PM_SUBSTATES),
    PrecisionTimeMeasurement(capability_id=X.PRECISION_TIME_MEASUREMENT),
    DataObjectExchange(capability_id=X.DATA_OBJECT_EXCHANGE, capability_version=1),
    ResizableBar(capability_id=X.VF_RESIZABLE_BAR, bars=TWO_BARS),
    CxlDevice(capability_id=DVSEC, **_cxl(0, 0x38)),
    CxlFunctionMap(capability_id=DVSEC, **_cxl(2, 0x2C)),
    CxlPortExtensions(capability_id=DVSEC, **_cxl(3, 0x28)),
    CxlGpfPort(capability_id=DVSEC, **_cxl(4, 0x10)),
    CxlGpfDevice(capability_id=DVSEC, **_cxl(5, 0x10)),
    CxlFlexBusPort(
        capability_id=DVSEC,
        modified_ts_data=FlexBusModifiedTsData(),
        capability_2=FlexBusCapability2(),
        control_2=FlexBusControl2(),
        status_2=FlexBusStatus2(),
        **_cxl(7, 0x20, revision=2),
    ),
    CxlRegisterLocator(
        capability_id=DVSEC, blocks=(CxlRegisterBlock(), CxlRegisterBlock(offset_64k=3)), **_cxl(8, 0x1C)
    ),
    CxlMultiLogicalDevice(capability_id=DVSEC, **_cxl(9, 0x10)),
)


_CXL_KINDS = [8 * at + low for at in (0x1C, 0x2C) for low in (2, 5)]
_THREE = 3


def _bits(offset: int, low: int, width: int) -> int:
    return ((1 << width) - 1) << (8 * offset + low)


KEPT: Kept = {
    Capability: _bits(0, 0, 16),  # the list itself
    ExtendedCapability: _bits(0, 0, 16) | _bits(0, 20, 12),
    PciExpress: _bits(2, 4, 4),  # the kind of port: each has its own corpus
    VendorSpecific: _bits(2, 0, 8),  # lengths
    VendorSpecificExtended: _bits(4, 20, 12),
    RootComplexLinkDeclaration: _bits(4, 10, 6),  # more links than there is room for
    TphRequester: _bits(4, 24, 3),  # a table longer than configuration space
    EventCollectorAssociation: _bits(0, 16, 4),  # version 1 has no bus numbers
    **{
        cls: _bits(4, 20, 12) | _bits(8, 0, 16)  # length and id: another layout
        for cls in (
            CxlFunctionMap,
            CxlPortExtensions,
            CxlGpfPort,
            CxlGpfDevice,
            CxlRegisterLocator,
            CxlMultiLogicalDevice,
        )
    },
    # lspci reads beyond its tables of media types, classes and interleaves
    CxlDevice: _bits(4, 16, 16)
    | _bits(8, 0, 16)
    | sum(_bits(at, 4, 1) | _bits(at, 7, 1) | _bits(at, 11, 2) for at in (0x1C, 0x2C)),
    CxlFlexBusPort: _bits(4, 16, 16) | _bits(8, 0, 16),
    EnhancedAllocation: _bits(2, 0, 6) | _bits(4, 0, 3) | _bits(24, 0, 3) | _bits(8, 1, 1) | _bits(28, 1, 1),
    EnhancedAllocationBridge: _bits(2, 0, 6) | _bits(8, 0, 3) | _bits(28, 0, 3) | _bits(12, 1, 1) | _bits(32, 1, 1),
    VirtioPci: _bits(2, 0, 8),
}


COUNTS: Kept = {
    PciExpress: _bits(2, 0, 4) | _bits(0x0C, 4, 6),
    VirtualChannel: _bits(4, 0, 3),
    RootComplexLinkDeclaration: _bits(4, 8, 8),
    TphRequester: _bits(4, 9, 18),
    ResizableBar: _bits(8, 5, 3),
    AccessControlServices: _bits(4, 5, 1),
    AdvancedErrorReportingPrefix: _bits(0x18, 11, 1),
    CxlDevice: _bits(4, 0, 16),
    CxlFlexBusPort: _bits(4, 0, 16),
}
"""How many there are of something: with these as they are, structures have their usual size and do not overlap."""


def _kept(structure: Capability | ExtendedCapability) -> int:
    base = ExtendedCapability if isinstance(structure, ExtendedCapability) else Capability
    return KEPT[base] | KEPT.get(type(structure), 0)


def _changed(structure: Capability | ExtendedCapability, change: int) -> Placed:
    raw = structure.build()
    mask = change & ~_kept(structure) & (1 << 8 * len(raw)) - 1
    number = int.from_bytes(raw, "little") ^ mask
    if isinstance(structure, CxlDevice):
        for low in _CXL_KINDS:
            if number >> low & _THREE == _THREE:  # the fourth of lspci's three names
                number &= ~(1 << low)
    return Placed(number.to_bytes(len(raw), "little"), isinstance(structure, ExtendedCapability))


def _functions(
    header: Type0Header | Type1Header, structures: Sequence[Capability | ExtendedCapability], seed: int, patterns: int
) -> Iterator[bytes]:
    """Yield spaces with each bit toggled in all structures at once, then random patterns."""
    size = max(len(structure.build()) for structure in structures)
    for bit in range(8 * size):
        yield space(header, [_changed(structure, 1 << bit) for structure in structures])
    yield from _random(header, structures, seed, patterns, {})


def _random(
    header: Type0Header | Type1Header,
    structures: Sequence[Capability | ExtendedCapability],
    seed: int,
    patterns: int,
    kept: Kept,
) -> Iterator[bytes]:
    rng = random.Random(seed)
    size = max(len(structure.build()) for structure in structures)
    for _ in range(patterns):
        changes = [rng.getrandbits(8 * size) & ~kept.get(type(structure), 0) for structure in structures]
        yield space(header, list(map(_changed, structures, changes)))


def _express(kind: int, version: int = 2) -> PciExpress:
    return PciExpress(
        capability_id=C.PCI_EXPRESS,
        version=version,
        device_port_type=DevicePortType(kind),
    )


def _headers() -> Iterator[bytes]:
    """Yield every bit of both headers but those that choose the layout and lead to capabilities."""
    for header, keep in ((ENDPOINT, {0x06, 0x0E, 0x34}), (BRIDGE, {0x06, 0x0E, 0x34})):
        for command in (0x0000, 0x0007):
            plain = bytearray(space(header, [placed(PowerManagement(capability_id=C.POWER_MANAGEMENT))], 256))
            plain[4:6] = command.to_bytes(2, "little")
            for bit in range(8 * 64):
                changed = bytearray(plain)
                changed[bit // 8] ^= 1 << bit % 8
                if bit // 8 not in keep or (bit // 8 == 0x06 and bit % 8 != 4):
                    yield bytes(changed)


def crowd(count: int) -> Iterator[DumpedFunction]:
    """Yield many functions with all capabilities at once and a pattern of their own in every register but counts."""
    kinds: list[tuple[Type0Header | Type1Header, int]] = [(ENDPOINT, 0), (BRIDGE, 4)]
    each = -(-count // len(kinds))
    spaces = (
        data
        for header, kind in kinds
        for data in _random(header, [_express(kind), *CONVENTIONAL[0], *EXTENDED], kind, each, COUNTS)
    )
    for number, data in zip(range(count), spaces, strict=False):
        yield DumpedFunction(Bdf(segment=number >> 8, bus=number & 0xFF), data)


def corpus() -> Iterator[DumpedFunction]:
    """Yield the functions, each at an address of its own; some of them are not function 0."""
    spaces = [*_headers()]
    for kind in (*DevicePortType, 0x2, 0xF):
        header = BRIDGE if kind in {4, 5, 6, 7, 8} else ENDPOINT
        few = [structure for structure in EXTENDED if type(structure) in {AdvancedErrorReportingPrefix, MulticastPort}]
        spaces += _functions(header, [_express(kind), *few], kind, 40)
    for index, conventional in enumerate(CONVENTIONAL):
        for kind in (0, 4):
            header = BRIDGE if kind == 4 else ENDPOINT
            spaces += _functions(header, [_express(kind), *conventional, *EXTENDED], 100 + index, 60)
    allocations = (
        (ENDPOINT, EnhancedAllocation(capability_id=C.ENHANCED_ALLOCATION, number_of_entries=2, entries=ENTRIES)),
        (BRIDGE, EnhancedAllocationBridge(capability_id=C.ENHANCED_ALLOCATION, number_of_entries=2, entries=ENTRIES)),
    )
    for header, allocation in allocations:
        spaces += _functions(header, [allocation], 200, 40)
    virtio = ENDPOINT.replace(vendor_id=0x1AF4, device_id=0x1041)
    for kind_of_structure, length in ((2, 20), (1, 16)):
        multiplier = 0 if length == 20 else None
        structure = VirtioPci(
            capability_id=C.VENDOR_SPECIFIC,
            length=length,
            configuration_type=kind_of_structure,
            notify_off_multiplier=multiplier,
        )
        spaces += _functions(virtio, [structure], 300, 20)
    spaces += _functions(BRIDGE, [SubsystemIds(capability_id=C.SUBSYSTEM_IDS)], 400, 10)
    for number, data in enumerate(spaces):
        address = Bdf(segment=number >> 8, bus=number & 0xFF, device=int(number % 3 == 2))
        yield DumpedFunction(address, data)

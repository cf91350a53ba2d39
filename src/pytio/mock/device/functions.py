"""One function of a device, physical or virtual: its configuration space, where its memory is, and what is behind it.

Documents: PCIe Base 6.x chapters 7 and 9. What may be reached in which state of TDISP is not known here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import attrs

from pytio.ids import Bdf
from pytio.mock.device.config import BarConfig, CapabilityConfig, DeviceConfig, MsiXConfig
from pytio.mock.device.regions import MsiXRegion, Region
from pytio.mock.device.sr_iov import SrIov
from pytio.mock.function import BarKind, MockFunction
from pytio.pci.capabilities.msi import Msix, MsixTableRegister
from pytio.pci.capabilities.power_management import PmCapabilities, PmControlStatus, PowerManagement
from pytio.pci.codes import CapabilityId, ExtendedCapabilityId, PowerState
from pytio.tdisp import MmioAttributes

__all__ = ("DeviceFunction", "Window", "make_physical", "make_virtual")

_COMMAND: Final = 0x04
_BAR0: Final = 0x10
_ROM_BAR: Final = 0x30
_MEMORY_SPACE_ENABLE: Final = 1 << 1
_BUS_MASTER_ENABLE: Final = 1 << 2
_BAR_FLAGS: Final = 0xF
_MSI_X_CONTROL: Final = 2
_MSI_X_ENABLE: Final = 1 << 15
_MSI_X_FUNCTION_MASK: Final = 1 << 14
_HEADER_BYTES: Final = 2
_QWORD: Final = 8
_PM_VERSION: Final = 3
_ARI_BYTES: Final = 4
_NO_IDS: Final = 0xFFFF
"""What the ids of a virtual function read."""


@attrs.frozen
class Window:
    """Memory of a function, where it is now."""

    function: DeviceFunction
    bar: BarConfig
    base: int

    def holds(self, address: int, size: int) -> bool:
        """Say whether all bytes of an access are in it."""
        return self.base <= address and address + size <= self.base + self.bar.size_bytes

    def overlaps(self, other: Window) -> bool:
        """Say whether two windows have addresses in common."""
        return self.base < other.base + other.bar.size_bytes and other.base < self.base + self.bar.size_bytes


@attrs.define(eq=False)
class DeviceFunction:
    """A function.

    Attributes:
        bdf: its address.
        space: its registers.
        bars: what it has of memory.
        msi_x: where its MSI-X table is; None without MSI-X.
        sr_iov: of the physical function; None for a device without virtual functions.
        number: 0 for the physical function, from 1 on for a virtual one.
        regions: what is behind its BARs, by their number.
        is_present: whether it answers on the bus.
    """

    bdf: Bdf
    space: MockFunction
    bars: Sequence[BarConfig]
    msi_x: MsiXConfig | None
    sr_iov: SrIov | None = None
    number: int = 0
    regions: dict[int, Region] = attrs.field(factory=dict)
    is_present: bool = True

    @property
    def is_virtual(self) -> bool:
        """Whether it is a virtual function."""
        return self.number > 0

    @property
    def is_memory_enabled(self) -> bool:
        """Whether it answers memory requests; for a virtual function the SR-IOV capability says so."""
        if self.is_virtual:
            return self.is_present and self.sr_iov is not None and self.sr_iov.is_memory_enabled
        return bool(self._command & _MEMORY_SPACE_ENABLE)

    @property
    def is_bus_master(self) -> bool:
        """Whether it may send memory requests."""
        return self.is_present and bool(self._command & _BUS_MASTER_ENABLE)

    @property
    def rom_address(self) -> int | None:
        """Where the expansion ROM is; None where there is none, or it is not enabled."""
        register = self.space.space.peek(_ROM_BAR)
        return register & ~0x7FF if register & 1 else None

    @property
    def msi_x_control(self) -> int:
        """Message Control of MSI-X; 0 without."""
        at = self.offset_of(CapabilityId.MSI_X, is_extended=False)
        return self.space.space.peek(at + _MSI_X_CONTROL, 2) if at else 0

    @property
    def is_msi_x_enabled(self) -> bool:
        """Whether MSI-X is enabled."""
        return bool(self.msi_x_control & _MSI_X_ENABLE)

    @property
    def is_msi_x_open(self) -> bool:
        """Whether MSI-X is enabled, and the function not masked."""
        return self.msi_x_control & (_MSI_X_ENABLE | _MSI_X_FUNCTION_MASK) == _MSI_X_ENABLE

    @property
    def msi_x_region(self) -> MsiXRegion | None:
        """The MSI-X table; None without MSI-X."""
        found = self.regions.get(self.msi_x.bar) if self.msi_x else None
        return found if isinstance(found, MsiXRegion) else None

    def offset_of(self, capability_id: int, *, is_extended: bool) -> int:
        """Return where a capability is; 0 if there is none."""
        wanted = (capability_id, is_extended)
        placed = self.space.capabilities
        return next((one.offset for one in placed if (one.capability_id, one.is_extended) == wanted), 0)

    def base(self, bar: BarConfig) -> int:
        """Return where a BAR is now, whether memory requests are answered or not."""
        if self.is_virtual and self.sr_iov is not None:
            return self.sr_iov.base(bar, self.number)
        width = 8 if bar.kind.is_64_bit else 4
        return self.space.space.peek(_BAR0 + 4 * bar.index, width) & ~_BAR_FLAGS

    def windows(self) -> Iterator[Window]:
        """Yield its memory; BARs of I/O space are not used."""
        for bar in self.bars:
            if bar.kind is not BarKind.IO:
                yield Window(self, bar, self.base(bar))

    def attribute_at(self, bar: BarConfig, offset: int) -> MmioAttributes:
        """Return whether an offset in a BAR is in the pages of the MSI-X table or the pending bits; else nothing."""
        if self.msi_x is not None and self.msi_x.bar == bar.index:
            for start, size, attribute in self.msi_x.places:
                if start <= offset < start + size:
                    return attribute
        return MmioAttributes(0)

    def scrub(self) -> None:
        """Let every region forget what a TVM left."""
        for region in self.regions.values():
            region.scrub()

    @property
    def _command(self) -> int:
        return self.space.space.peek(_COMMAND, 2)


def make_physical(config: DeviceConfig, bdf: Bdf) -> DeviceFunction:
    """Return the physical function with what every device has; SR-IOV, DOE and IDE are added by who knows them."""
    function = MockFunction(
        config.vendor_id,
        config.device_id,
        class_code=config.class_code,
        bars=tuple(bar.register for bar in config.bars),
        tee_io=config.tee_io,
    )
    if config.rom_bytes:
        function.add_rom(config.rom_bytes)
    _add_power_management(function, no_soft_reset=config.no_soft_reset)
    _add_msi_x(function, config.msi_x)
    if config.virtual_functions is not None:
        function.add_extended_capability(ExtendedCapabilityId.ARI, bytes(_ARI_BYTES))
    for capability in config.capabilities:
        _add(function, capability)
    return DeviceFunction(bdf, function, config.bars, config.msi_x)


def make_virtual(config: DeviceConfig, parent: DeviceFunction, number: int) -> DeviceFunction:
    """Return virtual function ``number``, from 1 on, which nobody has enabled yet."""
    virtual = config.virtual_functions
    assert virtual is not None
    function = MockFunction(_NO_IDS, _NO_IDS, class_code=config.class_code, tee_io=config.tee_io)
    function.restrict_to_virtual()
    function.space.is_present = False
    _add_msi_x(function, virtual.msi_x)
    function.add_extended_capability(ExtendedCapabilityId.ARI, bytes(_ARI_BYTES))
    requester_id = parent.bdf.requester_id + virtual.first_offset + (number - 1) * virtual.stride
    bdf = Bdf.from_requester_id(requester_id & _NO_IDS, parent.bdf.segment)
    return DeviceFunction(
        bdf, function, virtual.bars, virtual.msi_x, sr_iov=parent.sr_iov, number=number, is_present=False
    )


def _add(function: MockFunction, config: CapabilityConfig) -> None:
    writable = int.from_bytes(config.writable, "little")
    if config.is_extended:
        function.add_extended_capability(config.capability_id, config.body, version=config.version, rw=writable)
    else:
        function.add_capability(config.capability_id, config.body, rw=writable)


def _add_power_management(function: MockFunction, *, no_soft_reset: bool) -> None:
    def body(control: PmControlStatus) -> bytes:
        built = PowerManagement(capabilities=PmCapabilities(version=_PM_VERSION), control_status=control).build()
        return built[_HEADER_BYTES:]

    control = body(PmControlStatus(no_soft_reset=no_soft_reset))
    state = PmControlStatus(power_state=PowerState.D3_HOT).build()
    writable = int.from_bytes(state, "little") << 16  # PMCSR follows the 2 bytes of Power Management Capabilities
    function.add_capability(CapabilityId.POWER_MANAGEMENT, control, rw=writable)


def _add_msi_x(function: MockFunction, config: MsiXConfig | None) -> None:
    if config is None:
        return
    table = MsixTableRegister(bir=config.bar, offset_qw=config.table_offset // _QWORD)
    pba = MsixTableRegister(bir=config.bar, offset_qw=config.pba_offset // _QWORD)
    body = Msix(table_size_minus_1=config.vectors - 1, table=table, pba=pba).build()[_HEADER_BYTES:]
    function.add_capability(CapabilityId.MSI_X, body, rw=_MSI_X_ENABLE | _MSI_X_FUNCTION_MASK)

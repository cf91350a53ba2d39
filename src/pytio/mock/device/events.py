"""Which writes to configuration space break a lock: every register event of TDISP, as one table.

Document: PCIe Base 6.x chapter 11, the table of configuration registers that a locked interface tracks. The write
itself always succeeds. Bit-level rules (Command, Device Control) look at changes only; of BARs and of the capabilities
in the two shorter tables any write counts (PCIE_A18). What is missing here may be written in every state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from types import MappingProxyType
from typing import Final, TypeAlias

import attrs

from pytio.mock.config_space import Change
from pytio.mock.device.config import Quirk
from pytio.mock.device.functions import DeviceFunction
from pytio.mock.ide_port import IdePort
from pytio.pci.codes import CapabilityId, ExtendedCapabilityId
from pytio.tdisp import TdiEvent

__all__ = (
    "TRACKED_CAPABILITIES",
    "TRACKED_EXTENDED_CAPABILITIES",
    "TRACKED_REGISTERS",
    "Judge",
    "Scope",
    "Told",
    "TrackedRegister",
    "watch_function",
    "watch_streams",
)

_MEMORY_OR_BUS_MASTER: Final = 0b110
_BUS_MASTER: Final = 0b100
_EXTENDED_TAG: Final = 1 << 8
_PHANTOM_FUNCTIONS: Final = 1 << 9
_NO_SNOOP: Final = 1 << 11
_TEN_BIT_TAG: Final = 1 << 12
_FOURTEEN_BIT_TAG: Final = 1 << 2
_INITIATE_FLR: Final = 1 << 15
_POWER_STATE: Final = 0b11
_D3_HOT: Final = 3
_NO_SOFT_RESET: Final = 1 << 3
_STREAM_BLOCKS: Final = 0x0C
_STREAM_BLOCK_BYTES: Final = 20
_ADDRESS_ASSOCIATION_BYTES: Final = 12
_STREAM_CONTROL: Final = 0x04
_STREAM_ASSOCIATIONS: Final = 0x0C


class Scope(Enum):
    """Whose interfaces a write is about."""

    OWN = "the function that it is written to"
    HOSTED = "a physical function and all its virtual ones"


Judge: TypeAlias = Callable[[Change], bool]
"""Says whether a write breaks a lock."""


def _any(change: Change) -> bool:
    return True


def _falls(mask: int) -> Judge:
    return lambda change: change.falls(mask)


def _changes(mask: int) -> Judge:
    return lambda change: bool((change.old ^ change.new) & mask)


def _loses_power_state(change: Change) -> bool:
    """Say whether a function comes back from D3hot that keeps no state there."""
    is_back = change.old & _POWER_STATE == _D3_HOT and not change.new & _POWER_STATE
    return is_back and not change.new & _NO_SOFT_RESET


@attrs.frozen
class TrackedRegister:
    """A register, and what a write to it may be."""

    name: str
    capability: CapabilityId | ExtendedCapabilityId | None
    """What it belongs to; None for the header."""
    offset: int
    """In the capability, or in the header."""
    width: int
    breaks: Judge
    event: TdiEvent
    scope: Scope = Scope.OWN


TRACKED_REGISTERS: Final = (
    TrackedRegister("Command", None, 0x04, 2, _falls(_MEMORY_OR_BUS_MASTER), TdiEvent.MEMORY_OR_BUS_MASTER_DISABLED),
    TrackedRegister("BIST", None, 0x0F, 1, _any, TdiEvent.BASE_ADDRESS_WRITTEN),
    TrackedRegister("BARs", None, 0x10, 24, _any, TdiEvent.BASE_ADDRESS_WRITTEN),
    TrackedRegister("Expansion ROM", None, 0x30, 4, _any, TdiEvent.BASE_ADDRESS_WRITTEN),
    TrackedRegister(
        "Power Management Control",
        CapabilityId.POWER_MANAGEMENT,
        0x04,
        2,
        _loses_power_state,
        TdiEvent.POWER_STATE_LOST,
    ),
    TrackedRegister(
        "Device Control",
        CapabilityId.PCI_EXPRESS,
        0x08,
        2,
        _changes(_EXTENDED_TAG | _PHANTOM_FUNCTIONS | _NO_SNOOP),
        TdiEvent.DEVICE_CONTROL_CHANGED,
    ),
    TrackedRegister(
        "Device Control 2",
        CapabilityId.PCI_EXPRESS,
        0x28,
        2,
        _changes(_TEN_BIT_TAG),
        TdiEvent.DEVICE_CONTROL_CHANGED,
    ),
    TrackedRegister(
        "Device Control 3",
        ExtendedCapabilityId.DEVICE_3,
        0x08,
        4,
        _changes(_FOURTEEN_BIT_TAG),
        TdiEvent.DEVICE_CONTROL_CHANGED,
    ),
    # The capability's own registers; entries of a locked table are the TVM's to write, with T=1.
    TrackedRegister("MSI-X Message Control", CapabilityId.MSI_X, 0x02, 2, _changes(0xFFFF), TdiEvent.MSI_X_CHANGED),
)
"""Registers of which a part counts, or that are no capability."""

TRACKED_CAPABILITIES: Final[Mapping[int, TdiEvent]] = MappingProxyType(
    {CapabilityId.ENHANCED_ALLOCATION: TdiEvent.TRACKED_CAPABILITY_WRITTEN}
)
"""Capabilities below 100h of which any write counts, for all interfaces that a function hosts."""

TRACKED_EXTENDED_CAPABILITIES: Final[Mapping[int, TdiEvent]] = MappingProxyType(
    {
        ExtendedCapabilityId.ARI: TdiEvent.TRACKED_CAPABILITY_WRITTEN,
        ExtendedCapabilityId.MULTICAST: TdiEvent.TRACKED_CAPABILITY_WRITTEN,
        ExtendedCapabilityId.PAGE_REQUEST_INTERFACE: TdiEvent.TRACKED_CAPABILITY_WRITTEN,
        ExtendedCapabilityId.PASID: TdiEvent.TRACKED_CAPABILITY_WRITTEN,
        ExtendedCapabilityId.RESIZABLE_BAR: TdiEvent.TRACKED_CAPABILITY_WRITTEN,
        ExtendedCapabilityId.SR_IOV: TdiEvent.TRACKED_CAPABILITY_WRITTEN,
        ExtendedCapabilityId.VF_RESIZABLE_BAR: TdiEvent.TRACKED_CAPABILITY_WRITTEN,
        # This device's vendor says that its own registers matter.
        ExtendedCapabilityId.VENDOR_SPECIFIC: TdiEvent.VENDOR_REGISTER_WRITTEN,
    }
)
"""Extended capabilities of which any write counts, for all interfaces that a function hosts."""

Told: TypeAlias = Callable[[TdiEvent, DeviceFunction, Scope], object]
"""Is told of an event of a function."""


def watch_function(function: DeviceFunction, told: Told, *, quirks: frozenset[Quirk] = frozenset()) -> None:
    """Tell of every write to a function's registers that breaks locks."""
    for offset, register in _registers_of(function):
        _watch(function, offset, register, told)
    for placed in function.space.capabilities:
        tracked = TRACKED_EXTENDED_CAPABILITIES if placed.is_extended else TRACKED_CAPABILITIES
        event = tracked.get(placed.capability_id)
        if event is not None:
            whole = TrackedRegister("capability", None, 0, placed.size_bytes, _any, event, Scope.HOSTED)
            _watch(function, placed.offset, whole, told)
    if Quirk.BUS_MASTER_WRITTEN_AS_ZERO in quirks:
        _watch(function, 0x04, attrs.evolve(TRACKED_REGISTERS[0], breaks=_writes_no_bus_master), told)


def _registers_of(function: DeviceFunction) -> Iterator[tuple[int, TrackedRegister]]:
    for register in TRACKED_REGISTERS:
        kind = register.capability
        base = 0
        if kind is not None:
            base = function.offset_of(kind, is_extended=isinstance(kind, ExtendedCapabilityId))
        if base or kind is None:
            yield base + register.offset, register


def _watch(function: DeviceFunction, offset: int, register: TrackedRegister, told: Told) -> None:
    def written(change: Change) -> None:
        if register.breaks(change):
            told(register.event, function, register.scope)

    function.space.space.watch(offset, register.width, written)


def _writes_no_bus_master(change: Change) -> bool:
    return not change.written & _BUS_MASTER


def watch_streams(port: IdePort, told: Callable[[int], object]) -> None:
    """Tell the Stream ID whenever control, RID or address association of a stream is changed.

    A write that changes nothing counts as none, as for other registers of single bits (PCIE_A18).
    """
    space = port.function.space
    at = port.offset + _STREAM_BLOCKS
    for index, block in enumerate(port.registers().selective_streams):
        size = _STREAM_BLOCK_BYTES + _ADDRESS_ASSOCIATION_BYTES * block.address_association_count
        places = (at + _STREAM_CONTROL, *range(at + _STREAM_ASSOCIATIONS, at + size, 4))

        def written(change: Change, index: int = index, control: int = at + _STREAM_CONTROL) -> None:
            if change.new == change.old:
                return
            is_control = change.offset == control
            number = change.old >> 24 if is_control else port.registers().selective_streams[index].control.stream_id
            told(number)

        for place in places:
            space.watch(place, 4, written)
        at += size

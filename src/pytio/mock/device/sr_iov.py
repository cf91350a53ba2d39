"""The SR-IOV capability of a physical function: which virtual functions there are now, and where their memory is.

Document: PCIe Base 6.x chapter 9, "Single Root I/O Virtualization". This file knows registers and addresses; what a
virtual function is made of, and what its coming and going means for TDISP, is not known here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from pytio.mock.config_space import Change
from pytio.mock.device.config import BarConfig, VirtualFunctions
from pytio.mock.function import FunctionEvent, MockFunction
from pytio.pci.capabilities.virtualization import Sriov, SriovCapabilities, SriovControl
from pytio.pci.codes import ExtendedCapabilityId

__all__ = ("SrIov",)

_CONTROL: Final = 0x08
_NUM_VFS: Final = 0x10
_SYSTEM_PAGE_SIZE: Final = 0x20
_VF_BARS: Final = 0x24
_HEADER_BYTES: Final = 4
_VF_ENABLE: Final = 1 << 0
_VF_MEMORY_SPACE_ENABLE: Final = 1 << 3
_MEMORY_FLAGS: Final = 0xF
_SMALLEST_PAGE_BYTES: Final = 4096
_RESETS: Final = frozenset({FunctionEvent.FUNCTION_LEVEL_RESET, FunctionEvent.CONVENTIONAL_RESET})


class SrIov:
    """The capability, in the configuration space of a physical function.

    Attributes:
        offset: of the capability.
    """

    def __init__(self, function: MockFunction, config: VirtualFunctions, changed: Callable[[int], object]) -> None:
        """Append it to ``function``; tell ``changed`` how many virtual functions there are whenever that changes."""
        self._space = function.space
        self._config = config
        self._changed = changed
        self._count = 0
        self.offset = function.add_extended_capability(
            ExtendedCapabilityId.SR_IOV, _initial(config).build()[_HEADER_BYTES:], rw=_writable(config)
        )
        self._space.watch(self.offset + _CONTROL, 2, self._control_written)
        self._space.watch(self.offset + _NUM_VFS, 2, self._number_written)
        function.subscribe(self._function_event)

    @property
    def is_memory_enabled(self) -> bool:
        """Whether the virtual functions answer memory requests: their own Command register has no such bit."""
        control = self._space.peek(self.offset + _CONTROL, 2)
        return bool(control & _VF_ENABLE and control & _VF_MEMORY_SPACE_ENABLE)

    @property
    def system_page_bytes(self) -> int:
        """What every region of a virtual function is aligned to; 0 where software wrote a size that is not one."""
        chosen = self._space.peek(self.offset + _SYSTEM_PAGE_SIZE)
        is_one = chosen and not chosen & (chosen - 1) and chosen & self._config.supported_page_sizes
        return chosen * _SMALLEST_PAGE_BYTES if is_one else 0

    def aperture_bytes(self, bar: BarConfig) -> int:
        """Return how far the regions of two neighbours are apart."""
        return max(bar.size_bytes, self.system_page_bytes)

    def base(self, bar: BarConfig, number: int) -> int:
        """Return where a BAR of virtual function ``number``, from 1 on, is."""
        width = 8 if bar.kind.is_64_bit else 4
        register = self._space.peek(self.offset + _VF_BARS + 4 * bar.index, width)
        return (register & ~_MEMORY_FLAGS) + (number - 1) * self.aperture_bytes(bar)

    def _control_written(self, change: Change) -> None:
        if change.rises(_VF_ENABLE):
            self._set_count(min(self._space.peek(self.offset + _NUM_VFS, 2), self._config.total))
        elif change.falls(_VF_ENABLE):
            self._set_count(0)

    def _number_written(self, change: Change) -> None:
        if self._space.peek(self.offset + _CONTROL, 2) & _VF_ENABLE:
            self._space.poke(change.offset, 2, change.old)  # writable only while VF Enable is clear

    def _function_event(self, event: FunctionEvent) -> None:
        if event in _RESETS:
            self._set_count(0)

    def _set_count(self, count: int) -> None:
        if count != self._count:
            self._count = count
            self._changed(count)


def _initial(config: VirtualFunctions) -> Sriov:
    slots = [0] * 6
    for bar in config.bars:
        slots[bar.index] = bar.kind.value
    return Sriov(
        capabilities=SriovCapabilities(ari_capable_hierarchy_preserved=True),
        initial_vfs=config.total,
        total_vfs=config.total,
        first_vf_offset=config.first_offset,
        vf_stride=config.stride,
        vf_device_id=config.device_id,
        supported_page_sizes=config.supported_page_sizes,
        system_page_size=1,
        vf_bars=tuple(slots),
    )


def _writable(config: VirtualFunctions) -> int:
    slots = [0] * 6
    for bar in config.bars:
        width = 64 if bar.kind.is_64_bit else 32
        mask = (1 << width) - bar.size_bytes
        slots[bar.index] = mask & 0xFFFF_FFFF
        if bar.kind.is_64_bit:
            slots[bar.index + 1] = mask >> 32
    bits = Sriov(
        control=SriovControl(vf_enable=True, vf_memory_space_enable=True, ari_capable_hierarchy=True),
        num_vfs=0xFFFF,
        system_page_size=config.supported_page_sizes,
        vf_bars=tuple(slots),
    )
    cleared = bits.replace(capability_version=0, capability_id=0)
    return int.from_bytes(cleared.build()[_HEADER_BYTES:], "little")

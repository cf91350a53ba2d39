"""A PCI Express function to write to: header, BARs that size themselves, capability lists, resets, and events.

Document: PCIe Base 6.x chapter 7, "PCI-Compatible Configuration Registers" and "PCI Express Capability Structure". What
a device does about an event is the device's affair: this file only says that it happened.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum, auto
from typing import Final, TypeAlias

import attrs

from pytio.mock.config_space import EXTENDED_BYTES, Change, ConfigSpace
from pytio.mock.doe_mailbox import CAPABILITY_BYTES, DoeMailbox

__all__ = ("Bar", "BarKind", "FunctionEvent", "Listener", "MockFunction", "PlacedCapability")

_COMMAND: Final = 0x04
_STATUS: Final = 0x06
_BAR0: Final = 0x10
_BARS: Final = 6
_CAPABILITY_POINTER: Final = 0x34
_FIRST_CAPABILITY: Final = 0x40
_FIRST_EXTENDED: Final = 0x100
_IO_SPACE_ENABLE: Final = 1 << 0
_MEMORY_SPACE_ENABLE: Final = 1 << 1
_BUS_MASTER_ENABLE: Final = 1 << 2
_COMMAND_RW: Final = 0x0547
_ROM_BAR: Final = 0x30
_ROM_ENABLE: Final = 1 << 0
_SMALLEST_ROM_BYTES: Final = 2048
_STATUS_CAPABILITY_LIST: Final = 1 << 4
_STATUS_RW1C: Final = 0xF900
_MEMORY_FLAGS: Final = 0xF
_IO_FLAGS: Final = 0x3
_SMALLEST_BAR_BYTES: Final = 16

_PCI_EXPRESS: Final = 0x10
_PCI_EXPRESS_BYTES: Final = 0x3C
_PCI_EXPRESS_VERSION: Final = 2
_DEVICE_CAPABILITIES: Final = 0x04
_DEVICE_CONTROL: Final = 0x08
_DEVICE_STATUS: Final = 0x0A
_LINK_CAPABILITIES: Final = 0x0C
_LINK_STATUS: Final = 0x12
_DEVICE_CAPABILITIES_2: Final = 0x24
_DEVICE_CONTROL_2: Final = 0x28
_ROLE_BASED_ERRORS: Final = 1 << 15
_EXTENDED_TAG: Final = 1 << 5
_FUNCTION_LEVEL_RESET: Final = 1 << 28
_TEE_IO_SUPPORTED: Final = 1 << 30
_INITIATE_FLR: Final = 1 << 15
_DEVICE_CONTROL_RW: Final = 0x7FFF
_DEVICE_STATUS_RW1C: Final = 0x000F
_GEN5_X16: Final = 5 | 16 << 4
_PORT_NUMBER_SHIFT: Final = 24
_PORT_TYPE_SHIFT: Final = 4

_DOE: Final = 0x2E
_EXTENDED_VERSION_SHIFT: Final = 16
_EXTENDED_NEXT_SHIFT: Final = 20


class BarKind(Enum):
    """What a BAR claims; the value is its flag bits."""

    IO = 0b0001
    MEMORY_32 = 0b0000
    MEMORY_64 = 0b0100
    PREFETCHABLE_64 = 0b1100

    @property
    def is_64_bit(self) -> bool:
        """Whether it takes the slot after its own, too."""
        return self in {BarKind.MEMORY_64, BarKind.PREFETCHABLE_64}


@attrs.frozen
class Bar:
    """A base address register."""

    index: int
    """0 to 5; a 64-bit BAR takes the next slot, too."""
    size_bytes: int
    """A power of two."""
    kind: BarKind = BarKind.MEMORY_64


@attrs.frozen
class PlacedCapability:
    """A capability, and where it is."""

    capability_id: int
    offset: int
    """Of its header."""
    size_bytes: int
    """With its header."""
    is_extended: bool


class FunctionEvent(Enum):
    """What software did to the function."""

    IO_SPACE_ENABLED = auto()
    IO_SPACE_DISABLED = auto()
    MEMORY_SPACE_ENABLED = auto()
    MEMORY_SPACE_DISABLED = auto()
    BUS_MASTER_ENABLED = auto()
    BUS_MASTER_DISABLED = auto()
    BAR_CHANGED = auto()
    DEVICE_CONTROL_CHANGED = auto()
    FUNCTION_LEVEL_RESET = auto()
    """After the registers have returned to their values after reset, except sticky ones."""
    CONVENTIONAL_RESET = auto()


Listener: TypeAlias = Callable[[FunctionEvent], None]
"""Is told what software did."""

_COMMAND_EVENTS: Final = (
    (_IO_SPACE_ENABLE, FunctionEvent.IO_SPACE_ENABLED, FunctionEvent.IO_SPACE_DISABLED),
    (_MEMORY_SPACE_ENABLE, FunctionEvent.MEMORY_SPACE_ENABLED, FunctionEvent.MEMORY_SPACE_DISABLED),
    (_BUS_MASTER_ENABLE, FunctionEvent.BUS_MASTER_ENABLED, FunctionEvent.BUS_MASTER_DISABLED),
)


class MockFunction:
    """A type 0 or type 1 function with a PCI Express capability.

    Attributes:
        space: its configuration space.
        pci_express: where the PCI Express capability is.
        mailboxes: its DOE instances, by the offset of their capability.
        capabilities: what it has been given, in order.
    """

    def __init__(
        self,
        vendor_id: int,
        device_id: int,
        *,
        class_code: int = 0x120000,
        bars: Sequence[Bar] = (),
        port_type: int = 0,
        port_number: int = 0,
        tee_io: bool = False,
    ) -> None:
        """Make the function.

        Args:
            vendor_id: who made it.
            device_id: what it is.
            class_code: base class, sub-class and programming interface in 24 bits; a processing accelerator.
            bars: its base address registers.
            port_type: as the PCI Express capability counts: 0 an endpoint, 4 a root port (with a type 1 header).
            port_number: of its link.
            tee_io: whether it implements TDISP.

        Raises:
            ValueError: a BAR has a size that there is not.
        """
        self.space = ConfigSpace(EXTENDED_BYTES)
        self.mailboxes: dict[int, DoeMailbox] = {}
        self.capabilities: list[PlacedCapability] = []
        self._listeners: list[Listener] = []
        self._last_pointer = _CAPABILITY_POINTER
        self._free = _FIRST_CAPABILITY
        self._last_extended: int | None = None
        self._free_extended = _FIRST_EXTENDED
        self._define_header(vendor_id, device_id, class_code, is_bridge=port_type in {4, 5, 6})
        for bar in bars:
            self._define_bar(bar)
        self.pci_express = self._define_pci_express(port_type, port_number, tee_io=tee_io)

    def subscribe(self, listener: Listener) -> None:
        """Tell ``listener`` of every event from now on."""
        self._listeners.append(listener)

    def add_capability(self, capability_id: int, body: bytes, *, rw: int = 0, rw1c: int = 0) -> int:
        """Append a capability to the list below 100h; return its offset.

        Args:
            capability_id: its number.
            body: what follows the two bytes of the header.
            rw: bits of the body that software writes.
            rw1c: bits of the body that software clears by writing one.
        """
        at = self._free
        self.space.define(at, 2, capability_id)
        self.space.define(at + 2, len(body), int.from_bytes(body, "little"), rw=rw, rw1c=rw1c)
        self.space.define(self._last_pointer, 1, at)
        self._last_pointer = at + 1
        self._free = _aligned(at + 2 + len(body))
        self.capabilities.append(PlacedCapability(capability_id, at, 2 + len(body), is_extended=False))
        return at

    def add_extended_capability(
        self, capability_id: int, body: bytes, *, version: int = 1, rw: int = 0, rw1c: int = 0, sticky: int = 0
    ) -> int:
        """Append an extended capability; return its offset.

        Args:
            capability_id: its number.
            version: of the capability.
            body: what follows the header's double word.
            rw: bits of the body that software writes.
            rw1c: bits of the body that software clears by writing one.
            sticky: bits of the body that a function-level reset leaves alone.
        """
        at = self._free_extended
        self.space.define(at, 4, capability_id | version << _EXTENDED_VERSION_SHIFT)
        self.space.define(at + 4, len(body), int.from_bytes(body, "little"), rw=rw, rw1c=rw1c, sticky=sticky)
        if self._last_extended is not None:
            header = self.space.peek(self._last_extended)
            self.space.define(self._last_extended, 4, header | at << _EXTENDED_NEXT_SHIFT)
        self._last_extended = at
        self._free_extended = _aligned(at + 4 + len(body))
        self.capabilities.append(PlacedCapability(capability_id, at, 4 + len(body), is_extended=True))
        return at

    def add_mailbox(self, mailbox: DoeMailbox, *, version: int = 2) -> int:
        """Append a DOE capability with ``mailbox`` behind it; return its offset. Resets reset it (PCIE_A9)."""
        at = self.add_extended_capability(_DOE, bytes(CAPABILITY_BYTES - 4), version=version)
        mailbox.attach(self.space, at)
        self.mailboxes[at] = mailbox
        return at

    def add_rom(self, size_bytes: int) -> None:
        """Give it an expansion ROM; raises ValueError unless the size is a power of two of at least 2048 bytes."""
        if size_bytes & (size_bytes - 1) or size_bytes < _SMALLEST_ROM_BYTES:
            raise ValueError(f"an expansion ROM of {size_bytes} bytes does not fit")
        self.space.define(_ROM_BAR, 4, rw=(1 << 32) - size_bytes | _ROM_ENABLE)

    def restrict_to_virtual(self) -> None:
        """Make it a virtual function: of Command it has Bus Master Enable alone."""
        self.space.define(_COMMAND, 2, rw=_BUS_MASTER_ENABLE)

    def reset(self) -> None:
        """Reset conventionally: all registers, all mailboxes."""
        self._reset(FunctionEvent.CONVENTIONAL_RESET)

    def _reset(self, event: FunctionEvent) -> None:
        self.space.reset(keep_sticky=event is FunctionEvent.FUNCTION_LEVEL_RESET)
        for mailbox in self.mailboxes.values():
            mailbox.reset()
        self._tell(event)

    def _tell(self, event: FunctionEvent) -> None:
        for listener in self._listeners:
            listener(event)

    # what it is made of

    def _define_header(self, vendor_id: int, device_id: int, class_code: int, *, is_bridge: bool) -> None:
        space = self.space
        space.define(0x00, 2, vendor_id)
        space.define(0x02, 2, device_id)
        space.define(_COMMAND, 2, rw=_COMMAND_RW)
        space.define(_STATUS, 2, _STATUS_CAPABILITY_LIST, rw1c=_STATUS_RW1C)
        space.define(0x09, 3, class_code)
        space.define(0x0C, 1, rw=0xFF)  # Cache Line Size: writable, and without effect
        space.define(0x0E, 1, int(is_bridge))
        space.define(0x3C, 1, rw=0xFF)  # Interrupt Line
        if is_bridge:
            space.define(0x18, 3, rw=0xFFFFFF)  # primary, secondary and subordinate bus
            space.define(0x20, 4, rw=0xFFF0_FFF0)  # memory window
            space.define(0x24, 4, 0x0001_0001, rw=0xFFF0_FFF0)  # prefetchable window, 64 bits
            space.define(0x28, 8, rw=(1 << 64) - 1)
            space.define(0x3E, 2, rw=0x0063)  # Bridge Control: parity, SERR, secondary reset
        space.watch(_COMMAND, 2, self._command_written)

    def _define_bar(self, bar: Bar) -> None:
        width = 8 if bar.kind.is_64_bit else 4
        last = _BARS - width // 4
        if not 0 <= bar.index <= last or bar.size_bytes & (bar.size_bytes - 1) or bar.size_bytes < _SMALLEST_BAR_BYTES:
            raise ValueError(f"{bar} does not fit")
        flags = _IO_FLAGS if bar.kind is BarKind.IO else _MEMORY_FLAGS
        address = (1 << 8 * width) - bar.size_bytes & ~flags
        at = _BAR0 + 4 * bar.index
        self.space.define(at, width, bar.kind.value, rw=address)
        self.space.watch(at, width, lambda change: self._changed(change, FunctionEvent.BAR_CHANGED))

    def _define_pci_express(self, port_type: int, port_number: int, *, tee_io: bool) -> int:
        at = self.add_capability(_PCI_EXPRESS, bytes(_PCI_EXPRESS_BYTES - 2))
        space = self.space
        capabilities = _ROLE_BASED_ERRORS | _EXTENDED_TAG
        if port_type == 0:
            capabilities |= _FUNCTION_LEVEL_RESET
        if tee_io:
            capabilities |= _TEE_IO_SUPPORTED
        space.define(at + 2, 2, _PCI_EXPRESS_VERSION | port_type << _PORT_TYPE_SHIFT)
        space.define(at + _DEVICE_CAPABILITIES, 4, capabilities)
        space.define(
            at + _DEVICE_CONTROL, 2, 0x2810, rw=_DEVICE_CONTROL_RW
        )  # relaxed ordering, no-snoop, 512-byte reads
        space.define(at + _DEVICE_STATUS, 2, rw1c=_DEVICE_STATUS_RW1C)
        space.define(at + _LINK_CAPABILITIES, 4, _GEN5_X16 | port_number << _PORT_NUMBER_SHIFT)
        space.define(at + _LINK_STATUS, 2, _GEN5_X16)
        space.define(at + _DEVICE_CAPABILITIES_2, 4)
        space.define(at + _DEVICE_CONTROL_2, 2, rw=0x771F)
        space.watch(at + _DEVICE_CONTROL, 2, self._device_control_written)
        return at

    # what writes set off

    def _command_written(self, change: Change) -> None:
        for bit, enabled, disabled in _COMMAND_EVENTS:
            if change.rises(bit):
                self._tell(enabled)
            elif change.falls(bit):
                self._tell(disabled)

    def _device_control_written(self, change: Change) -> None:
        has_flr = self.space.peek(self.pci_express + _DEVICE_CAPABILITIES) & _FUNCTION_LEVEL_RESET
        if change.written & _INITIATE_FLR and has_flr:  # the bit itself always reads as 0
            self._reset(FunctionEvent.FUNCTION_LEVEL_RESET)
        else:
            self._changed(change, FunctionEvent.DEVICE_CONTROL_CHANGED)

    def _changed(self, change: Change, event: FunctionEvent) -> None:
        if change.old != change.new:
            self._tell(event)


def _aligned(offset: int) -> int:
    return -(-offset // 4) * 4

"""Integrity and Data Encryption (30h).

Document: PCIe Base 6.x section 7.9.26, "IDE Extended Capability". IDE_KM's QUERY_RESP carries the same registers, so
they are in `pytio.ide_registers`.
"""

from __future__ import annotations

from pytio.ide_registers import IdeCapability, IdeControl, IdeRegisters, LinkIdeStream, SelectiveIdeStream
from pytio.pci.capabilities.base import ExtendedCapability
from pytio.wire import Nested, message, wire

__all__ = ("IntegrityDataEncryption",)


@message
class IntegrityDataEncryption(ExtendedCapability):
    """Integrity and Data Encryption: capability, control, and the blocks that they announce."""

    registers: IdeRegisters = wire(Nested(IdeRegisters), default=IdeRegisters())

    @property
    def capability(self) -> IdeCapability:
        """What the port supports."""
        return self.registers

    @property
    def control(self) -> IdeControl:
        """Control of the port."""
        return self.registers.control

    @property
    def link(self) -> tuple[LinkIdeStream, ...]:
        """The link IDE streams."""
        return self.registers.link_streams

    @property
    def selective(self) -> tuple[SelectiveIdeStream, ...]:
        """The selective IDE streams."""
        return self.registers.selective_streams

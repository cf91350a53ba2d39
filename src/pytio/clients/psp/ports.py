"""The two ports that a device is connected through: where their IDE registers are, which streams are left.

Document: PCIe Base 6.x, "Link Capabilities Register" (the root port's number) and the capability lists.
"""

from __future__ import annotations

from typing import Final

import attrs

from pytio.clients.ide_streams import Access, ReadConfig, Stream, StreamPolicy, StreamSlots, reserve, survey
from pytio.clients.psp.actions import Plan
from pytio.errors import LocalProtocolError
from pytio.ids import Bdf
from pytio.pci.codes import CapabilityId, ExtendedCapabilityId

__all__ = ("DevicePorts", "find_ports")

_DW_BYTES: Final = 4
_CAPABILITIES_POINTER: Final = 0x34
_FIRST_EXTENDED: Final = 0x100
_LINK_CAPABILITIES: Final = 0x0C
_PORT_NUMBER_SHIFT: Final = 24
_NEXT_SHIFT: Final = 20
_LAST_OFFSET: Final = 0xFFC
_MOST_CAPABILITIES: Final = 1024


@attrs.frozen
class DevicePorts:
    """The ports of a device's link.

    Attributes:
        device: the function with the mailbox and the IDE capability.
        device_ide: offset of its IDE capability.
        root_port: the root port above it.
        root_port_ide: offset of the root port's IDE capability.
        root_port_number: Port Number of its Link Capabilities, which the firmware knows it by.
        slots: the streams of the host bridge above both.
        policy: what goes into the IDE registers.
    """

    device: Bdf
    device_ide: int
    root_port: Bdf
    root_port_ide: int
    root_port_number: int
    slots: StreamSlots = attrs.field(repr=False)
    policy: StreamPolicy = StreamPolicy()

    def reserve(self) -> Plan[Stream]:
        """Survey both ports and reserve a stream between them; raises as `ide_streams.survey` and `reserve`."""
        root_port = yield from survey(self.root_port, self.root_port_ide)
        device = yield from survey(self.device, self.device_ide)
        return reserve(root_port, device, self.slots, policy=self.policy)


def find_ports(
    device: Bdf, root_port: Bdf, slots: StreamSlots, *, policy: StreamPolicy | None = None
) -> Plan[DevicePorts]:
    """Find the IDE capability of both ports and the root port's number.

    Raises:
        LocalProtocolError: a port has no IDE capability, or the root port is not PCI Express.
    """
    device_ide = yield from _extended(device, ExtendedCapabilityId.INTEGRITY_DATA_ENCRYPTION)
    root_port_ide = yield from _extended(root_port, ExtendedCapabilityId.INTEGRITY_DATA_ENCRYPTION)
    express = yield from _conventional(root_port, CapabilityId.PCI_EXPRESS)
    link = yield from _read(root_port, express + _LINK_CAPABILITIES)
    return DevicePorts(
        device, device_ide, root_port, root_port_ide, link >> _PORT_NUMBER_SHIFT, slots, policy or StreamPolicy()
    )


def _read(function: Bdf, offset: int) -> Plan[int]:
    access: Access = ReadConfig(function, offset)
    return int.from_bytes((yield access), "little")


def _conventional(function: Bdf, wanted: CapabilityId) -> Plan[int]:
    at = (yield from _read(function, _CAPABILITIES_POINTER)) & 0xFC
    for _ in range(_MOST_CAPABILITIES):
        if not at:
            break
        header = yield from _read(function, at)
        if header & 0xFF == wanted:
            return at
        at = header >> 8 & 0xFC
    raise LocalProtocolError(f"{function} has no {wanted.name} capability", "find_ports")


def _extended(function: Bdf, wanted: ExtendedCapabilityId) -> Plan[int]:
    at = _FIRST_EXTENDED
    for _ in range(_MOST_CAPABILITIES):
        header = yield from _read(function, at)
        if header & 0xFFFF == wanted:
            return at
        at = header >> _NEXT_SHIFT & _LAST_OFFSET
        if at < _FIRST_EXTENDED:
            break
    raise LocalProtocolError(f"{function} has no {wanted.name} capability", "find_ports")

"""Root port: a type 1 function, an IDE port, a link, and what passes between platform and device.

Document: PCIe Base 6.x, "Type 1 Configuration Space Header", 2.3 "Handling of Received TLPs", and chapter 6, "IDE":
what a write to its registers does to its streams. Requests of the device go to the IOMMU, with T and requester id.
"""

from __future__ import annotations

from typing import Final

import attrs

from pytio import ide
from pytio.errors import LocalProtocolError
from pytio.ide.codes import BYTES_PER_DW
from pytio.ide_registers import IdeCapability
from pytio.ids import Bdf, StreamId, SubStream
from pytio.mock.config_space import Change
from pytio.mock.function import FunctionEvent, MockFunction
from pytio.mock.ide_port import IdePort
from pytio.mock.link import Link, LinkEvent
from pytio.mock.platform.iommu import Iommu, Origin
from pytio.mock.transactions import Transactions, enabled_runs, span_of
from pytio.pci.capabilities.advanced_error_reporting import UncorrectableErrors

__all__ = ("AMD_VENDOR_ID", "MSI_BASE", "MSI_LIMIT", "Interrupt", "RootPort")

AMD_VENDOR_ID: Final = 0x1022
"""Who made the root port."""
MSI_BASE: Final = 0xFEE0_0000
"""Where writes of a device become interrupts."""
MSI_LIMIT: Final = 0xFEEF_FFFF
"""Inclusive."""
_DEVICE_ID: Final = 0x14A5
_CLASS_CODE: Final = 0x060400
_ROOT_PORT_TYPE: Final = 4
_COMMAND: Final = 0x04
_MEMORY_SPACE_ENABLE: Final = 1 << 1
_BUS_MASTER_ENABLE: Final = 1 << 2
_BUSES: Final = 0x18
_WINDOWS: Final = 0x20
_WINDOWS_BYTES: Final = 0x10
_PREFETCHABLE: Final = 0x24
_BRIDGE_CONTROL: Final = 0x3E
_SECONDARY_BUS_RESET: Final = 1 << 6
_DEVICE_CONTROL: Final = 0x08
_EXTENDED_TAG: Final = 1 << 8
_LINK_CONTROL: Final = 0x10
_LINK_DISABLE: Final = 1 << 4
_RETRAIN_LINK: Final = 1 << 5
_MEGABYTE_BITS: Final = 20
_MEGABYTE: Final = 1 << _MEGABYTE_BITS
_WINDOW_MASK: Final = 0xFFF0
_UPPER_BITS: Final = 32
_TAMPERING: Final = frozenset(
    {FunctionEvent.MEMORY_SPACE_DISABLED, FunctionEvent.BUS_MASTER_DISABLED, FunctionEvent.BAR_CHANGED}
)


@attrs.frozen
class Interrupt:
    """A message-signalled interrupt."""

    requester_id: int
    address: int
    data: int
    is_tee: bool


class RootPort:
    """A root port, as firmware leaves it: its bus numbers and its window are set, and it forwards both ways.

    Attributes:
        bdf: its address.
        port_number: of its link, as Link Capabilities says and firmware names it.
        function: its configuration space.
        ide: its IDE port.
        link: to the device.
        interrupts: what devices signalled.
        messages: what devices sent that is no request for memory.
    """

    def __init__(
        self,
        bdf: Bdf,
        port_number: int,
        *,
        iommu: Iommu,
        buses: tuple[int, int],
        window: tuple[int, int],
        capability: IdeCapability | None = None,
        link: Link | None = None,
    ) -> None:
        """Make a root port with nothing at the other end of its link.

        Args:
            bdf: its address.
            port_number: 0 to 255.
            iommu: where requests of devices go.
            buses: the first and the last bus below it.
            window: the first and the last address of the memory below it, in whole megabytes.
            capability: what its IDE port can do; one selective stream by default.
            link: to the device; a new one by default.

        Raises:
            ValueError: the window is not of whole megabytes.
        """
        self.bdf = bdf
        self.port_number = port_number
        self.function = MockFunction(
            AMD_VENDOR_ID, _DEVICE_ID, class_code=_CLASS_CODE, port_type=_ROOT_PORT_TYPE, port_number=port_number
        )
        self.ide = IdePort(self.function, bdf, role=ide.PortRole.ROOT_PORT, capability=capability)
        self.link = link or Link()
        self.interrupts: list[Interrupt] = []
        self.messages: list[ide.Tlp] = []
        self._iommu = iommu
        self._transactions = Transactions(self.ide)
        self._firmware_set_up(buses, window)
        self._watch()
        self.ide.transmit, self.ide.deliver = self.link.down, self._take
        self.link.attach(upstream=self)
        self.link.watchers.append(self._link_event)

    def receive(self, raw: bytes) -> None:
        """Take one TLP from the link."""
        self.ide.receive(raw)

    # what is below

    @property
    def buses(self) -> range:
        """The buses below it, as its registers say."""
        numbers = self.function.space.peek(_BUSES, 3).to_bytes(3, "little")
        return range(numbers[1], numbers[2] + 1)

    @property
    def window(self) -> tuple[int, int]:
        """The first and the last address that it forwards to the device, as its prefetchable window says."""
        low = self.function.space.peek(_PREFETCHABLE)
        upper = self.function.space.peek(_PREFETCHABLE + 4, 8)
        base = (upper & (1 << _UPPER_BITS) - 1) << _UPPER_BITS | (low & _WINDOW_MASK) << 16
        limit = upper >> _UPPER_BITS << _UPPER_BITS | (low >> 16 & _WINDOW_MASK) << 16 | _MEGABYTE - 1
        return base, limit

    def forwards(self, address: int) -> bool:
        """Return whether an address is below the port, and Memory Space is enabled."""
        base, limit = self.window
        return base <= address <= limit and self._is_set(_MEMORY_SPACE_ENABLE)

    # requests to the device

    def mmio_read(self, address: int, size: int, *, tee: bool = False) -> bytes:
        """Read memory of the device; all ones where there is no answer, or T=1 and no Secure stream."""
        try:
            answer = self._transactions.read(
                self.bdf.requester_id, address, size, tee=tee, on=self._trusted_stream(address, tee)
            )
        except LocalProtocolError:
            return b"\xff" * size
        return answer.data if answer.is_successful else b"\xff" * size

    def mmio_write(self, address: int, data: bytes, *, tee: bool = False) -> None:
        """Write memory of the device; with T=1 and no Secure stream nothing is sent."""
        try:
            self._transactions.write(
                self.bdf.requester_id, address, data, tee=tee, on=self._trusted_stream(address, tee)
            )
        except LocalProtocolError:
            return

    def config_read(self, function: Bdf, offset: int, size: int) -> bytes:
        """Read 1, 2 or 4 aligned bytes of the port's own configuration space, or of a function below it.

        Where nobody answers they are all ones.

        Raises:
            ValueError: the access is not aligned, or of another size.
        """
        if function == self.bdf:
            return self.function.space.bus.read(offset, size)
        answer = self._configure(function, offset, size)
        return answer if answer is not None else b"\xff" * size

    def config_write(self, function: Bdf, offset: int, data: bytes) -> None:
        """Write 1, 2 or 4 aligned bytes of the port's own configuration space, or of a function below it.

        Raises:
            ValueError: the access is not aligned, or of another size.
        """
        if function == self.bdf:
            self.function.space.bus.write(offset, data)
        else:
            self._configure(function, offset, data)

    def _configure(self, function: Bdf, offset: int, data: bytes | int) -> bytes | None:
        """Send a configuration request: on a stream as type 1, which is all that streams carry (see `Transactions`)."""
        if function.bus not in self.buses:
            return None
        header = ide.ConfigurationRequest(tlp_type=ide.TlpType.CFGRD1, length=1, destination_id=function.requester_id)
        stream = self.ide.port.select(ide.Tlp(header=header))
        is_on_stream = stream is not None and stream.state is ide.StreamState.SECURE
        is_type_1 = is_on_stream or function.bus != self.buses.start
        answer = self._transactions.configure(self.bdf.requester_id, function, offset, data, is_type_1=is_type_1)
        return answer.data if answer.is_successful else None

    def _trusted_stream(self, address: int, tee: bool) -> StreamId | None:
        """Return the stream for T=1 where no register selects one: AMD's blocks have no address association.

        There the tables of the firmware name the stream; a root port of this model has one that is Secure.
        """
        probe = ide.memory_read(address - address % BYTES_PER_DW, BYTES_PER_DW)
        if not tee or self.ide.port.select(probe, tee=True) is not None:
            return None
        streams = self.ide.port.streams.values()
        return next((each.config.stream_id for each in streams if each.state is ide.StreamState.SECURE), None)

    # requests of the device

    def _take(self, event: ide.TlpReceived) -> None:
        """Take a TLP from the device."""
        name = event.tlp.header.tlp_type.name
        if event.tlp.header.sub_stream is SubStream.CPL:
            self._transactions.take(event.tlp)
        elif name.startswith("MSG"):
            self.messages.append(event.tlp)
        elif name in {"MWR32", "MWR64", "MRD32", "MRD64"} and self._is_set(_BUS_MASTER_ENABLE):
            self._take_memory_request(event, is_write=name.startswith("MWR"))
        else:
            self._transactions.refuse(event.tlp, self.bdf.requester_id)

    def _take_memory_request(self, event: ide.TlpReceived, *, is_write: bool) -> None:
        transaction = event.tlp.header.transaction
        assert transaction is not None
        requester_id = transaction[0]
        origin = Origin(self.bdf, self.port_number, event.stream_id)
        if not is_write:
            address, size = span_of(event.tlp)
            data = self._iommu.dma_read(requester_id, address, size, event.is_tee, origin=origin)
            self._transactions.complete(event.tlp, self.bdf.requester_id, data)
            return
        for address, data in enabled_runs(event.tlp):
            if MSI_BASE <= address <= MSI_LIMIT:
                value = int.from_bytes(data, "little")
                self.interrupts.append(Interrupt(requester_id, address, value, event.is_tee))
            else:
                self._iommu.dma_write(requester_id, address, data, event.is_tee, origin=origin)

    # registers

    def _firmware_set_up(self, buses: tuple[int, int], window: tuple[int, int]) -> None:
        """Write what the platform's boot firmware writes before an operating system comes."""
        base, limit = window
        if base % _MEGABYTE or (limit + 1) % _MEGABYTE or not 0 <= base < limit:
            raise ValueError(f"{base:#x} to {limit:#x} is no window of whole megabytes")
        space = self.function.space
        space.poke(_BUSES, 3, self.bdf.bus | buses[0] << 8 | buses[1] << 16)
        space.poke(_WINDOWS, 4, 0x0000_FFF0)  # closed: its base is above its limit
        low = (base >> 16 & _WINDOW_MASK | 1) | (limit >> 16 & _WINDOW_MASK | 1) << 16
        space.poke(_PREFETCHABLE, 4, low)
        space.poke(_PREFETCHABLE + 4, 8, base >> _UPPER_BITS | limit >> _UPPER_BITS << _UPPER_BITS)
        space.poke(_COMMAND, 2, _MEMORY_SPACE_ENABLE | _BUS_MASTER_ENABLE)
        space.define(self.function.pci_express + _LINK_CONTROL, 2, rw=_LINK_DISABLE)

    def _watch(self) -> None:
        space, express = self.function.space, self.function.pci_express
        for at, width in ((_BUSES, 3), (_WINDOWS, _WINDOWS_BYTES)):
            space.watch(at, width, lambda change: self._tampered(change.old != change.new))
        device_control = express + _DEVICE_CONTROL
        space.watch(device_control, 2, lambda change: self._tampered(bool((change.old ^ change.new) & _EXTENDED_TAG)))
        space.watch(express + _LINK_CONTROL, 2, self._link_control_written)
        space.watch(_BRIDGE_CONTROL, 2, self._bridge_control_written)
        self.function.subscribe(lambda event: self._tampered(event in _TAMPERING))

    def _tampered(self, is_so: bool) -> None:
        if is_so:
            self.ide.happen(ide.StreamCause.REGISTERS_CHANGED)

    def _link_control_written(self, change: Change) -> None:
        if change.rises(_LINK_DISABLE) or change.falls(_LINK_DISABLE):
            self.link.set_up(not change.new & _LINK_DISABLE)
        if change.written & _RETRAIN_LINK and self.link.is_up:
            self.ide.happen(ide.StreamCause.LINK_DOWN)

    def _bridge_control_written(self, change: Change) -> None:
        if change.rises(_SECONDARY_BUS_RESET):
            self.link.hot_reset()

    def _link_event(self, event: LinkEvent) -> None:
        if event is LinkEvent.UP:
            return
        self.ide.happen(ide.StreamCause.LINK_DOWN)
        if event is LinkEvent.DOWN:
            self.ide.report(UncorrectableErrors(surprise_down_error=True))

    def _is_set(self, bit: int) -> bool:
        return bool(self.function.space.peek(_COMMAND, 2) & bit)

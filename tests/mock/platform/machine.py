"""A platform with a small device at its root port: configuration space, one BAR, memory behind it, T rules by hand."""

from __future__ import annotations

from pytio import ide
from pytio.crypto import Secret
from pytio.ids import Bdf, Direction, KeySlot, SubStream
from pytio.mock import Bar, BarKind, IdePort, MockFunction, Transactions
from pytio.mock.platform import EXAMPLE_ROOT_PORT, DeviceTableEntry, IoPageTable, Platform
from pytio.mock.transactions import enabled_runs, span_of
from pytio.sev.rmp import RmpEntry
from pytio.sev.sdte import Sdte
from pytio.sev.structures import AsidFence

DEVICE = Bdf.parse("0000:e1:00.0")
PORT = EXAMPLE_ROOT_PORT.bdf
BAR = EXAMPLE_ROOT_PORT.window[0] + 0x10_0000
BAR_BYTES = 1 << 16
ASID = 5
DOMAIN = 11
FIRST_BLOCK = 0x0C


class SmallDevice:
    """A function whose BAR is memory. While it is trusted, only T=1 reaches it."""

    def __init__(self, platform: Platform) -> None:
        self.function = MockFunction(0x1022, 0x14A6, bars=(Bar(0, BAR_BYTES, BarKind.PREFETCHABLE_64),), tee_io=True)
        self.ide = IdePort(self.function, DEVICE)
        self.dma = Transactions(self.ide)
        self.memory = bytearray(BAR_BYTES)
        self.is_trusted = False
        self.received: list[ide.TlpReceived] = []
        link = platform.root_ports[PORT].link
        link.attach(downstream=self)
        self.ide.transmit, self.ide.deliver = link.up, self._take

    def receive(self, raw: bytes) -> None:
        self.ide.receive(raw)

    def _take(self, event: ide.TlpReceived) -> None:
        self.received.append(event)
        tlp, name = event.tlp, event.tlp.header.tlp_type.name
        if tlp.header.sub_stream is SubStream.CPL:
            self.dma.take(tlp)
        elif name.startswith("CFG"):
            self._configure(tlp)
        elif event.is_tee is not self.is_trusted:
            self.dma.refuse(tlp, DEVICE.requester_id)
        elif name.startswith("MWR"):
            for at, data in enabled_runs(tlp):
                self.memory[at - BAR : at - BAR + len(data)] = data
        else:
            at, size = span_of(tlp)
            self.dma.complete(tlp, DEVICE.requester_id, bytes(self.memory[at - BAR : at - BAR + size]))

    def _configure(self, tlp: ide.Tlp) -> None:
        header = tlp.header
        assert isinstance(header, ide.ConfigurationRequest)
        if header.destination_id != DEVICE.requester_id:
            self.dma.refuse(tlp, DEVICE.requester_id)
        elif tlp.payload:
            for at, data in enabled_runs(tlp):
                self.function.space.bus.write(at, data)
            self.dma.complete(tlp, DEVICE.requester_id)
        else:
            at, size = span_of(tlp)
            self.dma.complete(tlp, DEVICE.requester_id, self.function.space.bus.read(at, size))


class Machine:
    """A platform, a device on it, and what host and firmware do to bring the device into a guest."""

    def __init__(self) -> None:
        self.platform = Platform(memory_bytes=1 << 26)
        self.port = self.platform.root_ports[PORT]
        self.device = SmallDevice(self.platform)
        self.wire: list[ide.Tlp] = []
        self.port.link.taps.append(lambda direction, raw: self.wire.append(ide.Tlp.parse(raw)))
        self.table = IoPageTable()
        self.guest = self.platform.guest(ASID)

    def write_register(self, function: Bdf, offset: int, value: int) -> None:
        self.platform.config_write(function, offset, value.to_bytes(4, "little"))

    def block_offset(self, function: Bdf) -> int:
        return (self.port.ide if function == PORT else self.device.ide).offset + FIRST_BLOCK

    def secure(self, stream_id: int = 0) -> None:
        """Program the streams as AMD's host does, keys by hand, and enable the root port first."""
        for function, control in ((DEVICE, 0x00C0_0000), (PORT, 0x0000_0200)):
            self.write_register(function, self.block_offset(function) + 0x0C, 0x00FF_FF00)
            self.write_register(function, self.block_offset(function) + 0x10, 0x0000_0001)
            self.write_register(function, self.block_offset(function) + 0x04, control | stream_id << 24)
        self.give_keys(stream_id)
        for function, control in ((PORT, 0x0000_0201), (DEVICE, 0x00C0_0001)):
            self.write_register(function, self.block_offset(function) + 0x04, control | stream_id << 24)

    def give_keys(self, stream_id: int) -> None:
        """Program both ports by hand, and switch the keys on."""
        for direction in Direction:
            for sub_stream in (SubStream.PR, SubStream.NPR, SubStream.CPL):
                key = Secret(bytes([16 * direction + sub_stream + 1]) * 32)
                other = Direction.TX if direction is Direction.RX else Direction.RX
                for port, way in ((self.port.ide, direction), (self.device.ide, other)):
                    slot = KeySlot(direction=way, sub_stream=sub_stream)
                    port.program(stream_id, slot, key, 1)
                    port.go(stream_id, slot)

    def place_bar(self) -> None:
        self.write_register(DEVICE, 0x10, BAR & 0xFFFF_FFFF)
        self.write_register(DEVICE, 0x14, BAR >> 32)
        self.platform.config_write(DEVICE, 0x04, b"\x06\x00")

    def give_mmio(self, gpa: int, *, is_validated: bool = True) -> None:
        """Map the BAR's first page into the guest, and validate it as the firmware would."""
        self.guest.map(gpa, BAR)
        self.platform.host.rmp_update(BAR, RmpEntry(assigned=1, asid=ASID, gpa=gpa))
        if is_validated:
            self.platform.rmp.set_validated(BAR)

    def give_memory(self, gpa: int, *, is_private: bool = True) -> int:
        """Map a fresh page into guest and domain; return its physical address."""
        paddr = self.platform.host.allocate(1)
        self.guest.map(gpa, paddr)
        self.table.map(gpa, paddr)
        if is_private:
            self.platform.host.rmp_update(paddr, RmpEntry(assigned=1, asid=ASID, gpa=gpa))
            self.guest.pvalidate(gpa)
        return paddr

    def trust(self, stream_id: int = 0) -> None:
        """Let the device run for the guest: entries, fence, T rules."""
        entry = DeviceTableEntry(domain_id=DOMAIN, is_trusted=True, page_table=self.table)
        self.platform.iommu.set_dte(DEVICE.requester_id, entry)
        sdte = Sdte.for_guest().replace(
            domain_id=DOMAIN, rp_id=self.port.port_number, ide_stream_id=(stream_id, *(0,) * 7)
        )
        self.platform.iommu.set_sdte(DEVICE.requester_id, sdte, ASID)
        self.platform.iommu.fences.set(PORT, ASID, AsidFence())
        self.device.is_trusted = True

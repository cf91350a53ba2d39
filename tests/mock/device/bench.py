"""A device below a root port without a platform: memory at the upper end, registers written and keys given by hand."""

from __future__ import annotations

from functools import cache
from typing import Any

from pytio import ide, idekm, tdisp
from pytio.crypto import Secret
from pytio.ide_registers import IdeCapability
from pytio.idekm import KeyProg, KSetGo, KSetStop
from pytio.ids import Bdf, Direction, InterfaceId, KeySlot, SubStream
from pytio.mock import IdePort, Link, LinkDirection, MockFunction, Transactions
from pytio.mock.device import EXAMPLE_DEVICE, Device, DeviceConfig, default_device_config
from pytio.mock.example import example_config
from pytio.mock.transactions import enabled_runs, span_of
from pytio.pci.codes import ExtendedCapabilityId
from pytio.spdm import ResponderConfig
from pytio.spdm.algorithms import BaseAsymAlgo
from pytio.tdisp import LockFlags, TdispMessage, TdiState

PF = EXAMPLE_DEVICE
VF = Bdf.parse("0000:e1:04.0")
VF2 = Bdf.parse("0000:e1:04.1")
ROOT_PORT = Bdf.parse("0000:e0:01.0")
SESSION = 0xFFFF_FFFF
NO_FLAGS = LockFlags(0)
COMMAND = 0x04
TWO_STREAMS = IdeCapability(
    selective_ide_streams_supported=True,
    ide_km_protocol_supported=True,
    aggregation_supported=True,
    pcrc_supported=True,
    selective_ide_for_configuration_requests_supported=True,
    selective_streams_minus_1=1,
    tee_limited_stream_supported=True,
)
MEMORY_AND_BUS_MASTER = b"\x06\0"
PF_BARS = {0: 0x20_0000_0000, 2: 0x20_0001_0000, 4: 0x20_0010_0000}
VF_BARS = {0: 0x21_0000_0000, 2: 0x21_0010_0000, 4: 0x21_0020_0000}
SLOTS = [
    KeySlot(direction=direction, sub_stream=sub_stream)
    for direction in Direction
    for sub_stream in (SubStream.PR, SubStream.NPR, SubStream.CPL)
]
LATER_SLOTS = [slot.replace(key_set=1) for slot in SLOTS]


@cache
def identity() -> ResponderConfig:
    """Return one SPDM configuration for all tests: certificates take their time."""
    return example_config(BaseAsymAlgo.ECDSA_P256)


def small_config(**changes: Any) -> DeviceConfig:
    return default_device_config(**{"spdm": identity()} | changes)


class Bench:
    """A device, a link, and a root port with memory behind it."""

    def __init__(self, config: DeviceConfig | None = None, **arguments: Any) -> None:
        self.device = Device(config or small_config(), **arguments)
        self.link = Link()
        upper = MockFunction(1, 2, port_type=4)
        self.root = IdePort(upper, ROOT_PORT, role=ide.PortRole.ROOT_PORT, capability=TWO_STREAMS)
        self.down = Transactions(self.root)
        self.memory = bytearray(1 << 16)
        self.received: list[ide.TlpReceived] = []
        self.refuses = False
        self.sent: list[bytes] = []
        self.link.attach(upstream=self.root)
        self.root.transmit = self.link.down
        self.root.deliver = self.deliver
        self.device.attach(self.link)
        self.link.taps.append(lambda direction, raw: self.sent.append(raw) if direction is LinkDirection.UP else None)

    def deliver(self, event: ide.TlpReceived) -> None:
        """Be memory from address 0 on."""
        self.received.append(event)
        name = event.tlp.header.tlp_type.name
        if name.startswith("CPL"):
            self.down.take(event.tlp)
        elif name.startswith("MWR"):
            for at, data in enabled_runs(event.tlp):
                self.memory[at : at + len(data)] = data
        elif self.refuses:
            self.down.refuse(event.tlp, ROOT_PORT.requester_id)
        else:
            at, size = span_of(event.tlp)
            self.down.complete(event.tlp, ROOT_PORT.requester_id, bytes(self.memory[at : at + size]))

    @classmethod
    def plain(cls, config: DeviceConfig | None = None, **arguments: Any) -> Bench:
        """Return a device with all functions set up, and no stream."""
        bench = cls(config, **arguments)
        bench.set_up_functions()
        return bench

    # configuration space

    def write(self, bdf: Bdf, offset: int, data: bytes) -> None:
        self.device.config_write(bdf, offset, data)

    def read(self, bdf: Bdf, offset: int, size: int = 4) -> int:
        return int.from_bytes(self.device.config_read(bdf, offset, size), "little")

    def capability(self, kind: ExtendedCapabilityId, bdf: Bdf = PF) -> int:
        """Return where a capability is, the way that software finds it."""
        at = 0x100
        while at:
            header = self.read(bdf, at)
            if header & 0xFFFF == kind:
                return at
            at = header >> 20
        raise LookupError(kind)

    def enable_virtual_functions(self, count: int = 2) -> None:
        at = self.capability(ExtendedCapabilityId.SR_IOV)
        self.write(PF, at + 0x10, count.to_bytes(2, "little"))
        for index, address in VF_BARS.items():
            self.write_address(at + 0x24 + 4 * index, address)
        self.write(PF, at + 0x08, b"\x19\0")

    def write_address(self, offset: int, address: int, bdf: Bdf = PF) -> None:
        self.write(bdf, offset, (address & 0xFFFF_FFFF).to_bytes(4, "little"))
        self.write(bdf, offset + 4, (address >> 32).to_bytes(4, "little"))

    def set_up_functions(self) -> None:
        """Place and enable the memory of all functions."""
        for index, address in PF_BARS.items():
            self.write_address(0x10 + 4 * index, address)
        self.write(PF, COMMAND, MEMORY_AND_BUS_MASTER)
        if self.device.config.virtual_functions is not None:
            self.enable_virtual_functions()
            for bdf in (VF, VF2):
                self.write(bdf, COMMAND, MEMORY_AND_BUS_MASTER)

    # IDE

    def stream_register(self, port: IdePort, offset: int, index: int = 0) -> int:
        return port.offset + 0x0C + 32 * index + offset

    def write_stream(self, port: IdePort, offset: int, value: int, index: int = 0) -> None:
        port.function.space.write(self.stream_register(port, offset, index), 4, value)

    def set_up_stream(self, stream_id: int = 0, endpoint: int = 0x00C0_0000, root_port: int = 0x0000_0200) -> None:
        """Program the registers of a stream as AMD's host does, without enabling; its block has the same number."""
        for port, control in ((self.device.ide, endpoint), (self.root, root_port)):
            self.write_stream(port, 0x0C, 0x00FF_FF00, stream_id)
            self.write_stream(port, 0x10, 0x0000_0001, stream_id)
            self.write_stream(port, 0x04, control | stream_id << 24, stream_id)

    def give_keys(self, slots: list[KeySlot] | None = None, *, stream_id: int = 0, session: int = SESSION) -> None:
        """Give both ends fresh keys, the device by IDE_KM."""
        chosen = SLOTS if slots is None else slots
        for slot in chosen:
            key = bytes([0x40 + slot.build()[0], stream_id]) * 16
            self.ask(KeyProg.of(stream_id=stream_id, slot=slot, aes_key=key), session=session)
            self.root.program(stream_id, partner(slot), Secret(key), 1)
        for slot in chosen:
            self.ask(KSetGo(stream_id=stream_id, slot=slot), session=session)
            self.root.go(stream_id, partner(slot))

    def stop_key(self, slot: KeySlot) -> None:
        self.ask(KSetStop(stream_id=0, slot=slot))

    def enable_stream(self, stream_id: int = 0) -> None:
        for port in (self.root, self.device.ide):
            at = self.stream_register(port, 0x04, stream_id)
            port.function.space.write(at, 4, port.function.space.read(at, 4) | 1)

    def secure_stream(self, stream_id: int = 0, endpoint: int = 0x00C0_0000, root_port: int = 0x0000_0200) -> None:
        self.set_up_stream(stream_id, endpoint, root_port)
        self.give_keys(stream_id=stream_id)
        self.enable_stream(stream_id)
        for port in (self.root, self.device.ide):
            assert port.state_of(stream_id) is ide.StreamState.SECURE

    # TDISP, and IDE_KM

    def ask(self, message: TdispMessage | idekm.IdeKmMessage, session: int = SESSION) -> bytes:
        """Let the device's engine answer a message that came in a session."""
        is_tdisp = isinstance(message, TdispMessage)
        engine: tdisp.Responder | idekm.Responder | None = self.device.dsm.tdisp if is_tdisp else self.device.dsm.idekm
        assert engine is not None
        with self.device.dsm._at_work():
            answer = engine.handle(message.build(), session)
        assert answer is not None
        return answer

    def lock(self, bdf: Bdf, flags: LockFlags = NO_FLAGS, **fields: Any) -> TdispMessage:
        request = tdisp.LockInterfaceRequest(interface_id=InterfaceId.of(bdf), flags=flags, **fields)
        return tdisp.parse(self.ask(request))

    def run(self, bdf: Bdf, flags: LockFlags = NO_FLAGS) -> None:
        locked = self.lock(bdf, flags)
        assert isinstance(locked, tdisp.LockInterfaceResponse), locked
        started = self.ask(tdisp.StartInterfaceRequest(interface_id=InterfaceId.of(bdf), nonce=locked.nonce))
        assert isinstance(tdisp.parse(started), tdisp.StartInterfaceResponse)

    def stop(self, bdf: Bdf) -> None:
        self.ask(tdisp.StopInterfaceRequest(interface_id=InterfaceId.of(bdf)))

    def report(self, bdf: Bdf) -> tdisp.InterfaceReport:
        asked = tdisp.GetDeviceInterfaceReport(interface_id=InterfaceId.of(bdf), offset=0, length=0xFFFF)
        answer = tdisp.parse(self.ask(asked))
        assert isinstance(answer, tdisp.DeviceInterfaceReport)
        return tdisp.InterfaceReport.parse(answer.report_bytes)

    def reach(self, bdf: Bdf, state: TdiState, flags: LockFlags = NO_FLAGS) -> None:
        """Bring an interface into a state."""
        if state is not TdiState.CONFIG_UNLOCKED:
            self.run(bdf, flags) if state is TdiState.RUN else self.lock(bdf, flags)
        if state is TdiState.ERROR:
            self.device.happen(tdisp.TdiEvent.TRUST_LOST)
        assert self.device.state(bdf) is state

    # memory of the device

    def mmio_read(self, address: int, size: int = 4, *, tee: bool = False, on: int | None = None) -> bytes | None:
        """Return what a read gives, None where it is refused."""
        stream_id = on if on is not None or not tee else 0
        answer = self.down.read(ROOT_PORT.requester_id, address, size, tee=tee, on=stream_id)
        return answer.data if answer.is_successful else None

    def mmio_write(self, address: int, data: bytes, *, tee: bool = False) -> None:
        self.down.write(ROOT_PORT.requester_id, address, data, tee=tee, on=0 if tee else None)

    @classmethod
    def secure(cls, config: DeviceConfig | None = None, **arguments: Any) -> Bench:
        """Return a device with all functions set up and stream 0 Secure."""
        bench = cls(config, **arguments)
        bench.set_up_functions()
        bench.secure_stream()
        return bench


def partner(slot: KeySlot) -> KeySlot:
    """Return the slot of a key at the other end."""
    return slot.replace(direction=Direction.TX if slot.direction is Direction.RX else Direction.RX)

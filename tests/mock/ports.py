"""Two IDE ports at the ends of a link, their registers written and their keys programmed by hand."""

from __future__ import annotations

from collections.abc import Mapping

from pytio import ide
from pytio.crypto import Secret
from pytio.ids import Bdf, Direction, KeySlot, SubStream
from pytio.mock.function import MockFunction
from pytio.mock.ide_port import IdePort
from pytio.mock.link import Link
from pytio.mock.transactions import Transactions, enabled_runs, span_of

SUB_STREAMS = (SubStream.PR, SubStream.NPR, SubStream.CPL)
ROOT_PORT = Bdf.parse("00:01.0")
DEVICE = Bdf.parse("01:00.0")
RID_1, RID_2 = 0x0C, 0x10
"""Offsets in a stream block, as those of control and status are 4 and 8."""
FIRST_BLOCK = 0x0C
"""Offset of the first stream block in the capability."""
AMD_ENDPOINT = 0x00C0_0001
"""Control of stream 0 as AMD's host enables it at an endpoint: default stream, TEE-Limited."""
AMD_ROOT_PORT = 0x0000_0201
"""The same at the root port: configuration requests."""


class Pair:
    """A root port and a device without a platform, around one link."""

    def __init__(self) -> None:
        self.link = Link()
        self.root = IdePort(MockFunction(1, 2, port_type=4), ROOT_PORT, role=ide.PortRole.ROOT_PORT)
        self.device = IdePort(MockFunction(1, 3, tee_io=True), DEVICE)
        self.link.attach(self.root, self.device)
        self.root.transmit, self.device.transmit = self.link.down, self.link.up
        self.down = Transactions(self.root)
        self.up = Transactions(self.device)
        self.wire: list[bytes] = []
        self.link.taps.append(lambda direction, raw: self.wire.append(raw))
        self.memory = bytearray(1 << 16)
        self.received: list[ide.TlpReceived] = []
        self.root.deliver = lambda event: self._deliver(event, self.down, ROOT_PORT)
        self.device.deliver = lambda event: self._deliver(event, self.up, DEVICE)

    def _deliver(self, event: ide.TlpReceived, transactions: Transactions, own: Bdf) -> None:
        """Answer as memory behind either end would; both see the same memory."""
        self.received.append(event)
        if event.tlp.header.sub_stream is SubStream.CPL:
            transactions.take(event.tlp)
        elif event.tlp.header.tlp_type.name.startswith("MWR"):
            for at, data in enabled_runs(event.tlp):
                self.memory[at : at + len(data)] = data
        elif event.tlp.header.tlp_type.name.startswith("MRD"):
            at, size = span_of(event.tlp)
            transactions.complete(event.tlp, own.requester_id, bytes(self.memory[at : at + size]))
        elif event.tlp.header.tlp_type.name.startswith("CFGWR"):
            (at, data), *_ = enabled_runs(event.tlp)
            self.device.function.space.write(at, len(data), int.from_bytes(data, "little"))
            transactions.complete(event.tlp, own.requester_id)

    def write_register(self, port: IdePort, offset: int, value: int) -> None:
        port.function.space.write(port.offset + FIRST_BLOCK + offset, 4, value)

    def read_register(self, port: IdePort, offset: int) -> int:
        return port.function.space.read(port.offset + FIRST_BLOCK + offset, 4)

    def set_up(self, endpoint: int = AMD_ENDPOINT, root_port: int = AMD_ROOT_PORT) -> None:
        """Program the registers without enabling, as Linux does for AMD."""
        for port, control in ((self.device, endpoint), (self.root, root_port)):
            self.write_register(port, RID_1, 0x00FF_FF00)
            self.write_register(port, RID_2, 0x0000_0001)
            self.write_register(port, 4, control & ~1)

    def key(
        self,
        stream_id: int = 0,
        *,
        key_set: int = 0,
        changes: Mapping[tuple[SubStream, Direction], bytes] | None = None,
    ) -> None:
        """Program both ends; ``changes`` are keys that the device gets instead, by its own direction."""
        for number, (sub_stream, direction) in enumerate(
            (sub_stream, direction) for sub_stream in SUB_STREAMS for direction in Direction
        ):
            key = bytes([0x10 * key_set + number + 1]) * 31 + b"\x77"
            partner = Direction.TX if direction is Direction.RX else Direction.RX
            own = (changes or {}).get((sub_stream, direction), key)
            slot = KeySlot(key_set=key_set, direction=direction, sub_stream=sub_stream)
            self.device.program(stream_id, slot, Secret(own), 1)
            self.root.program(stream_id, slot.replace(direction=partner), Secret(key), 1)

    def go(self, stream_id: int = 0, *, key_set: int = 0) -> None:
        """Switch the keys on, receivers first."""
        for direction in Direction:
            for port in (self.device, self.root):
                for sub_stream in SUB_STREAMS:
                    port.go(stream_id, KeySlot(key_set=key_set, direction=direction, sub_stream=sub_stream))

    def enable(self, endpoint: int = AMD_ENDPOINT, root_port: int = AMD_ROOT_PORT) -> None:
        """Set the enable bits, root port first."""
        self.write_register(self.root, 4, root_port)
        self.write_register(self.device, 4, endpoint)

    @classmethod
    def secure(cls, endpoint: int = AMD_ENDPOINT, root_port: int = AMD_ROOT_PORT) -> Pair:
        """Return a pair whose stream 0 is Secure at both ends."""
        pair = cls()
        pair.set_up(endpoint, root_port)
        pair.key()
        pair.go()
        pair.enable(endpoint, root_port)
        return pair

    def states(self, stream_id: int = 0) -> tuple[ide.StreamState, ide.StreamState]:
        return self.root.state_of(stream_id), self.device.state_of(stream_id)

"""Bring up a device model of your own: a temperature sensor behind BAR 0, below a link that a probe sits on.

The sensor's registers are this program's; configuration space, SR-IOV, DOE, IDE, TDISP and DMA are pytio's. The probe
sends memory requests and prints what comes back.
"""

from pytio import ide
from pytio.ids import Bdf
from pytio.mock import Link
from pytio.mock.device import BarConfig, Device, DeviceConfig, DeviceFunction, FunctionRequester, Register, RegisterFile

DEVICE = Bdf.parse("0000:e1:00.0")
BAR0 = 0x20_0000_0000


def sensor(function: DeviceFunction, bar: BarConfig, requester: FunctionRequester) -> RegisterFile:
    """Return what is behind the BAR: an identity, a limit, and a command that measures."""

    def measure(command: int) -> None:
        registers["TEMPERATURE"] = min(41, registers["LIMIT"]) if command else 0

    registers = RegisterFile(
        Register(0x00, "IDENTITY", int.from_bytes(b"warm", "little")),
        Register(0x04, "LIMIT", 90, writable=0xFF),
        Register(0x08, "COMMAND", writable=1, written=measure),
        Register(0x0C, "TEMPERATURE"),
    )
    return registers


class Probe:
    """The upper end of the link, in place of a root port."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.last = b""
        link.attach(upstream=self)

    def receive(self, raw: bytes) -> None:
        """Take a completion; one that is not successful reads as all ones."""
        tlp = ide.Tlp.parse(raw)
        status = getattr(tlp.header, "status", None)
        self.last = tlp.payload if status == ide.CompletionStatus.SUCCESSFUL_COMPLETION else b"\xff" * 4

    def read(self, address: int) -> bytes:
        """Return 4 bytes of the device's memory."""
        self.link.down(ide.memory_read(address, 4, tag=1).build())
        return self.last

    def write(self, address: int, value: int) -> None:
        """Write 4 bytes of the device's memory."""
        self.link.down(ide.memory_write(address, value.to_bytes(4, "little")).build())


config = DeviceConfig(bars=(BarConfig(index=0, size_bytes=4096, content="sensor"),), msi_x=None)
device = Device(config, bdf=DEVICE, regions={"sensor": sensor})
link = Link()
device.attach(link)
probe = Probe(link)

print("before Memory Space Enable:", probe.read(BAR0).hex())
device.config_write(DEVICE, 0x10, (BAR0 & 0xFFFF_FFFF).to_bytes(4, "little"))
device.config_write(DEVICE, 0x14, (BAR0 >> 32).to_bytes(4, "little"))
device.config_write(DEVICE, 0x04, b"\x06\0")
print("identity:", probe.read(BAR0))
probe.write(BAR0 + 8, 1)
print("temperature:", int.from_bytes(probe.read(BAR0 + 12), "little"))

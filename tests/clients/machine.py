"""Everything real that there is of SEV-TIO on one machine: platform, device, firmware; clients are driven on them.

One virtual function is given to one guest; the mailbox answers through its registers' object exchange.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from pytio.backends.bindings import PCI_DOE
from pytio.clients.guest import Channel, GuestBar, GuestClient, GuestInterface
from pytio.clients.ide_streams import StreamSlots
from pytio.clients.psp import (
    Assignment,
    ConnectOptions,
    Device,
    DevicePorts,
    LaunchPage,
    PspClient,
    Relay,
    SnpGuest,
    find_ports,
)
from pytio.crypto import Certificate, Provider, parse_certificates
from pytio.errors import DoePeerError
from pytio.hosts.guest_port import GuestPort, drive_guest
from pytio.hosts.psp_port import PspPort, drive_psp
from pytio.ids import Bdf
from pytio.mock import device as mock_device
from pytio.mock.device import default_device_config
from pytio.mock.doe_mailbox import Answer
from pytio.mock.example import example_config
from pytio.mock.platform import EXAMPLE_ROOT_PORT, DeviceTableEntry, IoPageTable, Platform
from pytio.mock.psp import Psp
from pytio.sev.guest_envelope import SecretsPage
from pytio.sev.tio_codes import PAGE_BYTES, LaunchPageType, Revision
from pytio.spdm import ResponderConfig
from pytio.spdm.algorithms import BaseAsymAlgo

PF = Bdf.parse("0000:e1:00.0")
VF = Bdf.parse("0000:e1:04.0")
ROOT_PORT = EXAMPLE_ROOT_PORT.bdf
GUEST_VF = Bdf.parse("0000:02:00.0")
ASID = 5
DOMAIN = 11
SECRETS_GPA = 0x1000
MEMORY_GPA = 0x10_0000
SHARED_GPA = 0x4000_0000
BARS_GPA = {0: 0x8000_0000, 2: 0x8010_0000, 4: 0x8020_0000}
WINDOW = EXAMPLE_ROOT_PORT.window[0]
PF_BARS = {0: WINDOW, 2: WINDOW + 0x1_0000, 4: WINDOW + 0x10_0000}
VF_BARS = {0: WINDOW + 0x100_0000, 2: WINDOW + 0x110_0000, 4: WINDOW + 0x120_0000}
BAR_BYTES = {0: 4 * PAGE_BYTES, 2: 4 * PAGE_BYTES, 4: 16 * PAGE_BYTES}
COMMAND = 0x04
SR_IOV = 0x10


@cache
def identity() -> ResponderConfig:
    """Return one SPDM configuration for all tests: certificates take their time."""
    return example_config(BaseAsymAlgo.ECDSA_P256)


def root() -> Certificate:
    """Return the certificate that the device's chain begins with."""
    return parse_certificates(b"".join(identity().slots[0].certificates))[0]


class Config:
    """Configuration space from the host's CPU, through the root port."""

    def __init__(self, platform: Platform, names: Callable[[Bdf], Bdf] = lambda function: function) -> None:
        self._platform = platform
        self._name = names

    def read(self, function: Bdf, offset: int, size: int) -> bytes:
        return self._platform.config_read(self._name(function), offset, size)

    def write(self, function: Bdf, offset: int, data: bytes) -> None:
        self._platform.config_write(self._name(function), offset, data)


class Shared:
    """A guest's shared memory."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._next = SHARED_GPA

    def allocate(self, pages: int) -> int:
        gpa, self._next = self._next, self._next + pages * PAGE_BYTES
        self._machine.memory.map(gpa, self._machine.platform.host.allocate(pages), pages)
        return gpa

    def read(self, gpa: int, size: int) -> bytes:
        return self._machine.memory.read(gpa, size, private=False)

    def write(self, gpa: int, data: bytes) -> None:
        self._machine.memory.write(gpa, data, private=False)


class Machine:
    """The machine."""

    def __init__(
        self,
        revision: Revision = Revision.P2,
        *,
        answer: Answer | None = None,
        provider: Provider | None = None,
        **config: Any,
    ) -> None:
        """Build it; ``answer`` is somebody else's responder in the mailbox, ``provider`` what the firmware draws."""
        self.revision = revision
        self.platform = Platform(memory_bytes=1 << 26)
        made = default_device_config(**{"spdm": identity()} | config)
        self.device = mock_device.Device(made, bdf=PF, answer=answer)
        self.device.attach(self.platform.root_ports[ROOT_PORT].link)
        self.psp = Psp(self.platform, revision=revision, provider=provider)
        if answer is not None:
            self.psp.on_vendor = self.device.dsm.follow
        self.port = PspPort(self.psp.execute, self.platform.host, self.exchange, Config(self.platform), self.trust_dma)
        self.client = PspClient(revision)
        self.slots = StreamSlots(4)
        self.memory = self.platform.guest(ASID)
        self.exchanges = 0
        self._set_up_functions()
        self.table = IoPageTable()
        self.platform.iommu.set_dte(VF.requester_id, DeviceTableEntry(domain_id=DOMAIN, page_table=self.table))

    def _set_up_functions(self) -> None:
        config = Config(self.platform)

        def place(offset: int, address: int) -> None:
            config.write(PF, offset, (address & 0xFFFF_FFFF).to_bytes(4, "little"))
            config.write(PF, offset + 4, (address >> 32).to_bytes(4, "little"))

        for index, address in PF_BARS.items():
            place(0x10 + 4 * index, address)
        config.write(PF, COMMAND, b"\x06\0")
        at = 0x100
        while (header := int.from_bytes(config.read(PF, at, 4), "little")) & 0xFFFF != SR_IOV:
            at = header >> 20
        config.write(PF, at + 0x10, (1).to_bytes(2, "little"))
        for index, address in VF_BARS.items():
            place(at + 0x24 + 4 * index, address)
        config.write(PF, at + 0x08, b"\x19\0")
        config.write(VF, COMMAND, b"\x06\0")

    # what the port needs

    def exchange(self, device: Bdf, is_secured: bool, payload: bytes) -> bytes:
        self.exchanges += 1
        answer = self.device.dsm.answer(PCI_DOE.wrap(payload, is_secured))
        if answer is None:
            raise DoePeerError(0, "the mailbox says nothing")
        return PCI_DOE.unwrap(answer).message

    def trust_dma(self, function: Bdf, asid: int, is_trusted: bool) -> None:
        entry = DeviceTableEntry(domain_id=DOMAIN, page_table=self.table, is_trusted=is_trusted)
        self.platform.iommu.set_dte(function.requester_id, entry)

    # the host

    def run(self, plan: Any) -> Any:
        """Perform a plan of the host."""
        return drive_psp(plan, self.port)

    def ports(self) -> DevicePorts:
        found: DevicePorts = self.run(find_ports(PF, ROOT_PORT, self.slots))
        return found

    def init(self) -> None:
        self.run(self.client.init())

    def connect(self, **options: Any) -> Device:
        """Initialize, and connect the device."""
        self.init()
        connected: Device = self.run(self.client.connect(self.ports(), ConnectOptions(**options)))
        return connected

    def launch(self) -> SnpGuest:
        """Launch a guest with a secrets page and a page of memory."""
        pages = []
        for gpa, kind in ((SECRETS_GPA, LaunchPageType.SECRETS), (MEMORY_GPA, LaunchPageType.NORMAL)):
            paddr = self.platform.host.allocate(1)
            self.memory.map(gpa, paddr)
            self.table.map(gpa, paddr)
            pages.append(LaunchPage(gpa, paddr, b"" if kind is LaunchPageType.SECRETS else b"hello", kind))
        self.launched = pages
        guest: SnpGuest = self.run(self.client.launch(ASID, tuple(pages), policy=0x30000))
        return guest

    # the guest

    def start(self, **options: Any) -> Guest:
        """Connect, launch, and give the virtual function to the guest."""
        return Guest(self, self.connect(**options), self.launch())

    @property
    def used_pages(self) -> int:
        """Return how many pages of the host are not free."""
        return (self.platform.memory.size_bytes - (1 << 20)) // PAGE_BYTES - self.platform.host.free_pages


class Guest:
    """The guest's side, and KVM between."""

    def __init__(self, machine: Machine, device: Device, guest: SnpGuest) -> None:
        self.machine = machine
        for index, gpa in BARS_GPA.items():
            machine.memory.map(gpa, VF_BARS[index], BAR_BYTES[index] // PAGE_BYTES)
        assignment = Assignment(device, VF, {index: BAR_BYTES[index] // PAGE_BYTES for index in (0, 4)})
        self.host = guest
        self.device = device
        self.relay = Relay(machine.client, guest, machine.memory.find, {GUEST_VF.requester_id: assignment})
        self.waited = 0.0
        self.port = GuestPort(
            Shared(machine),
            lambda request: machine.run(self.relay.request(request)),
            lambda operation: machine.run(self.relay.operation(operation)),
            Config(machine.platform, lambda function: VF),
            self._wait,
        )
        self.secrets = SecretsPage.parse_prefix(machine.memory.read(SECRETS_GPA, PAGE_BYTES))[0]
        self.channel = Channel.from_secrets(self.secrets)
        self.client = GuestClient(self.channel, machine.revision)
        self.interface = GuestInterface(
            GUEST_VF, {index: GuestBar(gpa, BAR_BYTES[index]) for index, gpa in BARS_GPA.items()}
        )

    def _wait(self, seconds: float) -> None:
        self.waited += seconds

    def run(self, plan: Any) -> Any:
        """Perform a plan of the guest."""
        return drive_guest(plan, self.port)

    def trust(self, policy: Any = lambda attestation: None) -> None:
        """Go all the way, in the verbs of the revision."""
        if self.client.manner.validate:
            self.run(self.client.validate(self.interface, policy))
        else:
            self.run(self.client.lock(self.interface, policy))
            self.run(self.client.accept(self.interface))

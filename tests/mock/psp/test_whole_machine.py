"""Everything at once: platform, device and firmware of this library, and the host's client, down to encrypted TLPs.

A virtual function is given to a guest, which validates its memory, reads and writes it, and lets it do DMA.
"""

from __future__ import annotations

from typing import Any, TypeVar

import pytest

from pytio.backends.bindings import PCI_DOE
from pytio.clients.ide_streams import StreamSlots
from pytio.clients.psp import Device as ClientDevice
from pytio.clients.psp import Interface, LaunchPage, PspClient, SnpGuest, find_ports
from pytio.clients.psp.actions import Plan
from pytio.crypto import Secret
from pytio.hosts.psp_port import PspPort, drive_psp
from pytio.ide import StreamState
from pytio.ids import Bdf
from pytio.mock.device import EXAMPLE_DEVICE, Device
from pytio.mock.platform import EXAMPLE_ROOT_PORT, DeviceTableEntry, IoPageTable, Platform
from pytio.mock.psp import Psp
from pytio.pci.codes import ExtendedCapabilityId
from pytio.sev.codes import SevStatus
from pytio.sev.guest_envelope import GuestMessage, SecretsPage, open_message, seal_message
from pytio.sev.guest_messages import GUEST_MESSAGES, MESSAGE_VERSIONS
from pytio.sev.rmp import RmpEntry
from pytio.sev.sdte import Sdte
from pytio.sev.tio_codes import (
    PAGE_BYTES,
    GuestMessageType,
    GuestMessageTypeR1,
    LaunchPageType,
    Revision,
    SevCommand,
    ValidateFlags,
)
from pytio.tdisp import InterfaceReport

T = TypeVar("T")
VF = Bdf.parse("0000:e1:04.0")
ASID = 7
DOMAIN = 9
SECRETS_GPA, MEMORY_GPA, BAR_GPA = 0x8000, 0x10000, 0x3800_0000_0000
OLDER = (Revision.R1, Revision.R2)


class Config:
    """Configuration space through the root port."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    def read(self, function: Bdf, offset: int, size: int) -> bytes:
        return self._platform.config_read(function, offset, size)

    def write(self, function: Bdf, offset: int, data: bytes) -> None:
        self._platform.config_write(function, offset, data)


class Machine:
    """A machine with everything in it."""

    def __init__(self, revision: Revision) -> None:
        self.revision = revision
        self.platform = Platform(memory_bytes=1 << 26)
        self.root_port = self.platform.root_ports[EXAMPLE_ROOT_PORT.bdf]
        self.device = Device()
        self.device.attach(self.root_port.link)
        self.wire: list[bytes] = []
        self.root_port.link.taps.append(lambda direction, raw: self.wire.append(raw))
        self.secrets: list[tuple[str, str, Secret]] = []
        self.psp = Psp(self.platform, revision=revision, on_secret=lambda *secret: self.secrets.append(secret))
        self.table = IoPageTable()
        self.guest_memory = self.platform.guest(ASID)
        self.sequence = 0
        self.port = PspPort(self.psp.execute, self.platform.host, self.exchange, Config(self.platform), self.trust_dma)
        self.client = PspClient(revision)
        self.enable_virtual_functions()

    def run(self, plan: Plan[T]) -> T:
        return drive_psp(plan, self.port)

    def exchange(self, device: Bdf, is_secured: bool, payload: bytes) -> bytes:
        assert device == EXAMPLE_DEVICE
        unit = self.device.dsm.answer(PCI_DOE.wrap(payload, is_secured))
        assert unit is not None
        return PCI_DOE.unwrap(unit).message

    def trust_dma(self, function: Bdf, asid: int, is_trusted: bool) -> None:
        entry = DeviceTableEntry(domain_id=DOMAIN, is_trusted=is_trusted, page_table=self.table)
        self.platform.iommu.set_dte(function.requester_id, entry)

    def enable_virtual_functions(self) -> None:
        """Give the virtual functions memory, and enable them."""
        at = 0x100
        while (header := int.from_bytes(self.platform.config_read(EXAMPLE_DEVICE, at, 4), "little")) & 0xFFFF != (
            ExtendedCapabilityId.SR_IOV
        ):
            at = header >> 20
        write = self.platform.config_write
        window = EXAMPLE_ROOT_PORT.window[0]
        for index, address in ((0, window), (2, window + 0x1_0000), (4, window + 0x10_0000)):
            self.write_address(0x10 + 4 * index, address)
        for index, address in ((0, 0x20_0000), (2, 0x30_0000), (4, 0x40_0000)):
            self.write_address(at + 0x24 + 4 * index, window + address)
        write(EXAMPLE_DEVICE, 0x04, b"\x06\0")
        write(EXAMPLE_DEVICE, at + 0x10, b"\x01\0")
        write(EXAMPLE_DEVICE, at + 0x08, b"\x19\0")
        write(VF, 0x04, b"\x06\0")

    def write_address(self, offset: int, address: int) -> None:
        for at, value in ((offset, address & 0xFFFF_FFFF), (offset + 4, address >> 32)):
            self.platform.config_write(EXAMPLE_DEVICE, at, value.to_bytes(4, "little"))

    # the host

    def connect(self) -> ClientDevice:
        self.run(self.client.init())
        ports = self.run(find_ports(EXAMPLE_DEVICE, EXAMPLE_ROOT_PORT.bdf, StreamSlots()))
        return self.run(self.client.connect(ports))

    def launch(self) -> SnpGuest:
        secrets, memory = self.platform.host.allocate(1), self.platform.host.allocate(1)
        pages = (
            LaunchPage(SECRETS_GPA, secrets, page_type=LaunchPageType.SECRETS),
            LaunchPage(MEMORY_GPA, memory, b"the guest's memory"),
        )
        guest = self.run(self.client.launch(ASID, pages))
        for page in pages:
            self.guest_memory.map(page.gpa, page.paddr)
            self.table.map(page.gpa, page.paddr)
        return guest

    def give_mmio(self, paddr: int, pages: int) -> None:
        immutable = 0 if self.revision in OLDER else 1
        for at in range(0, pages * PAGE_BYTES, PAGE_BYTES):
            self.guest_memory.map(BAR_GPA + at, paddr + at)
            entry = RmpEntry(assigned=1, immutable=immutable, gpa=BAR_GPA + at, asid=ASID)
            self.platform.host.rmp_update(paddr + at, entry)

    def thaw_mmio(self, paddr: int, pages: int) -> None:
        if self.revision in OLDER:
            return
        page = self.platform.host.allocate(1)
        for at in range(0, pages * PAGE_BYTES, PAGE_BYTES):
            self.platform.host.write(page, ((paddr + at) & ~0xFFF).to_bytes(8, "little"))
            assert self.psp.execute(SevCommand.SNP_PAGE_RECLAIM, page) is SevStatus.SUCCESS

    # the guest

    def ask(self, interface: Interface, guest: SnpGuest, name: str, **fields: Any) -> Any:
        """Send a guest message, which the host relays without understanding it."""
        types: Any = GuestMessageTypeR1 if self.revision in OLDER else GuestMessageType
        messages = GUEST_MESSAGES[self.revision]
        identity = {"tdi_id": 1} if self.revision is Revision.N else {"guest_device_id": 0x20}
        key = SecretsPage.parse_prefix(self.guest_memory.read(SECRETS_GPA, PAGE_BYTES))[0].vmpck0
        header = GuestMessage(
            msg_seqno=self.sequence + 1,
            msg_type=types[name + "_REQ"],
            msg_version=MESSAGE_VERSIONS[self.revision],
            payload=b"",
        )
        sealed = seal_message(key, header, messages[types[name + "_REQ"]](**(identity | fields)).build())
        request, response = self.platform.host.allocate(1), self.platform.host.allocate(1)
        self.platform.host.write(request, sealed.build())
        self.platform.host.rmp_update(response, RmpEntry(assigned=1, immutable=1))
        device = interface.device
        assert interface.context is not None
        status = self.run(
            device.bounce.issue(
                SevCommand.TIO_GUEST_REQUEST,
                dev_ctx_sla=device.sla,
                tdi_ctx_sla=interface.context.sla,
                gctx_paddr=guest.context,
                req_paddr=request,
                res_paddr=response,
            )
        )
        assert not status
        self.sequence += 2
        answer, _ = GuestMessage.parse_prefix(self.platform.host.read(response, PAGE_BYTES))
        return messages[types[name + "_RSP"]].parse(open_message(key, answer))


@pytest.mark.parametrize("revision", [Revision.R1, Revision.R2, Revision.P2, Revision.N])
def test_a_function_is_given_to_a_guest_and_taken_back(revision: Revision) -> None:
    machine = Machine(revision)
    device = machine.connect()
    assert all(port.state_of(0) is StreamState.SECURE for port in (machine.root_port.ide, machine.device.ide))
    guest = machine.launch()
    interface = machine.run(machine.client.bind(device, VF, guest, 0x20))
    if revision in (Revision.P2, Revision.N):
        machine.run(interface.run())
    answer = machine.ask(interface, guest, "TIO_TDI_INFO")
    assert answer.status == 0
    assert interface.report is not None
    report = InterfaceReport.parse(interface.report.data)
    [memory] = [each for each in report.mmio_ranges if each.range_id == 4]
    machine.give_mmio(memory.address, memory.page_count)
    unit = PAGE_BYTES if revision is Revision.N else 1
    validated = machine.ask(
        interface,
        guest,
        "TIO_MMIO_VALIDATE",
        subrange_base=BAR_GPA // unit,
        subrange_page_count=memory.page_count,
        range_id=4,
        flags=ValidateFlags.VALIDATED,
    )
    assert (validated.status, validated.changed) == (0, True)
    machine.thaw_mmio(memory.address, memory.page_count)
    machine.trust_dma(VF, ASID, True)
    assert machine.ask(interface, guest, "TIO_SDTE_WRITE", sdte=Sdte.for_guest()).status == 0
    # the guest's memory of the device, privately and not
    machine.wire.clear()
    machine.guest_memory.write(BAR_GPA + 0x100, b"\xcd\xab")
    assert machine.guest_memory.read(BAR_GPA + 0x100, 2) == b"\xcd\xab"
    assert machine.guest_memory.read(BAR_GPA + 0x100, 2, private=False) == b"\xff\xff"
    assert not any(b"\xcd\xab" in raw for raw in machine.wire)
    # the device's memory of the guest
    assert machine.device.dma_read(VF, MEMORY_GPA, 18) == b"the guest's memory"
    machine.device.dma_write(VF, MEMORY_GPA + 0x40, b"by DMA")
    assert machine.guest_memory.read(MEMORY_GPA + 0x40, 6) == b"by DMA"
    assert not machine.platform.iommu.events
    # keys roll while it runs
    machine.run(device.roll_key())
    assert machine.device.dma_read(VF, MEMORY_GPA, 3) == b"the"
    assert machine.guest_memory.read(BAR_GPA + 0x100, 2) == b"\xcd\xab"
    # and back
    machine.run(interface.unbind())
    assert machine.platform.iommu.sdte(VF.requester_id) is None
    machine.run(machine.client.disconnect(device))
    machine.run(machine.client.destroy(guest))
    assert not machine.psp.devices
    assert not machine.psp.guests

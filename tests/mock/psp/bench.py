"""A PSP on a bench: memory, one root port, one device that answers, and a host that does what the kernel does.

The host here is nobody's client: each test says which buffer goes where.
"""

from __future__ import annotations

from typing import Any

from pytio import ide
from pytio.backends.bindings import PCI_DOE
from pytio.crypto import Secret
from pytio.ids import Bdf, InterfaceId
from pytio.mock import IdePort
from pytio.mock.platform import Platform
from pytio.mock.psp import Psp
from pytio.sev.codes import SevStatus
from pytio.sev.commands import COMMANDS
from pytio.sev.data_objects import BufferHeader, ResultObject, SpdmControl, SpdmObject, padded_size
from pytio.sev.rmp import RmpEntry
from pytio.sev.sla import Sla, build_scatter_page
from pytio.sev.tio_codes import PAGE_BYTES, DataObjectId, Revision, SevCommand, SpdmDataType
from pytio.wire import WireStruct
from tests.mock.psp.far_end import FarEnd

MIB = 1 << 20
ROOT_PORT = Bdf.parse("0000:e0:01.1")
DEVICE = Bdf.parse("0000:e1:00.0")
FUNCTION = Bdf.parse("0000:e1:00.1")
SECOND_FUNCTION = Bdf.parse("0000:e1:00.2")
STREAM = 0
PORT_NUMBER = 2
MMIO = 0x100_0010_0000
FIRMWARE_PAGE = RmpEntry(assigned=1, immutable=1)
ASID = 5


class Bench:
    """Everything, and the host's ways with it."""

    def __init__(
        self,
        revision: Revision = Revision.P2,
        *,
        device: dict[str, Any] | None = None,
        platform: Platform | None = None,
        **settings: Any,
    ) -> None:
        self.platform = platform or Platform(memory_bytes=64 * MIB)
        self.clock = 0.0
        self.root_port = self.platform.root_ports[ROOT_PORT]
        self.device = FarEnd(self.root_port, DEVICE, (FUNCTION, SECOND_FUNCTION), MMIO, **(device or {}))
        self.endpoint = self.device.endpoint
        self.ports = (self.root_port.ide, self.device.ide)
        self.enable(is_enabled=False)
        self.secrets: list[tuple[str, str, Secret]] = []
        self.psp = Psp(
            self.platform, revision=revision, on_secret=lambda *secret: self.secrets.append(secret), **settings
        )
        self.revision = revision
        self.host = self.platform.host
        self.command_page = self.host.allocate(1)
        self.status_page = self.page()
        self.exchanges: list[tuple[bool, bytes, bytes]] = []

    def enable(self, *, is_enabled: bool = True) -> None:
        """Program both ports' blocks as AMD's host does, the root port first."""
        for port, control in zip(self.ports, (0x0000_0200, 0x00C0_0000), strict=True):
            port.function.space.write(port.offset + 0x18, 4, 0x00FF_FF00)
            port.function.space.write(port.offset + 0x1C, 4, 0x0000_0001)
            port.function.space.write(port.offset + 0x10, 4, control | STREAM << 24 | is_enabled)

    @staticmethod
    def blocks(port: IdePort, count: int) -> list[int]:
        """Where the register blocks of the first selective streams are."""
        found = [port.offset + 0x0C]
        while len(found) < count:
            associations = port.function.space.read(found[-1], 4) & 0xF
            found.append(found[-1] + 20 + 12 * associations)
        return found

    def are_secure(self) -> bool:
        """Whether both ports say that the stream is Secure."""
        return all(port.state_of(STREAM) is ide.StreamState.SECURE for port in self.ports)

    def traffic(self) -> None:
        """Something of every kind, both ways."""
        self.device.dma.write(DEVICE.requester_id, 0x1000, b"up", tee=True)
        self.device.dma.read(DEVICE.requester_id, 0x1000, 4, tee=True)
        self.root_port.mmio_write(MMIO, b"down", tee=True)
        self.root_port.mmio_read(MMIO, 4, tee=True)

    # pages

    def page(self, *, firmware: bool | None = None) -> int:
        """A page that commands may write a status into."""
        paddr = self.host.allocate(1)
        if firmware or (firmware is None and self.revision is not Revision.R1):
            self.host.rmp_update(paddr, FIRMWARE_PAGE)
        return paddr

    def buffer(self, pages: int = 1, *, firmware: bool = True) -> Sla:
        """A buffer with its header."""
        paddr = self.host.allocate(pages)
        self.host.write(paddr, BufferHeader(capacity_sz=pages * PAGE_BYTES).build())
        for at in range(paddr, paddr + pages * PAGE_BYTES, PAGE_BYTES):
            if firmware:
                self.host.rmp_update(at, FIRMWARE_PAGE)
        if pages == 1:
            return Sla.to(paddr)
        scatter = self.host.allocate(1)
        slas = tuple(Sla.to(at) for at in range(paddr, paddr + pages * PAGE_BYTES, PAGE_BYTES))
        self.host.write(scatter, build_scatter_page(slas))
        return Sla.to(scatter, is_scatter_page=True)

    def control(self, *, output_pages: int = 4) -> SpdmControl:
        """The four buffers."""
        return SpdmControl(
            spdm_req=self.buffer(2),
            spdm_rsp=self.buffer(2, firmware=False),
            spdm_scratch=self.buffer(2),
            spdm_output=self.buffer(output_pages),
        )

    def write_capacity(self, sla: Sla, size: int) -> None:
        """Say how large a buffer is, which its owner does before it gives the pages away."""
        self.platform.memory.write(self.pages_of(sla)[0], BufferHeader(capacity_sz=size).build())

    def pages_of(self, sla: Sla) -> list[int]:
        return list(self.psp.pages.of_buffer(sla))

    def read_buffer(self, sla: Sla) -> bytes:
        return b"".join(self.host.read(page, PAGE_BYTES) for page in self.pages_of(sla))

    def write_response(self, control: SpdmControl, payload: bytes) -> None:
        pages = self.pages_of(control.spdm_rsp)
        raw = BufferHeader(capacity_sz=len(pages) * PAGE_BYTES, payload_sz=padded_size(len(payload))).build() + payload
        for number, at in enumerate(range(0, len(raw), PAGE_BYTES)):
            self.host.write(pages[number], raw[at : at + PAGE_BYTES])

    # commands

    def lay_out(self, command: SevCommand, **fields: Any) -> WireStruct:
        """The command's buffer in this revision, of those fields that it has there."""
        cls = COMMANDS[self.revision][command]
        names = {field.name for field in cls.FIELDS}
        return cls(**{name: value for name, value in fields.items() if name in names})

    def issue(self, command: SevCommand, message: WireStruct | bytes | None = None, **fields: Any) -> SevStatus:
        """One command, once."""
        if message is None:
            message = self.lay_out(command, **fields)
        raw = message if isinstance(message, bytes) else message.build()
        self.host.write(self.command_page, raw)
        return self.psp.execute(command, self.command_page)

    def refuses(self, expected: SevStatus, command: SevCommand, *message: WireStruct | bytes, **fields: Any) -> None:
        """One command, which ends with this status."""
        status = self.issue(command, *message, **fields)
        assert status is expected, self.psp.last

    def run(self, command: SevCommand, *, most: int = 400, **fields: Any) -> SevStatus:
        """One command, with everything the host has to carry for it."""
        message = self.lay_out(command, **fields)
        for _ in range(most):
            status = self.issue(command, message)
            if status is not SevStatus.SPDM_REQUEST:
                return status
            self.carry(fields["spdm_ctrl"])
        raise AssertionError(f"{command.name} never ends")

    def carry(self, control: SpdmControl) -> None:
        """Carry a message as the kernel does: the size of the response is rounded up."""
        is_secured, request = self.question(control)
        answer = self.ask_device(is_secured, request)
        self.clock += 1.0
        self.exchanges.append((is_secured, request, answer))
        self.answer(control, is_secured, answer)

    def question(self, control: SpdmControl) -> tuple[bool, bytes]:
        raw = self.read_buffer(control.spdm_req)
        header = BufferHeader.parse(raw[:64])
        asked, size = SpdmObject.parse_prefix(raw[64:])
        assert asked.object_id is DataObjectId.SPDM_REQUEST
        assert header.payload_sz == padded_size(size)
        return asked.data_type is SpdmDataType.SECURED, asked.message

    def ask_device(self, is_secured: bool, request: bytes) -> bytes:
        self.endpoint.receive(PCI_DOE.wrap(request, is_secured), now=self.clock)
        unit = self.endpoint.bytes_to_send()
        assert unit is not None
        return PCI_DOE.unwrap(unit).message

    def answer(self, control: SpdmControl, is_secured: bool, answer: bytes) -> None:
        kind = SpdmDataType.SECURED if is_secured else SpdmDataType.PLAIN
        padded = answer.ljust(padded_size(16 + len(answer)) - 16, b"\xee")
        self.write_response(
            control, SpdmObject(object_id=DataObjectId.SPDM_RESPONSE, data_type=kind, message=padded).build()
        )

    def result(self, control: SpdmControl) -> ResultObject:
        raw = self.read_buffer(control.spdm_output)
        header = BufferHeader.parse(raw[:64])
        found, size = ResultObject.parse_prefix(raw[64:])
        assert header.payload_sz == padded_size(size)
        return found

    def status_of(self, cls: type[Any]) -> Any:
        return cls.parse_prefix(self.host.read(self.status_page, PAGE_BYTES))[0]

    # the way there

    def init(self, *, tio: bool = True) -> None:
        self.ok(self.issue(SevCommand.SNP_INIT_EX, init_rmp=True, tio_en=tio))
        if tio:
            self.ok(self.issue(SevCommand.TIO_INIT))

    def create(self, bdf: Bdf = DEVICE) -> Sla:
        context = self.buffer()
        number = 0 if self.revision is Revision.R1 else PORT_NUMBER
        self.ok(
            self.issue(SevCommand.TIO_DEV_CREATE, dev_ctx_sla=context, device_id=bdf.requester_id, root_port_id=number)
        )
        return context

    def connected(self, **settings: Any) -> tuple[Sla, SpdmControl]:
        self.init()
        context, control = self.create(), self.control(**settings)
        self.ok(self.run(SevCommand.TIO_DEV_CONNECT, dev_ctx_sla=context, spdm_ctrl=control))
        return context, control

    def guest(self, asid: int = ASID) -> int:
        """A guest that runs, without a page."""
        gctx = self.page(firmware=True)
        self.ok(self.issue(SevCommand.SNP_GCTX_CREATE, gctx_paddr=gctx))
        self.ok(self.issue(SevCommand.SNP_LAUNCH_START, gctx_paddr=gctx, policy=0x30000))
        self.ok(self.issue(SevCommand.SNP_ACTIVATE, gctx_paddr=gctx, asid=asid))
        self.ok(self.issue(SevCommand.SNP_LAUNCH_FINISH, gctx_paddr=gctx))
        return gctx

    def create_tdi(self, context: Sla, function: Bdf = FUNCTION) -> Sla:
        tdi = self.buffer()
        self.ok(
            self.issue(
                SevCommand.TIO_TDI_CREATE,
                dev_ctx_sla=context,
                tdi_ctx_sla=tdi,
                interface_id=InterfaceId.of(function),
            )
        )
        return tdi

    def ok(self, status: SevStatus) -> None:
        assert status is SevStatus.SUCCESS, self.psp.last

"""A PSP on a bench: memory, one root port, one device that answers, and a host that does what the kernel does.

The host here is nobody's client: each test says which buffer goes where.
"""

from __future__ import annotations

from typing import Any

import attrs

from pytio import idekm, tdisp
from pytio.backends.bindings import PCI_DOE
from pytio.crypto import Secret
from pytio.ids import Bdf, InterfaceId
from pytio.mock.endpoint import Endpoint, is_stream_keyed
from pytio.mock.example import example_config
from pytio.mock.ide_port import KeyedPort
from pytio.mock.platform import HostMemory, Memory, Rmp
from pytio.mock.psp import FENCES, FenceMoment, Psp
from pytio.mock.tdi import InterfaceMemory, MockTdi
from pytio.sev.codes import SevStatus
from pytio.sev.commands import COMMANDS
from pytio.sev.data_objects import BufferHeader, ResultObject, SpdmControl, SpdmObject, padded_size
from pytio.sev.rmp import RmpEntry
from pytio.sev.sdte import Sdte
from pytio.sev.sla import Sla, build_scatter_page
from pytio.sev.structures import AsidFence
from pytio.sev.tio_codes import PAGE_BYTES, DataObjectId, Revision, SevCommand, SpdmDataType
from pytio.tdisp.codes import MmioAttributes
from pytio.wire import WireStruct

MIB = 1 << 20
ROOT_PORT = Bdf.parse("0000:e0:01.1")
DEVICE = Bdf.parse("0000:e1:00.0")
FUNCTION = Bdf.parse("0000:e1:00.1")
SECOND_FUNCTION = Bdf.parse("0000:e1:00.2")
STREAM = 0
PORT_NUMBER = 2
MMIO = 0x100_0000_0000
FIRMWARE_PAGE = RmpEntry(assigned=1, immutable=1)
ASID = 5


class Port:
    """A root port that keeps keys."""

    def __init__(self) -> None:
        self.bdf, self.port_number, self.buses = ROOT_PORT, PORT_NUMBER, range(0xE1, 0xE3)
        self.ide = KeyedPort(ROOT_PORT)


class FenceTable:
    def __init__(self) -> None:
        self.known: dict[tuple[Bdf, int], AsidFence] = {}

    def state(self, root_port: Bdf, asid: int) -> AsidFence:
        return self.known.get((root_port, asid), FENCES[FenceMoment.NEVER_BOUND])

    def set(self, root_port: Bdf, asid: int, fence: AsidFence) -> None:
        self.known[root_port, asid] = fence


class Tables:
    def __init__(self) -> None:
        self.fences = FenceTable()
        self.secure: dict[int, tuple[Sdte, int]] = {}

    def dte(self, requester_id: int) -> None:
        return None

    def set_sdte(self, requester_id: int, sdte: Sdte, asid: int) -> None:
        self.secure[requester_id] = sdte, asid

    def clear_sdte(self, requester_id: int) -> None:
        self.secure.pop(requester_id, None)


class Ids:
    def __init__(self) -> None:
        self.active: set[int] = set()

    def activate(self, asid: int) -> None:
        self.active.add(asid)

    def release(self, asid: int) -> None:
        self.active.discard(asid)


class Board:
    """A platform with no more than the firmware needs."""

    def __init__(self, size_bytes: int = 64 * MIB) -> None:
        self.memory = Memory(size_bytes)
        self.rmp = Rmp()
        self.host = HostMemory(self.memory, self.rmp)
        self.iommu = Tables()
        self.asids = Ids()
        self.port = Port()
        self.root_ports = {ROOT_PORT: self.port}

    def is_mmio(self, paddr: int) -> bool:
        return paddr >= self.memory.size_bytes


def make_device(**changes: Any) -> Endpoint:
    """A device with two interfaces, whose second range of memory can be opened to all."""
    ide = idekm.Responder({0: KeyedPort(DEVICE)})

    def is_keyed(stream_id: int, session: int) -> bool:
        return is_stream_keyed(ide, stream_id, session)

    def memory(at: int) -> tuple[InterfaceMemory, ...]:
        return (
            InterfaceMemory(at, 4 * PAGE_BYTES, bar=0),
            InterfaceMemory(at + MIB, 2 * PAGE_BYTES, bar=2, attributes=MmioAttributes.IS_MEM_ATTR_UPDATABLE),
        )

    tdis = {
        FUNCTION: MockTdi(memory(MMIO), is_stream_keyed=is_keyed),
        SECOND_FUNCTION: MockTdi(memory(MMIO + 16 * MIB), is_stream_keyed=is_keyed),
    }
    interfaces = tdisp.Responder(tdis)
    return Endpoint(example_config(**changes), ide=ide, interfaces=interfaces)


@attrs.define
class Buffers:
    """What a device's commands are given."""

    req: Sla
    rsp: int
    control: SpdmControl


class Bench:
    """Everything, and the host's ways with it."""

    def __init__(self, revision: Revision = Revision.P2, *, device: Endpoint | None = None, **settings: Any) -> None:
        self.board = Board()
        self.secrets: list[tuple[str, str, Secret]] = []
        self.psp = Psp(self.board, revision=revision, on_secret=lambda *secret: self.secrets.append(secret), **settings)
        self.revision = revision
        self.endpoint = device or make_device()
        self.host = self.board.host
        self.command_page = self.host.allocate(1)
        self.status_page = self.page()
        self.exchanges: list[tuple[bool, bytes, bytes]] = []

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
        self.endpoint.receive(PCI_DOE.wrap(request, is_secured), now=0.0)
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


def keys_of(port: KeyedPort) -> dict[str, tuple[bytes, bool]]:
    """The keys of a port by slot."""
    return {slot: (held.key.reveal(), held.is_active) for (_, slot), held in port.keys.items()}


def other_end(slot: str) -> str:
    """The slot of the port at the other end of the link."""
    return slot.replace("RX", "??").replace("TX", "RX").replace("??", "TX")

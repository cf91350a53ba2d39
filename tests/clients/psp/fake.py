"""A host of paper: pages with owners, two ports, and a firmware that answers what the test wrote into it.

It keeps the rules that a client can break: only the hypervisor's pages are written and freed, only immutable ones are
reclaimed. It is no model of the firmware; that is `pytio.mock.psp`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, TypeVar

from pytio.clients.ide_streams import ReadConfig, StreamSlots, WriteConfig
from pytio.clients.psp import DevicePorts
from pytio.clients.psp.actions import Allocate, DoeExchange, Free, Issue, Plan, Read, RmpUpdate, TrustDma, Write
from pytio.errors import BackendError
from pytio.ids import Bdf
from pytio.mock import Change, MockFunction
from pytio.sev.codes import SevStatus, SnpPlatformFlags
from pytio.sev.commands import COMMANDS, SPDM_AWARE
from pytio.sev.data_objects import BufferHeader, DataObjectHeader, ResultObject, SpdmObject, padded_size
from pytio.sev.host_ioctl import SnpPlatformStatus
from pytio.sev.rmp import PageState, RmpEntry, page_state
from pytio.sev.sla import Sla, parse_scatter_page
from pytio.sev.structures import FeatureInfo, TioPlatformStatus
from pytio.sev.tio_codes import PAGE_BYTES, DataObjectId, Revision, SevCommand, SpdmDataType, TioStatusFlags
from pytio.wire import WireStruct

T = TypeVar("T")
ROOT, DEVICE = Bdf.parse("0000:00:01.1"), Bdf.parse("0000:01:00.0")
INTERFACE = Bdf.parse("0000:01:00.1")
FIRST_PAGE = 0x100_0000
CONTROL = 0x10  # of the one selective stream, in the IDE capability
EVIDENCE = {
    SevCommand.TIO_DEV_CONNECT: (DataObjectId.CERTIFICATES, b"certificates " * 100),
    SevCommand.TIO_DEV_CERTIFICATES: (DataObjectId.CERTIFICATES, b"certificates " * 100),
    SevCommand.TIO_DEV_MEASUREMENTS: (DataObjectId.MEASUREMENTS, b"measurements"),
    SevCommand.TIO_TDI_BIND: (DataObjectId.INTERFACE_REPORT, b"report"),
    SevCommand.TIO_TDI_REPORT: (DataObjectId.INTERFACE_REPORT, b"report"),
}
SIZES = {
    "spdm_req_size_min": 4096,
    "spdm_req_size_max": 8192,
    "spdm_scratch_size_min": 4096,
    "spdm_scratch_size_max": 16384,
    "spdm_out_size_min": 4096,
    "spdm_out_size_max": 65536,
    "spdm_rsp_size_min": 4096,
    "spdm_rsp_size_max": 8192,
    "devctx_size": 4096,
    "tdictx_size": 8192,
}

Handler = Callable[["FakeHost", Any], int]


class FakeHost:
    """Performs plans, and keeps what was done."""

    def __init__(self, revision: Revision = Revision.P2) -> None:
        self.revision = revision
        self.pages: dict[int, bytearray] = {}
        self.rmp: dict[int, RmpEntry] = {}
        self.validated: set[int] = set()
        self.done: list[Any] = []
        self.asked: list[tuple[bool, bytes]] = []
        self.answers: list[bytes] = []
        self.refuse: dict[SevCommand, int] = {}
        self.handlers: dict[SevCommand, Handler] = {}
        self.dialogue: dict[SevCommand, list[tuple[SpdmDataType, bytes]]] = {}
        self.broken_rules: list[str] = []
        self.fails_at: int | None = None
        self.fails: type | None = None
        self.trusted: dict[Bdf, int] = {}
        self.has_keys = False
        self._next = FIRST_PAGE
        self._waiting: Counter[SevCommand] = Counter()
        self.tio_flags = 0
        self.ports = self._make_ports()

    # two ports with one selective stream each

    def _make_ports(self) -> DevicePorts:
        self.functions = {
            ROOT: MockFunction(0x1022, 0x14AB, port_type=4, port_number=2),
            DEVICE: MockFunction(0x1022, 0x14A0, tee_io=True),
        }
        at = {}
        for function, port in self.functions.items():
            body = (0x0100_00C2).to_bytes(4, "little") + bytes(24)
            at[function] = offset = port.add_extended_capability(0x30, body, rw=-1 << 96 & (1 << 224) - 1)
            self._watch(function, offset + CONTROL)
        return DevicePorts(DEVICE, at[DEVICE], ROOT, at[ROOT], 2, StreamSlots(4))

    def _watch(self, function: Bdf, control: int) -> None:
        space = self.functions[function].space

        def written(change: Change) -> None:
            space.poke(control + 4, 4, 2 if change.new & 1 and self.has_keys else 0)

        space.watch(control, 4, written)

    def give_keys(self) -> None:
        """Have both ports secure from now on where they are enabled."""
        self.has_keys = True
        for function, offset in ((ROOT, self.ports.root_port_ide), (DEVICE, self.ports.device_ide)):
            space = self.functions[function].space
            if space.peek(offset + CONTROL) & 1:
                space.poke(offset + CONTROL + 4, 4, 2)

    # what plans ask for

    def run(self, plan: Plan[T]) -> T:
        """Perform a plan; `fails_at` and `fails` choose an action that raises."""
        outcome: Any = None
        failure: Exception | None = None
        while True:
            try:
                action = plan.throw(failure) if failure else plan.send(outcome)
            except StopIteration as stop:
                result: T = stop.value
                return result
            finally:
                assert not self.broken_rules
            outcome, failure = None, None
            self.done.append(action)
            if self.fails_at == len(self.done) or (self.fails is not None and isinstance(action, self.fails)):
                failure = BackendError("test", f"{type(action).__name__} failed")
                continue
            try:
                outcome = getattr(self, f"_do_{type(action).__name__}")(action)
            except AssertionError as error:  # a rollback that breaks a rule must not end as a note
                self.broken_rules.append(str(error))
                failure = error
            except Exception as error:  # noqa: BLE001  the plan has to know
                failure = error

    def _do_Allocate(self, action: Allocate) -> int:  # noqa: N802
        first = self._next
        for paddr in range(first, first + action.pages * PAGE_BYTES, PAGE_BYTES):
            self.pages[paddr] = bytearray(PAGE_BYTES)
        self._next += action.pages * PAGE_BYTES
        return first

    def _do_Free(self, action: Free) -> None:  # noqa: N802
        for paddr in range(action.paddr, action.paddr + action.pages * PAGE_BYTES, PAGE_BYTES):
            assert self.state(paddr) is PageState.HYPERVISOR, f"{paddr:#x} freed"
            del self.pages[paddr]

    def _do_Read(self, action: Read) -> bytes:  # noqa: N802
        return self.peek(action.paddr, action.size)

    def _do_Write(self, action: Write) -> None:  # noqa: N802
        assert self.state(action.paddr) is PageState.HYPERVISOR, f"{action.paddr:#x} written"
        self.poke(action.paddr, action.data)

    def _do_RmpUpdate(self, action: RmpUpdate) -> None:  # noqa: N802
        old = self.rmp.get(action.paddr, RmpEntry())
        assert not old.immutable, f"{action.paddr:#x} is immutable"
        if (old.gpa, old.asid) != (action.entry.gpa, action.entry.asid):
            self.validated.discard(action.paddr)
        self.rmp[action.paddr] = action.entry

    def _do_DoeExchange(self, action: DoeExchange) -> bytes:  # noqa: N802
        self.asked.append((action.is_secured, action.payload))
        return b"answer to " + action.payload

    def _do_ReadConfig(self, action: ReadConfig) -> bytes:  # noqa: N802
        return self.functions[action.function].space.bus.read(action.offset, 4)

    def _do_WriteConfig(self, action: WriteConfig) -> None:  # noqa: N802
        self.functions[action.function].space.bus.write(action.offset, action.data)

    def _do_TrustDma(self, action: TrustDma) -> None:  # noqa: N802
        self.trusted.pop(action.function, None)
        if action.is_trusted:
            self.trusted[action.function] = action.asid

    def _do_Issue(self, action: Issue) -> SevStatus:  # noqa: N802
        layout = COMMANDS[self.revision].get(action.command)  # SNP_DF_FLUSH has none
        buffer: Any = layout.parse(action.buffer) if layout is not None else None
        if action.command in SPDM_AWARE and (status := self._speak(action.command, buffer)):
            return status
        if action.command in self.refuse:
            return SevStatus(self.refuse[action.command])
        handler = self.handlers.get(action.command, HANDLERS.get(action.command))
        return SevStatus(handler(self, buffer) if handler else 0)

    # the firmware's side of memory

    def state(self, paddr: int) -> PageState:
        """Return whose a page is."""
        page = paddr - paddr % PAGE_BYTES
        return page_state(self.rmp.get(page, RmpEntry()), is_validated=page in self.validated)

    def peek(self, paddr: int, size: int) -> bytes:
        """Read, inside of one page."""
        at = paddr % PAGE_BYTES
        assert at + size <= PAGE_BYTES
        return bytes(self.pages[paddr - at][at : at + size])

    def poke(self, paddr: int, data: bytes) -> None:
        """Write, inside of one page, whoever has it."""
        at = paddr % PAGE_BYTES
        assert at + len(data) <= PAGE_BYTES
        self.pages[paddr - at][at : at + len(data)] = data

    def data_pages(self, sla: Sla) -> list[int]:
        """Return the pages that a buffer has."""
        if not sla.is_scatter_page:
            return [sla.paddr]
        assert self.state(sla.paddr) is PageState.HYPERVISOR
        return [page.paddr for page in parse_scatter_page(self.peek(sla.paddr, PAGE_BYTES))]

    def fill(self, sla: Sla, payload: bytes) -> None:
        """Write a payload into a buffer, and how large it is."""
        pages = self.data_pages(sla)
        whole = bytearray(b"".join(self.peek(page, PAGE_BYTES) for page in pages))
        header = BufferHeader.parse(bytes(whole[:64])).replace(payload_sz=padded_size(len(payload)))
        whole[: 64 + len(payload)] = header.build() + payload
        for index, page in enumerate(pages):
            self.poke(page, bytes(whole[index * PAGE_BYTES : (index + 1) * PAGE_BYTES]))

    def response(self, sla: Sla) -> tuple[int, bytes, bytes]:
        """Return PAYLOAD_SZ, the object's header and its message."""
        raw = b"".join(self.peek(page, PAGE_BYTES) for page in self.data_pages(sla))
        header = BufferHeader.parse(raw[:64])
        assert header.capacity_sz == len(raw)
        length = DataObjectHeader.parse(raw[64:74]).length
        return header.payload_sz, raw[64:80], raw[80 : 64 + max(length, 16)]

    def _speak(self, command: SevCommand, buffer: Any) -> SevStatus | None:
        """Play the dialogue of a command: one request per issue; a response of LENGTH 0 ends it."""
        lines = self.dialogue.get(command, [])
        at = self._waiting[command]
        control = buffer.spdm_ctrl
        owners = {name: {self.state(page) for page in self.data_pages(getattr(control, name))} for name in BUFFERS}
        assert owners == {name: {state} for name, state in BUFFERS.items()}
        payload, header, message = self.response(control.spdm_rsp)
        if at:
            if not int.from_bytes(header[4:8], "little"):
                self._waiting[command] = 0
                return SevStatus.SPDM_ERROR
            self.answers.append(message)
        else:
            assert (payload, header) == (16, bytes.fromhex("02000000 00000000 0001 000000000000"))
        if at == len(lines):
            self._waiting[command] = 0
            return None
        self._waiting[command] += 1
        kind, text = lines[at]
        asked = SpdmObject(object_id=DataObjectId.SPDM_REQUEST, data_type=kind, message=text)
        self.fill(control.spdm_req, asked.build())
        return SevStatus.SPDM_REQUEST

    # what tests look at

    def commands(self) -> list[SevCommand]:
        """Return the commands in order, without the reclaims of pages."""
        skip = SevCommand.SNP_PAGE_RECLAIM
        return [action.command for action in self.done if isinstance(action, Issue) and action.command != skip]

    def issued(self, command: SevCommand) -> Any:
        """Return the last buffer of a command."""
        raw = [action.buffer for action in self.done if isinstance(action, Issue) and action.command is command][-1]
        return COMMANDS[self.revision][command].parse(raw)

    def is_clean(self) -> bool:
        """Return whether no page, no stream and no register is left in use."""
        registers = [
            self.functions[function].space.peek(offset + CONTROL + at)
            for function, offset in ((ROOT, self.ports.root_port_ide), (DEVICE, self.ports.device_ide))
            for at in (0, 4, 8, 12)
        ]
        return not self.pages and not any(registers) and len(self.ports.slots) == 4


BUFFERS = {
    "spdm_req": PageState.FIRMWARE,
    "spdm_rsp": PageState.HYPERVISOR,
    "spdm_scratch": PageState.FIRMWARE,
    "spdm_output": PageState.FIRMWARE,
}


def _reclaim(host: FakeHost, buffer: Any) -> int:
    paddr = buffer.pfn * PAGE_BYTES
    entry = host.rmp.get(paddr, RmpEntry())
    if not entry.immutable:
        return SevStatus.INVALID_PAGE_STATE
    host.rmp[paddr] = entry.replace(immutable=0)
    return 0


def writes(structure: WireStruct) -> Handler:
    def handler(host: FakeHost, buffer: Any) -> int:
        host.poke(getattr(buffer, "status_paddr", None) or buffer.feature_info_paddr, structure.build())
        return 0

    return handler


def tio_status(host: FakeHost, buffer: Any) -> int:
    status = TioPlatformStatus(flags=TioStatusFlags(host.tio_flags))
    if host.tio_flags & 2:
        status = status.replace(**SIZES)
    host.poke(buffer.status_paddr, status.build())
    return 0


def _init_ex(host: FakeHost, buffer: Any) -> int:
    host.tio_flags |= int(buffer.tio_en)
    return 0


def _tio_init(host: FakeHost, buffer: Any) -> int:
    host.tio_flags |= 2
    return 0


def _result(command: SevCommand) -> Handler:
    object_id, data = EVIDENCE[command]

    def handler(host: FakeHost, buffer: Any) -> int:
        if command is SevCommand.TIO_DEV_CONNECT:
            host.give_keys()
        made = ResultObject(object_id=object_id, device_id=DEVICE.requester_id, data=data)
        host.fill(buffer.spdm_ctrl.spdm_output, made.build())
        return 0

    return handler


def _disconnect(host: FakeHost, buffer: Any) -> int:
    host.has_keys = False
    return 0


HANDLERS: dict[SevCommand, Handler] = {
    SevCommand.SNP_PAGE_RECLAIM: _reclaim,
    SevCommand.SNP_PLATFORM_STATUS: writes(SnpPlatformStatus(flags=SnpPlatformFlags.FEATURE_INFO_AVAILABLE)),
    SevCommand.SNP_FEATURE_INFO: writes(FeatureInfo(sev_tio=True)),
    SevCommand.SNP_INIT_EX: _init_ex,
    SevCommand.TIO_STATUS: tio_status,
    SevCommand.TIO_INIT: _tio_init,
    SevCommand.TIO_DEV_DISCONNECT: _disconnect,
    **{command: _result(command) for command in EVIDENCE},
}


def leaving(made: bytes, status: int = 0) -> Handler:
    """Return a firmware that leaves bytes in OUTPUT."""

    def handler(host: FakeHost, buffer: Any) -> int:
        host.fill(buffer.spdm_ctrl.spdm_output, made)
        return status

    return handler

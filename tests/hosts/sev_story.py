"""A short story of the PSP and a guest, told by a script: golden buffers, real messages, and memory to keep them in."""

from __future__ import annotations

import io
from itertools import count
from pathlib import Path

from pytio import doe
from pytio.capture.keylog import VMPCK_KIND, vmpck_key_of
from pytio.capture.sev_records import GhcbRegisters, GuestDirection, GuestRecord, RecordedRevision
from pytio.crypto import HashAlgorithm, digest
from pytio.hosts.recorder import Recorder
from pytio.ids import Bdf, InterfaceId
from pytio.sev.blobs import CERTIFICATES_GUID, INTERFACE_REPORT_GUID, MEASUREMENTS_GUID, build_blobs
from pytio.sev.codes import SevStatus
from pytio.sev.commands import COMMANDS
from pytio.sev.data_objects import BufferHeader, ResultObject, SpdmObject, padded_size
from pytio.sev.guest_envelope import GuestMessage, seal_message
from pytio.sev.guest_messages import TdiInfoRsp
from pytio.sev.sla import Sla, build_scatter_page
from pytio.sev.structures import DeviceStatus, SpdmAlgos, TdiInfo
from pytio.sev.tio_codes import (
    PAGE_BYTES,
    DataObjectId,
    DeviceContextState,
    GuestMessageStatus,
    GuestMessageType,
    MeasurementFlags,
    Revision,
    SevCommand,
)
from pytio.tdisp import InterfaceReport, MmioRange
from pytio.wire import WireStruct

DEVICE = Bdf(bus=1)
GUEST = "0000:01:00.0"
VMPCK0 = bytes(range(32))
GCTX = 0x200000
BUFFER = 0x300000
STATUS = 0x400000
REQUEST_PAGE, RESPONSE_PAGE = 0x500000, 0x501000
OUTPUT_PAGES = (0x600000, 0x601000)
CERTIFICATES = b"certs" * 1000
MEASUREMENTS = b"meas"
REPORT = InterfaceReport(mmio_ranges=(MmioRange.of(0x380000000000, 0x10000),)).build()
CONNECT = bytes.fromhex(
    "50000000000000000010000100000000 00200001000000000130000100000000 01400001000000000000000000000000"
    "00000001000000000100000000000000 00ffffffffffffff0000000000000000"
)
CREATE = bytes.fromhex("20000000 00000000 0000000100000000 0001 0200 00 0000000000000000000000")
BIND = bytes.fromhex(
    "50000000000000000010000100000000 00200001000000000130000100000000 01400001000000000000000100000000"
    "00000101000000000000200000000000 00010000010000000000000000000000"
)
GUEST_REQUEST = bytes.fromhex(
    "aa747654bf2b8b34aab9432baefe8ed8 00000000000000000000000000000000 01000000000000000000000000000000"
    "01016000130110000000000000000000 00000000000000000000000000000000 00000000000000000000000000000000"
    "e22d823fa4afec074a0405c33cc188cb"
)
GET_VERSION = bytes.fromhex("10840000")
VERSION = bytes.fromhex("1004000000010012")


def sha384(data: bytes) -> bytes:
    return digest(HashAlgorithm.SHA_384, data)


class Memory:
    """Sparse memory, page by page."""

    def __init__(self) -> None:
        self.pages: dict[int, bytearray] = {}

    def write(self, paddr: int, data: bytes) -> None:
        page, at = divmod(paddr, PAGE_BYTES)
        self.pages.setdefault(page, bytearray(PAGE_BYTES))[at : at + len(data)] = data

    def read(self, paddr: int, size: int) -> bytes:
        page, at = divmod(paddr, PAGE_BYTES)
        if page not in self.pages:
            raise ValueError(f"there is no memory at {paddr:#x}")
        return bytes(self.pages[page][at : at + size])


def buffer_of(item: WireStruct) -> bytes:
    raw = item.build()
    return BufferHeader(capacity_sz=2 * PAGE_BYTES, payload_sz=padded_size(len(raw))).build() + raw


class Story:
    """The script: memory, a PSP that writes what it is told to write, and a recorder around it."""

    def __init__(self, revision: Revision = Revision.P2) -> None:
        self.stream = io.BytesIO()
        ticks = count(1_700_000_000_000_000_000, 1000)
        self.recorder = Recorder(self.stream, clock_ns=lambda: next(ticks))
        self.memory = Memory()
        self.memory.write(0x1004000, build_scatter_page(tuple(Sla.to(page) for page in OUTPUT_PAGES)))
        self._writes: list[tuple[int, bytes]] = []
        self._status = SevStatus.SUCCESS
        self.revision = revision
        self._execute = self.recorder.around_psp(self._psp, self.memory.read, revision)

    def _psp(self, command: int, paddr: int) -> int:
        for address, data in self._writes:
            self.memory.write(address, data)
        return self._status

    def command(
        self, kind: SevCommand, buffer: bytes, *writes: tuple[int, bytes], status: SevStatus = SevStatus.SUCCESS
    ) -> None:
        self.memory.write(BUFFER, buffer)
        self._writes, self._status = [*writes], status
        assert self._execute(kind, BUFFER) == status

    def output(self, kind: DataObjectId, data: bytes) -> tuple[tuple[int, bytes], ...]:
        raw = buffer_of(ResultObject(object_id=kind, device_id=0x100, data=data)).ljust(PAGE_BYTES, b"\0")
        return (OUTPUT_PAGES[0], raw[:PAGE_BYTES]), (OUTPUT_PAGES[1], raw[PAGE_BYTES:])

    def connect(self) -> None:
        """Create a device, carry one message to it, and connect it."""
        self.command(SevCommand.TIO_DEV_CREATE, CREATE)
        request = SpdmObject(object_id=DataObjectId.SPDM_REQUEST, message=GET_VERSION)
        self.command(
            SevCommand.TIO_DEV_CONNECT, CONNECT, (0x1001000, buffer_of(request)), status=SevStatus.SPDM_REQUEST
        )
        for message in (GET_VERSION, VERSION):
            kind = doe.DataObjectType.CMA_SPDM
            self.recorder.add_doe(DEVICE, doe.DataObject.wrap(kind, message).build())
        response = SpdmObject(object_id=DataObjectId.SPDM_RESPONSE, message=VERSION + bytes(8))
        self.memory.write(0x1002000, buffer_of(response))
        self.command(SevCommand.TIO_DEV_CONNECT, CONNECT, *self.output(DataObjectId.CERTIFICATES, CERTIFICATES))

    def status(self, certificates: bytes = CERTIFICATES) -> None:
        """Ask for the device's status."""
        command = COMMANDS[Revision.P2][SevCommand.TIO_DEV_STATUS](
            dev_ctx_sla=Sla.to(0x1000000),
            status_paddr=STATUS,  # type: ignore[call-arg]
        )
        status = DeviceStatus(
            device_id=0x100,
            ctx_state=DeviceContextState.CONNECTED,
            request_pending_interface_id=InterfaceId.of(DEVICE),
            certs_digest=sha384(certificates),
        )
        self.command(SevCommand.TIO_DEV_STATUS, command.build(), (STATUS, status.build()))

    def bind(self) -> None:
        """Bind an interface, and ask for its information."""
        self.command(SevCommand.TIO_TDI_BIND, BIND, *self.output(DataObjectId.INTERFACE_REPORT, REPORT))
        command = COMMANDS[Revision.P2][SevCommand.TIO_TDI_INFO](
            dev_ctx_sla=Sla.to(0x1000000),
            tdi_ctx_sla=Sla.to(0x1010000),
            status_paddr=STATUS,  # type: ignore[call-arg]
        )
        info = TdiInfo(interface_id=InterfaceId.of(DEVICE), interface_report_digest=sha384(REPORT))
        self.command(SevCommand.TIO_TDI_INFO, command.build(), (STATUS, info.build()))

    def guest(self, *, key: bytes | None = VMPCK0, certificates: bytes = CERTIFICATES) -> None:
        """Let a guest ask for what is known of its interface, and hand it the blobs."""
        if key is not None:
            self.recorder.key_log.add(VMPCK_KIND, vmpck_key_of(f"{GCTX:x}", 0), key)
        registers = GhcbRegisters(sw_exitcode=0x80000020, sw_exitinfo1=0x1000, sw_exitinfo2=0x2000, rbx=8, rdx=0b1001)
        revision = RecordedRevision.P2
        asked = GuestRecord(
            revision=revision, direction=GuestDirection.REQUEST, page=GUEST_REQUEST.ljust(PAGE_BYTES, b"\0"),
            registers=registers,
        )  # fmt: skip
        self.recorder.add_guest(GUEST, asked)
        response = TdiInfoRsp(
            guest_device_id=0x100,
            status=GuestMessageStatus.BOUND,
            spdm_algos=SpdmAlgos.parse(bytes.fromhex("0101020100000000")),
            meas_flags=MeasurementFlags.MEAS_DIGEST_VALID,
            certs_digest=sha384(certificates),
            meas_digest=sha384(MEASUREMENTS),
            interface_report_digest=sha384(REPORT),
        )
        header = GuestMessage(msg_seqno=2, msg_type=GuestMessageType.TIO_TDI_INFO_RSP, payload=b"")
        sealed = seal_message(VMPCK0, header, response.build())
        blobs = {MEASUREMENTS_GUID: MEASUREMENTS, CERTIFICATES_GUID: CERTIFICATES, INTERFACE_REPORT_GUID: REPORT}
        answered = GuestRecord(
            revision=revision,
            direction=GuestDirection.RESPONSE,
            page=sealed.build(),
            registers=GhcbRegisters(sw_exitcode=0x80000020, rdx=1),
            area=build_blobs(blobs),
        )
        self.recorder.add_guest(GUEST, answered)

    def operation(self) -> None:
        """Let the guest start its interface."""
        for direction in GuestDirection:
            registers = GhcbRegisters(sw_exitcode=0x80000021, sw_exitinfo1=2 << 32 | 0x100)
            self.recorder.add_guest(GUEST, GuestRecord(direction=direction, registers=registers))

    def write(self, path: Path) -> Path:
        """Write the file."""
        self.recorder.flush()
        path.write_bytes(self.stream.getvalue())
        return path


def told() -> Story:
    """Return the whole story."""
    story = Story()
    story.connect()
    story.status()
    story.bind()
    story.guest()
    story.operation()
    story.recorder.add_tlp(DEVICE, "down", bytes.fromhex("40000001010000ff0000100012345678"))
    return story

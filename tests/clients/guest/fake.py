"""A firmware of paper behind an exit: it counts, opens and answers, and a test says what goes wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import attrs

from pytio.clients.guest import Channel
from pytio.clients.guest.actions import Operation, OperationReply, Request, RequestReply, Wait
from pytio.crypto import HashAlgorithm, Secret, digest
from pytio.errors import BackendError
from pytio.sev.blobs import CERTIFICATES_GUID, INTERFACE_REPORT_GUID, MEASUREMENTS_GUID, build_blobs
from pytio.sev.codes import HypervisorError, SevStatus
from pytio.sev.ghcb import RequestResult
from pytio.sev.guest_envelope import GuestMessage, open_message, seal_message
from pytio.sev.guest_messages import GUEST_MESSAGES, MESSAGE_VERSIONS
from pytio.sev.tio_codes import (
    PAGE_BYTES,
    GuestMessageType,
    GuestMessageTypeR1,
    MeasurementFlags,
    Revision,
    TioOperation,
)
from pytio.tdisp import InterfaceReport, MmioAttributes, MmioRange, TdiState

T = TypeVar("T")
KEY = bytes(range(32))
FINE = RequestResult()
REPORT = InterfaceReport(
    mmio_ranges=(
        MmioRange(first_page=0x1000, page_count=4, range_id=0),
        MmioRange(first_page=0x2000, page_count=1, range_id=2, attributes=MmioAttributes.MSI_X_TABLE),
        MmioRange(first_page=0x2001, page_count=1, range_id=2, attributes=MmioAttributes.IS_NON_TEE_MEM),
        MmioRange(first_page=0x2002, page_count=2, range_id=2),
        MmioRange(first_page=0x3000, page_count=7, range_id=4),
    )
).build()
EVIDENCE = {CERTIFICATES_GUID: b"certs", MEASUREMENTS_GUID: b"meas", INTERFACE_REPORT_GUID: REPORT}


def sha384(data: bytes) -> bytes:
    return digest(HashAlgorithm.SHA_384, data)


class FakeFirmware:
    """Answers every message with success, and keeps what it saw."""

    def __init__(self, revision: Revision = Revision.P2, key: bytes = KEY) -> None:
        self.revision = revision
        self.key = Secret(key)
        self.counted = 0
        self.seen: list[Any] = []
        self.requests: list[Request] = []
        self.operations: list[TioOperation] = []
        self.waits: list[float] = []
        self.config = bytearray(4096)
        self.status: dict[str, int] = {}
        self.facts: dict[str, Any] = {}
        self.blobs = dict(EVIDENCE)
        self.table = b""
        self.state = TdiState.CONFIG_LOCKED
        self.stays = TdiState.RUN
        self.tdi_id = 0
        self.replies: list[RequestReply | Exception | None] = []
        self.refuses: dict[TioOperation, RequestResult] = {}
        self.tamper: Callable[[GuestMessage], GuestMessage | bytes] = lambda message: message
        self.fails_at: int | None = None
        self.count = 0

    def channel(self, sequence: int = 0) -> Channel:
        return Channel(self.key, 0, sequence)

    def run(self, plan: Any) -> Any:
        """Perform a plan."""
        outcome: Any = None
        failure: Exception | None = None
        while True:
            try:
                action = plan.throw(failure) if failure else plan.send(outcome)
            except StopIteration as stop:
                return stop.value
            outcome, failure = None, None
            self.count += 1
            if self.count == self.fails_at:
                failure = BackendError("test", f"{type(action).__name__} failed")
                continue
            try:
                outcome = getattr(self, f"_do_{type(action).__name__}")(action)
            except BackendError as error:
                failure = error

    def _do_Wait(self, action: Wait) -> None:  # noqa: N802
        self.waits.append(action.seconds)

    def _do_ReadConfig(self, action: Any) -> bytes:  # noqa: N802
        return bytes(self.config[action.offset : action.offset + 4])

    def _do_WriteConfig(self, action: Any) -> None:  # noqa: N802
        self.config[action.offset : action.offset + len(action.data)] = action.data

    def _do_Operation(self, action: Operation) -> OperationReply:  # noqa: N802
        self.operations.append(action.action)
        if action.action in self.refuses:
            return OperationReply(self.refuses[action.action])
        if action.action is TioOperation.BIND:
            self.tdi_id += 1
        if action.action is TioOperation.RUN:
            self.state = self.stays
        return OperationReply(FINE, self.tdi_id)

    def _do_Request(self, action: Request) -> RequestReply:  # noqa: N802
        self.requests.append(action)
        scripted = self.replies.pop(0) if self.replies else None
        if isinstance(scripted, Exception):
            raise scripted
        if scripted is not None:
            return scripted
        sealed, _ = GuestMessage.parse_prefix(action.page)
        if sealed.msg_seqno != self.counted + 1:
            return RequestReply(RequestResult(fw_err=SevStatus.BAD_SIGNATURE))
        self.counted += 2
        name, payload = self._answer(sealed, open_message(self.key, sealed))
        header = sealed.replace(
            msg_seqno=sealed.msg_seqno + 1, msg_type=self._type(f"{name}_RSP"), authtag=bytes(16), payload=b""
        )
        answer = self.tamper(seal_message(self.key, header.replace(msg_size=0), payload))
        raw = answer if isinstance(answer, bytes) else answer.build()
        data = (self.table or build_blobs(self.blobs)) if action.data_pages else b""
        rdx = int(self.state) + (self.revision is Revision.R1)
        area = data.ljust(action.data_pages * PAGE_BYTES, b"\0")
        return RequestReply(FINE, raw.ljust(PAGE_BYTES, b"\0"), 0, rdx, area)

    def _type(self, name: str) -> int:
        types = GuestMessageTypeR1 if self.revision in (Revision.R1, Revision.R2) else GuestMessageType
        return int(types[name])

    def _answer(self, sealed: GuestMessage, raw: bytes) -> tuple[str, bytes]:
        types = GuestMessageTypeR1 if self.revision in (Revision.R1, Revision.R2) else GuestMessageType
        kind = types(sealed.msg_type)
        asked: Any = GUEST_MESSAGES[self.revision][kind].parse(raw)
        assert sealed.msg_version == MESSAGE_VERSIONS[self.revision]
        self.seen.append(asked)
        name = kind.name.removesuffix("_REQ")
        layout = GUEST_MESSAGES[self.revision][types[f"{name}_RSP"]]
        fields: dict[str, Any] = {"status": self.status.get(name, 0)}
        for each in ("guest_device_id", "tdi_id", "subrange_base", "subrange_page_count", "range_offset", "range_id"):
            if hasattr(asked, each):
                fields[each] = getattr(asked, each)
        if name == "TIO_TDI_INFO":
            fields |= {
                "meas_flags": MeasurementFlags.MEAS_DIGEST_VALID,
                "certs_digest": sha384(b"certs"),
                "meas_digest": sha384(b"meas"),
                "interface_report_digest": sha384(REPORT),
            }
        facts = {each: value for each, value in self.facts.items() if each in attrs.fields_dict(layout)}
        return name, layout(**fields | facts).build()


def busy() -> RequestReply:
    return RequestReply(RequestResult(vmm_err=HypervisorError.BUSY))

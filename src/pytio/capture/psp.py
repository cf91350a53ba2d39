"""Commands of the PSP in a capture, link type USER0: what the host asked, what the firmware answered and wrote.

A record has one ``psp`` layer for the command, one for each structure that the firmware read, one for its answer, one
for each structure that it wrote. Which memory is what, the command's own fields say. Messages for the device are named,
and not opened: they are records of the mailbox's own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import attrs

from pytio.capture.draft import Draft
from pytio.capture.proven import digest_check
from pytio.capture.records import Direction, Layer
from pytio.capture.render import brief_fields
from pytio.capture.sev_records import PspRecord, RecordedMemory
from pytio.errors import DecodeError
from pytio.sev.commands import COMMANDS
from pytio.sev.commands.memory import RESULTS, MemoryRole, named_memory, parse_memory
from pytio.sev.data_objects import ResultObject, SpdmObject
from pytio.sev.exits import guest_message_type
from pytio.sev.guest_envelope import GuestMessage
from pytio.sev.tio_codes import DataObjectId, Revision, SevCommand, SpdmDataType
from pytio.spdm.codes import SpdmCode
from pytio.spdm.secured import RecordHeader
from pytio.tdisp import InterfaceReport
from pytio.wire import WireStruct

__all__ = ("TRANSPORT", "PspReader", "carried_name")

TRANSPORT: Final = "psp"
"""The transport of a PSP command's record."""
_FIXED_BYTES: Final = PspRecord.minimum_size()
_MEMORY_BYTES: Final = RecordedMemory.minimum_size()
_DIGESTS: Final = {
    DataObjectId.CERTIFICATES: "certs_digest",
    DataObjectId.MEASUREMENTS: "meas_digest",
    DataObjectId.INTERFACE_REPORT: "interface_report_digest",
}
_NAMES: Final = {
    DataObjectId.CERTIFICATES: "certificates",
    DataObjectId.MEASUREMENTS: "measurements",
    DataObjectId.INTERFACE_REPORT: "interface report",
}


@attrs.frozen
class _Handed:
    """What the firmware handed over: the data of a result, and the number of the record."""

    data: bytes
    number: int


class PspReader:
    """Reads commands in their order; keeps the results that later digests are of."""

    def __init__(self, *, verify: bool = False) -> None:
        """Start with nothing heard; ``verify`` checks digests."""
        self._verify = verify
        self._handed: dict[tuple[str | None, Any, DataObjectId], _Handed] = {}

    def read(self, draft: Draft) -> None:
        """Add the layers of a command."""
        draft.transport, draft.direction = TRANSPORT, Direction.REQUEST
        try:
            record = PspRecord.parse(draft.frame.data)
        except DecodeError as error:
            draft.add(Layer("psp", draft.frame.data, None, {}, "PSP_RECORD"))
            draft.fail(error, 0)
            return
        _Command(draft, record, self._handed, verify=self._verify).read()


class _Command:
    """One command, being read."""

    def __init__(
        self,
        draft: Draft,
        record: PspRecord,
        handed: dict[tuple[str | None, Any, DataObjectId], _Handed],
        *,
        verify: bool,
    ) -> None:
        self._draft, self._record, self._handed, self._verify = draft, record, handed, verify
        self._command = record.command.command
        self._status = record.response.status
        self._revision = record.revision.revision or Revision.P2
        self._said: list[str] = []

    def read(self) -> None:
        """Add the layers."""
        draft, record = self._draft, self._record
        if record.revision.revision is None:
            draft.notes.append(f"revision {int(record.revision)} is not known; read as P2")
        command = self._buffer()
        roles = {(memory.paddr, memory.role in _WRITTEN_ROLES): memory.role for memory in _named(command)}
        at = _FIXED_BYTES + len(record.buffer)
        later: list[tuple[RecordedMemory, int]] = []
        for memory in record.memory:
            if memory.is_written:
                later.append((memory, at))
            else:
                self._memory(memory, at, roles.get((memory.paddr, False)), command)
            at += _MEMORY_BYTES + len(memory.data)
        draft.add(Layer("psp", record.response.build(), record.response, {}, self._status.name))
        for memory, start in later:
            self._memory(memory, start, roles.get((memory.paddr, True)), command)
        fields = ", ".join(self._said) or (brief_fields(command) if command is not None else "")
        told = f"PSP {self._command.name} -> {self._status.name}", fields
        draft.layers[0] = attrs.evolve(draft.layers[0], told=told)

    def _buffer(self) -> WireStruct | None:
        """Add the layer of the command itself."""
        draft, record = self._draft, self._record
        facts = {
            "revision": self._revision.value,
            "code": int(self._command),
            "paddr": f"{record.buffer_paddr:#x}",
        }
        cls = COMMANDS[self._revision].get(self._command)
        command = None
        if cls is not None:
            try:
                command, size = cls.parse_prefix(record.buffer)
                if any(record.buffer[size:]):
                    draft.notes.append(f"{len(record.buffer) - size} bytes after {cls.NAME}")
            except DecodeError as error:
                draft.fail(error, _FIXED_BYTES)
        elif record.buffer:
            draft.notes.append(f"the buffer of {self._command.name} is not read in {self._revision.value}")
        draft.add(Layer("psp", record.buffer, command, facts, self._command.name))
        return command

    def _memory(self, memory: RecordedMemory, at: int, role: MemoryRole | None, command: WireStruct | None) -> None:
        """Add the layers of memory that begins at offset ``at`` of the record."""
        draft = self._draft
        at += _MEMORY_BYTES
        facts = {"paddr": f"{memory.paddr:#x}", "memory": role.value if role is not None else "not named"}
        if role is None:
            draft.add(Layer("psp", memory.data, None, facts, "MEMORY"))
            return
        result = RESULTS[self._revision].get(self._command)
        try:
            parsed = parse_memory(role, result, memory.data)
        except DecodeError as error:
            draft.add(Layer("psp", memory.data, None, facts, role.name))
            draft.fail(error, at)
            return
        for structure, offset in parsed:
            size = len(structure.build())
            is_snp = self._command is SevCommand.SNP_GUEST_REQUEST  # whose types are the same in every revision
            carried = carried_name(structure, Revision.P2 if is_snp else self._revision)
            more = {"carries": carried} if carried else {}
            draft.add(Layer("psp", memory.data[offset : offset + size], structure, facts | more, structure.NAME))
            if carried:
                self._said.append(f"carries {carried}")
            if isinstance(structure, ResultObject):
                self._result(structure, at + offset + size - len(structure.data), command)
            elif role is MemoryRole.STATUS:
                self._said.append(brief_fields(structure))
                self._digests(structure, command)

    def _result(self, result: ResultObject, at: int, command: WireStruct | None) -> None:
        """Take what the firmware hands over, and add the layer of a report."""
        draft = self._draft
        name = _NAMES.get(result.object_id, result.object_id.name)
        self._said.append(f"{name}, {len(result.data)} bytes")
        key = draft.frame.interface, _owner(command, result.object_id), result.object_id
        self._handed[key] = _Handed(result.data, draft.frame.number)
        if result.object_id is DataObjectId.INTERFACE_REPORT:
            try:
                report = InterfaceReport.parse(result.data)
            except DecodeError as error:
                draft.fail(error, at)
                return
            draft.add(Layer("tdisp", result.data, report, {}, report.NAME))

    def _digests(self, structure: WireStruct, command: WireStruct | None) -> None:
        """Check the digests in a structure against what was handed over before."""
        if not self._verify:
            return
        for kind, field in _DIGESTS.items():
            said = getattr(structure, field, b"")
            handed = self._handed.get((self._draft.frame.interface, _owner(command, kind), kind))
            if handed is None or not any(said):  # zero before there is any
                continue
            what = f"{structure.NAME} {field}"
            self._draft.checks.append(digest_check(what, said, handed.data, _NAMES[kind], handed.number))


_WRITTEN_ROLES: Final = frozenset(
    {
        MemoryRole.SPDM_REQ,
        MemoryRole.SPDM_SCRATCH,
        MemoryRole.SPDM_OUTPUT,
        MemoryRole.STATUS,
        MemoryRole.GUEST_RESPONSE,
    }
)


def _named(command: WireStruct | None) -> Iterator[Any]:
    return iter(()) if command is None else iter(named_memory(command))


def _owner(command: WireStruct | None, kind: DataObjectId) -> int | None:
    """Return the context that a result belongs to: an interface's for its report, a device's for all else."""
    name = "tdi_ctx_sla" if kind is DataObjectId.INTERFACE_REPORT else "dev_ctx_sla"
    sla = getattr(command, name, None)
    return None if sla is None else sla.paddr


def carried_name(structure: WireStruct, revision: Revision) -> str:
    """Return what a message for or from the device or a guest is called, as far as what travels in clear tells."""
    if isinstance(structure, GuestMessage):
        return f"{guest_message_type(revision, structure.msg_type).name} {structure.msg_seqno}"
    if not isinstance(structure, SpdmObject):
        return ""
    data = structure.message
    if structure.data_type is SpdmDataType.SECURED:
        if len(data) < RecordHeader.minimum_size():
            return "a cut secured record"
        return f"secured record of session {int.from_bytes(data[:4], 'little'):08x}"
    if len(data) <= 1:
        return "a cut SPDM message"
    return f"SPDM {data[0] >> 4}.{data[0] & 0xF} {SpdmCode(data[1]).name}"

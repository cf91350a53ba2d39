"""What ``pytio sev decode`` can be given: each kind of bytes or text, and the parts it is taken apart into."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final
from uuid import UUID

import attrs

from pytio.crypto import Secret, parse_certificates
from pytio.errors import DecodeError, SevDecodeError, VerificationError
from pytio.evidence.messages import negotiated, split_exchanges, split_vca
from pytio.sev.blobs import CERTIFICATES_GUID, INTERFACE_REPORT_GUID, MEASUREMENTS_GUID, parse_blobs
from pytio.sev.commands import COMMANDS
from pytio.sev.commands.memory import RESULTS, MemoryRole, parse_memory, parse_object
from pytio.sev.data_objects import ResultObject
from pytio.sev.exits import EXIT_NAMES, exit_registers, guest_message_type, parse_guest_payload
from pytio.sev.guest_envelope import GuestMessage, open_message
from pytio.sev.kernel_log import LoggedCommand, LoggedDump, LoggedFacts, parse_kernel_log
from pytio.sev.rmp import RmpEntry
from pytio.sev.sdte import Sdte
from pytio.sev.sla import Sla, parse_scatter_page
from pytio.sev.tio_codes import DataObjectId, DataObjectType, Revision, SevCommand
from pytio.sev.tsm_status import TsmDevStatus, TsmTdiStatus, TsmTdiStatusN
from pytio.sev.tsm_texts import parse_tsm_text
from pytio.spdm.codes import SpdmCode, SpdmVersion
from pytio.spdm.messages.measurements import MeasurementBlock
from pytio.tdisp import InterfaceReport
from pytio.wire import WireStruct

__all__ = ("KINDS", "Given", "Kind", "Part", "Parts")

_VERSION_LOG: Final = bytes([SpdmVersion.V1_0, SpdmCode.GET_VERSION])
_CHAIN_HEADER_BYTES: Final = 4
_ROOT_HASH_BYTES: Final = (48, 32, 64)
_REGISTER: Final = re.compile(r"(\w+)\s*[=:]\s*(0x[0-9a-fA-F]+|[0-9]{1,20}\b)")
_REGISTER_BITS: Final = 64
_BLOBS: Final = {
    MEASUREMENTS_GUID: "measurements",
    CERTIFICATES_GUID: "certificates",
    INTERFACE_REPORT_GUID: "report",
}
_OBJECTS: Final = {
    DataObjectId.CERTIFICATES: "certificates",
    DataObjectId.MEASUREMENTS: "measurements",
    DataObjectId.INTERFACE_REPORT: "report",
}


@attrs.frozen
class Given:
    """What nobody can see in the bytes.

    Attributes:
        revision: whose layouts they have.
        command: the command that they belong to.
        keys: guest message keys; the tag tells which is the right one.
        msg_type: MSG_TYPE of the guest message beside registers.
        is_response: whether registers are those that a guest gets back.
    """

    revision: Revision = Revision.P2
    command: SevCommand | None = None
    keys: tuple[Secret, ...] = ()
    msg_type: int | None = None
    is_response: bool = False


@attrs.frozen
class Part:
    """One structure, or some facts.

    Attributes:
        title: what it is.
        message: the structure; None where there are only facts.
        facts: what there is to say beside it, as plain data.
        problem: why it, or what follows it, does not decode.
        evidence: the bytes, where they are ``certificates``, ``measurements`` or ``report``.
    """

    title: str
    message: WireStruct | None = None
    facts: Mapping[str, Any] = attrs.field(factory=dict)
    problem: str | None = None
    evidence: bytes | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the part as plain data."""
        plain: dict[str, Any] = {"part": self.title}
        if self.message is not None:
            plain |= {"message": self.message.NAME, "fields": self.message.to_dict()}
        if self.facts:
            plain["facts"] = dict(self.facts)
        return plain if self.problem is None else plain | {"problem": self.problem}

    def show(self) -> str:
        """Return the part as text."""
        lines = [self.title if self.message is None else f"{self.title}: {self.message.show()}"]
        lines += (f"  {name}: {value}" for name, value in self.facts.items())
        return "\n".join(lines if self.problem is None else [*lines, f"  problem: {self.problem}"])


Parts = Iterator[Part]
"""What a kind of input is taken apart into."""


@attrs.frozen
class Kind:
    """One kind of input.

    Attributes:
        help: what it is, in a line.
        decode: takes it apart; raises `DecodeError` or ValueError if it is nothing of the kind.
        is_text: whether the input is text that means something, and no hex.
    """

    help: str
    decode: Callable[[bytes, Given], Parts]
    is_text: bool = False


def _of(cls: type[WireStruct], title: str) -> Callable[[bytes, Given], Parts]:
    def decode(data: bytes, given: Given) -> Parts:
        yield Part(title, cls.parse(data))

    return decode


def _command_of(given: Given) -> SevCommand:
    if given.command is None:
        raise ValueError("--command says which command it is, such as TIO_DEV_CONNECT or 0xd4")
    return given.command


def _command(data: bytes, given: Given) -> Parts:
    command = _command_of(given)
    cls = COMMANDS[given.revision].get(command)
    if cls is None:
        raise ValueError(f"{given.revision.value} has no layout for {command.name}")
    message, size = cls.parse_prefix(data)
    yield Part("command", message)
    yield from _rest(data, size)


def _result(data: bytes, given: Given) -> Parts:
    command = _command_of(given)
    cls = RESULTS[given.revision].get(command)
    if cls is None:
        raise ValueError(f"{command.name} writes no status structure that {given.revision.value} lays out")
    message, size = cls.parse_prefix(data)
    yield Part("status", message)
    yield from _rest(data, size)


def _rest(data: bytes, size: int) -> Parts:
    """Say what follows a structure; the zeros of its page are nothing."""
    if any(data[size:]):
        yield Part("rest", facts={"bytes": data[size:].hex()}, problem=f"{len(data) - size} bytes left over")


def _buffer(data: bytes, given: Given) -> Parts:
    for structure, _ in parse_memory(MemoryRole.SPDM_OUTPUT, None, data):
        yield from _structure(structure)


def _object(data: bytes, given: Given) -> Parts:
    yield from _structure(parse_object(data))


def _structure(structure: WireStruct) -> Parts:
    """Yield a structure, and what is in it if it is a result."""
    yield Part("buffer", structure)
    if isinstance(structure, ResultObject) and structure.object_id in _OBJECTS:
        yield from _CARRIED[_OBJECTS[structure.object_id]](structure.data, Given())


def _scatter_page(data: bytes, given: Given) -> Parts:
    for number, sla in enumerate(parse_scatter_page(data)):
        yield Part(f"page {number}", sla, {"paddr": f"{sla.paddr:#x}"})


def _guest_message(data: bytes, given: Given) -> Parts:
    message, size = GuestMessage.parse_prefix(data)
    kind = guest_message_type(given.revision, message.msg_type)
    facts: dict[str, Any] = {"type": kind.name, "revision": given.revision.value}
    yield Part("envelope", message, facts)
    yield from _rest(data, size)
    if not given.keys:
        return
    payload = _opened(message, given)
    yield from _payload_parts(message.msg_type, payload, given)


def _payload_parts(msg_type: int, payload: bytes, given: Given) -> Parts:
    structures = parse_guest_payload(given.revision, msg_type, payload)
    if not structures:  # it may be a derived key
        yield Part("payload", facts={"type": guest_message_type(given.revision, msg_type).name, "size": len(payload)})
    for structure in structures:
        yield Part("payload", structure)


def _opened(message: GuestMessage, given: Given) -> bytes:
    for key in given.keys:
        try:
            return open_message(key, message)
        except VerificationError:
            continue
    raise VerificationError("guest message AUTHTAG", ())


def _guest_payload(data: bytes, given: Given) -> Parts:
    if given.msg_type is None:
        raise ValueError("--type says which message it is, as MSG_TYPE does")
    yield from _payload_parts(given.msg_type, data, given)


def _registers(data: bytes, given: Given) -> Parts:
    values = {name.lower(): int(value, 0) for name, value in _REGISTER.findall(data.decode("utf-8", "replace"))}
    if not values:
        raise ValueError("no registers found: write them as sw_exitcode=0x80000020 rdx=9")
    if any(value >> _REGISTER_BITS for value in values.values()):
        raise ValueError("a register has 64 bits")
    code = values.get("sw_exitcode")
    yield Part("exit", facts={"exit": EXIT_NAMES.get(code, "unknown") if code is not None else "not said", **values})
    laid_out = exit_registers(given.revision, values, is_response=given.is_response, msg_type=given.msg_type)
    for name, structure in laid_out.items():
        yield Part(name, structure)


def _blobs(data: bytes, given: Given) -> Parts:
    for guid, blob in parse_blobs(data).items():
        yield Part("blob", facts={"guid": str(guid), "name": _BLOBS.get(guid, "unknown"), "length": len(blob)})
        yield from _blob(guid, blob, given)


def _blob(guid: UUID, blob: bytes, given: Given) -> Parts:
    if guid not in _BLOBS:
        return
    try:
        yield from _CARRIED[_BLOBS[guid]](blob, given)
    except DecodeError as error:
        yield Part(_BLOBS[guid], facts={"bytes": blob.hex()}, problem=str(error))


def _certificates(data: bytes, given: Given) -> Parts:
    """Take an SPDM certificate chain apart; the size of its root hash is that at which certificates begin."""
    length = int.from_bytes(data[:_CHAIN_HEADER_BYTES], "little")  # 16 bits and as many reserved before SPDM 1.4
    if length > len(data):
        reason = f"{len(data)} of {length} bytes: sysfs of R2 cuts a chain at a page"
        raise SevDecodeError(reason, data, len(data), "certificates")
    for size in _ROOT_HASH_BYTES:
        start = _CHAIN_HEADER_BYTES + size
        try:
            certificates = parse_certificates(data[start : length or len(data)])
        except DecodeError:
            continue
        if certificates:
            facts = {"length": length, "root_hash": data[_CHAIN_HEADER_BYTES:start].hex()}
            yield Part("certificates", facts=facts, evidence=data)
            for number, certificate in enumerate(certificates):
                names = {"subject": certificate.subject, "issuer": certificate.issuer}
                yield Part(f"certificate {number}", facts={name: str(value) for name, value in names.items()})
            return
    raise SevDecodeError("no certificates behind a root hash of 32, 48 or 64 bytes", data, min(4, len(data)))


def _measurements(data: bytes, given: Given) -> Parts:
    if data.startswith(_VERSION_LOG):
        yield from _message_log(data)
        return
    yield Part("measurements", facts={"form": DataObjectType.RECORD.name}, evidence=data)
    at = 0
    while at < len(data):
        try:
            block, size = MeasurementBlock.parse_prefix(data[at:])
        except DecodeError as error:
            raise SevDecodeError(error.reason, data, at + error.offset, error.path) from error
        yield Part(f"measurement {block.index}", block)
        at += size


def _message_log(data: bytes) -> Parts:
    vca, base = split_vca(data)
    exchanges, signature = split_exchanges(data, negotiated(vca), base)
    facts = {"form": DataObjectType.MESSAGE_LOG.name, "is_signed": bool(signature)}
    yield Part("measurements", facts=facts, evidence=data)
    for piece in (*vca, *exchanges):
        yield Part(piece.what, facts={"bytes": piece.data.hex()})


def _report(data: bytes, given: Given) -> Parts:
    yield Part("report", InterfaceReport.parse(data), evidence=data)


def _tdi_status(data: bytes, given: Given) -> Parts:
    if len(data) == 1:  # what R2's tsm_tdi_status is
        yield Part("tdi-status", facts={"tdisp_state": data[0]})
        return
    cls = TsmTdiStatusN if len(data) == TsmTdiStatusN.minimum_size() else TsmTdiStatus
    yield Part("tdi-status", cls.parse(data))


def _text(data: bytes, given: Given) -> Parts:
    text = parse_tsm_text(data.decode("utf-8", "replace"))
    cut = {"is_cut": True} if text.is_cut else {}
    yield Part(text.kind, facts={**text.fields, **cut})
    for chain in text.fields.get("chains", ()):
        if not text.is_cut:
            yield from _certificates(chain["length"].to_bytes(4, "little") + bytes.fromhex(chain["bytes"]), given)


def _kernel_log(data: bytes, given: Given) -> Parts:
    entries = parse_kernel_log(data.decode("utf-8", "replace"))
    if not entries:
        raise ValueError("no line of the ccp driver: commands are logged with dynamic debug of ccp switched on")
    for entry in entries:
        yield from _LOGGED[type(entry)](entry, given)


def _logged_facts(entry: LoggedFacts, given: Given) -> Parts:
    title = "SEV-TIO is not enabled" if entry.failed else "SEV-TIO status"
    yield Part(title, facts={"line": entry.line, **entry.facts})


def _logged_dump(entry: LoggedDump, given: Given) -> Parts:
    cls = RESULTS[given.revision].get(SevCommand.TIO_STATUS) if entry.prefix == "TIO_ST" else None
    yield _dumped(entry.prefix, {"line": entry.line}, entry, cls)


def _dumped(title: str, facts: dict[str, Any], dump: LoggedDump, cls: type[WireStruct] | None) -> Part:
    """Return a dump as what it is, or as bytes where that is not known or they do not decode."""
    problem = "; ".join(dump.problems) or None
    try:
        message = None if cls is None else cls.parse_prefix(dump.data)[0]
    except DecodeError as error:
        message, problem = None, problem or str(error)
    return Part(title, message, facts if message is not None else facts | {"bytes": dump.data.hex()}, problem)


def _logged_command(entry: LoggedCommand, given: Given) -> Parts:
    status = "timed out" if entry.is_timed_out else "not known" if entry.status is None else entry.status.name
    facts: dict[str, Any] = {"line": entry.line, "paddr": f"{entry.paddr:#x}", "status": status}
    title = f"{entry.command.name} -> {status}"
    dump = entry.before or entry.after
    if dump is None:
        yield Part(title, facts=facts)
        return
    yield _dumped(title, facts, dump, COMMANDS[given.revision].get(entry.command))
    if entry.before is not None and entry.after is not None and entry.after.data != entry.before.data:
        yield _dumped("buffer afterwards", {"line": entry.after.line}, entry.after, None)


_LOGGED: Final[Mapping[type, Callable[[Any, Given], Parts]]] = {
    LoggedCommand: _logged_command,
    LoggedDump: _logged_dump,
    LoggedFacts: _logged_facts,
}
_CARRIED: Final[Mapping[str, Callable[[bytes, Given], Parts]]] = {
    "certificates": _certificates,
    "measurements": _measurements,
    "report": _report,
}

KINDS: Final[Mapping[str, Kind]] = {
    "command": Kind("a PSP command buffer; --command says of which command", _command),
    "status": Kind("what a command wrote to the address in it; --command says which command", _result),
    "buffer": Kind("a buffer with its header: request, response, scratch or output", _buffer),
    "object": Kind("a data object: an SPDM message, certificates, measurements, a report", _object),
    "sla": Kind("a scatter list address", _of(Sla, "sla")),
    "scatter-page": Kind("a page of scatter list addresses", _scatter_page),
    "sdte": Kind("a secure device table entry", _of(Sdte, "sdte")),
    "rmp": Kind("an RMP entry, as RMPUPDATE takes it", _of(RmpEntry, "rmp")),
    "guest-message": Kind("a guest message page; --vmpck opens it", _guest_message),
    "guest-payload": Kind("what is in a guest message; --type says which", _guest_payload),
    "ghcb": Kind("registers of a GHCB exit as text: sw_exitcode=0x80000020 rdx=9", _registers, is_text=True),
    "blobs": Kind("the shared area with a guest's blobs", _blobs),
    "certificates": Kind("a certificate chain, as sysfs and blobs have it", _certificates),
    "measurements": Kind("measurements, as sysfs and blobs have them: a record, or a log of messages", _measurements),
    "report": Kind("an interface report, as sysfs and blobs have it", _report),
    "dev-status": Kind("the kernel's struct tsm_dev_status", _of(TsmDevStatus, "dev-status")),
    "tdi-status": Kind("the kernel's struct tsm_tdi_status, or the one byte of R2's sysfs", _tdi_status),
    "text": Kind(
        "a text of the kernel's TSM: tsm_certs, tsm_meas, tsm_report, tsm_dev_status ...", _text, is_text=True
    ),
    "dmesg": Kind("a kernel log with lines of the ccp driver", _kernel_log, is_text=True),
}
"""Every kind of input, by the name that the command line has for it."""

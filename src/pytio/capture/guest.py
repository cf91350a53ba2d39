"""What guests say to the firmware in a capture, link type USER1: exits, messages under a VMPCK, and blobs.

A record has a ``ghcb`` layer for the exit's registers and one for each register that is laid out, then a ``guest``
layer for the envelope, one for the message in it where a key log has the key, and one for the table of blobs. Nobody
has to say whose key it is: a message is opened where its tag holds.
"""

from __future__ import annotations

from typing import Final
from uuid import UUID

import attrs

from pytio.capture.draft import Draft
from pytio.capture.proven import digest_check, tag_check
from pytio.capture.records import Direction, Layer
from pytio.capture.render import brief_fields
from pytio.capture.secrets import SecretStore
from pytio.capture.sev_records import GhcbRegisters, GuestDirection, GuestRecord
from pytio.errors import DecodeError, VerificationError
from pytio.sev.blobs import (
    CERTIFICATES_GUID,
    INTERFACE_REPORT_GUID,
    MEASUREMENTS_GUID,
    parse_blobs,
)
from pytio.sev.exits import EXIT_NAMES, SNP_EXITS, exit_registers, guest_message_type, parse_guest_payload
from pytio.sev.guest_envelope import GuestMessage, open_message
from pytio.sev.tio_codes import Revision
from pytio.tdisp import InterfaceReport

__all__ = ("BLOB_NAMES", "TRANSPORT", "GuestReader")

TRANSPORT: Final = "guest"
"""The transport of a guest's record."""
BLOB_NAMES: Final = {
    MEASUREMENTS_GUID: "measurements",
    CERTIFICATES_GUID: "certificates",
    INTERFACE_REPORT_GUID: "interface report",
}
"""What blobs are called, by GUID."""
_DIRECTIONS: Final = {GuestDirection.REQUEST: Direction.REQUEST, GuestDirection.RESPONSE: Direction.RESPONSE}
_DIGESTS: Final = {
    "certs_digest": CERTIFICATES_GUID,
    "meas_digest": MEASUREMENTS_GUID,
    "interface_report_digest": INTERFACE_REPORT_GUID,
}
_FIXED_BYTES: Final = GuestRecord.minimum_size()
_AAD: Final = slice(0x30, 0x60)


@attrs.frozen
class _Blobs:
    """What a hypervisor handed to a guest: the blobs, and the number of the record."""

    found: dict[UUID, bytes]
    number: int


class GuestReader:
    """Reads guests' records in their order; keeps the blobs that later digests are of."""

    def __init__(self, secrets: SecretStore, *, verify: bool = False) -> None:
        """Take the keys from a store, as they come in; ``verify`` checks tags and digests."""
        self._secrets = secrets
        self._verify = verify
        self._blobs: dict[str | None, _Blobs] = {}

    def read(self, draft: Draft) -> None:
        """Add the layers of a record."""
        draft.transport = TRANSPORT
        try:
            record = GuestRecord.parse(draft.frame.data)
        except DecodeError as error:
            draft.add(Layer("guest", draft.frame.data, None, {}, "GUEST_RECORD"))
            draft.fail(error, 0)
            return
        if record.revision.revision is None:
            draft.notes.append(f"revision {int(record.revision)} is not known; read as P2")
        draft.direction = _DIRECTIONS[record.direction]
        revision = record.revision.revision or Revision.P2
        message = self._envelope(draft, record)
        said = self._exit(draft, record, revision, message)
        if record.area:
            self._area(draft, record)
        if message is not None:  # types of SEV-SNP are the same in every revision
            is_snp = record.registers.sw_exitcode in SNP_EXITS
            said = self._message(draft, Revision.P2 if is_snp else revision, message)
        if record.area:
            self._blob_layer(draft, record)
        if draft.layers and said:
            draft.layers[0] = attrs.evolve(draft.layers[0], told=said)

    def _envelope(self, draft: Draft, record: GuestRecord) -> GuestMessage | None:
        """Return the message in the page, whatever follows it there."""
        if not record.page:
            return None
        try:
            message, size = GuestMessage.parse_prefix(record.page)
        except DecodeError as error:
            draft.add(Layer("guest", record.page, None, {}, GuestMessage.NAME))
            draft.fail(error, _FIXED_BYTES)
            return None
        if any(record.page[size:]):
            draft.notes.append("the page holds more than the message")
        return message

    def _exit(
        self, draft: Draft, record: GuestRecord, revision: Revision, message: GuestMessage | None
    ) -> tuple[str, str] | None:
        """Add the layers of the exit; return what they say."""
        registers = record.registers
        if registers == GhcbRegisters():
            return None
        name = EXIT_NAMES.get(registers.sw_exitcode, f"exit {registers.sw_exitcode:#x}")
        code = {"code": registers.sw_exitcode}
        draft.add(Layer("ghcb", registers.build(), registers, code, name))
        values = {field.name: getattr(registers, field.name) for field in GhcbRegisters.FIELDS}
        is_response = record.direction is GuestDirection.RESPONSE
        laid_out = exit_registers(
            revision, values, is_response=is_response, msg_type=None if message is None else message.msg_type
        )
        for register, structure in laid_out.items():
            draft.add(Layer("ghcb", structure.build(), structure, {"register": register}, structure.NAME))
        return f"GHCB {name}", " ".join(filter(None, map(brief_fields, laid_out.values())))

    def _message(self, draft: Draft, revision: Revision, message: GuestMessage) -> tuple[str, str]:
        """Add the layers of a message; return what they say."""
        kind = guest_message_type(revision, message.msg_type)
        payload = self._opened(draft, message, kind.name)
        facts = {"revision": revision.value, "decrypted": payload is not None}
        draft.add(Layer("guest", message.build(), message, facts, message.NAME))
        name = kind.name.removeprefix("TIO_")
        if payload is None:
            return f"GUEST {name}", f"encrypted, {len(message.payload)} bytes, msg_seqno={message.msg_seqno}"
        code = {"code": message.msg_type}
        try:
            structures = parse_guest_payload(revision, message.msg_type, payload)
        except DecodeError as error:
            draft.add(Layer("guest", payload, None, code, kind.name, secret=True))
            draft.fail(error, 0)
            return f"GUEST {name}", ""
        if not structures:  # it may be a derived key
            draft.add(Layer("guest", payload, None, code, kind.name, secret=True))
            return f"GUEST {name}", f"{len(payload)} bytes"
        at = 0
        for structure in structures:
            end = len(payload) if structure is structures[-1] else at + len(structure.build())
            draft.add(Layer("guest", payload[at:end], structure, code, structure.NAME))
            at = end
        if self._verify:
            self._digests(draft, structures[0])
        return f"GUEST {name}", brief_fields(structures[0])

    def _opened(self, draft: Draft, message: GuestMessage, name: str) -> bytes | None:
        keys = self._secrets.vmpcks(message.msg_vmpck)
        payload = None
        for key in keys:
            try:
                payload = open_message(key, message)
            except VerificationError:
                continue
            break
        if payload is None and keys:
            draft.notes.append("the tag does not hold under any key that is known")
        if keys and self._verify:
            header = message.build()[_AAD]
            draft.checks.append(tag_check(name, header, message.payload, ok=payload is not None))
        return payload

    def _area(self, draft: Draft, record: GuestRecord) -> None:
        """Take the blobs of the area."""
        try:
            found = parse_blobs(record.area)
        except DecodeError as error:
            draft.fail(error, _FIXED_BYTES + len(record.page))
            return
        self._blobs[draft.frame.interface] = _Blobs(found, draft.frame.number)

    def _blob_layer(self, draft: Draft, record: GuestRecord) -> None:
        blobs = self._blobs.get(draft.frame.interface)
        if blobs is None or blobs.number != draft.frame.number:
            draft.add(Layer("guest", record.area, None, {}, "BLOBS"))
            return
        facts = {BLOB_NAMES.get(guid, str(guid)): len(blob) for guid, blob in blobs.found.items()}
        draft.add(Layer("guest", record.area, None, facts, "BLOBS"))
        report = blobs.found.get(INTERFACE_REPORT_GUID)
        if report is not None:
            try:
                parsed = InterfaceReport.parse(report)
            except DecodeError as error:
                draft.fail(error, _FIXED_BYTES + len(record.page) + record.area.find(report))
                return
            draft.add(Layer("tdisp", report, parsed, {}, parsed.NAME))

    def _digests(self, draft: Draft, inner: object) -> None:
        """Check the digests in a TDI_INFO response against the blobs that came with it, or before."""
        blobs = self._blobs.get(draft.frame.interface)
        for field, guid in _DIGESTS.items():
            said = getattr(inner, field, b"")
            if blobs is None or guid not in blobs.found or not any(said):  # zero before there is any
                continue
            what = f"TIO_TDI_INFO_RSP {field}"
            draft.checks.append(digest_check(what, said, blobs.found[guid], BLOB_NAMES[guid], blobs.number))

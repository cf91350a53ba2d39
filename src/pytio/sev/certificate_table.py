"""The certificate table that comes with an extended report: entries, an entry of zeros, then the certificates.

Document: the GHCB specification (AMD 56421), "SNP extended guest request". GUIDs stand in the order of their text, not
in the mixed order that GUIDs usually have. Certificates are DER or PEM; nothing here looks into them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from uuid import UUID

import attrs

from pytio.errors import SevDecodeError
from pytio.wire import U32, Bytes, WireStruct, message, wire

__all__ = ("Certificate", "CertificateTableEntry", "build_certificate_table", "parse_certificate_table")

_ENTRY_BYTES: Final = 24
_KINDS: Final[Mapping[str, str]] = {
    "c0b406a4-a803-4952-9743-3fb6014cd0ae": "ARK",
    "4ab7b379-bbac-4fe4-a02f-05aef327c782": "ASK",
    "63da758d-e664-4564-adc5-f4b93be8accd": "VCEK",
    "a8074bc2-a25a-483e-aae6-39c045a0b8a1": "VLEK",
    "92f81bc3-5811-4d3d-97ff-d19f88dc67ea": "CRL",
}


@message
class CertificateTableEntry(WireStruct, errors=SevDecodeError):
    """One entry, 24 bytes."""

    guid: bytes = wire(Bytes(16))
    offset: int = wire(U32)
    """From the start of the table."""
    length: int = wire(U32)


@attrs.frozen
class Certificate:
    """A certificate of the table.

    Attributes:
        guid: what it is, as text.
        data: DER or PEM.
    """

    guid: str
    data: bytes = attrs.field(repr=lambda data: f"<{len(data)} bytes>")

    @property
    def kind(self) -> str:
        """``ARK``, ``ASK``, ``VCEK``, ``VLEK`` or ``CRL``; the GUID where it is another."""
        return _KINDS.get(self.guid, self.guid)


def parse_certificate_table(table: bytes) -> tuple[Certificate, ...]:
    """Return the certificates of a table; none where the buffer holds zeros only, or nothing.

    Raises:
        SevDecodeError: an entry is cut, no entry of zeros ends them, or a certificate is outside the table.
    """
    found: list[Certificate] = []
    at = 0
    while at < len(table) or found:
        try:
            entry = CertificateTableEntry.parse(table[at : at + _ENTRY_BYTES])
        except SevDecodeError as error:
            reason = f"entry {at // _ENTRY_BYTES}: {error.reason}"
            raise SevDecodeError(reason, table, min(at + error.offset, len(table)), error.path) from error
        if not any(entry.build()):
            break
        end = entry.offset + entry.length
        if end > len(table):
            reason = (
                f"certificate of {entry.length} bytes at {entry.offset} is outside the {len(table)} bytes there are"
            )
            raise SevDecodeError(reason, table, at + len(entry.guid), "CertificateTableEntry.offset")
        found.append(Certificate(str(UUID(bytes=entry.guid)), table[entry.offset : end]))
        at += _ENTRY_BYTES
    return tuple(found)


def build_certificate_table(certificates: tuple[Certificate, ...]) -> bytes:
    """Lay certificates out as a table."""
    at = _ENTRY_BYTES * (len(certificates) + 1)
    entries = data = b""
    for certificate in certificates:
        guid = UUID(certificate.guid).bytes
        entries += CertificateTableEntry(guid=guid, offset=at + len(data), length=len(certificate.data)).build()
        data += certificate.data
    return entries + bytes(_ENTRY_BYTES) + data

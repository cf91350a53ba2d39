"""Evidence as a hypervisor hands it to a guest: a table of GUIDs, then the blobs.

Document: the kernel's SEV-TIO guest driver. Unlike those of an extended attestation report, these GUIDs stand in the
usual mixed order, and the table counts from the start of the area.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from uuid import UUID

from pytio.errors import SevDecodeError
from pytio.sev.tio_codes import PAGE_BYTES
from pytio.wire import U32, Bytes, WireStruct, message, wire

__all__ = (
    "CERTIFICATES_GUID",
    "INTERFACE_REPORT_GUID",
    "MEASUREMENTS_GUID",
    "BlobTableEntry",
    "blobs_size",
    "build_blobs",
    "pages_needed",
    "parse_blobs",
)

MEASUREMENTS_GUID: Final = UUID("5caa80c6-12ef-401a-b364-ec59a93abe3f")
"""Names the measurements."""
CERTIFICATES_GUID: Final = UUID("078ccb75-2644-49e8-afe7-5686c5cf72f1")
"""Names the certificate chain."""
INTERFACE_REPORT_GUID: Final = UUID("70dc5b0e-0cc0-4cd5-97bb-ff0ba25bf320")
"""Names the interface report."""
_ENTRY_BYTES: Final = 24
_END: Final = UUID(int=0)


@message
class BlobTableEntry(WireStruct, errors=SevDecodeError):
    """One entry of the table, 24 bytes."""

    guid: bytes = wire(Bytes(16))
    """In mixed order; zeros end the table."""
    offset: int = wire(U32)
    """From the start of the area."""
    length: int = wire(U32)
    """0 where there is no such blob."""


def parse_blobs(area: bytes) -> dict[UUID, bytes]:
    """Return the blobs that are there, by GUID, unknown ones among them.

    Raises:
        SevDecodeError: an entry is cut, nothing ends the table, or a blob is outside the area.
    """
    entries = _entries(area)
    return {guid: area[entry.offset : entry.offset + entry.length] for guid, entry in entries.items() if entry.length}


def blobs_size(area: bytes) -> int:
    """Return how many bytes of an area its table and blobs take; 0 where there is no blob.

    Raises:
        SevDecodeError: as `parse_blobs` does.
    """
    entries = _entries(area).values()
    ends = [entry.offset + entry.length for entry in entries if entry.length]
    return max(_ENTRY_BYTES * (len(entries) + 1), *ends) if ends else 0


def _entries(area: bytes) -> dict[UUID, BlobTableEntry]:
    """Return the entries of the table, by GUID."""
    found: dict[UUID, BlobTableEntry] = {}
    for at in range(0, len(area) + 1, _ENTRY_BYTES):
        try:
            entry = BlobTableEntry.parse(area[at : at + _ENTRY_BYTES])
        except SevDecodeError as error:
            offset = min(at + error.offset, len(area))
            raise SevDecodeError(f"entry {at // _ENTRY_BYTES}: {error.reason}", area, offset, error.path) from error
        guid = UUID(bytes_le=entry.guid)
        if guid == _END:
            break
        end = entry.offset + entry.length
        if end > len(area):
            reason = f"{entry.length} bytes at {entry.offset} are outside of the {len(area)} bytes there are"
            raise SevDecodeError(reason, area, at + len(entry.guid), "BlobTableEntry.offset")
        found[guid] = entry
    return found


def build_blobs(blobs: Mapping[UUID, bytes]) -> bytes:
    """Lay blobs out as the hypervisor does: the table and its end, then the blobs in order, without gaps."""
    at = _ENTRY_BYTES * (len(blobs) + 1)
    table = data = b""
    for guid, blob in blobs.items():
        table += BlobTableEntry(guid=guid.bytes_le, offset=at + len(data), length=len(blob)).build()
        data += blob
    return table + bytes(_ENTRY_BYTES) + data


def pages_needed(blobs: Mapping[UUID, bytes]) -> int:
    """Return how many pages an area for the blobs has, which RBX says where it is too small."""
    return -(-len(build_blobs(blobs)) // PAGE_BYTES)

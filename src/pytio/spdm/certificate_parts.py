"""Reading slots, from either side: which ones DIGESTS tells of, and how much of a chain to ask for next (DSP0274)."""

from __future__ import annotations

from typing import Final

from pytio.spdm.codes import SpdmVersion
from pytio.spdm.messages.certificate import GetCertificate
from pytio.spdm.messages.digests import Digests
from pytio.spdm.negotiated import Negotiated
from pytio.spdm.peer_identity import ChainReading

__all__ = ("digests_of", "next_get_certificate")

_MAX_LENGTH: Final = 0xFFFF
_CERTIFICATE_HEADER_BYTES: Final = 8
_LARGE_CERTIFICATE_HEADER_BYTES: Final = 16
_CARRIER_BYTES: Final = 4


def digests_of(message: Digests) -> tuple[tuple[int, ...], dict[int, bytes]]:
    """Return the provisioned slots of DIGESTS, ascending, and their digests."""
    slots = tuple(slot for slot in range(8) if message.provisioned_slot_mask >> slot & 1)
    return slots, dict(zip(slots, message.digests, strict=True))


def next_get_certificate(
    agreed: Negotiated, reading: ChainReading, portion_bytes: int | None, *, to_requester: bool
) -> GetCertificate:
    """Return the request for what comes next of a chain; ``portion_bytes`` is the most to ask for at once."""
    left = None if reading.total is None else reading.total - len(reading.data)
    asked = min(size for size in (left, portion_bytes, _room(agreed, to_requester)) if size is not None)
    if agreed.has_large_forms:
        return GetCertificate(
            version=SpdmVersion(agreed.version),
            slot_id=reading.slot,
            large_cert_chain=True,
            large_offset=len(reading.data),
            large_length=asked,
        )
    return GetCertificate(
        version=SpdmVersion(agreed.version),
        slot_id=reading.slot,
        offset=len(reading.data),
        length=min(asked, _MAX_LENGTH),
        large_offset=None,
        large_length=None,
    )


def _room(agreed: Negotiated, to_requester: bool) -> int:
    """Return how much of a chain one response may hold, so that the asking side takes it.

    ``to_requester`` says who answers: in the encapsulated flow it is the requester, inside a carrier of four bytes.
    """
    is_large = agreed.has_large_forms
    header = _LARGE_CERTIFICATE_HEADER_BYTES if is_large else _CERTIFICATE_HEADER_BYTES
    header += _CARRIER_BYTES if to_requester else 0
    if agreed.version < SpdmVersion.V1_2 or (agreed.can_chunk and not is_large):
        return _MAX_LENGTH
    asking_is_requester = not to_requester
    size = agreed.message_size(to_requester=asking_is_requester) if agreed.can_chunk else None
    size = size or agreed.transfer_size(to_requester=asking_is_requester) or _MAX_LENGTH
    return max(size - header, 1)

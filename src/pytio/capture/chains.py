"""Certificate chains as they are read piece by piece, and the hash that stands for a chain in transcripts."""

from __future__ import annotations

import attrs

from pytio.crypto import HashAlgorithm, digest
from pytio.spdm.messages.certificate import Certificate, GetCertificate
from pytio.spdm.messages.digests import Digests
from pytio.spdm.transcript import Piece

__all__ = ("ChainStore",)

_SLOTS = 8


@attrs.define
class ChainStore:
    """The chains and digests that one side has shown, by slot."""

    _portions: dict[int, bytes] = attrs.field(factory=dict)
    _chains: dict[int, bytes] = attrs.field(factory=dict)
    _digests: dict[int, bytes] = attrs.field(factory=dict)

    def take_digests(self, message: Digests) -> None:
        """Take the digests of a DIGESTS message, one for each bit of its mask."""
        slots = [slot for slot in range(_SLOTS) if message.provisioned_slot_mask >> slot & 1]
        self._digests = dict(zip(slots, message.digests, strict=True))

    def take_certificate(self, request: GetCertificate, response: Certificate) -> None:
        """Take a portion of a chain; a portion that does not continue what is there is of no use."""
        slot = response.slot_id
        offset = request.offset + (request.large_offset or 0)
        so_far = self._portions.get(slot, b"") if offset else b""
        if len(so_far) != offset:
            return
        self._portions[slot] = so_far + response.cert_chain
        if not response.remainder_length and not response.large_remainder_length:
            self._chains[slot] = self._portions.pop(slot)

    def chain(self, slot: int) -> bytes | None:
        """Return the whole certificate chain structure of a slot, if it was read to its end."""
        return self._chains.get(slot)

    def piece(self, slot: int, algorithm: HashAlgorithm, rule: str) -> Piece | None:
        """Return what stands for the chain in a transcript: its hash, or the digest that the side stated for it."""
        chain = self._chains.get(slot)
        value = digest(algorithm, chain) if chain is not None else self._digests.get(slot)
        return None if value is None else Piece(f"hash of the certificate chain in slot {slot}", value, rule)

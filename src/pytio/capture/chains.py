"""Certificate chains as they are read piece by piece, the hash that stands for a chain in transcripts, and its key."""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from pytio import crypto
from pytio.errors import DecodeError
from pytio.spdm.certificate_chain import CertificateChain
from pytio.spdm.messages.certificate import Certificate, GetCertificate
from pytio.spdm.messages.digests import Digests
from pytio.spdm.transcript import Piece, Pieces, joined, piece_of

__all__ = ("ChainStore",)

_SLOTS = 8


@attrs.define
class ChainStore:
    """The chains and digests that one side has shown, by slot."""

    _portions: dict[int, Pieces] = attrs.field(factory=dict)
    _chains: dict[int, Pieces] = attrs.field(factory=dict)
    _digests: dict[int, bytes] = attrs.field(factory=dict)
    _keys: dict[int, crypto.PublicKey] = attrs.field(factory=dict)

    def take_digests(self, message: Digests) -> None:
        """Take the digests of a DIGESTS message, one for each bit of its mask."""
        slots = [slot for slot in range(_SLOTS) if message.provisioned_slot_mask >> slot & 1]
        self._digests = dict(zip(slots, message.digests, strict=True))

    def take_certificate(self, request: GetCertificate, response: Certificate, number: int) -> None:
        """Take a portion of a chain from a record; a portion that does not continue what is there is of no use."""
        slot = response.slot_id
        offset = request.offset + (request.large_offset or 0)
        so_far = self._portions.get(slot, ()) if offset else ()
        if sum(len(piece.data) for piece in so_far) != offset:
            return
        portion = piece_of(f"certificate chain in slot {slot}, from byte {offset}", response.cert_chain, "", number)
        self._portions[slot] = (*so_far, portion)
        if not response.remainder_length and not response.large_remainder_length:
            self._chains[slot] = self._portions.pop(slot)
            self._keys.pop(slot, None)

    def chain(self, slot: int) -> bytes | None:
        """Return the whole certificate chain structure of a slot, if it was read to its end."""
        portions = self._chains.get(slot)
        return None if portions is None else joined(portions)

    def portions(self, slot: int) -> Pieces:
        """Return the portions of a chain that was read to its end, none of any other."""
        return self._chains.get(slot, ())

    def piece(self, slot: int, algorithm: crypto.HashAlgorithm, rule: str) -> Piece | None:
        """Return what stands for the chain in a transcript: its hash, or the digest that the side stated for it."""
        portions = self._chains.get(slot, ())
        value = crypto.digest(algorithm, joined(portions)) if portions else self._digests.get(slot)
        what = f"hash of the certificate chain in slot {slot}"
        return None if value is None else piece_of(what, value, rule, stands_for=portions)

    def certificates(self, slot: int, algorithm: crypto.HashAlgorithm) -> tuple[bytes, ...]:
        """Return the certificates of a chain that was read to its end, root side first, each as DER.

        Raises DecodeError if it is no chain.
        """
        chain = self.chain(slot)
        return () if chain is None else CertificateChain.parse(chain, digest=algorithm.digest_size).certificates()

    def key(self, slot: int, algorithm: crypto.HashAlgorithm) -> crypto.PublicKey | None:
        """Return the public key of a slot, None if its chain was not read to its end.

        Raises DecodeError if chain or leaf are malformed, UnsupportedAlgorithmError for a key of no known kind.
        """
        if slot not in self._keys and slot in self._chains:
            certificates = self.certificates(slot, algorithm)
            if not certificates:
                raise DecodeError("a chain without certificates", self.chain(slot) or b"")
            self._keys[slot] = crypto.parse_certificates(certificates[-1])[-1].public_key
        return self._keys.get(slot)

    def keys(self, algorithm: crypto.HashAlgorithm) -> Iterator[tuple[int, crypto.PublicKey]]:
        """Yield every slot whose key can be had, and its key."""
        for slot in self._chains:
            try:
                key = self.key(slot, algorithm)
            except (DecodeError, crypto.UnsupportedAlgorithmError):
                continue
            if key is not None:
                yield slot, key

    def roots(self, algorithm: crypto.HashAlgorithm) -> Iterator[bytes]:
        """Yield the first certificate of every chain that can be read, as DER: those that are self-issued are roots."""
        for slot in self._chains:
            try:
                first = self.certificates(slot, algorithm)[:1]
            except DecodeError:
                continue
            yield from first

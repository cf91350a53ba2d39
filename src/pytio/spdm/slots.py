"""An endpoint's certificate slots: those of its configuration, and what SET_CERTIFICATE made of them (DSP0274).

A slot counts on a connection if its key serves the negotiated algorithm. What needs a reset to count waits here, and
`reset` lets it. This file knows no message.
"""

from __future__ import annotations

import attrs

from pytio.crypto import HashAlgorithm, SignatureAlgorithm, digest
from pytio.spdm.codes import CERTIFICATE_SLOTS, CertificateModel, KeyUsage
from pytio.spdm.configuration import EndpointConfig, KeyPair, Slot

__all__ = ("SlotStore",)


class SlotStore:
    """Slots that may change while the device runs.

    Attributes:
        slots: what counts now.
        key_pairs: the key pairs; number 1 is the first. None where one was erased.
        usages: what each key pair signs, by number.
        raw_key_pair: the key pair whose public key the peer knows out of band, if any.
    """

    def __init__(self, config: EndpointConfig) -> None:
        self.slots: dict[int, Slot] = dict(sorted(config.slots.items()))
        self.key_pairs: list[KeyPair | None] = list(config.key_pairs)
        self.usages: dict[int, KeyUsage] = {number: pair.usage for number, pair in enumerate(config.key_pairs, 1)}
        self.raw_key_pair: KeyPair | None = config.key_pair(config.raw_public_key_pair or 0)
        self._pending: dict[int, Slot] = {}

    def key_pair(self, slot: Slot) -> KeyPair | None:
        """Return the key pair of a slot, None where there is none any more."""
        number = slot.key_pair_id
        return self.key_pairs[number - 1] if 1 <= number <= len(self.key_pairs) else None

    def usage(self, slot: Slot) -> KeyUsage:
        """Return what the key of a slot signs on connections with several keys."""
        return self.usages.get(slot.key_pair_id, KeyUsage(0))

    def provisioned(self, algorithm: SignatureAlgorithm | None, *, with_keys_only: bool) -> dict[int, Slot]:
        """Return the slots that count on a connection, ascending; perhaps those that hold a key only, too."""
        found = {}
        for number, slot in sorted(self.slots.items()):
            pair = self.key_pair(slot)
            serves = algorithm is None or (pair is not None and pair.serves(algorithm))
            if serves and (slot.certificates or with_keys_only):
                found[number] = slot
        return found

    def waits_for_reset(self, number: int) -> bool:
        """Say whether a slot has been written, but does not count yet."""
        return number in self._pending

    def digest(self, slot: Slot, hash_algorithm: HashAlgorithm) -> bytes:
        """Return the digest of a slot: zeros where it holds a key only."""
        if not slot.certificates:
            return bytes(hash_algorithm.digest_size)
        return digest(hash_algorithm, slot.chain(hash_algorithm))

    def install(
        self,
        number: int,
        certificates: tuple[bytes, ...],
        *,
        key_pair_id: int,
        model: CertificateModel,
        needs_reset: bool,
    ) -> None:
        """Write a chain into a slot; it counts at once, or after ``reset``."""
        if number not in range(CERTIFICATE_SLOTS):
            raise ValueError(f"there is no slot {number}")
        before = self.slots.get(number, Slot())
        written = attrs.evolve(
            before,
            certificates=certificates,
            root=None,
            key_pair_id=key_pair_id or before.key_pair_id,
            model=model or before.model,
        )
        if needs_reset:
            self._pending[number] = written
        else:
            self.slots[number] = written

    def erase(self, number: int) -> None:
        """Empty a slot; its key stays."""
        self._pending.pop(number, None)
        if number in self.slots:
            self.slots[number] = attrs.evolve(self.slots[number], certificates=(), root=None)

    def reset(self) -> None:
        """Let what was written count: the device has been reset."""
        self.slots.update(self._pending)
        self.slots = dict(sorted(self.slots.items()))
        self._pending.clear()

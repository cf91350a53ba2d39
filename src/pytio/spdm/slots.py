"""An endpoint's certificate slots: those of its configuration, and what SET_CERTIFICATE made of them (DSP0274).

A slot counts on a connection if its key serves the negotiated algorithm. What needs a reset to count waits here, and
`reset` lets it. This file knows no message.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs

from pytio.crypto import HashAlgorithm, SignatureAlgorithm, digest
from pytio.spdm.codes import CERTIFICATE_SLOTS, MAX_CSR_TRACKING_TAG, CertificateModel, KeyUsage
from pytio.spdm.configuration import EndpointConfig, KeyPair, Slot
from pytio.spdm.refusal import require

__all__ = ("CsrTags", "SlotStore")


class CsrTags:
    """Tracking tags of certificate signing requests that are made after a reset (DSP0274, GET_CSR).

    Attributes:
        ready: the tags that were given away, and whether the reset has come.
    """

    def __init__(self) -> None:
        self.ready: dict[int, bool] = {}

    def new(self) -> int:
        """Return a free tag, 0 where there is none."""
        free = (tag for tag in range(1, MAX_CSR_TRACKING_TAG + 1) if tag not in self.ready)
        tag = next(free, 0)
        if tag:
            self.ready[tag] = False
        return tag

    def is_known(self, tag: int) -> bool:
        """Say whether a tag was given away."""
        return tag in self.ready

    def take(self, tag: int) -> bool:
        """Say whether the request of a tag can be made now; then the tag is free again."""
        return self.ready.pop(tag, False) if self.ready.get(tag) else False

    def forget(self) -> None:
        """Give up all of them."""
        self.ready.clear()

    def reset(self) -> None:
        """The device has been reset: they can be made."""
        self.ready = dict.fromkeys(self.ready, True)


class SlotStore:
    """Slots that may change while the device runs.

    Attributes:
        slots: what counts now.
        key_pairs: the key pairs; number 1 is the first. None where one was erased.
        usages: what each key pair signs, by number.
        pending: what was written and does not count yet.
        at_reset: what is to be done at the next reset.
        csr_tags: the certificate signing requests that wait for a reset.
        raw_key_pair: the key pair whose public key the peer knows out of band, if any.
    """

    def __init__(self, config: EndpointConfig) -> None:
        self.slots: dict[int, Slot] = dict(sorted(config.slots.items()))
        self.key_pairs: list[KeyPair | None] = list(config.key_pairs)
        self.usages: dict[int, KeyUsage] = {number: pair.usage for number, pair in enumerate(config.key_pairs, 1)}
        self.raw_key_pair: KeyPair | None = config.key_pair(config.raw_public_key_pair or 0)
        self.csr_tags = CsrTags()
        self.pending: dict[int, Slot] = {}
        self.at_reset: list[Callable[[], None]] = []

    def key_pair(self, slot: Slot) -> KeyPair | None:
        """Return the key pair of a slot, None where there is none any more."""
        return self.key_pair_of(slot.key_pair_id)

    def key_pair_of(self, number: int) -> KeyPair | None:
        """Return a key pair by its number, None where there is none any more."""
        return self.key_pairs[number - 1] if 1 <= number <= len(self.key_pairs) else None

    def associated_mask(self, number: int) -> int:
        """Return the slots that go with a key pair, bit by slot."""
        return sum(1 << at for at, slot in self.slots.items() if slot.key_pair_id == number)

    def certified_mask(self, number: int) -> int:
        """Return the slots whose certificate chain goes with a key pair, bit by slot."""
        return sum(1 << at for at, slot in self.slots.items() if slot.key_pair_id == number and slot.certificates)

    def check_association(self, number: int, mask: int) -> None:
        """Raise Refusal unless slots may go with a key pair: those that change hold no certificates."""
        changed = mask ^ self.associated_mask(number)
        for at in range(CERTIFICATE_SLOTS):
            slot = self.slots.get(at)
            is_free = slot is None or not slot.certificates
            require(not changed >> at & 1 or is_free, f"slot {at} holds a certificate chain")

    def associate(self, number: int, mask: int) -> None:
        """Have slots go with a key pair."""
        for at in range(CERTIFICATE_SLOTS):
            slot = self.slots.get(at)
            if mask >> at & 1:
                self.slots[at] = attrs.evolve(slot or Slot(), key_pair_id=number)
            elif slot is not None and slot.key_pair_id == number:
                self.slots[at] = attrs.evolve(slot, key_pair_id=0)
        self.slots = dict(sorted(self.slots.items()))

    def after_reset(self, apply: Callable[[], None]) -> None:
        """Have something done at the next reset."""
        self.at_reset.append(apply)

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
        return number in self.pending

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
        root_hash: bytes | None = None,
    ) -> None:
        """Write a chain into a slot; it counts at once, or after ``reset``."""
        if number not in range(CERTIFICATE_SLOTS):
            raise ValueError(f"there is no slot {number}")
        before = self.slots.get(number, Slot())
        written = attrs.evolve(
            before,
            certificates=certificates,
            root=None,
            root_hash=root_hash,
            key_pair_id=key_pair_id or before.key_pair_id,
            model=model or before.model,
        )
        if needs_reset:
            self.pending[number] = written
        else:
            self.slots[number] = written

    def erase(self, number: int) -> None:
        """Empty a slot; its key stays."""
        self.pending.pop(number, None)
        if number in self.slots:
            self.slots[number] = attrs.evolve(self.slots[number], certificates=(), root=None, root_hash=None)

    def reset(self) -> None:
        """Let what was written count: the device has been reset."""
        for apply in self.at_reset:
            apply()
        self.at_reset.clear()
        self.csr_tags.reset()
        self.slots.update(self.pending)
        self.slots = dict(sorted(self.slots.items()))
        self.pending.clear()

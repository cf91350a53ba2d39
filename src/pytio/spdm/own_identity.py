"""One side's own identity on a connection: what it tells of its slots, and which keys it signs with (DSP0274).

Role-neutral: the responder answers with it, and so does the requester where the responder asks by the encapsulated
flow. This file makes messages and finds keys; it sends nothing.
"""

from __future__ import annotations

from typing import Final

import attrs

from pytio.crypto import HashAlgorithm, SignatureAlgorithm, SigningKey, digest
from pytio.spdm import algorithms
from pytio.spdm.algorithms import BaseAsymAlgo, PqcAsymAlgo
from pytio.spdm.capabilities import RequesterCapabilities, ResponderCapabilities
from pytio.spdm.codes import (
    MAX_SMALL_CERTIFICATE_CHAIN_BYTES,
    RAW_PUBLIC_KEY_SLOT,
    CertificateModel,
    KeyUsage,
    SpdmErrorCode,
    SpdmVersion,
)
from pytio.spdm.configuration import Slot
from pytio.spdm.messages.certificate import Certificate, GetCertificate
from pytio.spdm.messages.digests import CertificateInfo, Digests
from pytio.spdm.negotiated import Negotiated
from pytio.spdm.refusal import Refusal, require
from pytio.spdm.slots import SlotStore
from pytio.spdm.transcript import Piece

__all__ = ("OwnIdentity",)

_HEADER_BYTES: Final = 8
_LARGE_HEADER_BYTES: Final = 16


@attrs.frozen
class OwnIdentity:
    """A side's slots as they count on one connection."""

    slots: SlotStore
    """What it has."""
    agreed: Negotiated
    """What was negotiated."""
    is_requester: bool = False
    """Which side it is."""

    @property
    def version(self) -> SpdmVersion:
        """The negotiated version."""
        return SpdmVersion(self.agreed.version)

    @property
    def hash_algorithm(self) -> HashAlgorithm:
        """The negotiated base hash. Raises ValueError if there is none."""
        return algorithms.hash_algorithm(self.agreed.base_hash)

    @property
    def algorithm(self) -> SignatureAlgorithm | None:
        """What this side signs by; None where nothing was negotiated for that."""
        agreed = self.agreed
        selected: BaseAsymAlgo | PqcAsymAlgo = agreed.base_asym or agreed.pqc_asym
        if self.is_requester:
            selected = agreed.req_base_asym or agreed.req_pqc_asym
        return algorithms.signature_algorithm(selected) if selected else None

    @property
    def has_several_keys(self) -> bool:
        """Whether this side uses several keys on the connection."""
        return self.agreed.is_requester_multi_key if self.is_requester else self.agreed.is_responder_multi_key

    @property
    def has_large_form(self) -> bool:
        """Whether this side sends its chain in the large form when asked to.

        Its own LARGE_RESP_CAP decides: the reference requester asks that way without having the capability itself.
        """
        return self.agreed.has_large_responses(of_requester=self.is_requester)

    @property
    def provisioned(self) -> dict[int, Slot]:
        """The slots that count on this connection, ascending."""
        return self.slots.provisioned(self.algorithm, with_keys_only=self.has_several_keys)

    @property
    def chained_mask(self) -> int:
        """The slots that hold a certificate chain, bit by slot."""
        return _mask({number: slot for number, slot in self.provisioned.items() if slot.certificates})

    def digests(self) -> Digests:
        """Return DIGESTS. Raises Refusal where no slot is provisioned, or one waits for a reset."""
        slots, several = self.provisioned, self.has_several_keys
        require(slots, "no slot is provisioned", SpdmErrorCode.UNSPECIFIED)
        for number in slots:
            self._require_no_reset(number)
        values = slots.values()
        return Digests(
            version=self.version,
            supported_slot_mask=_mask(self.slots.slots) if self.version >= SpdmVersion.V1_3 else 0,
            provisioned_slot_mask=_mask(slots),
            digests=tuple(self.slots.digest(slot, self.hash_algorithm) for slot in values),
            key_pair_ids=tuple(slot.key_pair_id for slot in values) if several else None,
            certificate_info=tuple(CertificateInfo(certificate_model=_model(slot)) for slot in values)
            if several
            else None,
            key_usage_masks=tuple(self.slots.usage(slot) for slot in values) if several else None,
        )

    def _require_no_reset(self, number: int) -> None:
        waits = self.slots.waits_for_reset(number)
        require(not waits, f"slot {number} waits for a reset", SpdmErrorCode.RESET_REQUIRED)

    def certificate(self, request: GetCertificate, room: int | None) -> Certificate:
        """Return CERTIFICATE, with as much of the chain as ``room`` bytes hold. Raises Refusal where there is none."""
        number, is_large = request.slot_id, request.large_cert_chain
        require(not is_large or self.has_large_form, "a large form that this side does not have")
        self._require_no_reset(number)
        if request.slot_size_requested and self.version >= SpdmVersion.V1_3:
            return self._slot_size(request)
        slot = self.provisioned.get(number)
        require(slot is not None and slot.certificates, f"slot {number} holds no chain")
        assert slot is not None
        chain = slot.chain(self.hash_algorithm)
        if len(chain) > MAX_SMALL_CERTIFICATE_CHAIN_BYTES and not is_large:
            self._refuse_small_form(len(chain))
        offset, length = (
            (request.large_offset or 0, request.large_length or 0) if is_large else (request.offset, request.length)
        )
        require(offset < len(chain) and length, f"{length} bytes at {offset} of a chain of {len(chain)}")
        header = _LARGE_HEADER_BYTES if is_large else _HEADER_BYTES
        most = max((room or MAX_SMALL_CERTIFICATE_CHAIN_BYTES) - header, 1)
        portion = chain[offset : offset + min(length, most)]
        remainder = len(chain) - offset - len(portion)
        return Certificate(
            version=self.version,
            slot_id=number,
            large_cert_chain=is_large,
            certificate_model=_model(slot) if self.has_several_keys else CertificateModel.NONE,
            portion_length=0 if is_large else len(portion),
            remainder_length=0 if is_large else remainder,
            large_portion_length=len(portion) if is_large else None,
            large_remainder_length=remainder if is_large else None,
            cert_chain=portion,
        )

    def _refuse_small_form(self, size: int) -> None:
        reason = f"a chain of {size} bytes in the small form"
        if self.has_large_form:
            raise Refusal(SpdmErrorCode.DATA_TOO_LARGE, reason, extended=size)
        raise Refusal(SpdmErrorCode.UNSPECIFIED, reason)

    def _slot_size(self, request: GetCertificate) -> Certificate:
        """Tell how much a slot can hold; offset and length do not count."""
        slot = self.slots.slots.get(request.slot_id)
        require(slot is not None, f"there is no slot {request.slot_id}")
        size = slot.storage_bytes if slot is not None else 0
        is_large = request.large_cert_chain
        return Certificate(
            version=self.version,
            slot_id=request.slot_id,
            large_cert_chain=is_large,
            portion_length=0,
            remainder_length=0 if is_large else min(size, MAX_SMALL_CERTIFICATE_CHAIN_BYTES),
            large_portion_length=0 if is_large else None,
            large_remainder_length=size if is_large else None,
        )

    def signing_key(self, number: int, use: KeyUsage) -> SigningKey:
        """Return the key of a slot, or for 0xFF the provisioned one.

        Raises Refusal where there is none, or where it is not to be used for that.
        """
        algorithm = self.algorithm
        if number == RAW_PUBLIC_KEY_SLOT:
            pair = self.slots.raw_key_pair if self._has_raw_key else None
            if pair is not None and algorithm is not None and pair.serves(algorithm):
                return pair.key
            raise Refusal(SpdmErrorCode.INVALID_REQUEST, "no public key was provisioned")
        slot = self.provisioned.get(number)
        pair = self.slots.key_pair(slot) if slot is not None and slot.certificates else None
        if slot is None or pair is None or algorithm is None or not pair.serves(algorithm):
            raise Refusal(SpdmErrorCode.INVALID_REQUEST, f"slot {number} is not provisioned")
        allowed = not self.has_several_keys or use & self.slots.usage(slot)
        require(allowed, f"the key of slot {number} is not for {use.name}")
        return pair.key

    @property
    def _has_raw_key(self) -> bool:
        if self.is_requester:
            return RequesterCapabilities.PUB_KEY_ID_CAP in self.agreed.requester
        return ResponderCapabilities.PUB_KEY_ID_CAP in self.agreed.responder

    def chain_hash(self, number: int, rule: str) -> Piece:
        """Return the hash of a slot's chain, or for 0xFF of the provisioned public key's DER.

        Raises Refusal where there is none.
        """
        if number == RAW_PUBLIC_KEY_SLOT:
            spki = self.signing_key(number, KeyUsage(0)).public_key.to_spki()
            return Piece("Hash(public key)", digest(self.hash_algorithm, spki), rule)
        slot = self.provisioned.get(number)
        require(slot is not None and slot.certificates, f"slot {number} holds no chain")
        assert slot is not None
        return Piece("Hash(certificate chain)", self.slots.digest(slot, self.hash_algorithm), rule)


def _mask(slots: dict[int, Slot]) -> int:
    return sum(1 << number for number in slots)


def _model(slot: Slot) -> CertificateModel:
    return slot.model if slot.certificates else CertificateModel.NONE

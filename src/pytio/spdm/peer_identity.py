"""What one side knows of the other's identity: digests, certificate chains, provisioned keys (DSP0274).

Role-neutral: the requester keeps the responder's, and with mutual authentication the responder the requester's. A chain
enters only after it has been examined. This file sends nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final

import attrs

from pytio.crypto import (
    Certificate,
    ChainModel,
    ChainPolicy,
    ChainRole,
    Finding,
    HashAlgorithm,
    PublicKey,
    SignatureAlgorithm,
    UnsupportedAlgorithmError,
    digest,
    parse_certificates,
    verify_chain,
)
from pytio.errors import DecodeError, SpdmDecodeError, VerificationError
from pytio.spdm.certificate_chain import CertificateChain
from pytio.spdm.codes import RAW_PUBLIC_KEY_SLOT, CertificateModel, SpdmVersion
from pytio.spdm.configuration import Trust
from pytio.spdm.transcript import Piece

__all__ = ("ChainReading", "PeerChain", "PeerIdentity", "examined_chain")

_MODELS: Final[Mapping[int, ChainModel]] = {
    CertificateModel.ALIAS_CERT: ChainModel.ALIAS,
    CertificateModel.GENERIC_CERT: ChainModel.GENERIC,
}


@attrs.frozen
class PeerChain:
    """A chain that holds."""

    chain: bytes
    """The chain structure."""
    public_key: PublicKey
    """The leaf's."""
    findings: tuple[Finding, ...] = ()
    """The outcome of every rule."""


def examined_chain(
    chain: bytes,
    *,
    hash_algorithm: HashAlgorithm,
    algorithm: SignatureAlgorithm | None,
    trust: Trust,
    role: ChainRole,
    model: ChainModel = ChainModel.DEVICE,
    needs_basic_constraints: bool = False,
) -> PeerChain:
    """Return a chain structure's leaf key and findings.

    Raises ChainError for the first rule that does not hold, VerificationError where the leaf's key is of no kind that
    signs here, SpdmDecodeError for what is no chain.
    """
    structure = CertificateChain.parse(chain, digest=hash_algorithm.digest_size)
    certificates = _certificates(structure, chain)
    policy = ChainPolicy(
        at=trust.at or _a_time(certificates),
        roots=trust.roots,
        root_hash=structure.root_hash,
        hash_algorithm=hash_algorithm,
        algorithm=algorithm,
        role=role,
        model=model,
        needs_basic_constraints=needs_basic_constraints,
    )
    findings = verify_chain(certificates, policy)
    try:
        return PeerChain(chain, certificates[-1].public_key, findings)
    except (UnsupportedAlgorithmError, DecodeError) as error:
        raise VerificationError(f"key of the leaf ({error})", (certificates[-1].der,)) from error


def _certificates(structure: CertificateChain, chain: bytes) -> tuple[Certificate, ...]:
    try:
        return parse_certificates(structure.certificate_list)
    except DecodeError as error:
        offset = len(chain) - len(structure.certificate_list) + error.offset
        raise SpdmDecodeError(error.reason, chain, offset, f"CertificateChain.{error.path}") from error


def _a_time(certificates: tuple[Certificate, ...]) -> datetime:
    """Return a time at which all of them are valid, if there is one."""
    return max((certificate.not_before for certificate in certificates), default=datetime.fromtimestamp(0, UTC))


@attrs.define
class ChainReading:
    """A chain on its way, part by part."""

    slot: int
    data: bytearray = attrs.field(factory=bytearray)
    total: int | None = None

    def take(self, portion: bytes, remainder: int) -> str:
        """Take a part; return what is wrong with it, empty if nothing is."""
        total = len(self.data) + len(portion) + remainder
        if not portion:
            return "an empty part"
        if self.total is not None and total != self.total:
            return f"a chain of {total} bytes that had {self.total} before"
        self.total = total
        self.data += portion
        return ""


class PeerIdentity:
    """The other side's slots.

    Attributes:
        digests: the digest of each provisioned slot, as it was told.
        chains: the chains that were read and hold.
        models: what the leaf of a slot stands for, where that was told.
    """

    def __init__(self, trust: Trust, role: ChainRole) -> None:
        self._trust = trust
        self._role = role
        self.digests: dict[int, bytes] = {}
        self.chains: dict[int, PeerChain] = {}
        self.models: dict[int, CertificateModel] = {}

    def take_digests(
        self,
        digests: Mapping[int, bytes],
        models: Mapping[int, CertificateModel],
        hash_algorithm: HashAlgorithm,
    ) -> None:
        """Take note of the slots' digests; a chain that is not of its slot's digest any more is forgotten."""
        self.digests, self.models = dict(digests), dict(models)
        self.chains = {
            slot: known
            for slot, known in self.chains.items()
            if digests.get(slot) == digest(hash_algorithm, known.chain)
        }

    def take_chain(
        self,
        slot: int,
        chain: bytes,
        *,
        version: int,
        hash_algorithm: HashAlgorithm,
        algorithm: SignatureAlgorithm | None,
        model: CertificateModel | None = None,
    ) -> PeerChain:
        """Examine a whole chain and keep it.

        Raises VerificationError if the slot's digest is known and another one, or what ``examined_chain`` raises.
        """
        told = self.digests.get(slot)
        if told is not None and told != digest(hash_algorithm, chain):
            raise VerificationError(f"digest of the certificate chain of slot {slot}", (chain,))
        found = examined_chain(
            chain,
            hash_algorithm=hash_algorithm,
            algorithm=algorithm,
            trust=self._trust,
            role=self._role,
            model=_MODELS.get(model or self.models.get(slot, CertificateModel.NONE), ChainModel.DEVICE),
            needs_basic_constraints=version >= SpdmVersion.V1_3,
        )
        self.chains[slot] = found
        return found

    def forget(self, slot: int) -> None:
        """Forget a slot: it has been written."""
        self.digests.pop(slot, None)
        self.chains.pop(slot, None)
        self.models.pop(slot, None)

    def learn(self, version: int, hash_algorithm: HashAlgorithm, algorithm: SignatureAlgorithm) -> None:
        """Take the chains that are known beforehand, as far as they hold and serve the algorithm."""
        for slot, chain in self._trust.chains.items():
            with suppress(VerificationError, DecodeError):
                self.take_chain(slot, chain, version=version, hash_algorithm=hash_algorithm, algorithm=algorithm)

    def public_key(self, slot: int, algorithm: SignatureAlgorithm) -> PublicKey:
        """Return the key of a slot, or for 0xFF the provisioned one. Raises KeyError if it is not known."""
        if slot != RAW_PUBLIC_KEY_SLOT:
            return self.chains[slot].public_key
        for key in self._trust.public_keys:
            if algorithm in key.algorithms:
                return key
        raise KeyError(slot)

    def hash_of(self, slot: int, algorithm: SignatureAlgorithm, hash_algorithm: HashAlgorithm, rule: str) -> Piece:
        """Return Ct or CM: the hash of a slot's chain, or for 0xFF of the provisioned key's DER.

        Raises KeyError if it is not known.
        """
        if slot != RAW_PUBLIC_KEY_SLOT:
            chain = self.chains[slot].chain
            hashed = (Piece(f"certificate chain in slot {slot}", chain, ""),)
            return Piece("Hash(certificate chain)", digest(hash_algorithm, chain), rule, stands_for=hashed)
        spki = self.public_key(slot, algorithm).to_spki()
        return Piece("Hash(public key)", digest(hash_algorithm, spki), rule)

"""Peers that sign, and that can be told to be mistaken about what or how.

What is signed they put together on their own, part by part, and they sign with the library's keys directly: so both
are checked against a second reading of the rules.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, Final

import attrs

from pytio.crypto import PrivateKey, SignatureAlgorithm, digest
from pytio.crypto.issuing import issue_chain
from pytio.crypto.signatures import SignatureParameters
from pytio.spdm import algorithms
from pytio.spdm.certificate_chain import CertificateChain
from pytio.spdm.codes import MeasurementValueType, SpdmVersion
from pytio.spdm.messages.base import SpdmMessage
from pytio.spdm.messages.certificate import GetCertificate
from pytio.spdm.messages.challenge import Challenge, ChallengeAuth
from pytio.spdm.messages.measurements import (
    DmtfMeasurement,
    GetMeasurements,
    MeasurementBlock,
    Measurements,
    SlotIdParam,
)
from tests.capture.peers import Parts, Peers, Terms
from tests.capture.routes import Route
from tests.crypto.authority import Chain, new_key

DIFFERENT: Final = 7
"""The number of a key that no other certificate has."""

Covering = Callable[["SigningPeers", Parts], Parts]
Making = Callable[["SigningPeers", bytes, bytes], bytes]
"""Makes a signature, given what the prefix says that it is for and the transcript."""


def as_it_should(peers: SigningPeers, parts: Parts) -> Parts:
    """Cover what is to be covered."""
    return parts


def properly(peers: SigningPeers, purpose: bytes, transcript: bytes) -> bytes:
    """Sign the way of the negotiated version."""
    hashed = peers.hashed(transcript)
    if peers.terms.version < SpdmVersion.V1_2:
        return peers.signed(hashed, is_digest=True)
    return peers.signed(peers.prefix(purpose) + hashed, purpose)


Identity = tuple[tuple[bytes, ...], PrivateKey]
"""Certificates from root to leaf, and the key of the leaf."""


@cache
def identities(algorithm: SignatureAlgorithm) -> tuple[Identity, Identity]:
    """Return two identities, below one root where the algorithm is ECDSA P-384."""
    if algorithm is not SignatureAlgorithm.ECDSA_P384:
        first, second = issue_chain(algorithm), issue_chain(algorithm)
        return (first.certificates, first.key), (second.certificates, second.key)
    chain = Chain()
    certificates = [certificate.der for certificate in chain.issue()]
    other = attrs.evolve(chain.leaf, key=new_key("P-384", DIFFERENT)).issued_by(chain.issuer)
    keys = PrivateKey(chain.leaf.key), PrivateKey(new_key("P-384", DIFFERENT))
    return (tuple(certificates), keys[0]), ((*certificates[:-1], other.der), keys[1])


class SigningPeers(Peers):
    """A requester and a responder with keys and certificates; slot 0 and slot 1 have keys of their own."""

    def __init__(
        self,
        terms: Terms = Terms(),  # noqa: B008  a frozen value
        *,
        covering: Covering = as_it_should,
        making: Making = properly,
        route: Route | None = None,
        leaves_root_out: bool = False,
    ) -> None:
        super().__init__(terms, route)
        self.covering = covering
        self.making = making
        self.algorithm = algorithms.signature_algorithm(terms.pqc or terms.asym)
        self.hash_algorithm = algorithms.hash_algorithm(terms.base_hash)
        (self.certificates, self.key), (others, self.other_key) = identities(self.algorithm)
        self.certificate_chain = self.chain_of(self.certificates[leaves_root_out:])
        self.other_chain = self.chain_of(others)
        self.requester_chain, self.requester_key = self.other_chain, self.other_key
        self.log: list[bytes] = []
        self.b: Parts = []
        self.l: Parts = []

    def chain_of(self, certificates: tuple[bytes, ...]) -> bytes:
        """Return the chain structure of certificates below the one root."""
        root_hash = digest(self.hash_algorithm, self.certificates[0])
        return CertificateChain(root_hash=root_hash, certificate_list=b"".join(certificates)).build()

    # signing

    def signed(self, message: bytes, context: bytes = b"", *, is_digest: bool = False, **other: Any) -> bytes:
        """Sign with the key of slot 0, or another one, or another hash."""
        key, hash_algorithm = other.get("key", self.key), other.get("hash_algorithm", self.hash_algorithm)
        signature: bytes = key.sign(message, SignatureParameters(self.algorithm, hash_algorithm, context, is_digest))
        return signature

    def prefix(self, purpose: bytes, version: str = "") -> bytes:
        """Return what stands before the digest."""
        number = version or f"1.{self.terms.version & 0xF}"
        return f"dmtf-spdm-v{number}.*".encode() * 4 + bytes(36 - len(purpose)) + purpose

    def _sign(self, purpose: bytes, parts: Parts) -> bytes:
        return self.making(self, purpose, b"".join(data for _, data in self.covering(self, parts)))

    def exchange_signature(self, covered: Parts) -> bytes:
        return self._sign(b"responder-key_exchange_rsp signing", covered)

    def finish_signature(self, covered: Parts) -> bytes:
        transcript = b"".join(data for _, data in covered)
        message = self.prefix(b"requester-finish signing") + self.hashed(transcript)
        return self.signed(message, b"requester-finish signing", key=self.requester_key)

    # talking

    def ask(self, message: SpdmMessage) -> bytes:
        self.log.append(super().ask(message))
        return self.log[-1]

    def answer(self, message: SpdmMessage) -> bytes:
        self.log.append(super().answer(message))
        return self.log[-1]

    @property
    def vca_parts(self) -> Parts:
        """A."""
        return [("A", self.vca)]

    def authenticate(self) -> None:
        """Exchange digests and the certificate of slot 0."""
        start = len(self.log)
        super().authenticate()
        self.b = [("B", raw) for raw in self.log[start:]]

    def read_other_slot(self) -> None:
        """Read the certificate of slot 1."""
        self.b.append(("B", self.ask(GetCertificate(version=self.terms.version, slot_id=1, length=0xFFFF))))
        self.b.append(("B", self.answer(self.certificate_of(self.other_chain).replace(slot_id=1))))

    def demand(self) -> bytes:
        """Let the requester send CHALLENGE."""
        return self.ask(Challenge(version=self.terms.version, nonce=self.nonce()))

    def challenge(self) -> None:
        """Exchange a challenge."""
        asked = self.demand()
        unsigned = ChallengeAuth(
            version=self.terms.version,
            slot_mask=1,
            cert_chain_hash=self.hashed(self.certificate_chain),
            nonce=self.nonce(),
            signature=b"",
        )
        parts = [*self.vca_parts, *self.b, ("C", asked), ("C", unsigned.build())]
        self.answer(unsigned.replace(signature=self._sign(b"responder-challenge_auth signing", parts)))
        self.b = []

    def inquire(self, index: int = 1, *, is_signed: bool = True) -> bytes:
        """Let the requester send GET_MEASUREMENTS."""
        has_slot = is_signed and self.terms.version >= SpdmVersion.V1_1
        return self.ask(
            GetMeasurements(
                version=self.terms.version,
                signature_requested=is_signed,
                measurement_operation=index,
                nonce=self.nonce() if is_signed else None,
                slot_id_param=SlotIdParam() if has_slot else None,
            )
        )

    def measure(self, index: int = 1, *, is_signed: bool = True) -> None:
        """Exchange measurements."""
        self.l.append(("L", self.inquire(index, is_signed=is_signed)))
        value = DmtfMeasurement(value_type=MeasurementValueType.MUTABLE_FIRMWARE, value=self.nonce(48))
        unsigned = Measurements(
            version=self.terms.version,
            measurement_record=(MeasurementBlock(index=index, measurement=value),),
            nonce=self.nonce(),
            opaque_data=b"odd",  # so that the message does not end on a dword
        )
        self.l.append(("L", unsigned.build()))
        if is_signed:
            vca = self.vca_parts if self.terms.version >= SpdmVersion.V1_2 else []
            signature = self._sign(b"responder-measurements signing", [*vca, *self.l])
            self.l = []
        self.answer(unsigned.replace(signature=signature) if is_signed else unsigned)

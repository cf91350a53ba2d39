"""`Evidence`: what a responder has signed of its measurements, and what is needed to judge it.

This file holds the parts and answers questions about them. It takes no part for granted: whether they hold together is
`pytio.evidence.verification`'s, how they are written down `pytio.evidence.plain`'s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Self

import attrs

from pytio.crypto import Certificate, ChainModel, HashAlgorithm, SignatureAlgorithm, parse_certificates
from pytio.errors import SpdmDecodeError
from pytio.evidence import messages
from pytio.evidence.messages import Measured, TranscriptForm
from pytio.spdm import algorithms
from pytio.spdm.capabilities import ResponderCapabilities
from pytio.spdm.certificate_chain import CertificateChain
from pytio.spdm.codes import SpdmCode, SpdmVersion
from pytio.spdm.negotiated import Negotiated
from pytio.spdm.proofs import Background, SignatureProof
from pytio.spdm.signing import SigningContext
from pytio.spdm.transcript import Pieces, joined
from pytio.tdisp import InterfaceReport

if TYPE_CHECKING:
    from pytio.evidence.steps import Verdict
    from pytio.evidence.verification import Expectations
    from pytio.spdm.checks import SignatureCheck
    from pytio.spdm.events import Event
    from pytio.spdm.messages.measurements import MeasurementBlock
    from pytio.spdm.requester import Requester

__all__ = ("WHAT", "Evidence")

WHAT: Final = "MEASUREMENTS signature"
"""What proves measurements, by the name it has everywhere."""
_VERSION_OFFSET: Final = 0
_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


@attrs.frozen
class Evidence:
    """Signed measurements and the certificate chain of the key that signed them.

    Raises SpdmDecodeError if the messages are not those of measurement exchanges.
    """

    vca: Pieces
    """GET_VERSION to ALGORITHMS: part of what is signed from 1.2 on, and in all versions what says how."""
    exchanges: Pieces
    """GET_MEASUREMENTS and MEASUREMENTS, pair by pair; the last response without its signature."""
    signature: bytes = attrs.field(repr=lambda value: f"<{len(value)} bytes>")
    """The signature at the end of the last response; empty where none was asked for."""
    chain: bytes = attrs.field(default=b"", repr=lambda value: f"<{len(value)} bytes>")
    """The certificate chain structure of the slot that signed; empty where it was not read."""
    reports: Mapping[str, bytes] = attrs.field(default=_NOTHING, repr=lambda value: f"<{len(value)} reports>")
    """TDI reports, whole, by the id of their interface; none where no interface was locked."""
    sources: Mapping[str, str] = attrs.field(default=_NOTHING, repr=False)
    """Where each part came from: a capture and its records, a file, a requester."""

    def __attrs_post_init__(self) -> None:
        """Take the messages apart once, so that nothing else has to fear them."""
        _ = self.measured

    # where it comes from

    @classmethod
    def from_transcript(
        cls,
        data: bytes,
        *,
        vca: bytes = b"",
        chain: bytes = b"",
        reports: Mapping[str, bytes] = _NOTHING,
        sources: Mapping[str, str] = _NOTHING,
    ) -> Self:
        """Take a standard measurement transcript: the bytes of L1/L2 and the signature behind them.

        A transcript has no certificate chain, and before SPDM 1.2 nothing that says which algorithms were agreed on:
        ``vca``, the messages from GET_VERSION to ALGORITHMS, has to be given then. A log that begins with them in any
        version, as a PSP gives it (SEV-TIO, measurements of type 2), is taken as well.

        Raises SpdmDecodeError, with the offset, if the bytes are no transcript, or ``vca`` is missing.
        """
        begins = bytes([SpdmVersion.V1_0, SpdmCode.GET_VERSION])
        if data.startswith(begins):
            pieces, base = messages.split_vca(data)
        elif vca:
            (pieces, size), base = messages.split_vca(vca), 0
            if size != len(vca):
                raise SpdmDecodeError(f"{len(vca) - size} bytes left over after ALGORITHMS", vca, size)
        else:
            reason = "a transcript without GET_VERSION to ALGORITHMS, as before SPDM 1.2: they have to be given"
            raise SpdmDecodeError(reason, data)
        agreed = messages.negotiated(pieces)
        exchanges, signature = messages.split_exchanges(data, agreed, base)
        return cls(pieces, exchanges, signature, chain, reports, sources)

    @classmethod
    def from_proof(
        cls, proof: SignatureProof, *, reports: Mapping[str, bytes] = _NOTHING, sources: Mapping[str, str] = _NOTHING
    ) -> Self:
        """Take a MEASUREMENTS signature as it was checked, such as those in the records of a verified capture.

        Raises SpdmDecodeError if it is another signature, or the messages before it are not known.
        """
        exchanges = tuple(piece for piece in proof.pieces if piece.rule == "L")
        return cls(proof.background.vca, exchanges, proof.value, joined(proof.chain), reports, sources)

    @classmethod
    def from_requester(
        cls, requester: Requester, events: Sequence[Event], *, reports: Mapping[str, bytes] = _NOTHING
    ) -> Self:
        """Take the last signed measurements among the events that a requester reported on its present connection.

        Raises LookupError if none of them is signed.
        """
        checks: list[SignatureCheck] = [
            check for event in events if (check := getattr(event, "check", None)) is not None and check.what == WHAT
        ]
        if not checks:
            raise LookupError("no signed measurements among the events")
        check = checks[-1]
        known = requester.peer.chains.get(0 if check.slot is None else check.slot)
        chain = known.chain if known is not None and check.slot is not None else b""
        exchanges = tuple(piece for piece in check.pieces if piece.rule == "L")
        told = dict.fromkeys(("vca", "exchanges", "chain"), "requester")
        return cls(requester.transcript.vca, exchanges, check.signature, chain, reports, told)

    # what it says

    @property
    def negotiated(self) -> Negotiated:
        """What the two agreed on: version, capabilities, algorithms."""
        return messages.negotiated(self.vca)

    @property
    def version(self) -> int:
        """The SPDM version."""
        return self.negotiated.version

    @property
    def hash_algorithm(self) -> HashAlgorithm:
        """The base hash. Raises ValueError if none was selected."""
        return algorithms.hash_algorithm(self.negotiated.base_hash)

    @property
    def algorithm(self) -> SignatureAlgorithm:
        """The responder's signature algorithm. Raises ValueError if none was selected."""
        return algorithms.signature_algorithm(self.negotiated.base_asym or self.negotiated.pqc_asym)

    @property
    def measured(self) -> tuple[Measured, ...]:
        """The exchanges, in order; the last response has the signature."""
        return messages.measured(self.exchanges, self.negotiated, self.signature)

    @property
    def measurements(self) -> Mapping[int, MeasurementBlock]:
        """The measurement blocks by index; where one was told twice, the later one."""
        blocks = [block for exchange in self.measured for block in exchange.response.measurement_record]
        return {block.index: block for block in sorted(blocks, key=lambda block: block.index)}

    @property
    def nonce(self) -> bytes:
        """The nonce of the requester in the signed request: whoever chose it knows that the signature is fresh."""
        return self.measured[-1].request.nonce or b""

    @property
    def responder_nonce(self) -> bytes:
        """The nonce of the responder in the signed response."""
        return self.measured[-1].response.nonce

    @property
    def slot(self) -> int:
        """The slot whose key signed: 0 in SPDM 1.0, and 0xF for a key that was provisioned out of band."""
        asked = self.measured[-1].request.slot_id_param
        return asked.slot_id if asked is not None else 0

    @property
    def form(self) -> TranscriptForm:
        """Which of the standard measurement transcripts it is."""
        return messages.form_of(self.measured)

    @property
    def model(self) -> ChainModel:
        """Whose key the leaf certifies, as far as the responder's capabilities say."""
        is_alias = ResponderCapabilities.ALIAS_CERT_CAP in self.negotiated.responder
        return ChainModel.ALIAS if is_alias else ChainModel.DEVICE

    @property
    def certificate_chain(self) -> CertificateChain:
        """The chain structure, taken apart. Raises SpdmDecodeError if it is none."""
        return CertificateChain.parse(self.chain, digest=self.hash_algorithm.digest_size)

    @property
    def certificates(self) -> tuple[Certificate, ...]:
        """The certificates, root side first. Raises DecodeError if they are none."""
        return parse_certificates(self.certificate_chain.certificate_list)

    @property
    def interface_reports(self) -> Mapping[str, InterfaceReport]:
        """The TDI reports, decoded. Raises TdispDecodeError if one is malformed."""
        return {interface: InterfaceReport.parse(report) for interface, report in self.reports.items()}

    @property
    def pieces(self) -> Pieces:
        """What the signature covers, message by message."""
        return (*self.vca, *self.exchanges) if self.version >= SpdmVersion.V1_2 else self.exchanges

    @property
    def proof(self) -> SignatureProof:
        """The signature with everything it takes to check it, as far as the chain gives a key.

        Raises DecodeError if the chain is malformed, UnsupportedAlgorithmError for a key of no known kind, ValueError
        if no algorithm was selected.
        """
        certificates = self.certificates if self.chain else ()
        return SignatureProof(
            what=WHAT,
            version=self.version,
            hash_algorithm=self.hash_algorithm,
            pieces=self.pieces,
            value=self.signature,
            context=SigningContext.RESPONDER_MEASUREMENTS,
            algorithm=self.algorithm,
            key=certificates[-1].public_key if certificates else None,
            background=Background(vca=self.vca),
        )

    # what becomes of it

    def verify(
        self, roots: Sequence[Certificate], *, at: datetime, expectations: Expectations | None = None
    ) -> Verdict:
        """Judge the evidence, step by step; a failed step does not end the others.

        Args:
            roots: the certificates that are trusted.
            at: the time at which certificates have to be valid, with its time zone.
            expectations: what else is asked: a nonce, reference values, the model of the chain.

        Raises ValueError if ``at`` has no time zone.
        """
        if at.tzinfo is None:
            raise ValueError(f"{at} has no time zone")
        from pytio.evidence.verification import verdict  # noqa: PLC0415  judging needs evidence

        return verdict(self, roots, at, expectations)

    def with_chain(self, chain: bytes) -> Self:
        """Return the same with another certificate chain structure."""
        return attrs.evolve(self, chain=chain)

    def to_transcript(self) -> bytes:
        """Return the standard measurement transcript: what was signed, and the signature."""
        return joined(self.pieces) + self.signature

    def to_log(self) -> bytes:
        """Return everything from GET_VERSION to the signature, in every version: the log that a PSP keeps."""
        return joined((*self.vca, *self.exchanges)) + self.signature

    def to_json(self) -> str:
        """Return everything as JSON, with what a reader wants to see beside the bytes."""
        from pytio.evidence.plain import to_json  # noqa: PLC0415  writing needs evidence

        return to_json(self)

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Return what `to_json` wrote. Raises DecodeError for anything else, and where text and bytes differ."""
        from pytio.evidence.plain import from_json  # noqa: PLC0415  reading needs evidence

        return from_json(cls, text)

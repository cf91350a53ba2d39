"""What a guest knows of an interface before it trusts it: the firmware's word, and the evidence that it vouches for.

Document: AMD 58271, "TDI_INFO"; SEV-TIO's "Measurements blob and digests". The hypervisor hands the evidence over, and
is believed in nothing: each piece has to hash to the digest that came in the firmware's own message.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Final, TypeAlias
from uuid import UUID

import attrs

from pytio.crypto import Certificate, HashAlgorithm, digest
from pytio.crypto.secret import equal_in_constant_time
from pytio.errors import VerificationError
from pytio.evidence import Evidence, Expectations
from pytio.sev.blobs import CERTIFICATES_GUID, INTERFACE_REPORT_GUID, MEASUREMENTS_GUID
from pytio.sev.guest_messages import TdiInfoRsp, TdiInfoRspN, TdiInfoRspR1
from pytio.sev.tio_codes import MeasurementFlags
from pytio.spdm.codes import SpdmCode, SpdmVersion
from pytio.tdisp import InterfaceReport, TdiState

__all__ = ("AnyTdiInfo", "Attestation", "Policy", "attestation_of", "require_verdict")

AnyTdiInfo: TypeAlias = TdiInfoRspR1 | TdiInfoRsp | TdiInfoRspN
"""What TDI_INFO answers."""
_LOG_BEGINS: Final = bytes([SpdmVersion.V1_0, SpdmCode.GET_VERSION])


def _size(data: bytes) -> str:
    return f"<{len(data)} bytes>"


@attrs.frozen
class Attestation:
    """An interface's evidence, every piece of which hashes to the firmware's digest.

    Attributes:
        interface: the interface, as reports in `Evidence` are named.
        info: the firmware's word.
        state: what the hypervisor says of the interface's state, which proves nothing; None where it says nothing.
        certificates: the SPDM certificate chain structure of the slot in use.
        measurements: the messages from GET_VERSION to the last MEASUREMENTS, or before P2 the measurement record alone;
            empty where the firmware has none.
        report: the interface report.
    """

    interface: str
    info: AnyTdiInfo
    state: TdiState | None
    certificates: bytes = attrs.field(repr=_size)
    measurements: bytes = attrs.field(repr=_size)
    report: bytes = attrs.field(repr=_size)

    @property
    def are_measurements_fresh(self) -> bool:
        """Whether the firmware says that they were taken since the interface was bound (`SEV_A22`)."""
        return MeasurementFlags.MEAS_DIGEST_FRESH in self.info.meas_flags

    @property
    def has_message_log(self) -> bool:
        """Whether the measurements can be verified: they are the messages, and not a record alone."""
        return self.measurements.startswith(_LOG_BEGINS)

    @property
    def evidence(self) -> Evidence:
        """The evidence, to be verified.

        Raises:
            VerificationError: there are no measurements, or a record alone, whose signature nobody has.
            SpdmDecodeError: the messages are not those of measurement exchanges.
        """
        if not self.has_message_log:
            what = (
                "a measurement record without its messages"
                if self.measurements
                else "an interface without measurements"
            )
            raise VerificationError(what, (self.measurements,))
        reports = {self.interface: self.report}
        sources = dict.fromkeys(("vca", "exchanges", "chain", self.interface), "SEV-TIO guest")
        return Evidence.from_transcript(self.measurements, chain=self.certificates, reports=reports, sources=sources)

    @property
    def interface_report(self) -> InterfaceReport:
        """The report, taken apart. Raises TdispDecodeError if it is none."""
        return InterfaceReport.parse(self.report)


Policy: TypeAlias = Callable[[Attestation], None]
"""Judges an attestation before anything of the guest is open to the interface; raises where it is not good enough."""


def require_verdict(roots: Sequence[Certificate], *, at: datetime, expectations: Expectations | None = None) -> Policy:
    """Return the policy that verifies the evidence, with the firmware's digests among what is expected.

    Args:
        roots: the certificates that are trusted.
        at: the time at which certificates have to be valid, with its time zone.
        expectations: what else is asked.

    The policy raises VerificationError for the first step of the verdict that does not hold.
    """

    def judge(attestation: Attestation) -> None:
        info = attestation.info
        digests = {
            **(expectations or Expectations()).tsm_digests,
            "chain": info.certs_digest,
            "measurements": info.meas_digest,
            attestation.interface: info.interface_report_digest,
        }
        asked = attrs.evolve(expectations or Expectations(), tsm_digests=digests)
        attestation.evidence.verify(roots, at=at, expectations=asked).require()

    return judge


def attestation_of(
    interface: str, info: AnyTdiInfo, state: TdiState | None, blobs: Mapping[UUID, bytes]
) -> Attestation:
    """Hold what the hypervisor handed over against the firmware's digests.

    Raises:
        VerificationError: certificates or report are missing, a piece does not hash to its digest, or measurements are
            missing that the firmware has.
    """
    has_measurements = MeasurementFlags.MEAS_DIGEST_VALID in info.meas_flags
    pieces = (
        ("certificates", CERTIFICATES_GUID, info.certs_digest, True),
        ("measurements", MEASUREMENTS_GUID, info.meas_digest, has_measurements),
        ("interface report", INTERFACE_REPORT_GUID, info.interface_report_digest, True),
    )
    certificates, measurements, report = (
        _checked(what, blobs.get(guid, b""), wanted) if is_there else b"" for what, guid, wanted, is_there in pieces
    )
    return Attestation(interface, info, state, certificates, measurements, report)


def _checked(what: str, blob: bytes, wanted: bytes) -> bytes:
    if not blob:
        raise VerificationError(f"the {what}, which the hypervisor did not hand over")
    if not equal_in_constant_time(digest(HashAlgorithm.SHA_384, blob), wanted):
        raise VerificationError(f"the {what}, held against the firmware's digest", (blob,))
    return blob

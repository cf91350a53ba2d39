"""The attestation report of a guest: how it was launched, signed with the chip's key where there is one.

Document: AMD 56860, "MSG_REPORT_REQ", "ATTESTATION_REPORT". Whose key signs, and who certifies it, is configuration; a
firmware without one leaves the signature zero and says so (KEY_INFO.SIGNING_KEY 7).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytio.crypto import HashAlgorithm, SignatureAlgorithm, SignatureParameters
from pytio.mock.psp.contexts import GuestContext
from pytio.sev.attestation import AttestationReport, GuestPolicy, KeyInfo, PlatformInfo
from pytio.sev.codes import SevStatus
from pytio.sev.guest_ioctl import ReportRequest, ReportResponseHeader

if TYPE_CHECKING:
    from pytio.mock.psp.firmware import Psp

__all__ = ("report_answer",)

_REPORT_VERSION: Final = 5
_LEAST_PRIVILEGE: Final = 3
_VCEK: Final = 0
_NOBODY: Final = 7
_POLICY_BYTES: Final = 8
_COMPONENT_BYTES: Final = 48
_FIELD_BYTES: Final = 72
_SIGNED_BY: Final = SignatureParameters(SignatureAlgorithm.ECDSA_P384, HashAlgorithm.SHA_384)


def report_answer(psp: Psp, guest: GuestContext, request: ReportRequest, vmpck: int) -> bytes:
    """Return MSG_REPORT_RSP; INVALID_PARAM in it for a privilege level above that of the key, or none at all."""
    if not vmpck <= request.vmpl <= _LEAST_PRIVILEGE:
        return ReportResponseHeader(status=SevStatus.INVALID_PARAM, report_size=0).build()
    report = _signed(psp, _report(psp, guest, request)).build()
    return ReportResponseHeader(status=SevStatus.SUCCESS, report_size=len(report)).build() + report


def _report(psp: Psp, guest: GuestContext, request: ReportRequest) -> AttestationReport:
    major, minor = psp.config.api_version
    family, model, stepping = psp.config.cpuid
    return AttestationReport(
        version=_REPORT_VERSION,
        policy=GuestPolicy.parse(guest.policy.to_bytes(_POLICY_BYTES, "little")),
        vmpl=request.vmpl,
        platform_info=PlatformInfo(tio_enabled=psp.tio_en),
        key_info=KeyInfo(signing_key=_NOBODY if psp.config.vcek is None else _VCEK),
        report_data=request.user_data,
        measurement=guest.launch_digest,
        host_data=guest.host_data,
        report_id=guest.report_id,
        cpuid_family=family,
        cpuid_model=model,
        cpuid_stepping=stepping,
        chip_id=psp.config.chip_id,
        launch_mitigation_vector=0,
        current_mitigation_vector=0,
        current_build=psp.config.build_id,
        current_minor=minor,
        current_major=major,
        committed_build=psp.config.build_id,
        committed_minor=minor,
        committed_major=major,
    )


def _signed(psp: Psp, report: AttestationReport) -> AttestationReport:
    if psp.config.vcek is None:
        return report
    signature = psp.provider.sign(psp.config.vcek, report.signed_bytes(), _SIGNED_BY)
    r, s = (_component(signature[at : at + _COMPONENT_BYTES]) for at in (0, _COMPONENT_BYTES))
    return report.replace(signature_r=r, signature_s=s)


def _component(big_endian: bytes) -> bytes:
    """Return a half of a signature as a report has it: the other way round, and longer."""
    return big_endian[::-1].ljust(_FIELD_BYTES, b"\0")

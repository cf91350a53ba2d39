"""SEV: what AMD's firmware and the kernel's SEV devices exchange, as bytes.

Documents: SEV Secure Nested Paging Firmware ABI Specification (AMD 56860), Secure Encrypted Virtualization API (AMD
55766), and the kernel's ``psp-sev.h`` and ``sev-guest.h``. Codes are in `pytio.sev.codes`; the ioctl blocks of the
host in `pytio.sev.host_ioctl`, of the guest in `pytio.sev.guest_ioctl`; the attestation report and the certificate
table have modules of their own. SEV-TIO begins at `pytio.sev.tio_codes` (its numbers) and `pytio.sev.commands` (the
PSP's command buffers).
"""

from pytio.sev.attestation import AttestationReport, GuestPolicy, KeyInfo, PlatformInfo
from pytio.sev.certificate_table import (
    Certificate,
    CertificateTableEntry,
    build_certificate_table,
    parse_certificate_table,
)
from pytio.sev.codes import SevHostCommand, SevStatus
from pytio.sev.tcb import TcbVersion, TurinTcbVersion

__all__ = (
    "AttestationReport",
    "Certificate",
    "CertificateTableEntry",
    "GuestPolicy",
    "KeyInfo",
    "PlatformInfo",
    "SevHostCommand",
    "SevStatus",
    "TcbVersion",
    "TurinTcbVersion",
    "build_certificate_table",
    "parse_certificate_table",
)

"""The blocks of ``/dev/sev-guest``: one request block, and a request and a response for each ioctl.

Document: the kernel's ``sev-guest.h`` and AMD 56860, "MSG_REPORT_REQ", "MSG_KEY_REQ". Natural alignment: where the
compiler would leave a gap, so does this. The reserved bytes of requests are zero.
"""

from __future__ import annotations

from typing import Final

from pytio.errors import SevDecodeError
from pytio.sev.attestation import AttestationReport
from pytio.sev.codes import DerivedKeyFields, HypervisorError, RootKey, SevStatus
from pytio.wire import U32, U64, Byte, Bytes, Flags, OpenCode, WireStruct, message, wire

__all__ = (
    "DERIVED_KEY_RESPONSE_BYTES",
    "REPORT_RESPONSE_BYTES",
    "DerivedKeyRequest",
    "DerivedKeyRequestV2",
    "DerivedKeyResponse",
    "ExtendedReportRequest",
    "GuestRequest",
    "ReportRequest",
    "ReportResponseHeader",
)

REPORT_RESPONSE_BYTES: Final = 4000
"""The buffer for a report's response; `ReportResponseHeader`, the report, and nothing."""
DERIVED_KEY_RESPONSE_BYTES: Final = 64
"""The buffer for a derived key's response."""


class _Block(WireStruct, errors=SevDecodeError):
    __slots__ = ()


@message
class GuestRequest(_Block):
    """struct snp_guest_request_ioctl, 32 bytes."""

    message_version: int = wire(Byte, default=1)
    reserved: bytes = wire(Bytes(7), default=bytes(7))
    request_address: int = wire(U64)
    response_address: int = wire(U64)
    firmware_error: SevStatus = wire(OpenCode(U32, SevStatus), default=SevStatus.SUCCESS)
    """0xff where the firmware was never called."""
    hypervisor_error: HypervisorError = wire(OpenCode(U32, HypervisorError), default=HypervisorError.NONE)


@message
class ReportRequest(_Block):
    """struct snp_report_req, 96 bytes: what goes into the report, and who asks."""

    user_data: bytes = wire(Bytes(64))
    vmpl: int = wire(U32, default=0)
    """At least the caller's own, and at most 3."""
    key_select: int = wire(U32, default=0)
    """0 as the platform prefers, 1 VCEK, 2 VLEK."""
    reserved: bytes = wire(Bytes(24), default=bytes(24))


@message
class ExtendedReportRequest(ReportRequest):
    """struct snp_ext_report_req, 112 bytes: the same, and room for the host's certificates."""

    certificates_address: int = wire(U64, default=0)
    certificates_length: int = wire(U32, default=0)
    """A multiple of 4096, at most 16 KiB; after a call that found it too small, what is needed."""
    reserved_end: bytes = wire(Bytes(4), default=bytes(4))


@message
class ReportResponseHeader(_Block):
    """The first 32 bytes of MSG_REPORT_RSP."""

    status: SevStatus = wire(OpenCode(U32, SevStatus))
    report_size: int = wire(U32)
    reserved: bytes = wire(Bytes(24), default=bytes(24))

    @staticmethod
    def split(response: bytes) -> tuple[ReportResponseHeader, AttestationReport | None]:
        """Parse a response of any size; the report is None where the status is not success.

        Raises:
            SevDecodeError: the header or the report is malformed, or the report's size is not its own.
        """
        header, size = ReportResponseHeader.parse_prefix(response)
        if header.status != SevStatus.SUCCESS:
            return header, None
        return header, AttestationReport.parse(response[size : size + header.report_size])


@message
class DerivedKeyRequest(_Block):
    """struct snp_derived_key_req, 32 bytes, message version 1."""

    root_key: RootKey = wire(OpenCode(U32, RootKey), default=RootKey.VCEK_OR_VLEK)
    reserved: int = wire(U32, default=0)
    fields: DerivedKeyFields = wire(Flags(U64, DerivedKeyFields), default=DerivedKeyFields(0))
    vmpl: int = wire(U32, default=0)
    guest_svn: int = wire(U32, default=0)
    tcb_version: int = wire(U64, default=0)


@message
class DerivedKeyRequestV2(DerivedKeyRequest):
    """The same with message version 2, 40 bytes; whether a kernel passes the last field on is `LINUX_U6`."""

    launch_mitigation_vector: int = wire(U64, default=0)


@message
class DerivedKeyResponse(_Block):
    """MSG_KEY_RSP, 64 bytes."""

    status: SevStatus = wire(OpenCode(U32, SevStatus))
    reserved: bytes = wire(Bytes(28), default=bytes(28))
    derived_key: bytes = wire(Bytes(32), secret=True)

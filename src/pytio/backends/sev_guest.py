"""``/dev/sev-guest``: reports and keys from the firmware, for the guest that asks.

Facts: the kernel's ``sev-guest.h`` and sev-guest driver. A request block points to a request and a response, and holds
what the firmware and the hypervisor said. After most failures the driver forgets the key with which it talks to the
firmware, and every later call fails with ENOTTY: the error says so.
"""

from __future__ import annotations

import errno
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from pytio.backends.errnos import Meaning, Meanings, explain
from pytio.backends.ioctl import IoctlDevice, IoctlFile, Memory
from pytio.crypto import Secret
from pytio.errors import (
    BackendError,
    BackendPermissionError,
    BackendRefusedError,
    BackendTimeoutError,
    BackendUnavailableError,
    SevCommandError,
    SevDecodeError,
    VerificationError,
)
from pytio.sev.attestation import AttestationReport
from pytio.sev.certificate_table import Certificate, parse_certificate_table
from pytio.sev.codes import (
    CERTIFICATE_BUFFER_BYTES,
    GUEST_NEVER_CALLED,
    MAX_CERTIFICATES_BYTES,
    SNP_GET_DERIVED_KEY,
    SNP_GET_EXT_REPORT,
    SNP_GET_REPORT,
    HypervisorError,
    SevStatus,
)
from pytio.sev.guest_ioctl import (
    DERIVED_KEY_RESPONSE_BYTES,
    REPORT_RESPONSE_BYTES,
    DerivedKeyRequest,
    DerivedKeyRequestV2,
    DerivedKeyResponse,
    ExtendedReportRequest,
    GuestRequest,
    ReportRequest,
    ReportResponseHeader,
)

__all__ = ("SevGuest", "open_sev_guest")

_PATH: Final = Path("/dev/sev-guest")
_OPEN: Final[Meanings] = {
    errno.ENOENT: Meaning(
        BackendUnavailableError,
        "there is no /dev/sev-guest",
        "this is no SEV-SNP guest, or the sev-guest module is not loaded",
    ),
    errno.EACCES: Meaning(BackendPermissionError, "/dev/sev-guest may not be opened", "run as root"),
}
_LATCHED: Final = "the driver has erased its key now: reload sev-guest with another vmpck_id, or restart the guest"
_CALL: Final[Meanings] = {
    errno.ENOTTY: Meaning(
        BackendUnavailableError,
        "the guest's key is disabled or empty, or the ioctl is unknown",
        "an earlier failure erased it: reload sev-guest with another vmpck_id, or restart the guest",
    ),
    errno.EINVAL: Meaning(
        BackendRefusedError,
        "the message version is 0, an address is missing, or the length for certificates is not acceptable",
        "certificates take whole pages, 16 KiB at most",
    ),
    errno.EFAULT: Meaning(BackendRefusedError, "an address is not acceptable", "this is a defect of the caller"),
    errno.ENOMEM: Meaning(BackendError, "the kernel is out of memory", "free some, and try again"),
    errno.EIO: Meaning(BackendError, "the request failed without a status", _LATCHED),
    errno.EBADMSG: Meaning(
        BackendError,
        "the response did not authenticate, or was not the one expected",
        f"someone between guest and firmware interferes; {_LATCHED}",
    ),
    errno.ETIMEDOUT: Meaning(
        BackendTimeoutError,
        "the hypervisor was busy all the time",
        "the host throttles requests: wait a minute, and ask less often",
    ),
}


class SevGuest:
    """Reports and keys; a context manager that closes the device.

    Guarantees: each method makes one call, `extended_report` two where there are certificates; nothing is repeated. A
    call blocks for up to a minute while the hypervisor is busy.

    Every method raises SevCommandError where the firmware refused, and BackendError where kernel or hypervisor did.
    """

    def __init__(self, device: IoctlDevice, name: str = str(_PATH)) -> None:
        """Use a device that is open; `open_sev_guest` opens the real one."""
        self._device = device
        self._name = name

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: object, traceback: TracebackType | None) -> None:
        self._device.close()

    def report(self, user_data: bytes, *, vmpl: int = 0, key_select: int = 0) -> AttestationReport:
        """Get a report over 64 bytes of ``user_data``.

        Args:
            user_data: what the report is to contain, such as a nonce; exactly 64 bytes.
            vmpl: whose report; at least the caller's own.
            key_select: 0 as the platform prefers, 1 VCEK, 2 VLEK.

        Raises:
            VerificationError: the report is over other data.
            SevDecodeError: the response is malformed.
        """
        request = ReportRequest(user_data=user_data, vmpl=vmpl, key_select=key_select)
        response = self._call(SNP_GET_REPORT, "SNP_GET_REPORT", Memory(request.build()), REPORT_RESPONSE_BYTES)
        return _checked_report(response, user_data)

    def extended_report(
        self, user_data: bytes, *, vmpl: int = 0, key_select: int = 0
    ) -> tuple[AttestationReport, tuple[Certificate, ...]]:
        """Get a report, and the certificates that the host provides for it, if any; raises as `report`."""
        request = ExtendedReportRequest(user_data=user_data, vmpl=vmpl, key_select=key_select)
        memory = Memory(request.build())
        try:
            response = self._call(SNP_GET_EXT_REPORT, "SNP_GET_EXT_REPORT", memory, REPORT_RESPONSE_BYTES)
        except _CertificatesError as more:
            certificates = Memory(_whole_pages(more.length))
            memory = Memory(
                request.replace(
                    certificates_address=certificates.address, certificates_length=certificates.size_bytes
                ).build()
            )
            response = self._call(SNP_GET_EXT_REPORT, "SNP_GET_EXT_REPORT", memory, REPORT_RESPONSE_BYTES)
            return _checked_report(response, user_data), parse_certificate_table(certificates.content())
        return _checked_report(response, user_data), ()

    def derived_key(self, request: DerivedKeyRequest) -> Secret:
        """Derive a key of 32 bytes from the chip's or the guest's root key and what ``request`` names.

        A `DerivedKeyRequestV2` goes with message version 2 (`LINUX_U6`).
        """
        version = 2 if isinstance(request, DerivedKeyRequestV2) else 1
        memory = Memory(request.build())
        raw = self._call(
            SNP_GET_DERIVED_KEY, "SNP_GET_DERIVED_KEY", memory, DERIVED_KEY_RESPONSE_BYTES, version=version
        )
        response = DerivedKeyResponse.parse(raw)
        _check_status(SNP_GET_DERIVED_KEY, response.status)
        return Secret(response.derived_key)

    def _call(self, number: int, name: str, request: Memory, response_bytes: int, *, version: int = 1) -> bytes:
        response = Memory(response_bytes)
        block = bytearray(
            GuestRequest(
                message_version=version, request_address=request.address, response_address=response.address
            ).build()
        )
        try:
            self._device.ioctl(number, block)
            return response.content()
        except OSError as error:
            raise self._explain(error, number, name, request, GuestRequest.parse(bytes(block))) from error
        finally:
            response.wipe()

    def _explain(
        self, error: OSError, number: int, name: str, request: Memory, done: GuestRequest
    ) -> BackendError | SevCommandError | _CertificatesError:
        where = f"{self._name} {name}"
        if error.errno != errno.EIO:
            return explain(error, where, _CALL)
        if done.hypervisor_error == HypervisorError.INVALID_LEN and number == SNP_GET_EXT_REPORT:
            return _CertificatesError(ExtendedReportRequest.parse(request.content()).certificates_length)
        if done.hypervisor_error != HypervisorError.NONE:
            reason = f"the hypervisor refused ({done.hypervisor_error.name})"
            return BackendError(where, reason, f"ask the host's operator; {_LATCHED}")
        if done.firmware_error in {SevStatus.SUCCESS, GUEST_NEVER_CALLED}:
            return explain(error, where, _CALL)
        return SevCommandError(number, done.firmware_error, name, _LATCHED)


class _CertificatesError(Exception):
    """The buffer for certificates is too small; how large it has to be."""

    def __init__(self, length: int) -> None:
        super().__init__(length)
        self.length = length


def _checked_report(response: bytes, user_data: bytes) -> AttestationReport:
    header, report = ReportResponseHeader.split(response)
    _check_status(SNP_GET_REPORT, header.status)
    assert report is not None
    if report.report_data != user_data:
        raise VerificationError("report data of the attestation report", (report.report_data, user_data))
    return report


def _check_status(command: int, status: SevStatus) -> None:
    hints = {
        SevStatus.INVALID_PARAM: "the VMPL must be at least the caller's own, and at most 3",
        SevStatus.INVALID_KEY: "the key that was selected is not loaded: the platform may have no VLEK",
    }
    if status != SevStatus.SUCCESS:
        raise SevCommandError(command, status, "", hints.get(status, "the firmware refused the request"))


def _whole_pages(length: int) -> int:
    pages = -(-length // CERTIFICATE_BUFFER_BYTES) * CERTIFICATE_BUFFER_BYTES
    if not 0 < pages <= MAX_CERTIFICATES_BYTES:
        raise SevDecodeError(f"{length} bytes of certificates, but at most {MAX_CERTIFICATES_BYTES} are possible")
    return pages


def open_sev_guest(path: Path = _PATH) -> SevGuest:
    """Open ``/dev/sev-guest``; reading is enough for everything.

    Raises:
        BackendUnavailableError: there is none.
        BackendPermissionError: it may not be opened.
    """
    return SevGuest(IoctlFile(path, meanings=_OPEN), str(path))

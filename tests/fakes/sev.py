"""``/dev/sev`` and ``/dev/sev-guest`` as the kernel makes them, in this process: addresses are followed for real.

Facts: the kernel's ccp and sev-guest drivers. The command block is copied back on success and on most failures, not for
an unknown command; the guest's block is not copied back on a clean success, and a failure disables the key for good.
"""

from __future__ import annotations

import ctypes
import errno
from collections.abc import Callable
from typing import Any, Final, Protocol

from pytio.sev import AttestationReport
from pytio.sev.codes import (
    ATTESTATION_REPORT_BYTES,
    MAX_CERTIFICATES_BYTES,
    SEV_CHAIN_BYTES,
    SEV_ISSUE_CMD,
    SNP_GET_DERIVED_KEY,
    SNP_GET_EXT_REPORT,
    SNP_GET_REPORT,
    HypervisorError,
    SevHostCommand,
    SevStatus,
)
from pytio.sev.guest_ioctl import DerivedKeyResponse, ExtendedReportRequest, GuestRequest, ReportResponseHeader
from pytio.sev.host_ioctl import (
    BufferReference,
    GetId,
    IssueCommand,
    PdhCertExport,
    PekCertImport,
    PlatformStatus,
    SnpConfig,
    SnpPlatformStatus,
    SnpVlekLoad,
)

CHIP_ID: Final = bytes(range(64))
PDH: Final = b"\xd1" * 2084
CHAIN: Final = b"\xc4" * SEV_CHAIN_BYTES
CSR: Final = b"\xca" * 100
_WRITING: Final = {
    *(SevHostCommand.FACTORY_RESET, SevHostCommand.PEK_GEN, SevHostCommand.PEK_CSR, SevHostCommand.PDH_GEN),
    *(SevHostCommand.PEK_CERT_IMPORT, SevHostCommand.SNP_SET_CONFIG, SevHostCommand.SNP_VLEK_LOAD),
}


_CPUID: Final = {"cpuid_family": 0x1A, "cpuid_model": 2, "cpuid_stepping": 1}
_MITIGATION: Final = {"launch_mitigation_vector": 1, "current_mitigation_vector": 3}


class MemoryAccess(Protocol):
    """The memory of the calling process."""

    def read(self, address: int, size: int) -> bytes: ...
    def write(self, address: int, data: bytes) -> None: ...


class OwnMemory:
    """Our own memory, for a caller in this process."""

    def read(self, address: int, size: int) -> bytes:
        return ctypes.string_at(address, size)

    def write(self, address: int, data: bytes) -> None:
        ctypes.memmove(address, data, len(data))


class FakeSev:
    """``/dev/sev``.

    Attributes:
        writable: whether it was opened for writing.
        status: what the firmware says to the next command.
        fails: the errno that the kernel gives; 0 for none.
        done: the commands that reached the firmware.
        stored: what came with those that carry data.
    """

    def __init__(self, *, writable: bool = True, memory: MemoryAccess | None = None) -> None:
        self.writable = writable
        self.memory = memory or OwnMemory()
        self.status = SevStatus.SUCCESS
        self.fails = 0
        self.is_dead = False
        self.is_initialized = True
        self.done: list[SevHostCommand] = []
        self.stored: list[object] = []
        self.snp = SnpPlatformStatus(
            api_major=1, api_minor=58, state=1, is_rmp_initialized=True, tio_enabled=True, build_id=12
        )

    def ioctl(self, request: int, block: bytearray) -> int:
        if request != SEV_ISSUE_CMD:
            raise OSError(errno.ENOTTY, "")
        call = IssueCommand.parse(bytes(block))
        if call.command > SevHostCommand.SNP_VLEK_LOAD:
            raise OSError(errno.EINVAL, "")  # not copied back
        try:
            status = self._run(call)
        except OSError:
            block[12:16] = (0xFFFF_FFFF).to_bytes(4, "little")
            raise
        block[12:16] = int(status).to_bytes(4, "little")
        if status != SevStatus.SUCCESS:
            raise OSError(errno.EIO, "")
        return 0

    def close(self) -> None:
        pass

    def _run(self, call: IssueCommand) -> SevStatus:
        if self.fails == errno.ETIMEDOUT:
            self.is_dead, self.fails = True, 0
            raise OSError(errno.ETIMEDOUT, "")
        if self.is_dead:
            raise OSError(errno.EBUSY, "")
        if call.command in _WRITING and not self.writable:
            raise PermissionError(errno.EPERM, "")
        if self.fails:
            raise OSError(self.fails, "")
        if call.command >= SevHostCommand.SNP_PLATFORM_STATUS and not self.is_initialized:
            raise OSError(errno.EINVAL, "")
        self.done.append(call.command)
        if self.status != SevStatus.SUCCESS:
            return self.status
        handler = _HOST_HANDLERS.get(call.command)
        return handler(self, call.data) if handler else SevStatus.SUCCESS

    def _platform_status(self, address: int) -> SevStatus:
        self.memory.write(address, PlatformStatus(api_major=1, api_minor=55, state=1, guest_count=2).build())
        return SevStatus.SUCCESS

    def _snp_status(self, address: int) -> SevStatus:
        self.memory.write(address, self.snp.build())
        return SevStatus.SUCCESS

    def _get_ids(self, address: int) -> SevStatus:
        self.memory.write(address, GetId(socket_0=CHIP_ID, socket_1=bytes(64)).build())
        return SevStatus.SUCCESS

    def _sized(self, address: int, content: bytes) -> SevStatus:
        reference = BufferReference.parse(self.memory.read(address, 12))
        self.memory.write(address + 8, len(content).to_bytes(4, "little"))
        if not reference.address or reference.length < len(content):
            return SevStatus.INVALID_LEN
        self.memory.write(reference.address, content)
        return SevStatus.SUCCESS

    def _get_id(self, address: int) -> SevStatus:
        return self._sized(address, CHIP_ID)

    def _csr(self, address: int) -> SevStatus:
        return self._sized(address, CSR)

    def _export(self, address: int) -> SevStatus:
        request = PdhCertExport.parse(self.memory.read(address, 24))
        answer = request.replace(pdh_length=len(PDH), chain_length=len(CHAIN))
        self.memory.write(address, answer.build())
        if not request.pdh_address or not request.pdh_length or not request.chain_address:
            return SevStatus.INVALID_LEN
        self.memory.write(request.pdh_address, PDH)
        self.memory.write(request.chain_address, CHAIN)
        return SevStatus.SUCCESS

    def _import(self, address: int) -> SevStatus:
        request = PekCertImport.parse(self.memory.read(address, 24))
        self.stored.append(
            (
                self.memory.read(request.pek_address, request.pek_length),
                self.memory.read(request.oca_address, request.oca_length),
            )
        )
        return SevStatus.SUCCESS

    def _configure(self, address: int) -> SevStatus:
        self.stored.append(SnpConfig.parse(self.memory.read(address, 64)))
        return SevStatus.SUCCESS

    def _load(self, address: int) -> SevStatus:
        request = SnpVlekLoad.parse(self.memory.read(address, 16))
        self.stored.append(self.memory.read(request.hashstick_address, 432))
        return SevStatus.SUCCESS


_HOST_HANDLERS: Final[dict[int, Callable[[FakeSev, int], SevStatus]]] = {
    SevHostCommand.PLATFORM_STATUS: FakeSev._platform_status,
    SevHostCommand.SNP_PLATFORM_STATUS: FakeSev._snp_status,
    SevHostCommand.GET_ID: FakeSev._get_ids,
    SevHostCommand.GET_ID2: FakeSev._get_id,
    SevHostCommand.PEK_CSR: FakeSev._csr,
    SevHostCommand.PDH_CERT_EXPORT: FakeSev._export,
    SevHostCommand.PEK_CERT_IMPORT: FakeSev._import,
    SevHostCommand.SNP_SET_CONFIG: FakeSev._configure,
    SevHostCommand.SNP_VLEK_LOAD: FakeSev._load,
}


class FakeSevGuest:
    """``/dev/sev-guest``.

    Attributes:
        certificates: the table that the host provides, empty for none.
        fails: errno, firmware status and hypervisor error of the next call; it disables the key.
        version: of the reports.
    """

    def __init__(self, *, certificates: bytes = b"", version: int = 5, memory: MemoryAccess | None = None) -> None:
        self.certificates = certificates
        self.memory = memory or OwnMemory()
        self.fails: tuple[int, int, int] | None = None
        self.version = version
        self.status = SevStatus.SUCCESS
        self.is_key_disabled = False
        self.replaces_user_data = False
        self.versions: list[int] = []

    def ioctl(self, number: int, block: bytearray) -> int:
        request = GuestRequest.parse(bytes(block))
        handler = _GUEST_HANDLERS.get(number)
        if handler is None or self.is_key_disabled:
            raise OSError(errno.ENOTTY, "")
        if not request.message_version or not request.request_address or not request.response_address:
            raise OSError(errno.EINVAL, "")
        self.versions.append(request.message_version)
        if self.fails:
            number, firmware, hypervisor = self.fails
            self.is_key_disabled = number in {errno.EIO, errno.EBADMSG}
            self._result(block, firmware, hypervisor)
            raise OSError(number, "")
        handler(self, request, block)
        return 0  # the block is not copied back

    def close(self) -> None:
        pass

    @staticmethod
    def _result(block: bytearray, firmware: int, hypervisor: int) -> None:
        block[24:32] = firmware.to_bytes(4, "little") + hypervisor.to_bytes(4, "little")

    def report_for(self, user_data: bytes, vmpl: int) -> AttestationReport:
        fields: dict[str, Any] = {}
        fields |= _CPUID if self.version > 2 else {"reserved_cpuid_v2": bytes(3)}
        fields |= _MITIGATION if self.version > 4 else {"reserved_mitigation_v2": bytes(16)}
        return AttestationReport(version=self.version, report_data=user_data, vmpl=vmpl, **fields)

    def _report(self, request: GuestRequest, block: bytearray) -> None:
        raw = self.memory.read(request.request_address, 96)
        user_data = bytes(64) if self.replaces_user_data else raw[:64]
        report = self.report_for(user_data, int.from_bytes(raw[64:68], "little")).build()
        header = ReportResponseHeader(status=self.status, report_size=ATTESTATION_REPORT_BYTES)
        self.memory.write(request.response_address, header.build() + report)

    def _extended(self, request: GuestRequest, block: bytearray) -> None:
        asked = ExtendedReportRequest.parse(self.memory.read(request.request_address, 112))
        if asked.certificates_length % 4096 or asked.certificates_length > MAX_CERTIFICATES_BYTES:
            raise OSError(errno.EINVAL, "")
        if self.certificates and asked.certificates_length < len(self.certificates):
            needed = -(-len(self.certificates) // 4096) * 4096
            self.memory.write(request.request_address + 104, needed.to_bytes(4, "little"))
            self._result(block, 0, HypervisorError.INVALID_LEN)
            raise OSError(errno.EIO, "")
        if asked.certificates_address:
            self.memory.write(asked.certificates_address, self.certificates)
        self._report(request, block)

    def _key(self, request: GuestRequest, block: bytearray) -> None:
        self.memory.write(
            request.response_address, DerivedKeyResponse(status=self.status, derived_key=b"\x6b" * 32).build()
        )


_GUEST_HANDLERS: Final[dict[int, Callable[[FakeSevGuest, GuestRequest, bytearray], None]]] = {
    SNP_GET_REPORT: FakeSevGuest._report,
    SNP_GET_EXT_REPORT: FakeSevGuest._extended,
    SNP_GET_DERIVED_KEY: FakeSevGuest._key,
}

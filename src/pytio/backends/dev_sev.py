"""``/dev/sev``: the host's commands to the SEV firmware that user space may give. SEV-TIO's are not among them.

Facts: the kernel's ``psp-sev.h`` and ccp driver. A command block points to the command's own structure, and holds the
firmware's status after the call, also when it failed. The kernel serialises commands. Kernels initialise the firmware
when ccp or KVM loads, or around a command (`LINUX_U3`).
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeVar

from pytio.backends.errnos import ENOTSUPP, Meaning, Meanings, explain
from pytio.backends.ioctl import IoctlDevice, IoctlFile, Memory
from pytio.errors import (
    BackendBusyError,
    BackendError,
    BackendPermissionError,
    BackendRefusedError,
    BackendTimeoutError,
    BackendUnavailableError,
    SevCommandError,
)
from pytio.sev.codes import SEV_ISSUE_CMD, SevHostCommand, SevStatus
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
    WrappedVlekHashstick,
)
from pytio.wire import WireStruct

__all__ = ("DevSev", "open_dev_sev")

M = TypeVar("M", bound=WireStruct)
_STATUS: Final = slice(12, 16)
_PATH: Final = Path("/dev/sev")

_OPEN: Final[Meanings] = {
    errno.ENOENT: Meaning(
        BackendUnavailableError,
        "there is no /dev/sev",
        "the ccp driver found no SEV: enable SEV-SNP in the firmware setup, load ccp, look at the kernel log",
    ),
    errno.EACCES: Meaning(BackendPermissionError, "/dev/sev may not be opened", "run as root, or change udev's rule"),
}
_CALL: Final[Meanings] = {
    errno.ENODEV: Meaning(BackendUnavailableError, "there is no usable PSP", "look at the kernel log for ccp"),
    errno.EINVAL: Meaning(
        BackendRefusedError,
        "the kernel does not know this command, or SNP is not initialised",
        "SNP commands need kernel 6.9 or newer (VLEK 6.11); load kvm_amd with sev_snp=1 first",
    ),
    errno.EFAULT: Meaning(
        BackendRefusedError, "an address or a size is not acceptable", "export buffers are at most 16 KiB"
    ),
    errno.EPERM: Meaning(
        BackendPermissionError,
        "/dev/sev was opened for reading only",
        "this command changes the platform: open it with writable=True",
    ),
    errno.EIO: Meaning(
        BackendError, "the command failed, and the firmware gave no status", "look at the kernel log for ccp"
    ),
    errno.EBUSY: Meaning(
        BackendBusyError,
        "the PSP is marked dead, or guests are running",
        "a PSP that timed out is dead until the next boot; FACTORY_RESET needs all guests stopped",
    ),
    errno.ETIMEDOUT: Meaning(
        BackendTimeoutError, "the PSP did not answer", "it is dead now until the next boot: look at the kernel log"
    ),
    errno.ENOTTY: Meaning(BackendUnavailableError, "this is not /dev/sev", "check the path"),
    errno.ENOMEM: Meaning(BackendError, "the kernel is out of memory", "free some, and try again"),
    ENOTSUPP: Meaning(BackendUnavailableError, "the firmware is too old", "GET_ID needs firmware API 0.16: update it"),
}
_STATUS_HINTS: Final[Mapping[SevStatus, str]] = {
    SevStatus.INVALID_PLATFORM_STATE: "look at the platform status: it may have to be initialised or shut down first",
    SevStatus.INVALID_CONFIG: "the values do not fit the committed ones",
    SevStatus.INVALID_LEN: "the buffer is too small",
    SevStatus.INVALID_PARAM: "a value is out of range, or a reserved bit is set",
    SevStatus.UNSUPPORTED: "this firmware does not have the command: update it",
    SevStatus.BAD_SIGNATURE: "it was not made for this platform, or was changed",
    SevStatus.BAD_VERSION: "the firmware does not accept this version",
    SevStatus.HWERROR_PLATFORM: "a hardware error of the platform: look at the machine's logs",
    SevStatus.HWERROR_UNSAFE: "a hardware error; the buffers must not be used again: reboot",
    SevStatus.INVALID_KEY: "the key that was asked for is not there",
    SevStatus.SHUTDOWN_REQUIRED: "shut the platform down first: unload kvm_amd and ccp, or reboot",
    SevStatus.UPDATE_FAILED: "look at the kernel log",
}
_SAY_NOTHING_ELSE: Final = "the firmware's specification says when this command gives this status"


class DevSev:
    """The commands of ``/dev/sev``; a context manager that closes it.

    Guarantees: each method makes one call, two where the firmware has to be asked for a size; nothing is repeated. A
    call blocks while another one runs.

    Every method raises SevCommandError where the firmware refused, with its status and a hint, and BackendError, by its
    errno, where the kernel did.
    """

    def __init__(self, device: IoctlDevice, name: str = str(_PATH)) -> None:
        """Use a device that is open; `open_dev_sev` opens the real one."""
        self._device = device
        self._name = name

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: object, traceback: TracebackType | None) -> None:
        self._device.close()

    def issue(self, command: SevHostCommand, payload: bytes = b"") -> bytes:
        """Issue any command; return its structure as the firmware left it.

        Raises:
            SevCommandError: the firmware refused.
            BackendError: the kernel refused.
        """
        memory = Memory(payload)
        self._call(command, memory)
        return memory.content()

    def platform_status(self) -> PlatformStatus:
        """PLATFORM_STATUS: version and state of the SEV (not SNP) platform."""
        return self._read(SevHostCommand.PLATFORM_STATUS, PlatformStatus)

    def snp_platform_status(self) -> SnpPlatformStatus:
        """SNP_PLATFORM_STATUS: version, state and TCB of the SNP platform."""
        return self._read(SevHostCommand.SNP_PLATFORM_STATUS, SnpPlatformStatus)

    def get_id(self) -> bytes:
        """GET_ID2: the chip's id, 64 bytes."""
        return self._sized(SevHostCommand.GET_ID2)

    def get_ids(self) -> GetId:
        """GET_ID, the deprecated one: ids of two sockets."""
        return self._read(SevHostCommand.GET_ID, GetId)

    def pek_csr(self) -> bytes:
        """PEK_CSR: a certificate signing request for the platform's endorsement key. Needs writing."""
        return self._sized(SevHostCommand.PEK_CSR)

    def pdh_cert_export(self) -> tuple[bytes, bytes]:
        """PDH_CERT_EXPORT: the certificate of the Diffie-Hellman key, and the chain PEK, OCA, CEK."""
        question = Memory(PdhCertExport().build())
        self._ask_size(SevHostCommand.PDH_CERT_EXPORT, question)
        sizes = PdhCertExport.parse(question.content())
        pdh, chain = Memory(sizes.pdh_length), Memory(sizes.chain_length)
        request = sizes.replace(pdh_address=pdh.address, chain_address=chain.address)
        answer = PdhCertExport.parse(self.issue(SevHostCommand.PDH_CERT_EXPORT, request.build()))
        return pdh.content()[: answer.pdh_length], chain.content()[: answer.chain_length]

    def pek_cert_import(self, pek: bytes, oca: bytes) -> None:
        """PEK_CERT_IMPORT: take over the platform with an owner's certificates. Needs writing."""
        pek_memory, oca_memory = Memory(pek), Memory(oca)
        request = PekCertImport(
            pek_address=pek_memory.address, pek_length=len(pek), oca_address=oca_memory.address, oca_length=len(oca)
        )
        self.issue(SevHostCommand.PEK_CERT_IMPORT, request.build())

    def pek_gen(self) -> None:
        """PEK_GEN: make a new endorsement key; whatever hung on the old one is lost. Needs writing."""
        self.issue(SevHostCommand.PEK_GEN)

    def pdh_gen(self) -> None:
        """PDH_GEN: make a new Diffie-Hellman key. Needs writing."""
        self.issue(SevHostCommand.PDH_GEN)

    def factory_reset(self) -> None:
        """FACTORY_RESET: forget the owner and all keys. Needs writing, and no guest."""
        self.issue(SevHostCommand.FACTORY_RESET)

    def snp_commit(self) -> None:
        """SNP_COMMIT: commit the current firmware and its TCB, for good."""
        self.issue(SevHostCommand.SNP_COMMIT)

    def snp_set_config(self, config: SnpConfig) -> None:
        """SNP_SET_CONFIG: set the reported TCB and what is masked. Needs writing."""
        self.issue(SevHostCommand.SNP_SET_CONFIG, config.build())

    def snp_vlek_load(self, hashstick: WrappedVlekHashstick) -> None:
        """SNP_VLEK_LOAD: load a versioned loaded endorsement key. Needs writing."""
        memory = Memory(hashstick.build())
        self.issue(SevHostCommand.SNP_VLEK_LOAD, SnpVlekLoad(hashstick_address=memory.address).build())

    def _read(self, command: SevHostCommand, structure: type[M]) -> M:
        size = structure.fixed_size()
        assert size is not None
        return structure.parse(self.issue(command, bytes(size)))

    def _sized(self, command: SevHostCommand) -> bytes:
        """Ask for the size, then for the data."""
        question = Memory(BufferReference().build())
        self._ask_size(command, question)
        data = Memory(BufferReference.parse(question.content()).length)
        request = BufferReference(address=data.address, length=data.size_bytes)
        answer = BufferReference.parse(self.issue(command, request.build()))
        return data.content()[: answer.length]

    def _ask_size(self, command: SevHostCommand, question: Memory) -> None:
        """Call with no buffer, which fails with INVALID_LEN and leaves the sizes in the structure."""
        try:
            self._call(command, question)
        except SevCommandError as error:
            if error.status != SevStatus.INVALID_LEN:
                raise

    def _call(self, command: SevHostCommand, payload: Memory) -> None:
        block = bytearray(IssueCommand(command=command, data=payload.address if payload.size_bytes else 0).build())
        try:
            self._device.ioctl(SEV_ISSUE_CMD, block)
        except OSError as error:
            done = IssueCommand.parse(bytes(block))
            if error.errno == errno.EIO and done.reached_firmware and done.status != SevStatus.SUCCESS:
                hint = _STATUS_HINTS.get(done.status, _SAY_NOTHING_ELSE)
                raise SevCommandError(command, done.status, "", hint) from error
            raise explain(error, f"{self._name} {command.name}", _CALL) from error


def open_dev_sev(path: Path = _PATH, *, writable: bool = False) -> DevSev:
    """Open ``/dev/sev``; ``writable`` for the commands that change the platform.

    Raises:
        BackendUnavailableError: there is none.
        BackendPermissionError: it may not be opened.
    """
    return DevSev(IoctlFile(path, writable=writable, meanings=_OPEN), str(path))

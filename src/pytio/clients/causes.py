"""The doctor's catalogue: every cause why TEE-IO is not up, in the order in which to look, and what to do next.

Documents: PCIe Base 6.x for the registers, the kernel's PCI/TSM core and ccp driver for what has to be there.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Any, Final

import attrs

__all__ = ("CAUSES", "Cause", "Finding", "Severity")


class Severity(Enum):
    """What a cause does."""

    BLOCKS = "blocks"
    """Nothing works until it is gone."""
    HINDERS = "hinders"
    """Something does not work, or will not."""


@attrs.frozen
class Cause:
    """A reason why TEE-IO is not up.

    Attributes:
        name: how the catalogue calls it.
        severity: what it does.
        title: what is wrong.
        next_step: what to do about it.
    """

    name: str
    severity: Severity
    title: str
    next_step: str


@attrs.frozen
class Finding:
    """A cause that was found.

    Attributes:
        cause: which.
        where: the function, or the file.
        register: register or line, with its offset where it has one.
        bit: the bits that matter.
        value: what they are.
        expected: what they should be.
    """

    cause: Cause
    where: str = ""
    register: str = ""
    bit: str = ""
    value: str = ""
    expected: str = ""

    def __str__(self) -> str:
        """Return the finding as a paragraph of text."""
        place = " ".join(part for part in (self.where, self.register, self.bit) if part)
        seen = f": {self.value}, expected {self.expected}" if self.value else ""
        return (
            f"[{self.cause.severity.value}] {self.cause.title} ({self.cause.name})\n"
            + (f"    {place}{seen}\n" if place else "")
            + f"    next: {self.cause.next_step}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the finding as plain data."""
        return {
            "cause": self.cause.name,
            "severity": self.cause.severity.value,
            "title": self.cause.title,
            "where": self.where,
            "register": self.register,
            "bit": self.bit,
            "value": self.value,
            "expected": self.expected,
            "next_step": self.cause.next_step,
        }


def _causes(*causes: Cause) -> Mapping[str, Cause]:
    return MappingProxyType({cause.name: cause for cause in causes})


_B: Final = Severity.BLOCKS
_H: Final = Severity.HINDERS
CAUSES: Final = _causes(
    Cause(
        "privilege",
        _B,
        "only 64 bytes of configuration space are visible: no capability can be seen",
        "run as root in the initial user namespace, or give a dump made there (lspci -xxxx)",
    ),
    Cause(
        "conventional",
        _B,
        "only 256 bytes of configuration space are visible: DOE and IDE are beyond them",
        "make the dump with lspci -xxxx; if it was, the platform gives no ECAM: look at the firmware setup",
    ),
    Cause(
        "no-candidate",
        _B,
        "no function has TEE-IO, IDE or DOE",
        "check that the device is there (lspci -D), and that its firmware has TEE-IO enabled",
    ),
    Cause("gone", _B, "the function no longer answers", "it was removed, or lost power: rescan, or reseat it"),
    Cause(
        "snp-off",
        _B,
        "SEV-SNP is off, and SEV-TIO with it",
        "enable SME, SEV-SNP and the IOMMU in the firmware setup; load kvm_amd with sev_snp=1",
    ),
    Cause(
        "tio-off",
        _B,
        "the PSP firmware says that SEV-TIO is not enabled",
        "enable SEV-TIO in the firmware setup, and update the SEV firmware",
    ),
    Cause(
        "tio-not-initialized",
        _B,
        "SEV-TIO is enabled, but its initialisation is not done",
        "look at the kernel log for ccp: SNP has to be initialised first",
    ),
    Cause(
        "psp-dead",
        _B,
        "the PSP timed out, and is dead until the next boot",
        "reboot; if it happens again, update the SEV firmware",
    ),
    Cause(
        "kernel",
        _B,
        "this kernel has no PCI/TSM",
        "boot a kernel with CONFIG_PCI_TSM (6.19 or newer for AMD), or the SEV-TIO RFC's",
    ),
    Cause(
        "no-tsm",
        _B,
        "the kernel has PCI/TSM, but no TSM is registered",
        "load ccp; the kernel log has a line `SEV-TIO status` when the firmware is ready",
    ),
    Cause(
        "tee-io",
        _B,
        "the function does not implement TEE-IO",
        "enable it in the device's firmware; function 0 has to have it",
    ),
    Cause("not-function-0", _H, "a TSM takes function 0 only", "look at function 0 of this device"),
    Cause("power", _H, "the device is asleep", "write on to its power/control"),
    Cause(
        "no-doe", _B, "the device has no DOE mailbox", "enable it in the device's firmware: SPDM is spoken through it"
    ),
    Cause(
        "doe-features",
        _B,
        "the DOE mailboxes do not serve both SPDM and secured SPDM",
        "both have to be offered, by the same mailbox: see `pytio doe discover`",
    ),
    Cause("doe-error", _H, "a DOE mailbox is in error", "abort it: `pytio doe discover` does"),
    Cause("no-ide", _B, "the device has no IDE capability", "enable IDE in the device's firmware"),
    Cause("ide-selective", _B, "the port has no selective IDE streams", "TEE-IO needs them: enable them"),
    Cause("ide-km", _B, "the device does not support IDE_KM", "keys cannot be set without it: update the firmware"),
    Cause(
        "ide-tee-limited", _H, "the device has no TEE-limited streams", "AMD's TSM sets the bit: update the firmware"
    ),
    Cause("no-root-port", _H, "the root port above the device is not known", "dump all functions of the machine"),
    Cause(
        "root-port-ide",
        _B,
        "the root port above the device has no IDE capability",
        "use a slot whose root port has IDE; enable IDE in the firmware setup",
    ),
    Cause(
        "no-streams",
        _B,
        "the host bridge has no IDE stream left",
        "disconnect another device of this host bridge, or reboot if none is connected",
    ),
    Cause(
        "not-taken",
        _B,
        "a TSM is registered, but has not taken the device",
        "what is wrong with the device comes before this; else look at the kernel log",
    ),
    Cause("not-connected", _H, "the device is not connected", "pytio tsm connect"),
    Cause(
        "insecure",
        _B,
        "a stream is enabled, but not secure",
        "disconnect and connect again; its keys were not set, or were lost in a reset",
    ),
    Cause(
        "integrity-fail",
        _H,
        "the port received an IDE fail message: its partner saw a bad MAC",
        "disconnect and connect again; if it comes back, someone tampers with the link, or a retimer is faulty",
    ),
    Cause(
        "aer-ide",
        _H,
        "the port has logged an IDE error",
        "disconnect and connect again; look at the kernel log for when it happened",
    ),
    Cause(
        "lockdown",
        _H,
        "the kernel is locked down: user space cannot use DOE mailboxes",
        "use the kernel's own path, pytio tsm; or boot without Secure Boot",
    ),
)
"""Every cause, in the order in which to look."""

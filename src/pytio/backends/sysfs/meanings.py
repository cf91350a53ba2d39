"""What each errno means for each verb of PCI and PCI/TSM in sysfs.

Facts: the kernel's PCI core (driver binding, SR-IOV, reset), its PCI/TSM core, and AMD's link TSM in the ccp driver.
Where one errno has several causes that the state of the files tells apart, the caller does so and picks the meaning.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from typing import Final

from pytio.backends.errnos import Meaning, Meanings
from pytio.errors import (
    BackendBusyError,
    BackendError,
    BackendGoneError,
    BackendPermissionError,
    BackendRefusedError,
    BackendTimeoutError,
    BackendUnavailableError,
)

__all__ = (
    "ABSENT_FUNCTION",
    "ALREADY_CONNECTED",
    "BIND",
    "CONNECT",
    "DISCONNECT",
    "ENABLE",
    "LOCK",
    "NO_SUCH_TSM",
    "REMOVE",
    "RESET",
    "RFC_CONNECT",
    "RFC_UNCHANGED",
    "RFC_VALIDATE",
    "SRIOV",
    "UNBIND",
)

ABSENT_FUNCTION: Final[Meanings] = {
    errno.ENOENT: Meaning(
        BackendUnavailableError, "there is no such function", "check the address with `pytio pci show` or lspci -D"
    ),
}
"""Looking a function up."""

ENABLE: Final[Meanings] = {
    errno.EPERM: Meaning(BackendPermissionError, "CAP_SYS_ADMIN is missing", "run as root outside a container"),
    errno.EIO: Meaning(BackendRefusedError, "it is not enabled", "each disable takes back one enable"),
    errno.EBUSY: Meaning(BackendBusyError, "a driver is bound", "unbind the driver: it decides about decoding itself"),
}
"""Writing ``enable``."""

RESET: Final[Meanings] = {
    errno.ENOENT: Meaning(
        BackendUnavailableError, "the function has no reset method", "look at reset_method, or reset the bus above it"
    ),
    errno.ENOTTY: Meaning(
        BackendUnavailableError,
        "no reset method worked, or the function did not come back in time",
        "look at reset_method; a slot that can be powered off is the last resort",
    ),
}
"""Writing ``reset``."""

REMOVE: Final[Meanings] = {
    errno.ENOENT: Meaning(
        BackendUnavailableError, "the function cannot be removed", "virtual functions go when their count is set to 0"
    ),
}
"""Writing ``remove``."""

SRIOV: Final[Meanings] = {
    errno.EINVAL: Meaning(BackendRefusedError, "that is no number", "write a count, in decimal"),
    errno.ERANGE: Meaning(
        BackendRefusedError, "more virtual functions than there can be", "sriov_totalvfs has the limit"
    ),
    errno.ENOENT: Meaning(
        BackendUnavailableError,
        "the function has no SR-IOV, or the driver bound to it does not offer it",
        "bind a driver that does to the physical function; vfio-pci needs its enable_sriov parameter",
    ),
    errno.EBUSY: Meaning(BackendBusyError, "another count is active", "set it to 0 first"),
}
"""Writing ``sriov_numvfs``."""

UNBIND: Final[Meanings] = {
    errno.ENODEV: Meaning(
        BackendGoneError, "that driver does not own the function", "look at its driver link, and unbind from that one"
    ),
}
"""Writing a driver's ``unbind``."""

BIND: Final[Meanings] = {
    errno.ENODEV: Meaning(
        BackendUnavailableError,
        "no driver takes the function",
        "the driver's probe refused it: the kernel log says why; for VFIO the IOMMU must be on",
    ),
    errno.EINVAL: Meaning(BackendRefusedError, "the driver refused the function", "look at the kernel log"),
    errno.EBUSY: Meaning(BackendBusyError, "a driver is bound already", "unbind it first"),
}
"""Binding a driver."""

CONNECT: Final[Meanings] = {
    errno.ENOENT: Meaning(
        BackendUnavailableError,
        "the function has no tsm/connect",
        "no link TSM is registered (see /sys/class/tsm), or this is not function 0 of a device with IDE or TEE-IO",
    ),
    errno.EINVAL: Meaning(
        BackendRefusedError,
        "the name does not start with tsmN, or the firmware returned a failure, or a DOE feature is missing",
        "write the name of a link TSM from /sys/class/tsm; for the firmware's status look at the kernel log",
    ),
    errno.ENXIO: Meaning(
        BackendUnavailableError,
        "the TSM's driver does not take this device",
        "it needs function 0 and a DOE mailbox that serves CMA/SPDM (0001:01 in doe_features)",
    ),
    errno.EBUSY: Meaning(
        BackendBusyError,
        "a stream, the DOE mailbox or the PSP is busy",
        "a stream slot or id is in use, a DOE exchange is under way, or the PSP died of an earlier time-out",
    ),
    errno.EFAULT: Meaning(
        BackendRefusedError,
        "CMA and secured CMA are on different mailboxes, or no IDE stream is free",
        "0001:01 and 0001:02 must be served by one mailbox; available_secure_streams must be above 0",
    ),
    errno.ENODEV: Meaning(
        BackendGoneError, "the root port cannot be read, or there is no PSP", "look at the kernel log for ccp"
    ),
    errno.EIO: Meaning(
        BackendError,
        "a DOE exchange failed or timed out, or a firmware command failed",
        "look at the kernel log; run `pytio doe discover` once nothing is connected",
    ),
    errno.ETIMEDOUT: Meaning(
        BackendTimeoutError, "the PSP did not answer", "it stays dead until the next boot: look at the kernel log"
    ),
    errno.ENOMEM: Meaning(BackendError, "out of memory", "the PSP needs contiguous pages: free some, or reboot"),
    errno.EEXIST: Meaning(
        BackendBusyError, "a link with the stream's name exists", "an earlier disconnect left it: reload the TSM driver"
    ),
    errno.EINTR: Meaning(
        BackendError,
        "a signal interrupted the connect",
        "it was not started again: read tsm/connect, then decide",
    ),
}
"""Writing ``tsm/connect``."""

ALREADY_CONNECTED: Final = Meaning(
    BackendBusyError, "the device is already connected", "disconnect it first: tsm/connect names the TSM"
)
"""EBUSY of a connect, where ``tsm/connect`` names a TSM."""
NO_SUCH_TSM: Final = Meaning(
    BackendUnavailableError, "there is no such link TSM", "/sys/class/tsm lists those there are; wait for its uevent"
)
"""ENXIO of a connect, where ``/sys/class/tsm`` has no such TSM."""

DISCONNECT: Final[Meanings] = {
    errno.ENXIO: Meaning(BackendUnavailableError, "the device is not connected", "there is nothing to disconnect"),
    errno.EINVAL: Meaning(
        BackendRefusedError, "another TSM is connected", "write the name that tsm/connect reads, exactly"
    ),
    errno.EINTR: Meaning(
        BackendError,
        "a signal interrupted the disconnect",
        "it was not started again: read tsm/connect, then decide",
    ),
}
"""Writing ``tsm/disconnect``."""

LOCK: Final[Meanings] = {
    errno.ENOENT: Meaning(
        BackendUnavailableError,
        "the function has no tsm/lock",
        "only a confidential guest whose kernel has a devsec TSM can lock, accept and unlock",
    ),
    errno.EINVAL: Meaning(
        BackendRefusedError,
        "the interface is not locked, or by another TSM",
        "lock comes first; unlock with the name that tsm/lock reads",
    ),
    errno.EBUSY: Meaning(
        BackendBusyError, "the interface is already locked, or a driver is bound", "unbind the driver, or unlock first"
    ),
    errno.ENXIO: Meaning(
        BackendUnavailableError, "there is no such devsec TSM", "/sys/class/tsm lists those there are"
    ),
}
"""Writing ``tsm/lock``, ``tsm/unlock`` and ``tsm/accept``, in kernels that have them."""

RFC_CONNECT: Final[Meanings] = {
    errno.EPERM: Meaning(
        BackendUnavailableError, "the platform's driver cannot do that", "look at the kernel log for ccp and tsm"
    ),
    errno.EBUSY: Meaning(BackendBusyError, "an interface of the device is bound", "stop the guest that has it first"),
    errno.EINVAL: Meaning(
        BackendRefusedError,
        "no number, or no usable DOE mailbox",
        "the device needs a mailbox with 0001:01 and 0001:02",
    ),
    errno.EFAULT: Meaning(
        BackendRefusedError,
        "CMA and secured CMA are on different mailboxes",
        "0001:01 and 0001:02 must be served by one mailbox",
    ),
    errno.EIO: Meaning(
        BackendError,
        "a DOE exchange failed or timed out, or a firmware command failed",
        "look at tsm_dev_status and the kernel log",
    ),
}
"""Writing ``tsm_dev_connect`` of either RFC."""

RFC_UNCHANGED: Final[Mapping[str, Meaning]] = {
    "1": ALREADY_CONNECTED,
    "0": DISCONNECT[errno.ENXIO],
}
"""EIO of ``tsm_dev_connect`` where it already holds what was written."""

RFC_VALIDATE: Final[Meanings] = {
    errno.EPERM: Meaning(
        BackendUnavailableError, "the guest's driver cannot do that", "look at the kernel log for sev-guest and tsm"
    ),
    errno.EINVAL: Meaning(
        BackendRefusedError,
        "no number, or the interface is not ready",
        "the host binds it first; look at tsm_tdi_status",
    ),
}
"""Writing ``tsm_tdi_validate`` of either RFC."""

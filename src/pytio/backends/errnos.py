"""What an errno means: the general table, and how a backend's own table refines it.

Facts: the kernel's documentation and source, as each table says. A backend names a meaning for each verb where the
kernel uses the same number for different things; whatever it does not name has the general meaning from here.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import attrs

from pytio.errors import (
    BackendBusyError,
    BackendError,
    BackendGoneError,
    BackendPermissionError,
    BackendRefusedError,
    BackendTimeoutError,
    BackendUnavailableError,
)

__all__ = ("ANYWHERE", "ENOTSUPP", "Meaning", "Meanings", "explain", "translated")

ENOTSUPP: Final = 524
"""The kernel's own "not supported", which the C library has no name for."""


@attrs.frozen
class Meaning:
    """What an errno says about one verb."""

    error: type[BackendError]
    reason: str
    """What is wrong, in the terms of the verb."""
    hint: str
    """What to do about it."""


Meanings = Mapping[int, Meaning]
"""A verb's errnos."""

ANYWHERE: Final[Meanings] = {
    errno.EACCES: Meaning(
        BackendPermissionError,
        "permission denied",
        "run as root; if you are root, the file does not support this direction",
    ),
    errno.EPERM: Meaning(
        BackendPermissionError,
        "operation not permitted",
        "the process lacks a capability (CAP_SYS_ADMIN in the initial user namespace); run as root outside a container",
    ),
    errno.EROFS: Meaning(
        BackendPermissionError,
        "/sys is mounted read-only",
        "containers do that: run on the host, or mount /sys read-write",
    ),
    errno.ENOENT: Meaning(
        BackendUnavailableError,
        "no such file",
        "the device or the feature is absent: check the address, and that the kernel has the feature",
    ),
    errno.ENODEV: Meaning(
        BackendGoneError, "no such device", "the device was removed while it was open, or no driver takes it"
    ),
    errno.ENXIO: Meaning(
        BackendUnavailableError,
        "nothing answers there",
        "no TSM, no provider, or nothing connected or bound: look at the state first",
    ),
    errno.EBUSY: Meaning(
        BackendBusyError,
        "busy",
        "it is already in that state, or a driver, a stream or another exchange holds it: release that first",
    ),
    errno.EINVAL: Meaning(
        BackendRefusedError, "the kernel refused the value", "check the value against what the file accepts"
    ),
    errno.EFAULT: Meaning(
        BackendRefusedError,
        "the kernel could not use what it was given",
        "on connect: the mailbox serves only one of CMA and secured CMA, or no stream is free; else a bad pointer",
    ),
    errno.EIO: Meaning(
        BackendError,
        "input/output error",
        "a DOE exchange or a firmware command failed, or nothing changed: look at the kernel log and the status",
    ),
    errno.EINTR: Meaning(
        BackendError,
        "interrupted by a signal",
        "it was not repeated: look at the state, then decide whether to start it again",
    ),
    errno.ETIMEDOUT: Meaning(
        BackendTimeoutError,
        "no answer in time",
        "the PSP or the hypervisor did not answer; a PSP that timed out stays dead until the next boot",
    ),
    errno.ENOTTY: Meaning(
        BackendUnavailableError,
        "not supported by this file",
        "no reset method, a disabled guest key, or an ioctl that this kernel does not have",
    ),
    errno.ERANGE: Meaning(BackendRefusedError, "out of range", "the limit is in a file beside this one"),
    errno.EFBIG: Meaning(BackendRefusedError, "too large", "a report takes at most 64 bytes of input"),
    errno.EAGAIN: Meaning(BackendBusyError, "it changed meanwhile", "start reading again from the beginning"),
    errno.ENOMEM: Meaning(
        BackendError, "out of memory", "if memory is free, the limit of locked memory (RLIMIT_MEMLOCK) is too low"
    ),
    errno.EEXIST: Meaning(BackendBusyError, "it exists already", "remove the old one, or choose another name"),
    errno.EOPNOTSUPP: Meaning(
        BackendUnavailableError, "the kernel does not support this", "a newer kernel or another configuration may"
    ),
    ENOTSUPP: Meaning(
        BackendUnavailableError, "the firmware is too old", "update the platform's firmware: the call needs API 0.16"
    ),
}
"""The usual reading of each errno on these interfaces, where the verb has no meaning of its own."""


def explain(error: OSError, backend: str, meanings: Meanings | None = None) -> BackendError:
    """Return the typed error that ``error`` stands for.

    Args:
        error: what the operating system said.
        backend: path of the file, or URI, for the text.
        meanings: the verb's own table; `ANYWHERE` has the rest.
    """
    number = error.errno or errno.EIO
    meaning = (meanings or {}).get(number) or ANYWHERE.get(number)
    if meaning is None:
        return BackendError(backend, os.strerror(number), f"errno {errno.errorcode.get(number, number)} is unexpected")
    return meaning.error(backend, meaning.reason, meaning.hint)


@contextmanager
def translated(backend: str, meanings: Meanings | None = None) -> Iterator[None]:
    """Turn an ``OSError`` of the block into the typed error that it stands for; the ``OSError`` is its cause.

    Raises:
        BackendError: the class that the tables give for the errno.
    """
    try:
        yield
    except OSError as error:
        raise explain(error, backend, meanings) from error

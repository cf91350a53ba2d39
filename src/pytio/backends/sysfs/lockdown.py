"""Kernel lockdown: whether the kernel keeps even root from writing to hardware.

Facts: the kernel's lockdown security module. At either level it refuses, with EPERM, writes to configuration space,
mappings of BARs and writes to ports; reads, the TSM's files, ``/dev/sev`` and VFIO still work.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import Final

from pytio.backends.errnos import Meanings, explain
from pytio.errors import BackendLockdownError

__all__ = ("Lockdown", "lockdown_aware", "read_lockdown")

_FILE: Final = Path("kernel/security/lockdown")
_ACTIVE: Final = re.compile(r"\[(\w+)\]")
_HINT: Final = (
    "Secure Boot turns lockdown on; boot without it, or use the kernel's own path (pytio tsm), which still works"
)


class Lockdown(Enum):
    """How far the kernel is locked down."""

    NONE = "none"
    INTEGRITY = "integrity"
    CONFIDENTIALITY = "confidentiality"
    UNKNOWN = "unknown"
    """The state cannot be read: securityfs is not mounted, or the kernel has no lockdown."""

    @property
    def is_active(self) -> bool:
        """Whether writes to hardware are refused."""
        return self in {Lockdown.INTEGRITY, Lockdown.CONFIDENTIALITY}


def read_lockdown(root: Path) -> Lockdown:
    """Return the level that the kernel under the sysfs root ``root`` says it is at."""
    try:
        found = _ACTIVE.search((root / _FILE).read_text())
    except OSError:
        return Lockdown.UNKNOWN
    return Lockdown(found[1]) if found and found[1] in _LEVELS else Lockdown.UNKNOWN


_LEVELS: Final = frozenset(level.value for level in Lockdown)


@contextmanager
def lockdown_aware(backend: str, root: Path, meanings: Meanings | None = None) -> Iterator[None]:
    """Turn an ``OSError`` of the block into a typed error, and an EPERM of a locked-down kernel into what it is.

    Raises:
        BackendLockdownError: EPERM, and the kernel is locked down.
        BackendError: the class that the tables give for the errno.
    """
    try:
        yield
    except OSError as error:
        if error.errno == errno.EPERM and (level := read_lockdown(root)).is_active:
            reason = f"kernel lockdown ({level.value}) refuses this to everyone"
            raise BackendLockdownError(backend, reason, _HINT) from error
        raise explain(error, backend, meanings) from error

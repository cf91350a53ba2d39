"""What a TSM's files in sysfs are good for, whichever kernel they belong to.

Three kernels have three sets of files: upstream's PCI/TSM, and the SEV-TIO RFC of August 2024 and of February 2025.
Each has its module; `pytio.backends.sysfs.tsm_shapes` looks which one is there. A connect blocks until the kernel is
done, seconds perhaps; so does, meanwhile, every read of any function's TSM files.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from enum import Enum
from typing import ClassVar

import attrs

from pytio.backends.sysfs.function import SysfsFunction
from pytio.backends.sysfs.tree import Sysfs

__all__ = ("EvidenceFiles", "InterfaceFiles", "TsmFiles", "TsmShape")


class TsmShape(Enum):
    """Which kernel's files these are."""

    UPSTREAM = "upstream"
    R1 = "SEV-TIO RFC, August 2024"
    R2 = "SEV-TIO RFC, February 2025"


@attrs.frozen
class EvidenceFiles:
    """What the kernel gives of a device's evidence, as it gives it; None for what it does not have.

    The first RFC prints text that is cut to 32 bytes a line; the second one has the bytes, cut to a page of 4096.
    """

    certificates: bytes | None = None
    measurements: bytes | None = None
    report: bytes | None = None
    is_text: bool = False
    """Whether the three are text for people instead of the objects themselves."""


class TsmFiles(ABC):
    """The device's side: connect, disconnect, and what is known. One for each shape.

    Guarantees: every change is one ``write()``, never repeated.
    """

    shape: ClassVar[TsmShape]

    def __init__(self, sysfs: Sysfs, function: SysfsFunction) -> None:
        self._sysfs = sysfs
        self._function = function

    @abstractmethod
    def connected_to(self) -> str | None:
        """Return the name of the TSM that the device is connected to, None if it is not.

        Raises:
            BackendError: the file cannot be read.
        """

    @abstractmethod
    def connect(self, tsm: str) -> None:
        """Ask the kernel to connect the device to a TSM: SPDM session, IDE keys, streams.

        Raises:
            BackendError: the class that the errno and the state of the files stand for.
        """

    @abstractmethod
    def disconnect(self) -> None:
        """Ask the kernel to disconnect the device from whatever it is connected to.

        Raises:
            BackendError: the class that the errno stands for.
        """

    @abstractmethod
    def evidence(self) -> EvidenceFiles:
        """Read what there is of the device's evidence.

        Raises:
            BackendUnavailableError: this kernel has no file for it.
            BackendError: a file cannot be read.
        """


class InterfaceFiles(ABC):
    """A confidential guest's side of one interface: lock, accept, stop. One for each shape."""

    shape: ClassVar[TsmShape]

    def __init__(self, sysfs: Sysfs, function: SysfsFunction) -> None:
        self._sysfs = sysfs
        self._function = function

    @abstractmethod
    def is_accepted(self) -> bool:
        """Return whether the interface runs as a trusted one.

        Raises:
            BackendError: the file cannot be read.
        """

    @abstractmethod
    def lock(self, tsm: str) -> None:
        """Have the interface locked.

        Raises:
            BackendError: the class that the errno stands for.
        """

    @abstractmethod
    def accept(self) -> None:
        """Take the locked interface into the guest's trust: it runs, and may reach private memory.

        Raises:
            BackendError: the class that the errno stands for.
        """

    @abstractmethod
    def stop(self) -> None:
        """Take the trust back.

        Raises:
            BackendError: the class that the errno stands for.
        """

"""What the firmware needs of the platform under it: memory and its owners, root ports, device tables, fences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from pytio.crypto import Secret
from pytio.ids import Bdf, KeySlot, StreamId
from pytio.mock.platform import Memory, Rmp
from pytio.sev.sdte import Sdte
from pytio.sev.structures import AsidFence

__all__ = ("Asids", "Fences", "Hardware", "HostEntry", "Iommu", "KeyedIdePort", "RootPort")


class KeyedIdePort(Protocol):
    """The IDE port of a root port, which takes keys."""

    def program(self, stream_id: StreamId, slot: KeySlot, key: Secret, ifv: int) -> None:
        """Keep a key, in the byte order of AES."""

    def go(self, stream_id: StreamId, slot: KeySlot) -> None:
        """Use a key."""

    def stop(self, stream_id: StreamId, slot: KeySlot) -> None:
        """Destroy a key."""


class RootPort(Protocol):
    """A root port."""

    @property
    def bdf(self) -> Bdf:
        """Its address."""

    @property
    def port_number(self) -> int:
        """Port Number of its Link Capabilities."""

    @property
    def ide(self) -> KeyedIdePort:
        """Its IDE port."""

    @property
    def buses(self) -> range:
        """The buses below it."""


class Fences(Protocol):
    """Who is fenced off at which root port."""

    def state(self, root_port: Bdf, asid: int) -> AsidFence:
        """Return the fences of an ASID."""

    def set(self, root_port: Bdf, asid: int, fence: AsidFence) -> None:
        """Set both."""


class HostEntry(Protocol):
    """The host's device table entry of a function."""

    @property
    def domain_id(self) -> int:
        """Its domain."""


class Asids(Protocol):
    """ASIDs of guests, each with a key."""

    def activate(self, asid: int) -> None:
        """Draw a key."""

    def release(self, asid: int) -> None:
        """Forget it."""


class Iommu(Protocol):
    """Device tables."""

    @property
    def fences(self) -> Fences:
        """The fences in front of it."""

    def dte(self, requester_id: int) -> HostEntry | None:
        """Return what the host lets a function do."""

    def set_sdte(self, requester_id: int, sdte: Sdte, asid: int) -> None:
        """Let a function into the memory of a guest."""

    def clear_sdte(self, requester_id: int) -> None:
        """Shut it out."""


class Hardware(Protocol):
    """The platform."""

    @property
    def memory(self) -> Memory:
        """Physical memory."""

    @property
    def rmp(self) -> Rmp:
        """Whose each page is."""

    @property
    def iommu(self) -> Iommu:
        """Device tables and fences."""

    @property
    def asids(self) -> Asids:
        """Which ASIDs are in use."""

    @property
    def root_ports(self) -> Mapping[Bdf, RootPort]:
        """Every root port, by address."""

    def is_mmio(self, paddr: int) -> bool:
        """Whether an address is a device's, and not memory."""

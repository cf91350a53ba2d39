"""What a device brings for IDE_KM: its ports.

Document: PCIe Base 6.x chapter 6, "Integrity and Data Encryption (IDE)". This is a promise that the responder calls on;
what hardware, or a model of it, does with keys is not known here.
"""

from __future__ import annotations

from typing import Protocol

from pytio.crypto import Secret
from pytio.ide_registers import IdeRegisters
from pytio.ids import Bdf, KeySlot, StreamId

__all__ = ("IdePort",)


class IdePort(Protocol):
    """A port as IDE_KM sees it: registers to show, and room for keys. Nothing here blocks."""

    @property
    def bdf(self) -> Bdf:
        """The function that holds the port's IDE capability."""

    def registers(self) -> IdeRegisters:
        """Return the IDE capability as it reads now."""

    def program(self, stream_id: StreamId, slot: KeySlot, key: Secret, ifv: int) -> None:
        """Keep a key (in the byte order of AES) and the invocation field it starts with, without using them yet.

        Raises:
            IdeKmPeerError: the port refuses, with the status to answer: UNSUPPORTED_VALUE for a stream it lacks.
        """

    def go(self, stream_id: StreamId, slot: KeySlot) -> None:
        """Use a key that was programmed: accept it within 10 ms (RX), switch to it with the next TLP (TX)."""

    def stop(self, stream_id: StreamId, slot: KeySlot) -> None:
        """Stop using a key within 10 ms, and destroy it; one that is not there is no mistake."""

"""An IDE port without a link: it keeps the keys it is given, as `pytio.idekm.Responder` hands them over.

For an endpoint that nothing but messages reaches. It holds keys, and never shows one.
"""

from __future__ import annotations

import attrs

from pytio.crypto import Secret
from pytio.idekm import IdeRegisters, SelectiveIdeStream
from pytio.ids import Bdf, KeySlot, StreamId

__all__ = ("KeyedPort", "PortKey")


@attrs.define
class PortKey:
    """One key of a port."""

    key: Secret
    """In the byte order of AES."""
    ifv: int
    """The invocation field that it starts with."""
    is_active: bool = False
    """Whether the port uses it."""


class KeyedPort:
    """A port with one selective stream, or with the registers it is given.

    Attributes:
        bdf: the function that has the IDE capability.
        ide: the registers that QUERY reports.
        keys: what the port holds, by stream and slot.
    """

    def __init__(self, bdf: Bdf, ide: IdeRegisters | None = None) -> None:
        """Start without a key."""
        self.bdf = bdf
        self.ide = ide or IdeRegisters(
            selective_ide_streams_supported=True,
            ide_km_protocol_supported=True,
            selective_streams=(SelectiveIdeStream(),),
        )
        self.keys: dict[tuple[StreamId, str], PortKey] = {}

    def registers(self) -> IdeRegisters:
        """Return the IDE capability."""
        return self.ide

    def program(self, stream_id: StreamId, slot: KeySlot, key: Secret, ifv: int) -> None:
        """Keep a key."""
        self.keys[stream_id, str(slot)] = PortKey(key, ifv)

    def go(self, stream_id: StreamId, slot: KeySlot) -> None:
        """Use a key."""
        self.keys[stream_id, str(slot)].is_active = True

    def stop(self, stream_id: StreamId, slot: KeySlot) -> None:
        """Destroy a key."""
        self.keys.pop((stream_id, str(slot)), None)

"""The keys of one stream at one port: six for each key set, of which one set is in use.

Document: PCIe Base 6.x chapter 6, "IDE Key Management" and "IDE Key Refresh".
"""

from __future__ import annotations

from typing import Final

import attrs

from pytio.crypto.secret import KeyMaterial, octets_of
from pytio.ide.codes import INITIAL_INVOCATION, KEY_BYTES
from pytio.ide.framing import FIXED_PARTS
from pytio.ide.unit_keys import UnitKey, new_key
from pytio.ids import Direction, KeySlot, SubStream

__all__ = ("KEY_SETS", "LAST_INVOCATION", "SUB_STREAMS", "HeldKey", "KeyTable")

KEY_SETS: Final = (0, 1)
"""K: which of two keys."""
SUB_STREAMS: Final = (SubStream.PR, SubStream.NPR, SubStream.CPL)
"""The sub-streams that there are."""
LAST_INVOCATION: Final = (1 << 64) - 1
"""The invocation field has 64 bits."""


@attrs.define
class HeldKey:
    """A key that was programmed."""

    slot: KeySlot
    key: UnitKey
    invocation: int
    """The number of the next unit: one for each MAC (`PCIE_A23`)."""
    is_on: bool = False
    """Whether K_SET_GO came."""

    def spend(self) -> bool:
        """Count a unit; return whether another one may follow."""
        self.invocation += 1
        return self.invocation <= LAST_INVOCATION


class KeyTable:
    """What is programmed, what is switched on, and which key set each sub-stream uses in each direction.

    Attributes:
        changes: how often any of that changed, for whoever remembers it.
    """

    def __init__(self) -> None:
        """Start without a key."""
        self._held: dict[tuple[Direction, SubStream, int], HeldKey] = {}
        self._active: dict[tuple[Direction, SubStream], int] = {}
        self.changes = 0

    def program(self, slot: KeySlot, key: KeyMaterial, ifv: int = INITIAL_INVOCATION) -> None:
        """Keep a key; one that was in the slot is destroyed.

        Raises:
            ValueError: the key does not have 32 bytes, there is no such sub-stream, or it is the key in use.
        """
        octets = octets_of(key)
        if len(octets) != KEY_BYTES:
            raise ValueError(f"a key has {KEY_BYTES} bytes, not {len(octets)}")
        if slot.sub_stream not in FIXED_PARTS:
            raise ValueError(f"there is no sub-stream {int(slot.sub_stream)}")
        if self.is_in_use(slot):
            raise ValueError(f"{slot} is in use")
        self.destroy(slot)
        place = (slot.direction, slot.sub_stream, slot.key_set)
        self.changes += 1
        self._held[place] = HeldKey(slot, new_key(octets, FIXED_PARTS[slot.sub_stream]), ifv)

    def go(self, slot: KeySlot) -> None:
        """Switch a key on; nothing happens where there is none (`PCIE_A12` of IDE_KM)."""
        held = self.held(slot.direction, slot.sub_stream, slot.key_set)
        if held is not None:
            self.changes += 1
            held.is_on = True
            self._active.setdefault((slot.direction, slot.sub_stream), slot.key_set)

    def held(self, direction: Direction, sub_stream: SubStream, key_set: int) -> HeldKey | None:
        """Return a key, if it is there."""
        return self._held.get((direction, sub_stream, key_set))

    def active(self, direction: Direction, sub_stream: SubStream) -> HeldKey | None:
        """Return the key that a sub-stream uses, if there is one."""
        key_set = self._active.get((direction, sub_stream))
        return None if key_set is None else self.held(direction, sub_stream, key_set)

    def waiting(self, direction: Direction, sub_stream: SubStream) -> HeldKey | None:
        """Return the other key set's key, if it is switched on and the next to be used."""
        key_set = self._active.get((direction, sub_stream))
        other = None if key_set is None else self.held(direction, sub_stream, 1 - key_set)
        return other if other is not None and other.is_on else None

    def change(self, direction: Direction, sub_stream: SubStream) -> HeldKey:
        """Use the key that is waiting, and destroy the one before it."""
        new = self.waiting(direction, sub_stream)
        assert new is not None
        self.destroy(new.slot.replace(key_set=1 - new.slot.key_set))
        self._active[direction, sub_stream] = new.slot.key_set
        return new

    def is_in_use(self, slot: KeySlot) -> bool:
        """Whether a key is the one that its sub-stream uses."""
        return self._active.get((slot.direction, slot.sub_stream)) == slot.key_set

    def destroy(self, slot: KeySlot) -> None:
        """Destroy a key."""
        self.changes += 1
        held = self._held.pop((slot.direction, slot.sub_stream, slot.key_set), None)
        if held is not None:
            held.key.close()

    def destroy_all(self) -> None:
        """Destroy every key."""
        self.changes += 1
        for held in self._held.values():
            held.key.close()
        self._held.clear()
        self._active.clear()

    def has_all(self, *, is_on: bool) -> bool:
        """Whether all six keys of a key set are there, or, with ``is_on``, all that are in use are switched on."""
        places = [(direction, sub_stream) for direction in Direction for sub_stream in SUB_STREAMS]
        if is_on:
            used = [self.active(*place) for place in places]
            return all(held is not None and held.is_on for held in used)
        return any(all(self.held(*place, key_set) is not None for place in places) for key_set in KEY_SETS)

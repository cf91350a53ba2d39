"""Damage to a capture, drawn from a seed: to packets, which keeps the file's framing, or to the file itself."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final

import attrs

from pytio.capture.pcap import pcap_header, pcap_record

__all__ = ("Damaged", "Packet", "damage_file", "damage_packets", "file_of")

MOST_TOUCHES: Final = 3
MOST_LOST_IN_A_ROW: Final = 8
MOST_ADDED_BYTES: Final = 40


@attrs.frozen
class Packet:
    """One packet of a damaged capture.

    Attributes:
        data: its bytes.
        origin: the position of the packet that it was, None if it was not there.
        is_touched: whether it is not as it was, or not where it was.
    """

    data: bytes
    origin: int | None
    is_touched: bool = False


@attrs.frozen
class Damaged:
    """A damaged capture: its packets, and the positions of those that are gone."""

    packets: tuple[Packet, ...]
    removed: frozenset[int]
    what: tuple[str, ...]


def file_of(packets: tuple[bytes, ...], link_type: int) -> bytes:
    """Return a capture file."""
    return pcap_header(link_type) + b"".join(pcap_record(data) for data in packets)


# --- the bytes of one packet ---------------------------------------------------------------------------------------


def flip_a_bit(data: bytearray, dice: random.Random) -> None:
    """Flip one bit."""
    data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)


def set_a_byte(data: bytearray, dice: random.Random) -> None:
    """Set one byte, more often than not near the start, where headers are."""
    data[min(dice.randrange(len(data)), dice.randrange(len(data)))] = dice.choice(
        (0, 1, 0x7F, 0x80, 0xFF, dice.randrange(256))
    )


def set_a_header_byte(data: bytearray, dice: random.Random) -> None:
    """Set one of the first bytes."""
    data[dice.randrange(min(len(data), 24))] = dice.randrange(256)


def clear_a_run(data: bytearray, dice: random.Random) -> None:
    """Set a run of bytes to one value."""
    start, size = dice.randrange(len(data)), dice.randrange(1, 33)
    data[start : start + size] = bytes([dice.choice((0, 0xFF))]) * len(data[start : start + size])


def cut_the_end(data: bytearray, dice: random.Random) -> None:
    """Leave bytes away at the end."""
    del data[dice.randrange(len(data)) :]


def cut_a_run(data: bytearray, dice: random.Random) -> None:
    """Leave bytes away."""
    start = dice.randrange(len(data))
    del data[start : start + dice.randrange(1, 9)]


def add_at_the_end(data: bytearray, dice: random.Random) -> None:
    """Add bytes at the end."""
    data += dice.randbytes(dice.randrange(1, MOST_ADDED_BYTES))


def add_a_run(data: bytearray, dice: random.Random) -> None:
    """Add bytes somewhere."""
    start = dice.randrange(len(data) + 1)
    data[start:start] = dice.randbytes(dice.randrange(1, 9))


def replace_all(data: bytearray, dice: random.Random) -> None:
    """Put other bytes in place of all."""
    data[:] = dice.randbytes(dice.randrange(2 * len(data)))


BYTES: Final[tuple[Callable[[bytearray, random.Random], None], ...]] = (
    flip_a_bit,
    set_a_byte,
    set_a_header_byte,
    clear_a_run,
    cut_the_end,
    cut_a_run,
    add_at_the_end,
    add_a_run,
    replace_all,
)


# --- the packets ---------------------------------------------------------------------------------------------------


def change(packets: list[Packet], at: int, dice: random.Random) -> str:
    """Change the bytes of one packet."""
    data = bytearray(packets[at].data)
    how = dice.choice(BYTES)
    if data:
        how(data, dice)
    packets[at] = Packet(bytes(data), packets[at].origin, is_touched=True)
    return how.__name__


def repeat(packets: list[Packet], at: int, dice: random.Random) -> str:
    """Put a packet that was there before once more."""
    packets.insert(at + 1, Packet(packets[dice.randrange(at + 1)].data, None, is_touched=True))
    return "repeat"


def mix(packets: list[Packet], at: int, dice: random.Random) -> str:
    """Let a packet end as another one does."""
    data, other = packets[at].data, dice.choice(packets).data
    split = dice.randrange(len(data) + 1)
    packets[at] = Packet(data[:split] + other[split:], packets[at].origin, is_touched=True)
    return "mix"


def exchange(packets: list[Packet], at: int, dice: random.Random) -> str:
    """Let two neighbours change places."""
    other = at + 1 if at + 1 < len(packets) else at
    first, second = packets[at], packets[other]
    packets[at] = attrs.evolve(second, is_touched=True)
    packets[other] = attrs.evolve(first, is_touched=True)
    return "exchange"


def lose(packets: list[Packet], at: int, dice: random.Random) -> str:
    """Lose a few packets in a row."""
    del packets[at : at + dice.randrange(1, MOST_LOST_IN_A_ROW // MOST_TOUCHES + 1)]
    return "lose"


PACKETS: Final[tuple[Callable[[list[Packet], int, random.Random], str], ...]] = (
    *[change] * 6,
    repeat,
    mix,
    exchange,
    lose,
)


def damage_packets(packets: tuple[bytes, ...], dice: random.Random) -> Damaged:
    """Damage up to three places of a capture."""
    damaged = [Packet(data, origin) for origin, data in enumerate(packets)]
    what = []
    for _ in range(dice.randrange(1, MOST_TOUCHES + 1)):
        at = dice.randrange(len(damaged))
        how = dice.choice(PACKETS)(damaged, at, dice)
        what.append(f"{how} at {at}")
    left = {packet.origin for packet in damaged}
    removed = frozenset(origin for origin in range(len(packets)) if origin not in left)
    return Damaged(tuple(damaged), removed, tuple(what))


def damage_file(raw: bytes, dice: random.Random) -> tuple[bytes, int]:
    """Damage the file, headers included; return it, and how many bytes at its start are as they were."""
    data = bytearray(raw)
    how = dice.choice(BYTES)
    how(data, dice)
    same = next(
        (at for at, (old, new) in enumerate(zip(raw, data, strict=False)) if old != new), min(len(raw), len(data))
    )
    return bytes(data), same

"""Damaged pcapng files and TCP connections: what came before the damage is as it was, and nothing breaks.

Every record is rendered in every form, and all of them as a ladder. As with the other soaks, a few seeded rounds run
with every test run, ``make soak`` runs as many as it is told.
"""

from __future__ import annotations

import random
from functools import cache
from pathlib import Path

import pytest

from pytio.capture import Ladder, LinkType, Record, open_capture
from pytio.errors import CaptureError
from tests.capture.network import Talk, capture
from tests.capture.recorded import frames, opened
from tests.capture.test_tcp import NAME as TCP_NAME
from tests.capture.test_tcp import said, talk
from tests.conftest import LONG_SOAK
from tests.soak.mutations import damage_file
from tests.soak.test_capture_mutations import render

NAMES = ("s03-mctp11-p256-aes128", "s04-mctp12-rsapss3072-ffdhe-chacha", "s08-doe12-psk-only", TCP_NAME)
TCP_HEADERS = 40
ROUNDS = {"pcapng": 50, "tcp": 25, "recorded tcp": 25}
"""How many rounds the suite runs; a soak runs all it is told of each."""
KINDS = tuple(ROUNDS)
BATCHES = 10


@cache
def converted(name: str, folder: Path) -> bytes:
    """Return a recorded session as a self-contained pcapng file."""
    file = folder / f"{name}.pcapng"
    opened(name).save(file, secrets=True)
    return file.read_bytes()


@cache
def whole(name: str) -> tuple[dict[str, object], ...]:
    """Return what the undamaged session says."""
    return tuple(record.to_dict() for record in opened(name))


def read(file: Path, raw: bytes) -> list[Record] | None:
    """Return the records of a file, each of them rendered; None if it is no capture any more."""
    file.write_bytes(raw)
    try:
        made = [*open_capture(file)]
    except CaptureError:
        return None
    assert [record.number for record in made] == [*range(1, len(made) + 1)]
    for record in made:
        render(record)
    ladder = Ladder(made)
    assert len(ladder.rungs) == ladder.to_html().count('class="pytio-hit') == len(made)
    assert ladder.to_text(width=100)
    return made


def packets_before(raw: bytes, end: int) -> int:
    """Return how many packet blocks are whole in the first bytes of a pcapng file."""
    at = count = 0
    while at + 8 <= end:
        at += int.from_bytes(raw[at + 4 : at + 8], "little")
        count += at <= end and raw[:end].startswith(b"\x0a\x0d\x0d\x0a")
    return count


def damage_pcapng(seed: int, folder: Path, base: Path) -> None:
    dice = random.Random(f"pcapng {seed}")
    name = dice.choice(NAMES[:3])
    raw = converted(name, base)
    if dice.random() < 0.5:
        damaged, same = damage_file(raw, dice)
    else:
        same = dice.randrange(len(raw))
        damaged = raw[:same]
    made = read(folder / "damaged.pcapng", damaged)
    if made is None:
        assert same < 16
        return
    blocks_before_packets = 3  # section, secrets, interface
    before = max(packets_before(raw, same) - blocks_before_packets, 0)
    assert [record.to_dict() for record in made[:before]] == [*whole(name)[:before]]
    assert len(made) <= len(frames(name)) + 8


def damage_tcp(seed: int, folder: Path) -> None:
    """Lose, repeat, swap, cut and overwrite packets of a connection."""
    dice = random.Random(f"tcp {seed}")
    made = talk(said(), dice.choice((None, 13, 100, 1448)))
    packets, sent = list(made.segments), {data for _, data in said()}
    overwrites = False
    for _ in range(dice.randint(1, 6)):
        place = dice.randrange(len(packets))
        match dice.randrange(5):
            case 0:
                del packets[place : place + dice.randint(1, 3)]
            case 1:
                # only ever later: what comes before its time acknowledges what nobody has sent yet
                packets.insert(dice.randint(place + 1, len(packets)), packets[place])
            case 2:
                packets.insert(min(place + dice.randint(1, 3), len(packets)), packets.pop(place))
            case 3:
                packets[place] = packets[place][: dice.randrange(len(packets[place]) + 1)]
                overwrites = True  # the length of what is left says so, and more segments may overlap than were sent
            case _:
                damaged = bytearray(packets[place])
                if damaged:
                    damaged[dice.randrange(len(damaged))] ^= 1 << dice.randrange(8)
                packets[place] = bytes(damaged)
                overwrites = True
        if not packets:
            return
    file = capture(folder / "damaged.pcapng", packets, LinkType.RAW)
    found = read(file, file.read_bytes())
    assert found is not None
    if not overwrites:
        undamaged = [record.data for record in found if not record.problems and not record.notes]
        assert set(undamaged) <= sent
        assert len(undamaged) >= len(said()) - 30


def damage_recorded_tcp(seed: int, folder: Path, base: Path) -> None:
    """Damage the bytes of a file with TCP in it, link headers and all."""
    dice = random.Random(f"recorded tcp {seed}")
    damaged, _ = damage_file(converted(TCP_NAME, base), dice)
    read(folder / "damaged.pcapng", damaged)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder for what all rounds begin with."""
    return tmp_path_factory.mktemp("converted")


def damage(kind: str, seed: int, folder: Path, base: Path) -> None:
    """Run one round; a failure names its seed."""
    try:
        if kind == "pcapng":
            damage_pcapng(seed, folder, base)
        elif kind == "tcp":
            damage_tcp(seed, folder)
        else:
            damage_recorded_tcp(seed, folder, base)
    except Exception as error:
        error.add_note(f"round {seed} of {kind}")
        raise


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_files(kind: str, tmp_path: Path, base: Path) -> None:
    for seed in range(ROUNDS[kind]):
        damage(kind, seed, tmp_path, base)


@pytest.mark.soak
@pytest.mark.parametrize("batch", range(BATCHES))
@pytest.mark.parametrize("kind", KINDS)
def test_damaged_files_for_long(kind: str, batch: int, tmp_path: Path, base: Path) -> None:
    for seed in range(batch * LONG_SOAK // BATCHES, (batch + 1) * LONG_SOAK // BATCHES):
        damage(kind, seed, tmp_path, base)


def test_a_packet_of_every_length(tmp_path: Path) -> None:
    """Cut one packet everywhere: headers that are cut are a problem, and never more than that."""
    [*_, packet] = Talk().handshake().say(0, said()[0][1]).segments
    for size in range(len(packet) + 1):
        found = read(
            tmp_path / "cut.pcapng", capture(tmp_path / "cut.pcapng", [packet[:size]], LinkType.RAW).read_bytes()
        )
        assert found is not None
        assert len(found) == (1 if size < TCP_HEADERS or size >= TCP_HEADERS + 12 else min(size - TCP_HEADERS, 1))

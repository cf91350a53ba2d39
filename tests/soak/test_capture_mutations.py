"""Damaged captures: every packet keeps its entry, and whatever the damage did not reach decodes as before.

Two hundred seeded rounds run with every test run, ``make soak`` runs as many as it is told.
"""

from __future__ import annotations

import io
import json
import random
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import attrs
import pytest

from pytio import cli
from pytio.capture import Frame, Record
from pytio.capture.dissector import Dissector
from pytio.capture.pcap import read_pcap
from pytio.capture.render import annotated_hex
from pytio.capture.secrets import SecretStore
from pytio.errors import CaptureError
from tests.capture.recorded import RECORDED, frames, records, secrets
from tests.conftest import LONG_SOAK
from tests.soak.dependencies import Damage, Dependencies
from tests.soak.mutations import Damaged, damage_file, damage_packets, file_of

FILE_HEADER, PACKET_HEADER = 24, 16
ROUNDS = 200
BATCHES = 20
COMMAND_EVERY = 10
NAMES = [*RECORDED, *[name for name, count in RECORDED.items() if count < 250] * 2]
"""Small captures more often than large ones."""


@cache
def dependencies(name: str) -> Dependencies:
    """Return what the records of a capture need of each other."""
    return Dependencies(records(name))


@cache
def closed_records(name: str) -> tuple[Record, ...]:
    """Return the records of a capture read without secrets."""
    return tuple(decoded(frames(name), {}))


def decoded(found: Iterator[Frame] | tuple[Frame, ...], given: dict[str, list[bytes]]) -> list[Record]:
    """Return the records of frames."""
    dissector = Dissector(SecretStore(psk=given.get("psk", ()), dhe=given.get("dhe_secret", ())))
    return [dissector.read(frame) for frame in found]


def without_place(record: Record) -> Record:
    """Return a record without its number and time."""
    return attrs.evolve(record, number=0, time_ns=0)


def render(record: Record) -> None:
    """Make every text of a record: none may fail."""
    assert record.summary()
    assert record.show()
    assert annotated_hex(record)
    assert json.dumps(record.to_dict())
    for problem in record.problems:
        assert problem.reason
        assert problem.offset >= 0


class Round:
    """One damaged capture."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.dice = random.Random(f"capture {seed}")
        self.seed = seed
        self.name = self.dice.choice(NAMES)
        self.given = secrets(self.name) if self.dice.random() < 0.85 else {}
        self.whole = records(self.name) if self.given else closed_records(self.name)
        self.link_type = frames(self.name)[0].link_type
        self.packets = tuple(frame.data for frame in frames(self.name))
        self.file = folder / "damaged.pcap"

    def run(self) -> Counter[str]:
        """Damage the capture in one of three ways, check what is left, and return a few figures."""
        kind = self.dice.choices((self.damage_packets, self.cut_file, self.damage_file), (8, 1, 1))[0]
        figures = kind()
        if self.seed % COMMAND_EVERY == 0:
            self.check_command()
        return figures + Counter(rounds=1, commands=self.seed % COMMAND_EVERY == 0)

    def write(self, raw: bytes) -> list[Record] | None:
        """Write the file and decode it; None if it is no capture any more."""
        self.file.write_bytes(raw)
        try:
            found = [*read_pcap(io.BytesIO(raw))]
        except CaptureError:
            return None
        made = decoded(tuple(found), self.given)
        for record in made:
            if record.number > len(self.whole) or without_place(record) != without_place(self.whole[record.number - 1]):
                render(record)
        return made

    # damage

    def damage_packets(self) -> Counter[str]:
        """Damage packets: one entry for each, and those that depend on no touched one as before."""
        damaged = damage_packets(self.packets, self.dice)
        made = self.write(file_of(tuple(packet.data for packet in damaged.packets), self.link_type))
        assert made is not None
        assert len(made) == len(damaged.packets), damaged.what
        assert [record.number for record in made] == [*range(1, len(made) + 1)]
        return self.compare(damaged, made)

    def compare(self, damaged: Damaged, made: list[Record]) -> Counter[str]:
        """Compare what has no excuse to differ."""
        damage = Damage(dependencies(self.name))
        gone = sorted(damaged.removed)
        figures: Counter[str] = Counter()
        place = -1
        for packet, record in zip(damaged.packets, made, strict=True):
            place = max(place, packet.origin if packet.origin is not None else place)
            while gone and gone[0] < place:
                damage.touch(gone[0], None, records(self.name)[gone[0]])
                gone.pop(0)
            if packet.is_touched or packet.origin is None:
                was = None if packet.origin is None else records(self.name)[packet.origin]
                damage.touch(place if packet.origin is None else packet.origin, record, was)
                figures["touched"] += 1
            elif damage.meet(packet.origin):
                assert without_place(record) == without_place(self.whole[packet.origin]), (damaged.what, record.number)
                figures["as before"] += 1
            else:
                figures["excused"] += 1
                figures["excused, and as before"] += without_place(record) == without_place(self.whole[packet.origin])
        return figures

    def cut_file(self) -> Counter[str]:
        """Cut the file: one entry for each whole packet, and at most one more."""
        raw = file_of(self.packets, self.link_type)
        size = self.dice.randrange(len(raw))
        made = self.write(raw[:size])
        if size < FILE_HEADER:
            assert made is None
            return Counter(cut=1)
        assert made is not None
        whole = self.whole_packets(size)
        assert whole <= len(made) <= whole + 1
        self.check_start(made, whole)
        assert all(record.problems for record in made[whole:])
        return Counter(cut=1)

    def damage_file(self) -> Counter[str]:
        """Damage the file with its headers: whatever comes of it, what was before the damage is as it was."""
        raw, same = damage_file(file_of(self.packets, self.link_type), self.dice)
        made = self.write(raw)
        if made is None:
            assert same < FILE_HEADER
        elif same >= FILE_HEADER:
            self.check_start(made, self.whole_packets(same))
        return Counter({"damaged file": 1})

    def whole_packets(self, size: int) -> int:
        """Return how many packets are whole in the first bytes of the file."""
        end = FILE_HEADER
        for count, data in enumerate(self.packets):
            end += PACKET_HEADER + len(data)
            if end > size:
                return count
        return len(self.packets)

    def check_start(self, made: list[Record], whole: int) -> None:
        """Check that the first records are as they were."""
        assert [without_place(record) for record in made[:whole]] == [
            without_place(record) for record in self.whole[:whole]
        ]

    # the command

    def check_command(self) -> None:
        """Check what the command says of the file that was written last."""
        options = [
            word
            for kind, option in (("psk", "--psk"), ("dhe_secret", "--dhe-secret"))
            for secret in self.given.get(kind, ())
            for word in (option, secret.hex())
        ]
        code = cli.main(["decode", "--json", str(self.file), *options])
        made = self.write(self.file.read_bytes())
        undecodable = made is None or any(record.problems for record in made)
        assert code == (cli.ExitCode.UNDECODABLE if undecodable else cli.ExitCode.DONE)


def run(first: int, count: int, folder: Path) -> Counter[str]:
    """Run rounds; a failure names its seed."""
    figures: Counter[str] = Counter()
    for seed in range(first, first + count):
        try:
            figures += Round(seed, folder).run()
        except Exception as error:
            error.add_note(f"round {seed}")
            raise
    return figures


def check_figures(figures: Counter[str]) -> None:
    """Check that the rounds had something to say."""
    assert figures["as before"] > 20 * figures["touched"]
    assert figures["as before"] > 2 * figures["excused"]


@pytest.mark.parametrize("batch", range(4))
def test_damaged_captures(batch: int, tmp_path: Path) -> None:
    check_figures(run(batch * ROUNDS // 4, ROUNDS // 4, tmp_path))


@pytest.mark.soak
@pytest.mark.parametrize("batch", range(BATCHES))
def test_damaged_captures_for_long(batch: int, tmp_path: Path, record_property: Any) -> None:
    figures = run(batch * LONG_SOAK // BATCHES, LONG_SOAK // BATCHES, tmp_path)
    record_property("figures", dict(figures))
    check_figures(figures)

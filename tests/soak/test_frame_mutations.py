"""Damaged captures: records that are read in bulk are those that are read one by one, and the data frame says the same.

Compiled and pure, whatever is in them.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from pytio import _accel
from pytio.capture import Record, Trace, open_capture
from pytio.errors import CaptureError
from tests.capture import recorded
from tests.capture.frame_facts import check
from tests.soak.mutations import damage_file, damage_packets, file_of

SHORT = (
    "s03-mctp11-p256-aes128",
    "s04-mctp12-rsapss3072-ffdhe-chacha",
    "s06-doe13-p256-provision",
    "s08-doe12-psk-only",
)


def damaged(name: str, dice: random.Random, folder: Path) -> Path:
    """Return a damaged file: packets that are, or a file that is, classic or pcapng."""
    how = dice.randrange(3)
    path = folder / f"damaged.{'pcap' if how else 'pcapng'}"
    if how == 0:
        recorded.opened(name).save(path, secrets=dice.random() < 0.5)
        path.write_bytes(damage_file(path.read_bytes(), dice)[0])
    elif how == 1:
        path.write_bytes(damage_file(recorded.path(name).read_bytes(), dice)[0])
    else:
        frames = recorded.frames(name)
        packets = damage_packets(tuple(frame.data for frame in frames), dice).packets
        path.write_bytes(file_of(tuple(packet.data for packet in packets), int(frames[0].link_type)))
    return path


def one_by_one(trace: Trace) -> list[Record]:
    """Return the records of a capture as they are when every message is read at once."""
    return [*trace._read_one_by_one(trace._reading())]


def test_frames_of_damaged_captures(soak_rounds: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in range(soak_rounds // 4):
        dice = random.Random(f"frame {seed}")
        name = dice.choice(SHORT)
        path = damaged(name, dice, tmp_path)
        given = recorded.secrets(name) if dice.random() < 0.8 else {}
        for twins in (_accel.compiled(), _accel.PURE):
            monkeypatch.setattr(_accel, "chosen", twins)
            try:
                trace = open_capture(path, **given)
            except CaptureError:
                continue
            try:
                check(trace)
                assert [*trace] == one_by_one(trace)
            except AssertionError as error:
                raise AssertionError(f"seed {seed}, {name}, {path.name}") from error

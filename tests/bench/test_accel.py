"""How fast the hot loops are, compiled and pure."""

from __future__ import annotations

import struct
from importlib.util import find_spec

from pytio._accel import pure
from tests.conftest import Bench, compiled_twin

RECORDS = (struct.pack("<4I", 1, 2, 200, 200) + bytes(200)) * 10_000


def test_index_pcap_of_10000_records(bench: Bench) -> None:
    bench("pure", lambda: pure.index_pcap(RECORDS, 0, False))
    if find_spec("pytio._accel.scan"):
        bench("compiled", lambda: compiled_twin().index_pcap(RECORDS, 0, False))

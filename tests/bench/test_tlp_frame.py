"""What the data frame of captured TLPs takes for each of them."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from pytio import ide
from pytio.capture import open_capture
from pytio.ide import index_of
from tests.capture.test_tlps import written
from tests.conftest import Bench
from tests.ide.links import link

FEW, MANY = 500, 1_000_000


def test_data_frame_of_tlps(bench: Bench, tmp_path: Path) -> None:
    """Sealed memory writes of 64 bytes, captured in a pcapng file."""
    pytest.importorskip("pandas", reason="pandas is not installed")
    count = MANY if bench.is_measuring else FEW
    plain = ide.memory_write(0x12_3456_7000, bytes(64), requester_id=0x0100).build()
    wire = list(link(1).endpoint.send_batch(*index_of([plain] * count)))
    path = written(tmp_path / "tlps.pcapng", wire)
    trace = open_capture(path)
    start = time.process_time()
    frame = trace.to_dataframe()
    spent = time.process_time() - start
    assert len(frame) == len(wire)
    if bench.is_measuring:
        bench.record(f"a TLP of {count}", spent / len(wire))

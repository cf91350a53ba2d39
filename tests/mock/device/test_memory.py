"""Memory requests over an encrypted link: who is answered in which state, cell by cell, and what registers do."""

from __future__ import annotations

import pytest

from pytio.mock.device import Origin
from pytio.tdisp import TdiState
from tests.mock.device.bench import VF, VF_BARS, Bench

EVERY_ORIGIN = [Origin.TVM, Origin.ORDINARY]


@pytest.fixture
def bench() -> Bench:
    return Bench.secure()


@pytest.mark.parametrize("state", TdiState)
@pytest.mark.parametrize("origin", EVERY_ORIGIN)
def test_tee_memory(bench: Bench, state: TdiState, origin: Origin) -> None:
    bench.reach(VF, state)
    found = bench.mmio_read(VF_BARS[0], tee=origin is Origin.TVM)
    is_answered = (state, origin) in {
        (TdiState.CONFIG_UNLOCKED, Origin.ORDINARY),
        (TdiState.RUN, Origin.TVM),
    }
    assert found == (b"pTIO" if is_answered else None)
    assert bench.device.state(VF) is state

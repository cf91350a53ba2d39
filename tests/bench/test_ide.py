"""What a TLP costs on its way through a stream, beside bare C loops over the same library, and beside a Python loop.

The bare loops (`ide_bare.c`) are compiled when this is measured. Each ratio is of one run: bare loop and batch take
turns, both are counted in processor time, and the best turn of each counts. TLPs are memory writes with a header of 16
bytes, so 20 bytes of AAD; the MAC has 12 bytes. Without ``--bench`` every operation runs once, so that none rots.
"""

from __future__ import annotations

import ctypes
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from pytio import ide
from pytio.ide import index_of, unit_keys
from tests.conftest import Bench
from tests.ide.links import Link, link

SIZES: Final = (64, 128, 256, 512, 1024, 4096)
BATCH: Final = 1024
TURNS: Final = 30
ROUND_BYTES: Final = 4 << 20  # of payload in each turn
LIBRARIES: Final = {"ipsec_mb": ("WITH_IPSEC_MB", "IPSec_MB"), "libcrypto": ("WITH_LIBCRYPTO", "crypto")}
SOURCE: Final = Path(__file__).with_name("ide_bare.c")


def tlp_of(size: int) -> bytes:
    return ide.memory_write(0x12_3456_7000, bytes(size), requester_id=0x0100).build()


def bare_loop(name: str, folder: Path) -> Callable[[int, int, int, int], float]:
    """Compile the bare loop of a library; skip where that is not possible."""
    define, library = LIBRARIES[name]
    made = folder / f"{name}.so"
    if shutil.which("cc") is None:
        pytest.skip("there is no C compiler")
    command = [
        "cc",
        "-O2",
        "-march=native",
        "-shared",
        "-fPIC",
        f"-D{define}",
        str(SOURCE),
        "-o",
        str(made),
        f"-l{library}",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"the bare loop does not compile: {done.stderr.splitlines()[0]}")
    function = getattr(ctypes.CDLL(str(made)), f"bare_{name}")
    function.argtypes, function.restype = [ctypes.c_int] * 4, ctypes.c_double
    loop: Callable[[int, int, int, int], float] = function
    return loop


def use(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    found = next(each for each in unit_keys.providers() if each.name == name)
    if not found.is_available:
        pytest.skip(f"{name} is not available: {found.reason}")
    monkeypatch.setattr(unit_keys, "provider", lambda: found)


def both_ways(made: Link, tlps: list[bytes], rounds: int) -> tuple[float, float]:
    """Return nanoseconds of processor time for sealing and for opening one TLP.

    There are two buffers, as in the bare loop: what is opened was just sealed, and goes back where it came from. What
    it takes to look at the clock is taken off.
    """
    data, index = index_of(tlps)
    out = bytearray(len(data) + 20 * len(tlps) + 32 * (len(tlps) // 253 + 1))
    back = bytearray(len(out))
    back[: len(data)] = data
    clear = memoryview(back)[: len(data)]
    start = time.process_time_ns()
    for _ in range(rounds):
        made.root_port.send_batch(clear, index, out=out)
    sealing = time.process_time_ns() - start
    opening = 0
    for _ in range(rounds):
        wire = made.endpoint.send_batch(clear, index, out=out)
        start = time.process_time_ns()
        received = made.root_port.receive_batch(wire.data, wire.index, out=back)
        opening += time.process_time_ns() - start
        assert len(received) == len(tlps)
    return sealing / rounds / len(tlps), (opening / rounds - clock_cost()) / len(tlps)


@cache
def clock_cost() -> int:
    """Return what it takes to look at the clock, a system call: as much as 20 TLPs or more."""
    times = [time.process_time_ns() for _ in range(1001)]
    return min(after - before for before, after in pairwise(times))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", LIBRARIES)
def test_batch_beside_a_bare_loop(
    name: str, size: int, bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, name)
    bare = bare_loop(name, tmp_path)
    turns, rounds = (TURNS, max(ROUND_BYTES // size // BATCH, 8)) if bench.is_measuring else (1, 1)
    made, tlps = link(1), [tlp_of(size)] * BATCH
    rows = []
    for _ in range(turns):
        bare_both = bare(0, BATCH, size, rounds), bare(1, BATCH, size, rounds)
        assert min(bare_both) > 0, "the bare loop does not verify"
        rows.append((*bare_both, *both_ways(made, tlps, rounds)))
    bare_seal, bare_open, seal, opened = (min(column) for column in zip(*rows, strict=True))
    if bench.is_measuring:
        for how, nanoseconds, base in (("seal", seal, bare_seal), ("open", opened, bare_open)):
            bench.record(f"{how}, bare loop", base / 1e9)
            bench.record(f"{how}, batch ({base / nanoseconds:.0%} of the bare loop's rate)", nanoseconds / 1e9)


def test_batch_beside_a_python_loop(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """At 64 bytes: prefix, IV, AAD, sealing and layout over the package ``cryptography``, a TLP at a time."""
    box, tlps = AESGCM(bytes(range(32))), [tlp_of(64)] * BATCH

    def python_loop() -> bytes:
        parts = []
        for number, tlp in enumerate(tlps):
            head = b"\x92\0\xbc\x05" + tlp[:16]
            sealed = box.encrypt(bytes(4) + number.to_bytes(8, "big"), tlp[16:], head)
            parts += [head, sealed[:-4]]
        return b"".join(parts)

    rounds = 50 if bench.is_measuring else 1
    start = time.process_time_ns()
    for _ in range(rounds):
        python_loop()
    python = (time.process_time_ns() - start) / rounds / BATCH
    if bench.is_measuring:
        bench.record("Python loop over AESGCM", python / 1e9)
    for each in unit_keys.providers():
        if each.is_available and each.name != "pure":
            use(monkeypatch, each.name)
            nanoseconds, _ = both_ways(link(1), tlps, 20 * rounds)
            if bench.is_measuring:
                bench.record(f"batch, {each.name} ({python / nanoseconds:.1f} times as fast)", nanoseconds / 1e9)


@pytest.mark.parametrize("batch", [16, 256, 1024, 16384])
def test_what_a_larger_batch_costs(batch: int, bench: Bench) -> None:
    seal, opened = both_ways(link(1), [tlp_of(64)] * batch, max(200_000 // batch, 1) if bench.is_measuring else 1)
    if bench.is_measuring:
        bench.record("seal", seal / 1e9)
        bench.record("open", opened / 1e9)


@pytest.mark.parametrize("streams", [1, 16, 200])
def test_what_more_streams_cost(streams: int, bench: Bench) -> None:
    """Batches of 1,024 TLPs go through one stream after another; what a first batch sets up is there before."""
    links, tlps = [link(seed) for seed in range(streams)], [tlp_of(64)] * BATCH
    for made in links:
        both_ways(made, tlps[:1], 1)
    rounds = max(2000 // streams, 1) if bench.is_measuring else 1
    results = [both_ways(made, tlps, 1) for _ in range(rounds) for made in links]
    if bench.is_measuring:
        bench.record("seal", statistics.median(seal for seal, _ in results) / 1e9)
        bench.record("open", statistics.median(opened for _, opened in results) / 1e9)


def test_one_tlp_at_a_time(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    for each in unit_keys.providers():
        if each.is_available:
            use(monkeypatch, each.name)
            made, tlp = link(1), ide.Tlp.parse(tlp_of(64))
            bench(f"send and receive, {each.name}", one_way(made, tlp))


def one_way(made: Link, tlp: ide.Tlp) -> Callable[[], Any]:
    def go() -> None:
        made.endpoint.send(tlp)
        while (message := made.endpoint.bytes_to_send()) is not None:
            made.root_port.receive(message)

    return go

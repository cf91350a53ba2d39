"""What a session costs: CPU time of both roles, from GET_VERSION to END_SESSION, by the slope of many over one.

P-384, SHA-384, AES-256-GCM, version 1.2 over MCTP and a socket; digests and chain are read and examined for each
session. With ``--bench`` it is 21 sessions, and DMTF's emulators have a row in the same run if PYTIO_SPDM_EMU names a
folder with them: a release build, both of whose programs set TCP_NODELAY, and whose requester holds as many sessions as
PYTIO_SPDM_EMU_SESSIONS says, each on a connection of its own. As published it holds one, and is not measured then.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, Final

import pytest

from pytio.capture import open_capture
from pytio.crypto import Certificate, ExchangeAlgorithm, HashAlgorithm, LibraryProvider, SignatureParameters
from pytio.crypto.algorithms import SignatureAlgorithm
from pytio.spdm.messages.key_exchange import KeyExchange
from tests.bench.spdm_sessions import CHAIN, NAMES
from tests.conftest import Bench
from tests.peers.emulators import folder_for, free_port, listening

MANY: Final = 21
FEW: Final = 3
ROUNDS: Final = 5
ENDS_IN_S: Final = 10
VARIABLE: Final = "PYTIO_SPDM_EMU_SESSIONS"
SAYS_OF_THEIRS: Final = "--exe_conn DIGEST,CERT --exe_session KEY_EX --slot_count 1"
ANSWERS_OF_THEIRS: Final = "--mut_auth NO --basic_mut_auth NO"

Spend = Callable[[int], float]
"""Holds so many sessions; returns the CPU seconds of both processes."""


def children() -> float:
    """Return the CPU seconds of all processes that were waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def spent_by(
    responder: list[str], requester: list[str], port: int, folder: Path, **environment: str
) -> tuple[float, list[bytes]]:
    """Run two processes, the first of which listens before the second one starts.

    Returns their CPU seconds, and what each of them printed.
    """
    before = children()
    env = os.environ | environment
    quiet: dict[str, Any] = {"cwd": folder, "env": env, "stderr": subprocess.DEVNULL}
    with TemporaryFile() as printed, subprocess.Popen(responder, stdout=printed, **quiet) as listener:
        try:
            while not listening(port):
                assert listener.poll() is None, "the responder ended at once"
                time.sleep(0.02)
            asked = subprocess.run(requester, stdout=subprocess.PIPE, check=True, **quiet)
            assert listener.wait(timeout=ENDS_IN_S) == 0
        finally:
            listener.kill()
        printed.seek(0)
        return children() - before, [printed.read(), asked.stdout]


def ours(sessions: int) -> float:
    """Hold sessions between two processes of ours; they say themselves what it cost after their start."""
    port = free_port()
    program = [sys.executable, "-m", "tests.bench.spdm_sessions"]
    counted = [str(port), str(sessions)]
    root = Path(__file__).parents[2]
    _, said = spent_by([*program, "respond", *counted], [*program, "request", *counted], port, root)
    return sum(map(float, said))


def theirs(folder: Path, *more: str) -> Spend:
    """Return what holds sessions between the emulators."""

    def spend(sessions: int) -> float:
        port = free_port()
        common = ["--ip", "127.0.0.1", "--port", str(port), "--trans", "MCTP", "--ver", "1.2"]
        common += [word for name, value in NAMES.items() for word in (f"--{name}", value)]
        spent, _ = spent_by(
            ["./spdm_responder_emu", *common, *ANSWERS_OF_THEIRS.split()],
            ["./spdm_requester_emu", *common, *SAYS_OF_THEIRS.split(), *more],
            port,
            folder,
            **{VARIABLE: str(sessions)},
        )
        return spent

    return spend


def slopes(spends: dict[str, Spend], many: int, rounds: int) -> dict[str, float]:
    """Return the CPU seconds of a session, of each in turn: interference only adds, so the least of each counts."""
    least: dict[tuple[str, int], float] = {}
    for _ in range(rounds):
        for how, spend in spends.items():
            for sessions in (1, many):
                spent = spend(sessions)
                least[how, sessions] = min(spent, least.get((how, sessions), spent))
    return {how: (least[how, many] - least[how, 1]) / (many - 1) for how in spends}


def floor() -> None:
    """Do what no session can do without: both key agreements, the signature, its check, and those of the chain."""
    provider = LibraryProvider()
    exchange = provider.new_exchange(ExchangeAlgorithm.SECP_384_R1)
    answer = provider.encapsulate(ExchangeAlgorithm.SECP_384_R1, exchange.request)
    exchange.complete(answer.response)
    parameters = SignatureParameters(SignatureAlgorithm.ECDSA_P384, hash_algorithm=HashAlgorithm.SHA_384)
    signature = provider.sign(CHAIN.key, bytes(48), parameters)
    CHAIN.key.public_key.verify(signature, bytes(48), parameters, what="the floor")
    root, issuer, leaf = map(Certificate, CHAIN.certificates)
    assert issuer.is_issued_by(root)
    assert leaf.is_issued_by(issuer)


def test_sessions(bench: Bench) -> None:
    many, rounds = (MANY, ROUNDS) if bench.is_measuring else (2, 1)
    for how, seconds in slopes({"pytio": ours}, many, rounds).items():
        if bench.is_measuring:
            bench.record(how, seconds)
    bench("public keys alone", floor)


def test_sessions_beside_the_emulators(bench: Bench, tmp_path: Path) -> None:
    folder = folder_for(tmp_path)
    capture = tmp_path / "sessions.pcap"
    theirs(folder, "--pcap", str(capture))(FEW)
    held = sum(isinstance(record.message, KeyExchange) for record in open_capture(capture))
    if held != FEW:
        pytest.skip(f"the requester in {folder} knows no {VARIABLE}")
    if not bench.is_measuring:
        return
    measured = slopes({"pytio": ours, "DMTF's emulators": theirs(folder)}, MANY, ROUNDS)
    for how, seconds in measured.items():
        bench.record(how, seconds)
    bench("public keys alone", floor)
    assert measured["pytio"] < measured["DMTF's emulators"], measured

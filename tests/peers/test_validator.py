"""DMTF's SPDM-Responder-Validator against ``pytio respond``: every assertion that it makes of a responder holds.

It stands beside the emulators, in the folder that PYTIO_SPDM_EMU names, and takes about a minute for a transport.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.peers.emulators import TRANSPORTS, folder_for, installed

VALIDATOR = "spdm_device_validator_sample"
FEWEST = 2000


@pytest.mark.peer
@pytest.mark.parametrize("transport", ["pci-doe", "mctp"])
def test_nothing_fails(transport: str, tmp_path: Path) -> None:
    if not (installed() / VALIDATOR).exists():
        pytest.skip(f"the folder of the emulators has no {VALIDATOR}")
    folder = folder_for(tmp_path)
    (folder / VALIDATOR).symlink_to(installed() / VALIDATOR)
    root = folder / "ecp384" / "ca.cert.der"
    words = [
        "respond",
        "--listen",
        "127.0.0.1:0",
        "--transport",
        transport,
        "--no-mutual-auth",
        "--root-out",
        str(root),
    ]
    with subprocess.Popen([sys.executable, "-m", "pytio", *words], stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            said = re.search(r"on 127\.0\.0\.1:(\d+)", process.stderr.readline())
            assert said is not None
            command = [f"./{VALIDATOR}", "--trans", TRANSPORTS[transport], "--ip", "127.0.0.1", "--port", said[1]]
            subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=600)
        finally:
            process.kill()
    result = re.search(r"test suite \(\w+\) - pass: (\d+), fail: (\d+)", (folder / "test.log").read_text())
    assert result is not None
    passed, failed = map(int, result.groups())
    assert failed == 0
    assert passed >= FEWEST

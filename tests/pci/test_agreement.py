"""Agreement with lspci: every line that Debian 12's version prints, over every bit of what it decodes.

Where lspci itself is wrong, the text that it should be compared with says so in a comment:

- it shows a mailbox's Error where Busy or Interrupt Status is set (3.9.0 alone), and not where Error is;
- it takes the register after the last VF BAR for the upper half of a 64-bit VF BAR 5;
- it reads half of the lane error status, and half of each register of CXL's function map;
- it tests the register's offset instead of the bit for a CXL port's PM Init Complete;
- it takes reserved bits for a part of the element type of a root complex link;
- of devices in an event collector's bitmap that run up to device 31 it shows the first alone;
- for latencies with a reserved scale, and for multicast windows, it shifts a 32-bit integer out of its range;
- it shows the upper half of a 64-bit BAR as a region of its own;
- after the multicast capability of a function that is neither endpoint nor port it forgets to end a line;
- it walks extended capabilities of a function with PCI-X and without PCI Express.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from pytio.ids import Bdf
from pytio.pci import decode, format_dump
from tests.pci.agreement import corpus
from tests.pci.lspci_text import function_lines

VERSION = "lspci version 3.9.0"


@pytest.fixture(scope="module")
def lspci() -> str:
    found = shutil.which("lspci")
    if found is None:
        pytest.skip("lspci is not installed")
    version = subprocess.run([found, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if version != VERSION:
        pytest.skip(f"{version} is not Debian 12's {VERSION}")
    return found


def printed(lspci: str, dump: Path) -> dict[Bdf, list[str]]:
    """Return the lines that lspci prints for each function, without the first."""
    done = subprocess.run(
        [lspci, "-vvv", "-n", "-D", "-F", str(dump)], capture_output=True, check=False, encoding="latin-1"
    )
    assert "Internal bug" not in done.stderr, done.stderr
    blocks: dict[Bdf, list[str]] = {}
    lines: list[str] = []
    for line in done.stdout.split("\n"):
        if found := re.match(r"([0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]) ", line):
            lines = blocks[Bdf.parse(found[1])] = []
        elif line:
            lines.append(line)
    return blocks


def test_every_line_agrees(lspci: str, tmp_path: Path) -> None:
    functions = list(corpus())
    dump = tmp_path / "dump"
    with dump.open("w") as file:
        file.writelines(format_dump(bdf, data) for bdf, data in functions)
    theirs = printed(lspci, dump)
    assert len(theirs) == len(functions) > 5000
    differing = []
    for bdf, data in functions:
        ours = function_lines(bdf, decode(data))
        if ours != theirs[bdf]:
            pairs = [(a, b) for a, b in zip(ours, theirs[bdf], strict=False) if a != b]
            differing.append((str(bdf), pairs[:1] or (len(ours), len(theirs[bdf]))))
    assert differing[:5] == []

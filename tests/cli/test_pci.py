"""``pytio pci``: every input, every output, every exit code."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from pytio.cli import ExitCode, main
from pytio.ids import Bdf
from pytio.pci import format_dump, parse_dump
from tests.pci.test_dump import PLAIN, patched

OTHER = patched(PLAIN, 4, b"\x06")


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    path = tmp_path / "dump.txt"
    path.write_text(format_dump(Bdf(bus=0xE1), PLAIN) + format_dump(Bdf(segment=0x10000, bus=0xE2), OTHER))
    return path


@pytest.fixture
def sysfs(tmp_path: Path) -> Path:
    for name, data in (("0000:e1:00.0", PLAIN), ("10000:e2:00.0", OTHER[:64])):
        config = tmp_path / "bus" / "pci" / "devices" / name / "config"
        config.parent.mkdir(parents=True)
        config.write_bytes(data)
    return tmp_path


def test_show_text(dump: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pci", "show", "--dump", str(dump)]) == ExitCode.DONE
    printed = capsys.readouterr().out
    assert "0000:e1:00.0 1022:14a0" in printed
    assert "10000:e2:00.0 1022:14a0" in printed
    assert "[118] INTEGRITY_DATA_ENCRYPTION v1" in printed


def test_show_one(dump: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pci", "show", "10000:e2:00.0", "--dump", str(dump), "-v"]) == ExitCode.DONE
    printed = capsys.readouterr().out
    assert "0000:e1:00.0" not in printed
    assert "selective_streams" in printed


def test_show_none(dump: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pci", "show", "0000:ff:00.0", "--dump", str(dump)]) == ExitCode.REFUSED
    assert "no 0000:ff:00.0 in" in capsys.readouterr().err


def test_json_converts_back(dump: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pci", "show", "--json", "--dump", str(dump)]) == ExitCode.DONE
    printed = capsys.readouterr().out
    first, second = map(json.loads, printed.splitlines())
    assert first["function"] == "0000:e1:00.0"
    assert second["header"]["fields"]["command"]["bus_master_enable"] is True
    stored = tmp_path / "stored.json"
    stored.write_text(printed)
    assert main(["pci", "show", "--hex", "--dump", str(stored)]) == ExitCode.DONE
    assert list(parse_dump(capsys.readouterr().out)) == list(parse_dump(dump.read_text()))
    assert main(["pci", "diff", str(dump), str(stored)]) == ExitCode.DONE


def test_raw_bytes_and_stdin(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = tmp_path / "config"
    raw.write_bytes(PLAIN[:256])
    assert main(["pci", "show", "--dump", str(raw)]) == ExitCode.DONE
    assert "extended configuration space was not read" in capsys.readouterr().out
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(format_dump(Bdf(bus=1), PLAIN).encode())))
    assert main(["pci", "show", "--dump", "-"]) == ExitCode.DONE
    assert "0000:01:00.0" in capsys.readouterr().out


@pytest.mark.parametrize("content", [b"", b"anything else", b"{not json}\n", b'{"function": "0000:e1:00.0"}\n'])
def test_something_else_is_undecodable(content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x"
    path.write_bytes(content)
    assert main(["pci", "show", "--dump", str(path)]) == ExitCode.UNDECODABLE
    assert "pytio:" in capsys.readouterr().err


def test_a_copy_of_sysfs(sysfs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pci", "show", "--root", str(sysfs)]) == ExitCode.DONE
    printed = capsys.readouterr().out
    assert printed.index("0000:e1:00.0") < printed.index("10000:e2:00.0")
    assert "the next capability is at 0x40, but 64 bytes were read" in printed
    assert main(["pci", "diff", "0000:e1:00.0", "10000:e2:00.0", "--root", str(sysfs), "--json"]) == ExitCode.REFUSED
    first = json.loads(capsys.readouterr().out.splitlines()[0])
    assert first == {
        "function": "0000:e1:00.0",
        "structure": "HEADER",
        "offset": 0,
        "field": "command.memory_space_enable",
        "left": 0,
        "right": 1,
    }


def test_what_is_not_in_sysfs_is_unavailable(sysfs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pci", "show", "0000:ff:00.0", "--root", str(sysfs)]) == ExitCode.UNAVAILABLE
    assert main(["pci", "show", "--root", str(sysfs / "bus")]) == ExitCode.UNAVAILABLE
    assert "--root" in capsys.readouterr().err


def test_diff_of_dumps(dump: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = tmp_path / "other.txt"
    other.write_text(format_dump(Bdf(bus=0xE1), OTHER) + format_dump(Bdf(bus=3), PLAIN))
    assert main(["pci", "diff", str(dump), str(other)]) == ExitCode.REFUSED
    assert capsys.readouterr().out.splitlines() == [
        f"0000:03:00.0 only in {other}",
        "0000:e1:00.0 HEADER[0] command.memory_space_enable: 0 -> 1",
        "0000:e1:00.0 HEADER[0] command.bus_master_enable: 0 -> 1",
        f"10000:e2:00.0 only in {dump}",
    ]

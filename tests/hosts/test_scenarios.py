"""Each hard case plays to its end, and its capture opens completely."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytio.capture import open_capture
from pytio.cli import ExitCode, main
from pytio.hosts.scenarios import SCENARIOS, expect, play_scenario
from pytio.hosts.workflow import WorkflowError


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario_ends_with_its_rule(name: str) -> None:
    told: list[str] = []
    play_scenario(SCENARIOS[name], told.append)
    assert told[0].startswith(name)
    assert told[-1] == f"rule: {SCENARIOS[name].rule}"
    assert len(told) > 2


def test_what_is_not_so_stops_the_story() -> None:
    with pytest.raises(WorkflowError, match="the moon is made of cheese"):
        expect(False, "the moon is made of cheese")


@pytest.mark.parametrize("name", ["bme-cleared", "reset-silently-loses-state"])
def test_its_capture_opens(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "scenario.pcapng"
    assert main(["demo", "--scenario", name, "--write", str(path)]) == ExitCode.DONE
    assert "rule: " in capsys.readouterr().out
    trace = open_capture(path)
    assert not [record.number for record in trace if record.problems]
    assert [record for record in trace if record.layers[0].name == "psp"]

"""``pytio demo``: the main job on a machine that is all model, narrated; or another of the stories that come along."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections.abc import Callable, Mapping
from functools import partial
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Final

from pytio.backends.sysfs import TsmShape
from pytio.capture import open_capture
from pytio.cli import ExitCode
from pytio.cli.decode import print_trace
from pytio.errors import PytioError
from pytio.hosts.mock import MockHost
from pytio.hosts.recorder import Recorder
from pytio.hosts.scenarios import SCENARIOS as HARD_CASES
from pytio.hosts.scenarios import Scenario, play_scenario
from pytio.hosts.workflow import play

__all__ = ("SCENARIOS", "add_arguments", "run")

_WORKFLOW: Final = "workflow"
_STORY: Final = """\
A TEE-IO bring-up as it went over a DOE mailbox, recorded between DMTF's SPDM emulators, with its session secrets.
Read it top down: discovery; versions, capabilities, algorithms; certificates and a challenge; signed measurements;
KEY_EXCHANGE and FINISH, from where on everything is encrypted; then, inside the session, IDE_KM programs link keys
and TDISP locks, reports, starts and stops a device interface. Sessions are shown by their id in brackets.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.add_argument(
        "--scenario", metavar="NAME", choices=SCENARIOS, default=_WORKFLOW, help=f"one of {', '.join(SCENARIOS)}"
    )
    parser.add_argument("--write", metavar="FILE", help="record what goes over the wires, with its secrets, as pcapng")
    parser.add_argument(
        "--shape",
        choices=[shape.name.lower() for shape in TsmShape],
        default=TsmShape.UPSTREAM.name.lower(),
        help="whose kernel it is, and with it the revision of the firmware; default: upstream",
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="of a recorded story, every layer as a tree")
    parser.add_argument("--json", action="store_true", help="one JSON object for each line, or for each record")


def run(arguments: argparse.Namespace) -> int:
    """Play a scenario and return the exit code."""
    return SCENARIOS[arguments.scenario](arguments)


def _play_workflow(arguments: argparse.Namespace) -> int:
    """Play the RFC's workflow on a model host."""

    def tell(recorder: Recorder | None) -> None:
        host = MockHost(shape=TsmShape[arguments.shape.upper()], recorder=recorder)
        play(host, _tell_json if arguments.json else print)

    return _recorded(arguments, tell)


def _play_hard_case(scenario: Scenario, arguments: argparse.Namespace) -> int:
    """Play one of the hard cases, on upstream's kernel."""
    say = _tell_json if arguments.json else print
    return _recorded(arguments, lambda recorder: play_scenario(scenario, say, recorder=recorder))


def _recorded(arguments: argparse.Namespace, tell: Callable[[Recorder | None], None]) -> int:
    """Tell a story, record it where a file was named, and return the exit code."""
    try:
        with contextlib.ExitStack() as stack:
            recorder = None
            if arguments.write:
                recorder = stack.enter_context(Recorder(stack.enter_context(Path(arguments.write).open("wb"))))
            tell(recorder)
    except PytioError as error:
        print(f"pytio: {error}", file=sys.stderr)
        return ExitCode.REFUSED
    return ExitCode.DONE


def _tell_json(line: str) -> None:
    number, _, title = line.strip().partition(" ")
    is_step = number.isdigit() and not line.startswith("    ")
    print(json.dumps({"step": int(number), "title": title.strip()} if is_step else {"fact": line.strip()}))


def _show_bring_up(arguments: argparse.Namespace) -> int:
    """Decode the capture that comes along."""
    data = resources.files("pytio") / "data"
    secrets = json.loads((data / "bring_up.secrets.json").read_text())
    print(_STORY, file=sys.stderr)
    with resources.as_file(data / "bring_up.pcap") as path:
        trace = open_capture(
            path,
            psk=map(bytes.fromhex, secrets["psk"]),
            dhe_secret=map(bytes.fromhex, secrets["dhe_secret"]),
        )
        if arguments.write:
            trace.save(arguments.write)
        return print_trace(trace, verbose=arguments.verbose, as_json=arguments.json)


SCENARIOS: Final[Mapping[str, Callable[[argparse.Namespace], int]]] = MappingProxyType(
    {
        _WORKFLOW: _play_workflow,
        "recorded-bring-up": _show_bring_up,
        **{name: partial(_play_hard_case, scenario) for name, scenario in HARD_CASES.items()},
    }
)
"""The stories, by name."""

"""``pytio demo``: a real bring-up, recorded between DMTF's emulators, decoded with the secrets that come with it."""

from __future__ import annotations

import argparse
import json
import sys
from importlib import resources

from pytio.capture import open_capture
from pytio.cli.decode import print_trace

__all__ = ("add_arguments", "run")

_STORY = """\
A TEE-IO bring-up as it went over a DOE mailbox, recorded between DMTF's SPDM emulators, with its session secrets.
Read it top down: discovery; versions, capabilities, algorithms; certificates and a challenge; signed measurements;
KEY_EXCHANGE and FINISH, from where on everything is encrypted; then, inside the session, IDE_KM programs link keys
and TDISP locks, reports, starts and stops a device interface. Sessions are shown by their id in brackets.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.add_argument("-v", "--verbose", action="store_true", help="every layer as a tree of fields")
    parser.add_argument("--json", action="store_true", help="one JSON object for each record")


def run(arguments: argparse.Namespace) -> int:
    """Decode the bundled capture and return the exit code."""
    data = resources.files("pytio") / "data"
    secrets = json.loads((data / "bring_up.secrets.json").read_text())
    print(_STORY, file=sys.stderr)
    with resources.as_file(data / "bring_up.pcap") as path:
        trace = open_capture(
            path,
            psk=map(bytes.fromhex, secrets["psk"]),
            dhe_secret=map(bytes.fromhex, secrets["dhe_secret"]),
        )
        return print_trace(trace, verbose=arguments.verbose, as_json=arguments.json)

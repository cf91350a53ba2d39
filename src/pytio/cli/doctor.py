"""``pytio doctor``: why TEE-IO is not up, in the order in which to look, and what to do next."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from pytio.backends.sysfs import Sysfs
from pytio.cli import ExitCode
from pytio.cli.pci import read_dump
from pytio.clients.doctor import Facts, diagnose
from pytio.hosts.doctor import facts_of_dump, facts_of_sysfs, kernel_log
from pytio.ids import Bdf

__all__ = ("add_arguments", "run")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.add_argument(
        "bdf", metavar="BDF", nargs="*", type=Bdf.parse, help="functions to look at; default: all that might do"
    )
    parser.add_argument(
        "--dump", metavar="FILE", help="a dump instead of this system: lspci -xxxx of all functions; - for stdin"
    )
    parser.add_argument(
        "--dmesg", metavar="FILE", help="a kernel log; default: this system's, without --dump and --root"
    )
    parser.add_argument("--root", metavar="DIR", help="where sysfs is; default: /sys")
    parser.add_argument("--json", action="store_true", help="one JSON object for each finding")


def run(arguments: argparse.Namespace) -> int:
    """Examine, print, and return the exit code: 1 where something stands in the way."""
    findings = diagnose(_facts(arguments))
    for finding in findings:
        print(json.dumps(finding.to_dict()) if arguments.json else finding)
    if not findings:
        print("pytio: nothing stands in the way of TEE-IO here", file=sys.stderr)
    return ExitCode.REFUSED if findings else ExitCode.DONE


def _facts(arguments: argparse.Namespace) -> Facts:
    wanted = tuple(arguments.bdf)
    log = Path(arguments.dmesg).read_text(errors="replace") if arguments.dmesg else None
    if arguments.dump:
        return facts_of_dump(read_dump(arguments.dump), wanted, log)
    if log is None and arguments.root is None:
        log = kernel_log()
    return facts_of_sysfs(Sysfs(arguments.root or "/sys"), wanted, log)

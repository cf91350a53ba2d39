"""The ``pytio`` command: one module for each sub-command, imported when it is asked for.

Results go to stdout, progress and diagnostics to stderr. Exit codes: 0 done, 1 a check failed or a peer said no,
2 usage, 3 undecodable input (the output is complete all the same), 4 backend unavailable; where 1 and 3 meet, 1.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from enum import IntEnum
from importlib import import_module
from typing import Final

from pytio.errors import BackendUnavailableError, DecodeError

__all__ = ("COMMANDS", "ExitCode", "main")


class ExitCode(IntEnum):
    """What the command tells its caller."""

    DONE = 0
    REFUSED = 1
    USAGE = 2
    UNDECODABLE = 3
    UNAVAILABLE = 4


COMMANDS: Final = {
    "decode": "decode and decrypt a capture, or one message from hex text",
    "demo": "decode a real bring-up that comes with pytio",
    "evidence": "take signed measurements out of a capture, or judge them",
    "ide": "show an IDE key in every byte order",
    "respond": "serve a device with SPDM, IDE_KM and TDISP on the socket protocol of DMTF's emulators",
    "spdm": "run an SPDM requester, print what was negotiated, verified, measured",
    "pci": "show and compare configuration space, from sysfs or a dump",
    "sev": "decode what host, PSP and guests pass to one another for SEV-TIO",
    "doe": "talk to a device's DOE mailboxes",
    "doctor": "say what stands between this host, or a dump, and TEE-IO",
    "tsm": "connect devices to the kernel's TSM",
}
"""Sub-commands and what each does; the module of the same name has ``add_arguments`` and ``run``."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    parsed = _parse(sys.argv[1:] if arguments is None else list(arguments))
    try:
        code: int = parsed.run(parsed)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.DONE
    except BackendUnavailableError as error:
        return _complain(error, ExitCode.UNAVAILABLE)
    except DecodeError as error:
        return _complain(error, ExitCode.UNDECODABLE)
    except OSError as error:
        return _complain(error, ExitCode.USAGE)
    except KeyboardInterrupt:
        return ExitCode.REFUSED
    return code


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="pytio", description="PCIe TEE-IO: decode, drive and model.")
    parser.add_argument("--version", action="version", version=f"pytio {_version()}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    chosen = next((argument for argument in arguments if not argument.startswith("-")), None)
    for name, help_text in COMMANDS.items():
        command = commands.add_parser(name, help=help_text, description=f"{help_text[:1].upper()}{help_text[1:]}.")
        if name == chosen:  # the others stay unimported
            module = import_module(f"pytio.cli.{name}")
            module.add_arguments(command)
            command.set_defaults(run=module.run)
    return parser.parse_args(arguments)


def _version() -> str:
    from pytio import __version__  # noqa: PLC0415  reading the installed metadata takes time

    return __version__


def _complain(error: Exception, code: ExitCode) -> int:
    print(f"pytio: {error}", file=sys.stderr)
    return code

"""``pytio tsm``: connect a device to the kernel's TSM, disconnect it, and say what is to be seen of it."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from typing import Any, Final

from pytio.cli import ExitCode
from pytio.clients.tsm import Sight
from pytio.errors import BackendError, BackendUnavailableError, ProtocolError, VerificationError
from pytio.hosts.linux import LinuxDevice, LinuxHost
from pytio.ids import Bdf

__all__ = ("add_arguments", "run")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for name, what in (
        ("connect", "connect it, and see to it that both ports are secure"),
        ("disconnect", "disconnect it, and see to it that it is"),
        ("status", "say what is to be seen of its connection"),
    ):
        verb = verbs.add_parser(name, help=what)
        verb.add_argument("bdf", metavar="BDF", type=Bdf.parse, help="the device, such as 0000:e1:00.0")
        verb.add_argument("--root", metavar="DIR", default="/sys", help="another sysfs; default: /sys")
        verb.add_argument("--json", action="store_true", help="one JSON object")
        if name == "connect":
            verb.add_argument("--tsm", metavar="NAME", help="to this TSM; default: the first link TSM")


def run(arguments: argparse.Namespace) -> int:
    """Do it, print what is to be seen then, and return the exit code."""
    try:
        device = LinuxHost(arguments.root).device(arguments.bdf)
        sight = _VERBS[arguments.verb](device, arguments)
    except BackendUnavailableError as error:
        return _complain(error, ExitCode.UNAVAILABLE)
    except (BackendError, ProtocolError, VerificationError) as error:
        return _complain(error, ExitCode.REFUSED)
    print(json.dumps(_plain(sight)) if arguments.json else _text(sight))
    return ExitCode.DONE


_VERBS: Final[Mapping[str, Callable[[LinuxDevice, argparse.Namespace], Sight]]] = {
    "connect": lambda device, arguments: device.connect(arguments.tsm),
    "disconnect": lambda device, arguments: device.disconnect(),
    "status": lambda device, arguments: device.status(),
}


def _complain(error: Exception, code: ExitCode) -> int:
    print(f"pytio: {error}", file=sys.stderr)
    return code


def _text(sight: Sight) -> str:
    lines = [f"{sight.device} " + (f"connected to {sight.connected_to}" if sight.connected_to else "not connected")]
    if sight.has_authenticated:
        lines.append(f"  authenticated by {sight.authenticated_by or 'nobody'}")
    lines += [f"  link {link}" for link in sight.links or ()]
    lines += [f"  {seen}" for seen in sight.ports]
    if sight.connected_to:
        lines += [f"  problem: {problem}" for problem in sight.problems()]
    return "\n".join(lines)


def _plain(sight: Sight) -> dict[str, Any]:
    return {
        "device": str(sight.device),
        "connected_to": sight.connected_to,
        "authenticated_by": sight.authenticated_by,
        "links": None if sight.links is None else list(sight.links),
        "ports": [
            {
                "port": str(seen.port),
                "block": seen.block,
                "stream_id": seen.stream_id,
                "enabled": seen.is_enabled,
                "state": seen.state,
            }
            for seen in sight.ports
        ],
        "problems": list(sight.problems()),
    }

"""``pytio doe discover``: what each DOE mailbox of a device takes."""

from __future__ import annotations

import argparse
import json
import sys

from pytio.cli import ExitCode
from pytio.doe import DataObjectType, Feature, VendorId
from pytio.errors import BackendError, DoePeerError, LocalProtocolError
from pytio.hosts.linux import LinuxHost
from pytio.ids import Bdf

__all__ = ("add_arguments", "run")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    discover = verbs.add_parser("discover", help="ask each mailbox for everything that it takes")
    discover.add_argument("bdf", metavar="BDF", type=Bdf.parse, help="the device, such as 0000:e1:00.0")
    discover.add_argument("--root", metavar="DIR", default="/sys", help="another sysfs; default: /sys")
    discover.add_argument("--force", action="store_true", help="even a mailbox that the kernel uses")
    discover.add_argument("--json", action="store_true", help="one JSON object for each mailbox")


def run(arguments: argparse.Namespace) -> int:
    """Discover, print, and return the exit code."""
    try:
        found = LinuxHost(arguments.root).device(arguments.bdf).discover(force=arguments.force)
    except (DoePeerError, LocalProtocolError) as error:
        print(f"pytio: {error}", file=sys.stderr)
        return ExitCode.REFUSED
    except BackendError as error:
        print(f"pytio: {error}", file=sys.stderr)
        return ExitCode.UNAVAILABLE
    for offset, features in found.items():
        if arguments.json:
            shown = [{"vendor_id": int(one.vendor_id), "data_object_type": one.data_object_type} for one in features]
            print(json.dumps({"device": str(arguments.bdf), "offset": offset, "features": shown}))
        else:
            print(f"{arguments.bdf} DOE at {offset:#05x}")
            for feature in features:
                print(f"  {feature}  {_name(feature)}")
    if not found:
        print(f"pytio: {arguments.bdf} has no DOE mailbox", file=sys.stderr)
    return ExitCode.DONE


def _name(feature: Feature) -> str:
    if feature.vendor_id == VendorId.PCI_SIG:
        return f"PCI_SIG {DataObjectType(feature.data_object_type).name}"
    return str(feature.vendor_id.name)

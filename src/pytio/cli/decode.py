"""``pytio decode``: a capture, decoded and decrypted, as text or JSON; or one message from hex text."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from pytio.capture import Record, Trace
from pytio.capture.render import annotated_hex, record_tree, summary_line
from pytio.capture.vendor import protocol_of
from pytio.cli import ExitCode
from pytio.cli.capture_options import add_capture_options, open_given
from pytio.cli.hextext import parse_hex_text
from pytio.cli.one_message import LAYERS, decode_one
from pytio.spdm.messages.vendor_defined import VendorDefinedRequest, VendorDefinedResponse
from pytio.wire import WireStruct

__all__ = ("add_arguments", "print_trace", "run")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.add_argument("file", metavar="FILE", nargs="?", help="a capture; with --hex a text file, or - for stdin")
    add_capture_options(parser)
    parser.add_argument("--verify", action="store_true", help="check every signature and every HMAC")
    parser.add_argument("-v", "--verbose", action="store_true", help="every layer as a tree of fields")
    parser.add_argument("-x", "--hexdump", action="store_true", help="every layer as annotated hex")
    parser.add_argument("--json", action="store_true", help="one JSON object for each record")
    parser.add_argument("--hex", metavar="LAYER", choices=LAYERS, help=f"one message of {', '.join(LAYERS)}")
    parser.add_argument(
        "--given",
        metavar="NAME=N",
        type=_fact,
        action="append",
        default=[],
        help="with --hex: a size that only the connection knows, such as digest=48",
    )


def _fact(text: str) -> tuple[str, int]:
    name, _, value = text.partition("=")
    try:
        return name, int(value, 0)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=NUMBER") from None


def run(arguments: argparse.Namespace) -> int:
    """Decode, print, and return the exit code."""
    if arguments.hex:
        return _decode_hex(arguments)
    if arguments.file is None:
        print("pytio decode: FILE is needed", file=sys.stderr)
        return ExitCode.USAGE
    trace = open_given(arguments, verify=arguments.verify)
    return print_trace(trace, verbose=arguments.verbose, hexdump=arguments.hexdump, as_json=arguments.json)


def print_trace(trace: Trace, *, verbose: bool = False, hexdump: bool = False, as_json: bool = False) -> int:
    """Print every record of a trace to stdout, a count of them to stderr, and return the exit code."""
    colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    as_text = annotated_hex if hexdump else record_tree if verbose else summary_line
    seen = _Seen()
    for record in trace:
        seen.count(record)
        print(json.dumps(record.to_dict()) if as_json else as_text(record, colour=colour))
    sys.stdout.flush()
    print(seen, file=sys.stderr)
    if seen.failed:  # where a failed check and undecodable input meet, the check counts
        return ExitCode.REFUSED
    return ExitCode.UNDECODABLE if seen.problems else ExitCode.DONE


class _Seen:
    """How many records there were, and of what kind."""

    def __init__(self) -> None:
        self.records = self.secured = self.opened = self.problems = self.checks = self.failed = 0

    def count(self, record: Record) -> None:
        """Count a record."""
        self.records += 1
        is_decrypted = record.is_decrypted
        if is_decrypted is not None:
            self.secured += 1
            self.opened += is_decrypted
        if record.problems:
            self.problems += 1
        for check in record.checks:
            self.checks += 1
            self.failed += not check.ok

    def __str__(self) -> str:
        """Return the figures as a sentence."""
        told = f"{self.records} records, {self.secured} secured, {self.opened} of them opened"
        if self.checks:
            told += f", {self.checks} checks, {self.failed} of them failed"
        return told + (f", {self.problems} with problems" if self.problems else "")


def _decode_hex(arguments: argparse.Namespace) -> int:
    source = sys.stdin.read() if arguments.file in (None, "-") else Path(arguments.file).read_text(errors="replace")
    try:
        raw = parse_hex_text(source)
        message, size = decode_one(arguments.hex, raw, dict(arguments.given))
    except UnicodeError:
        raise
    except ValueError as error:
        if hasattr(error, "offset"):  # a DecodeError, which main() reports
            raise
        print(f"pytio decode: {error}", file=sys.stderr)
        return ExitCode.USAGE
    for layer, shown in _with_inner(arguments.hex, message):
        if arguments.json:
            print(json.dumps({"layer": layer, "message": shown.NAME, "fields": shown.to_dict()}))
        else:
            print(shown.show())
    if size == len(raw):
        return ExitCode.DONE
    print(f"pytio decode: {len(raw) - size} bytes left over at offset {size}", file=sys.stderr)
    return ExitCode.UNDECODABLE


def _with_inner(layer: str, message: WireStruct) -> Iterator[tuple[str, WireStruct]]:
    """Yield a message, and what travels in it if it is vendor-defined."""
    yield layer, message
    if isinstance(message, VendorDefinedRequest | VendorDefinedResponse) and (protocol := protocol_of(message)):
        yield protocol.name, protocol.parse(message.payload[1:])

"""``pytio sev decode``: what host, PSP and guests pass to one another, from bytes, hex, texts and logs."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from pytio.cli import ExitCode
from pytio.cli.hextext import parse_hex_text
from pytio.cli.sev_parts import KINDS, Given, Part
from pytio.crypto import Secret
from pytio.errors import DecodeError, SpdmDecodeError, VerificationError
from pytio.evidence import Evidence
from pytio.sev.tio_codes import Revision, SevCommand

__all__ = ("add_arguments", "run")

_TEXT: Final = bytes(range(0x20, 0x7F)) + b"\t\r\n"
_COMMANDS: Final = tuple(command.name for command in SevCommand)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command and of its action."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    kinds = "\n".join(f"  {name:<14} {kind.help}" for name, kind in KINDS.items())
    decode = actions.add_parser(
        "decode",
        help="decode PSP buffers, guest messages, sysfs blobs and texts, kernel logs",
        description="Decode what host, PSP and guests pass to one another.",
        epilog=f"kinds:\n{kinds}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    decode.add_argument("kind", metavar="KIND", choices=KINDS, help="what it is; see below")
    decode.add_argument("file", metavar="FILE", help="bytes, or hex as people copy it from logs; - for stdin")
    decode.add_argument(
        "--revision",
        type=_revision,
        choices=tuple(Revision),
        default=Revision.P2,
        metavar="R1|R2|U|P2|N",
        help="whose layouts it has; without it P2",
    )
    decode.add_argument("--command", type=_command, metavar="NAME|N", help="the command that it belongs to")
    decode.add_argument(
        "--vmpck", type=_key, metavar="HEX", action="append", default=[], help="a guest message key; may be repeated"
    )
    decode.add_argument("--type", type=_number, metavar="N", help="MSG_TYPE of the guest message")
    decode.add_argument("--response", action="store_true", help="registers are those that the guest gets back")
    decode.add_argument("--raw", action="store_true", help="take the bytes as they are, even if they look like hex")
    decode.add_argument("--json", action="store_true", help="one JSON object for each part")
    decode.add_argument(
        "--evidence", metavar="FILE", help="write the evidence that is in it, for pytio evidence verify"
    )
    decode.add_argument("--chain", metavar="FILE", help="with --evidence: the certificate chain, if it is not in it")
    decode.add_argument("--report", metavar="FILE", help="with --evidence: the interface report, likewise")


def _revision(text: str) -> Revision:
    try:
        return Revision(text.upper())
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is none of R1, R2, U, P2, N") from None


def _command(text: str) -> SevCommand:
    if text.upper() in _COMMANDS:
        return SevCommand[text.upper()]
    return SevCommand(_number(text))


def _number(text: str) -> int:
    try:
        number = int(text, 0)
    except ValueError:
        number = -1
    if number < 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no number")
    return number


def _key(text: str) -> Secret:
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != _KEY_BYTES:
        raise argparse.ArgumentTypeError("a guest message key has 32 bytes, as 64 hex digits")  # which are not shown
    return Secret(key)


_KEY_BYTES: Final = 32


def run(arguments: argparse.Namespace) -> int:
    """Run the action, and return the exit code."""
    return _ACTIONS[arguments.action](arguments)


def _decode(arguments: argparse.Namespace) -> int:
    kind = KINDS[arguments.kind]
    given = Given(
        arguments.revision, arguments.command, tuple(arguments.vmpck), arguments.type, is_response=arguments.response
    )
    parts: list[Part] = []
    try:
        data = _read(arguments)
        for part in kind.decode(data if kind.is_text or arguments.raw else _unhexed(data), given):
            print(json.dumps(part.to_dict()) if arguments.json else part.show())
            parts.append(part)
        if arguments.evidence is not None:
            _write_evidence(parts, arguments)
    except DecodeError:
        raise  # main() reports it
    except VerificationError as error:
        print(f"pytio sev: {error}", file=sys.stderr)
        return ExitCode.REFUSED
    except ValueError as error:
        print(f"pytio sev: {error}", file=sys.stderr)
        return ExitCode.USAGE
    return ExitCode.UNDECODABLE if any(part.problem for part in parts) else ExitCode.DONE


def _read(arguments: argparse.Namespace) -> bytes:
    return sys.stdin.buffer.read() if arguments.file == "-" else Path(arguments.file).read_bytes()


def _unhexed(data: bytes) -> bytes:
    """Return the bytes that hex text shows; what is no text are the bytes themselves."""
    if data.translate(None, _TEXT):
        return data
    return parse_hex_text(data.decode())


def _write_evidence(parts: list[Part], arguments: argparse.Namespace) -> None:
    """Write what was found as evidence; raises ValueError if nothing of it is signed."""
    found = {part.title: part.evidence for part in parts if part.evidence is not None}
    log = found.get("measurements")
    if log is None:
        raise ValueError("there are no measurements in it, which is what evidence is about")
    for name, file in (("certificates", arguments.chain), ("report", arguments.report)):
        if file is not None:
            found[name] = Path(file).read_bytes()
    chain = found.get("certificates", b"")
    reports = {"tdi": found["report"]} if "report" in found else {}
    try:
        evidence = Evidence.from_transcript(log, chain=chain, reports=reports, sources={"all": arguments.file})
    except SpdmDecodeError as error:
        raise ValueError(f"a record of measurements proves nothing, a log of messages would: {error.reason}") from error
    Path(arguments.evidence).write_text(evidence.to_json())


_ACTIONS: Final[dict[str, Callable[[argparse.Namespace], int]]] = {"decode": _decode}

"""``pytio evidence get`` collects signed measurements, ``pytio evidence verify`` judges them."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import attrs

from pytio.cli import ExitCode
from pytio.cli.capture_options import add_capture_options, open_given
from pytio.crypto import Certificate, ChainModel
from pytio.crypto.x509 import read_certificates
from pytio.errors import BackendError, DecodeError, PeerError, ProtocolError, VerificationError
from pytio.evidence import Evidence, Expectations
from pytio.spdm.transcript import joined

__all__ = ("add_arguments", "run")

_MODELS: Final = {model.name.lower(): model for model in ChainModel}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command and of its two actions."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    _add_get(actions.add_parser("get", help="take signed measurements, as JSON, from a capture or a responder"))
    _add_verify(actions.add_parser("verify", help="judge evidence, step by step"))


def _add_get(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE|URI", help="a capture, or a responder: socket://HOST:PORT?transport=...")
    add_capture_options(parser)
    parser.add_argument(
        "--slot", metavar="N", type=int, choices=range(8), default=0, help="the slot a responder signs with"
    )
    parser.add_argument("--record", metavar="N", type=int, help="the record of MEASUREMENTS; without it the last one")
    parser.add_argument("-o", "--output", metavar="FILE", help="where to write the JSON; without it to stdout")
    parser.add_argument("--transcript", metavar="FILE", help="where to write the standard measurement transcript, too")
    parser.add_argument("--chain", metavar="FILE", help="where to write the certificate chain structure, too")
    parser.add_argument("--vca", metavar="FILE", help="where to write GET_VERSION to ALGORITHMS, too")


def _add_verify(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="evidence as JSON, or a standard measurement transcript")
    parser.add_argument(
        "--root",
        metavar="PEM",
        type=_roots,
        action="extend",
        required=True,
        help="certificates that are trusted, PEM or DER; may be repeated",
    )
    parser.add_argument(
        "--at",
        metavar="TIME",
        type=_time,
        default=None,
        help="when certificates have to be valid, such as 2026-11-25T12:00Z; without it now",
    )
    parser.add_argument("--nonce", metavar="HEX", type=_bytes, help="the nonce that the requester was given")
    parser.add_argument(
        "--expect",
        metavar="INDEX=HEX",
        type=_reference,
        action="append",
        default=[],
        help="the reference value of a measurement; may be repeated",
    )
    parser.add_argument(
        "--tsm-digest",
        metavar="NAME=HEX",
        type=_named_digest,
        action="append",
        default=[],
        help="what the TSM has seen: the SHA-384 of chain, measurements, or of the report of an interface",
    )
    parser.add_argument("--model", choices=_MODELS, help="the chain's model; without it, what the capabilities say")
    parser.add_argument(
        "--chain", metavar="FILE", type=_contents, help="the certificate chain structure, if it is not in FILE"
    )
    parser.add_argument(
        "--vca",
        metavar="FILE",
        type=_contents,
        help="GET_VERSION to ALGORITHMS, which a transcript lacks before SPDM 1.2",
    )
    parser.add_argument("--json", action="store_true", help="the verdict as a JSON object")


def _contents(name: str) -> bytes:
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{name}: {error.strerror}") from None


def _roots(name: str) -> tuple[Certificate, ...]:
    try:
        return read_certificates(_contents(name))
    except DecodeError as error:
        raise argparse.ArgumentTypeError(f"{name}: {error.reason}") from None


def _time(text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no time such as 2026-11-25T12:00Z") from None
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)


def _bytes(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not an even number of hex digits") from None


def _reference(text: str) -> tuple[int, bytes]:
    index, equals, value = text.partition("=")
    try:
        return int(index, 0), bytes.fromhex(value if equals else "not there")
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not INDEX=HEX") from None


def _named_digest(text: str) -> tuple[str, bytes]:
    name, _, value = text.rpartition("=")
    if not name:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=HEX")
    return name, _bytes(value)


def run(arguments: argparse.Namespace) -> int:
    """Get or verify, and return the exit code."""
    return _ACTIONS[arguments.action](arguments)


def _get(arguments: argparse.Namespace) -> int:
    if "://" in arguments.file:
        return _from_responder(arguments)
    found = [
        evidence
        for evidence in open_given(arguments).evidence()
        if arguments.record in (None, evidence.exchanges[-1].source)
    ]
    if not found:
        where = f"record {arguments.record}" if arguments.record is not None else arguments.file
        print(f"pytio evidence: no signed measurements in {where} whose key was shown", file=sys.stderr)
        return ExitCode.REFUSED
    return _write(found[-1], arguments)


def _from_responder(arguments: argparse.Namespace) -> int:
    """Ask a responder for its chain and for all measurements; nothing is judged yet, its roots are trusted."""
    from pytio.hosts import Driver, open_transport  # noqa: PLC0415  a capture needs no engine
    from pytio.spdm import Requester  # noqa: PLC0415

    transport = open_transport(arguments.file)
    try:
        form = transport.binding.record_format
        driver = Driver(Requester(record_format=form) if form is not None else Requester(), transport)
        evidence = attrs.evolve(driver.evidence(arguments.slot), sources={"all": arguments.file})
    except (PeerError, ProtocolError, VerificationError) as error:
        print(f"pytio: {error}", file=sys.stderr)
        return ExitCode.REFUSED
    except BackendError as error:
        print(f"pytio: {error}", file=sys.stderr)
        return ExitCode.UNAVAILABLE
    finally:
        transport.close()
    return _write(evidence, arguments)


def _write(evidence: Evidence, arguments: argparse.Namespace) -> int:
    for name, data in (
        (arguments.transcript, evidence.to_transcript()),
        (arguments.chain, evidence.chain),
        (arguments.vca, joined(evidence.vca)),
    ):
        if name is not None:
            Path(name).write_bytes(data)
    if arguments.output is not None:
        Path(arguments.output).write_text(evidence.to_json())
    else:
        print(evidence.to_json(), end="")
    return ExitCode.DONE


def _verify(arguments: argparse.Namespace) -> int:
    evidence = _read(Path(arguments.file).read_bytes(), arguments)
    expectations = Expectations(
        nonce=arguments.nonce,
        measurements=dict(arguments.expect),
        model=_MODELS.get(arguments.model),
        tsm_digests=dict(arguments.tsm_digest),
    )
    at = arguments.at or datetime.now(UTC)
    verdict = evidence.verify(arguments.root, at=at, expectations=expectations)
    if arguments.json:
        print(json.dumps(verdict.to_dict()))
    else:
        print(verdict)
    failed = len(verdict.failed)
    print(f"{len(verdict.steps)} steps, {failed} of them failed", file=sys.stderr)
    return ExitCode.DONE if verdict.holds else ExitCode.REFUSED


def _read(data: bytes, arguments: argparse.Namespace) -> Evidence:
    if not data.lstrip().startswith(b"{"):
        return Evidence.from_transcript(data, vca=arguments.vca or b"", chain=arguments.chain or b"")
    evidence = Evidence.from_json(data)
    return evidence.with_chain(arguments.chain) if arguments.chain else evidence


_ACTIONS: Final[dict[str, Callable[[argparse.Namespace], int]]] = {"get": _get, "verify": _verify}

"""``pytio spdm``: run a requester against a responder; print what was negotiated, verified and measured."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from pytio.backends.base import Transport
from pytio.cli import ExitCode
from pytio.cli.spdm_exchanges import EXCHANGES, Conversation
from pytio.cli.spdm_facts import facts_of, text_of
from pytio.cli.spdm_options import add_negotiation, algorithms_of, capabilities_of, keys_of, versions_of
from pytio.crypto import Certificate, ChainRole
from pytio.crypto.issuing import issue_chain
from pytio.crypto.x509 import parse_pem_certificates
from pytio.errors import BackendError, PeerError, ProtocolError, VerificationError
from pytio.hosts import Driver, Tap, TappedTransport, open_transport
from pytio.hosts.example import EXAMPLE_KEYS
from pytio.hosts.registry import is_address
from pytio.hosts.secrets import secrets_of
from pytio.spdm import Requester, RequesterConfig, algorithms
from pytio.spdm.capabilities import RequesterCapabilities
from pytio.spdm.configuration import KeyPair, Slot, Trust

__all__ = ("add_arguments", "run")

_DEFAULT: Final = ("digests", "certificate", "challenge", "measurements")
_MOST_SLOT: Final = 7


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.add_argument(
        "uri",
        metavar="URI",
        help="socket://HOST:PORT?transport=pci-doe|mctp|tcp|none, the address of a device, or replay:FILE",
    )
    parser.add_argument(
        "--exchange",
        metavar="NAME",
        choices=EXCHANGES,
        action="append",
        help=f"one of {', '.join(EXCHANGES)}; may be repeated, a session carries what follows it",
    )
    parser.add_argument(
        "--slot", type=int, choices=range(_MOST_SLOT + 1), default=0, help="the responder's; default: 0"
    )
    parser.add_argument(
        "--root",
        metavar="FILE|DIR",
        action="append",
        default=[],
        help="PEM or DER of a root to trust; a folder is the sysfs that has the device",
    )
    parser.add_argument("--at", metavar="TIME", type=_time, help="judge certificates at this time (ISO 8601)")
    parser.add_argument("--pcap", metavar="FILE", help="write the conversation, and its secrets, as pcapng")
    parser.add_argument("--stop-peer", action="store_true", help="tell the responder to end, too")
    parser.add_argument("--json", action="store_true", help="one JSON object for each thing learnt")
    add_negotiation(parser, RequesterCapabilities)


def run(arguments: argparse.Namespace) -> int:
    """Connect, and go through the exchanges; stop at the first that fails."""
    show = _show_json if arguments.json else _show_text
    try:
        with _driver(arguments) as driver:
            conversation = Conversation(driver, slot=arguments.slot)
            for name in ("connect", *(arguments.exchange or _DEFAULT)):
                for event in EXCHANGES[name](conversation):
                    show(name, event)
    except (PeerError, ProtocolError, VerificationError) as error:
        print(f"pytio: {error}", file=sys.stderr)
        return ExitCode.REFUSED
    except BackendError as error:
        print(f"pytio: {error}", file=sys.stderr)
        return ExitCode.UNAVAILABLE
    return ExitCode.DONE


@contextlib.contextmanager
def _driver(arguments: argparse.Namespace) -> Iterator[Driver]:
    """Open the transport, with a tap around it where a file was named, and put a requester on it."""
    transport = open_transport(_uri(arguments))
    end: Callable[..., None] | None = getattr(transport, "end", None)
    with contextlib.ExitStack() as stack:
        stack.callback(lambda: end(stops_peer=arguments.stop_peer) if end is not None else transport.close())
        record_format = transport.binding.record_format
        options: dict[str, Any] = {} if record_format is None else {"record_format": record_format}
        requester = Requester(_configuration(arguments), **options)
        tapped: Transport = transport
        if arguments.pcap:
            stream = stack.enter_context(Path(arguments.pcap).open("wb"))
            tap = Tap(stream, transport.binding, name=arguments.uri, secrets=secrets_of(requester))
            stack.callback(tap.flush)
            tapped = TappedTransport(transport, tap)
        yield Driver(requester, tapped)


def _uri(arguments: argparse.Namespace) -> str:
    """Return what to open: the address of a device belongs to the sysfs of ``--root``, where that names one."""
    uri: str = arguments.uri
    trees = [name for name in arguments.root if Path(name).is_dir()]
    return f"doe:{uri}?{urlencode({'root': trees[-1]})}" if trees and is_address(uri) else uri


def _configuration(arguments: argparse.Namespace) -> RequesterConfig:
    default = RequesterConfig()
    settings: dict[str, Any] = {}
    capabilities = capabilities_of(arguments, default.capabilities | RequesterCapabilities.PSK_CAP)
    if RequesterCapabilities.MUT_AUTH_CAP in capabilities:
        named = [one for one in [*(arguments.req_asym or ()), *(arguments.req_pqc_asym or ())] if one is not None]
        capabilities |= RequesterCapabilities.CERT_CAP | RequesterCapabilities.CHAL_CAP  # which it asks for
        algorithm = algorithms.signature_algorithm(named[0] if named else default.algorithms.req_asym[0])
        identity = issue_chain(algorithm, role=ChainRole.REQUESTER)
        settings |= {"key_pairs": (KeyPair(identity.key),), "slots": {0: Slot(identity.certificates)}}
    roots = tuple(
        root for name in arguments.root if not Path(name).is_dir() for root in _roots(Path(name).read_bytes())
    )
    return RequesterConfig(
        versions=versions_of(arguments),
        algorithms=algorithms_of(arguments),
        capabilities=capabilities,
        pre_shared_keys=keys_of(arguments) or EXAMPLE_KEYS,
        trust=Trust(roots=roots or None, at=arguments.at),
        **settings,
    )


def _roots(data: bytes) -> tuple[Certificate, ...]:
    return parse_pem_certificates(data) if data.startswith(b"-----") else (Certificate(data),)


def _time(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text).astimezone()
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _show_text(exchange: str, event: Any) -> None:
    print(f"{exchange}: {text_of(event)}", flush=True)


def _show_json(exchange: str, event: Any) -> None:
    print(json.dumps({"exchange": exchange, "event": type(event).__name__, **facts_of(event)}), flush=True)

"""``pytio respond``: serve a device with SPDM, IDE_KM and TDISP on the socket protocol of DMTF's emulators."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Final

import attrs

from pytio.backends.bindings import BINDINGS, TCP
from pytio.cli import ExitCode
from pytio.cli.spdm_options import add_negotiation, algorithms_of, capabilities_of, keys_of, versions_of
from pytio.crypto.issuing import IssuedChain, issue_chain
from pytio.hosts.example import (
    EXAMPLE_CAPABILITIES,
    EXAMPLE_FUNCTION,
    EXAMPLE_HEARTBEAT_S,
    EXAMPLE_KEYS,
    example_config,
    example_server,
)
from pytio.ids import Bdf
from pytio.spdm import ResponderConfig, algorithms
from pytio.spdm.algorithms import BaseAsymAlgo, PqcAsymAlgo
from pytio.spdm.capabilities import ResponderCapabilities
from pytio.spdm.configuration import Limits, MutualAuthentication
from pytio.transports.platform_socket import DEFAULT_PORT
from pytio.transports.tcp import DEFAULT_PORT as TCP_DEFAULT_PORT

__all__ = ("add_arguments", "configuration_of", "run")

_MOST_SLOTS: Final = 8
_MUTUAL: Final = {
    "without-encapsulation": MutualAuthentication.WITHOUT_ENCAPSULATION,
    "encapsulated": MutualAuthentication.WITH_ENCAPSULATION,
    "digests": MutualAuthentication.WITH_DIGESTS,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.add_argument("--listen", metavar="HOST:PORT", type=_address, help="default: 127.0.0.1, and the usual port")
    parser.add_argument("--transport", choices=BINDINGS, default="pci-doe", help="what units are; default: pci-doe")
    parser.add_argument("--stop-when-told", action="store_true", help="end when a requester says SHUTDOWN")
    parser.add_argument("--root-out", metavar="FILE", help="write the root certificate (DER), for requesters to trust")
    add_negotiation(parser, ResponderCapabilities)
    device = parser.add_argument_group("the device")
    mutual = device.add_mutually_exclusive_group()
    mutual.add_argument("--no-mutual-auth", action="store_true", help="never ask requesters who they are")
    mutual.add_argument("--mutual-auth", choices=_MUTUAL, default="encapsulated", help="how sessions ask for it")
    device.add_argument(
        "--slots", metavar="N", type=int, choices=range(1, _MOST_SLOTS + 1), default=3, help="default: 3"
    )
    device.add_argument(
        "--function", metavar="BDF", type=_function, default=EXAMPLE_FUNCTION, help="hosts the interface"
    )
    device.add_argument(
        "--heartbeat", metavar="SECONDS", type=int, default=EXAMPLE_HEARTBEAT_S, help="of sessions; 0 for none"
    )
    device.add_argument("--transfer-size", metavar="BYTES", type=int, help="DataTransferSize; from 42")


def run(arguments: argparse.Namespace) -> int:
    """Serve until stopped."""
    binding = BINDINGS[arguments.transport]
    config = configuration_of(arguments)
    if arguments.root_out:
        Path(arguments.root_out).write_bytes(config.slots[0].certificates[0])
    host, port = arguments.listen or ("127.0.0.1", TCP_DEFAULT_PORT if binding is TCP else DEFAULT_PORT)
    function, stops = arguments.function, arguments.stop_when_told
    with example_server(config, host, port, binding=binding, function=function, stops_when_told=stops) as server:
        at = "{}:{}".format(*server.address)
        print(f"pytio: serving {binding.name} on {at}, interface {arguments.function}", file=sys.stderr, flush=True)
        server.serve()
    return ExitCode.DONE


def configuration_of(arguments: argparse.Namespace) -> ResponderConfig:
    """Return the configuration of the device that the arguments describe, with fresh keys."""
    chosen = algorithms_of(arguments)
    identity = _identities(arguments)
    is_mutual = not arguments.no_mutual_auth
    capabilities = capabilities_of(arguments, EXAMPLE_CAPABILITIES)
    if not is_mutual:
        capabilities &= ~ResponderCapabilities.MUT_AUTH_CAP
    limits = Limits()
    if arguments.transfer_size is not None:
        limits = attrs.evolve(limits, data_transfer_size=arguments.transfer_size)
    return example_config(
        identities=identity,
        versions=versions_of(arguments),
        algorithms=chosen,
        capabilities=capabilities,
        limits=limits,
        heartbeat_period_s=arguments.heartbeat,
        pre_shared_keys=EXAMPLE_KEYS | keys_of(arguments),
        mutual_authentication=_MUTUAL[arguments.mutual_auth] if is_mutual else MutualAuthentication.NONE,
        has_basic_mutual_authentication=is_mutual,
    )


def _identities(arguments: argparse.Namespace) -> dict[int, IssuedChain]:
    """Draw one root's worth of chains for each slot, of the first signature algorithm that was named."""
    named: list[BaseAsymAlgo | PqcAsymAlgo] = [
        one for one in [*(arguments.asym or ()), *(arguments.pqc_asym or ())] if one is not None
    ]
    algorithm = algorithms.signature_algorithm(named[0] if named else BaseAsymAlgo.ECDSA_P384)
    return {slot: issue_chain(algorithm) for slot in range(arguments.slots)}


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not port.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT")
    return host.strip("[]") or "127.0.0.1", int(port)


def _function(text: str) -> Bdf:
    try:
        return Bdf.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None

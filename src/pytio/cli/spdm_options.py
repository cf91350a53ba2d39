"""Options that `pytio respond` and `pytio spdm` share: versions, algorithms, capabilities, pre-shared keys."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from typing import Any, Final, TypeVar

import attrs

from pytio.crypto import Secret
from pytio.spdm import SpdmVersion
from pytio.spdm.algorithms import (
    AeadSuite,
    BaseAsymAlgo,
    BaseHashAlgo,
    DheGroup,
    KemAlgo,
    MeasurementHashAlgo,
    PqcAsymAlgo,
)
from pytio.spdm.configuration import ALL_VERSIONS, AlgorithmSet
from pytio.wire import WireFlag

__all__ = ("add_negotiation", "algorithms_of", "capabilities_of", "choice", "keys_of", "versions_of")

F = TypeVar("F", bound=WireFlag)

_ALGORITHMS: Final[dict[str, tuple[str, type[WireFlag], str]]] = {
    "--hash": ("hashes", BaseHashAlgo, "base hash"),
    "--meas-hash": ("measurement_hashes", MeasurementHashAlgo, "measurement hash"),
    "--asym": ("asym", BaseAsymAlgo, "the responder's signature"),
    "--req-asym": ("req_asym", BaseAsymAlgo, "the requester's signature"),
    "--pqc-asym": ("pqc_asym", PqcAsymAlgo, "the responder's post-quantum signature"),
    "--req-pqc-asym": ("req_pqc_asym", PqcAsymAlgo, "the requester's post-quantum signature"),
    "--dhe": ("dhe", DheGroup, "Diffie-Hellman group"),
    "--kem": ("kem", KemAlgo, "key encapsulation"),
    "--aead": ("aead", AeadSuite, "cipher of records"),
}
_NONE: Final = "NONE"
_VERSIONS: Final = {f"{version >> 4}.{version & 0xF}": version for version in ALL_VERSIONS}
_SUFFIX: Final = "_CAP"


def add_negotiation(parser: argparse.ArgumentParser, capabilities: type[WireFlag]) -> None:
    """Declare what is negotiated; everything may be repeated, in order of preference."""
    group = parser.add_argument_group("negotiation", "all may be repeated; an algorithm NONE offers none")
    group.add_argument(
        "--ver", dest="versions", metavar="VERSION", choices=_VERSIONS, action="append", help=", ".join(_VERSIONS)
    )
    for option, (field, kind, what) in _ALGORITHMS.items():
        reader = choice(kind, also=_NONE)
        group.add_argument(option, dest=field, metavar="NAME", type=reader, action="append", help=what)
    for option, what in (("--cap", "add a capability"), ("--no-cap", "leave a capability out")):
        dest = "added_capabilities" if option == "--cap" else "removed_capabilities"
        group.add_argument(
            option, dest=dest, metavar="NAME", type=choice(capabilities), action="append", default=[], help=what
        )
    group.add_argument(
        "--psk",
        dest="pre_shared_keys",
        metavar="HINT=HEX",
        type=_psk,
        action="append",
        default=[],
        help="a pre-shared key and its hint, as text; \\0 stands for a zero byte",
    )


def choice(kind: type[F], also: str | None = None) -> Callable[[str], F | None]:
    """Return a reader of a flag's name, as the specification spells it, with or without its _CAP."""

    def read(text: str) -> F | None:
        if text == also:
            return None
        for name in (text, text + _SUFFIX):
            if name in kind.__members__:
                return kind[name]
        raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join(kind.__members__)}")

    return read


def _psk(text: str) -> tuple[bytes, Secret]:
    hint, _, key = text.rpartition("=")
    try:
        return hint.replace("\\0", "\0").encode(), Secret(bytes.fromhex(key))
    except ValueError:
        raise argparse.ArgumentTypeError("a hint, =, and an even number of hex digits") from None  # shows no key


def versions_of(arguments: argparse.Namespace) -> tuple[SpdmVersion, ...]:
    """Return the versions that were asked for, or all."""
    return tuple(_VERSIONS[text] for text in arguments.versions) if arguments.versions else ALL_VERSIONS


def algorithms_of(arguments: argparse.Namespace) -> AlgorithmSet:
    """Return the algorithms that were asked for; of the kinds that were not named, everything."""
    chosen: dict[str, Any] = {}
    for field, _, _ in _ALGORITHMS.values():
        named: Iterable[Any] | None = getattr(arguments, field)
        if named is not None:
            chosen[field] = tuple(one for one in named if one is not None)
    return attrs.evolve(AlgorithmSet(), **chosen)


def capabilities_of(arguments: argparse.Namespace, default: F) -> F:
    """Return the default capabilities with those that were added, without those that were removed."""
    flags = default
    for one in arguments.added_capabilities:
        flags |= one
    for one in arguments.removed_capabilities:
        flags &= ~one
    return flags


def keys_of(arguments: argparse.Namespace) -> dict[bytes, Secret]:
    """Return the pre-shared keys by hint."""
    return dict(arguments.pre_shared_keys)

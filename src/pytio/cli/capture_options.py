"""The options of every command that reads a capture: its secrets, and what the file does not say."""

from __future__ import annotations

import argparse
from typing import Final

from pytio.capture import Trace, open_capture

__all__ = ("add_capture_options", "open_given")

_MOST_NUMBER: Final = 0xFFFF
_SECRETS: Final = (
    ("--psk", "a pre-shared key"),
    ("--dhe-secret", "a raw Diffie-Hellman secret"),
    ("--kem-secret", "a secret of key encapsulation"),
)


def add_capture_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    for option, what in _SECRETS:
        parser.add_argument(
            option,
            metavar="HEX",
            type=_secret,
            action="append",
            default=[],
            help=f"{what}; repeat it in the order in which sessions start",
        )
    parser.add_argument("--keylog", metavar="FILE", help="a key log, which says which session each secret is for")
    parser.add_argument("--linktype", metavar="N", type=_number, help="what the packets are, whatever the file says")
    parser.add_argument("--port", metavar="N", type=_number, help="the TCP port of SPDM; without it, framing tells")


def open_given(arguments: argparse.Namespace, *, verify: bool = False) -> Trace:
    """Open the capture that the arguments name. Raises what ``open_capture`` raises."""
    return open_capture(
        arguments.file,
        psk=arguments.psk,
        dhe_secret=arguments.dhe_secret,
        kem_secret=arguments.kem_secret,
        secrets=arguments.keylog,
        link_type=arguments.linktype,
        port=arguments.port,
        verify=verify,
    )


def _secret(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:  # whose text would show the secret
        raise argparse.ArgumentTypeError("a secret is an even number of hex digits") from None


def _number(text: str) -> int:
    """Return a number that fits 16 bits, as link types and ports do."""
    try:
        number = int(text, 0)
    except ValueError:
        number = -1
    if not 0 <= number <= _MOST_NUMBER:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to {_MOST_NUMBER}")
    return number

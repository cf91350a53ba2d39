"""The recorded sessions: their bytes, their secrets, and what the reference decoder says of them."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any, Final

from pytio.capture import Frame, Record, Trace, open_capture
from pytio.capture.pcap import read_pcap

SESSIONS: Final = Path(__file__).parents[1] / "sessions"

RECORDED: Final = {
    "s01-doe12-p384-full": 388,
    "s02-mctp10-rsa3072-onebyone": 546,
    "s03-mctp11-p256-aes128": 102,
    "s04-mctp12-rsapss3072-ffdhe-chacha": 58,
    "s05-mctp12-chunk": 216,
    "s06-doe13-p256-provision": 122,
    "s07-doe14-p384": 292,
    "s08-doe12-psk-only": 138,
}
"""Names of the pcap files of link types 291 and 292, and how many records each holds."""


def path(name: str) -> Path:
    """Return the capture file."""
    return SESSIONS / f"{name}.pcap"


@cache
def log(name: str) -> dict[str, Any]:
    """Return what the peers logged beside the capture: secrets, and the values of the key schedule."""
    logged: dict[str, Any] = json.loads((SESSIONS / f"{name}.json").read_text())
    return logged


@cache
def reference(name: str) -> list[list[Any]]:
    """Return the reference decoder's row for each record."""
    rows: list[list[Any]] = json.loads((SESSIONS / f"{name}.reference.json").read_text())
    return rows


def secrets(name: str) -> dict[str, Any]:
    """Return the secrets, as `open_capture` takes them."""
    return {kind: [bytes.fromhex(secret) for secret in log(name)[kind]] for kind in ("psk", "dhe_secret")}


def opened(name: str) -> Trace:
    """Return the capture with its secrets."""
    return open_capture(path(name), **secrets(name))


@cache
def records(name: str) -> tuple[Record, ...]:
    """Return the records, decrypted."""
    return tuple(opened(name))


@cache
def frames(name: str) -> tuple[Frame, ...]:
    """Return the captured frames."""
    with path(name).open("rb") as stream:
        return tuple(read_pcap(stream))

"""What travelled in vendor-defined messages of the recorded sessions, one conversation for each secured session."""

from __future__ import annotations

from functools import cache
from typing import Final

from tests.capture import recorded

__all__ = ("WITH_VENDOR_MESSAGES", "conversations")

WITH_VENDOR_MESSAGES: Final = ("s01-doe12-p384-full", "s07-doe14-p384", "s08-doe12-psk-only")
"""The recorded sessions with IDE_KM and TDISP in them."""
_FIRST: Final = {"idekm": "QUERY", "tdisp": "GET_TDISP_VERSION"}
"""What the reference requester begins each conversation with."""


@cache
def conversations(layer: str) -> tuple[tuple[bytes, ...], ...]:
    """Return the payloads of IDE_KM or TDISP, request and response in turn."""
    found: list[list[bytes]] = []
    for name in WITH_VENDOR_MESSAGES:
        for one in (one for record in recorded.records(name) for one in record.layers if one.name == layer):
            if one.title == _FIRST[layer]:
                found.append([])
            found[-1].append(one.data)
    return tuple(map(tuple, found))

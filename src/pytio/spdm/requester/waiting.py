"""What a requester waits for before it says something again."""

from __future__ import annotations

import attrs

__all__ = ("Waiting",)


@attrs.frozen
class Waiting:
    """A message to be sent later, about the request that is on its way."""

    message: bytes | None
    """RESPOND_IF_READY; None for the request once more."""
    until: float
    """When."""

"""What a requester waits for before it says something again."""

from __future__ import annotations

import attrs

__all__ = ("Waiting",)


@attrs.frozen
class Waiting:
    """A message to be sent later, about the request that is on its way."""

    message: bytes = attrs.field(repr=False)
    """The request once more, or RESPOND_IF_READY."""
    until: float
    """When."""

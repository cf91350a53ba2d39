"""One request on its way, and the response that came: what builders return and takers are given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs

from pytio.errors import RemoteProtocolError
from pytio.spdm.chunking import Cut, Gathering
from pytio.spdm.codes import SpdmCode
from pytio.spdm.messages.base import SpdmMessage
from pytio.spdm.requests import Intent
from pytio.spdm.session import Session

__all__ = ("Answer", "Exchange")


@attrs.define(eq=False)
class Exchange:
    """A request that has been sent, and what is to become of its response."""

    request: SpdmMessage
    """The message."""
    raw: bytes = attrs.field(repr=False)
    """Its bytes."""
    session: Session | None = None
    """The session that it travels in."""
    intent: Intent | None = None
    """What it is part of; None where a message was given."""
    memory: Any = attrs.field(default=None, repr=False)
    """What its taker needs to remember: the taker's own business."""
    cut: Cut | None = None
    """The request itself, on its way in chunks."""
    gathering: Gathering | None = None
    """Its response, on its way in chunks."""
    afterwards: list[Callable[[], None]] = attrs.field(factory=list)
    """What is to be done once it has been sealed: changes of keys."""
    busy_left: int = 0
    """How often it may be repeated yet."""
    give_up_at: float | None = None
    """When a response that is put off again and again is given up."""

    @property
    def code(self) -> SpdmCode:
        """The request's code."""
        return SpdmCode(self.request.code)

    @property
    def context(self) -> int | None:
        """What transcripts call the place: the session's id."""
        return self.session.session_id if self.session is not None else None


@attrs.frozen
class Answer:
    """A response of the right code and shape, to be checked."""

    exchange: Exchange
    message: Any
    """The message, of the class that the taker's table names."""
    raw: bytes = attrs.field(repr=False)
    """Its bytes, without what a transport appended."""
    now: float

    @property
    def request(self) -> Any:
        """The request that it answers, of the class that the taker's table names."""
        return self.exchange.request

    @property
    def context(self) -> int | None:
        """What transcripts call the place: the session's id."""
        return self.exchange.context

    def unsigned(self, signature: bytes, behind: bytes = b"") -> bytes:
        """Return the bytes up to the signature, with ``behind`` following it."""
        return self.raw[: len(self.raw) - len(signature) - len(behind)]

    def require(self, holds: object, detail: str) -> None:
        """Raise RemoteProtocolError unless a rule holds."""
        if not holds:
            raise RemoteProtocolError(self.exchange.code, self.message.code, detail)

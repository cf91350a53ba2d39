"""One request as a handler sees it, and what a vendor's handler is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import attrs

from pytio.spdm.codes import SpdmCode
from pytio.spdm.events import Event
from pytio.spdm.session import Session

__all__ = ("Call", "NotReadyError", "VendorHandler")


class NotReadyError(Exception):
    """What a vendor's handler raises to be asked again later: the requester is answered ResponseNotReady.

    Attributes:
        seconds: how long it takes.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


class VendorHandler(Protocol):
    """A protocol inside VENDOR_DEFINED, from the responder's side: IDE_KM and TDISP are such protocols.

    Registered with `Responder.register`. Payloads begin with the protocol id. The engine guarantees that a session, if
    any, is established or handshaking, and calls no handler twice for one request unless it was not ready.
    """

    def handle(self, payload: bytes, session: int | None) -> bytes | None:
        """Return the payload of the response, its protocol id included; None for silence.

        ``session`` is the id of the session that the request came in, None outside any. Raises NotReadyError to be
        asked again; LookupError to have the request answered UnsupportedRequest; a DecodeError or ProtocolError to have
        it answered InvalidRequest.
        """


@attrs.frozen
class Call:
    """A request of the right place, version and shape, to be answered."""

    request: Any
    """The message, of the class that the handler's table names."""
    raw: bytes = attrs.field(repr=False)
    """Its bytes, without what a transport appended."""
    session: Session | None
    """The session that it came in."""
    now: float
    events: list[Event] = attrs.field(factory=list)
    """What the handler reports."""
    is_ready: bool = False
    """Whether it was put off before, and is not to be put off again."""
    afterwards: list[Callable[[], list[Event]]] = attrs.field(factory=list)
    """What is to be done once the response has been sealed: changes of keys."""
    ending: list[tuple[Session, str]] = attrs.field(factory=list)
    """Sessions that end once the response has been sealed, and why."""

    @property
    def code(self) -> SpdmCode:
        """The request's code."""
        return SpdmCode(self.request.code)

    def end(self, session: Session, reason: str) -> None:
        """Have a session end, whether the request is answered or refused."""
        self.ending.append((session, reason))

    @property
    def context(self) -> int | None:
        """What transcripts call the place: the session's id."""
        return self.session.session_id if self.session is not None else None

"""How a handler refuses a request: by raising, and the engine sends the ERROR."""

from __future__ import annotations

from typing import Any

from pytio.spdm.codes import SpdmErrorCode

__all__ = ("Refusal", "require")


class Refusal(Exception):  # noqa: N818  not an error of ours: the engine turns it into an ERROR message
    """A request that is to be answered with ERROR.

    Attributes:
        code: the error code.
        reason: why, in words that are not sent.
        data: the error data byte.
        extended: the extended error data.
    """

    def __init__(self, code: SpdmErrorCode, reason: str, data: int = 0, extended: Any = b"") -> None:
        super().__init__(code, reason, data)
        self.code = code
        self.reason = reason
        self.data = data
        self.extended = extended


def require(holds: object, reason: str, code: SpdmErrorCode = SpdmErrorCode.INVALID_REQUEST) -> None:
    """Raise Refusal, as InvalidRequest unless told otherwise, if a rule does not hold."""
    if not holds:
        raise Refusal(code, reason)

"""Every error pytio raises, on one page.

Facts are attributes; the text is made from them in ``__str__``. This module knows no protocol: codes arrive as the
integers or enum members that the layers pass in.

::

    PytioError
    ├── DecodeError(reason, data, offset, path)    bytes lack the shape; also a ValueError
    │   ├── PciDecodeError        configuration space, capabilities
    │   ├── DoeDecodeError        data objects, discovery
    │   ├── TransportDecodeError  MCTP, TCP, storage, platform socket
    │   ├── SpdmDecodeError       SPDM messages, opaque data, secured records
    │   ├── IdeKmDecodeError      IDE_KM objects
    │   ├── TdispDecodeError      TDISP messages, interface report
    │   ├── IdeDecodeError        TLPs, IDE prefix, OHC
    │   ├── SevDecodeError        PSP buffers, guest messages, blobs
    │   └── CaptureError          pcap, pcapng, key log
    ├── EncodeError(reason, message, field)        a message cannot be laid out; also a ValueError
    ├── ProtocolError(state, got)
    │   ├── LocalProtocolError    we broke a rule
    │   └── RemoteProtocolError   the peer did; ``reply`` is what to answer
    ├── PeerError(code)                            a well-formed refusal
    │   ├── DoePeerError  SpdmPeerError  TdispPeerError  IdeKmPeerError  SevCommandError  SevMessageError
    ├── VerificationError(what, pieces)            a signature, digest, MAC, measurement or policy does not hold
    └── BackendError(backend)                      the operating system or the other end of a wire
        ├── BackendUnavailableError   the feature or the verb does not exist here
        ├── BackendTimeoutError       no answer in time
        ├── BackendPermissionError    a privilege is missing
        │   └── BackendLockdownError  no privilege helps: the kernel is locked down
        ├── BackendBusyError          someone else has it, or it is already so
        ├── BackendRefusedError       understood, and turned down
        └── BackendGoneError          it was there, and went away
"""

from __future__ import annotations

from typing import Any

__all__ = (
    "BackendBusyError",
    "BackendError",
    "BackendGoneError",
    "BackendLockdownError",
    "BackendPermissionError",
    "BackendRefusedError",
    "BackendTimeoutError",
    "BackendUnavailableError",
    "CaptureError",
    "DecodeError",
    "DoeDecodeError",
    "DoePeerError",
    "EncodeError",
    "IdeDecodeError",
    "IdeKmDecodeError",
    "IdeKmPeerError",
    "LocalProtocolError",
    "PciDecodeError",
    "PeerError",
    "ProtocolError",
    "PytioError",
    "RemoteProtocolError",
    "SevCommandError",
    "SevDecodeError",
    "SevMessageError",
    "SpdmDecodeError",
    "SpdmPeerError",
    "TdispDecodeError",
    "TdispPeerError",
    "TransportDecodeError",
    "VerificationError",
)

_EXCERPT_BYTES = 16


class PytioError(Exception):
    """Base of every error that pytio raises on purpose."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by the facts: every constructor takes its attributes positionally, and ``args`` holds them."""
        return type(self), self.args


class DecodeError(PytioError, ValueError):
    """Bytes lack the shape that the format demands.

    Attributes:
        reason: what was expected and what was found, without position.
        data: the whole structure that was being decoded; zero bytes where it carries key material.
        offset: first byte of the offending field, counted from the start of ``data``.
        path: the field, as ``Message.field.inner[3]``; empty when the layer has no fields.
    """

    def __init__(self, reason: str, data: bytes = b"", offset: int = 0, path: str = "") -> None:
        super().__init__(reason, data, offset, path)
        self.reason = reason
        self.data = data
        self.offset = offset
        self.path = path

    def __str__(self) -> str:
        """Say ``path at offset N: reason [bytes there]``."""
        where = f"{self.path} at offset {self.offset}" if self.path else f"offset {self.offset}"
        excerpt = self.data[self.offset : self.offset + _EXCERPT_BYTES]
        more = "…" if len(self.data) > self.offset + _EXCERPT_BYTES else ""
        return f"{where}: {self.reason}" + (f" [{excerpt.hex(' ')}{more}]" if excerpt else "")


class PciDecodeError(DecodeError):
    """A configuration space or one of its capabilities is malformed."""


class DoeDecodeError(DecodeError):
    """A DOE data object, or a discovery payload, is malformed."""


class TransportDecodeError(DecodeError):
    """MCTP, TCP binding, storage binding or platform socket framing is malformed."""


class SpdmDecodeError(DecodeError):
    """An SPDM message, its opaque data or a secured record is malformed."""


class IdeKmDecodeError(DecodeError):
    """An IDE_KM object is malformed."""


class TdispDecodeError(DecodeError):
    """A TDISP message or an interface report is malformed."""


class IdeDecodeError(DecodeError):
    """A TLP, an IDE prefix or an OHC is malformed."""


class SevDecodeError(DecodeError):
    """A PSP command buffer, a guest message or a SEV-TIO blob is malformed."""


class CaptureError(DecodeError):
    """A capture file or a key log is malformed."""


class EncodeError(PytioError, ValueError):
    """A message cannot be laid out as bytes.

    Attributes:
        reason: what does not fit.
        message: name of the message class.
        field: name of the field, as a path.
    """

    def __init__(self, reason: str, message: str = "", field: str = "") -> None:
        super().__init__(reason, message, field)
        self.reason = reason
        self.message = message
        self.field = field

    def __str__(self) -> str:
        """Say ``Message.field: reason``."""
        where = ".".join(part for part in (self.message, self.field) if part)
        return f"{where}: {self.reason}" if where else self.reason


class ProtocolError(PytioError):
    """A message or call is illegal in the present state.

    Attributes:
        state: the state the engine was in.
        got: the message or event that is illegal there.
        detail: why, where the table alone does not say it.
    """

    def __init__(self, state: object, got: object, detail: str = "") -> None:
        super().__init__(state, got, detail)
        self.state = state
        self.got = got
        self.detail = detail

    def __str__(self) -> str:
        """Say what came in which state."""
        text = f"{_name(self.got)} is illegal in state {_name(self.state)}"
        return f"{text}: {self.detail}" if self.detail else text


class LocalProtocolError(ProtocolError):
    """The caller broke a protocol rule; nothing was sent."""


class RemoteProtocolError(ProtocolError):
    """The peer broke a protocol rule.

    Attributes:
        reply: the message to answer with, or None where the protocol says to stay silent.
    """

    def __init__(self, state: object, got: object, detail: str = "", reply: bytes | None = None) -> None:
        super().__init__(state, got, detail)
        self.args = (state, got, detail, reply)
        self.reply = reply


class PeerError(PytioError):
    """The peer refused in a well-formed way.

    Attributes:
        code: the wire value, as a member of the layer's code space.
        detail: what the refusal carried beside its code.
    """

    def __init__(self, code: int, detail: str = "") -> None:
        super().__init__(code, detail)
        self.code = code
        self.detail = detail

    def __str__(self) -> str:
        """Say the code's specification name."""
        return f"peer answered {_name(self.code)}" + (f": {self.detail}" if self.detail else "")


class DoePeerError(PeerError):
    """A DOE mailbox failed an exchange.

    Attributes:
        hint: what to do about it.
    """

    def __init__(self, code: int, detail: str = "", hint: str = "") -> None:
        super().__init__(code, detail)
        self.args = (code, detail, hint)
        self.hint = hint

    def __str__(self) -> str:
        """Say what failed, and the hint."""
        text = f"DOE mailbox: {_name(self.code)}" + (f": {self.detail}" if self.detail else "")
        return f"{text} ({self.hint})" if self.hint else text


class SpdmPeerError(PeerError):
    """The SPDM peer answered ERROR."""


class TdispPeerError(PeerError):
    """The DSM answered TDISP_ERROR."""


class IdeKmPeerError(PeerError):
    """The responder acknowledged a key with a failure status."""


class SevCommandError(PeerError):
    """The PSP completed a command with a status other than success.

    Attributes:
        command: the command that failed.
        status: the same as ``code``, under the name the PSP uses.
        hint: what to do about it.
    """

    def __init__(self, command: int, status: int, detail: str = "", hint: str = "") -> None:
        super().__init__(status, detail)
        self.args = (command, status, detail, hint)
        self.command = command
        self.status = status
        self.hint = hint

    def __str__(self) -> str:
        """Say which command failed with which status, and the hint."""
        text = f"{_name(self.command)} failed with {_name(self.status)}" + (f": {self.detail}" if self.detail else "")
        return f"{text} ({self.hint})" if self.hint else text


class SevMessageError(PeerError):
    """The firmware answered a guest's message, and in it a status other than success.

    Attributes:
        message: name of the message.
        status: the same as ``code``, under the name the message uses.
    """

    def __init__(self, message: str, status: int, detail: str = "") -> None:
        super().__init__(status, detail)
        self.args = (message, status, detail)
        self.message = message
        self.status = status

    def __str__(self) -> str:
        """Say which message was answered with which status."""
        return f"{self.message} is answered with {_name(self.status)}" + (f": {self.detail}" if self.detail else "")


class VerificationError(PytioError):
    """A signature, digest, MAC, measurement or policy does not hold; never carries the expected MAC or a key.

    Attributes:
        what: what was verified.
        pieces: the pieces of bytes that were covered, in order.
    """

    def __init__(self, what: str, pieces: tuple[object, ...] = ()) -> None:
        super().__init__(what, pieces)
        self.what = what
        self.pieces = pieces

    def __str__(self) -> str:
        """Say what failed."""
        return f"{self.what} does not verify"


class BackendError(PytioError):
    """The operating system or the other end of a wire failed; the ``OSError``, if any, is the ``__cause__``.

    Attributes:
        backend: which backend, as its URI or path.
        reason: what failed.
        hint: what to do about it.
    """

    def __init__(self, backend: str, reason: str = "", hint: str = "") -> None:
        super().__init__(backend, reason, hint)
        self.backend = backend
        self.reason = reason
        self.hint = hint

    def __str__(self) -> str:
        """Say backend, reason and hint."""
        text = f"{self.backend}: {self.reason}" if self.reason else self.backend
        return f"{text} ({self.hint})" if self.hint else text


class BackendUnavailableError(BackendError):
    """The backend, or the verb asked of it, does not exist on this host."""


class BackendTimeoutError(BackendError):
    """The backend did not answer in time."""


class BackendPermissionError(BackendError):
    """A privilege is missing: the hint says which."""


class BackendLockdownError(BackendPermissionError):
    """The kernel is locked down, so that not even root may do this."""


class BackendBusyError(BackendError):
    """Someone else is using it, or it is already in the state that was asked for."""


class BackendRefusedError(BackendError):
    """The request was understood and turned down: a value, an order or a configuration is wrong."""


class BackendGoneError(BackendError):
    """The device, or the kernel's object for it, went away while it was in use."""


def _name(value: object) -> str:
    """Return an enum member's specification name, or the plain value."""
    return str(getattr(value, "name", None) or value)

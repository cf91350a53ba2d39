"""pytio: wire-format codecs, protocol engines and mocks for PCIe TEE-IO.

The names here are where a newcomer starts; each is resolved when it is first used (PEP 562), so ``import pytio`` loads
nothing else. Messages and codes are in the packages of their protocols: ``pytio.doe``, ``pytio.spdm``, ``pytio.tdisp``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pytio.capture import open_capture
    from pytio.errors import (
        BackendBusyError,
        BackendError,
        BackendGoneError,
        BackendLockdownError,
        BackendPermissionError,
        BackendRefusedError,
        BackendTimeoutError,
        BackendUnavailableError,
        CaptureError,
        DecodeError,
        DoeDecodeError,
        DoePeerError,
        EncodeError,
        IdeDecodeError,
        IdeKmDecodeError,
        IdeKmPeerError,
        LocalProtocolError,
        PciDecodeError,
        PeerError,
        ProtocolError,
        PytioError,
        RemoteProtocolError,
        SevCommandError,
        SevDecodeError,
        SpdmDecodeError,
        SpdmPeerError,
        TdispDecodeError,
        TdispPeerError,
        TransportDecodeError,
        VerificationError,
    )
    from pytio.hosts import open_host

    __version__: str

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
    "SpdmDecodeError",
    "SpdmPeerError",
    "TdispDecodeError",
    "TdispPeerError",
    "TransportDecodeError",
    "VerificationError",
    "__version__",
    "open_capture",
    "open_host",
)

_HOMES: Final = {"open_capture": "pytio.capture", "open_host": "pytio.hosts"}  # of every name that is not an error

if not TYPE_CHECKING:  # a type checker that saw this would believe in every misspelt name

    def __getattr__(name: str) -> object:
        """Import a public name from its home, once."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        if name == "__version__":
            from importlib.metadata import version  # noqa: PLC0415  costs more than the rest of the package's start

            value = version("pytio")
        else:
            from importlib import import_module  # noqa: PLC0415

            value = getattr(import_module(_HOMES.get(name, "pytio.errors")), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    """List the public names, resolved or not."""
    return sorted({*globals(), *__all__})

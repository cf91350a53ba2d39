"""TDISP: locking a device interface, reading what it reports, starting it; inside a secured SPDM session.

Document: PCIe Base 6.x chapter 11, "TEE Device Interface Security Protocol (TDISP)". A message is what follows the
protocol id in a vendor-defined SPDM message: `parse` reads any of them, and each has a class here under its name.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

from pytio.tdisp.codes import (
    MANDATORY_REQUESTS,
    PROTOCOL_ID,
    WHOLE_REPORT,
    InterfaceInfo,
    LockFlags,
    MessageType,
    MmioAttributes,
    ProtocolVersion,
    RequestMessages,
    TdispErrorCode,
    TdiState,
    VendorRegistry,
)
from pytio.tdisp.header import (
    TdispHeader,
    TdispMessage,
)
from pytio.tdisp.messages import (
    MESSAGES,
    REQUESTS,
    RESPONSES,
    DeviceInterfaceReport,
    DeviceInterfaceState,
    ExtendedErrorData,
    GetDeviceInterfaceReport,
    GetDeviceInterfaceState,
    GetTdispCapabilities,
    GetTdispVersion,
    LockInterfaceRequest,
    LockInterfaceResponse,
    StartInterfaceRequest,
    StartInterfaceResponse,
    StopInterfaceRequest,
    StopInterfaceResponse,
    TdispCapabilities,
    TdispError,
    TdispVersion,
    parse,
)
from pytio.tdisp.optional import (
    BindP2pStreamRequest,
    BindP2pStreamResponse,
    SetMmioAttributeRequest,
    SetMmioAttributeResponse,
    SetTdispConfigRequest,
    SetTdispConfigResponse,
    UnbindP2pStreamRequest,
    UnbindP2pStreamResponse,
    VdmRequest,
    VdmResponse,
)
from pytio.tdisp.report import (
    DEVICE_REPORTS,
    InterfaceReport,
    MmioRange,
)

if TYPE_CHECKING:
    from pytio.tdisp.device import DsmCapabilities, OptionalTdi, Tdi
    from pytio.tdisp.events import Event, InterfaceReported, RequestRefused, ResponseReceived, StateChanged
    from pytio.tdisp.requester import Requester
    from pytio.tdisp.responder import Responder
    from pytio.tdisp.state import TdiEvent

__all__ = (
    "DEVICE_REPORTS",
    "MANDATORY_REQUESTS",
    "MESSAGES",
    "PROTOCOL_ID",
    "REQUESTS",
    "RESPONSES",
    "WHOLE_REPORT",
    "BindP2pStreamRequest",
    "BindP2pStreamResponse",
    "DeviceInterfaceReport",
    "DeviceInterfaceState",
    "DsmCapabilities",
    "Event",
    "ExtendedErrorData",
    "GetDeviceInterfaceReport",
    "GetDeviceInterfaceState",
    "GetTdispCapabilities",
    "GetTdispVersion",
    "InterfaceInfo",
    "InterfaceReport",
    "InterfaceReported",
    "LockFlags",
    "LockInterfaceRequest",
    "LockInterfaceResponse",
    "MessageType",
    "MmioAttributes",
    "MmioRange",
    "OptionalTdi",
    "ProtocolVersion",
    "RequestMessages",
    "RequestRefused",
    "Requester",
    "Responder",
    "ResponseReceived",
    "SetMmioAttributeRequest",
    "SetMmioAttributeResponse",
    "SetTdispConfigRequest",
    "SetTdispConfigResponse",
    "StartInterfaceRequest",
    "StartInterfaceResponse",
    "StateChanged",
    "StopInterfaceRequest",
    "StopInterfaceResponse",
    "Tdi",
    "TdiEvent",
    "TdiState",
    "TdispCapabilities",
    "TdispError",
    "TdispErrorCode",
    "TdispHeader",
    "TdispMessage",
    "TdispVersion",
    "UnbindP2pStreamRequest",
    "UnbindP2pStreamResponse",
    "VdmRequest",
    "VdmResponse",
    "VendorRegistry",
    "parse",
)

_LAZY: Final = {
    "DsmCapabilities": "device",
    "Event": "events",
    "InterfaceReported": "events",
    "OptionalTdi": "device",
    "RequestRefused": "events",
    "Requester": "requester",
    "Responder": "responder",
    "ResponseReceived": "events",
    "StateChanged": "events",
    "Tdi": "device",
    "TdiEvent": "state",
}
"""Names that load more than codecs need, and the modules that define them."""


if not TYPE_CHECKING:  # a type checker that saw this would believe in every misspelt name

    def __getattr__(name: str) -> object:
        """Import an engine, or what belongs to it, when its name is first used."""
        if name not in _LAZY:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return globals().setdefault(name, getattr(import_module(f"{__name__}.{_LAZY[name]}"), name))


def __dir__() -> list[str]:
    """List the public names, resolved or not."""
    return sorted({*globals(), *__all__})

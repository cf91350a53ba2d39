"""IDE_KM: the protocol that gives the keys of an IDE stream to a port, inside a secured SPDM session.

Document: PCIe Base 6.x chapter 6, "IDE Key Management (IDE_KM)". Which key is which, and in which order its bytes go,
is in `KeyProg`; the registers that QUERY_RESP reports are in `IdeRegisters`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

from pytio.ide_registers import (
    AddressAssociation,
    AggregationMode,
    IdeAlgorithm,
    IdeCapability,
    IdeControl,
    IdeRegisters,
    IdeStreamState,
    IdeStreamStatus,
    LinkIdeStream,
    LinkIdeStreamControl,
    PartialHeaderEncryptionMode,
    RidAssociation,
    SelectiveIdeStream,
    SelectiveIdeStreamControl,
)
from pytio.idekm.byte_order import (
    InvocationField,
    aes_key_from_registers,
    aes_key_from_wire,
    aes_key_to_registers,
    aes_key_to_wire,
    ifv_from_wire,
    ifv_to_wire,
)
from pytio.idekm.codes import (
    PROTOCOL_ID,
    KpAckStatus,
    ObjectId,
)
from pytio.idekm.messages import (
    MESSAGES,
    REQUESTS,
    RESPONSES,
    IdeKmMessage,
    KeyProg,
    KGostopAck,
    KpAck,
    KSetGo,
    KSetStop,
    Query,
    QueryResp,
    parse,
)

if TYPE_CHECKING:
    from pytio.idekm.device import IdePort
    from pytio.idekm.events import Event, KeyStateChanged, PortDescribed, RequestIgnored
    from pytio.idekm.requester import Requester
    from pytio.idekm.responder import Responder
    from pytio.idekm.state import KeyState, StreamEvent

__all__ = (
    "MESSAGES",
    "PROTOCOL_ID",
    "REQUESTS",
    "RESPONSES",
    "AddressAssociation",
    "AggregationMode",
    "Event",
    "IdeAlgorithm",
    "IdeCapability",
    "IdeControl",
    "IdeKmMessage",
    "IdePort",
    "IdeRegisters",
    "IdeStreamState",
    "IdeStreamStatus",
    "InvocationField",
    "KGostopAck",
    "KSetGo",
    "KSetStop",
    "KeyProg",
    "KeyState",
    "KeyStateChanged",
    "KpAck",
    "KpAckStatus",
    "LinkIdeStream",
    "LinkIdeStreamControl",
    "ObjectId",
    "PartialHeaderEncryptionMode",
    "PortDescribed",
    "Query",
    "QueryResp",
    "RequestIgnored",
    "Requester",
    "Responder",
    "RidAssociation",
    "SelectiveIdeStream",
    "SelectiveIdeStreamControl",
    "StreamEvent",
    "aes_key_from_registers",
    "aes_key_from_wire",
    "aes_key_to_registers",
    "aes_key_to_wire",
    "ifv_from_wire",
    "ifv_to_wire",
    "parse",
)

_LAZY: Final = {
    "Event": "events",
    "IdePort": "device",
    "KeyState": "state",
    "KeyStateChanged": "events",
    "PortDescribed": "events",
    "RequestIgnored": "events",
    "Requester": "requester",
    "Responder": "responder",
    "StreamEvent": "state",
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

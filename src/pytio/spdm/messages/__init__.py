"""SPDM messages: one file for each exchange, request and response together.

Document: DSP0274. `message_class` finds the class of a code; the tables import a file when one of its messages is first
asked for, so this package costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, cast

from pytio.spdm.codes import SpdmCode

if TYPE_CHECKING:
    from pytio.spdm.messages.base import SpdmMessage

__all__ = ("MESSAGES", "REQUESTS", "RESPONSES", "class_name", "message_class")

_FILES: Final[Mapping[str, tuple[SpdmCode, ...]]] = {
    "version": (SpdmCode.GET_VERSION, SpdmCode.VERSION),
    "capabilities": (SpdmCode.GET_CAPABILITIES, SpdmCode.CAPABILITIES),
    "algorithms": (SpdmCode.NEGOTIATE_ALGORITHMS, SpdmCode.ALGORITHMS),
    "digests": (SpdmCode.GET_DIGESTS, SpdmCode.DIGESTS),
    "certificate": (SpdmCode.GET_CERTIFICATE, SpdmCode.CERTIFICATE),
    "challenge": (SpdmCode.CHALLENGE, SpdmCode.CHALLENGE_AUTH),
    "measurements": (SpdmCode.GET_MEASUREMENTS, SpdmCode.MEASUREMENTS),
    "measurement_log": (SpdmCode.GET_MEASUREMENT_EXTENSION_LOG, SpdmCode.MEASUREMENT_EXTENSION_LOG),
    "endpoint_info": (SpdmCode.GET_ENDPOINT_INFO, SpdmCode.ENDPOINT_INFO),
    "error": (SpdmCode.ERROR,),
    "key_exchange": (SpdmCode.KEY_EXCHANGE, SpdmCode.KEY_EXCHANGE_RSP, SpdmCode.FINISH, SpdmCode.FINISH_RSP),
    "psk": (SpdmCode.PSK_EXCHANGE, SpdmCode.PSK_EXCHANGE_RSP, SpdmCode.PSK_FINISH, SpdmCode.PSK_FINISH_RSP),
    "session": (
        SpdmCode.HEARTBEAT,
        SpdmCode.HEARTBEAT_ACK,
        SpdmCode.KEY_UPDATE,
        SpdmCode.KEY_UPDATE_ACK,
        SpdmCode.END_SESSION,
        SpdmCode.END_SESSION_ACK,
        SpdmCode.RESPOND_IF_READY,
    ),
    "encapsulated": (
        SpdmCode.GET_ENCAPSULATED_REQUEST,
        SpdmCode.ENCAPSULATED_REQUEST,
        SpdmCode.DELIVER_ENCAPSULATED_RESPONSE,
        SpdmCode.ENCAPSULATED_RESPONSE_ACK,
    ),
    "chunk": (SpdmCode.CHUNK_SEND, SpdmCode.CHUNK_SEND_ACK, SpdmCode.CHUNK_GET, SpdmCode.CHUNK_RESPONSE),
    "provisioning": (SpdmCode.GET_CSR, SpdmCode.CSR, SpdmCode.SET_CERTIFICATE, SpdmCode.SET_CERTIFICATE_RSP),
    "key_pair": (
        SpdmCode.GET_KEY_PAIR_INFO,
        SpdmCode.KEY_PAIR_INFO,
        SpdmCode.SET_KEY_PAIR_INFO,
        SpdmCode.SET_KEY_PAIR_INFO_ACK,
    ),
    "events": (
        SpdmCode.GET_SUPPORTED_EVENT_TYPES,
        SpdmCode.SUPPORTED_EVENT_TYPES,
        SpdmCode.SUBSCRIBE_EVENT_TYPES,
        SpdmCode.SUBSCRIBE_EVENT_TYPES_ACK,
        SpdmCode.SEND_EVENT,
        SpdmCode.EVENT_ACK,
    ),
    "vendor_defined": (SpdmCode.VENDOR_DEFINED_REQUEST, SpdmCode.VENDOR_DEFINED_RESPONSE),
    "slot_management": (SpdmCode.SLOT_MANAGEMENT, SpdmCode.SLOT_MANAGEMENT_RESP),
}


def class_name(code: SpdmCode) -> str:
    """Return the name of a message's class: ``GetVersion`` for ``GET_VERSION``."""
    return code.name.title().replace("_", "")


class _Classes(Mapping[SpdmCode, "type[SpdmMessage]"]):
    """Message classes by code, each imported when it is first asked for."""

    def __init__(self, homes: Mapping[SpdmCode, str]) -> None:
        self._homes = homes
        self._found: dict[SpdmCode, type[SpdmMessage]] = {}

    def __getitem__(self, code: SpdmCode) -> type[SpdmMessage]:
        found = self._found.get(code)
        if found is None:
            file = import_module(f"{__name__}.{self._homes[code]}")
            found = self._found[code] = cast("type[SpdmMessage]", getattr(file, class_name(code)))
        return found

    def __iter__(self) -> Iterator[SpdmCode]:
        return iter(self._homes)

    def __len__(self) -> int:
        return len(self._homes)

    def __repr__(self) -> str:
        return f"<{len(self)} SPDM message classes>"


_HOMES: Final = {code: file for file, codes in _FILES.items() for code in codes}

REQUESTS: Final[Mapping[SpdmCode, type[SpdmMessage]]] = _Classes(
    MappingProxyType({code: file for code, file in _HOMES.items() if code.is_request})
)
"""The class of each request. The response to a request has its code without bit 7, but for RESPOND_IF_READY."""

RESPONSES: Final[Mapping[SpdmCode, type[SpdmMessage]]] = _Classes(
    MappingProxyType({code: file for code, file in _HOMES.items() if not code.is_request})
)
"""The class of each response."""

MESSAGES: Final[Mapping[SpdmCode, type[SpdmMessage]]] = _Classes(MappingProxyType(_HOMES))
"""The class of each message."""


def message_class(code: int) -> type[SpdmMessage]:
    """Return the class of the messages with this code.

    Raises:
        KeyError: the specification gives the code no message.
    """
    return MESSAGES[SpdmCode(code)]

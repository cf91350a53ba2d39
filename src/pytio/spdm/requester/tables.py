"""Which builder makes the message of an intent, and which taker a response goes to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import attrs

from pytio.spdm.codes import SpdmCode, SpdmVersion
from pytio.spdm.events import Event
from pytio.spdm.messages import MESSAGES
from pytio.spdm.messages.base import SpdmMessage
from pytio.spdm.requester import connection, identity, measurements, vendor
from pytio.spdm.requester.exchange import Answer
from pytio.spdm.requests import (
    Authenticate,
    Connect,
    Intent,
    Measure,
    ReadCertificate,
    ReadDigests,
    ReadEndpointInfo,
    ReadMeasurementLog,
    VendorRequest,
)
from pytio.spdm.session import Session

if TYPE_CHECKING:
    from pytio.spdm.requester.engine import Requester

__all__ = ("BUILDERS", "TAKERS", "VERSION_OF", "Builder", "Taker")

_Build: TypeAlias = "Callable[[Requester, Any], SpdmMessage]"

_Take: TypeAlias = "Callable[[Requester, Answer], list[Event]]"


@attrs.frozen
class Builder:
    """How an intent becomes a message."""

    code: SpdmCode
    """Of the first message."""
    make: _Build

    def build(self, requester: Requester, intent: Intent, session: Session | None) -> SpdmMessage:
        """Return the first message."""
        message: SpdmMessage = self.make(requester, intent)
        return message


@attrs.frozen
class Taker:
    """What takes a response."""

    code: SpdmCode
    take: _Take

    @property
    def cls(self) -> type[SpdmMessage]:
        """The response's class."""
        return MESSAGES[self.code]


BUILDERS: Final[Mapping[type[Intent], Builder]] = MappingProxyType(
    {
        Connect: Builder(SpdmCode.GET_VERSION, connection.build_get_version),
        ReadDigests: Builder(SpdmCode.GET_DIGESTS, identity.build_get_digests),
        ReadCertificate: Builder(SpdmCode.GET_CERTIFICATE, identity.build_get_certificate),
        Authenticate: Builder(SpdmCode.CHALLENGE, identity.build_challenge),
        Measure: Builder(SpdmCode.GET_MEASUREMENTS, measurements.build_get_measurements),
        ReadMeasurementLog: Builder(SpdmCode.GET_MEASUREMENT_EXTENSION_LOG, measurements.build_get_mel),
        ReadEndpointInfo: Builder(SpdmCode.GET_ENDPOINT_INFO, measurements.build_get_endpoint_info),
        VendorRequest: Builder(SpdmCode.VENDOR_DEFINED_REQUEST, vendor.build_vendor_request),
    }
)
"""The builder of each intent."""

_TAKES: Final[Mapping[SpdmCode, _Take]] = {
    SpdmCode.VERSION: connection.take_version,
    SpdmCode.CAPABILITIES: connection.take_capabilities,
    SpdmCode.ALGORITHMS: connection.take_algorithms,
    SpdmCode.DIGESTS: identity.take_digests,
    SpdmCode.CERTIFICATE: identity.take_certificate,
    SpdmCode.CHALLENGE_AUTH: identity.take_challenge_auth,
    SpdmCode.MEASUREMENTS: measurements.take_measurements,
    SpdmCode.MEASUREMENT_EXTENSION_LOG: measurements.take_mel,
    SpdmCode.ENDPOINT_INFO: measurements.take_endpoint_info,
    SpdmCode.VENDOR_DEFINED_RESPONSE: vendor.take_vendor_response,
}

TAKERS: Final[Mapping[SpdmCode, Taker]] = MappingProxyType({code: Taker(code, take) for code, take in _TAKES.items()})
"""The taker of each response."""

VERSION_OF: Final[Mapping[SpdmCode, SpdmVersion]] = MappingProxyType({SpdmCode.VERSION: SpdmVersion.V1_0})
"""The version byte of responses that do not carry the negotiated one."""

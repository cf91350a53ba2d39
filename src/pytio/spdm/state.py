"""When a message is legal: states of connections and sessions, what moves them, and where each request may be sent.

Documents: DSP0274, the message exchanges and their timing; the order of VCA follows the reference implementation. The
tables are role-neutral: requester and responder consult the same ones, and diagrams are drawn from them. This file
knows no layout and performs no check of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Final

import attrs

from pytio.spdm.capabilities import RequesterCapabilities, ResponderCapabilities
from pytio.spdm.codes import SpdmCode, SpdmVersion

__all__ = (
    "REQUEST_RULES",
    "SESSION_TRANSITIONS",
    "TRANSITIONS",
    "ConnectionState",
    "Place",
    "RequestRule",
    "SessionState",
)


class ConnectionState(Enum):
    """How far a connection has come."""

    NOT_STARTED = "not started"
    AFTER_VERSION = "after VERSION"
    AFTER_CAPABILITIES = "after CAPABILITIES"
    NEGOTIATED = "negotiated"
    """After ALGORITHMS."""
    AFTER_DIGESTS = "after DIGESTS"
    AFTER_CERTIFICATE = "after CERTIFICATE"
    AUTHENTICATED = "authenticated"
    """After CHALLENGE_AUTH."""
    ERROR = "error"
    """A check failed or the peer broke a rule; only GET_VERSION leads out."""


class SessionState(Enum):
    """How far a session has come."""

    HANDSHAKING = "handshaking"
    """Under handshake keys: after KEY_EXCHANGE_RSP or PSK_EXCHANGE_RSP."""
    ESTABLISHED = "established"
    """Under data keys."""
    ENDED = "ended"
    """Its keys are forgotten."""


class Place(Enum):
    """Where a message travels."""

    OUTSIDE = "outside a session"
    HANDSHAKING = "in a session that is handshaking"
    ESTABLISHED = "in an established session"


_NEGOTIATED: Final = (
    ConnectionState.NEGOTIATED,
    ConnectionState.AFTER_DIGESTS,
    ConnectionState.AFTER_CERTIFICATE,
    ConnectionState.AUTHENTICATED,
)
_CAPABLE: Final = (ConnectionState.AFTER_CAPABILITIES, *_NEGOTIATED)

TRANSITIONS: Final[Mapping[tuple[ConnectionState, SpdmCode], ConnectionState]] = MappingProxyType(
    {
        **{(state, SpdmCode.VERSION): ConnectionState.AFTER_VERSION for state in ConnectionState},
        (ConnectionState.AFTER_VERSION, SpdmCode.CAPABILITIES): ConnectionState.AFTER_CAPABILITIES,
        (ConnectionState.AFTER_CAPABILITIES, SpdmCode.ALGORITHMS): ConnectionState.NEGOTIATED,
        (ConnectionState.NEGOTIATED, SpdmCode.DIGESTS): ConnectionState.AFTER_DIGESTS,
        (ConnectionState.NEGOTIATED, SpdmCode.CERTIFICATE): ConnectionState.AFTER_CERTIFICATE,
        (ConnectionState.AFTER_DIGESTS, SpdmCode.CERTIFICATE): ConnectionState.AFTER_CERTIFICATE,
        **{(state, SpdmCode.CHALLENGE_AUTH): ConnectionState.AUTHENTICATED for state in _NEGOTIATED},
    }
)
"""What a response outside any session makes of the connection; every other response leaves it where it is."""

SESSION_TRANSITIONS: Final[Mapping[tuple[SessionState, SpdmCode], SessionState]] = MappingProxyType(
    {
        (SessionState.HANDSHAKING, SpdmCode.FINISH_RSP): SessionState.ESTABLISHED,
        (SessionState.HANDSHAKING, SpdmCode.PSK_FINISH_RSP): SessionState.ESTABLISHED,
        (SessionState.HANDSHAKING, SpdmCode.PSK_EXCHANGE_RSP): SessionState.ESTABLISHED,  # without PSK_FINISH
        (SessionState.ESTABLISHED, SpdmCode.END_SESSION_ACK): SessionState.ENDED,
    }
)
"""What a response makes of its session; every other response leaves it where it is."""

_OUTSIDE: Final = frozenset({Place.OUTSIDE})
_ESTABLISHED: Final = frozenset({Place.ESTABLISHED})
_HANDSHAKING: Final = frozenset({Place.HANDSHAKING})
_EITHER: Final = _OUTSIDE | _ESTABLISHED
_ANYWHERE: Final = frozenset(Place)

_Requester = RequesterCapabilities
_Responder = ResponderCapabilities


@attrs.frozen
class RequestRule:
    """Where, since when, and with which capabilities a request is legal."""

    places: frozenset[Place]
    """Where it may travel. FINISH depends on where the handshake travels, too."""
    since: SpdmVersion = SpdmVersion.V1_0
    """The first version that has it."""
    states: tuple[ConnectionState, ...] = _NEGOTIATED
    """The states of the connection in which it may come."""
    responder: ResponderCapabilities = ResponderCapabilities(0)
    """One of these the responder must have, unless there is none."""
    requester: RequesterCapabilities = RequesterCapabilities(0)
    """One of these the requester must have, unless there is none."""
    is_exact: bool = False
    """Whether nothing may follow the message in a session, not even padding."""


_V1_1, _V1_2, _V1_3, _V1_4 = SpdmVersion.V1_1, SpdmVersion.V1_2, SpdmVersion.V1_3, SpdmVersion.V1_4
_MEASURES: Final = _Responder.MEAS_CAP_NO_SIG | _Responder.MEAS_CAP_SIG

REQUEST_RULES: Final[Mapping[SpdmCode, RequestRule]] = MappingProxyType(
    {
        SpdmCode.GET_VERSION: RequestRule(_OUTSIDE, states=tuple(ConnectionState)),
        SpdmCode.GET_CAPABILITIES: RequestRule(_OUTSIDE, states=(ConnectionState.AFTER_VERSION,)),
        SpdmCode.NEGOTIATE_ALGORITHMS: RequestRule(_OUTSIDE, states=(ConnectionState.AFTER_CAPABILITIES,)),
        SpdmCode.GET_DIGESTS: RequestRule(_EITHER, responder=_Responder.CERT_CAP),
        SpdmCode.GET_CERTIFICATE: RequestRule(_EITHER, responder=_Responder.CERT_CAP),
        SpdmCode.CHALLENGE: RequestRule(_OUTSIDE, responder=_Responder.CHAL_CAP),
        SpdmCode.GET_MEASUREMENTS: RequestRule(_EITHER, responder=_MEASURES),
        SpdmCode.GET_MEASUREMENT_EXTENSION_LOG: RequestRule(_EITHER, _V1_3, responder=_Responder.MEL_CAP),
        SpdmCode.GET_ENDPOINT_INFO: RequestRule(
            _EITHER, _V1_3, responder=_Responder.EP_INFO_CAP_NO_SIG | _Responder.EP_INFO_CAP_SIG
        ),
        SpdmCode.KEY_EXCHANGE: RequestRule(
            _OUTSIDE, _V1_1, responder=_Responder.KEY_EX_CAP, requester=_Requester.KEY_EX_CAP
        ),
        SpdmCode.FINISH: RequestRule(
            _OUTSIDE | _HANDSHAKING, _V1_1, responder=_Responder.KEY_EX_CAP, requester=_Requester.KEY_EX_CAP
        ),
        SpdmCode.PSK_EXCHANGE: RequestRule(
            _OUTSIDE,
            _V1_1,
            responder=_Responder.PSK_CAP | _Responder.PSK_CAP_WITH_CONTEXT,
            requester=_Requester.PSK_CAP,
        ),
        SpdmCode.PSK_FINISH: RequestRule(
            _HANDSHAKING,
            _V1_1,
            responder=_Responder.PSK_CAP_WITH_CONTEXT,
            requester=_Requester.PSK_CAP,
            is_exact=True,
        ),
        SpdmCode.HEARTBEAT: RequestRule(
            _ESTABLISHED, _V1_1, responder=_Responder.HBEAT_CAP, requester=_Requester.HBEAT_CAP, is_exact=True
        ),
        SpdmCode.KEY_UPDATE: RequestRule(
            _ESTABLISHED, _V1_1, responder=_Responder.KEY_UPD_CAP, requester=_Requester.KEY_UPD_CAP, is_exact=True
        ),
        SpdmCode.END_SESSION: RequestRule(_ESTABLISHED, _V1_1, is_exact=True),
        SpdmCode.GET_ENCAPSULATED_REQUEST: RequestRule(_ANYWHERE, _V1_1),
        SpdmCode.DELIVER_ENCAPSULATED_RESPONSE: RequestRule(_ANYWHERE, _V1_1),
        SpdmCode.CHUNK_SEND: RequestRule(
            _ANYWHERE, _V1_2, _CAPABLE, responder=_Responder.CHUNK_CAP, requester=_Requester.CHUNK_CAP
        ),
        SpdmCode.CHUNK_GET: RequestRule(
            _ANYWHERE, _V1_2, _CAPABLE, responder=_Responder.CHUNK_CAP, requester=_Requester.CHUNK_CAP
        ),
        SpdmCode.GET_CSR: RequestRule(_EITHER, _V1_2, responder=_Responder.CSR_CAP),
        SpdmCode.SET_CERTIFICATE: RequestRule(_EITHER, _V1_2, responder=_Responder.SET_CERT_CAP),
        SpdmCode.GET_KEY_PAIR_INFO: RequestRule(_EITHER, _V1_3, responder=_Responder.GET_KEY_PAIR_INFO_CAP),
        SpdmCode.SET_KEY_PAIR_INFO: RequestRule(_EITHER, _V1_3, responder=_Responder.SET_KEY_PAIR_INFO_CAP),
        SpdmCode.GET_SUPPORTED_EVENT_TYPES: RequestRule(
            _ESTABLISHED, _V1_3, responder=_Responder.EVENT_CAP, is_exact=True
        ),
        SpdmCode.SUBSCRIBE_EVENT_TYPES: RequestRule(_ESTABLISHED, _V1_3, responder=_Responder.EVENT_CAP, is_exact=True),
        SpdmCode.SEND_EVENT: RequestRule(_ESTABLISHED, _V1_3, requester=_Requester.EVENT_CAP, is_exact=True),
        SpdmCode.VENDOR_DEFINED_REQUEST: RequestRule(_ANYWHERE),
        SpdmCode.RESPOND_IF_READY: RequestRule(_ANYWHERE),
    }
)
"""One row for each request that the engines know. SLOT_MANAGEMENT (1.4) has none: assumption SPDM_U1."""
